"""When a mark in the metadata was left behind by something that crashed: the replaced system's rules for its own, and ours.

After half an hour (sharding) or two hours (copies), or with a time that cannot be read, whoever set a mark has crashed. For the
marks of this app the engine knows better than any clock; these limits then only bound what it has forgotten.
"""

from datetime import UTC, datetime, timedelta

from shared.runs.database.metadata import ShardFields

READY_PHASES = frozenset({"", "completed"})
"""Copy phases of a whole database; none is recorded where nothing was copied. A phase of tomorrow counts as unfinished."""
COPY_GIVEN_UP_AFTER = timedelta(hours=2)
SHARDING_GIVEN_UP_AFTER = timedelta(minutes=30)


def is_longer_ago(limit: timedelta, started: object, now: datetime) -> bool:
    """Whether a time that somebody wrote is longer ago than that; one that cannot be read is."""
    try:
        moment = datetime.fromisoformat(str(started))
    except ValueError:
        return True
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return now - moment > limit


def is_sharding_given_up(known: ShardFields, now: datetime) -> bool:
    """Whether whoever said that it is sharding has been silent for too long."""
    return known.sharding_in_progress and is_longer_ago(SHARDING_GIVEN_UP_AFTER, known.sharding_started_at, now)


def is_copy_given_up(known: ShardFields, now: datetime) -> bool:
    """Whether whoever said that it is copying has been silent for too long.

    Not so, however long that is, once a promotion has begun: two generations lie in the folder until prepare-db has finished it.
    """
    is_promoting = known.promoting_source_version is not None
    return known.update_in_progress and not is_promoting and is_longer_ago(COPY_GIVEN_UP_AFTER, known.update_started_at, now)
