"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

from pathlib import PurePath

import pytest
from xdist.scheduler import LoadScopeScheduling

from local.azurite import Azurite
from local.proxy import Proxy
from local.stack import Stack
from tests.driving import Api, Blobs

_FIRST_TO_LAST = (
    "warmups",
    "orchestrators",
    "e2e",
    "cluster",
    "uploads",
    "http",
    "local",
    "warmer",
    "activities",
    "infra",
    "wire",
    "app",
    "domain",
)
"""Folders, the longest first, so that no worker is left with one at the end; the files of one share what it sets up."""
_TOGETHER = {
    "warmups, on a cluster": ("warmups", "test_kills test_interruptions test_limits test_nodes test_joining"),
    "warmups, on a second cluster": (
        "warmups",
        "test_agents_in_trouble test_blindness test_damage test_foreign_content test_marks test_refusals test_rights test_warm",
    ),
    "the importer": ("orchestrators", "test_prepare test_prepare_cancel test_prepare_crash test_prepare_faults"),
    "the scene": (
        "orchestrators",
        "test_cancel test_crash test_failures test_history test_identity test_lost_holder test_one_writer test_restore",
    ),
    "uploads": ("uploads", "test_arrivals test_crashes test_floods test_giving_up"),
    "the cluster": ("cluster", "test_arm test_control_plane test_kubelet"),
}
"""Files that share what costs seconds to set up, a cluster or a stack: one worker gets them all. Other files go alone."""
_UNITS = {(folder, name): unit for unit, (folder, names) in _TOGETHER.items() for name in names.split()}
_WITH_A_STACK = frozenset({"stack", "ground"})
"""Fixtures of tests/http that start the app."""
ACCOUNTS = ("devstoreaccount1", "elbstg01")
QUICK = {"SHARDWARM_RETRY_ATTEMPTS": "3", "SHARDWARM_RETRY_FIRST_SECONDS": "0.05"}
"""Settings of a stack under test: passing failures are over soon."""


class ByFiles(LoadScopeScheduling):
    """Files of tests are dealt out whole, for what their modules set up, and some of them together.

    Not by `--dist loadgroup`: its marks have no effect with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = PurePath(nodeid.partition("::")[0])
        return _UNITS.get((path.parent.name, path.stem), str(path))


def pytest_xdist_make_scheduler(config, log):
    """Deal the tests out to workers (`-n 3`)."""
    return ByFiles(config, log)


def pytest_addoption(parser):
    """`--quick`, for the inner loop."""
    parser.addoption("--quick", action="store_true", help="leave out the tests that need the app on its stack")


def pytest_collection_modifyitems(config, items):
    """Begin with what takes longest."""
    if config.getoption("--quick"):
        left_out = [item for item in items if not _WITH_A_STACK.isdisjoint(item.fixturenames)]
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if _WITH_A_STACK.isdisjoint(item.fixturenames)]
    ranks = {folder: rank for rank, folder in enumerate(_FIRST_TO_LAST)}

    def rank(item) -> tuple[int, bool]:
        folder = item.path.parent.name
        return ranks.get(folder, len(ranks)), (folder, item.path.stem) not in _UNITS

    items.sort(key=rank)


@pytest.fixture(scope="session")
async def azurite(tmp_path_factory):
    """One storage emulator for the whole session; tests keep apart by containers of their own (or by account)."""
    async with Azurite(tmp_path_factory.mktemp("azurite"), accounts=ACCOUNTS) as emulator:
        yield emulator


@pytest.fixture
async def storage_proxy(azurite):
    """A proxy of the test's own in front of Azurite: `azurite.account(name).at(storage_proxy.port)` goes through it."""
    async with Proxy(azurite.port) as proxy:
        yield proxy


@pytest.fixture(scope="session")
async def stack(tmp_path_factory):
    """The app on its local stack, one for the whole session; tests keep apart by databases of their own names."""
    async with Stack(tmp_path_factory.mktemp("stack"), accounts=ACCOUNTS, settings=QUICK) as stack:
        yield stack
    log = (stack.logs / "worker.log").read_text()
    assert "ended in a defect" not in log, log[-5000:]


@pytest.fixture(scope="session")
async def api(stack):
    """The app's HTTP client, with the first account in its requests."""
    keys = [stack.azurite.account(name).key for name in ACCOUNTS]
    async with Api(stack.addresses.functions_url, ACCOUNTS[0], keys) as client:
        yield client


@pytest.fixture(scope="session")
async def blobs(stack):
    """The first account's container, past the proxy."""
    container = Blobs(stack.account.connection_string)
    yield container
    await container.close()
