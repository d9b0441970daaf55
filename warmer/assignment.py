"""Reading of `assignment.json`, the mounted ConfigMap: this node's part of it, as a task."""

from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from shared.agent.assignment import ASSIGNMENT_FILE, AssignmentDocument, Mode
from shared.blastdb.volumes import Molecule


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


def task_of(assignment: AssignmentDocument, node: str) -> Task:
    """What the assignment asks of a node; no shards when it does not name the node."""
    return Task(
        account=assignment.account,
        container_url=assignment.container_url.rstrip("/"),
        db=assignment.db,
        molecule=assignment.molecule,
        source_version=assignment.source_version,
        digest=assignment.digest,
        shard_count=assignment.shard_count,
        mode=assignment.mode,
        shards=assignment.nodes.get(node, ()),
    )


class AssignmentFile:
    """The mounted file. Kubelet swaps the files of a ConfigMap whole, so a read never sees half of one."""

    def __init__(self, folder: Path, node: str) -> None:
        self._path = folder / ASSIGNMENT_FILE
        self._node = node
        self._text: bytes | None = None
        self._task: Task | None = None
        self.run = ""
        """The warmup that wrote the document that was read last."""

    def read(self) -> tuple[Task | None, str]:
        """This node's task now, or None with the reason why there is none.

        An unreadable file leaves the task as it was: a broken document must not throw warm shards away.
        """
        try:
            text = self._path.read_bytes()
        except OSError as error:
            return self._task, f"{self._path} cannot be read: {error.strerror}"
        if text == self._text:
            return self._task, ""
        try:
            assignment = AssignmentDocument.model_validate_json(text)
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
