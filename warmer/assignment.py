"""Reading of `assignment.json`, the mounted ConfigMap: this node's part of it, as a task."""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from shared.agent.assignment import ASSIGNMENT_FILE, AssignmentDocument, Mode
from shared.blastdb.volumes import Molecule


class Task(NamedTuple):
    """One node's part of an assignment. Equal tasks ask for the same work, even if other parts of the file changed."""

    account: str
    container_url: str
    db: str
    molecule: Molecule
    source_version: str | None
    digest: str
    texts: str
    shard_count: int
    mode: Mode
    shards: tuple[int, ...]


def task_of(assignment: AssignmentDocument, node: str) -> Task:
    """The task that the assignment gives a node; without shards when the assignment does not name the node."""
    return Task(
        account=assignment.account,
        container_url=assignment.container_url.rstrip("/"),
        db=assignment.db,
        molecule=assignment.molecule,
        source_version=assignment.source_version,
        digest=assignment.digest,
        texts=assignment.texts,
        shard_count=assignment.shard_count,
        mode=assignment.mode,
        shards=assignment.nodes.get(node, ()),
    )


class AssignmentFile:
    """The mounted file. Kubelet replaces the files of a ConfigMap atomically, so a read never sees half of one."""

    def __init__(self, folder: Path, node: str) -> None:
        self._path = folder / ASSIGNMENT_FILE
        self._node = node
        self._text: bytes | None = None
        self._task: Task | None = None
        self.run = ""
        """The warmup that wrote the last document read."""
        self.report_seconds: float | None = None
        """The interval of reports that it asks for."""

    def read(self) -> tuple[Task | None, str]:
        """This node's task now and, if the file cannot be read, the reason. The task is None until a first file was read.

        An unreadable file leaves the task as it was: a broken document must not discard warm shards.
        """
        try:
            text = self._path.read_bytes()
        except OSError as error:
            return self._task, f"the agent cannot read {self._path}: {error.strerror}"
        if text == self._text:
            return self._task, ""
        try:
            assignment = AssignmentDocument.model_validate_json(text)
            task = task_of(assignment, self._node)
        except ValueError as error:
            return self._task, f"{self._path} is not an assignment: {_said(error)}"
        self._text, self._task, self.run = text, task, assignment.run
        self.report_seconds = assignment.report_seconds
        return task, ""


def _said(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
