"""One local cluster for the session; tests keep apart by namespaces and nodes of their own."""

from __future__ import annotations

import itertools

import pytest

from local.cluster import MACHINE, Cluster, Timing, project_python
from local.cluster.api import Api
from tests.cluster.spaces import Space

IMAGES = {"machine:local": MACHINE, "python:local": project_python()}
_NUMBERS = itertools.count()


@pytest.fixture(scope="package")
async def cluster(tmp_path_factory):
    """Three nodes in the workload pool, one in the system pool."""
    if (obstacle := await Cluster.obstacle()) is not None:
        pytest.skip(obstacle)
    root = tmp_path_factory.mktemp("cluster")
    async with Cluster(root, images=IMAGES, timing=Timing(heartbeat_seconds=0.5, grace_seconds=8.0)) as cluster:
        if cluster.is_given:
            pytest.skip("KUBECONFIG is set: a given cluster has no node controls")
        yield cluster


@pytest.fixture(scope="package")
async def admin(cluster):
    """The API server with all rights."""
    async with Api(cluster.admin) as api:
        yield api


@pytest.fixture
async def app(cluster):
    """The API server with the app's rights."""
    async with Api(cluster.app) as api:
        yield api


@pytest.fixture
async def space(admin):
    """A namespace of the test's own."""
    name = f"test-{next(_NUMBERS)}"
    await admin.create("/api/v1/namespaces", {"metadata": {"name": name}})
    space = Space(admin, name)
    yield space
    await admin.delete(f"/api/v1/namespaces/{name}")
