"""When the warmup of a warm database is started again, and when not."""

from datetime import UTC, datetime, timedelta

from shared.runs.clusters import ClusterRef
from shared.runs.expiries import rewarm
from shared.runs.shard import ShardRun
from shared.runs.warmup import Expiry, Rewarm, WarmRun

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER = ClusterRef(subscription_id="s", resource_group="r", name="c")
SHARD = ShardRun(run="x", number=1, account="acct", db="nt", presets=(1,))
WARM = WarmRun(run="warm-nt-1", number=1, cluster=CLUSTER, shard=SHARD, shard_count=3, presumed_dead="another", ttl_seconds=60)
STATE = Expiry(run="warm-nt-1", warm=WARM)


def asked(now=NOW, seen="warm-nt-1"):
    return Rewarm(run="again", seen=seen, now=now)


def test_the_same_warmup_is_started_under_another_id():
    again, state = rewarm(STATE, asked())

    assert again == WARM.model_copy(update={"run": "again", "presumed_dead": None})
    assert (state.run, state.warm, state.tries) == ("warm-nt-1", WARM, 1)


def test_nothing_is_started_for_what_was_released_or_warmed_since_or_never_kept():
    for state in (None, Expiry(run="warm-nt-1"), Expiry(run="warm-nt-2", warm=WARM)):
        assert rewarm(state, asked()) == (None, state)


def test_pauses_double_while_it_does_not_help_and_stay_bounded():
    state, now, pauses = STATE, NOW, []
    for _ in range(8):
        again, state = rewarm(state, asked(now))
        assert again is not None
        pauses.append(state.not_before - now)
        assert rewarm(state, asked(state.not_before - timedelta(seconds=1))) == (None, state)
        now = state.not_before

    assert [pause / timedelta(minutes=20) for pause in pauses] == [1, 2, 4, 8, 16, 32, 32, 32]
