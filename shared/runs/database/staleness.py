"""Time limits after which an in-progress mark in the metadata counts as left behind by a crash.

A mark is stale after half an hour (sharding) or two hours (copies), or when its time cannot be read; the replaced system has the
same limits for its own marks. For this app's marks the engine knows whether the run lives; the limits then only matter for runs
that the engine has purged.
"""

from datetime import UTC, datetime, timedelta

from shared.runs.database.metadata import ShardFields

READY_PHASES = frozenset({"", "completed"})
"""Copy phases of a complete database; the empty one is of a database that nothing copied. Unknown phases are unfinished."""
COPY_GIVEN_UP_AFTER = timedelta(hours=2)
SHARDING_GIVEN_UP_AFTER = timedelta(minutes=30)


def is_longer_ago(limit: timedelta, started: object, now: datetime) -> bool:
    """Whether a recorded time is longer ago than the limit; true for a time that cannot be read."""
    try:
        moment = datetime.fromisoformat(str(started))
    except ValueError:
        return True
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return now - moment > limit


def is_sharding_given_up(known: ShardFields, now: datetime) -> bool:
    """Whether the mark of a sharding is too old to be believed."""
    return known.sharding_in_progress and is_longer_ago(SHARDING_GIVEN_UP_AFTER, known.sharding_started_at, now)


def is_copy_given_up(known: ShardFields, now: datetime) -> bool:
    """Whether the mark of a copy is too old to be believed.

    Never once a promotion has begun, however old it is: the folder holds two generations until prepare-db finishes the promotion.
    """
    is_promoting = known.promoting_source_version is not None
    return known.update_in_progress and not is_promoting and is_longer_ago(COPY_GIVEN_UP_AFTER, known.update_started_at, now)
