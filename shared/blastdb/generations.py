"""Generations: one version of a database's content, named by its NCBI snapshot and by a digest of its listing."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from hashlib import sha256

from pydantic import BaseModel, ConfigDict

from shared.blastdb.volumes import ListedFile, VolumeSet


class Generation(BaseModel):
    """One version of a database's content. Two are equal when no file changed between their listings.

    `source_version` is the NCBI snapshot's name, if the metadata records one. `digest` is 32 hex digits over every file's
    name, size and fingerprint, so that it changes when a volume is replaced under the same name.
    """

    model_config = ConfigDict(frozen=True)

    source_version: str | None
    digest: str


def digest_of(files: Iterable[ListedFile]) -> str:
    """The digest of a listing. The order of the files does not matter."""
    lines = sorted(f"{file.leaf}\t{file.size_bytes}\t{file.fingerprint}\n" for file in files)
    return sha256("".join(lines).encode()).hexdigest()[:32]


def digest_of_texts(md5_by_name: Mapping[str, str | None]) -> str:
    """The digest of a shard set's texts, its manifests and aliases: 32 hex digits; empty when storage keeps no MD5 of one.

    The generation's digest covers the database's files alone. A restore, another alias form or other cuts change only the texts.
    """
    if not md5_by_name or None in md5_by_name.values():
        return ""
    lines = sorted(f"{name}\t{md5}\n" for name, md5 in md5_by_name.items())
    return sha256("".join(lines).encode()).hexdigest()[:32]


def volume_marks(volumes: VolumeSet, files: Iterable[ListedFile]) -> tuple[str, ...]:
    """Four hex digits over the files of each volume, enough to tell which volumes changed; empty for a volume without files."""
    by_volume: defaultdict[str, list[ListedFile]] = defaultdict(list)
    for file in files:
        by_volume[file.leaf.rpartition(".")[0]].append(file)
    names = volumes.names(0, volumes.count)
    return tuple(digest_of(by_volume[name])[:4] if by_volume[name] else "" for name in names)
