"""The readiness probe: exit status 0 when this node's shards are warm now, else 1 and the reason.

It believes a report only if it is recent and about the current assignment. A report about another N, another generation or
other shards does not count. It uses only the standard library, because a probe runs every few seconds.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_AGE_INTERVALS = 3
_COMPARED = ("db", "digest", "texts", "shard_count", "mode")


def verdict(report: Mapping[str, Any], assignment: Mapping[str, Any], node: str, age_seconds: float, limit_seconds: float) -> str:
    """Why the node is not ready; empty when it is."""
    shards = sorted({f"{shard:02d}" for shard in assignment["nodes"].get(node, ())})
    if not shards:
        return f"NotAssigned: the assignment does not name {node}"
    if assignment["mode"] == "evict":
        return "the assignment says evict"
    for field in _COMPARED:
        # An assignment of an earlier version of the app has no `texts`.
        said, asked = report[field], assignment.get(field, "")
        if said != asked:
            return f"the report is about {field} {said}, the assignment about {asked}"
    if sorted(report["shards"]) != shards:
        return f"the report is about shards {sorted(report['shards'])}, the assignment about {shards}"
    if age_seconds > limit_seconds:
        return f"the report is {age_seconds:.0f} s old, more than {limit_seconds:.0f} s"
    if report["warm"] or (assignment["mode"] == "disk" and report["phase"] == "completed"):
        return ""
    return f"{report['phase']}: {report['reason'] or 'in progress'} {report['message'] or ''}".rstrip()


def _look(environment: Mapping[str, str]) -> str:
    run_dir = Path(environment.get("SHARDWARM_RUN_DIR") or "/run/shardwarm")
    assignment_dir = Path(environment.get("SHARDWARM_ASSIGNMENT_DIR") or "/etc/shardwarm/assignment")
    limit = _AGE_INTERVALS * float(environment.get("SHARDWARM_TOUCH_SECONDS") or 60)
    try:
        path = run_dir / "report.json"
        # The age comes from the file's time, not from the text: this node's kernel sets both clocks.
        age = time.time() - path.stat().st_mtime
        report = json.loads(path.read_bytes())
        assignment = json.loads((assignment_dir / "assignment.json").read_bytes())
        return verdict(report, assignment, environment.get("NODE_NAME", ""), age, limit)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"no usable report: {type(error).__name__}: {error}"


def main() -> int:
    """Print the reason if the node is not ready; returns the exit status."""
    reason = _look(os.environ)  # noqa: TID251 - pydantic's settings would cost the probe a quarter of a second
    if reason:
        print(reason)  # noqa: T201 - kubelet shows it in the pod's events
    return 1 if reason else 0


if __name__ == "__main__":
    sys.exit(main())
