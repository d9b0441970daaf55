"""Which warnings of `shared.blastdb.exactness` hold of the shard sets that a database's metadata lists."""

from shared.blastdb.alias import LEGACY_ALIAS, SEARCH_SPACE_ALIAS
from shared.blastdb.exactness import inexact, inexact_legacy
from shared.runs.database.legacy import is_legacy
from shared.runs.database.metadata import ShardFields


def inexact_as_listed(db: str, known: ShardFields, *, has_totals: bool = True) -> tuple[str, ...]:
    """The warnings about the sets that the metadata lists; none while it lists none.

    Args:
        db: the database.
        known: its metadata.
        has_totals: whether its files tell its totals; a listing, which reads no file, goes by the metadata alone.
    """
    if not known.sharded:
        return ()
    if is_legacy(known):
        return (inexact_legacy(db),)
    return inexact(db, has_totals=has_totals and known.statistics != "absent", form=form_of(known))


def form_of(known: ShardFields) -> int:
    """The version of the listed aliases' form. Metadata that names neither form nor generation is the replaced system's."""
    if known.shard_alias_version is not None:
        return known.shard_alias_version
    return LEGACY_ALIAS if known.shard_generation is None else SEARCH_SPACE_ALIAS
