"""Where databases were made warm, by what is kept of each."""

from collections import defaultdict
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from shared.runs.warmup.expiry import Expiry, overdue


class WarmPlace(BaseModel):
    """A cluster on which an operation has left agents for a database, warm if it succeeded, and that were not removed since.

    That is what was done; how warm it is now is measured, by `GET /api/monitor/aks/warmup-status`. `overdue` says why it still is
    there although its time is over.
    """

    model_config = ConfigDict(frozen=True)

    resource_group: str
    cluster_name: str
    shard_count: int | None
    operation_id: str
    overdue: str | None


def places(states: Iterable[Expiry]) -> dict[tuple[str, str], tuple[WarmPlace, ...]]:
    """Where each database was made warm, by account and name; without those of old releases of this app, which do not tell."""
    found: defaultdict[tuple[str, str], list[WarmPlace]] = defaultdict(list)
    for state in states:
        if (warm := state.warm) is not None:
            place = WarmPlace(
                resource_group=warm.cluster.resource_group,
                cluster_name=warm.cluster.name,
                shard_count=warm.shard_count,
                operation_id=state.run,
                overdue=overdue(state),
            )
            found[warm.account, warm.db].append(place)
    return {key: tuple(sorted(several, key=lambda place: place.operation_id)) for key, several in found.items()}
