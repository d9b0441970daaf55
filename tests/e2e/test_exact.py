"""Searches of shards equal those of the whole database, on skewed databases, in the machine's BLAST+ and in the node agent's.

That each test can fail is shown by the form of the aliases that lacks the average sequence length.
"""

from __future__ import annotations

import json
import re

import pytest

from local.azurite import ROOT
from local.demo.blast import Search, run_program
from local.demo.databases import make
from local.demo.specimens import SKEWED, SKEWED_NUCLEOTIDE, SKEWED_PROTEIN
from shared.blastdb.layout import split
from tests.e2e.shards import Shards, statistics_only, today

PRESETS = (1, 2, 3, 4, 5, 6, 8, 10)
SEARCHES = [
    pytest.param(specimen, how, id=f"{how.program}:{how.name}".replace(" ", "-"))
    for specimen in SKEWED
    for how in specimen.searches
]
UNGAPPED = [case for case in SEARCHES if ("ungapped" in case.id and "blastp" not in case.id) or "tblastx" in case.id]

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
async def shards_of(programs, tmp_path_factory):
    """Shards by specimen and form of the alias."""
    made = {}

    async def of(specimen, form=today):
        if (specimen.recipe.db, form) not in made:
            database = await make(specimen, ROOT / ".local/demo-cache")
            folder = tmp_path_factory.mktemp("shards")
            made[specimen.recipe.db, form] = await Shards(database, folder, programs, form).prepare()
        return made[specimen.recipe.db, form]

    return of


@pytest.mark.parametrize(("specimen", "how"), SEARCHES)
async def test_every_preset_gives_every_line_of_the_whole_search_and_its_order(shards_of, specimen, how):
    shards = await shards_of(specimen)

    comparisons = [await shards.compare(how, preset) for preset in PRESETS]

    assert [comparison for comparison in comparisons if not comparison.holds] == []
    assert comparisons[0].hits_compared > 150


@pytest.mark.parametrize(("specimen", "how"), UNGAPPED)
async def test_these_databases_are_skewed_enough_to_tell_an_alias_without_the_average_length(shards_of, specimen, how):
    comparison = await (await shards_of(specimen, statistics_only)).compare(how, 8)

    assert comparison.volumes_once
    assert comparison.hits_equal < comparison.hits_compared


@pytest.mark.parametrize("specimen", SKEWED, ids=lambda specimen: specimen.recipe.db)
async def test_the_shards_of_these_databases_differ_a_hundredfold_in_average_length(shards_of, specimen):
    shards = await shards_of(specimen)
    database = await make(specimen, ROOT / ".local/demo-cache")
    kind = ["-dbtype", specimen.recipe.molecule, "-entry", "all", "-outfmt", "%l"]
    averages = []
    for volume in database.volumes:
        lengths = [int(line) for line in (await run_program(["blastdbcmd", "-db", volume, *kind], database.folder)).split()]
        averages.append(sum(lengths) / len(lengths))

    assert max(averages) > 100 * min(averages)
    assert min(averages) < shards.statistics.letters / shards.statistics.sequences < max(averages)
    masked = {file.stem for file in database.files if file.suffix in {".naa", ".paa"}}
    assert masked < set(database.volumes)


@pytest.mark.parametrize(
    ("specimen", "how"),
    [(SKEWED_NUCLEOTIDE, Search("blastn")), (SKEWED_PROTEIN, Search("blastp"))],
    ids=["blastn", "blastp"],
)
async def test_every_format_reports_the_size_of_the_whole_database(shards_of, specimen, how):
    shards = await shards_of(specimen)
    last = shards.shards(3)[-1].name
    sequences, letters = shards.statistics.sequences, shards.statistics.letters

    pairwise, table = await shards.text(how, last, "0"), await shards.text(how, last, "7 std")
    xml, searches = await shards.text(how, last, "5"), json.loads(await shards.text(how, last, "15"))

    assert f"{sequences:,} sequences; {letters:,} total letters" in pairwise
    assert f"Number of letters in database: {letters:,}" in pairwise
    assert f"Number of sequences in database:  {sequences:,}" in pairwise
    assert set(re.findall(r"<Statistics_db-num>(\d+)<", xml)) == {str(sequences)}
    assert set(re.findall(r"<Statistics_db-len>(\d+)<", xml)) == {str(letters)}
    stats = [one["report"]["results"]["search"]["stat"] for one in searches["BlastOutput2"]]
    assert {(one["db_num"], one["db_len"]) for one in stats} == {(sequences, letters)}
    # Whatever a table says beside names and hits is what the table of the whole search says.
    whole = await shards.text(how, specimen.recipe.db, "7 std")
    assert _remarks(table) == _remarks(whole)


async def test_one_round_of_psiblast_is_exact_and_more_rounds_are_not(shards_of):
    shards = await shards_of(SKEWED_PROTEIN)
    once = Search("psiblast", options=("-num_iterations", "1", "-evalue", "10"))
    twice = Search("psiblast", options=("-num_iterations", "2"))
    whole = _hits(await shards.text(twice, "skewed_prot", "6 std"))
    parts = [line for shard in shards.shards(3) for line in _hits(await shards.text(twice, shard.name, "6 std"))]

    comparison = await shards.compare(once, 3)

    assert comparison.holds
    assert comparison.hits_compared > 150
    assert sorted(whole) != sorted(parts)


def _remarks(table: str) -> list[str]:
    return [line for line in table.splitlines() if line.startswith("#") and not re.match(r"# (Database:|\d+ hits)", line)]


def _hits(table: str) -> list[str]:
    return [line for line in table.splitlines() if line.startswith("query")]


def test_every_preset_can_be_cut_from_these_databases():
    assert all(len(split([1] * specimen.least_volumes, preset).cuts) == preset + 1 for specimen in SKEWED for preset in PRESETS)
