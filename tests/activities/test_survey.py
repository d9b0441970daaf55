"""A whole container by its pages: which databases are found, what it costs, and containers that are too large for one look."""

from __future__ import annotations

import asyncio

import pytest

from benchmarks.fleet import sound
from shared.runs.reconcile.payloads import Terms
from shared.storage.survey import survey
from tests.activities.conftest import ACCOUNT
from tests.builders import database, layout

TERMS = Terms(presets=(1, 2), quiet_seconds=0, again_seconds=0)


async def looked(bench, clients=None, terms=TERMS, **more):
    clients = clients or bench.clients
    return await survey(clients.accounts.container(ACCOUNT), clients.control, terms, **{"turn": 0, "initial": "", **more})


async def shelve(bench, *names) -> None:
    """Write databases that are well."""
    blobs = [(name, blob) for db in names for name, blob in sound(db).items()]
    await asyncio.gather(*(bench.blobs.put(name, blob.data, metadata=blob.headers) for name, blob in blobs))


async def test_every_page_costs_a_call_and_no_database_does(bench):
    await shelve(bench, *(f"db{number}" for number in range(6)))
    bench.proxy.clear()

    seen = await looked(bench, bench.with_settings(list_page=20))

    assert (seen.databases, seen.blobs, seen.to_heal, seen.to_tell) == (6, 6 * len(sound("x")), (), ())
    assert seen.pages == -(-seen.blobs // 20)
    assert len(bench.proxy.records) == seen.pages


async def test_only_databases_are_looked_at(bench):
    await bench.blobs.upload(
        {
            **database("real", 1),
            **dict.fromkeys(layout("orphaned", [1]), b"x"),
            "gone-metadata.json": b'{"sharded": true, "shard_sets": [1]}',
            "real/.staging/v2/real.00.nsq": b"x",
            "logs/today.txt": b"x",
            "readme.txt": b"x",
            "x_shard_00-metadata.json": b"{}",
        }
    )

    seen = await looked(bench)

    assert {(one.db, one.reason) for one in seen.to_heal} == {("real", "never"), ("gone", "gone")}
    assert {(one.db, one.reason) for one in seen.to_tell} == {("orphaned", "gone")}


async def test_a_folder_with_another_databases_files_is_told_and_not_sharded(bench):
    files = {name.replace("viruses.fasta/", "viruses/"): data for name, data in database("viruses.fasta", 1).items()}
    snapshot = {f"2026-05-09/{name.partition('/')[2]}": data for name, data in database("nt", 2).items()}
    await bench.blobs.upload({**files, **snapshot, "notes/notes.aux.txt": b"x", "raw/raw.fasta": b"x"})
    await bench.blobs.upload({**database("real", 1), "real/real_euk.00.nsq": b"x"})

    seen = await looked(bench)

    assert [(one.db, one.reason) for one in seen.to_heal] == [("real", "never")]
    assert {one.db: (one.reason, one.detail) for one in seen.to_tell} == {
        "viruses": ("misplaced", "holds the files of 'viruses.fasta', which belong in 'viruses.fasta/'"),
        "2026-05-09": ("misplaced", "holds the files of 'nt', which belong in 'nt/'"),
    }
    assert seen.databases == 1


async def test_ncbis_own_file_in_the_root_is_no_database(bench):
    named = b'{"dbname": "nt", "number-of-volumes": 2}'
    await shelve(bench, "nt")
    await bench.blobs.upload({"nt-nucl-metadata.json": named, **database("true-nucl", 1), "true-nucl-metadata.json": b"{}"})

    seen = await looked(bench)

    assert (seen.databases, [one.db for one in seen.to_heal], seen.to_tell) == (2, ["true-nucl"], ())


async def test_container_that_is_too_large_for_one_look_is_looked_at_by_initials(bench):
    await shelve(bench, "alpha", "beta", "16S", "1x")
    await bench.blobs.upload(database("Beta", 1))

    whole = await looked(bench, terms=TERMS.model_copy(update={"look_seconds": 0}))
    parts = {initial: await looked(bench, initial=initial) for initial in whole.initials}

    assert whole.initials == "12Bab"
    assert {initial: part.databases for initial, part in parts.items()} == {"1": 2, "2": 0, "B": 1, "a": 1, "b": 1}
    assert [(one.db, one.reason) for part in parts.values() for one in (*part.to_heal, *part.to_tell)] == [("Beta", "never")]


@pytest.mark.parametrize("turn", range(4))
async def test_what_is_more_than_one_pass_heals_has_its_turn(bench, turn):
    for number in range(5):
        await bench.blobs.upload(database(f"db{number}", 1))

    seen = await looked(bench, terms=TERMS.model_copy(update={"most_actions": 2}), turn=turn)

    start = turn * 2 % 5
    assert [one.db for one in seen.to_heal] == [f"db{(start + place) % 5}" for place in range(2)]
    assert seen.left == 3
