"""Searches that are limited to a part of the database: what each shard ends with, and what differs from the whole search.

These are BLAST's own ways, not ours; docs/blast.md tells callers of them, and a BLAST+ that behaves otherwise shows here.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from typing import NamedTuple

import pytest

from local.demo.blast import run_program
from local.demo.specimens import SKEWED_NUCLEOTIDE
from shared.blastdb.alias import LOCAL_FOLDER, render_alias
from shared.blastdb.layout import split
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet

pytestmark = pytest.mark.timeout(600)

HUMAN, MOUSE, ECOLI, YEAST = 9606, 10090, 562, 4932
LISTED = range(0, 1400, 2)
"""In the first of three shards only."""
CRASH = -11


class Ended(NamedTuple):
    status: int
    lines: Counter
    said: str

    @property
    def places(self) -> Counter:
        """Lines without e-values and scores."""
        return Counter("\t".join(line.split("\t")[:10]) for line in self.lines.elements())


class Limited:
    """A database with taxids, GIs and masks in three shards."""

    def __init__(self, folder, programs) -> None:
        self._folder = folder
        self._programs = programs

    async def search(self, db, *options) -> Ended:
        program = str(self._programs / "blastn") if self._programs else "blastn"
        command = [program, "-task", "blastn", "-db", db, "-query", "queries.fa", "-outfmt", "6 std", "-max_target_seqs", "20000"]
        process = await asyncio.create_subprocess_exec(
            *(*command, *options),
            cwd=self._folder,
            env={**os.environ, "BLAST_USAGE_REPORT": "false"},  # noqa: TID251  what a child inherits is not a setting
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        output, errors = await process.communicate()
        return Ended(process.returncode, Counter(output.decode().splitlines()), errors.decode())

    async def all(self, *options) -> tuple[Ended, list[Ended]]:
        """Of the whole database, and of its shards."""
        whole = await self.search("limited", *options)
        return whole, [await self.search(f"limited_shard_{index:02d}", *options) for index in range(3)]


@pytest.fixture(scope="module")
async def version(programs, tmp_path_factory):
    """The table's column: these two were measured."""
    said = await run_program(["blastn", "-version"], tmp_path_factory.getbasetemp(), programs)
    found = said.split()[1].rpartition(".")[0]
    if found not in {"2.12", "2.16"}:
        pytest.skip(f"not measured for BLAST+ {found}")
    return found


@pytest.fixture(scope="module")
async def limited(programs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("limited")
    records = [record.split(b"\n", 1)[1] for record in SKEWED_NUCLEOTIDE.recipe.generator().subjects()]
    (folder / "all.fa").write_bytes(
        b"".join(b">gi|%d|gb|%s|\n%s" % (1000 + number, _accession(number).encode(), one) for number, one in enumerate(records))
    )
    (folder / "queries.fa").write_bytes(SKEWED_NUCLEOTIDE.recipe.generator().queries()["nucl"])
    (folder / "taxids").write_text("".join(f"{_accession(number)} {_taxid(number)}\n" for number in range(len(records))))
    (folder / "accessions").write_text("".join(f"{_accession(number)}\n" for number in LISTED))
    (folder / "gis").write_text("".join(f"{1000 + number}\n" for number in LISTED))
    form = ["-infmt", "fasta", "-parse_seqids", "-outfmt", "maskinfo_asn1_bin"]
    await run_program(["dustmasker", "-in", "all.fa", *form, "-out", "masks"], folder, programs)
    kind = ["-dbtype", "nucl", "-parse_seqids", "-taxid_map", "taxids", "-mask_data", "masks", "-max_file_sz", "30KB"]
    await run_program(["makeblastdb", "-in", "all.fa", "-out", "limited", "-title", "limited", *kind], folder, programs)
    letters = sum(len(one) - one.count(b"\n") for one in records)
    _shard(folder, Statistics(sequences=len(records), letters=letters, source="index"))
    _taxonomy(folder)
    return Limited(folder, programs)


async def test_taxids_leave_shards_without_a_match_with_status_2_and_others_with_higher_evalues(limited, version):
    whole, shards = await limited.all("-taxids", str(HUMAN))
    _, wide = await limited.all("-taxids", str(HUMAN), "-evalue", "1000")

    assert whole.status == 0
    assert [shard.status for shard in shards] == [0, 2, 2]
    reason = {"2.12": "are not at or below the species level", "2.16": "Taxonomy ID(s) not found"}[version]
    assert all(reason in shard.said for shard in shards[1:])
    assert shards[0].lines.keys().isdisjoint(whole.lines)
    assert shards[0].places < whole.places
    assert whole.places <= wide[0].places


async def test_negative_taxids_of_which_a_shard_has_none_end_otherwise_by_version(limited, version):
    _, shards = await limited.all("-negative_taxids", str(HUMAN))

    # 2.12 refuses what should have been a search of the whole shard.
    assert [shard.status for shard in shards] == {"2.12": [0, 2, 2], "2.16": [0, 0, 0]}[version]
    plain = [await limited.search(f"limited_shard_{index:02d}") for index in (1, 2)]
    if version == "2.16":
        assert [shard.lines for shard in shards[1:]] == [shard.lines for shard in plain]


async def test_taxids_that_the_whole_database_lacks_are_refused_by_all(limited):
    whole, shards = await limited.all("-taxids", str(YEAST))

    assert [whole.status, *(shard.status for shard in shards)] == [2, 2, 2, 2]


async def test_newer_blast_without_the_taxonomy_file_searches_everything_and_ends_with_status_0(limited, version):
    file = limited._folder / "taxonomy4blast.sqlite3"
    file.rename(file.with_suffix(".away"))
    try:
        whole, _ = await limited.all("-taxids", str(HUMAN))
    finally:
        file.with_suffix(".away").rename(file)

    everything = await limited.search("limited")
    assert whole.status == 0
    assert (whole.lines == everything.lines) is (version == "2.16")
    assert ("requires additional data files" in whole.said) is (version == "2.16")


@pytest.mark.parametrize("options", [("-seqidlist", "accessions"), ("-gilist", "gis")], ids=lambda options: options[0])
async def test_lists_leave_shards_without_a_match_empty_with_status_0(limited, options):
    whole, shards = await limited.all(*options)

    assert [whole.status, *(shard.status for shard in shards)] == [0, 0, 0, 0]
    assert all("Filtering resulted in an empty database" in shard.said for shard in shards[1:])
    assert not shards[1].lines
    assert not shards[2].lines
    assert shards[0].lines.keys().isdisjoint(whole.lines)
    assert shards[0].places < whole.places


async def test_negative_seqidlist_crashes_on_a_shard_that_has_none_of_it(limited):
    whole, shards = await limited.all("-negative_seqidlist", "accessions")

    assert [whole.status, *(shard.status for shard in shards)] == [0, 0, CRASH, CRASH]


async def test_negative_gilist_finds_the_same_places_with_other_evalues(limited):
    whole, shards = await limited.all("-negative_gilist", "gis")

    assert [whole.status, *(shard.status for shard in shards)] == [0, 0, 0, 0]
    assert sum((shard.places for shard in shards), Counter()) == whole.places
    assert sum((shard.lines for shard in shards), Counter()) != whole.lines


@pytest.mark.parametrize(
    "options",
    [("-db_soft_mask", "11"), ("-db_hard_mask", "11"), ("-num_threads", "2", "-mt_mode", "1")],
    ids=lambda options: options[-2],
)
async def test_masks_and_the_way_of_threading_leave_searches_exact(limited, options):
    whole, shards = await limited.all(*options)

    assert [whole.status, *(shard.status for shard in shards)] == [0, 0, 0, 0]
    assert sum((shard.lines for shard in shards), Counter()) == whole.lines


async def test_entrez_queries_are_for_ncbis_own_service_only(limited):
    whole, shards = await limited.all("-entrez_query", "human[orgn]")

    assert [whole.status, *(shard.status for shard in shards)] == [1, 1, 1, 1]
    assert 'Argument "remote". Must be specified' in whole.said


def _accession(number: int) -> str:
    return f"AB{number:06d}.1"


def _taxid(number: int) -> int:
    """The first shard is of man and mouse, the second of mouse and bacteria, the third of bacteria."""
    return HUMAN if number < LISTED.stop else MOUSE if number < 2500 else ECOLI


def _shard(folder, statistics: Statistics) -> None:
    count = len(list(folder.glob("limited.*.nsq")))
    volumes = VolumeSet(db="limited", molecule="nucl", count=count, digits=2)
    layout = split([1] * count, 3)
    assert layout.cuts[1] * 599 > LISTED.stop
    for index in range(3):
        text = render_alias(volumes, layout, index, statistics).replace(f"{LOCAL_FOLDER}/".encode(), b"")
        (folder / f"limited_shard_{index:02d}.nal").write_bytes(text)


def _taxonomy(folder) -> None:
    """NCBI's taxonomy4blast.sqlite3, as far as it concerns these."""
    with sqlite3.connect(folder / "taxonomy4blast.sqlite3") as file:
        file.execute("CREATE TABLE TaxidInfo (taxid INTEGER PRIMARY KEY, parent INTEGER)")
        # BLAST names this index in its queries.
        file.execute("CREATE INDEX TaxidInfoCompositeIdx_parent ON TaxidInfo (parent, taxid)")
        file.executemany("INSERT INTO TaxidInfo VALUES (?, 1)", [(taxid,) for taxid in (1, HUMAN, MOUSE, ECOLI, YEAST)])
    file.close()
