"""Marker files that tell the replaced system's consumer not to download again. Format: contract 2.1, steps 7 and 11.

The node's folder has one pair for all of its databases. The markers therefore exist only while every database on the node is
complete. They follow from the states alone, so agents that finish in any order leave the same bytes. If databases have
different source versions, the marker names the version of the first database by name. The consumer of another database then
downloads again, which is slow but correct.
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
    """Update the markers to the states. Call it before a change, with the state saved as incomplete, and after it."""
    with node_folder.shared_lock():
        wanted = texts(node_folder.states())
        for name in (_COMPLETE, _SOURCE_VERSION):
            path = node_folder.path / name
            if name not in wanted:
                path.unlink(missing_ok=True)
            elif not path.exists() or path.read_text() != wanted[name]:
                write_whole(path, wanted[name].encode())
