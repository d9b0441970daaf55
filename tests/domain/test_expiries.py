"""When a warm database is released, and when its warmup is started again."""

from datetime import UTC, datetime, timedelta

from shared.errors import Code, Problem
from shared.runs.shard.payloads import ShardRun
from shared.runs.warmup.clusters import ClusterRef
from shared.runs.warmup.expiry import Expire, Expiry, Rewarm, Unreleased, expire, left, overdue, rewarm, unreleased
from shared.runs.warmup.payloads import WarmRun

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLUSTER = ClusterRef(subscription_id="s", resource_group="r", name="c")
SHARD = ShardRun(run="x", number=1, account="acct", db="nt", presets=(1,))
WARM = WarmRun(run="warm-nt-1", number=1, cluster=CLUSTER, shard=SHARD, shard_count=3, presumed_dead="another", ttl_seconds=60)
STATE = Expiry(run="warm-nt-1", warm=WARM)
END = Expire(run="warm-nt-1", release=WARM.model_copy(update={"run": "warm-nt-1-ttl", "release_again_seconds": 60.0}), due=NOW)
AWAY = Unreleased(problem=Problem(code=Code.CLUSTER_UNAVAILABLE, message="No answer."))


def releases(number):
    """The state, and what follows, after so many releases that did not help."""
    state, request, due = STATE, END, None
    for _ in range(number):
        due = expire(state, request)
        assert due is not None
        state, request = due.state, due.following
    return due


def test_release_is_started_at_the_end_and_what_was_asked_for_is_kept_until_it_helped():
    due = expire(STATE, END)

    assert due.release == END.release
    assert (due.state.run, due.state.warm, due.state.releases) == ("warm-nt-1", WARM, 1)


def test_release_that_did_not_help_is_followed_by_others_under_other_ids():
    assert [releases(number).release.run for number in (1, 2, 3)] == ["warm-nt-1-ttl", "warm-nt-1-ttl-2", "warm-nt-1-ttl-3"]
    assert releases(3).release == END.release.model_copy(update={"run": "warm-nt-1-ttl-3"})


def test_pauses_between_releases_double_and_stay_bounded():
    pauses = [releases(1).following.due - NOW] + [
        releases(number + 1).following.due - releases(number).following.due for number in range(1, 8)
    ]

    assert [pause / timedelta(minutes=1) for pause in pauses] == [1, 2, 4, 8, 16, 16, 16, 16]


def test_end_that_an_earlier_release_noted_leads_to_one_release():
    due = expire(STATE, END.model_copy(update={"due": None}))

    assert (due.release, due.following.due) == (END.release, None)


def test_end_that_was_seen_to_leads_to_nothing_when_it_comes_again():
    first = expire(STATE, END)
    assert expire(first.state, END) is None
    second = expire(first.state, first.following)
    assert expire(second.state, first.following) is None


def test_nothing_is_released_that_was_released_or_warmed_since():
    first = expire(STATE, END)
    for state in (None, Expiry(run="warm-nt-2", warm=WARM)):
        for request in (END, first.following):
            assert expire(state, request) is None


def test_why_a_database_outlives_its_time_is_kept_and_told_but_of_no_other_release():
    late = releases(2).state

    assert unreleased(late, AWAY).unreleased == AWAY.problem
    message = "its time is over; releases started: 2; the last failed: ClusterUnavailable: No answer."
    assert overdue(unreleased(late, AWAY)) == message
    assert "none has said why" in overdue(late)
    assert (unreleased(STATE, AWAY), unreleased(None, AWAY), overdue(STATE)) == (STATE, None, None)


def test_database_whose_time_is_over_is_not_warmed_again():
    late = releases(1).state

    assert rewarm(late, asked()) == (None, late)


def test_warmup_that_failed_and_left_its_agents_is_the_latest_whatever_was_kept():
    failed = Expiry(run="warm-nt-2", warm=WARM)

    for state in (None, STATE, releases(2).state, STATE.model_copy(update={"tries": 3, "again": "another"})):
        assert left(state, failed) == failed


def test_warmup_that_was_started_again_and_failed_leaves_end_and_pauses_as_they_are():
    _, state = rewarm(STATE, asked())

    assert left(state, Expiry(run="again", warm=WARM)) == state
    assert expire(state, END) is not None


def asked(now=NOW, seen="warm-nt-1"):
    return Rewarm(run="again", seen=seen, now=now)


def test_the_same_warmup_is_started_under_another_id():
    again, state = rewarm(STATE, asked())

    assert again == WARM.model_copy(update={"run": "again", "presumed_dead": None})
    assert (state.run, state.warm, state.tries, state.again) == ("warm-nt-1", WARM, 1, "again")


def test_warmup_that_is_started_again_keeps_the_end_of_the_first_ones_time():
    limited = STATE.model_copy(update={"due": NOW + timedelta(seconds=60)})

    again, state = rewarm(limited, asked())

    assert (again.release_at, again.ttl_seconds) == (NOW + timedelta(seconds=60), 60)
    assert state.due == limited.due
    assert rewarm(limited, asked(NOW + timedelta(seconds=60))) == (None, limited)
    assert rewarm(STATE, asked())[0].release_at is None


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
