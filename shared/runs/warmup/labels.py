"""How a database is known in a cluster: the name of its objects, and the labels of its pods and of the nodes that hold it.

Names have a readable part and eight hex digits of the database's hash ('a.b' and 'a_b' must not meet).
"""

from hashlib import sha256

from shared.agent.assignment import AssignmentDocument

PREFIX = "shardwarm/"
DATABASE_LABEL = f"{PREFIX}database"
_SLUG_LENGTH = 30


def database_hash(db: str) -> str:
    """Eight hex digits that tell databases apart in labels."""
    return sha256(db.encode()).hexdigest()[:8]


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
    slug = "".join(char if char.isascii() and char.isalnum() else "-" for char in db.lower())[:_SLUG_LENGTH].strip("-")
    return f"{slug}-{database_hash(db)}"
