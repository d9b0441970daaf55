"""Real databases whose papers do not agree with their volumes: a run and a settle refuse them alike."""

from shutil import copy

import pytest

from activities.shard import inspect_database
from activities.upload import inspect_upload
from shared.errors import Code
from shared.runs.upload.payloads import InspectUpload
from tests.activities.conftest import ACCOUNT
from tests.blast import fasta, info, makeblastdb


async def put(bench, folder, *, without=()):
    """Upload a database's files under its own name, but for those whose names contain one of these parts."""
    files = {f"db/{path.name}": path.read_bytes() for path in folder.iterdir() if not any(part in path.name for part in without)}
    await bench.blobs.upload(files)


async def refusals(bench):
    """The codes by which a shard run and a settle refuse the database."""
    run = await inspect_database(bench.inspect("db", (1,)), bench.clients)
    settle = await inspect_upload(InspectUpload(account=ACCOUNT, db="db"), bench.clients)
    return run.problem.code, settle.problem.code


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """A database of four volumes; its alias names them."""
    return makeblastdb(tmp_path_factory.mktemp("four"), fasta(4), "-max_file_sz", "1B")


async def test_half_an_upload_is_refused_by_the_alias_that_names_all_volumes(bench, four):
    await put(bench, four, without=(".02.", ".03.", ".njs"))

    assert await refusals(bench) == (Code.VOLUME_GAP, Code.VOLUME_GAP)


async def test_fewer_volumes_copied_over_more_leave_ghosts(bench, four, tmp_path):
    seven = makeblastdb(tmp_path, fasta(7), "-max_file_sz", "1B")
    for path in four.iterdir():
        copy(path, seven)
    await put(bench, seven, without=(".njs",))

    assert await refusals(bench) == (Code.GHOST_VOLUMES, Code.GHOST_VOLUMES)


async def test_volume_table_alone_tells_of_volumes_that_are_missing(bench, four):
    await put(bench, four, without=(".02.", ".03.", ".njs", ".nal"))

    assert await refusals(bench) == (Code.VOLUME_GAP, Code.VOLUME_GAP)


async def test_new_volumes_beside_an_old_volume_table_are_refused(bench, four, tmp_path):
    seven = makeblastdb(tmp_path, fasta(7), "-max_file_sz", "1B")
    copy(four / "db.ndb", seven)
    await put(bench, seven, without=(".njs", ".nal"))

    assert await refusals(bench) == (Code.GHOST_VOLUMES, Code.GHOST_VOLUMES)


async def test_volume_of_another_database_under_the_same_name_is_refused_by_its_index_head(bench, four, tmp_path):
    other = makeblastdb(tmp_path, fasta(9), "-max_file_sz", "1GB")
    await put(bench, four, without=(".njs",))
    await bench.blobs.upload({"db/db.01.nin": (other / "db.nin").read_bytes(), "db/db.01.nsq": (other / "db.nsq").read_bytes()})

    assert await refusals(bench) == (Code.PAPERS_DISAGREE, Code.PAPERS_DISAGREE)


async def test_database_limited_by_its_own_alias_is_refused(bench, four):
    await put(bench, four)
    await bench.blobs.upload({"db/db.nal": (four / "db.nal").read_bytes() + b"LAST_OID 2\n"})

    assert await refusals(bench) == (Code.LIMITED_BY_ALIAS, Code.LIMITED_BY_ALIAS)


async def test_version_four_is_named_where_the_lmdb_file_is_missing(bench, tmp_path):
    await put(bench, makeblastdb(tmp_path, fasta(3), "-blastdb_version", "4"))

    assert await refusals(bench) == (Code.VERSION_FOUR, Code.VERSION_FOUR)


async def test_totals_are_read_under_a_title_of_eleven_kilobytes(bench, tmp_path):
    folder = makeblastdb(tmp_path, fasta(3), "-title", "t" * 11_000)
    await put(bench, folder, without=(".njs",))

    statistics = (await bench.look("db", (1,))).statistics

    assert (statistics.sequences, statistics.letters) == info(folder)[:2]


async def test_whole_database_is_taken_by_both(bench, four):
    await put(bench, four)

    assert (await inspect_upload(InspectUpload(account=ACCOUNT, db="db"), bench.clients)).state == "complete"
    assert len((await bench.look("db", (1, 2, 4))).sets) == 3
