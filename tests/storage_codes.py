"""The error codes that the Blob service documents, and what is to become of each."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

_LIST = Path(__file__).parent / "domain" / "golden" / "blob_error_codes.txt"


class DocumentedCode(NamedTuple):
    """One documented answer; `outcome` is a code of ours, or `missing`, or `raced`."""

    code: str
    status: int
    outcome: str


def documented_codes() -> list[DocumentedCode]:
    """Read the list."""
    rows = (line.split() for line in _LIST.read_text().splitlines() if not line.startswith("#"))
    return [DocumentedCode(code, int(status), outcome) for code, status, outcome in rows]
