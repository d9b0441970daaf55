"""`make bench`: measure, print a table, and write .local/bench.json."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from benchmarks import agent, cluster, events, fleet
from benchmarks.bench import Bench, Round
from benchmarks.figures import Figures, Measured, figures
from benchmarks.report import arrivals_table, fleet_table, table, warmup_table
from local.stack import DEFAULT_ROOT, Stack

_ROUND_TRIP_SECONDS = 0.025
_LONG_ROUND_TRIP_SECONDS = 0.5
"""Dwarfs all work, so that calls which follow one another cannot be taken for concurrent ones, nor the reverse."""


async def _measure(root: Path, repeats: int) -> Measured:
    async with Stack(root) as stack, Bench(stack) as bench:
        asked, measured = await bench.calibrate(_ROUND_TRIP_SECONDS)
        _say(f"Proxy: asked for {asked * 1000:.1f} ms, a GET takes {measured * 1000:.1f} ms.")
        _, cold = await bench.shard_fresh(asked)
        _say("Warming up, both sides.")
        await bench.round(0.0)
        near: list[Round] = []
        far: list[Round] = []
        for number in range(repeats):
            _say(f"Repeat {number + 1} of {repeats}.")
            near.append(await bench.round(0.0))
            far.append(await bench.round(asked))
        _say("Counting round trips, at a long one.")
        db, slow = await bench.shard_fresh(_LONG_ROUND_TRIP_SECONDS)
        noop = await bench.shard(db, _LONG_ROUND_TRIP_SECONDS, commits=False)
        return Measured(measured, cold, tuple(near), tuple(far), slow, noop)


async def _measure_warmup(root: Path, repeats: int) -> Figures:
    _say("The agent's copy, and three nodes at once.")
    found: Figures = {**(await agent.measure(root / "agent", repeats=repeats))._asdict()}
    found["assign_seconds_500_nodes"] = round(cluster.assign_seconds(repeats), 4)
    _say("A cluster of 100 nodes.")
    calls = await cluster.poll_calls(root / "cluster")
    if calls is None:
        _say("There can be no local cluster here: poll_calls_100_nodes is left out.")
    else:
        found["poll_calls_100_nodes"] = calls
    return found


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def main() -> int:
    """Measure; 0 whatever the figures are, since a machine's speed is no defect."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measures Shardwarm against the system it replaces.")
    parser.add_argument("--repeats", type=int, default=5, help="of each measurement; the median counts (default: 5)")
    parser.add_argument("--out", type=Path, default=DEFAULT_ROOT / "bench.json", help="default: .local/bench.json")
    arguments = parser.parse_args()
    measured = asyncio.run(_measure(DEFAULT_ROOT / "bench", arguments.repeats))
    found = figures(measured)
    _say(f"A listing of {fleet.DATABASES} databases, and a reconcile pass over them.")
    many = asyncio.run(fleet.measure(DEFAULT_ROOT / "bench" / "fleet"))
    warmup = asyncio.run(_measure_warmup(DEFAULT_ROOT / "bench", arguments.repeats))
    arrivals: Figures = {**asyncio.run(events.measure(DEFAULT_ROOT / "bench", repeats=arguments.repeats))._asdict()}
    arguments.out.write_text(json.dumps(found | many | warmup | arrivals, indent=2) + "\n")
    print(table(found))
    print(fleet_table(many))
    print(warmup_table(warmup))
    print(arrivals_table(arrivals))
    return 0


if __name__ == "__main__":
    sys.exit(main())
