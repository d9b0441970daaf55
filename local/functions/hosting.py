"""The Functions host put together: backend, language worker, dispatcher, timers and HTTP front."""

from __future__ import annotations

import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local.functions.calls import Caller, durable_client
from local.functions.catalogue import Catalogue, HostSettings
from local.functions.dispatcher import Dispatcher
from local.functions.environment import app_environment
from local.functions.eventgrid import EventGrid
from local.functions.front import Front
from local.functions.management import Management
from local.functions.routes import RouteTable
from local.functions.rpc import Channel
from local.functions.server import HttpServer
from local.functions.supervisor import WorkerSupervisor
from local.functions.timers import Timers
from local.processes import Child, free_port, port_open
from local.upkeep import Together

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from local.functions.items import Observer
    from local.functions.worker_connection import WorkerConnection

_LOG = logging.getLogger(__name__)
_REPOSITORY = Path(__file__).parents[2]
_BACKEND_SECONDS = 120.0


class FunctionsHost(Together):
    """A host for one app. HTTP front and dispatcher run in the caller's event loop; backend and worker are processes.

    Starting returns when the app answers. It raises ProcessFailed, with the end of a log, when the app cannot be loaded, say.

    Attributes:
        url: where the app answers, without a slash at the end; set by `start`.
        rpc_address: host and port of the Durable Task backend; set by `start`.
        catalogue: the app's functions; set by `start`.
        table: the addresses of its HTTP functions; set by `start`.
    """

    url: str
    rpc_address: str
    catalogue: Catalogue
    table: RouteTable

    def __init__(
        self,
        app: Path,
        *,
        state: Path,
        port: int = 0,
        env: Mapping[str, str] | None = None,
        deliver_twice: bool = False,
        start_window_seconds: float = 0.0,
        observer: Observer | None = None,
    ) -> None:
        """Describe a host; nothing is opened before `start`.

        Args:
            app: folder with function_app.py.
            state: folder for the logs of worker and backend.
            port: 0 takes a free one.
            env: the app's settings. They override this process's environment, which overrides the `Values` of
                local.settings.json.
            deliver_twice: run every activity twice at once; the first answer counts.
            start_window_seconds: how long starts of one id race, as they do on Azure; see `Engine`. 0: one wins, the others are
                refused.
            observer: called for every work item at each step, see `WorkItemNote`.
        """
        super().__init__()
        self._app = app.resolve()
        self._state = state.resolve()
        self._port = port
        self._own_env = dict(env or {})
        self._deliver_twice = deliver_twice
        self._start_window_seconds = start_window_seconds
        self._observer = observer
        self._supervisor: WorkerSupervisor | None = None
        self._failed: asyncio.Future[None] | None = None

    @property
    def worker(self) -> Child:
        """The language worker that was started last; after `kill()` the host starts another."""
        if self._supervisor is None or self._supervisor.latest is None:
            raise RuntimeError("the host was not started")
        return self._supervisor.latest.child

    @property
    def worker_pid(self) -> int:
        """Process id of the language worker that was started last."""
        return self.worker.pid

    async def wait_worker_ready(self) -> None:
        """Wait until a language worker takes invocations; after `worker.kill()`, until the next one does."""
        if self._supervisor is None:
            raise RuntimeError("the host was not started")
        await self._supervisor.ready()

    async def failed(self) -> None:
        """Wait until a part that must not end has ended, and raise its error."""
        if self._failed:
            await asyncio.shield(self._failed)

    async def _start(self) -> None:
        server = HttpServer(self._port)
        self._exit.push_async_callback(server.stop)
        self.url = server.url
        env = app_environment(self._app, self._own_env, self.url)
        settings = HostSettings.read(self._app, env).extensions
        self._failed = asyncio.get_running_loop().create_future()
        self._supervisor = WorkerSupervisor(self._app, env, self._state / "worker.log")
        self._exit.push_async_callback(self._supervisor.stop)
        worker = await self._start_children(self._supervisor)
        self.catalogue = Catalogue(worker.functions)
        self.table = RouteTable(self.catalogue.of("httpTrigger"), settings.http.route_prefix)

        channel = Channel(self.rpc_address)
        self._exit.push_async_callback(channel.close)
        backend = channel.backend
        caller = Caller(self._supervisor, durable_client(settings.durable.task_hub, self.rpc_address, self.url))
        dispatcher = Dispatcher(
            backend,
            caller,
            self.catalogue,
            settings.durable,
            deliver_twice=self._deliver_twice,
            observer=self._observer,
        )
        timers = Timers(caller, self.catalogue, env)
        more = [EventGrid(caller, self.catalogue).route, *Management(backend).routes]
        front = Front(caller, self.catalogue, self.table, timers, more)
        self._exit.push_async_callback(front.stop)
        self._run("The dispatcher", dispatcher.run())
        self._run("The timers", timers.run())
        await server.start(front.application)
        self._exit.push_async_callback(server.stop)

    async def _start_children(self, supervisor: WorkerSupervisor) -> WorkerConnection:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._start_backend())
                loading = group.create_task(supervisor.start())
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return loading.result()

    async def _start_backend(self) -> None:
        port = free_port()
        command = [sys.executable, "-m", "local.functions.backend", "--port", str(port)]
        command += ["--start-window", str(self._start_window_seconds)]
        child = await Child.start("Durable Task backend", command, log=self._state / "backend.log", cwd=_REPOSITORY)
        self._exit.push_async_callback(child.stop)
        await child.ready(lambda: port_open(port), _BACKEND_SECONDS)
        self.rpc_address = f"127.0.0.1:{port}"

    def _run(self, name: str, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)

        async def stop() -> None:
            task.cancel()
            await asyncio.wait([task])

        def ended(_: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error and self._failed and not self._failed.done():
                _LOG.error("%s stopped: %s", name, error)
                self._failed.set_exception(error)
                self._failed.exception()

        task.add_done_callback(ended)
        self._exit.push_async_callback(stop)
