"""What is said of a database of a version that cannot be sharded."""

from shared.errors import Code, Unusable


def version_four(db: str) -> Unusable:
    """The refusal of a database of version 4, which has no `.ndb`/`.pdb` to be missed."""
    return Unusable(
        Code.VERSION_FOUR,
        f"'{db}' is of version 4, made before 2019, and shards of it cannot be opened. Make it again with -blastdb_version 5.",
        target=db,
    )
