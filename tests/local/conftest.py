"""The sample app on the local Functions host, and an HTTP client that knows its way around it."""

import asyncio
import contextlib
from pathlib import Path

import httpx
import pytest
from durabletask.client import AsyncTaskHubGrpcClient

from local.host import FunctionsHost
from tests.patience import PATIENCE_SECONDS, eventually

SAMPLE_APP = Path(__file__).parent / "sample_app"


class Sample:
    """A running sample app: `http` speaks to it, `effects` are the lines that its functions left behind."""

    def __init__(self, folder: Path, *, more_env=None, **options) -> None:
        self._effects = folder / "effects"
        self.gate = folder / "gate"
        env = {"EFFECTS": str(self._effects), "GATE": str(self.gate), "NIGHTLY": "0 0 3 * * *", **(more_env or {})}
        self.host = FunctionsHost(SAMPLE_APP, state=folder / "state", env=env, **options)
        self.http = httpx.AsyncClient(timeout=PATIENCE_SECONDS)

    @property
    def effects(self) -> list[str]:
        return self._effects.read_text().splitlines() if self._effects.exists() else []

    def client(self) -> AsyncTaskHubGrpcClient:
        """A client of the backend; it works without the language worker."""
        return AsyncTaskHubGrpcClient(host_address=self.host.rpc_address, secure_channel=False)

    async def begin(self, name: str, body=None, instance_id: str | None = None) -> str:
        """Start a run; returns its status address."""
        async with self.client() as client:
            instance_id = await client.schedule_new_orchestration(name, input=body, instance_id=instance_id)
        return f"/runtime/webhooks/durabletask/instances/{instance_id}"

    async def end(self, status_address: str) -> dict:
        """Wait for a run's end; returns its status."""
        ends = []

        async def has_ended() -> bool:
            reply = await self.http.get(status_address)
            ends[:] = [] if reply.status_code == 202 else [reply.json()]
            return bool(ends)

        await eventually(has_ended)
        return ends[0]

    async def run(self, name: str, body=None, instance_id: str | None = None) -> dict:
        """Start a run and wait for its end."""
        return await self.end(await self.begin(name, body, instance_id))

    async def wait_for_effects(self, count: int, start: str = "") -> list[str]:
        """Wait until that many lines, of those that start so, were left behind."""
        while len(lines := [line for line in self.effects if line.startswith(start)]) < count:  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.005)
        return lines

    async def __aenter__(self):
        await self.host.start()
        self.http.base_url = self.host.url
        return self

    async def __aexit__(self, *_):
        await self.http.aclose()
        await self.host.stop()


@pytest.fixture(scope="session")
async def sample(tmp_path_factory):
    """One running sample app for all tests that leave its worker alone."""
    async with Sample(tmp_path_factory.mktemp("sample")) as sample:
        yield sample


@pytest.fixture
async def start_sample(tmp_path):
    """Starts a sample app of the test's own, with options of the host."""
    async with contextlib.AsyncExitStack() as stack:
        yield lambda **options: stack.enter_async_context(Sample(tmp_path, **options))
