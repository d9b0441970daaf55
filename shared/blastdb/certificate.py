"""The certificate of a database: each volume in exactly one shard of each set, correct manifests and aliases, true metadata.

Pure. The check of coverage parses the stored texts; it does not infer coverage from their equality with ours. A defect of the
layout therefore cannot vouch for itself.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict

from shared.blastdb.alias import LOCAL_FOLDER
from shared.blastdb.blobs import alias_blob, manifest_blob
from shared.blastdb.generations import Generation
from shared.blastdb.manifest import parse_manifest
from shared.blastdb.volumes import VolumeSet

type Drift = Literal["current", "legacy", "stale", "incomplete", "ghosts"]
type Fault = Literal["ghosts", "volumes", "absent", "coverage", "text", "orphan", "generation", "metadata"]

_DRIFT: dict[Fault, Drift] = {
    "ghosts": "ghosts",
    "volumes": "incomplete",
    "absent": "incomplete",
    "coverage": "stale",
    "text": "stale",
    "orphan": "stale",
    "generation": "stale",
    "metadata": "stale",
}
_WORST_FIRST: tuple[Drift, ...] = ("ghosts", "incomplete", "stale", "current")
_SHOWN = 50


class Finding(BaseModel):
    """One fault: its kind, its target (a blob, a volume, a field of the metadata), and a message that continues the target."""

    model_config = ConfigDict(frozen=True)

    fault: Fault
    target: str
    message: str


class Certificate(BaseModel):
    """The outcome. `drift` is the worst finding's, or `current` without findings. `findings` has the first 50 of them.

    `legacy` is a database whose shard sets the replaced system wrote: whole, and never compared with today's form.

    `warnings` say why searches of the shard sets are not exact although the sets are what they must be.
    """

    model_config = ConfigDict(frozen=True)

    db_name: str
    drift: Drift
    volume_count: int | None = None
    shard_sets: tuple[int, ...] = ()
    generation: Generation | None = None
    shard_generation: str | None = None
    blobs_compared: int = 0
    findings_total: int = 0
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()


class Facts(NamedTuple):
    """The facts to judge. By blob name, `expected` has the bytes that each blob must have, and `stored` the bytes in storage.

    `shard_generation` is the digest that the metadata names.
    """

    volumes: VolumeSet
    generation: Generation
    shard_generation: str | None
    shard_sets: tuple[int, ...]
    expected: Mapping[str, bytes]
    stored: Mapping[str, bytes]


def certify(facts: Facts, about_metadata: Iterable[Finding]) -> Certificate:
    """Certify a database: compare every text with its expected bytes, and count every volume. No fault hides another.

    Args:
        facts: what storage holds.
        about_metadata: the faults of the metadata, found by the same judge that shard runs and reconcile passes ask.
    """
    db = facts.volumes.db
    findings = [*_blobs(facts), *_coverage(facts), *about_metadata]
    return _certificate(db, findings).model_copy(
        update={
            "volume_count": facts.volumes.count,
            "shard_sets": facts.shard_sets,
            "generation": facts.generation,
            "shard_generation": facts.shard_generation,
            "blobs_compared": len(facts.stored),
        }
    )


def refused(db: str, fault: Fault, message: str) -> Certificate:
    """The certificate of a database that cannot be sharded as it stands."""
    return _certificate(db, [Finding(fault=fault, target=db, message=message)])


def _certificate(db: str, findings: Sequence[Finding]) -> Certificate:
    found = {_DRIFT[finding.fault] for finding in findings}
    drift: Drift = next(one for one in _WORST_FIRST if one in found or one == "current")
    return Certificate(db_name=db, drift=drift, findings_total=len(findings), findings=tuple(findings[:_SHOWN]))


def _blobs(facts: Facts) -> Iterable[Finding]:
    for name, text in facts.expected.items():
        stored = facts.stored.get(name)
        if stored is None:
            yield Finding(fault="absent", target=name, message="is missing")
        elif stored != text:
            yield Finding(fault="text", target=name, message="does not have the bytes that it must have")
    for name in sorted(facts.stored.keys() - facts.expected.keys()):
        yield Finding(fault="orphan", target=name, message="belongs to no shard set of this generation")


def _coverage(facts: Facts) -> Iterable[Finding]:
    if not facts.shard_sets:
        yield Finding(fault="absent", target=facts.volumes.db, message="has no shard set")
    wanted = set(facts.volumes.names(0, facts.volumes.count))
    for count in facts.shard_sets:
        for kind, listed in (("manifests", _by_manifests(facts, count)), ("aliases", _by_aliases(facts, count))):
            where = f"the {kind} of the set N = {count}"
            for name in sorted(wanted - listed.keys()):
                yield Finding(fault="coverage", target=name, message=f"is in none of {where}")
            for name in sorted(listed.keys() - wanted):
                yield Finding(fault="coverage", target=name, message=f"is not a volume, but is in {where}")
            for name in sorted(name for name, times in listed.items() if times > 1 and name in wanted):
                yield Finding(fault="coverage", target=name, message=f"is in {where} {listed[name]} times")


def _by_manifests(facts: Facts, count: int) -> Counter[str]:
    names = (manifest_blob(facts.volumes.db, count, index) for index in range(count))
    return Counter(volume for name in names for volume in _parsed(facts.stored.get(name, b"")))


def _by_aliases(facts: Facts, count: int) -> Counter[str]:
    names = (alias_blob(facts.volumes.db, count, index, facts.volumes.molecule) for index in range(count))
    return Counter(volume for name in names for volume in _opened(facts.stored.get(name, b"")))


def _parsed(text: bytes) -> tuple[str, ...]:
    try:
        return parse_manifest(text)
    except ValueError:
        return ()


def _opened(text: bytes) -> tuple[str, ...]:
    lines = [line for line in text.decode(errors="replace").splitlines() if line.startswith("DBLIST ")]
    return tuple(path.removeprefix(f"{LOCAL_FOLDER}/") for line in lines for path in line.split()[1:])
