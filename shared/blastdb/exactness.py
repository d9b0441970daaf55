"""What makes searches of a database's shards inexact, in words for a person, and what to do about it.

Listings, documents, results of runs and certificates all say it with these sentences. docs/blast.md has the measurements.
"""

from shared.blastdb.alias import LEGACY_ALIAS, WHOLE_ALIAS

_RENEW = 'Shard it to renew them; a restored layout needs "force": true.'


def inexact_legacy(db: str) -> str:
    """The warning about shard sets of the replaced system, which are listed as `legacy`."""
    return (
        f"The shard sets of '{db}' are legacy: the replaced system made them, with two-line aliases without totals. Searches of "
        "the shards give inexact e-values and may lose hits. Shard it to renew them; passes do that only with "
        "SHARDWARM_RECONCILE_LEGACY=renew."
    )


def inexact(db: str, *, has_totals: bool, form: int) -> tuple[str, ...]:
    """The warnings about a database's shard sets; none when its searches are exact.

    Args:
        db: the database.
        has_totals: whether its totals are known, so that aliases can carry them.
        form: the version of the aliases' form.
    """
    found: list[str] = []
    if not has_totals:
        found.append(
            f"The totals of '{db}' are unknown, so its aliases carry none: searches of the shards give inexact e-values and may "
            "lose hits. Upload its .njs (of a protein database: .pjs), or its index files (.nin, .pin) again, then shard it."
        )
    if form == LEGACY_ALIAS:
        found.append(
            f"The aliases of '{db}' have the two-line form without totals: searches of the shards give inexact e-values and may "
            f"lose hits. {_RENEW} The setting SHARDWARM_ALIAS_FORM=legacy keeps that form."
        )
    elif form < WHOLE_ALIAS and has_totals:
        found.append(
            f"The aliases of '{db}' have a former form without NSEQ and LENGTH: ungapped, tblastx and tblastn searches of the "
            f"shards may lose hits or find others. {_RENEW}"
        )
    return tuple(found)
