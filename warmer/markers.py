"""The two files by which the replaced system's consumer knows that it need not download. Format: contract 2.1, steps 7 and 11.

There is one pair for the whole folder, whatever lies in it. So they stand only while every database on the node is complete,
and are computed from the states alone: agents that finish in any order leave the same bytes. Where databases are of
different source versions, the name of one of them can stand there, the first by database name; the consumer of another one
then downloads again, which is slow and not wrong.
"""

from collections.abc import Sequence

from warmer.atomic_files import write_whole
from warmer.node_folder import NodeFolder, State

_COMPLETE = ".download-complete"
_SOURCE_VERSION = ".download-source-version"


def texts(states: Sequence[State]) -> dict[str, str]:
    """The markers for these states, by file name."""
    if not states or not all(state.complete for state in states):
        return {}
    versions = [state.source_version for state in states if state.source_version]
    return {_COMPLETE: "ok"} | ({_SOURCE_VERSION: versions[0]} if versions else {})


def refresh(node_folder: NodeFolder) -> None:
    """Make the markers say what is true; call it before anything changes, with the state incomplete, and after."""
    with node_folder.shared_lock():
        wanted = texts(node_folder.states())
        for name in (_COMPLETE, _SOURCE_VERSION):
            path = node_folder.path / name
            if name not in wanted:
                path.unlink(missing_ok=True)
            elif not path.exists() or path.read_text() != wanted[name]:
                write_whole(path, wanted[name].encode())
