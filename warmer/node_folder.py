"""The node's folder of databases: its files, the records of them, and the locks that say who may change them.

    /blast/blastdb/                       flat: all databases' files, as BLAST and the consumers want them
      .download-complete, .download-source-version     the consumers' markers
      .shardwarm/{db}.json                what this agent owns and has verified
      .shardwarm/{db}.lock                held while an agent of this database lives
      .shardwarm/.taxonomy.json           the files that all databases share, and how new they are
      .shardwarm/.shared.lock             held for moments by the agent that changes taxonomy files or markers
      .shardwarm/incoming/{db}/           unfinished files
      .shardwarm/check/{db}/              aliases with other paths, where the folder is not /blast/blastdb

Agents of several databases share the folder. Each changes only files that its own state says it owns, and claims none that
another state owns.
"""

import contextlib
import fcntl
import os
from collections.abc import Generator, Iterable
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.agent.report import Reason
from warmer.atomic_files import write_whole
from warmer.failures import Stopped, WarmFailure

_LOCK_POLL_SECONDS = 0.2


class FileRecord(BaseModel):
    """A file as it was when its content was verified. Any write changes one of these fields, and then it is hashed again."""

    model_config = ConfigDict(frozen=True)

    size_bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    device: int | None = None
    md5: str
    fingerprint: str

    def fits(self, status: os.stat_result) -> bool:
        """Whether the file is untouched since: the same inode with the same times. Earlier agents recorded no device."""
        seen = (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        known = (self.size_bytes, self.mtime_ns, self.ctime_ns, self.inode)
        return seen == known and self.device in {None, status.st_dev}


def record_of(status: os.stat_result, md5: str, fingerprint: str) -> FileRecord:
    """The record of a file that has just been verified."""
    return FileRecord(
        size_bytes=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        inode=status.st_ino,
        device=status.st_dev,
        md5=md5,
        fingerprint=fingerprint,
    )


class State(BaseModel):
    """One database on this node. `owned` names files before they appear, so that no file is ever without an owner."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    db: str
    digest: str = ""
    texts: str = ""
    shard_count: int = 0
    shards: tuple[int, ...] = ()
    source_version: str | None = None
    complete: bool = False
    totals: tuple[int, int] | None = None
    owned: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()
    verified: dict[str, FileRecord] = {}


class TaxonomyRecord(BaseModel):
    """One shared file, and the Last-Modified of the blob that it came from."""

    model_config = ConfigDict(frozen=True)

    modified: datetime
    file: FileRecord


class Taxonomy(BaseModel):
    """All shared files by name."""

    model_config = ConfigDict(frozen=True)

    files: dict[str, TaxonomyRecord] = {}


class NodeFolder:
    """The folder of one node, for the agent of one database."""

    def __init__(self, folder: Path, db: str) -> None:
        self.path = folder
        self.db = db
        self._hidden = folder / ".shardwarm"
        self.incoming = self._hidden / "incoming" / db
        self.check = self._hidden / "check" / db

    def prepare(self) -> None:
        """Create the folders that are not there."""
        self.incoming.mkdir(parents=True, exist_ok=True)

    def state(self) -> State:
        """The state of this database. It is empty when its file is absent or damaged: then all files are hashed again."""
        return _read(self._hidden / f"{self.db}.json") or State(db=self.db)

    def save(self, state: State) -> None:
        """Store the state of this database."""
        write_whole(self._hidden / f"{self.db}.json", state.model_dump_json(indent=1).encode())

    def claim(self, state: State, files: Iterable[str]) -> None:
        """Store the state of this database, unless another database owns one of these files.

        Raises:
            WarmFailure: FileNameTaken; nothing is stored.
        """
        with self.shared_lock():
            self.refuse_taken(files)
            self.save(state)

    def refuse_taken(self, files: Iterable[str]) -> None:
        """Refuse files that another database on this node owns.

        Raises:
            WarmFailure: FileNameTaken.
        """
        others = self.owners()
        for leaf in files:
            owner = others.get(leaf)
            if owner is not None:
                message = (
                    f"{leaf} on this node is a file of the warm database '{owner}', too. Nodes keep all files in one folder: "
                    f"release '{owner}' first, or rename one of the two."
                )
                raise WarmFailure(Reason.FILE_NAME_TAKEN, message)

    def owners(self) -> dict[str, str]:
        """The files that other databases on this node own, with the database of each."""
        return {leaf: state.db for state in self.states() if state.db != self.db for leaf in state.owned}

    def forget(self) -> None:
        """Remove every trace of this database but its lock file, on which another agent may wait."""
        (self._hidden / f"{self.db}.json").unlink(missing_ok=True)
        for folder in (self.incoming, self.check):
            if folder.exists():
                for file in folder.iterdir():
                    file.unlink()
                folder.rmdir()

    def states(self) -> list[State]:
        """The states of every database on this node, of all agents."""
        found = (_read(path) for path in sorted(self._hidden.glob("[!.]*.json")))
        return [state for state in found if state is not None]

    def taxonomy(self) -> Taxonomy:
        """The shared files."""
        try:
            return Taxonomy.model_validate_json((self._hidden / ".taxonomy.json").read_bytes())
        except (OSError, ValidationError):
            return Taxonomy()

    def save_taxonomy(self, taxonomy: Taxonomy) -> None:
        """Store the records of shared files; only under `shared_lock`."""
        write_whole(self._hidden / ".taxonomy.json", taxonomy.model_dump_json(indent=1).encode())

    @contextlib.contextmanager
    def only_agent(self, stop: Event) -> Generator[None]:
        """Lock the database for this agent alone; the kernel unlocks it when the process ends.

        Raises:
            Stopped: while another agent holds the lock.
        """
        with (self._hidden / f"{self.db}.lock").open("w") as lock:
            while not _try(lock.fileno()):
                if stop.wait(_LOCK_POLL_SECONDS):
                    raise Stopped
            yield

    @contextlib.contextmanager
    def shared_lock(self) -> Generator[None]:
        """Lock the files that databases share; hold it for moments only."""
        with (self._hidden / ".shared.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(path: Path) -> State | None:
    try:
        return State.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
