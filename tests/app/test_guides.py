"""What CONTRIBUTING.md, README.md and docs/ name exists: paths in backticks, targets of links, targets of make."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
OURS = {path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith(".")}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def quoted(page):
    """The words that a page has in backticks, outside its blocks of code."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    words = (word for span in re.findall(r"`([^`]+)`", text) for word in span.split())
    return [word.rpartition("=")[2].partition("::")[0] for word in words]


def is_path(word):
    """Whether a word is a path from the project's root: below one of its folders, or a module or page beside them."""
    folder, slash, _ = word.partition("/")
    return folder in OURS if slash else re.fullmatch(r"\w+\.(py|md)", word) is not None


@every_page
def test_every_path_that_a_page_names_exists(page):
    named = {word for word in quoted(page) if is_path(word)}

    assert {path for path in named if not (ROOT / path).exists()} == set()


@every_page
def test_every_link_of_a_page_leads_to_a_file(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


@every_page
def test_every_make_target_that_a_page_names_exists(page):
    named = set(re.findall(r"(?:`|^)make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE))

    assert named <= TARGETS


def test_the_pages_name_paths_and_targets_at_all():
    assert sum(is_path(word) for page in PAGES for word in quoted(page)) > len(PAGES)
    assert "test-quick" in TARGETS
