"""Summary of a warm status, small enough to travel from the activity that reads it to the run that watches."""

from shared.errors import Code, Problem
from shared.runs.warmup.payloads import WarmReading
from shared.runs.warmup.progress import TROUBLED_FIRST, NodeProgress
from shared.runs.warmup.status import WarmStatus
from shared.sanitise import sanitised_line

_REASONS = 5
_SHARDS = 4
REASON_LENGTH = 156


def summarised(status: WarmStatus, run: str | None) -> WarmReading:
    """Summarise a status at a fixed size; with `run`, `bytes_moved` counts only what was moved for that run."""
    cold = sorted(((name, node) for name, node in status.nodes.items() if node.state != "warm"), key=_trouble)
    return WarmReading(
        status=status.status,
        nodes_ready=status.nodes_ready,
        nodes_total=status.total_jobs,
        nodes_failed=status.nodes_failed,
        nodes_stale=sum(node.state == "stale" for node in status.nodes.values()),
        files_done=status.files_done,
        files_total=status.files_total,
        bytes_done=status.bytes_done,
        bytes_total=status.bytes_total,
        bytes_moved=sum(node.bytes_moved for node in status.nodes.values() if run in {None, node.run}),
        resident_percent=status.resident_pct,
        covered=bool(status.shard_progress) and all(shard.nodes_warm for shard in status.shard_progress.values()),
        reasons=tuple(
            Problem(
                code=Code.WARMUP_FAILED,
                message=sanitised_line(f"{node.reason or node.phase} ({_shards(node)}): {node.message or ''}", REASON_LENGTH),
                target=name,
            )
            for name, node in cold[:_REASONS]
        ),
        trouble=sanitised_line(status.error, REASON_LENGTH) if status.error else None,
    )


def _trouble(item: tuple[str, NodeProgress]) -> tuple[int, bool, str]:
    """Sort troubled nodes first: of a hundred nodes that are not warm yet, one may be the cause of the delay."""
    name, node = item
    return TROUBLED_FIRST.index(node.state), node.reason is None, name


def _shards(node: NodeProgress) -> str:
    more = len(node.shards) - _SHARDS
    labels = ", ".join(node.shards[:_SHARDS]) + (f" and {more} more" if more > 0 else "")
    return f"shard {labels}" if len(node.shards) == 1 else f"shards {labels}"
