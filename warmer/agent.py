"""The agent: watches the assignment, runs the task that it finds there, and ends on a signal."""

import logging
from threading import Event, Thread

from shared.agent.report import Reason
from warmer.assignment import AssignmentFile, Task
from warmer.cluster import Publisher
from warmer.progress import TaskProgress
from warmer.reporting import Reporter
from warmer.settings import AgentSettings
from warmer.task_runner import TaskRunner

_HALT_SECONDS = 0.5

log = logging.getLogger("warmer")


class Agent:
    """`run` in the main thread; `end` from a signal handler."""

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self._progress = TaskProgress(settings.node_name, settings.pod_name)
        self._publisher = Publisher(settings)
        self._reporter = Reporter(self._progress, settings.run_dir, self._publisher)
        self._assignment = AssignmentFile(settings.assignment_dir, settings.node_name)
        self._ending = Event()
        self._runner: tuple[TaskRunner, Thread] | None = None

    def end(self) -> None:
        """Let `run` return, within a second."""
        self._ending.set()

    def run(self) -> int:
        """Follow the assignment until `end`; returns the exit status."""
        self._reporter.start()
        task: Task | None = None
        told: str | None = None
        while not self._ending.is_set():
            found, trouble = self._assignment.read()
            self._publisher.space_out(self._assignment.report_seconds)
            if trouble and trouble != told:
                log.warning("%s", trouble)
            if found != task or told is None or (found is None and trouble != told):
                task, told = found, trouble
                self._switch(task, trouble)
            else:
                self._progress.count_for(self._assignment.run)
            told = trouble
            if self._runner is not None and not self._runner[1].is_alive():
                # The runner ends by itself only because of a defect. A new container starts clean.
                self._reporter.withhold()
                return 1
            self._ending.wait(self._settings.poll_seconds)
        # Readiness ends first. After that the work may be cut off anywhere.
        self._reporter.withhold()
        log.info("ending")
        self._halt(_HALT_SECONDS)
        return 0

    def _switch(self, task: Task | None, trouble: str) -> None:
        # Readiness ends first, so that no report about the old task can count for the new one.
        self._reporter.withhold()
        while not self._halt(_HALT_SECONDS):
            if self._ending.is_set():
                return
        self._progress.count_for(self._assignment.run)
        self._progress.begin(task)
        self._reporter.resume()
        if task is None:
            self._progress.explain("waiting", Reason.NOT_ASSIGNED, trouble)
            self._reporter.write()
            return
        log.info("assigned: shards %s of %d of %s, %s", task.shards, task.shard_count, task.db, task.mode)
        runner = TaskRunner(task, self._settings, self._progress, self._reporter)
        thread = Thread(target=runner.run, daemon=True, name="tend")
        self._runner = runner, thread
        thread.start()

    def _halt(self, seconds: float) -> bool:
        """Stop the work under way. Returns whether it ended within `seconds`. Safe to repeat."""
        if self._runner is None:
            return True
        runner, thread = self._runner
        runner.halt()
        thread.join(seconds)
        if thread.is_alive():
            return False
        self._runner = None
        return True
