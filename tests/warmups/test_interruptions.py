"""A warmup that is canceled, or whose app, API server or agents die on the way."""


async def test_canceled_warmup_takes_its_objects_away_and_frees_the_lease(warmups, publish):
    await publish("stopped")
    async with warmups.holding("/stopped/", ".nsq"):
        run = await warmups.started("stopped")
        await warmups.copying("stopped")
        assert not (await warmups.written("stopped")).is_nothing
        assert (await warmups.api.post(f"/api/operations/{run}/cancel")).status_code == 202
        operation = await warmups.ended(run)
    assert operation["status"] == "Canceled", operation
    assert operation["error"]["code"] == "Canceled"
    assert (await warmups.written("stopped")).is_nothing
    # The lease is free.
    assert (await warmups.released("stopped"))["outcome"] == "released"


async def test_warmup_ends_warm_although_app_api_server_and_agent_die_while_it_copies(warmups, publish):
    database = await publish("killed")
    async with warmups.holding("/killed/", ".nsq"):
        run = await warmups.started("killed")
        await warmups.copying("killed")
        warmups.stack.host.worker.kill()
        warmups.nodes.kill_pod(min((await warmups.pods("killed")).values()))
        await warmups.stack.host.wait_worker_ready()
        await warmups.cluster.restart_api_server(after_seconds=2)
    operation = await warmups.ended(run)
    assert operation["status"] == "Succeeded", operation
    assert (await warmups.status("killed"))["status"] == "Ready"
    assert (await warmups.compare(database)).holds
    incoming = [warmups.folder(node) / ".shardwarm/incoming/killed" for node in warmups.nodes.names]
    assert [file for folder in incoming if folder.exists() for file in folder.iterdir()] == []
