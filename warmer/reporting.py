"""Reporting: writes the report to the file that the probe reads, and passes it to the publisher."""

import logging
import time
from pathlib import Path
from threading import Lock, Thread

from shared.agent.report import REPORT_FILE, AgentReport
from warmer.atomic_files import write_whole
from warmer.cluster import Publisher
from warmer.progress import TaskProgress

_TICK_SECONDS = 1.0
_REPEATED_SECONDS = 45.0
"""The agent publishes an unchanged report again after this time, because the app believes only recent reports."""

log = logging.getLogger("warmer")


class Reporter:
    """Writes report.json when the phase changes, and each second until the work is done, also in the pause after a failure.

    After that it writes only when asked to, after a measurement, so that the file is as old as the measurement.
    """

    def __init__(self, progress: TaskProgress, folder: Path, publisher: Publisher) -> None:
        self._progress = progress
        self._path = folder / REPORT_FILE
        self._publisher = publisher
        self._offered: AgentReport | None = None
        self._offered_at = 0.0
        self._is_withheld = False
        self._lock = Lock()

    def start(self) -> None:
        """Replace the report of an earlier process, and start to write each second."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.write()
        self._publisher.start()
        Thread(target=self._tick, daemon=True, name="report").start()

    def write(self) -> None:
        """Write the report atomically, and publish it. If the disk refuses the file, the old file is removed.

        It publishes in any case, because the agent must be able to report that the disk is full.
        """
        with self._lock:
            if self._is_withheld:
                return
            report = self._progress.report()
            text = report.model_dump_json().encode()
            try:
                # Without a sync: the report means nothing after a crash of the machine.
                write_whole(self._path, text, sync=False)
            except OSError as error:
                # The previous report may no longer be true.
                self._path.unlink(missing_ok=True)
                log.warning("the agent could not write its report: %s", error.strerror)
            self._publish(report, text)

    def withhold(self) -> None:
        """Remove the report, which ends readiness, and write none until `resume`."""
        with self._lock:
            self._is_withheld = True
            self._path.unlink(missing_ok=True)

    def resume(self) -> None:
        """Write a report now, and continue to write reports."""
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
        report.texts,
        report.shard_count,
        report.mode,
        report.phase,
        report.warm,
        report.reason,
        tuple(report.shards),
    )
