"""The agent: watches the assignment, tends the task that it finds there, and ends when told to."""

import logging
from threading import Event, Thread

from shared.agent.report import Reason
from warmer.assignment import AssignmentFile, Task
from warmer.board import Board
from warmer.cluster import Publisher
from warmer.reporting import Reporter
from warmer.settings import Settings
from warmer.tending import Tending

_HALT_SECONDS = 0.5

log = logging.getLogger("warmer")


class Agent:
    """`run` in the main thread; `end` from a signal handler."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._board = Board(settings.node_name, settings.pod_name)
        self._reporter = Reporter(self._board, settings.run_dir, Publisher(settings))
        self._assignment = AssignmentFile(settings.assignment_dir, settings.node_name)
        self._ending = Event()
        self._tending: tuple[Tending, Thread] | None = None

    def end(self) -> None:
        """Let `run` return, within a second."""
        self._ending.set()

    def run(self) -> int:
        """Do what the assignment says, until `end`; returns the exit status."""
        self._reporter.start()
        task: Task | None = None
        told: str | None = None
        while not self._ending.is_set():
            found, trouble = self._assignment.read()
            if trouble and trouble != told:
                log.warning("%s", trouble)
            if found != task or told is None or (found is None and trouble != told):
                task, told = found, trouble
                self._switch(task, trouble)
            else:
                self._board.count_for(self._assignment.run)
            told = trouble
            if self._tending is not None and not self._tending[1].is_alive():
                # It never ends by itself but for a defect: a new container begins with a clean slate.
                self._reporter.withhold()
                return 1
            self._ending.wait(self._settings.poll_seconds)
        # Readiness goes first; then whatever is under way may be cut off anywhere.
        self._reporter.withhold()
        log.info("ending")
        self._halt(_HALT_SECONDS)
        return 0

    def _switch(self, task: Task | None, trouble: str) -> None:
        # Readiness goes first, and nothing that the work on the old task still says can be taken for the new one's.
        self._reporter.withhold()
        while not self._halt(_HALT_SECONDS):
            if self._ending.is_set():
                return
        self._board.count_for(self._assignment.run)
        self._board.begin(task)
        self._reporter.resume()
        if task is None:
            self._board.explain("waiting", Reason.NOT_ASSIGNED, trouble)
            self._reporter.write()
            return
        log.info("assigned: shards %s of %d of %s, %s", task.shards, task.shard_count, task.db, task.mode)
        tending = Tending(task, self._settings, self._board, self._reporter)
        thread = Thread(target=tending.run, daemon=True, name="tend")
        self._tending = tending, thread
        thread.start()

    def _halt(self, seconds: float) -> bool:
        """End the work under way; whether it has ended within so many seconds. Safe to repeat."""
        if self._tending is None:
            return True
        tending, thread = self._tending
        tending.halt()
        thread.join(seconds)
        if thread.is_alive():
            return False
        self._tending = None
        return True
