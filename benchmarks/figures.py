"""From measurements to the figures that are reported: medians, and ratios of medians of the same run."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

from benchmarks.bench import Round
from benchmarks.trace import Trace

type Figures = dict[str, float | int]


class Measured(NamedTuple):
    """Everything that one run of the benchmark measured."""

    round_trip_seconds: float
    cold: Trace
    near: tuple[Round, ...]
    """Repeats without delay."""
    far: tuple[Round, ...]
    """Repeats at that round trip."""
    slow: Trace
    """A fresh database at a round trip that dwarfs all work, for counting."""
    noop: Trace
    """The same database again, with nothing to do."""


def figures(measured: Measured) -> Figures:
    """The content of bench.json."""
    runs = [measured.slow, *(one.ours for one in (*measured.near, *measured.far))]
    return {
        **_at("25ms", measured.far),
        **_at("0ms", measured.near),
        "shard_cold_seconds_25ms": round(measured.cold.seconds, 4),
        "shard_calls": max(run.calls for run in runs),
        "shard_failed_calls": sum(run.failed_calls for run in runs),
        "shard_blobs_written": measured.slow.blobs_written,
        "shard_sequential_round_trips": measured.slow.sequential_round_trips,
        "noop_calls": measured.noop.calls,
        "noop_sequential_round_trips": measured.noop.sequential_round_trips,
        "noop_writes": measured.noop.writes,
        "replaced_calls": max(one.their_calls for one in measured.far),
        "round_trip_milliseconds": round(measured.round_trip_seconds * 1000, 2),
        "repeats": len(measured.far),
        "cores": os.cpu_count() or 0,
    }


def _at(delay: str, rounds: Sequence[Round]) -> Figures:
    def middle(value: Callable[[Round], float]) -> float:
        return median(map(value, rounds))

    ours, theirs = middle(lambda one: one.ours.seconds), middle(lambda one: one.theirs.seconds_without_metadata)
    limit, engine = middle(lambda one: one.ceiling_seconds), middle(lambda one: one.ours.engine_seconds)
    seconds = {
        "shard_seconds": ours,
        "shard_seconds_fastest": min(one.ours.seconds for one in rounds),
        "shard_seconds_slowest": max(one.ours.seconds for one in rounds),
        "shard_accepted_seconds": middle(lambda one: one.ours.accepted_seconds),
        "shard_succeeded_seconds": middle(lambda one: one.ours.succeeded_seconds),
        "shard_engine_seconds": engine,
        "replaced_seconds": theirs,
        "replaced_seconds_with_metadata": middle(lambda one: one.theirs.seconds),
        "ceiling_seconds": limit,
    }
    ratios = {"shard_speedup": theirs / ours, "shard_engine_share": engine / ours, "shard_over_ceiling": ours / limit}
    return {f"{name}_{delay}": round(value, 4) for name, value in (ratios | seconds).items()}
