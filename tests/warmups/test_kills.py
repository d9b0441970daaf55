"""A worker, an API server, an agent, a pod or a node that dies in each phase of a warmup and of a release.

One death serves all phases: a database for each is brought to its phase and held there, then the victim is killed once. What
is left out is the same path as what is there: nothing speaks to the API server or looks at nodes before the planning, no agent
lives before the copying, and to whoever watches, copying and verifying are one. `test_nodes` loses a node that copies.
"""

import asyncio
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest

from local.demo.databases import Database
from tests.orchestrators.crossroads import Step
from tests.warmups.scene import eventually

STEPS = {
    "acquiring": Step("entity", "lease"),
    "sharding": Step("activity", "upload_shard_set"),
    "planning": Step("activity", "plan_warmup"),
    "applying": Step("activity", "apply_warmup"),
    "releasing": Step("activity", "evict_warmup"),
    "removing": Step("activity", "remove_warmup"),
}
RELEASES = {"releasing", "removing"}
PHASES = {
    "worker": [*STEPS, "copying"],
    "API server": ["planning", "applying", "copying", "releasing", "removing"],
    "agent": ["copying", "verifying", "releasing"],
    "pod": ["copying", "verifying", "releasing"],
    "node": ["planning", "applying", "verifying", "releasing"],
}


class Paused(NamedTuple):
    """A run that stands in a phase until `go`; `node` is one that is warm already, where there is one."""

    database: Database
    run: str
    phase: str
    node: str | None
    go: AsyncExitStack


class Left(NamedTuple):
    """What a death left behind: the run's end, damaged files, the end of a warmup after a failed one, what a release left."""

    operation: dict
    strays: list[str]
    next_warmup: dict | None
    rest: list[object]


class Aftermath(NamedTuple):
    """What one victim's death left behind, by phase."""

    victim: str
    phases: dict[str, Left]


@pytest.fixture(scope="module", params=PHASES)
async def left(warmups, request):
    """A victim has died, once for all of its phases."""
    victim = request.param
    names = {phase: f"{victim[:3]}.{phase}" for phase in PHASES[victim]}
    databases = await asyncio.gather(*map(warmups.publish, names.values()))
    phases = zip(names, databases, strict=True)
    pauses = await asyncio.gather(*(pause(warmups, victim, phase, database) for phase, database in phases))
    await KILLS[victim](warmups, pauses)
    operations = await asyncio.gather(*(warmups.ended(one.run) for one in pauses))
    found = await asyncio.gather(*(look(warmups, one, end) for one, end in zip(pauses, operations, strict=True)))
    yield Aftermath(victim, dict(zip(names, found, strict=True)))
    await asyncio.gather(*map(warmups.drop, names.values()))


async def pause(warmups, victim, phase, database):
    """Bring a run on a database to a phase and hold it there."""
    db, go, node = database.name, AsyncExitStack(), None
    if phase in RELEASES:
        await warmups.warmed(db)
    if phase in STEPS:
        # The worker's answer dies with it; the API server is away when the step begins; nodes die when it is done.
        moment = "delivered" if victim == "API server" else "answered"
        number = 2 if phase in RELEASES else 1
        stop = warmups.stop(db, STEPS[phase], moment, number=number, redeliver=victim == "worker")
        go.callback(stop.go)
        run = await (warmups.releasing if phase in RELEASES else warmups.started)(db)
        await stop.reached()
    elif phase == "copying":
        await go.enter_async_context(warmups.holding(f"/{db}/", ".nsq"))
        run = await warmups.started(db)
        await warmups.copying(db)
    else:
        # One node has to wait for a volume; the others have verified theirs and have them in memory.
        await go.enter_async_context(warmups.holding(f"/{db}/", ".00.nsq"))
        run = await warmups.started(db)
        status = await warmups.until(db, lambda status: status["nodes_ready"] == 2)
        node = next(name for name, one in status["nodes"].items() if one["state"] == "warm")
    return Paused(database, run, phase, node, go)


async def go_on(pauses):
    for one in pauses:
        await one.go.aclose()


async def kill_worker(warmups, pauses):
    warmups.stack.host.worker.kill()
    await go_on(pauses)
    await warmups.stack.host.wait_worker_ready()


async def kill_api_server(warmups, pauses):
    async with warmups.outage():
        await go_on(pauses)


async def kill_agents(warmups, pauses):
    for one in pauses:
        pods = await warmups.pods(one.database.name)
        warmups.nodes.kill_pod(pods[one.node or min(pods)])
    await go_on(pauses)


async def delete_pods(warmups, pauses):
    for one in pauses:
        pods = await warmups.pods(one.database.name)
        await warmups.delete_pod(pods[one.node or min(pods)])
    await go_on(pauses)


async def lose_node(warmups, pauses):
    """The node stays away until the warmups have ended without it; releases wait for it until it is replaced."""
    (node,) = {one.node for one in pauses if one.node is not None}
    await warmups.nodes.lose(node)
    await go_on(pauses)
    await asyncio.gather(*(warmups.ended(one.run) for one in pauses if one.phase not in RELEASES))
    await warmups.nodes.replace(node)


KILLS = {
    "worker": kill_worker,
    "API server": kill_api_server,
    "agent": kill_agents,
    "pod": delete_pods,
    "node": lose_node,
}


async def look(warmups, one, operation):
    """Look at what a run left, then warm where it failed to, and release."""
    db, next_warmup = one.database.name, None
    strays = await warmups.strays(one.database)
    if operation["status"] == "Failed" and one.phase not in RELEASES:
        next_warmup = await warmups.ended(await warmups.started(db))
        strays += await warmups.strays(one.database)
    await warmups.released(db)
    files = [file for node in warmups.nodes.names for file in warmups.files(node, db)]
    written = await warmups.written(db)

    async def has_no_agents():
        return not await warmups.pods(db)

    await eventually(has_no_agents)
    return Left(operation, strays, next_warmup, [*files, *filter(None, written)])


def ends(phase):
    """How a run that was stopped in a phase may end: its status, and the code or outcome."""
    yield "Succeeded", "released" if phase in RELEASES else "warm"
    # Where the API server is away for longer than a step is repeated.
    yield "Failed", "ClusterUnavailable"


async def test_run_ends_well_whoever_dies_or_says_truly_that_the_api_server_was_away(left):
    for phase, one in left.phases.items():
        operation = one.operation
        said = operation["error"]["code"] if operation["error"] else operation["result"]["outcome"]
        may_fail = left.victim == "API server" and phase != "copying"
        assert (operation["status"], said) in list(ends(phase))[: 2 if may_fail else 1], (phase, operation)


async def test_no_file_has_its_final_name_before_it_is_whole(left):
    assert {phase: one.strays for phase, one in left.phases.items() if one.strays} == {}


async def test_warmup_after_a_failed_one_is_accepted_and_ends_warm(left):
    for phase, one in left.phases.items():
        assert one.next_warmup is None or one.next_warmup["status"] == "Succeeded", (phase, one.next_warmup)


async def test_release_leaves_neither_objects_nor_agents_nor_files(left):
    assert {phase: one.rest for phase, one in left.phases.items() if one.rest} == {}
