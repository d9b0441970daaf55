"""Runs this node's task: stages its files, reads them into memory, measures residency at intervals, and retries failures."""

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import Event, Lock

from shared.agent.report import Reason
from warmer.assignment import Task
from warmer.context import Context
from warmer.credentials import Credential, credential
from warmer.failures import Stopped, WarmFailure, disk_failure
from warmer.node_folder import NodeFolder
from warmer.progress import TaskProgress
from warmer.removal import remove_database, remove_unfinished
from warmer.reporting import Reporter
from warmer.residency import cold, measure, refuse_too_much, touch
from warmer.retrying import RetryBudget
from warmer.settings import AgentSettings
from warmer.staging import StagedFiles, stage
from warmer.storage import Storage

_LOST_ROUNDS = 5
_WATCH_SECONDS = 1.0
"""How soon the agent notices that a name has another content. It then reads one small record and asks for each file's status."""
_LONGEST_AGAIN = 10

log = logging.getLogger("warmer")


class TaskRunner:
    """The work on one task: call `run` in one thread, and `halt` from another."""

    def __init__(self, task: Task, settings: AgentSettings, progress: TaskProgress, reporter: Reporter) -> None:
        self._task = task
        self._settings = settings
        self._progress = progress
        self._reporter = reporter
        self._over = Event()
        self._lock = Lock()
        self._context: Context | None = None
        self._credential: Credential | None = None
        self._budget: RetryBudget | None = None
        self._node_folder = NodeFolder(settings.blastdb_dir, task.db)

    def halt(self) -> None:
        """Stop the work soon, at any point. Complete files stay."""
        with self._lock:
            self._over.set()
            if self._context is not None:
                self._context.stop.set()
                self._context.storage.close()

    def run(self) -> None:
        """Work on the task until `halt`."""
        failures = 0
        try:
            while not self._over.is_set():
                try:
                    self._node_folder.prepare()
                    with self._node_folder.only_agent(self._over):
                        self._attempt()
                    failures = 0
                except (WarmFailure, OSError) as error:
                    failures += 1
                    failure = disk_failure(error) if isinstance(error, OSError) else error
                    # A try that finds the role still missing costs only one request, so the pause does not grow.
                    longer = 1 if failure.reason is Reason.STORAGE_FORBIDDEN else min(failures, _LONGEST_AGAIN)
                    self._fail(failure, self._settings.again_seconds * longer)
        except Stopped:
            pass
        except Exception:
            # A defect in the agent. Its report must claim nothing from now on. Kubernetes restarts the container.
            log.exception("the work ended")
            self._progress.explain("failed", Reason.VERIFICATION_FAILED, "The agent failed; its log says how.")
            self._reporter.write()
            raise

    def _attempt(self) -> None:
        """Stage, then measure until stopped; returns when another program touched a file, and all files must be checked again."""
        context = self._begin()
        try:
            if self._task.mode == "evict":
                self._evict()
            if not self._task.shards:
                self._stand_by()
            staged = stage(self._task, context)
            while self._look(staged, context) and self._watch(staged):
                pass
            log.warning("another program changed files of %s: checking all of them", self._task.db)
        finally:
            self._end()

    def _look(self, staged: StagedFiles, context: Context) -> bool:
        """Measure, read cold files into memory, and report; False when a file is no longer the verified one."""
        if self._has_changed(staged):
            return False
        sizes = staged.sizes()
        leaves = sorted(sizes)
        measured_at = datetime.now(UTC)
        resident = measure(self._node_folder.path, leaves, context.stop)
        lost_rounds = 0
        while self._task.mode == "hot" and not self._is_enough(resident, sizes):
            refuse_too_much(sum(sizes.values()), self._settings.memory_bytes)
            if lost_rounds == _LOST_ROUNDS:
                # A file that has become smaller also leaves less in memory.
                if self._has_changed(staged):
                    return False
                raise self._losing(resident, sizes)
            lost_rounds += 1
            files = cold(resident, sizes)
            log.info("touching %d of %d files of %s", len(files), len(leaves), self._task.db)
            self._progress.measured(resident)
            self._progress.enter("touching_memory")
            self._reporter.write()
            touch(self._node_folder.path, files, context.stop, self._settings.touch_threads)
            measured_at = datetime.now(UTC)
            resident = measure(self._node_folder.path, leaves, context.stop)
        # What was measured is what was verified only if no name got another content meanwhile.
        if self._has_changed(staged):
            return False
        self._progress.measured(resident)
        self._progress.complete(is_warm=self._task.mode == "hot", measured_at=measured_at)
        self._reporter.write()
        return True

    def _watch(self, staged: StagedFiles) -> bool:
        """Wait for the next look; False at once when a file is no longer the verified one."""
        ends = time.monotonic() + self._settings.touch_seconds
        while (left := ends - time.monotonic()) > 0:
            if self._over.wait(min(left, _WATCH_SECONDS)):
                raise Stopped
            if self._has_changed(staged):
                return False
        return True

    def _has_changed(self, staged: StagedFiles) -> bool:
        changed = staged.changed()
        if changed is None:
            return False
        message = f"{self._who_changed(changed)} on this node: the agent checks all files again."
        self._progress.explain("verifying_db", Reason.VERIFICATION_FAILED, message)
        self._reporter.write()
        return True

    def _who_changed(self, leaf: str) -> str:
        owner = self._node_folder.owners().get(leaf)
        if owner is not None:
            return f"The agent of '{owner}' changed {leaf}"
        try:
            user = (self._node_folder.path / leaf).stat(follow_symlinks=False).st_uid
        except OSError:
            return f"Another program removed {leaf}"
        return f"Another program changed {leaf}, whose owner is user {user},"

    def _is_enough(self, resident: Mapping[str, int], sizes: Mapping[str, int]) -> bool:
        return sum(resident.values()) * 100 >= sum(sizes.values()) * self._settings.resident_percent

    def _losing(self, resident: Mapping[str, int], sizes: Mapping[str, int]) -> WarmFailure:
        there, total = sum(resident.values()), sum(sizes.values())
        message = f"After {_LOST_ROUNDS} rounds {there} of {total} bytes are in memory: other programs keep taking the memory."
        return WarmFailure(Reason.MEMORY_TOO_SMALL, message)

    def _evict(self) -> None:
        count = remove_database(self._node_folder)
        log.info("removed %s from this node: %d files", self._task.db, count)
        self._progress.complete(is_warm=False, measured_at=datetime.now(UTC))
        self._reporter.write()
        while not self._over.wait(self._settings.touch_seconds):
            self._progress.complete(is_warm=False, measured_at=datetime.now(UTC))
            self._reporter.write()
        raise Stopped

    def _stand_by(self) -> None:
        """Wait while this node has no shards. Complete files stay, for running searches and for the node's return."""
        remove_unfinished(self._node_folder, (), 0)
        node = self._settings.node_name
        log.info("nothing is assigned to %s", node)
        self._progress.explain("waiting", Reason.NOT_ASSIGNED, f"The assignment does not name {node}.")
        self._reporter.write()
        self._over.wait()
        raise Stopped

    def _fail(self, failure: WarmFailure, again_seconds: float) -> None:
        log.error("%s: %s Trying again in %.0f s.", failure.reason, failure.message, again_seconds)
        self._progress.explain("failed", failure.reason, failure.message)
        self._reporter.write()
        self._over.wait(again_seconds)

    def _begin(self) -> Context:
        settings, stop = self._settings, Event()
        self._credential = self._credential or credential(settings.sas.get_secret_value())
        self._budget = RetryBudget(
            stop,
            unavailable_seconds=settings.unavailable_seconds,
            forbidden_seconds=settings.forbidden_seconds,
            first_seconds=settings.retry_first_seconds,
            longest_seconds=settings.retry_longest_seconds,
            forbidden_since=self._budget.forbidden_since if self._budget else None,
        )
        storage = Storage(self._task.container_url, self._credential, self._budget, settings.request_timeout_seconds)
        with self._lock:
            if self._over.is_set():
                raise Stopped
            self._context = Context(settings, self._node_folder, storage, self._progress, self._reporter, stop)
            return self._context

    def _end(self) -> None:
        with self._lock:
            context, self._context = self._context, None
        if context is not None:
            context.stop.set()
            context.storage.close()
