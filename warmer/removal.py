"""What goes: files of this database that it no longer needs here, and what crashes left behind. Nothing of anybody else's."""

import contextlib
import logging
import re
from collections.abc import Iterable
from pathlib import Path

from shared.blastdb.listings import ListedBlob
from warmer import markers, taxonomy
from warmer.home import Home, State
from warmer.partial import paths
from warmer.residency import evict

log = logging.getLogger("warmer")


def remove_owned(home: Home, leaves: Iterable[str]) -> int:
    """Remove files that the state says are this database's; returns how many were there.

    Their pages go first: a search that has a file open would keep the memory of one that is only unlinked.
    """
    count = 0
    for leaf in leaves:
        # A state file is text on a disk that others write to: no path in it leads out of the folder.
        if Path(leaf).name == leaf:
            with contextlib.suppress(FileNotFoundError):
                evict(home.folder / leaf)
                (home.folder / leaf).unlink()
                count += 1
    return count


def remove_unfinished(home: Home, wanted: Iterable[ListedBlob], part_bytes: int) -> None:
    """Remove unfinished files, but for those that a copy of these blobs goes on with."""
    kept = {path for blob in wanted for path in paths(blob, home.incoming, part_bytes)}
    for path in home.incoming.iterdir():
        if path not in kept:
            path.unlink()


def remove_leftovers(home: Home) -> None:
    """Remove what azcopy, which the replaced system staged with, left of this database when it was interrupted."""
    pattern = re.compile(rf"\.azDownload-.*-{re.escape(home.db)}(\.\d+)?\.[a-z]{{2,4}}")
    for path in home.folder.glob(".azDownload-*"):
        if pattern.fullmatch(path.name):
            path.unlink(missing_ok=True)


def remove_database(home: Home) -> int:
    """Remove everything of this database from the node; returns how many files. Safe to repeat."""
    state = home.state()
    home.prepare()
    home.save(State(db=home.db, owned=state.owned, shared=state.shared))
    markers.refresh(home)
    count = remove_owned(home, state.owned)
    remove_unfinished(home, (), 0)
    remove_leftovers(home)
    home.forget()
    count += taxonomy.release(home, state.shared)
    markers.refresh(home)
    return count
