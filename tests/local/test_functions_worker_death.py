"""What survives when the language worker dies, and what happens twice."""

import asyncio

import pytest

from local.host import Verdict, WorkItemNote


async def test_run_completes_although_the_worker_dies_in_the_middle_of_an_activity(start_sample):
    sample = await start_sample()
    address = await sample.begin("one_step", "gated")
    first = sample.host.worker_pid
    await sample.wait_for_effects(1, "began")
    sample.host.worker.kill()
    await sample.host.wait_worker_ready()
    assert sample.host.worker_pid != first
    assert await sample.wait_for_effects(2, "began") == [f"began {first}", f"began {sample.host.worker_pid}"]
    sample.gate.touch()
    assert (await sample.end(address))["output"] == sample.host.worker_pid


@pytest.mark.parametrize("kind", ["orchestrator", "activity", "entity"])
async def test_answer_that_dies_with_its_worker_is_asked_for_again(start_sample, kind):
    notes: list[WorkItemNote] = []

    def observe(note: WorkItemNote) -> Verdict | None:
        notes.append(note)
        answers = [n for n in notes if (n.kind, n.moment) == (kind, "answered")]
        if answers != [note]:
            return None
        sample.host.worker.kill()
        return Verdict.REDELIVER

    sample = await start_sample(observer=observe)
    name, body, output = ("counted", "b", 2) if kind == "entity" else ("one_step", "slow_sync", "again")
    assert (await sample.run(name, body, "again"))["output"] == output
    first = next(note for note in notes if note.kind == kind)
    assert [note.moment for note in notes if note.kind == kind and note.name == first.name][:5] == [
        "delivered",
        "answered",
        "delivered",
        "answered",
        "recorded",
    ]
    if kind == "activity":
        assert sample.effects == ["again", "again"]


async def test_observer_sees_every_moment_of_every_item(start_sample):
    notes: list[WorkItemNote] = []

    async def observe(note: WorkItemNote) -> None:
        notes.append(note)

    sample = await start_sample(observer=observe)
    await sample.run("one_step", "slow_sync", "seen")
    assert [(n.moment, n.instance_id) for n in notes if n.kind == "activity" and n.name == "slow_sync"] == [
        ("delivered", "seen"),
        ("answered", "seen"),
        ("recorded", "seen"),
    ]


async def test_timer_that_fires_while_a_round_ends_does_not_fire_in_the_next_round(start_sample):
    results = 0

    async def observe(note: WorkItemNote) -> None:
        nonlocal results
        if note.instance_id == "late-child" and note.kind == "activity" and note.moment == "recorded":
            results += 1
        if note.instance_id == "late-child" and note.kind == "orchestrator" and note.moment == "answered" and results:
            results -= 1
            # It ends later than the short timer of this round, whose last turn this is.
            await sample.run("slept", 40)

    sample = await start_sample(observer=observe)
    assert (await sample.run("parent", "countdown", "late"))["output"] == ["late", False]


async def test_each_activity_runs_twice_when_asked_to(start_sample):
    sample = await start_sample(deliver_twice=True)
    assert (await sample.run("one_step", "slow_sync", "twice"))["output"] == "twice"
    assert await sample.wait_for_effects(2) == ["twice", "twice"]


async def test_http_request_in_flight_on_a_dead_worker_is_told_to_come_back(start_sample):
    sample = await start_sample()
    request = asyncio.create_task(sample.http.get("/api/hang"))
    await sample.wait_for_effects(1, "hang")
    sample.host.worker.kill()
    reply = await request
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")
    assert (await sample.http.get("/api/files/a")).text == "a"
