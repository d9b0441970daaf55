"""Shard sets and metadata as the replaced system leaves them (contract 1.5, 1.7, 3.1), written from its description alone."""

from __future__ import annotations

from tests.builders import alias, manifest

PRESETS = (1, 2, 3, 4, 5, 6, 8, 10)


def blocks(volumes: int, count: int) -> list[range]:
    """Blocks of ceil(n/N) volumes; a preset whose last blocks would be empty is lost there, so it is none."""
    size = -(-volumes // count)
    cut = [range(index * size, min((index + 1) * size, volumes)) for index in range(count)]
    return cut if all(cut) else []


def replaced_sets(name, volumes: int, counts=PRESETS, *, extension="nal", digits=2) -> dict[str, bytes]:
    """The blobs of its sets, for those shard counts that it can make of so many volumes."""
    found: dict[str, bytes] = {}
    for count in made(volumes, counts):
        for index, block in enumerate(blocks(volumes, count)):
            names = [f"{name}.{number:0{digits}d}" for number in block]
            paths = " ".join(f"/blast/blastdb/{volume}" for volume in names)
            found[manifest(name, count, index)] = "".join(f"{volume}\n" for volume in names).encode()
            found[alias(name, count, index, extension)] = f"TITLE {name}_shard_{index:02d}\nDBLIST {paths}\n".encode()
    return found


def made(volumes: int, counts=PRESETS) -> list[int]:
    """The shard counts of which it makes sets."""
    return [count for count in counts if count <= volumes and blocks(volumes, count)]


def replaced_metadata(name, volumes: int, counts=PRESETS, **more) -> dict:
    """What it says of a sharded database."""
    return {
        "db_name": name,
        "source_version": "2026-05-09-01-05-02",
        "shard_source_version": "2026-05-09-01-05-02",
        "sharded": True,
        "shard_sets": made(volumes, counts),
        "sharded_at": "2026-05-20T10:00:00+00:00",
        "sharding_in_progress": False,
        "copy_status": {"phase": "completed"},
        **more,
    }
