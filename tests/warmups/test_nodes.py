"""Nodes that go: the status says so, a warmup under way assigns anew, and only what was lost moves."""


async def test_lost_node_is_not_ready_and_a_new_warmup_moves_only_what_it_had(warmups, warm_db):
    db = warm_db.name
    before = await warmups.status(db)
    node = before["shard_nodes"]["01"]
    lost = {label for label, holder in before["shard_nodes"].items() if holder == node}
    await warmups.nodes.lose(node)
    gone = await warmups.status(db)
    assert (gone["status"], gone["nodes"][node]["reason"]) == ("Stale", "NodeNotReady")
    assert set(gone["stale_shards"]) == lost
    await warmups.nodes.replace(node)
    replaced = await warmups.status(db)
    assert (replaced["status"], replaced["nodes"][node]["reason"]) == ("Stale", "NodeGone")
    warmups.stack.proxy.clear()
    result = await warmups.warmed(db)
    assert result["changed"]
    assert 0 < result["bytes_moved"] <= before["nodes"][node]["bytes_total"]
    after = await warmups.status(db)
    assert node not in after["nodes"]
    for label in set(before["shards"]) - lost:
        assert after["shard_nodes"][label] == before["shard_nodes"][label]
    fetched = {path.rpartition("/")[2].removesuffix(".nsq") for path in warmups.downloads(lambda path: path.endswith(".nsq"))}
    assert fetched == warmups.volumes(warm_db, after, lost)
    assert (await warmups.compare(warm_db)).holds


async def test_warmup_whose_node_is_replaced_while_it_copies_ends_warm_on_the_new_one(warmups, publish):
    database = await publish("moved")
    async with warmups.holding("/moved/", ".nsq"):
        run = await warmups.started("moved")
        seen = await warmups.copying("moved")
        node = seen["shard_nodes"]["02"]
        # The new one first, as an upgrade with a surge node does: else the others may take over before it is there.
        new = warmups.nodes.new_spec()
        await warmups.nodes.add(new)
        await warmups.nodes.remove(node)
    operation = await warmups.ended(run)
    assert operation["status"] == "Succeeded", operation
    status = await warmups.status("moved")
    assert status["status"] == "Ready"
    assert node not in status["nodes"]
    assert new.name in status["nodes"]
    assert (await warmups.compare(database)).holds


async def test_cordoned_node_is_not_ready_until_its_shards_are_elsewhere(warmups, warm_db):
    db = warm_db.name
    node = (await warmups.status(db))["shard_nodes"]["00"]
    await warmups.nodes.cordon(node)
    try:
        status = await warmups.status(db)
        assert (status["status"], status["nodes"][node]["reason"]) == ("Stale", "NodeCordoned")
        await warmups.warmed(db)
        after = await warmups.status(db)
        assert after["status"] == "Ready"
        assert node not in after["nodes"]
        assert (await warmups.compare(warm_db)).holds
    finally:
        await warmups.nodes.cordon(node, is_cordoned=False)


async def test_whole_database_on_every_node_does_without_one_that_is_cordoned_meanwhile(warmups, publish):
    await publish("everywhere")
    node = warmups.nodes.names[0]
    try:
        async with warmups.holding("/everywhere/", ".nsq"):
            run = await warmups.started("everywhere", shard_count=1)
            await warmups.copying("everywhere")
            pods = await warmups.pods("everywhere")
            await warmups.nodes.cordon(node)
            await warmups.until("everywhere", lambda status: node not in status["nodes"])
        operation = await warmups.ended(run)
        assert operation["status"] == "Succeeded", operation
        assert operation["result"]["nodes"] == 2
        # Nobody holds more than before: no agent was started anew.
        assert await warmups.pods("everywhere") == pods
    finally:
        await warmups.nodes.cordon(node, is_cordoned=False)
