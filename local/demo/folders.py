"""Shards on the local cluster's nodes, as a search that runs there finds them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from local.demo.storage import NODE_FOLDER, Shard

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from local.cluster.controls import Nodes
    from local.proxy import Record

_HOST_PATH = "workspace/blast"
_SEARCHES = "demo-searches"
_SEQUENCES = {"nsq", "psq"}


def shards_on(nodes: Nodes, status: dict[str, Any]) -> list[Shard]:
    """The shards of a warmed database, each in the folder of the node that the warm status names for it."""
    db: str = status["name"]
    return [
        _shard(nodes.folder(node), f"{db}_shard_{label}") for label, node in sorted(dict[str, str](status["shard_nodes"]).items())
    ]


def volumes_sent(records: Iterable[Record], db: str) -> set[str]:
    """The volumes whose sequences an agent has read: their requests, unlike the app's, are signed by a SAS.

    An agent also reads the heads of all volumes' index files: a few hundred bytes each, to check the alias.
    """
    paths = (unquote(record.path) for record in records if record.method == "GET" and "sig=" in record.query)
    leaves = (path.rpartition("/")[2] for path in paths if f"/{db}/" in path)
    return {stem for stem, _, extension in (leaf.rpartition(".") for leaf in leaves) if extension in _SEQUENCES}


def _shard(node: Path, name: str) -> Shard:
    """A shard with the agent's alias, except for its folder: a pod sees it as /blast/blastdb, this process elsewhere."""
    alias = next((node / _HOST_PATH).glob(f"{name}.[np]al"))
    searches = node / _SEARCHES
    searches.mkdir(exist_ok=True)
    text = alias.read_text()
    (searches / alias.name).write_text(text.replace(NODE_FOLDER, f"../{_HOST_PATH}/"))
    listed = next(line for line in text.splitlines() if line.startswith("DBLIST ")).split()[1:]
    return Shard(name, searches, tuple(path.rpartition("/")[2] for path in listed))
