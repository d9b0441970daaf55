"""Durable functions on the mended in-memory backend."""

import asyncio

import grpc.aio
import pytest

STATUS = "/runtime/webhooks/durabletask/instances/"
TALLY = "/runtime/webhooks/durabletask/entities/tally/"


async def test_function_starts_a_run_through_its_durable_client(sample):
    reply = await sample.http.post("/api/start/fan_out/by-client", json=1)
    assert reply.status_code == 202
    assert reply.headers["location"] == f"{sample.host.url}{STATUS}by-client?"
    assert (await sample.end(reply.headers["location"]))["output"] == [0]


async def test_activities_fan_out_and_in(sample):
    status = await sample.run("fan_out", 40, "fan-out")
    assert (status["runtimeStatus"], status["instanceId"], status["name"]) == ("Completed", "fan-out", "fan_out")
    assert status["output"] == [2 * n for n in range(40)]
    assert (status["input"], status["customStatus"]) == (40, {"done": 40})


async def test_activities_of_a_fan_out_run_at_the_same_time(sample):
    address = await sample.begin("fan_out_gated", 8)
    await sample.wait_for_effects(8, "began")
    sample.gate.touch()
    assert (await sample.end(address))["runtimeStatus"] == "Completed"


async def test_entity_is_signalled_called_and_deleted(sample):
    assert (await sample.http.get(TALLY + "a")).status_code == 404
    assert (await sample.run("counted", "a"))["output"] == 2
    assert (await sample.http.get(TALLY + "a")).json() == 2
    await sample.http.post("/api/signal/a/delete")
    while (await sample.http.get(TALLY + "a")).status_code != 404:  # noqa: ASYNC110 - the condition is in another process
        await asyncio.sleep(0.005)
    assert (await sample.run("counted", "a"))["output"] == 2


async def test_external_event_wakes_a_waiting_run(sample):
    address = await sample.begin("patient", "go", "patient-1")
    assert (await sample.http.get(address)).status_code == 202
    assert (await sample.http.post(STATUS + "patient-1/raiseEvent/go", json={"n": 1})).status_code == 202
    assert (await sample.end(address))["output"] == {"n": 1}
    assert (await sample.http.post(STATUS + "nobody/raiseEvent/go", json=1)).status_code == 404


async def test_live_id_is_refused_and_a_finished_one_is_used_again(sample):
    address = await sample.begin("patient", "go", "patient-2")
    async with sample.client() as client:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await client.schedule_new_orchestration("patient", input="go", instance_id="patient-2")
        assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    await sample.http.post(STATUS + "patient-2/terminate?reason=enough")
    status = await sample.end(address)
    assert (status["runtimeStatus"], status["output"]) == ("Terminated", "enough")
    assert (await sample.run("fan_out", 1, "patient-2"))["output"] == [0]


async def test_timer_fires_and_not_before_it_is_due(sample):
    assert (await sample.run("slept", 100))["output"] >= 0.1


async def test_child_knows_its_parent_and_timers_of_earlier_rounds_do_not_fire_in_it(sample):
    assert (await sample.run("parent", "countdown", "p"))["output"] == ["p", False]


async def test_failure_of_a_child_reaches_its_parent_with_its_type(sample):
    assert (await sample.run("parent", "broken"))["output"] == ["builtins.KeyError", "'lost'"]


async def test_terminating_a_parent_can_include_its_child(sample):
    await sample.begin("parent", "patient", "family")
    async with sample.client() as client:
        await client.wait_for_orchestration_start("family-child")
        await client.terminate_orchestration("family", output="both", recursive=True)
        child = await client.wait_for_orchestration_completion("family-child")
        assert child.runtime_status.name == "TERMINATED"


async def test_activity_failure_carries_class_name_and_first_line_as_in_the_extension(sample):
    assert (await sample.run("retried", 3))["output"] == ["ValueError", "first line"]
    assert sample.effects.count("failing") == 3


async def test_failure_without_a_message_is_a_failure(sample):
    status = await sample.run("one_step", "failing_silently")
    assert status["runtimeStatus"] == "Failed"


async def test_unknown_activity_fails_the_run(sample):
    status = await sample.run("lost_step")
    assert status["runtimeStatus"] == "Failed"
    assert "the app has no activity function named 'no_such_activity'" in status["output"]


async def test_unknown_orchestrator_fails_the_run(sample):
    status = await sample.run("no_such_orchestrator")
    assert status["runtimeStatus"] == "Failed"
    assert status["output"] == "the app has no orchestrator function named 'no_such_orchestrator'"


async def test_racing_starts_are_all_told_yes_and_only_the_first_one_runs_when_asked_to_race_as_on_azure(start_sample):
    sample = await start_sample(start_window_seconds=2)
    async with sample.client() as client:

        async def start(number):
            return await client.schedule_new_orchestration("fan_out", input=number, instance_id="race")

        assert await asyncio.gather(*map(start, range(1, 9))) == ["race"] * 8
        state = await client.wait_for_orchestration_completion("race")
        input_that_ran = state.get_input()
        assert state.get_output() == [2 * n for n in range(input_that_ran)]
        # Eight that look at a finished run replace it once.
        assert await asyncio.gather(*map(start, range(9, 17))) == ["race"] * 8
        state = await client.wait_for_orchestration_completion("race")
        assert len(state.get_output()) == state.get_input() in range(9, 17)
    refused = await sample.begin("patient", "go", "late")
    async with sample.client() as client:
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await client.schedule_new_orchestration("patient", input="go", instance_id="late")
    assert error.value.code() is grpc.StatusCode.ALREADY_EXISTS
    assert (await sample.http.get(refused)).status_code == 202
