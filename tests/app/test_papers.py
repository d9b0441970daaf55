"""What docs/operations.md promises to tell: every code with what to do, every action of a pass, every role."""

import re
from pathlib import Path
from typing import get_args

import pytest

from shared.errors import Code
from shared.http.access import Role
from shared.runs.reconcile.reasons import DriftReason
from shared.runs.reconcile.result import Act

OPERATIONS = (Path(__file__).parents[2] / "docs/operations.md").read_text()
OF_A_PASS = "What a pass repairs and reports"
SAY_IT_THEMSELVES = {
    Code.INVALID_NAME,
    Code.INVALID_FIELD,
    Code.MISSING_FIELD,
    Code.UNKNOWN_FIELD,
    Code.INVALID_JSON,
    Code.REQUEST_BODY_TOO_LARGE,
}
"""Plain 400s: their messages name the field and what it may be."""


def rows(section):
    """The rows of the section's table, as lists of cells."""
    text = re.split(rf"^## {section}$", OPERATIONS, flags=re.MULTILINE)[1].split("\n## ")[0]
    return [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("| `")]


def names(cell):
    return re.findall(r"`([^`]+)`", cell)


def test_every_code_stands_once_in_the_table_with_what_to_do():
    told = [name for what, *_ in rows("What the codes mean") for name in names(what)]

    assert sorted(told) == sorted(set(Code) - SAY_IT_THEMSELVES)
    assert all(cell.strip() for row in rows("What the codes mean") for cell in row)


@pytest.mark.parametrize(("place", "words"), [(0, Act), (1, DriftReason)], ids=["actions", "reasons"])
def test_everything_that_a_pass_does_is_told(place, words):
    told = {name for row in rows(OF_A_PASS) for name in names(row[place])}

    assert told >= set(get_args(words.__value__))


def test_a_person_is_told_of_every_reason_that_a_pass_leaves_to_one():
    told = {name for act, reasons, *_ in rows(OF_A_PASS) if names(act) == ["tell"] for name in names(reasons)}

    of_drift = {"refused", "failed", "gone", "promotion", "mark", "copy", "headers", "settling", "misplaced", "legacy"}
    assert told == of_drift | {"release", "unknown", "warmth", "purge"}


def test_every_role_is_told():
    assert [name for who, *_ in rows("Who may call") for name in names(who)] == list(Role)
