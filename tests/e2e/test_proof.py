"""The demo's proof must be able to fail: it is run here on layouts that are right, and on layouts that lose something."""

from __future__ import annotations

import pytest

from local import ROOT
from local.azurite import DEFAULT_ACCOUNT, Azurite
from local.demo.blast import run_program
from local.demo.databases import make
from local.demo.proof import Proof
from local.demo.specimens import PROTEIN
from local.demo.storage import BlobStore
from shared.blastdb import blobs
from shared.blastdb.alias import render_alias
from shared.blastdb.layout import split
from shared.blastdb.manifest import render_manifest
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet

SHARDS = 5


@pytest.fixture(scope="module")
async def database():
    return await make(PROTEIN, ROOT / ".local/demo-cache")


@pytest.fixture(scope="module")
async def store(database, tmp_path_factory):
    async with Azurite(tmp_path_factory.mktemp("azurite")) as azurite:
        await azurite.create_containers()
        blob_store = BlobStore(azurite.account(DEFAULT_ACCOUNT))
        await blob_store.upload(database)
        yield blob_store
        await blob_store.close()


@pytest.fixture(scope="module")
async def layout(database):
    """Blob name to content of the right layout."""
    count = len(database.volumes)
    volumes = VolumeSet(db=database.name, molecule="prot", count=count, digits=2)
    listing = await run_program(["blastdbcmd", "-db", database.name, "-entry", "all", "-outfmt", "%l"], database.folder)
    letters = [int(line) for line in listing.split()]
    totals = Statistics(sequences=len(letters), letters=sum(letters), source="index")
    cuts = split([1] * count, SHARDS)
    content = {}
    for index in range(SHARDS):
        content[blobs.manifest_blob(database.name, SHARDS, index)] = render_manifest(volumes, cuts, index)
        content[blobs.alias_blob(database.name, SHARDS, index, "prot")] = render_alias(volumes, cuts, index, totals)
    return content


async def compared(database, store, layout, nodes):
    for blob, content in layout.items():
        await store.put(blob, content)
    (comparison,) = await Proof(database, store, nodes).comparisons()
    return comparison


def edited(layout, ending, edit):
    """The layout with every blob of that ending changed."""
    return {blob: edit(content) if blob.endswith(ending) else content for blob, content in layout.items()}


async def test_right_layout_gives_every_hit_with_its_evalue_in_order(database, store, layout, tmp_path):
    comparison = await compared(database, store, layout, tmp_path)

    assert comparison.holds
    assert comparison.hits_compared > 300
    assert comparison.hits_equal == comparison.hits_compared


async def test_aliases_without_statistics_are_noticed_by_their_evalues(database, store, layout, tmp_path):
    def without_statistics(alias: bytes) -> bytes:
        return b"".join(line for line in alias.splitlines(keepends=True) if not line.startswith((b"STATS", b"NSEQ", b"LENGTH")))

    comparison = await compared(database, store, edited(layout, ".pal", without_statistics), tmp_path)

    assert not comparison.holds
    assert not comparison.evalues_equal


async def test_statistics_of_the_wrong_database_are_noticed(database, store, layout, tmp_path):
    def one_letter_in_front(alias: bytes) -> bytes:
        return alias.replace(b"STATS_TOTLEN ", b"STATS_TOTLEN 1")

    comparison = await compared(database, store, edited(layout, ".pal", one_letter_in_front), tmp_path)

    assert not comparison.evalues_equal


async def test_lost_volume_is_noticed_by_its_missing_hits(database, store, layout, tmp_path):
    kept, lost = database.volumes[0].encode(), database.volumes[1].encode()
    manifest = layout[blobs.manifest_blob(database.name, SHARDS, 0)]
    assert manifest == kept + b"\n" + lost + b"\n"

    def without_it(text: bytes) -> bytes:
        return text.replace(b" /blast/blastdb/" + lost, b"").replace(lost + b"\n", b"")

    comparison = await compared(database, store, edited(layout, ("_00.manifest", "_00.pal"), without_it), tmp_path)

    assert not comparison.holds
    assert not comparison.volumes_once
    assert comparison.hits_equal < comparison.hits_compared


async def test_database_is_made_once_and_then_taken_from_the_cache(database):
    again = await make(PROTEIN, ROOT / ".local/demo-cache")

    assert again.folder == database.folder
    assert len(again.volumes) >= PROTEIN.least_volumes
    sizes = {file.stat().st_size for file in again.files if file.suffix == ".psq"}
    assert len(sizes) == len(again.volumes)
