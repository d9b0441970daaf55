"""Which node holds which shards: stored and stable, never derived from the order in which nodes happen to be listed.

In the replaced system shard i belonged to the i-th ready node, and one node not ready moved every later shard (contract 2.5).
"""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from shared.blastdb.blobs import MAX_SHARDS
from shared.blastdb.capacity import least_ceiling, room
from shared.blastdb.volumes import Molecule
from shared.errors import Code, Problem
from shared.runs.marks import shard_mark
from shared.runs.matching import match

type Mode = Literal["hot", "disk", "evict"]
type Shards = tuple[Annotated[int, Field(ge=0)], ...]

ASSIGNMENT_FILE = "assignment.json"
"""The key in the ConfigMap, and so the file that the agents see."""


class Assignment(BaseModel):
    """The shards of each node that has any, in order. Equal assignments are equal texts, too."""

    model_config = ConfigDict(frozen=True)

    shard_count: int = Field(ge=1)
    nodes: dict[str, Shards]

    @model_validator(mode="after")
    def _names_shards_that_exist_once(self) -> Self:
        for node, shards in self.nodes.items():
            if list(shards) != sorted(set(shards)) or any(shard >= self.shard_count for shard in shards):
                raise ValueError(f"the shards of {node} are not distinct, in order and below {self.shard_count}")
        return self

    def holders(self, shard: int) -> tuple[str, ...]:
        """The nodes of a shard, by name."""
        return tuple(sorted(node for node, shards in self.nodes.items() if shard in shards))

    @property
    def uncovered(self) -> tuple[int, ...]:
        """The shards that no node has."""
        covered = {shard for shards in self.nodes.values() for shard in shards}
        return tuple(shard for shard in range(self.shard_count) if shard not in covered)


class AssignmentDocument(BaseModel):
    """`assignment.json`: an assignment, and what an agent needs besides to carry it out. Unknown fields are passed over.

    `run` is the warmup that wrote it: agents count what they move by it. A warmup that finds nothing to change writes nothing.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    account: str
    container_url: str
    db: str
    molecule: Molecule
    source_version: str | None
    digest: str = Field(pattern=r"^[0-9a-f]{32}$")
    shard_count: int = Field(ge=1, le=MAX_SHARDS)
    mode: Mode
    nodes: dict[str, Shards]
    run: str = ""

    @model_validator(mode="after")
    def _holds_an_assignment(self) -> Self:
        Assignment(shard_count=self.shard_count, nodes=self.nodes)
        return self

    @property
    def assignment(self) -> Assignment:
        """The assignment alone."""
        return Assignment(shard_count=self.shard_count, nodes=self.nodes)

    @property
    def marks(self) -> dict[str, dict[str, str]]:
        """The labels that each node is to bear once its shards are warm, by name."""
        return {
            node: {shard_mark(self.db, self.shard_count, shard): self.digest for shard in shards}
            for node, shards in self.nodes.items()
        }

    def asks_the_same_as(self, other: "AssignmentDocument | None") -> bool:
        """Whether agents have nothing else to do by the other one, whichever run wrote it."""
        return other is not None and other.model_copy(update={"run": self.run}) == self

    def render(self) -> str:
        """The text to store: the same for equal documents, nodes by name, so that a comparison of texts shows a change."""
        fields = self.model_dump(mode="json")
        fields["nodes"] = dict(sorted(fields["nodes"].items()))
        return json.dumps(fields, separators=(",", ":")) + "\n"


class Seat(NamedTuple):
    """A node that may hold shards: ready, uncordoned, of the workload pool.

    `budget_bytes` is what this database may fill there; None when bytes are not to be looked at.
    """

    name: str
    budget_bytes: int | None = None


def assign(
    shard_count: int,
    seats: Sequence[Seat],
    previous: Assignment | None = None,
    *,
    replicas: int = 1,
    shard_bytes: Sequence[int] = (),
    companion_bytes: int = 0,
) -> Assignment | Problem:
    """Every shard on `replicas` nodes, none with more than it must, and as few shards moved as that allows.

    Depends on the values alone, not on the order of the seats; applied to its own result it changes nothing. Without a
    previous assignment shards go to nodes in order of their names. A node that is lost, replaced or cordoned is one that
    has no seat: what it held moves, the others keep what they hold. A node more gets only what others now have too many of.

    Args:
        shard_count: N; a previous assignment with another N counts for nothing, its shards being other volumes.
        seats: where shards may go; names are distinct.
        previous: what the nodes hold.
        replicas: on how many nodes each shard is to be.
        shard_bytes: the bytes of each shard; needed where seats have a budget.
        companion_bytes: what each node needs once besides.

    Raises:
        ValueError: names repeat, or there are not as many sizes as shards.
    """
    ordered = sorted(seats)
    if len({seat.name for seat in ordered}) != len(ordered) or len(shard_bytes) not in (0, shard_count):
        raise ValueError("seats have distinct names, and there is a size for every shard or for none")
    rooms = _rooms(ordered, shard_count, shard_bytes, companion_bytes)
    ceiling = least_ceiling(rooms, shard_count, replicas)
    if ceiling is None or not 1 <= replicas <= len(ordered):
        return _does_not_fit(shard_count, rooms, replicas)
    had = previous.nodes if previous is not None and previous.shard_count == shard_count else {}
    matched = match([min(ceiling, one) for one in rooms], _held(shard_count, ordered, had), replicas)
    nodes = {
        seat.name: tuple(shard for shard in range(shard_count) if matched[shard] >> number & 1)
        for number, seat in enumerate(ordered)
    }
    return Assignment(shard_count=shard_count, nodes={name: shards for name, shards in nodes.items() if shards})


def _rooms(seats: Sequence[Seat], shard_count: int, shard_bytes: Sequence[int], companion_bytes: int) -> list[int]:
    limits = {
        budget: shard_count if budget is None else room(shard_bytes or [0] * shard_count, budget, companion_bytes)
        for budget in {seat.budget_bytes for seat in seats}
    }
    return [limits[seat.budget_bytes] for seat in seats]


def _held(shard_count: int, seats: Sequence[Seat], had: Mapping[str, Shards]) -> list[int]:
    held = [0] * shard_count
    for number, seat in enumerate(seats):
        for shard in had.get(seat.name, ()):
            held[shard] |= 1 << number
    return held


def _does_not_fit(shard_count: int, rooms: Sequence[int], replicas: int) -> Problem:
    if not rooms:
        return Problem(code=Code.NO_READY_NODES, message="No node of the workload pool is ready and uncordoned.")
    if not 1 <= replicas <= len(rooms):
        message = f"{replicas} replicas of every shard need as many nodes; {len(rooms)} are ready."
        return Problem(code=Code.TOO_FEW_NODES, message=message, target="replicas")
    message = (
        f"{shard_count} shards with {replicas} replicas need {shard_count * replicas} places; {len(rooms)} nodes have memory "
        f"for {sum(rooms)}. Add nodes, or use larger ones."
    )
    return Problem(code=Code.CLUSTER_TOO_SMALL, message=message)
