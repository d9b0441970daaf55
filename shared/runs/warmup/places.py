"""The clusters on which each database was warmed, from the state of the expiry entities."""

from collections import defaultdict
from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from shared.runs.warmup.expiry import Expiry, overdue


class WarmPlace(BaseModel):
    """A cluster on which a warmup left agents for a database that no release has removed since.

    It records what was done. `GET /api/monitor/aks/warmup-status` measures how warm the database is now. `overdue` says why the
    agents are still there although their time is over.
    """

    model_config = ConfigDict(frozen=True)

    resource_group: str
    cluster_name: str
    shard_count: int | None
    operation_id: str
    overdue: str | None


def places(states: Iterable[Expiry]) -> dict[tuple[str, str], tuple[WarmPlace, ...]]:
    """The clusters of each database, by account and name; states that older releases wrote without a warmup are left out."""
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
