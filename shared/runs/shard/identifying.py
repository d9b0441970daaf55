"""How a shard run gives files without an MD5 their MD5: what travels between its steps, and the words for files that got none."""

from collections.abc import Iterable
from datetime import datetime

from shared.errors import Problem
from shared.runs.payload import Payload
from shared.sanitise import sanitised_line


class IdentifySteering(Payload):
    """How files are read: `lanes` activities at once, each of which begins no file after `slice_seconds`."""

    lanes: int = 4
    slice_seconds: float = 40.0


class IdentifyFiles(Payload):
    """Give the files of one lane their MD5. A lane is every `lanes`-th file of the database, the largest first.

    The first `passed` files of the lane were dealt with by earlier calls. Nothing is written after `write_before`.
    """

    account: str
    db: str
    lane: int
    steering: IdentifySteering
    passed: int = 0
    write_before: datetime


class Identified(Payload):
    """How far one lane is: `passed` files are dealt with, and this call gave `files` of them, of `bytes`, their MD5.

    `problem` is the first refusal of storage to store an MD5. The reply to a call that fails for good has only that.
    """

    passed: int = 0
    is_done: bool = True
    files: int = 0
    bytes: int = 0
    problem: Problem | None = None


def first_problem(receipts: Iterable[Identified | Problem]) -> Problem | None:
    """Why some files got no MD5: the first refusal, or failure of a lane."""
    problems = (receipt if isinstance(receipt, Problem) else receipt.problem for receipt in receipts)
    return next((problem for problem in problems if problem is not None), None)


def unidentified(db: str, files: int, problem: Problem | None) -> tuple[str, ...]:
    """The warning about files that have no MD5, and what follows; none when every file has one.

    Args:
        db: the database.
        files: how many of its files have no MD5.
        problem: what kept the run from storing it, if it tried.
    """
    if not files:
        return ()
    which = f"1 file of '{db}' has" if files == 1 else f"{files} files of '{db}' have"
    why = f" The run could not store it: {sanitised_line(problem.message)}" if problem else ""
    warning = (
        f"{which} no MD5 in storage. When a header of such a file changes, the app takes that for new content: the shard sets "
        f"become stale, and nodes copy the file again.{why}"
    )
    return (warning,)
