"""What this node is to hold, as the orchestration wrote it into the mounted ConfigMap."""

from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from shared.blastdb.blobs import MAX_SHARDS
from shared.blastdb.names import database_name
from shared.blastdb.volumes import Molecule

FILE = "assignment.json"

type Mode = Literal["hot", "disk", "evict"]


class Assignment(BaseModel):
    """assignment.json; unknown fields are passed over, so that a newer orchestration can add some."""

    model_config = ConfigDict(frozen=True)

    version: Literal[1]
    account: str
    container_url: str = Field(pattern=r"^https?://[^\s?#]+$")
    db: str
    molecule: Molecule
    source_version: str | None = None
    digest: str = Field(pattern=r"^[0-9a-f]{32}$")
    shard_count: int = Field(ge=1, le=MAX_SHARDS)
    mode: Mode
    nodes: dict[str, tuple[int, ...]]
    run: str = ""

    @field_validator("db")
    @classmethod
    def _is_a_name(cls, value: str) -> str:
        # It becomes part of paths on the node.
        return database_name(value)


class Task(NamedTuple):
    """One node's part of an assignment. Two that are equal ask for the same work, whatever else changed in the file."""

    account: str
    container_url: str
    db: str
    molecule: Molecule
    source_version: str | None
    digest: str
    shard_count: int
    mode: Mode
    shards: tuple[int, ...]


def task_of(assignment: Assignment, node: str) -> Task:
    """What the assignment asks of a node; no shards when it does not name the node."""
    shards = tuple(sorted(set(assignment.nodes.get(node, ()))))
    if any(not 0 <= shard < assignment.shard_count for shard in shards):
        raise ValueError(f"shards {shards} of {node} are not all below {assignment.shard_count}")
    return Task(
        account=assignment.account,
        container_url=assignment.container_url.rstrip("/"),
        db=assignment.db,
        molecule=assignment.molecule,
        source_version=assignment.source_version,
        digest=assignment.digest,
        shard_count=assignment.shard_count,
        mode=assignment.mode,
        shards=shards,
    )


class Watch:
    """Reads assignment.json when asked; ConfigMap volumes swap whole files, so a reading is never half of one."""

    def __init__(self, folder: Path, node: str) -> None:
        self._path = folder / FILE
        self._node = node
        self._text: bytes | None = None
        self._task: Task | None = None
        self.run = ""
        """The warmup that wrote what was read last."""

    def look(self) -> tuple[Task | None, str]:
        """This node's task now, or None with the reason why there is none.

        An unreadable file leaves the task as it was: a typing error must not throw warm shards away.
        """
        try:
            text = self._path.read_bytes()
        except OSError as error:
            return self._task, f"{self._path} cannot be read: {error.strerror}"
        if text == self._text:
            return self._task, ""
        try:
            assignment = Assignment.model_validate_json(text)
            task = task_of(assignment, self._node)
        except ValueError as error:
            return self._task, f"{self._path} is not an assignment: {_said(error)}"
        self._text, self._task, self.run = text, task, assignment.run
        return task, ""


def _said(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
