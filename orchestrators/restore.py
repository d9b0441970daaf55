"""Putting a previous layout back: the steps of a shard run, towards texts that metadata has kept."""

from typing import Any

from orchestrators.shard import shard
from orchestrators.steps import Context, Steps


def restore(ctx: Context, payload: Any) -> Steps[dict[str, Any]]:
    """Put the layout of an earlier generation back; the input is a `ShardRun` that names it, the output a `ShardResult`.

    An orchestration of its own name, so that people see what it does. Refused when the volumes are not those of the layout.
    """
    return (yield from shard(ctx, payload))
