"""Blob names in the container `blast-db`. The replaced system and its consumers read the same names.

Format: contract 1.6. A shard's number has two digits; a preset's has no leading zero (`8shards`, `10shards`).
"""

import re
from typing import Literal, NamedTuple

from shared.blastdb.volumes import ALIAS_EXTENSION, Molecule

MAX_SHARDS = 32
PRESETS = (1, 2, 3, 4, 5, 6, 8, 10)
STAGING = ".staging"
"""The folder inside a database's folder for files that are not in place yet."""

type Part = Literal["manifest", "alias"]


class LayoutBlob(NamedTuple):
    """One parsed name below `{N}shards/`."""

    shard_count: int
    shard: int
    extension: str


def folder(db: str) -> str:
    """The prefix of a database's own files."""
    return f"{db}/"


def files_prefix(db: str) -> str:
    """The prefix of the database's own files. Taxonomy files and staging folders beside them do not have it."""
    return f"{db}/{db}."


def taxonomy_prefix(db: str) -> str:
    """What the taxonomy files in a database's folder begin with, and perhaps other files."""
    return f"{db}/tax"


def staging_folder(db: str) -> str:
    """The folder where prepare-db keeps files until a generation is complete. Nothing else reads it."""
    return f"{db}/{STAGING}/"


def plan_blob(db: str, source_version: str) -> str:
    """The blob that lists the files that prepare-db copies from one snapshot."""
    return f"{staging_folder(db)}{source_version}/plan.json"


def statistics_file(db: str, molecule: Molecule) -> str:
    """The JSON file in which BLAST+ keeps a database's totals (`.njs`, `.pjs`)."""
    return f"{db}/{db}.{'njs' if molecule == 'nucl' else 'pjs'}"


def published_metadata_file(db: str, molecule: Molecule) -> str:
    """The name, without its folder, of the JSON file that NCBI publishes beside a database's files."""
    return f"{db}-{molecule}-metadata.json"


def is_published_beside(name: str) -> bool:
    """Whether `{name}-metadata.json` may be the file that NCBI publishes, and not the metadata blob of a database `name`."""
    return re.fullmatch(r".+-(?:nucl|prot)", name) is not None


def metadata_blob(db: str) -> str:
    """The database's metadata blob, at the container's root."""
    return f"{db}-metadata.json"


def database_of_metadata(blob: str) -> str | None:
    """The database that a metadata blob belongs to; None for any other blob."""
    db, _, rest = blob.rpartition("-metadata.json")
    return db if db and not rest and "/" not in db else None


def shard_name(db: str, index: int) -> str:
    """A shard's name. It is also its alias' title and its database name for BLAST."""
    return f"{db}_shard_{index:02d}"


def layout_prefix(db: str, shard_count: int) -> str:
    """The prefix of all blobs of one shard set.

    The blobs of a database called `{db}_shard_x` have it too: tell them apart with `parse_layout_blob`.
    """
    return f"{shard_count}shards/{db}_shard_"


def manifest_blob(db: str, shard_count: int, index: int) -> str:
    """The blob that lists a shard's volumes."""
    return f"{layout_prefix(db, shard_count)}{index:02d}/{shard_name(db, index)}.manifest"


def alias_blob(db: str, shard_count: int, index: int, molecule: Molecule) -> str:
    """The blob that opens a shard for BLAST."""
    return f"{layout_prefix(db, shard_count)}{index:02d}/{shard_name(db, index)}.{ALIAS_EXTENSION[molecule]}"


def parse_layout_blob(db: str, blob: str) -> LayoutBlob | None:
    """Parse a layout blob's name; None when it belongs to another database or is not a layout blob."""
    name = re.escape(db)
    match = re.fullmatch(rf"([1-9][0-9]?)shards/{name}_shard_([0-9]{{2}})/{name}_shard_\2\.(manifest|nal|pal)", blob)
    return LayoutBlob(int(match[1]), int(match[2]), match[3]) if match else None


def is_layout_folder(name: str) -> bool:
    """Whether a top-level folder holds layouts, not a database."""
    return re.fullmatch(r"[0-9]+shards", name) is not None


def partition_prefix(container_url: str, db: str, shard_count: int) -> str:
    """The partition prefix: a URL without a trailing slash, to which consumers add a shard's two digits and '/'."""
    return f"{container_url}/{layout_prefix(db, shard_count)}"
