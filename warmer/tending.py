"""One task for as long as it is this node's: staged, touched, measured again and again, tried again after a failure."""

import logging
from collections.abc import Mapping
from threading import Event, Lock

from shared.agent.report import Reason
from warmer.assignment import Task
from warmer.board import Board
from warmer.credentials import Credential, credential
from warmer.failures import Stopped, WarmFailure, of_disk
from warmer.home import Home
from warmer.patience import Patience
from warmer.removal import remove_database, remove_unfinished
from warmer.reporting import Reporter
from warmer.residency import cold, measure, refuse_too_much, touch
from warmer.settings import Settings
from warmer.staging import Shelf, stage
from warmer.storage import Storage
from warmer.tools import Tools

_LOST_ROUNDS = 5
_LONGEST_AGAIN = 10

log = logging.getLogger("warmer")


class Tending:
    """`run` in one thread, `halt` from another."""

    def __init__(self, task: Task, settings: Settings, board: Board, reporter: Reporter) -> None:
        self._task = task
        self._settings = settings
        self._board = board
        self._reporter = reporter
        self._over = Event()
        self._lock = Lock()
        self._tools: Tools | None = None
        self._credential: Credential | None = None
        self._patience: Patience | None = None
        self._home = Home(settings.blastdb_dir, task.db)

    def halt(self) -> None:
        """End the work soon, wherever it is; what is whole stays."""
        with self._lock:
            self._over.set()
            if self._tools is not None:
                self._tools.stop.set()
                self._tools.storage.close()

    def run(self) -> None:
        """Tend until `halt`."""
        failures = 0
        try:
            while not self._over.is_set():
                try:
                    self._home.prepare()
                    with self._home.mine(self._over):
                        self._attempt()
                    failures = 0
                except (WarmFailure, OSError) as error:
                    failures += 1
                    failure = of_disk(error) if isinstance(error, OSError) else error
                    # To ask whether a role is there by now costs one request.
                    longer = 1 if failure.reason is Reason.STORAGE_FORBIDDEN else min(failures, _LONGEST_AGAIN)
                    self._fail(failure, self._settings.again_seconds * longer)
        except Stopped:
            pass
        except Exception:
            # A defect of ours. The report must not go on claiming anything; the container is restarted.
            log.exception("the work ended")
            self._board.explain("failed", Reason.VERIFICATION_FAILED, "The agent failed; its log says how.")
            self._reporter.write()
            raise

    def _attempt(self) -> None:
        """Stage, and stay; returns when a file was touched by somebody else, and all has to be looked at anew."""
        tools = self._begin()
        try:
            if self._task.mode == "evict":
                self._evict()
            if not self._task.shards:
                self._stand_by()
            shelf = stage(self._task, tools)
            while self._look(shelf, tools):
                if self._over.wait(self._settings.touch_seconds):
                    raise Stopped
            log.warning("somebody else changed files of %s: looking at all of them", self._task.db)
        finally:
            self._end()

    def _look(self, shelf: Shelf, tools: Tools) -> bool:
        """Measure, touch what went cold, and report; False when the files are not the verified ones any more."""
        if self._has_changed(shelf):
            return False
        sizes = shelf.sizes()
        leaves = sorted(sizes)
        resident = measure(self._home.folder, leaves, tools.stop)
        lost_rounds = 0
        while self._task.mode == "hot" and not self._is_enough(resident, sizes):
            refuse_too_much(sum(sizes.values()), self._settings.memory_bytes)
            if lost_rounds == _LOST_ROUNDS:
                # A file that became smaller since is not in memory as it was, either.
                if self._has_changed(shelf):
                    return False
                raise self._losing(resident, sizes)
            lost_rounds += 1
            files = cold(resident, sizes)
            log.info("touching %d of %d files of %s", len(files), len(leaves), self._task.db)
            self._board.measured(resident)
            self._board.enter("touching_memory")
            self._reporter.write()
            touch(self._home.folder, files, tools.stop, self._settings.touch_threads)
            resident = measure(self._home.folder, leaves, tools.stop)
        self._board.measured(resident)
        self._board.complete(is_warm=self._task.mode == "hot")
        self._reporter.write()
        return True

    def _has_changed(self, shelf: Shelf) -> bool:
        changed = shelf.changed()
        if changed is None:
            return False
        message = f"Somebody else changed or removed {changed} on this node: all files are looked at anew."
        self._board.explain("verifying_db", Reason.VERIFICATION_FAILED, message)
        self._reporter.write()
        return True

    def _is_enough(self, resident: Mapping[str, int], sizes: Mapping[str, int]) -> bool:
        return sum(resident.values()) * 100 >= sum(sizes.values()) * self._settings.resident_percent

    def _losing(self, resident: Mapping[str, int], sizes: Mapping[str, int]) -> WarmFailure:
        there, total = sum(resident.values()), sum(sizes.values())
        message = f"After {_LOST_ROUNDS} rounds {there} of {total} bytes are in memory: others take it as fast as it is filled."
        return WarmFailure(Reason.MEMORY_TOO_SMALL, message)

    def _evict(self) -> None:
        count = remove_database(self._home)
        log.info("removed %s from this node: %d files", self._task.db, count)
        self._board.complete(is_warm=False)
        self._reporter.write()
        while not self._over.wait(self._settings.touch_seconds):
            self._reporter.write()
        raise Stopped

    def _stand_by(self) -> None:
        """Nothing is assigned to this node. What is whole stays, for searches that still run on it and for its return."""
        remove_unfinished(self._home, (), 0)
        node = self._settings.node_name
        log.info("nothing is assigned to %s", node)
        self._board.explain("waiting", Reason.NOT_ASSIGNED, f"The assignment does not name {node}.")
        self._reporter.write()
        self._over.wait()
        raise Stopped

    def _fail(self, failure: WarmFailure, again_seconds: float) -> None:
        log.error("%s: %s Trying again in %.0f s.", failure.reason, failure.message, again_seconds)
        self._board.explain("failed", failure.reason, failure.message)
        self._reporter.write()
        self._over.wait(again_seconds)

    def _begin(self) -> Tools:
        settings, stop = self._settings, Event()
        self._credential = self._credential or credential(settings.sas.get_secret_value())
        self._patience = Patience(
            stop,
            unavailable_seconds=settings.unavailable_seconds,
            forbidden_seconds=settings.forbidden_seconds,
            first_seconds=settings.retry_first_seconds,
            longest_seconds=settings.retry_longest_seconds,
            forbidden_since=self._patience.forbidden_since if self._patience else None,
        )
        storage = Storage(self._task.container_url, self._credential, self._patience, settings.request_timeout_seconds)
        with self._lock:
            if self._over.is_set():
                raise Stopped
            self._tools = Tools(settings, self._home, storage, self._board, self._reporter, stop)
            return self._tools

    def _end(self) -> None:
        with self._lock:
            tools, self._tools = self._tools, None
        if tools is not None:
            tools.stop.set()
            tools.storage.close()
