"""`assignment.json`: which node holds which shards, as the app writes it and the node agents read it."""

import json
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.blastdb.blobs import MAX_SHARDS
from shared.blastdb.names import database_name
from shared.blastdb.volumes import Molecule

type Mode = Literal["hot", "disk", "evict"]
"""What agents do with the files: hold them in memory, hold them on disk only, or remove them."""

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
    """`assignment.json`: an assignment and what an agent needs to carry it out.

    Unknown fields are passed over, so that a newer app can add some. The database's name becomes part of paths on the node.
    `run` is the warmup that wrote the document: agents count by it what they move. A warmup that changes nothing writes nothing.
    `digest` names the generation of the database's files, `texts` the manifests and aliases of this N (`digest_of_texts`); an
    empty `texts`, as earlier versions of the app write it, binds no agent.
    `report_seconds` is the interval of reports (`shared.agent.pace`); None leaves it to the agents' settings.
    """

    model_config = ConfigDict(frozen=True)

    version: Literal[1] = 1
    account: str
    container_url: str = Field(pattern=r"^https?://[^\s?#]+$")
    db: Annotated[str, AfterValidator(database_name)]
    molecule: Molecule
    source_version: str | None = None
    digest: str = Field(pattern=r"^[0-9a-f]{32}$")
    texts: str = Field(default="", pattern=r"^([0-9a-f]{32})?$")
    shard_count: int = Field(ge=1, le=MAX_SHARDS)
    mode: Mode
    nodes: dict[str, Shards]
    run: str = ""
    report_seconds: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _holds_an_assignment(self) -> Self:
        Assignment(shard_count=self.shard_count, nodes=self.nodes)
        return self

    @property
    def assignment(self) -> Assignment:
        """The assignment alone."""
        return Assignment(shard_count=self.shard_count, nodes=self.nodes)

    def asks_the_same_as(self, other: "AssignmentDocument | None") -> bool:
        """Whether the other document gives agents the same work; which run wrote it does not matter."""
        return other is not None and other.model_copy(update={"run": self.run}) == self

    def render(self) -> str:
        """The text to store: the same for equal documents, nodes by name, so that a comparison of texts shows a change."""
        fields = self.model_dump(mode="json", exclude={"report_seconds"} if self.report_seconds is None else None)
        fields["nodes"] = dict(sorted(fields["nodes"].items()))
        return json.dumps(fields, separators=(",", ":")) + "\n"
