"""Ready is never claimed for what is not so: damaged, swapped or missing files, and pages that are not in memory."""

import shutil

import pytest

from tests.warmups.scene import HOST_PATH, eventually, held


def truncate(folder, db):
    """Cut a volume's sequence file in half."""
    file = min(folder.glob(f"{db}.*.nsq"))
    with file.open("r+b") as stream:
        stream.truncate(file.stat().st_size // 2)
    return file


def swap(folder, db):
    """Put one volume's sequences under another's name."""
    first, second, *_ = sorted(folder.glob(f"{db}.*.nsq"))
    shutil.copyfile(second, first)
    return first


def lose_companion(folder, db):
    """Take a database-level file away."""
    file = folder / f"{db}.ndb"
    file.unlink()
    return file


def misdirect(folder, db):
    """Let an alias speak of one volume fewer than the manifest."""
    (alias,) = folder.glob(f"{db}_shard_*.nal")
    lines = [line.rpartition(" ")[0] if line.startswith("DBLIST") else line for line in alias.read_text().splitlines()]
    alias.write_text("\n".join(lines) + "\n")
    return alias


def impersonate(folder, db):
    """Put another shard's alias, as another node holds it, under this shard's name."""
    (alias,) = folder.glob(f"{db}_shard_*.nal")
    other = next(file for file in folder.parents[2].glob(f"*/{HOST_PATH}/{db}_shard_*.nal") if file.name != alias.name)
    shutil.copyfile(other, alias)
    return alias


def is_alone_damaged(status, node):
    """Whether this node's files are known to be wrong, and every other node is warm."""
    cold = [name for name, one in status["nodes"].items() if one["state"] != "warm"]
    return cold == [node] and status["nodes"][node]["reason"] == "VerificationFailed"


@pytest.mark.parametrize("damage", [truncate, swap, lose_companion, misdirect, impersonate])
async def test_damage_on_a_node_is_not_ready_until_it_is_repaired(warmups, warm_db, damage):
    db = warm_db.name
    status = await warmups.status(db)
    node = status["shard_nodes"]["01"]
    before = {file.name: file.read_bytes() for file in warmups.folder(node).glob(f"{db}*") if file.is_file()}
    async with warmups.holding("blast-db") as repair:
        file = damage(warmups.folder(node), db)
        await held(repair)
        # Reports of other nodes may come late; the damaged one stays as it is as long as its repair is held up.
        seen = await warmups.until(db, lambda status: is_alone_damaged(status, node))
        assert seen["status"] == "Loading"
        assert file.name in seen["nodes"][node]["message"]
        assert seen["nodes"][node]["state"] != "warm"
        assert seen["nodes"][node]["phase"] != "completed"
    await warmups.ready(db)
    assert file.read_bytes() == before[file.name]
    assert (await warmups.compare(warm_db)).holds


async def test_pages_that_were_dropped_are_touched_again_and_no_byte_is_moved(warmups, warm_db):
    db = warm_db.name
    status = await warmups.status(db)
    node = status["shard_nodes"]["00"]
    pod = (await warmups.pods(db))[node]
    touched = warmups.nodes.log(pod, "warmer").count("touching ")
    warmups.stack.proxy.clear()
    assert await warmups.nodes.drop_page_cache(node, HOST_PATH) > 0

    async def is_touched():
        return warmups.nodes.log(pod, "warmer").count("touching ") > touched

    await eventually(is_touched)
    after = await warmups.ready(db)
    assert after["nodes"][node]["resident_pct"] == 100
    assert after["bytes_moved"] == status["bytes_moved"]
    assert warmups.downloads(lambda path: f"/{db}" in path) == []


async def test_killed_agent_is_not_ready_and_comes_back_without_moving_a_byte(warmups, warm_db):
    db = warm_db.name
    status = await warmups.status(db)
    node = status["shard_nodes"]["02"]
    pod = (await warmups.pods(db))[node]
    warmups.stack.proxy.clear()
    async with warmups.holding("blast-db"):
        warmups.nodes.kill_pod(pod)
        await warmups.until(db, lambda status: status["status"] != "Ready")
    await warmups.until(db, lambda status: status["status"] == "Ready" and status["nodes"][node]["bytes_moved"] == 0)
    assert (await warmups.pods(db))[node] == pod
    assert warmups.downloads(lambda path: path.endswith((".nsq", ".nin", ".nhr")) and f"/{db}/" in path) == []
