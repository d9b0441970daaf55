"""Whether manifest, alias, listing and assignment speak of the same shard. Pure.

A search through an alias of other volumes, or with another database's totals, ends with status 0 and wrong results; so every
line of an alias is accounted for, and one that we do not know is refused.
"""

from collections.abc import Sequence
from typing import NamedTuple

from shared.agent.report import Reason
from shared.blastdb.alias import LOCAL_FOLDER
from shared.blastdb.blobs import shard_name
from shared.blastdb.manifest import parse_manifest
from shared.blastdb.volumes import VolumeSet
from warmer.failures import WarmFailure

_NAMES = frozenset({"TITLE", "DBLIST"})
_STATISTICS = frozenset({"STATS_NSEQ", "STATS_TOTLEN"})
_SIZES = frozenset({"NSEQ", "LENGTH"})
_FORMS = (_NAMES, _NAMES | _STATISTICS, _NAMES | _STATISTICS | _SIZES)
"""The replaced system's, an earlier one of ours, and today's."""


class Totals(NamedTuple):
    """Of the whole database, never of a shard."""

    sequences: int
    letters: int


class Alias(NamedTuple):
    """What an alias says; `totals` is None in the two-line form of the replaced system."""

    title: str
    paths: tuple[str, ...]
    totals: Totals | None


def parse_alias(name: str, text: bytes) -> Alias:
    """Read a shard's alias.

    Raises:
        WarmFailure: AliasMismatch: a keyword is unknown, repeated or missing, or a number is none.
    """
    lines = [line.split(maxsplit=1) for line in text.decode(errors="replace").splitlines() if line and not line.startswith("#")]
    given = {line[0]: line[-1] for line in lines if len(line) == 2}  # noqa: PLR2004 - keyword and value
    if len(given) != len(lines) or given.keys() not in _FORMS:
        raise _refused(name, "its keywords are not TITLE and DBLIST, with STATS_NSEQ and STATS_TOTLEN, with NSEQ and LENGTH")
    return Alias(given["TITLE"].strip(), tuple(given["DBLIST"].split()), _totals(name, given))


def _totals(name: str, given: dict[str, str]) -> Totals | None:
    numbers = {key: given[key].strip() for key in given.keys() - _NAMES}
    if not numbers:
        return None
    if not all(number.isdecimal() for number in numbers.values()):
        raise _refused(name, "its totals are not plain numbers")
    statistics = Totals(int(numbers["STATS_NSEQ"]), int(numbers["STATS_TOTLEN"]))
    if "NSEQ" in numbers and Totals(int(numbers["NSEQ"]), int(numbers["LENGTH"])) != statistics:
        raise _refused(name, "NSEQ and LENGTH differ from STATS_NSEQ and STATS_TOTLEN")
    return statistics


def volumes_of(volumes: VolumeSet, index: int, manifest: bytes) -> tuple[str, ...]:
    """The volumes that a shard's manifest lists, when they are the database's.

    Raises:
        WarmFailure: ManifestMismatch.
    """
    shard = shard_name(volumes.db, index)
    try:
        names = parse_manifest(manifest)
    except ValueError as error:
        raise WarmFailure(Reason.MANIFEST_MISMATCH, f"The manifest of {shard} is not text.") from error
    known = frozenset(volumes.names(0, volumes.count))
    strangers = [name for name in names if name not in known]
    if strangers:
        message = f"The manifest of {shard} lists {strangers[0][:80]}, which '{volumes.db}' does not have."
        raise WarmFailure(Reason.MANIFEST_MISMATCH, message)
    if not names or len(set(names)) != len(names):
        raise WarmFailure(Reason.MANIFEST_MISMATCH, f"The manifest of {shard} lists no volume, or one twice.")
    return names


def check_apart(shards: dict[int, tuple[str, ...]]) -> None:
    """See that no volume is in two shards.

    Raises:
        WarmFailure: ManifestMismatch: the manifests are of different layouts.
    """
    holder: dict[str, int] = {}
    for index, names in shards.items():
        for name in names:
            if holder.setdefault(name, index) != index:
                message = f"The manifests of the shards {holder[name]:02d} and {index:02d} both list {name}."
                raise WarmFailure(Reason.MANIFEST_MISMATCH, message)


def check_alias(db: str, index: int, names: Sequence[str], alias: Alias, totals: Totals | None) -> None:
    """See that an alias opens the volumes of its manifest, under its shard's name, with the database's totals.

    Args:
        db: the database.
        index: which shard.
        names: the volumes that the manifest lists.
        alias: as stored.
        totals: of this generation, None where they cannot be known; then any are believed.

    Raises:
        WarmFailure: AliasMismatch.
    """
    shard = shard_name(db, index)
    if alias.title != shard:
        raise _refused(shard, f"its title is '{alias.title[:80]}'")
    wanted = [f"{LOCAL_FOLDER}/{name}" for name in names]
    if list(alias.paths) != wanted:
        raise _refused(shard, f"it opens {len(alias.paths)} volumes that are not the {len(wanted)} of the manifest, in order")
    if alias.totals is not None and totals is not None and alias.totals != totals:
        raise _refused(
            shard,
            f"it counts {alias.totals.sequences} sequences and {alias.totals.letters} letters, "
            f"the database {totals.sequences} and {totals.letters}",
        )


def _refused(name: str, why: str) -> WarmFailure:
    return WarmFailure(Reason.ALIAS_MISMATCH, f"The alias of {name} does not agree: {why}. Shard the database again.")
