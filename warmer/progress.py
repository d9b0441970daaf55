"""Progress of this node's task: many threads count, and `report` makes a report of the counts."""

from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import NamedTuple

from shared.agent.report import AgentReport, Phase, Reason, ShardReport
from shared.blastdb.listings import ListedBlob
from shared.sanitise import shortened
from warmer.assignment import Task
from warmer.residency import percent

_MESSAGE_LIMIT = 200


class Entry(NamedTuple):
    """One file of the task; `shard` is None for a file that all shards share."""

    shard: int | None
    size_bytes: int


class TaskProgress:
    """The counts of the task. Safe to share between threads; it never touches the disk."""

    def __init__(self, node: str, pod: str) -> None:
        self._node = node
        self._pod = pod
        self._lock = Lock()
        self._run = ""
        self._moved = 0
        self.begin(None)

    def count_for(self, run: str) -> None:
        """Count the bytes that are moved from now on for this warmup. Safe to repeat."""
        with self._lock:
            if run != self._run:
                self._run, self._moved = run, 0

    def begin(self, task: Task | None) -> None:
        """Start another task: reset everything but the bytes moved."""
        with self._lock:
            self._task = task
            self._started_at = datetime.now(UTC)
            self._measured_at: datetime | None = None
            self._phase: Phase = "waiting"
            self._is_warm = False
            self._reason: Reason | None = None
            self._message: str | None = None
            self._entries: dict[str, Entry] = {}
            self._done: dict[str, int] = {}
            self._verified: set[str] = set()
            self._resident: dict[str, int] = {}

    def expect(self, entries: Mapping[str, Entry]) -> None:
        """Set the files of the task, by name. All of them start at zero bytes."""
        with self._lock:
            self._entries = dict(entries)
            self._done, self._resident = {}, {}
            self._verified = set()

    def set_bytes(self, blob: ListedBlob, count: int) -> None:
        """See `download.CopyProgress`."""
        with self._lock:
            self._done[blob.leaf] = count

    def add_bytes(self, blob: ListedBlob, count: int) -> None:
        """See `download.CopyProgress`."""
        with self._lock:
            self._moved += count
            self._done[blob.leaf] = self._done.get(blob.leaf, 0) + count

    def verified(self, leaf: str, size_bytes: int | None = None) -> None:
        """Note that a file on the disk is verified. `size_bytes` is given if it is a newer file of another size."""
        with self._lock:
            if size_bytes is not None:
                self._entries[leaf] = self._entries[leaf]._replace(size_bytes=size_bytes)
            self._done[leaf] = self._entries[leaf].size_bytes
            self._verified.add(leaf)

    def measured(self, resident: Mapping[str, int]) -> None:
        """Set how many bytes of each file are in memory."""
        with self._lock:
            self._resident = dict(resident)

    def enter(self, phase: Phase) -> None:
        """Enter another phase. An earlier failure stays in the report until the files are verified."""
        with self._lock:
            self._phase, self._is_warm = phase, False
            if phase == "touching_memory":
                self._reason = self._message = None

    def complete(self, *, is_warm: bool, measured_at: datetime) -> None:
        """Note that the task has nothing left to do for now. The reports say `measured_at`, when the last measurement began."""
        with self._lock:
            self._phase, self._is_warm, self._measured_at = "completed", is_warm, measured_at
            self._reason = self._message = None

    def explain(self, phase: Phase, reason: Reason | None, message: str) -> None:
        """Note that the work has stopped, and why."""
        with self._lock:
            self._phase, self._is_warm = phase, False
            self._reason, self._message = reason, shortened(message, _MESSAGE_LIMIT)

    def report(self) -> AgentReport:
        """The report of the current counts."""
        with self._lock:
            task = self._task
            return AgentReport(
                version=1,
                run=self._run,
                db=task.db if task else "",
                digest=task.digest if task else "",
                texts=task.texts if task else "",
                shard_count=task.shard_count if task else 0,
                mode=task.mode if task else "hot",
                node=self._node,
                pod=self._pod,
                phase=self._phase,
                warm=self._is_warm,
                reason=self._reason,
                message=self._message,
                files_done=len(self._verified),
                files_total=len(self._entries),
                bytes_done=self._sum(None, self._done),
                bytes_total=self._sum(None, None),
                bytes_moved=self._moved,
                resident_bytes=self._sum(None, self._resident),
                resident_total=self._sum(None, None),
                shards={f"{shard:02d}": self._shard(shard) for shard in (task.shards if task else ())},
                started_at=self._started_at,
                updated_at=(self._measured_at if self._phase == "completed" else None) or datetime.now(UTC),
            )

    def _shard(self, shard: int) -> ShardReport:
        total = self._sum(shard, None)
        return ShardReport(
            phase=self._phase,
            bytes_done=self._sum(shard, self._done),
            bytes_total=total,
            resident_percent=percent(self._sum(shard, self._resident), total) if total else 0.0,
        )

    def _sum(self, shard: int | None, counts: Mapping[str, int] | None) -> int:
        """The sum of the files' sizes, or of their counts; of one shard, or of all files."""
        entries = [(leaf, entry) for leaf, entry in self._entries.items() if shard is None or entry.shard == shard]
        if counts is None:
            return sum(entry.size_bytes for _, entry in entries)
        # A range that came twice counts only once.
        return sum(min(counts.get(leaf, 0), entry.size_bytes) for leaf, entry in entries)
