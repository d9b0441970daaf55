"""The tables that `make bench` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.database import VOLUMES

if TYPE_CHECKING:
    from benchmarks.figures import Figures

_CALLS_BEYOND_BLOBS = 16 + VOLUMES + 1
"""A read for each head of an index file and one for the volume table, besides the run's own."""


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
        _line("round trips in sequence, run", f"{found['shard_sequential_round_trips']}", "<= 7"),
        _line("storage calls, nothing to do", f"{found['noop_calls']}", "<= 12"),
        _line("round trips in sequence, nothing to do", f"{found['noop_sequential_round_trips']}", "<= 3"),
        _line("writes, nothing to do", f"{found['noop_writes']}", "0"),
    ]
    head = f"{VOLUMES} volumes, 8 presets, {found['shard_blobs_written']} blobs; medians of {found['repeats']} repeats"
    return "\n".join([f"{head} on {found['cores']} cores", "", _line("", "measured", "target"), *lines])


def warmup_table(found: Figures) -> str:
    """The same for what a warmup costs."""

    def speeds(ending: str) -> str:
        return f"{found[f'agent_mib_per_second{ending}']:.0f} of {found[f'raw_mib_per_second{ending}']:.0f} MiB/s"

    lines = [
        _line("agent / bare GET, shared link", f"{found['agent_vs_raw_get']:.2f}", ">= 0.8"),
        _line("  agent, bare GET", speeds("")),
        _line("agent / bare GET, loopback without a link", f"{found['agent_vs_raw_get_without_link']:.2f}"),
        _line("  agent, bare GET", speeds("_without_link")),
        _line("agent's peak memory", f"{found['agent_peak_mb']:.0f} MB", "< 200 MB"),
        _line("three nodes at once / slowest alone", f"{found['warm_3_vs_slowest']:.2f}", "<= 1.3"),
        _line("assignment, 500 nodes, 32 shards", f"{found['assign_seconds_500_nodes']:.4f} s", "< 1 s"),
    ]
    if "poll_calls_100_nodes" in found:
        lines.append(_line("calls of one look at 100 nodes", f"{found['poll_calls_100_nodes']}", "<= 3"))
    return "\n".join(["", "Warmup: 384 MiB by the agent's own code, verified and synced", "", *lines])


def arrivals_table(found: Figures) -> str:
    """The same for events of storage."""
    lines = [
        _line("events of storage taken", f"{found['events_per_second']:.0f} a second"),
        _line("  dropped by the filter", f"{found['events_per_second_dropped']:.0f} a second"),
        _line("answer to one event", f"{found['event_milliseconds']:.1f} ms"),
    ]
    return "\n".join(["", "Events of one request each, 32 requests at once", "", *lines])


def fleet_table(found: Figures) -> str:
    """The same for a thousand databases that are well."""
    pages = found["reconcile_pages_1000_healthy"]
    lines = [
        _line("calls of one listing", f"{found['list_calls_1000']}", "<= 1 page + 2"),
        _line("calls of one reconcile pass", f"{found['reconcile_calls_1000_healthy']} for {pages} pages", "<= pages + 2"),
        _line("  its time", f"{found['reconcile_seconds_1000_healthy']:.1f} s"),
    ]
    return "\n".join(["", "1,000 databases that are well, 13,000 blobs", "", *lines])


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
