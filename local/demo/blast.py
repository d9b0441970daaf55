"""BLAST+ searches: run a program, read its hits, and merge the hits of shards into the order of the whole search."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

OUTPUT = "6 std score"
MAX_TARGETS = 20_000
_PROTEIN_QUERIES = {"blastp", "tblastn", "psiblast"}


class ProgramError(Exception):
    """A BLAST+ program ended with an error; the message carries its output."""


@dataclass(frozen=True, slots=True)
class Search:
    """One way to search a database: a program, its task if it has one, and more options."""

    program: str
    task: str = ""
    options: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The search's name in messages."""
        return f"{self.task or self.program}{' ungapped' if '-ungapped' in self.options else ''}"

    @property
    def command(self) -> list[str]:
        """The beginning of its command line."""
        task = ["-task", self.task] if self.task else []
        return [self.program, *task, *self.options]

    @property
    def query_molecule(self) -> str:
        """The molecule type of its queries: `nucl` or `prot`."""
        return "prot" if self.program in _PROTEIN_QUERIES else "nucl"


class Hit(NamedTuple):
    """One line of a search: one aligned segment pair."""

    query: str
    subject: str
    place: str
    """Everything between names and e-value: identity, lengths, coordinates."""
    evalue: str
    """As printed."""
    bit_score: str
    score: int

    @property
    def line(self) -> str:
        """The line as BLAST printed it."""
        columns = (self.query, self.subject, self.place, self.evalue, self.bit_score, str(self.score))
        return "\t".join(columns)


async def run_program(command: Sequence[str], folder: Path, programs: Path | None = None) -> str:
    """Run one BLAST+ program in a folder; returns what it wrote.

    Args:
        command: a program's name and its arguments.
        folder: where it runs.
        programs: folder of a BLAST+ other than the machine's own.

    Raises:
        ProgramError: its exit status is not 0.
    """
    inherited = os.environ  # noqa: TID251  what a child inherits is not a setting
    process = await asyncio.create_subprocess_exec(
        str(programs / command[0]) if programs else command[0],
        *command[1:],
        cwd=folder,
        # BLAST+ reports each use to NCBI unless told otherwise.
        env={**inherited, "BLAST_USAGE_REPORT": "false"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, errors = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.communicate()
        raise
    if process.returncode != 0:
        said = errors.decode(errors="replace").strip()[-600:]
        raise ProgramError(f"{command[0]} ended with status {process.returncode} in {folder}: {said}")
    return output.decode()


async def search(how: Search, db: str, queries: Path, folder: Path, programs: Path | None = None) -> list[Hit]:
    """The hits of all queries in a database or shard of that folder, in BLAST's order."""
    command = [*how.command, "-db", db, "-query", str(queries)]
    command += ["-outfmt", OUTPUT, "-max_target_seqs", str(MAX_TARGETS)]
    return [_hit(line) for line in (await run_program(command, folder, programs)).splitlines()]


async def ordinals(db: str, folder: Path) -> dict[str, int]:
    """Accession to ordinal id (OID) in the whole database, which decides the order among ties."""
    listing = await run_program(["blastdbcmd", "-db", db, "-entry", "all", "-outfmt", "%o %a"], folder)
    return {accession: int(oid) for oid, accession in (line.split() for line in listing.splitlines())}


def merge(shards: Iterable[Sequence[Hit]], oids: Mapping[str, int], queries: Sequence[str]) -> list[Hit]:
    """The hits of all shards in the order in which the whole search prints them.

    BLAST prints all segments of one subject together. It sorts subjects by their best e-value, then by their best score
    (highest first), then by their ordinal in the whole database (highest first).
    """
    subjects: dict[str, list[list[Hit]]] = {query: [] for query in queries}
    for hits in shards:
        for (query, _), segments in groupby(hits, key=lambda hit: (hit.query, hit.subject)):
            subjects[query].append(list(segments))

    def rank(segments: list[Hit]) -> tuple[float, int, int]:
        best = min(float(hit.evalue) for hit in segments)
        return best, -max(hit.score for hit in segments), -oids[segments[0].subject]

    return [hit for query in queries for segments in sorted(subjects[query], key=rank) for hit in segments]


def in_order_of(hits: Sequence[Hit]) -> list[tuple[str, str]]:
    """The query and best e-value of each subject, in the order given. Two outputs agree in order if these are equal."""
    subjects = [list(segments) for _, segments in groupby(hits, key=lambda hit: (hit.query, hit.subject))]
    return [(one[0].query, min(one, key=lambda hit: float(hit.evalue)).evalue) for one in subjects]


def _hit(line: str) -> Hit:
    query, subject, *place, evalue, bit_score, score = line.split("\t")
    return Hit(query, subject, "\t".join(place), evalue, bit_score, int(score))
