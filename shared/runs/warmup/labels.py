"""Kubernetes names and labels of a warmed database: its objects, its pods, and the nodes that hold it.

Names have a readable part and eight hex digits of the database's hash: 'a.b' and 'a_b' have different ones.
"""

from hashlib import sha256

from shared.agent.assignment import AssignmentDocument
from shared.runs.ids import slug_and_hash

PREFIX = "shardwarm/"
DATABASE_LABEL = f"{PREFIX}database"
_SLUG_LENGTH = 30
_HASH_DIGITS = 8


def database_hash(db: str) -> str:
    """Eight hex digits that tell databases apart in labels."""
    return sha256(db.encode()).hexdigest()[:_HASH_DIGITS]


def object_name(db: str) -> str:
    """The name of a database's objects."""
    return f"warm-{_name(db)}"


def shard_label(db: str, shard_count: int, shard: int) -> str:
    """The label of the nodes on which a shard was found warm; its value is the generation's digest."""
    return f"{database_label_prefix(db)}n{shard_count}-{shard:02d}"


def labels_of(document: AssignmentDocument) -> dict[str, dict[str, str]]:
    """The labels of each node, by name, once all its shards are warm."""
    return {
        node: {shard_label(document.db, document.shard_count, shard): document.digest for shard in shards}
        for node, shards in document.nodes.items()
    }


def database_label_prefix(db: str) -> str:
    """What the labels of all shards of a database begin with, whatever N."""
    return f"{PREFIX}{_name(db)}-"


def _name(db: str) -> str:
    return slug_and_hash(db, db, slug_length=_SLUG_LENGTH, hash_digits=_HASH_DIGITS)
