"""One container as a local process: start, probe, restart with back-off, stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
from typing import TYPE_CHECKING, Any

from local.cluster.environment import NotYet
from local.cluster.health import Health
from local.cluster.launch import kill_group, launch_of
from local.cluster.status import ContainerState, now
from local.processes import ProcessFailed, log_tail

if TYPE_CHECKING:
    from local.cluster.images import Image
    from local.cluster.launch import Launch, Surroundings
    from local.processes import Child

type Object = dict[str, Any]

FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 5.0
"""AKS starts with 10 s and ends at 300 s."""
_FORGIVEN_AFTER_SECONDS = 10.0
_RETRY_SECONDS = 0.2
_CANNOT_START = 128
_MESSAGE_LENGTH = 2048


class _Stopped(Exception):  # noqa: N818 - a signal between methods, not a fault
    """The container must stop, and has no process at this moment."""


class Container:
    """One container of a pod; `run` returns when it has ended, `stop` ends it."""

    def __init__(self, spec: Object, around: Surroundings, *, is_init: bool) -> None:
        self.state = ContainerState(spec["name"], spec["image"])
        self.log = around.logs / f"{spec['name']}.log"
        self._spec = spec
        self._around = around
        policy = around.pod["spec"].get("restartPolicy", "Always")
        self._restarts_after_failure = policy != "Never"
        self._restarts_after_success = policy == "Always" and not is_init
        self._grace_seconds: float = around.pod["spec"].get("terminationGracePeriodSeconds", 30)
        self._child: Child | None = None
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """Id of the running process and of its group; None when none runs."""
        return None if self._child is None or self._child.returncode is not None else self._child.pid

    async def run(self) -> None:
        """Run, and restart by the restart policy; returns when the container has ended for good."""
        with contextlib.suppress(_Stopped):
            await self._run_again_and_again()
        self.state.is_final = True
        self._around.changed()

    async def stop(self, grace_seconds: float) -> None:
        """Send SIGTERM, after the grace period SIGKILL, and do not restart; `run` returns soon after."""
        self._stopping.set()
        await self._end(grace_seconds)

    def kill(self) -> None:
        """Kill the process and its group; the restart policy decides what follows."""
        if self.pid is not None and self._child is not None:
            kill_group(self._child)

    def take_over(self, before: Object) -> None:
        """Continue the restart count of the same pod from before its node was lost."""
        if before.get("containerID"):
            self.state.restarts = before["restartCount"] + 1
            self.state.last_state = {"terminated": {"exitCode": 255, "reason": "Unknown", "finishedAt": now()}}

    async def _run_again_and_again(self) -> None:
        loop = asyncio.get_running_loop()
        pause = 0.0
        while True:
            launch = await self._prepared()
            began = loop.time()
            await self._once(launch)
            again = self._restarts_after_success if self.state.exit_code == 0 else self._restarts_after_failure
            if self._stopping.is_set() or not again:
                return
            pause = 0.0 if loop.time() - began > _FORGIVEN_AFTER_SECONDS else pause
            await self._back_off(pause)
            pause = min(max(2 * pause, FIRST_BACK_OFF_SECONDS), LONGEST_BACK_OFF_SECONDS)

    async def _prepared(self) -> Launch:
        """Wait for the image, and for ConfigMaps and Secrets of the environment."""
        image = await self._image()
        while True:
            try:
                return launch_of(self._spec, image, self._around)
            except NotYet as error:
                self._waits("CreateContainerConfigError", str(error))
                await self._rest(_RETRY_SECONDS)

    async def _image(self) -> Image:
        name = self._spec["image"]
        while name not in self._around.images:
            self._waits("ErrImagePull", f'rpc error: code = NotFound desc = failed to pull image "{name}": not found')
            await self._rest(_RETRY_SECONDS)
            self._waits("ImagePullBackOff", f'Back-off pulling image "{name}"')
            await self._rest(FIRST_BACK_OFF_SECONDS)
        return self._around.images[name]

    async def _once(self, launch: Launch) -> None:
        started_at = now()
        try:
            child = await launch.start(self.log)
        except ProcessFailed as error:
            self._ended(_CANNOT_START, started_at, "StartError", str(error))
            return
        self._child = child
        if self._stopping.is_set():
            kill_group(child)
        self.state.run_id = secrets.token_hex(16)
        self.state.state = {"running": {"startedAt": started_at}}
        self._around.changed()
        watch = asyncio.create_task(self._watch(launch))
        try:
            status = await child.wait()
        finally:
            watch.cancel()
            # Its child processes end too, as in a container.
            kill_group(child)
        code = status if status >= 0 else 128 - status
        use_log = code != 0 and self._spec.get("terminationMessagePolicy") == "FallbackToLogsOnError"
        message = log_tail(self.log)[-_MESSAGE_LENGTH:] if use_log else None
        self._ended(code, started_at, "Completed" if code == 0 else "Error", message)

    async def _watch(self, launch: Launch) -> None:
        log = self.log.with_suffix(".probes.log")

        async def run(command: list[str]) -> Child:
            return await launch.start(log, command)

        async def end() -> None:
            await self._end(self._grace_seconds)

        await Health(self._spec, self.state, self._around.changed, run, end).watch()

    async def _end(self, grace_seconds: float) -> None:
        child = self._child
        if child is None or child.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGTERM)
        try:
            async with asyncio.timeout(grace_seconds):
                await child.wait()
        except TimeoutError:
            kill_group(child)
            await child.wait()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return
        raise _Stopped

    async def _back_off(self, seconds: float) -> None:
        """Wait before the next run; the first restart is immediate."""
        self.state.last_state = self.state.state
        if seconds:
            name = self.state.name
            self._waits("CrashLoopBackOff", f"back-off {seconds:g}s restarting failed container={name}")
            await self._rest(seconds)
        self.state.restarts += 1

    def _ended(self, code: int, started_at: str, reason: str, message: str | None) -> None:
        ended: Object = {"exitCode": code, "reason": reason, "startedAt": started_at, "finishedAt": now()}
        if message:
            ended["message"] = message
        self.state.state = {"terminated": ended}
        self.state.is_ready = self.state.is_started = False
        self._around.changed()

    def _waits(self, reason: str, message: str) -> None:
        self.state.state = {"waiting": {"reason": reason, "message": message}}
        self.state.is_ready = self.state.is_started = False
        self._around.changed()
