"""Stacks for the durable promises: each costs seconds, so one serves all tests that need its settings."""

from __future__ import annotations

import pytest

from tests.orchestrators.importing import Importer
from tests.orchestrators.receiver import Receiver
from tests.orchestrators.scene import Scene


@pytest.fixture(scope="package")
async def scene(tmp_path_factory):
    """The app with quick retries and the usual lease."""
    async with Scene(tmp_path_factory.mktemp("scene")) as scene:
        yield scene


@pytest.fixture(scope="package")
async def hasty(tmp_path_factory):
    """The app with leases of ten seconds: a busy machine lets no run oversleep that is not meant to."""
    async with Scene(tmp_path_factory.mktemp("hasty"), SHARDWARM_LEASE_SECONDS="10") as scene:
        yield scene


@pytest.fixture(scope="package")
async def doubled(tmp_path_factory):
    """The app on a host that runs every activity twice, both at once."""
    async with Scene(tmp_path_factory.mktemp("doubled"), deliver_twice=True) as scene:
        yield scene


@pytest.fixture(scope="package")
async def importer(tmp_path_factory):
    """The app with a source of its own, blocks of a kilobyte and two lanes."""
    async with Importer(tmp_path_factory.mktemp("importer")) as importer:
        yield importer


@pytest.fixture(scope="module")
async def receiver(tmp_path_factory):
    """A receiver of callbacks on this machine."""
    async with Receiver(tmp_path_factory.mktemp("receiver")) as receiver:
        yield receiver
