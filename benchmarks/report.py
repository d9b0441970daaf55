"""The table that `make bench` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.figures import Figures

_CALLS_BEYOND_BLOBS = 16


def table(found: Figures) -> str:
    """Every figure that has a target with it, and what explains it; one line each."""
    limit = found["shard_blobs_written"] + _CALLS_BEYOND_BLOBS
    lines = [
        *_at("25 ms", "25ms", found, wanted=10),
        *_at("0 ms", "0ms", found, wanted=1),
        _line("first run after the start, 25 ms", f"{found['shard_cold_seconds_25ms']:.3f} s"),
        _line("storage calls of a run", f"{found['shard_calls']}", f"<= {limit}"),
        _line("  of these failed and repeated, all repeats", f"{found['shard_failed_calls']}"),
        _line("storage calls, replaced system", f"{found['replaced_calls']}"),
        _line("round trips in sequence, run", f"{found['shard_sequential_round_trips']}", "<= 6"),
        _line("storage calls, nothing to do", f"{found['noop_calls']}", "<= 12"),
        _line("round trips in sequence, nothing to do", f"{found['noop_sequential_round_trips']}", "<= 3"),
        _line("writes, nothing to do", f"{found['noop_writes']}", "0"),
    ]
    head = f"83 volumes, 8 presets, {found['shard_blobs_written']} blobs; medians of {found['repeats']} repeats"
    return "\n".join([f"{head} on {found['cores']} cores", "", _line("", "measured", "target"), *lines])


def _at(title: str, delay: str, found: Figures, wanted: int) -> list[str]:
    def of(name: str) -> float:
        return found[f"{name}_{delay}"]

    spread = f"({of('shard_seconds_fastest'):.3f} to {of('shard_seconds_slowest'):.3f})"
    return [
        _line(f"speed-up, {title}", f"{of('shard_speedup'):.1f} x", f">= {wanted} x"),
        _line("  replaced system", f"{of('replaced_seconds'):.3f} s"),
        _line("  ours, POST to commit", f"{of('shard_seconds'):.3f} s {spread}"),
        _line("  ours, POST to 202", f"{of('shard_accepted_seconds'):.3f} s"),
        _line("  ours, POST to Succeeded", f"{of('shard_succeeded_seconds'):.3f} s"),
        _line("  engine's share", f"{of('shard_engine_share'):.0%}, {of('shard_engine_seconds'):.3f} s"),
        _line("  bare concurrent writes", f"{of('ceiling_seconds'):.3f} s; ours {of('shard_over_ceiling'):.1f} times that"),
    ]


def _line(name: str, value: str, target: str = "") -> str:
    return f"{name:<44}{value:<28}{target}".rstrip()
