"""Shards of a database on disk, by the app's own aliases or by changed ones, and their searches."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from local.demo import blast
from local.demo.blast import run_program
from local.demo.proof import compare
from local.demo.storage import NODE_FOLDER, Shard
from shared.blastdb.alias import render_alias
from shared.blastdb.layout import Layout, split
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import VolumeSet

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from local.demo.blast import Search
    from local.demo.databases import Database

_PROCESSES = 2


def today(text: str) -> str:
    """The alias as the app writes it."""
    return text


def statistics_only(text: str) -> str:
    """The alias as the app wrote it once: the search space of the whole database, and the average length of the shard."""
    return re.sub(r"(?m)^(NSEQ|LENGTH) .*\n", "", text)


class Shards:
    """All shard sets of one database, searched by one BLAST+.

    A range of volumes that occurs in several shard sets is searched once: its aliases differ by their titles only.
    """

    def __init__(self, database: Database, folder: Path, programs: Path | None, form: Callable[[str], str] = today) -> None:
        """Describe it; `folder` is empty and gets links to the database's files."""
        self._database = database
        self._folder = folder
        self._programs = programs
        self._form = form
        self._turns = asyncio.Semaphore(_PROCESSES)
        self._found: dict[tuple[Search, int, int], asyncio.Task] = {}

    async def prepare(self):
        """Link the files, and read what a merge has to know."""
        for file in self._database.files:
            (self._folder / file.name).symlink_to(file)
        command = ["blastdbcmd", "-db", self._database.name, "-entry", "all", "-outfmt", "%l"]
        lengths = [int(line) for line in (await run_program(command, self._folder)).split()]
        self.statistics = Statistics(sequences=len(lengths), letters=sum(lengths), source="index")
        self._oids = await blast.ordinals(self._database.name, self._folder)
        return self

    def shards(self, count: int) -> list[Shard]:
        """A shard set, with the aliases that it needs."""
        cuts = split([1] * len(self._database.volumes), count).cuts
        return [self._shard(first, stop) for first, stop in pairwise(cuts)]

    async def compare(self, how: Search, count: int):
        """The merged shards against the whole."""
        shards = self.shards(count)
        async with asyncio.TaskGroup() as group:
            whole = self._search(group, how, self._database.name, 0, 0)
            parts = [self._search(group, how, shard.name, *_range(shard.name)) for shard in shards]
        queries = re.findall(r"(?m)^>(.*)$", self._database.queries_for(how).read_text())
        merged = blast.merge([part.result() for part in parts], self._oids, queries)
        return compare(self._database, how, shards, whole.result(), merged)

    async def text(self, how: Search, db: str, outfmt: str, *more: str) -> str:
        """What a search prints in another format."""
        command = [*how.command, "-db", db, "-query", str(self._database.queries_for(how)), "-outfmt", outfmt, *more]
        return await run_program(command, self._folder, self._programs)

    def _search(self, group: asyncio.TaskGroup, how: Search, db: str, first: int, stop: int):
        async def take_turn():
            async with self._turns:
                return await blast.search(how, db, self._database.queries_for(how), self._folder, self._programs)

        if (how, first, stop) not in self._found:
            self._found[how, first, stop] = group.create_task(take_turn())
        return self._found[how, first, stop]

    def _shard(self, first: int, stop: int) -> Shard:
        db, molecule = self._database.name, self._database.specimen.recipe.molecule
        name, names = f"{db}_{first}_{stop}", self._database.volumes
        volumes = VolumeSet(db=db, molecule=molecule, count=len(names), digits=2)
        cuts = tuple(sorted({0, first, stop, len(names)}))
        text = render_alias(volumes, Layout(cuts=cuts), cuts.index(first), self.statistics).decode()
        alias = self._folder / f"{name}.{'nal' if molecule == 'nucl' else 'pal'}"
        alias.write_text(self._form(text).replace(NODE_FOLDER, ""))
        return Shard(name, self._folder, names[first:stop])


def _range(name: str) -> tuple[int, int]:
    first, stop = name.rsplit("_", 2)[1:]
    return int(first), int(stop)
