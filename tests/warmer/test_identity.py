"""A node copies a file again when its content changes, and not when a header does."""

from __future__ import annotations

import pytest

from tests.driving import sent


@pytest.fixture
async def bare(store, nucleotide):
    """The nucleotide database in three shards, uploaded without MD5s."""
    await store.upload_in_blocks({f"{nucleotide.name}/{file.name}": file.read_bytes() for file in nucleotide.files})
    return await store.shard(nucleotide, 3)


def files_of(warmer) -> dict:
    """The database's files on the node, as only a copy changes them."""
    stats = {file: file.stat() for file in warmer.node.folder.glob("mini_nt*")}
    assert stats
    return {file: (status.st_ino, status.st_mtime_ns) for file, status in stats.items()}


async def give_md5s(store, nucleotide) -> None:
    """As a shard run does."""
    for file in nucleotide.files:
        await store.set_md5(f"{nucleotide.name}/{file.name}", file.read_bytes())


async def test_files_that_were_given_an_md5_are_not_copied_again(scene, store, nucleotide, bare):
    warmer = await scene.warmer(bare.assignment([0, 1], store.url()))
    await warmer.warm()
    before = files_of(warmer)

    await give_md5s(store, nucleotide)
    named = await store.shard(nucleotide, 3)
    warmer.assign(named.assignment([0, 1], store.url()))
    await warmer.until(lambda report: report["warm"] and report["digest"] == named.digest)

    assert named.digest != bare.digest
    assert files_of(warmer) == before


async def test_md5_that_was_cleared_and_given_again_costs_nothing(scene, store, nucleotide, mini):
    warmer = await scene.warmer(mini.assignment([0], store.url()))
    await warmer.warm()
    before = files_of(warmer)
    name = f"{nucleotide.name}/{nucleotide.files[0].name}"

    await store.set_header(name, keeps_md5=False)
    warmer.assign(mini.assignment([0], store.url(), source_version="later"))
    await warmer.failed("GenerationMismatch")
    await store.set_md5(name, nucleotide.files[0].read_bytes())
    await warmer.warm()

    assert files_of(warmer) == before


async def test_copy_under_way_goes_on_with_the_files_that_are_whole(scene, store, nucleotide, bare, storage_proxy):
    url = store.url(storage_proxy.port)
    held = storage_proxy.hold(lambda request: request.path.endswith(".nsq"))
    warmer = await scene.warmer(bare.assignment([0], url), SHARDWARM_DOWNLOAD_CONCURRENCY="8")
    await held.reached()
    headers = {f"{nucleotide.name}/{name}.nhr" for name in bare.volume_names(0)}
    await warmer.until(lambda _: {name.rpartition("/")[2] for name in headers} <= warmer.node.leaves())

    await give_md5s(store, nucleotide)
    named = await store.shard(nucleotide, 3)
    warmer.assign(named.assignment([0], url))
    held.release()
    held.remove()
    await warmer.until(lambda report: report["warm"] and report["digest"] == named.digest)

    copied = [one.blob for one in sent(storage_proxy.records) if one.method == "GET" and one.blob in headers]
    assert sorted(copied) == sorted(headers)
    assert not list(warmer.node.folder.glob(".shardwarm/incoming/*/*"))
