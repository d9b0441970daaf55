"""One task onto the disk: survey, compare, remove what is stale, copy what differs, verify.

Safe to repeat, and to begin again after any crash: what is right stays, nothing gets its name before it is right.
"""

import logging
import time
from collections.abc import Iterable
from itertools import chain
from threading import Lock

from warmer import markers, removal, taxonomy
from warmer.agreement import Totals
from warmer.assignment import Task
from warmer.checking import is_intact, open_shard
from warmer.comparing import Comparison, compare
from warmer.copying import copy
from warmer.durable import sync_folder, write_whole
from warmer.home import FileRecord, Home, State, record_of
from warmer.residency import refuse_too_much
from warmer.survey import Survey, survey
from warmer.tools import Tools

_SAVE_SECONDS = 3.0

log = logging.getLogger("warmer")


class Shelf:
    """A task's files on the disk, verified at one moment."""

    def __init__(self, home: Home, records: dict[str, FileRecord], shared: tuple[str, ...]) -> None:
        self._home = home
        self._records = records
        self._shared = shared

    def changed(self) -> str | None:
        """A file that somebody has touched since, but for agents that brought newer taxonomy; None when there is none."""
        shared = taxonomy.records(self._home, self._shared)
        unknown = (leaf for leaf in self._shared if leaf not in shared)
        records = {**self._records, **shared}
        touched = (leaf for leaf, record in records.items() if not is_intact(self._home.folder, [(leaf, record)]))
        return next(chain(unknown, touched), None)

    def sizes(self) -> dict[str, int]:
        """Bytes by file name."""
        records = self._records | taxonomy.records(self._home, self._shared)
        return {leaf: record.size_bytes for leaf, record in records.items()}


def stage(task: Task, tools: Tools) -> Shelf:
    """Bring a task's files onto the disk, verified.

    Raises:
        WarmFailure: why it cannot be.
        Stopped: it is no longer wanted.
    """
    tools.board.enter("starting")
    tools.reporter.write()
    home, state = tools.home, tools.home.state()
    known_totals = Totals(*state.totals) if state.totals and state.digest == task.digest else None
    found = survey(tools.storage, task, known_totals)
    compared = compare(found, state, tools)
    if task.mode == "hot":
        refuse_too_much(tools.board.report().bytes_total, tools.settings.memory_bytes)
    records = compared.records
    if compared.missing or compared.aliases or state != _state(task, found, records, is_complete=True):
        _change(task, tools, found, compared, state)
    _open_shards(task, tools, found)
    wanted = _state(task, found, records, is_complete=True)
    if wanted != home.state():
        home.save(wanted)
    markers.refresh(home)
    return Shelf(home, records, wanted.shared)


def _change(task: Task, tools: Tools, found: Survey, compared: Comparison, before: State) -> None:
    home, records = tools.home, compared.records
    # Named before they appear, so that what a crash leaves has an owner.
    incomplete = _state(task, found, records, is_complete=False)
    stale = sorted({*before.owned} - {*incomplete.owned})
    home.save(incomplete.model_copy(update={"owned": (*incomplete.owned, *stale)}))
    markers.refresh(home)
    removed = removal.remove_owned(home, stale) + taxonomy.release(home, before.shared)
    removal.remove_unfinished(home, compared.missing, tools.settings.part_bytes)
    removal.remove_leftovers(home)
    if removed:
        log.info("removed %d stale files of %s", removed, task.db)
    ledger = _Ledger(home, incomplete, records)
    try:
        if compared.missing:
            copy(compared.missing, tools, ledger.enter)
        for leaf, blob in compared.aliases.items():
            write_whole(home.folder / leaf, found.alias_texts[leaf])
            ledger.enter(leaf, record_of((home.folder / leaf).stat(), blob.md5 or "", blob.fingerprint))
            tools.board.verified(leaf)
    finally:
        ledger.save()


class _Ledger:
    """Notes verified files down while others are still being copied, so that a crash costs little hashing."""

    def __init__(self, home: Home, state: State, records: dict[str, FileRecord]) -> None:
        self._home = home
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
        # The names first: what the state calls verified has to be there after a power cut too.
        sync_folder(self._home.folder)
        self._home.save(self._state.model_copy(update={"verified": dict(sorted(self._records.items()))}))
        self._saved = time.monotonic()


def _open_shards(task: Task, tools: Tools, found: Survey) -> None:
    tools.board.enter("verifying_db")
    tools.reporter.write()
    for wanted in found.aliases:
        open_shard(tools.home, wanted.leaf, tools.stop, tools.settings.verify_seconds)
    shards = ", ".join(f"{shard:02d}" for shard in task.shards)
    log.info("verified %d files of %s: shards %s of %d", len(found.wanted), task.db, shards, task.shard_count)


def _state(task: Task, found: Survey, records: dict[str, FileRecord], *, is_complete: bool) -> State:
    return State(
        db=task.db,
        digest=task.digest,
        shard_count=task.shard_count,
        shards=task.shards,
        source_version=task.source_version,
        complete=is_complete,
        totals=(found.totals.sequences, found.totals.letters) if found.totals else None,
        owned=_leaves(wanted.leaf for wanted in (*found.wanted, *found.aliases)),
        shared=_leaves(blob.leaf for blob in found.taxonomy),
        verified=dict(sorted(records.items())),
    )


def _leaves(leaves: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(leaves))
