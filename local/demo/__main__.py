"""`make run`: the main job on this machine, from nothing to proofs. Ends with `MAIN JOB OK`, or says what failed."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from local import ROOT
from local.demo.api import ApiError
from local.demo.blast import ProgramError
from local.demo.ground import only_one
from local.demo.job import MainJob
from local.demo.promises import Untrue
from local.demo.report import Report, Summary
from local.processes import ProcessFailed
from local.upkeep import first_cause

_LOCAL = ROOT / ".local"
_EXPECTED = (Untrue, ApiError, ProgramError, ProcessFailed, OSError)


def main() -> int:
    """Run the main job; returns 0 when everything that it promises holds."""
    parser = argparse.ArgumentParser(prog="local.demo", description="Shards and warms two real BLAST databases and proves it.")
    parser.add_argument("--root", type=Path, default=_LOCAL / "demo", help="folder for logs (default: .local/demo)")
    parser.add_argument(
        "--cache", type=Path, default=_LOCAL / "demo-cache", help="folder for databases (default: .local/demo-cache)"
    )
    parser.add_argument("--summary", type=Path, default=_LOCAL / "run-summary.json", help="file for the facts")
    arguments = parser.parse_args()
    root: Path = arguments.root.resolve()
    root.mkdir(parents=True, exist_ok=True)
    job = MainJob(root, arguments.cache.resolve(), Report())
    try:
        with only_one(root):
            summary = asyncio.run(job.run())
    except KeyboardInterrupt:
        print("\nMAIN JOB STOPPED")
        return 130
    except Exception as error:
        cause = first_cause(error)
        if not isinstance(cause, _EXPECTED):
            raise
        print(f"\nMAIN JOB FAILED: {cause}\nLogs: {job.ground.logs}", file=sys.stderr)
        return 1
    finally:
        job.summary.write(arguments.summary)
    print(_closing(summary, arguments.summary))
    return 0


def _closing(summary: Summary, file: Path) -> str:
    lines = [f"{summary.hits_equal} of {summary.hits_compared} hits equal, e-values and order too; {summary.storage_calls} calls"]
    if (arrived := summary.arrived) is not None:
        hits = f"{arrived['hits_equal']} of {arrived['hits_compared']} hits equal"
        lines.append(f"Uploaded and not asked for: {arrived['runs']} runs for 2 generations, {arrived['events']} events; {hits}")
    if (warm := summary.warm) is not None:
        moved = f"{warm['bytes_moved']} bytes moved in {warm['seconds']:.1f} s"
        moved += f", {warm['bytes_moved_after_node_loss']} after the loss of a node"
        lines.append(f"On warm nodes {warm['hits_equal']} of {warm['hits_compared']} hits equal; {moved}")
    if (skewed := summary.skewed) is not None:
        hits = f"{skewed['hits_equal']} of {skewed['hits_compared']} hits equal"
        lines.append(f"On skewed databases, by {skewed['searches']} kinds of search: {hits}")
    lines.append(f"{summary.seconds:.1f} s. Facts: {file}")
    return "\n" + "\n".join(lines) + "\nMAIN JOB OK"


if __name__ == "__main__":
    sys.exit(main())
