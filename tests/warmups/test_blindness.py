"""What the cluster does not show is unknown, neither warm nor cold, and the status says why."""


async def test_pool_without_its_label_is_unknown_and_warm_again_when_it_has_it(warmups, warm_db):
    db = warm_db.name
    nodes = warmups.nodes.names
    for node in nodes:
        await warmups.label(node, "workload", None)
    try:
        status = await warmups.until(db, lambda status: status["status"] == "Unknown")
        assert "selects no node" in status["error"]
        assert (status["nodes_ready"], {node["state"] for node in status["nodes"].values()}) == (0, {"unknown"})
        # A warmup finds no node to use, and leaves what there is.
        before = await warmups.written(db)
        assert (await warmups.refused(db))["code"] == "NoReadyNodes"
        assert (await warmups.written(db)).versions == before.versions
    finally:
        for node in nodes:
            await warmups.label(node, "workload", "blast")
    await warmups.ready(db)
    assert (await warmups.compare(warm_db)).holds


async def test_change_that_the_cluster_has_not_seen_is_unknown_though_all_agents_are_warm(warmups, warm_db):
    db = warm_db.name
    with warmups.cluster.controllers_paused():
        await warmups.tell_agents(db, SHARDWARM_TOUCH_SECONDS="1.5")
        status = await warmups.status(db)
        assert status["status"] == "Unknown"
        assert "not yet" in status["error"]
        assert (status["nodes_ready"], status["resident_pct"]) == (0, 0)
    await warmups.ready(db)


async def test_warmup_that_the_cluster_has_not_seen_is_unknown_until_it_has(warmups, publish):
    database = await publish("unseen")
    with warmups.cluster.controllers_paused():
        run = await warmups.started("unseen")
        status = await warmups.until("unseen", lambda status: "has seen generation 0" in (status["error"] or ""))
        assert (status["status"], status["nodes_ready"], status["active_phase"]) == ("Unknown", 0, "unknown")
        assert (await warmups.api.operation(run))["status"] == "Running"
    assert (await warmups.ended(run))["status"] == "Succeeded"
    assert (await warmups.compare(database)).holds
