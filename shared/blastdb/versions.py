"""The refusal of a BLAST database version that cannot be sharded."""

from shared.errors import Code, Unusable


def version_four(db: str) -> Unusable:
    """The error for a database of version 4. Such a database never has a `.ndb`/`.pdb`, so none is missing."""
    return Unusable(
        Code.VERSION_FOUR,
        f"'{db}' has version 4 (made before 2019), and BLAST cannot open shards of it. Make it again with -blastdb_version 5.",
        target=db,
    )
