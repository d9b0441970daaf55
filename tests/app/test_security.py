"""Every threat in docs/security.md names tests that show what holds, and these tests exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
THREATS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in PAGE.split("## Threats")[1].split("\n## ")[0].splitlines()
    if line.startswith("| ") and not line.startswith("| threat ")
]


def test_every_threat_says_what_holds_and_what_shows_it():
    assert len(THREATS) > 20
    assert all(len(row) == 3 and all(row) for row in THREATS)


@pytest.mark.parametrize("threat", THREATS, ids=lambda row: row[0][:60])
def test_tests_that_show_it_exist(threat):
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", threat[2])

    assert named
    for path, name in named:
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"
