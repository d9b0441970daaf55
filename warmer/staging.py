"""Staging of one task on the disk: survey, compare, remove stale files, copy those that differ, verify.

Safe to repeat, also after a crash: correct files stay, and no file gets its name before it is verified.
"""

import logging
import time
from collections.abc import Iterable
from itertools import chain
from threading import Lock

from shared.agent.report import Reason
from shared.blastdb.obstacles import obstruction
from shared.errors import Code
from warmer import markers, removal, taxonomy
from warmer.agreement import Totals
from warmer.assignment import Task
from warmer.atomic_files import sync_folder, write_whole
from warmer.checking import is_intact, open_shard
from warmer.context import Context
from warmer.copying import copy
from warmer.failures import WarmFailure
from warmer.node_folder import FileRecord, NodeFolder, State, record_of
from warmer.residency import refuse_too_much
from warmer.survey import Comparison, Survey, compare, survey

_SAVE_SECONDS = 3.0
_OBSTACLES = {
    Code.BLOB_ARCHIVED: Reason.BLOB_ARCHIVED,
    Code.BLOB_ENCRYPTED: Reason.BLOB_ENCRYPTED,
    Code.WRONG_BLOB_TYPE: Reason.WRONG_BLOB_TYPE,
}

log = logging.getLogger("warmer")


class StagedFiles:
    """A task's verified files on the disk."""

    def __init__(self, node_folder: NodeFolder, records: dict[str, FileRecord], shared: tuple[str, ...]) -> None:
        self._node_folder = node_folder
        self._records = records
        self._shared = shared

    def changed(self) -> str | None:
        """A file that was touched after its verification, or None. Newer taxonomy from another agent does not count."""
        shared = taxonomy.records(self._node_folder, self._shared)
        unknown = (leaf for leaf in self._shared if leaf not in shared)
        records = {**self._records, **shared}
        touched = (leaf for leaf, record in records.items() if not is_intact(self._node_folder.path, [(leaf, record)]))
        return next(chain(unknown, touched), None)

    def sizes(self) -> dict[str, int]:
        """Bytes by file name."""
        records = self._records | taxonomy.records(self._node_folder, self._shared)
        return {leaf: record.size_bytes for leaf, record in records.items()}


def stage(task: Task, context: Context) -> StagedFiles:
    """Bring a task's files onto the disk and verify them.

    Raises:
        WarmFailure: the reason why that fails.
        Stopped: the work is no longer wanted.
    """
    context.progress.enter("starting")
    context.reporter.write()
    node_folder, state = context.node_folder, context.node_folder.state()
    known_totals = Totals(*state.totals) if state.totals and state.digest == task.digest else None
    found = survey(context.storage, task, known_totals)
    node_folder.refuse_taken(_owned(found))
    compared = compare(found, state, context)
    _refuse_obstructed(task, compared)
    if task.mode == "hot":
        refuse_too_much(context.progress.report().bytes_total, context.settings.memory_bytes)
    records = compared.records
    if compared.missing or compared.aliases or state != _state(task, found, records, is_complete=True):
        _change(task, context, found, compared, state)
    _open_shards(task, context, found)
    wanted = _state(task, found, records, is_complete=True)
    if wanted != node_folder.state():
        node_folder.save(wanted)
    markers.refresh(node_folder)
    return StagedFiles(node_folder, records, wanted.shared)


def _refuse_obstructed(task: Task, compared: Comparison) -> None:
    """Refuse before anything on the node changes. Archived blobs whose files are on the node already do not matter."""
    problem = obstruction(task.db, compared.missing)
    if problem is not None:
        raise WarmFailure(_OBSTACLES[problem.code], problem.message)


def _change(task: Task, context: Context, found: Survey, compared: Comparison, before: State) -> None:
    node_folder, records = context.node_folder, compared.records
    # The state names the files before they exist, so that files left by a crash have an owner.
    incomplete = _state(task, found, records, is_complete=False)
    stale = sorted({*before.owned} - {*incomplete.owned})
    node_folder.claim(incomplete.model_copy(update={"owned": (*incomplete.owned, *stale)}), incomplete.owned)
    markers.refresh(node_folder)
    removed = removal.remove_owned(node_folder, stale) + taxonomy.release(node_folder, before.shared)
    removal.remove_unfinished(node_folder, compared.missing, context.settings.part_bytes)
    removal.remove_leftovers(node_folder)
    if removed:
        log.info("removed %d stale files of %s", removed, task.db)
    verified_files = _VerifiedFiles(node_folder, incomplete, records)
    try:
        if compared.missing:
            copy(compared.missing, context, verified_files.enter)
        for leaf, blob in compared.aliases.items():
            write_whole(node_folder.path / leaf, found.alias_texts[leaf])
            verified_files.enter(leaf, record_of((node_folder.path / leaf).stat(), blob.md5 or "", blob.fingerprint))
            context.progress.verified(leaf)
    finally:
        verified_files.save()


class _VerifiedFiles:
    """Saves the records of verified files while others are still being copied, so that a crash costs little hashing."""

    def __init__(self, node_folder: NodeFolder, state: State, records: dict[str, FileRecord]) -> None:
        self._node_folder = node_folder
        self._state = state
        self._records = records
        self._saved = time.monotonic()
        self._lock = Lock()

    def enter(self, leaf: str, record: FileRecord) -> None:
        with self._lock:
            self._records[leaf] = record
            if time.monotonic() > self._saved + _SAVE_SECONDS:
                self._save()

    def save(self) -> None:
        with self._lock:
            self._save()

    def _save(self) -> None:
        # Sync the names first: files that the state calls verified must exist after a power cut too.
        sync_folder(self._node_folder.path)
        self._node_folder.save(self._state.model_copy(update={"verified": dict(sorted(self._records.items()))}))
        self._saved = time.monotonic()


def _open_shards(task: Task, context: Context, found: Survey) -> None:
    context.progress.enter("verifying_db")
    context.reporter.write()
    for wanted in found.aliases:
        open_shard(context.node_folder, wanted.leaf, context.stop, context.settings.verify_seconds)
    shards = ", ".join(f"{shard:02d}" for shard in task.shards)
    log.info("verified %d files of %s: shards %s of %d", len(found.wanted), task.db, shards, task.shard_count)


def _state(task: Task, found: Survey, records: dict[str, FileRecord], *, is_complete: bool) -> State:
    return State(
        db=task.db,
        digest=task.digest,
        texts=task.texts,
        shard_count=task.shard_count,
        shards=task.shards,
        source_version=task.source_version,
        complete=is_complete,
        totals=(found.totals.sequences, found.totals.letters) if found.totals else None,
        owned=_owned(found),
        shared=_leaves(blob.leaf for blob in found.taxonomy),
        verified=dict(sorted(records.items())),
    )


def _owned(found: Survey) -> tuple[str, ...]:
    return _leaves(wanted.leaf for wanted in (*found.wanted, *found.aliases))


def _leaves(leaves: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(leaves))
