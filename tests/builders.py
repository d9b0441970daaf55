"""Synthetic databases: files of the right names and sizes, with headers and statistics that the app reads.

`database(...)` gives blob names and bytes; a test changes what it is about before it uploads them.
"""

from __future__ import annotations

import json
from itertools import cycle, islice
from typing import TYPE_CHECKING

from tests.volume_tables import volume_table_file

if TYPE_CHECKING:
    from collections.abc import Iterable

LETTERS_PER_VOLUME = 5000
SEQUENCES_PER_VOLUME = 7

_VOLUME_FILES = {"nucl": ("nsq", "nin", "nhr"), "prot": ("psq", "pin", "phr")}
_DATABASE_FILE = {"nucl": "ndb", "prot": "pdb"}
_STATISTICS_FILE = {"nucl": "njs", "prot": "pjs"}
_TYPE = {"nucl": 0, "prot": 1}


def database(
    name: str,
    volumes: int | None = 3,
    *,
    molecule: str = "nucl",
    digits: int = 2,
    statistics: str = "file",
    sizes: Iterable[int] = (100,),
    content: bytes = b"a",
) -> dict[str, bytes]:
    """The blobs of one database.

    Args:
        name: of the database.
        volumes: how many; None makes a single volume that bears the database's own name.
        molecule: `nucl` or `prot`.
        digits: width of the volumes' numbers.
        statistics: `file` adds `.njs`/`.pjs`; `index` leaves only the index headers; `none` makes those unreadable too. Totals of
            a database with a file are ten times those of one without, so that a test can tell the two apart.
        sizes: of the sequence files, in turn.
        content: what sequence files consist of.
    """
    sequence, index, header = _VOLUME_FILES[molecule]
    bases = [name] if volumes is None else [f"{name}.{number:0{digits}d}" for number in range(volumes)]
    times = 10 if statistics == "file" else 1
    head = index_head(molecule, name, sequences=times * SEQUENCES_PER_VOLUME, letters=times * LETTERS_PER_VOLUME)
    files = _table(name, bases, times * SEQUENCES_PER_VOLUME, molecule)
    for base, size in zip(bases, islice(cycle(sizes), len(bases)), strict=True):
        files[f"{name}/{base}.{sequence}"] = content * size
        files[f"{name}/{base}.{index}"] = head if statistics != "none" else b"?"
        files[f"{name}/{base}.{header}"] = b"h"
    if statistics == "file":
        files |= statistics_file(name, len(bases), molecule=molecule)
    return files


def papers(name, volumes, *, molecule="nucl", digits=2) -> dict[str, bytes]:
    """The papers of a database of that many volumes: its volume table and its statistics file."""
    bases = [f"{name}.{number:0{digits}d}" for number in range(volumes)]
    table = _table(name, bases, 10 * SEQUENCES_PER_VOLUME, molecule)
    return table | statistics_file(name, volumes, molecule=molecule)


def _table(name, bases, sequences, molecule) -> dict[str, bytes]:
    return {f"{name}/{name}.{_DATABASE_FILE[molecule]}": volume_table_file([(base, sequences) for base in bases])}


def statistics_file(name, volumes, *, molecule="nucl", **more) -> dict[str, bytes]:
    """A `.njs` or `.pjs` that agrees with the index headers of `database(..., statistics="file")`."""
    told = {
        "dbname": name,
        "number-of-volumes": volumes,
        "number-of-letters": 10 * LETTERS_PER_VOLUME * volumes,
        "number-of-sequences": 10 * SEQUENCES_PER_VOLUME * volumes,
        "bytes-to-cache": 12345,
        "bytes-total": 23456,
        **more,
    }
    return {f"{name}/{name}.{_STATISTICS_FILE[molecule]}": json.dumps(told).encode()}


def index_head(molecule="nucl", name="a", *, sequences=SEQUENCES_PER_VOLUME, letters=LETTERS_PER_VOLUME) -> bytes:
    """The first bytes of a version 5 `.nin`/`.pin`, as makeblastdb writes them."""

    def text(value):
        return len(value).to_bytes(4, "big") + value

    return (
        (5).to_bytes(4, "big")
        + _TYPE[molecule].to_bytes(4, "big")
        + (0).to_bytes(4, "big")
        + text(b"a title")
        + text(f"{name}.{_DATABASE_FILE[molecule]}".encode())
        + text(b"Nov 21, 2026  1:00 AM")
        + sequences.to_bytes(4, "big")
        + letters.to_bytes(8, "little")
        + (900).to_bytes(4, "big")
    )


def manifest(name, count, index) -> str:
    """The name of a manifest blob."""
    return f"{count}shards/{name}_shard_{index:02d}/{name}_shard_{index:02d}.manifest"


def alias(name, count, index, extension="nal") -> str:
    """The name of an alias blob."""
    return f"{count}shards/{name}_shard_{index:02d}/{name}_shard_{index:02d}.{extension}"


def layout(name, counts, extension="nal") -> set[str]:
    """The names of all blobs of some shard sets."""
    shards = [(count, index) for count in counts for index in range(count)]
    return {manifest(name, *shard) for shard in shards} | {alias(name, *shard, extension) for shard in shards}
