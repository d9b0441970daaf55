"""The database, cluster and moments of the kept payloads. Releases have written them, so they never change."""

from datetime import UTC, datetime

from shared.runs.shard.payloads import ShardRun
from shared.runs.warmup.clusters import ClusterRef

WHERE = {"account": "elbstg01", "db": "core_nt"}
MOMENT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
UNKNOWN_TOTALS = ("The totals of 'core_nt' are unknown.",)
DEADLINE = datetime(2026, 3, 1, 12, 27, 0, 123456, tzinfo=UTC)
CLUSTER = ClusterRef(subscription_id="12345678-1234-1234-1234-123456789012", resource_group="rg-elb", name="aks-elb")


def child_of(run: str, number: int = 1) -> ShardRun:
    """The input of the shard run in that run."""
    return ShardRun(run=run, number=number, **WHERE, presets=(1, 10))
