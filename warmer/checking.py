"""Verification of files on the node: contents by MD5, shards by opening them with BLAST+."""

import os
from collections.abc import Iterable
from hashlib import md5
from pathlib import Path
from threading import Event

from shared.agent.report import Reason
from shared.blastdb.alias import LOCAL_FOLDER
from shared.blastdb.listings import ListedBlob
from shared.sanitise import sanitised_line
from warmer import programs
from warmer.failures import Stopped, WarmFailure
from warmer.node_folder import FileRecord, NodeFolder, record_of

_BUFFER_BYTES = 1024 * 1024


def verified(path: Path, blob: ListedBlob, record: FileRecord | None, stop: Event) -> FileRecord | None:
    """Verify a file: its record when it has the blob's content; None when it has other content or is absent.

    It does not read a file again that is untouched since it was verified. It hashes any other file, so that the agent takes
    over files of the replaced system without a download. It does not take over files that this user cannot write: the kernel
    would call all of their pages resident, even when they are not (mincore(2)).

    Raises:
        Stopped: the work is no longer wanted.
    """
    try:
        status = path.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None
    if status.st_size != blob.size_bytes or not (status.st_uid == os.geteuid() or os.access(path, os.W_OK)):
        return None
    if record is not None and record.fits(status):
        # If the service keeps no MD5, the ETag tells versions apart.
        return record if record.fingerprint == blob.fingerprint or record.md5 == blob.md5 else None
    if blob.md5 is None:
        return None
    digest = _hash(path, stop)
    return record_of(status, digest, blob.fingerprint) if digest == blob.md5 else None


def is_intact(folder: Path, records: Iterable[tuple[str, FileRecord]]) -> bool:
    """Whether all of these files are untouched since they were verified. Costs one system call for each file."""
    for leaf, record in records:
        try:
            if not record.fits((folder / leaf).stat(follow_symlinks=False)):
                return False
        except OSError:
            return False
    return True


def open_shard(node_folder: NodeFolder, alias: str, stop: Event, timeout_seconds: float) -> None:
    """Check that BLAST+ can open a shard through its alias.

    The alias names its volumes in /blast/blastdb. If the node's folder is elsewhere, BLAST+ opens a copy of the alias with a
    relative prefix; the alias itself stays as it is in storage.

    Raises:
        WarmFailure: VerificationFailed, with the program's error text.
        Stopped: the work is no longer wanted.
    """
    folder = node_folder.path
    if str(folder) != LOCAL_FOLDER:
        node_folder.check.mkdir(parents=True, exist_ok=True)
        text = (node_folder.path / alias).read_text().replace(f"{LOCAL_FOLDER}/", "../../../")
        folder = node_folder.check
        (folder / alias).write_text(text)
    shard, _, extension = alias.rpartition(".")
    # A relative name and a working folder, because BLAST+ splits its paths at spaces.
    command = ["blastdbcmd", "-db", shard, "-dbtype", "nucl" if extension == "nal" else "prot", "-info"]
    ended = programs.run(command, folder, stop, timeout_seconds)
    if ended.status == 0:
        return
    said = sanitised_line(ended.errors or ended.output, 160)
    how = f"ended with status {ended.status}: {said}" if ended.status is not None else f"took more than {timeout_seconds:g} s"
    raise WarmFailure(Reason.VERIFICATION_FAILED, f"blastdbcmd cannot open {shard}: it {how}.")


def _hash(path: Path, stop: Event) -> str:
    digest = md5(usedforsecurity=False)
    buffer = memoryview(bytearray(_BUFFER_BYTES))
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(buffer):
            if stop.is_set():
                raise Stopped
            digest.update(buffer[:count])
    return digest.hexdigest()
