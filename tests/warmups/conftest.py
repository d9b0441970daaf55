"""One cluster with the app beside it for the session; tests keep apart by databases of their own names."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from local.cluster import Cluster, Timing
from local.stack.warm import AGENTS, WarmStack
from tests.orchestrators.crossroads import Crossroads
from tests.warmups.scene import Warmups

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

_QUICK = {
    **AGENTS,
    "SHARDWARM_AGAIN_SECONDS": "1",
    "SHARDWARM_RETRY_FIRST_SECONDS": "0.05",
    "SHARDWARM_RETRY_LONGEST_SECONDS": "0.2",
    "SHARDWARM_FORBIDDEN_SECONDS": "5",
    # The machine has room; a node with a small disk of its own has none to spare.
    "SHARDWARM_DISK_RESERVE_BYTES": "0",
}


@pytest.fixture(scope="package")
async def warmups(tmp_path_factory):
    """Three nodes in the workload pool, and the app."""
    async with app_on_cluster(tmp_path_factory) as warmups:
        yield warmups


@asynccontextmanager
async def app_on_cluster(tmp_path_factory, **more: str) -> AsyncGenerator[Warmups]:
    """The same as a context, with more settings of the app."""
    if (obstacle := await Cluster.obstacle()) is not None:
        pytest.skip(obstacle)
    settings = {
        "SHARDWARM_CLUSTERS": "aks-local,aks-gone",
        "SHARDWARM_WARMER_ENVIRONMENT": ",".join(f"{name}={value}" for name, value in _QUICK.items()),
        "SHARDWARM_RETRY_ATTEMPTS": "3",
        "SHARDWARM_RETRY_FIRST_SECONDS": "0.2",
        "SHARDWARM_POLL_LONGEST_SECONDS": "0.5",
        **more,
    }
    timing = Timing(heartbeat_seconds=0.5, grace_seconds=8.0)
    crossroads = Crossroads()
    place = WarmStack(tmp_path_factory.mktemp("warm"), settings=settings, timing=timing, observer=crossroads)
    if place.cluster.is_given:
        pytest.skip("KUBECONFIG is set: a given cluster has no node controls")
    async with place, Warmups(place, crossroads, tmp_path_factory.mktemp("databases")) as warmups:
        yield warmups
        log = (place.stack.logs / "worker.log").read_text()
    assert "ended in a defect" not in log, log[-5000:]


@pytest.fixture
async def publish(warmups):
    """Publishes databases that are taken out of the cluster when the test is over."""
    names = []

    async def publish(db, molecule="nucl", **more):
        names.append(db)
        return await warmups.publish(db, molecule, **more)

    yield publish
    for name in names:
        await warmups.drop(name)


@pytest.fixture(scope="module")
async def warm_pair(warmups, request):
    """A nucleotide and a protein database, warmed at once on the same nodes; for tests that leave them warm."""
    module = request.module.__name__.rpartition("test_")[2]
    pair = [await warmups.publish(f"{module}_{molecule}", molecule) for molecule in ("nucl", "prot")]
    results = await asyncio.gather(*(warmups.warmed(database.name) for database in pair))
    yield dict(zip(("nucl", "prot"), zip(pair, results, strict=True), strict=True))
    for database in pair:
        await warmups.drop(database.name)


@pytest.fixture(scope="package")
async def database(warmups):
    """A nucleotide database for the tests that bring a warm one back to being warm; see `warm_db`."""
    database = await warmups.publish("lived_in")
    yield database
    await warmups.drop(database.name)


@pytest.fixture
async def warm_db(warmups, database):
    """That database, warm; on which nodes depends on what happened before."""
    await warmups.warmed(database.name)
    return database
