"""An app with one function of every kind that the local host runs."""

# ruff: noqa: ARG001 - bindings decide what a function is given

import asyncio
import json
import logging
import os
from datetime import timedelta
from pathlib import Path

import azure.durable_functions as df
import azure.functions as func
from durabletask import task
from durabletask.entities import EntityContext, EntityInstanceId

ENV = os.environ  # noqa: TID251 - the sample has no settings object
app = df.DFApp(http_auth_level=func.AuthLevel.FUNCTION)


def _mark(line: str) -> None:
    """Leave a trace that outlives the process: tests count effects by it."""
    with Path(ENV["EFFECTS"]).open("a") as effects:
        effects.write(line + "\n")


@app.route(route="echo/{word}/{number:int}", methods=["POST", "HEAD"])
def echo(req: func.HttpRequest) -> func.HttpResponse:
    headers = {"X-Word": req.route_params["word"], "X-Query": req.params.get("q", ""), "X-Sent": req.headers["x-sent"]}
    return func.HttpResponse(req.get_body(), status_code=201, headers=headers, mimetype="application/octet-stream")


@app.route(route="files/{*rest}", methods=["GET"])
async def files(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse(req.route_params.get("rest", "(none)"))
    response.headers.add("Set-Cookie", "a=1")
    response.headers.add("Set-Cookie", "b=2")
    return response


@app.route(route="files/special", methods=["GET"])
async def special(req: func.HttpRequest) -> str:
    return "special"


@app.route(route="crash", methods=["GET"])
async def crash(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("no")


@app.route(route="hang", methods=["GET"])
async def hang(req: func.HttpRequest) -> func.HttpResponse:
    _mark("hang")
    await asyncio.Event().wait()
    return func.HttpResponse()


@app.route(route="start/{name}/{id?}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def start(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    body = req.get_body()
    instance_id = await client.schedule_new_orchestration(
        req.route_params["name"], input=json.loads(body) if body else None, instance_id=req.route_params.get("id")
    )
    return client.create_check_status_response(req, instance_id)


@app.route(route="signal/{key}/{operation}", methods=["POST"])
@app.durable_client_input(client_name="client")
async def signal(req: func.HttpRequest, client: df.DurableFunctionsClient) -> func.HttpResponse:
    entity = EntityInstanceId("tally", req.route_params["key"])
    await client.signal_entity(entity, req.route_params["operation"])
    return func.HttpResponse(status_code=202)


@app.orchestration_trigger(context_name="ctx")
def fan_out(ctx: task.OrchestrationContext, count: int):
    doubled = yield task.when_all([ctx.call_activity("double", input=n) for n in range(count)])
    ctx.set_custom_status({"done": len(doubled)})
    return doubled


@app.orchestration_trigger(context_name="ctx")
def fan_out_gated(ctx: task.OrchestrationContext, count: int):
    return (yield task.when_all([ctx.call_activity("gated", input="") for _ in range(count)]))


@app.orchestration_trigger(context_name="ctx")
def chain(ctx: task.OrchestrationContext, steps: int):
    for number in range(steps):
        yield ctx.call_activity("double", input=number)
    return steps


@app.orchestration_trigger(context_name="ctx")
def one_step(ctx: task.OrchestrationContext, name: str):
    return (yield ctx.call_activity(name, input=ctx.instance_id))


@app.orchestration_trigger(context_name="ctx")
def retried(ctx: task.OrchestrationContext, attempts: int):
    policy = task.RetryPolicy(first_retry_interval=timedelta(milliseconds=10), max_number_of_attempts=attempts)
    try:
        yield ctx.call_activity("failing", input=None, retry_policy=policy)
    except task.TaskFailedError as error:
        return [error.details.error_type, error.details.message]


@app.orchestration_trigger(context_name="ctx")
def counted(ctx: task.OrchestrationContext, key: str):
    entity = EntityInstanceId("tally", key)
    ctx.signal_entity(entity, "add")
    return (yield ctx.call_entity(entity, "add"))


@app.orchestration_trigger(context_name="ctx")
def patient(ctx: task.OrchestrationContext, name: str):
    return (yield ctx.wait_for_external_event(str(name)))


@app.orchestration_trigger(context_name="ctx")
def slept(ctx: task.OrchestrationContext, milliseconds: int):
    before = ctx.current_utc_datetime
    yield ctx.create_timer(timedelta(milliseconds=milliseconds))
    return (ctx.current_utc_datetime - before).total_seconds()


@app.orchestration_trigger(context_name="ctx")
def parent(ctx: task.OrchestrationContext, child: str):
    try:
        return (yield ctx.call_sub_orchestrator(child, input=3, instance_id=ctx.instance_id + "-child"))
    except task.TaskFailedError as error:
        return [error.details.error_type, error.details.message]


@app.orchestration_trigger(context_name="ctx")
def countdown(ctx: task.OrchestrationContext, rounds: int):
    """Leave a short timer behind in each round; the last round's timer of the same number is a long one."""
    first = ctx.create_timer(timedelta(milliseconds=30) if rounds else timedelta(minutes=1))
    yield ctx.call_activity("double", input=rounds)
    if rounds:
        ctx.continue_as_new(rounds - 1)
        return None
    winner = yield task.when_any([first, ctx.create_timer(timedelta(milliseconds=100))])
    return ctx.parent_instance_id, winner is first


@app.orchestration_trigger(context_name="ctx")
def broken(ctx: task.OrchestrationContext, _input: object):
    raise KeyError("lost")


@app.orchestration_trigger(context_name="ctx")
def lost_step(ctx: task.OrchestrationContext, _input: object):
    yield ctx.call_activity("no_such_activity", input=None)


@app.activity_trigger(input_name="number")
async def double(number: int) -> int:
    return number * 2


@app.activity_trigger(input_name="run")
def slow_sync(run: str) -> str:
    _mark(run)
    return run


@app.activity_trigger(input_name="run")
async def gated(run: str) -> int:
    """Wait for the test's file; tell which process had the effect."""
    _mark(f"began {os.getpid()}")
    while not Path(ENV["GATE"]).exists():  # noqa: ASYNC110, ASYNC240 - the test's only way in is a file
        await asyncio.sleep(0.01)
    return os.getpid()


@app.activity_trigger(input_name="nothing")
async def failing(nothing: object) -> None:
    _mark("failing")
    raise ValueError("first line\nsecond line")


@app.activity_trigger(input_name="nothing")
async def failing_silently(nothing: object) -> None:
    raise TimeoutError


@app.entity_trigger(context_name="ctx")
def tally(ctx: EntityContext, _input: object) -> int | None:
    count = None if ctx.operation == "delete" else ctx.get_state(int, 0) + 1
    ctx.set_state(count)
    return count


@app.event_grid_trigger(arg_name="event")
def on_event(event: func.EventGridEvent) -> None:
    if event.get_json().get("fail"):
        raise RuntimeError("told to fail")
    _mark(f"event {event.id} {event.subject}")


@app.function_name("on_cloud_event")
@app.event_grid_trigger(arg_name="event")
def on_cloud_event(event: func.CloudEvent) -> None:
    _mark(f"cloud event {event.id} {event.source}")


@app.timer_trigger(arg_name="timer", schedule="%NIGHTLY%")
def nightly(timer: func.TimerRequest) -> None:
    logging.getLogger(__name__).info("The nightly timer fired.")
    _mark("nightly")
