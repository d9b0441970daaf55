"""What a stored database must be, and whether it is that: the one judge for every caller.

Shard runs, settles, warmups, reconcile passes, listings and certificates read what they need and then ask here. Nothing is read
in this module, so two callers that have seen the same cannot disagree.

- `expected` gives the layouts, statistics and alias form that the shard sets must have. A pinned record, which is a layout that
  a restore put back, decides before what today's settings would make.
- `metadata_findings` gives every statement of the metadata that is not true of the database; `is_current` says there is none.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from shared.blastdb.alias import LEGACY_ALIAS, WHOLE_ALIAS
from shared.blastdb.certificate import Finding
from shared.blastdb.generations import Generation
from shared.blastdb.layout import Layout, split
from shared.blastdb.statistics import Statistics
from shared.blastdb.volumes import Inventory, VolumeSet
from shared.runs.database import layout_history
from shared.runs.database.layout_history import LayoutRecord
from shared.runs.database.layouts import StoredSet, plan_set, texts
from shared.runs.database.legacy import legacy_layouts
from shared.runs.database.metadata import ShardFields
from shared.runs.shard.payloads import SetPlan


class DatabaseState(NamedTuple):
    """What one look at storage saw: the metadata blob, the database's files, its statistics, and its stored sets by shard count.

    `etag` is that of the metadata blob, None when there is none; `known` has the fields of `document` that sharding reads.
    """

    document: Mapping[str, Any]
    etag: str | None
    known: ShardFields
    inventory: Inventory
    generation: Generation
    statistics: Statistics | None
    stored: Mapping[int, StoredSet]

    @property
    def legacy(self) -> tuple[Layout, ...]:
        """The replaced system's layouts, if those are what the metadata lists and all of them are whole."""
        return legacy_layouts(self.known, self.inventory.volumes, self.stored)

    @property
    def pinned(self) -> LayoutRecord | None:
        """The layout that a restore put back, as long as the volumes are those that it was made for."""
        return layout_history.pinned(self.document, self.generation.digest)


class Expected(NamedTuple):
    """The shard sets that a database must have: one layout for each shard count, and what their texts are made of.

    `statistics` are those that the metadata states; `alias_version` says which form the aliases have, with or without totals.
    """

    inventory: Inventory
    layouts: Mapping[int, Layout]
    statistics: Statistics | None
    alias_version: int

    @property
    def volumes(self) -> VolumeSet:
        """The database's volumes."""
        return self.inventory.volumes

    @property
    def shard_counts(self) -> tuple[int, ...]:
        """The shard counts, ascending."""
        return tuple(sorted(self.layouts))

    def texts(self) -> dict[str, bytes]:
        """Every blob of every set: its name and the bytes that it must have."""
        return {
            name: text
            for count in self.shard_counts
            for name, text in texts(self.volumes, self.layouts[count], self.statistics, self.alias_version).items()
        }

    def differences(self, stored: Mapping[int, StoredSet], *, force: bool = False) -> tuple[SetPlan, ...]:
        """For each set, ascending, the blobs that are absent or differ; with `force` every stored blob counts as differing."""
        return tuple(
            plan_set(
                self.volumes,
                self.layouts[count],
                self.statistics,
                stored[count].md5_by_name if count in stored else {},
                alias_version=self.alias_version,
                force=force,
            )
            for count in self.shard_counts
        )


def expected(
    inventory: Inventory,
    statistics: Statistics | None,
    shard_counts: Iterable[int],
    *,
    legacy_alias: bool,
    record: LayoutRecord | None,
) -> Expected:
    """The shard sets that a database must have, for those of the shard counts that its volumes allow.

    Args:
        inventory: the database's files.
        statistics: as they are read today.
        shard_counts: N of each set; those above the number of volumes are left out.
        legacy_alias: whether today's settings ask for the alias form without totals.
        record: the pinned layout, or the one to restore: its cuts, statistics and alias form go before today's. A set that it
            does not have is split as today, with its statistics and its form, so that all sets of a database agree.
    """
    fixed = record.layouts if record else {}
    volume_bytes = inventory.volume_bytes
    return Expected(
        inventory=inventory,
        layouts={
            count: fixed.get(count) or split(volume_bytes, count)
            for count in shard_counts
            if 1 <= count <= inventory.volumes.count
        },
        statistics=record.statistics if record else statistics,
        alias_version=record.form if record else LEGACY_ALIAS if legacy_alias else WHOLE_ALIAS,
    )


def recorded_statistics(known: ShardFields) -> Statistics | None:
    """The statistics that the metadata states, for callers that read no file; None when it states none that can be used."""
    letters, sequences = known.total_letters, known.total_sequences
    if known.statistics not in {"njs", "index"} or not letters or not sequences:
        return None
    return Statistics(sequences=sequences, letters=letters, source="njs" if known.statistics == "njs" else "index")


def is_judged(known: ShardFields, generation: Generation) -> bool:
    """Whether a run has judged the papers of exactly these files before it published; earlier builds recorded no alias form."""
    return known.shard_alias_version is not None and known.shard_generation == generation.digest


def is_current(known: ShardFields, generation: Generation, target: Expected) -> bool:
    """Whether the metadata says exactly what is true; the arguments are those of `metadata_findings`."""
    return not metadata_findings(known, generation, target)


def metadata_findings(known: ShardFields, generation: Generation, target: Expected) -> tuple[Finding, ...]:
    """Every statement of the metadata that is not true of the database; the files' generation comes first.

    Args:
        known: what the metadata says.
        generation: of the files.
        target: the sets that must be listed, and their statistics. A caller that asks for no set of its own takes those that are
            listed; one that reads no file takes `recorded_statistics`.
    """
    statistics, inventory = target.statistics, target.inventory
    found: list[Finding] = []
    if known.shard_generation != generation.digest or known.shard_source_version != generation.source_version:
        message = "is not that of the database: its files have changed since"
        found.append(Finding(fault="generation", target="shard_generation", message=message))
    statements: tuple[tuple[str, object, object], ...] = (
        ("sharded", known.sharded, bool(target.layouts)),
        ("total_bytes", known.total_bytes, inventory.total_bytes),
        ("file_count", known.file_count, len(inventory.files)),
        ("statistics", known.statistics, statistics.source if statistics else "absent"),
        ("total_letters", known.total_letters, statistics.letters if statistics else None),
        ("total_sequences", known.total_sequences, statistics.sequences if statistics else None),
        ("sharding_in_progress", known.sharding_in_progress, False),
        ("shard_alias_version", known.shard_alias_version, target.alias_version),
    )
    found += [
        Finding(fault="metadata", target=name, message=f"is {said}, and must be {true}")
        for name, said, true in statements
        if said != true
    ]
    found += _about_sets(known, target)
    if known.sharding_error is not None:
        message = f"names the failure of a run: {known.sharding_error}"
        found.append(Finding(fault="metadata", target="sharding_error", message=message))
    return tuple(found)


def _about_sets(known: ShardFields, target: Expected) -> Iterable[Finding]:
    counts = target.shard_counts
    if known.shard_unlisted:
        message = f"lacks N = {', '.join(map(str, known.shard_unlisted))}, which a run took off the list and did not finish"
        yield Finding(fault="metadata", target="shard_sets", message=message)
    for count in sorted(set(known.shard_sets) - set(counts)):
        can = "which this database cannot have" if count > target.volumes.count else "which is not one of its sets"
        yield Finding(fault="metadata", target="shard_sets", message=f"lists N = {count}, {can}")
    for count in sorted(set(counts) - set(known.shard_sets)):
        yield Finding(fault="metadata", target="shard_sets", message=f"does not list N = {count}")
    if set(counts) == set(known.shard_sets) and known.shard_sets != counts:
        yield Finding(fault="metadata", target="shard_sets", message="is not in ascending order without repetitions")
