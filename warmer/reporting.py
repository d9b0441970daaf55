"""Writes the report to the file that the probe reads, and hands it to the publisher."""

import logging
import time
from pathlib import Path
from threading import Lock, Thread

from shared.agent.report import REPORT_FILE, AgentReport
from warmer.atomic_files import write_whole
from warmer.cluster import Publisher
from warmer.progress import NodeProgress

_TICK_SECONDS = 1.0
_REPEATED_SECONDS = 45.0
"""An unchanged report is published again after this time, since the app believes only recent ones."""

log = logging.getLogger("warmer")


class Reporter:
    """Writes report.json at every change of phase, and each second until the work is done, also while it waits after a failure.

    Once it is done it writes only when told to, after a measurement: the file's age is the measurement's age.
    """

    def __init__(self, progress: NodeProgress, folder: Path, publisher: Publisher) -> None:
        self._progress = progress
        self._path = folder / REPORT_FILE
        self._publisher = publisher
        self._offered: AgentReport | None = None
        self._offered_at = 0.0
        self._is_withheld = False
        self._lock = Lock()

    def start(self) -> None:
        """Replace the report of an earlier process, and begin to tick."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.write()
        self._publisher.start()
        Thread(target=self._tick, daemon=True, name="report").start()

    def write(self) -> None:
        """Write the report as it stands now; it is on disk, whole, on return, and not there where the disk takes none.

        The cluster is told in any case: a disk that is full must not keep the agent from saying so.
        """
        with self._lock:
            if self._is_withheld:
                return
            report = self._progress.report()
            text = report.model_dump_json().encode()
            try:
                # Not synced: it says nothing that outlives the machine.
                write_whole(self._path, text, sync=False)
            except OSError as error:
                # The report before may claim what is no longer true.
                self._path.unlink(missing_ok=True)
                log.warning("the report could not be written: %s", error.strerror)
            self._publish(report, text)

    def withhold(self) -> None:
        """Take the report away, and with it readiness; nothing is written until `resume`."""
        with self._lock:
            self._is_withheld = True
            self._path.unlink(missing_ok=True)

    def resume(self) -> None:
        """Write now, and go on writing."""
        with self._lock:
            self._is_withheld = False
        self.write()

    def _publish(self, report: AgentReport, text: bytes) -> None:
        before, age = self._offered, time.monotonic() - self._offered_at
        is_same = before is not None and before.model_copy(update={"updated_at": report.updated_at}) == report
        if not is_same or age >= _REPEATED_SECONDS:
            self._offered, self._offered_at = report, time.monotonic()
            self._publisher.offer(text, is_urgent=before is None or _news(before) != _news(report))

    def _tick(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            if self._progress.report().phase != "completed":
                self.write()


def _news(report: AgentReport) -> tuple[object, ...]:
    return (
        report.db,
        report.digest,
        report.shard_count,
        report.mode,
        report.phase,
        report.warm,
        report.reason,
        tuple(report.shards),
    )
