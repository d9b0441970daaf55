"""Output of the main job: lines on the terminal, and a summary file for other programs."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from local.demo.proof import Comparison


@dataclass(slots=True)
class Summary:
    """The facts of one main job, as they are written to run-summary.json."""

    ok: bool = False
    """Whether everything that the job promises held."""
    databases: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Name, molecule, volumes, bytes and storage calls (first run, second run, writes of the second run) of each."""
    presets: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    """Database to the shard counts that were prepared."""
    hits_compared: int = 0
    """Lines of all searches of whole databases, once for each shard set they were compared with."""
    hits_equal: int = 0
    """Of those, the lines that the merged shards have too, byte for byte."""
    evalues_equal: bool = False
    """Whether every comparison found equal e-values; False without a comparison."""
    order_equal: bool = False
    """Whether every comparison found the same order of lines; False without a comparison."""
    storage_calls: int = 0
    """Requests that the app sent to storage, second runs included."""
    arrived: dict[str, Any] | None = None
    """Of the database that was only uploaded: events told, seconds until it was sharded, runs, and hits before and after."""
    warm: dict[str, Any] | None = None
    """Nodes, bytes moved, seconds, residency, hits and the bytes moved after the loss of a node; None without a cluster."""
    warm_missing: str | None = None
    """Why there was no cluster."""
    skewed: dict[str, Any] | None = None
    """Of the skewed databases: names, kinds of search, and hits."""
    seconds: float = 0.0

    def add(self, comparison: Comparison) -> None:
        """Add one comparison to the totals."""
        is_first = not self.hits_compared
        self.hits_compared += comparison.hits_compared
        self.hits_equal += comparison.hits_equal
        self.evalues_equal = comparison.evalues_equal and (is_first or self.evalues_equal)
        self.order_equal = comparison.order_equal and (is_first or self.order_equal)

    def write(self, file: Path) -> None:
        """Write the facts to a file for other programs."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(asdict(self), indent=2) + "\n")


class Report:
    """Prints one line for each fact. On a terminal, progress overwrites its line; elsewhere each change is a new line."""

    def __init__(self) -> None:
        self._is_live = sys.stdout.isatty()
        self._shown = ""

    def step(self, text: str) -> None:
        """Print the name of the step that starts."""
        self._end_progress()
        print(text, flush=True)

    def fact(self, text: str) -> None:
        """Print a proved fact."""
        self._end_progress()
        print(f"  ✓ {text}", flush=True)

    def missing(self, text: str) -> None:
        """Print what the job leaves out, and why."""
        self._end_progress()
        print(f"  - {text}", flush=True)

    def progress(self, text: str) -> None:
        """Print the progress of a step."""
        if text == self._shown:
            return
        self._shown = text
        if self._is_live:
            print(f"\r\x1b[K  … {text}", end="", flush=True)
        else:
            print(f"  … {text}", flush=True)

    def _end_progress(self) -> None:
        if self._shown and self._is_live:
            print("\r\x1b[K", end="")
        self._shown = ""
