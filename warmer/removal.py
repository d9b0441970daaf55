"""Removal of files on the node that this database no longer needs, and of leftovers of crashes; never of another database's."""

import contextlib
import logging
import re
from collections.abc import Iterable
from pathlib import Path

from shared.blastdb.listings import ListedBlob
from warmer import markers, taxonomy
from warmer.node_folder import NodeFolder, State
from warmer.partial import paths
from warmer.residency import evict

log = logging.getLogger("warmer")


def remove_owned(node_folder: NodeFolder, leaves: Iterable[str]) -> int:
    """Remove files that this database alone owns by its state; returns how many existed.

    It evicts a file's pages first: if a search has the file open, unlinking alone would not free the memory.
    """
    count, others = 0, node_folder.owners()
    for leaf in leaves:
        # Other programs can write to the state file, so a path in it must not lead out of the folder.
        if Path(leaf).name == leaf and leaf not in others:
            with contextlib.suppress(FileNotFoundError):
                evict(node_folder.path / leaf)
                (node_folder.path / leaf).unlink()
                count += 1
    return count


def remove_unfinished(node_folder: NodeFolder, wanted: Iterable[ListedBlob], part_bytes: int) -> None:
    """Remove unfinished files, except those that a copy of these blobs can continue."""
    kept = {path for blob in wanted for path in paths(blob, node_folder.incoming, part_bytes)}
    for path in node_folder.incoming.iterdir():
        if path not in kept:
            path.unlink()


def remove_leftovers(node_folder: NodeFolder) -> None:
    """Remove temporary files of an interrupted azcopy, the tool by which the replaced system staged this database."""
    pattern = re.compile(rf"\.azDownload-.*-{re.escape(node_folder.db)}(\.\d+)?\.[a-z]{{2,4}}")
    for path in node_folder.path.glob(".azDownload-*"):
        if pattern.fullmatch(path.name):
            path.unlink(missing_ok=True)


def remove_database(node_folder: NodeFolder) -> int:
    """Remove everything of this database from the node; returns how many files. Safe to repeat."""
    state = node_folder.state()
    node_folder.prepare()
    node_folder.save(State(db=node_folder.db, owned=state.owned, shared=state.shared))
    markers.refresh(node_folder)
    count = remove_owned(node_folder, state.owned)
    remove_unfinished(node_folder, (), 0)
    remove_leftovers(node_folder)
    node_folder.forget()
    count += taxonomy.release(node_folder, state.shared)
    markers.refresh(node_folder)
    return count
