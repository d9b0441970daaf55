"""BLAST+ programs: run a search, read its hits, and merge the hits of shards into the order of the whole search."""

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


class ProgramError(Exception):
    """A BLAST+ program ended with an error; the message carries what it printed."""


@dataclass(frozen=True, slots=True)
class Search:
    """One way to search a database: a program and its task."""

    program: str
    task: str


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


async def run_program(command: Sequence[str], folder: Path) -> str:
    """Run one BLAST+ program in a folder; returns what it wrote.

    Raises:
        ProgramError: its exit status is not 0.
    """
    inherited = os.environ  # noqa: TID251  what a child inherits is not a setting
    process = await asyncio.create_subprocess_exec(
        *command,
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


async def search(how: Search, db: str, queries: Path, folder: Path) -> list[Hit]:
    """The hits of all queries in a database or shard of that folder, in BLAST's order."""
    command = [how.program, "-task", how.task, "-db", db, "-query", str(queries)]
    command += ["-outfmt", OUTPUT, "-max_target_seqs", str(MAX_TARGETS)]
    return [_hit(line) for line in (await run_program(command, folder)).splitlines()]


async def ordinals(db: str, folder: Path) -> dict[str, int]:
    """Accession to ordinal id (OID) in the whole database, which decides the order among ties."""
    listing = await run_program(["blastdbcmd", "-db", db, "-entry", "all", "-outfmt", "%o %a"], folder)
    return {accession: int(oid) for oid, accession in (line.split() for line in listing.splitlines())}


def merge(shards: Iterable[Sequence[Hit]], oids: Mapping[str, int], queries: Sequence[str]) -> list[Hit]:
    """The hits of all shards in the order in which the whole search prints them.

    Subject by subject, since BLAST prints all segments of one subject together: by the subject's best e-value, then by
    its best score, highest first, then by its ordinal in the whole database, highest first.
    """
    subjects: dict[str, list[list[Hit]]] = {query: [] for query in queries}
    for hits in shards:
        for (query, _), segments in groupby(hits, key=lambda hit: (hit.query, hit.subject)):
            subjects[query].append(list(segments))

    def rank(segments: list[Hit]) -> tuple[float, int, int]:
        best = min(float(hit.evalue) for hit in segments)
        return best, -max(hit.score for hit in segments), -oids[segments[0].subject]

    return [hit for query in queries for segments in sorted(subjects[query], key=rank) for hit in segments]


def _hit(line: str) -> Hit:
    query, subject, *place, evalue, bit_score, score = line.split("\t")
    return Hit(query, subject, "\t".join(place), evalue, bit_score, int(score))
