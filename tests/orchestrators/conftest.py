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
        scene_log_is_clean(scene)


@pytest.fixture(scope="package")
async def hasty(tmp_path_factory):
    """The app with leases of ten seconds: a busy machine lets no run oversleep that is not meant to."""
    async with Scene(tmp_path_factory.mktemp("hasty"), SHARDWARM_LEASE_SECONDS="10") as scene:
        yield scene
        scene_log_is_clean(scene)


@pytest.fixture(scope="package")
async def doubled(tmp_path_factory):
    """The app on a host that runs every activity twice, both at once."""
    async with Scene(tmp_path_factory.mktemp("doubled"), deliver_twice=True) as scene:
        yield scene
        scene_log_is_clean(scene)


@pytest.fixture(scope="package")
async def importer(tmp_path_factory):
    """The app with a source of its own, blocks of a kilobyte and two lanes."""
    async with Importer(tmp_path_factory.mktemp("importer")) as importer:
        yield importer
        scene_log_is_clean(importer.scene)


@pytest.fixture(scope="module")
async def receiver(tmp_path_factory):
    """A receiver of callbacks on this machine."""
    async with Receiver(tmp_path_factory.mktemp("receiver")) as receiver:
        yield receiver


def scene_log_is_clean(scene: Scene) -> None:
    """Whatever the tests did: no run disagreed with its own history, and nothing of ours broke."""
    log = (scene.stack.logs / "worker.log").read_text(errors="replace").splitlines()
    words = ("NonDeterminism", "ended in a defect", "InternalError")
    found = [number for number, line in enumerate(log) if any(word in line for word in words)]
    assert not found, "\n".join(log[found[0] : found[0] + 60])
