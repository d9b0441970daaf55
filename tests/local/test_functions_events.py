"""Event Grid and timer triggers."""

from tests.patience import patience

WEBHOOK = "/runtime/webhooks/EventGrid?functionName="
NOTIFICATION = {"aeg-event-type": "Notification"}
CLOUD = {"content-type": "application/cloudevents+json; charset=utf-8"}


def _event(number: int) -> dict:
    event = {"id": f"e{number}", "subject": "/blobs/x", "topic": "t", "eventType": "Microsoft.Storage.BlobCreated"}
    return {**event, "data": {}, "dataVersion": "", "eventTime": "2026-01-01T00:00:00Z"}


async def test_handshake_is_answered_by_the_host(sample):
    body = [{**_event(0), "data": {"validationCode": "code-1"}}]
    reply = await sample.http.post(WEBHOOK + "on_event", json=body, headers={"aeg-event-type": "SubscriptionValidation"})
    assert (reply.status_code, reply.json()) == (200, {"validationResponse": "code-1"})


async def test_events_of_one_request_arrive_one_by_one(sample):
    reply = await sample.http.post(WEBHOOK + "on_event", json=[_event(1), _event(2)], headers=NOTIFICATION)
    assert reply.status_code == 202
    assert {"event e1 /blobs/x", "event e2 /blobs/x"} <= set(sample.effects)


async def test_failing_handler_makes_event_grid_try_again(sample):
    reply = await sample.http.post(
        WEBHOOK + "on_event", json=[_event(3), {**_event(4), "data": {"fail": True}}], headers=NOTIFICATION
    )
    assert reply.status_code == 500


async def test_cloud_event_arrives(sample):
    allowed = await sample.http.options(WEBHOOK + "on_cloud_event", headers={"WebHook-Request-Origin": "eventgrid.azure.net"})
    assert (allowed.status_code, allowed.headers["webhook-allowed-origin"]) == (200, "eventgrid.azure.net")
    event = {"specversion": "1.0", "id": "c1", "source": "/storage", "type": "Microsoft.Storage.BlobCreated"}
    reply = await sample.http.post(WEBHOOK + "on_cloud_event", json=event, headers=CLOUD)
    assert reply.status_code == 202
    assert "cloud event c1 /storage" in sample.effects


async def test_event_for_an_unknown_function_is_not_found(sample):
    assert (await sample.http.post(WEBHOOK + "nobody", json=[], headers=NOTIFICATION)).status_code == 404


async def test_timer_function_is_run_on_demand(sample):
    assert (await sample.http.post("/admin/functions/nightly", json={"input": ""})).status_code == 202
    assert (await sample.http.post("/admin/functions/nobody", json={})).status_code == 404
    await sample.wait_for_effects(1, "nightly")


async def test_timer_function_fires_on_its_schedule(start_sample):
    sample = await start_sample(more_env={"NIGHTLY": "* * * * * *"})
    async with patience():
        await sample.wait_for_effects(1, "nightly")
