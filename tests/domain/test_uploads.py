"""The upload entity's table: one settle at a time, nothing that is news is lost, and what is remembered stays small."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runs.shard.payloads import ShardRun
from shared.runs.upload.payloads import SettleRun
from shared.runs.upload.table import TRANSITIONS, Settle, UploadEffect
from shared.runs.upload.transitions import (
    REMEMBERED_BLOBS,
    Arrive,
    End,
    LastEvent,
    Revive,
    SettleLook,
    Tidy,
    UploadState,
    arrive,
    end,
    look,
    revive,
    tidy,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SETTLE = SettleRun(run="", shard=ShardRun(run="", number=1, account="elbstg01", db="nt", presets=(1, 2), lease_seconds=100.0))
ALIVE = timedelta(seconds=SETTLE.alive_seconds)


def arrival(leaf="nt.00.nsq", etag="e1", sequencer="01", after=0.0):
    mark = LastEvent(leaf=leaf, etag=etag, sequencer=sequencer)
    return Arrive(mark=mark, received=NOW + timedelta(seconds=after), settle=SETTLE)


def looking(run, after=0.0):
    return SettleLook(run=run, now=NOW + timedelta(seconds=after), alive_seconds=SETTLE.alive_seconds)


def begun():
    state, settle = arrive(UploadState(), arrival())
    assert settle is not None
    return state, settle


def test_the_table_has_every_operation_and_every_settle():
    assert {operation.split()[0] for operation in TRANSITIONS} == {"arrive", "look", "end", "revive", "tidy"}
    assert {operation: set(row) for operation, row in TRANSITIONS.items()} == {key: set(Settle) for key in TRANSITIONS}
    assert {effect for row in TRANSITIONS.values() for effect in row.values()} == set(UploadEffect)


def test_first_event_starts_a_settle_of_its_own_id_that_steers_as_the_event_says():
    state, settle = begun()

    assert settle.run.startswith("settle-nt-")
    assert settle.run.endswith("-1")
    assert settle == SETTLE.model_copy(update={"run": settle.run})
    assert (state.run, state.version, state.last_arrival) == (settle.run, 1, NOW)


def test_later_event_is_noted_and_starts_nothing():
    state, _ = begun()
    state, settle = arrive(state, arrival("nt.01.nsq", after=5))

    assert settle is None
    assert (state.version, state.last_arrival) == (2, NOW + timedelta(seconds=5))


def test_event_that_arrives_with_an_older_time_does_not_turn_the_clock_back():
    state, _ = arrive(begun()[0], arrival("nt.01.nsq", after=-5))

    assert (state.version, state.last_arrival) == (2, NOW)


def test_doubled_event_is_counted_and_no_news():
    state, settle = arrive(begun()[0], arrival(after=5))

    assert settle is None
    assert (state.version, state.last_arrival, state.known) == (1, NOW, 1)


def test_event_that_its_blobs_later_one_has_overtaken_is_no_news():
    state, _ = arrive(begun()[0], arrival(etag="e0", sequencer="00", after=5))

    assert (state.version, state.last_arrival, state.overtaken) == (1, NOW, 1)


@pytest.mark.parametrize(("etag", "sequencer"), [("e2", "02"), ("e2", None), (None, None), ("e1", "1"), ("e2", "01")])
def test_event_that_may_be_news_is_news(etag, sequencer):
    state, _ = arrive(begun()[0], arrival(etag=etag, sequencer=sequencer))

    assert state.version == 2


def test_event_without_any_mark_is_never_taken_for_a_doubled_one():
    state, _ = arrive(UploadState(), arrival(etag=None, sequencer=None))
    state, _ = arrive(state, arrival(etag=None, sequencer=None))

    assert state.version == 2


def test_settle_is_told_what_arrived_and_another_is_refused():
    state, settle = begun()
    state, answer = look(state, looking(settle.run, after=30))

    assert (answer.granted, answer.version, answer.last_arrival) == (True, 1, NOW)
    assert state.alive_until == NOW + timedelta(seconds=30) + ALIVE
    assert look(state, looking("settle-other"))[1].granted is False
    assert look(state, looking("settle-other"))[0] == state


def test_settle_ends_only_if_it_has_seen_everything():
    state, settle = begun()
    state, _ = arrive(state, arrival("nt.01.nsq"))
    same, refused = end(state, End(run=settle.run, version=1))
    ended, granted = end(state, End(run=settle.run, version=2))

    assert (refused.granted, same) == (False, state)
    assert (granted.granted, ended.run) == (True, None)
    assert end(state, End(run=settle.run))[1].granted
    assert not end(state, End(run="settle-other", version=2))[1].granted


def test_next_event_after_the_end_starts_the_next_settle():
    state, settle = begun()
    state, _ = end(state, End(run=settle.run, version=1))
    state, known = arrive(state, arrival())
    state, following = arrive(state, arrival("nt.01.nsq"))

    assert known is None
    assert following is not None
    assert following.run == settle.run[:-1] + "2"


def test_settle_that_is_silent_for_too_long_is_replaced_by_the_next_event():
    state, settle = begun()
    in_time, none = arrive(state, arrival("nt.01.nsq", after=ALIVE.total_seconds() - 1))
    late, following = arrive(state, arrival("nt.01.nsq", after=ALIVE.total_seconds()))

    assert none is None
    assert in_time.run == settle.run
    assert following is not None
    assert late.run == following.run != settle.run
    assert not look(late, looking(settle.run))[1].granted


def test_dead_settle_is_revived_under_another_id_and_a_living_one_is_not():
    state, settle = begun()
    dead = Revive(presumed_dead=settle.run, now=NOW, settle=SETTLE)
    revived, following = revive(state, dead)

    assert following is not None
    assert revived.run == following.run != settle.run
    assert revive(revived, dead) == (revived, None)
    assert revive(UploadState(), dead) == (UploadState(), None)


def test_state_keeps_its_meaning_and_stays_small_whatever_arrives():
    state = UploadState()
    for number in range(1000):
        state, _ = arrive(state, arrival(f"nt.{number:03d}.nsq", etag=f"0x8DE{number:012X}", sequencer=f"{number:032X}"))
    text = state.model_dump_json(exclude_defaults=True)

    assert UploadState.model_validate_json(text) == state
    assert len(state.recent) == REMEMBERED_BLOBS
    assert len(text) < 20_000
    assert state.version == 1000


leaves = st.sampled_from([f"nt.{number:02d}.nsq" for number in range(4)])
writes = st.lists(leaves, min_size=1, max_size=12)


@given(writes, st.data())
def test_doubled_and_reordered_deliveries_leave_each_blobs_last_event_and_start_one_settle(blobs, data):
    events = [arrival(leaf, etag=f"e{number}", sequencer=f"{number:04d}") for number, leaf in enumerate(blobs)]
    delivered = data.draw(st.permutations([*events, *data.draw(st.lists(st.sampled_from(events), max_size=6))]))
    state, settles = UploadState(), []
    for one in delivered:
        state, settle = arrive(state, one)
        settles += [settle] if settle else []

    assert len(settles) == 1
    last = {leaf: f"e{number}" for number, leaf in enumerate(blobs)}
    assert {mark.leaf: mark.etag for mark in state.recent} == last
    assert state.version + state.known + state.overtaken == len(delivered)
    assert len(last) <= state.version <= len(events)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("arrive"), leaves),
        st.tuples(st.just("look"), st.just("")),
        st.tuples(st.just("end"), st.sampled_from(["seen", "any"])),
        st.tuples(st.just("die"), st.just("")),
        st.tuples(st.just("wait"), st.just("")),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_happens_one_settle_holds_and_news_is_seen_or_still_waited_for(steps):
    state, seen, number, clock = UploadState(), 0, 0, 0.0
    started = []
    for step, what in steps:
        if step == "arrive":
            number += 1
            state, settle = arrive(state, arrival(what, etag=f"e{number}", sequencer=f"{number:04d}", after=clock))
        elif step == "die":
            settle_run = state.run or "nobody"
            moment = NOW + timedelta(seconds=clock)
            state, settle = revive(state, Revive(presumed_dead=settle_run, now=moment, settle=SETTLE))
        elif step == "wait":
            clock, settle = clock + 50, None
        elif step == "look":
            state, answer = look(state, looking(state.run or "nobody", after=clock))
            seen, settle = (answer.version if answer.granted else seen), None
        else:
            state, answer = end(state, End(run=state.run or "nobody", version=seen if what == "seen" else None))
            settle = None
            if answer.granted and what == "seen":
                assert seen == state.version
        started += [settle.run] if settle else []
        # The state is what is stored between two operations.
        state = UploadState.model_validate(json.loads(state.model_dump_json(exclude_defaults=True)))

        assert state.version == number
        assert state.run is None or state.run == started[-1]
        assert len(set(started)) == len(started)


def tidying(after):
    return Tidy(now=NOW + timedelta(seconds=after), idle_seconds=100, retention_seconds=1000)


def settled():
    state, settle = begun()
    state, answer = end(state, End(run=settle.run, version=1))
    assert answer.granted
    return state


def test_upload_that_is_idle_forgets_its_events_first_and_the_rest_once_its_settles_are_forgotten():
    state = settled()

    assert tidy(state, tidying(99)) == state
    compact = tidy(state, tidying(100))
    assert compact == state.model_copy(update={"recent": ()})
    assert tidy(compact, tidying(1099)) == compact
    assert tidy(compact, tidying(1100)) is None
    assert tidy(UploadState(), tidying(0)) is None


def test_upload_with_a_settle_keeps_everything_however_long_that_is_silent():
    state, _ = begun()

    assert tidy(state, tidying(10**9)) == state


def test_upload_that_forgot_its_events_takes_one_that_comes_again_for_news_but_gives_no_number_twice():
    state, settle = arrive(tidy(settled(), tidying(100)), arrival(after=100))

    assert (settle.run.rpartition("-")[2], state.number, state.version) == ("2", 2, 2)


def test_retention_counts_from_the_last_settle_too():
    state, settle = begun()
    state, again = revive(state, Revive(presumed_dead=settle.run, now=NOW + timedelta(seconds=900), settle=SETTLE))
    state, _ = end(state, End(run=again.run, version=1))

    assert tidy(state, tidying(1100)) is not None
    assert tidy(state, tidying(2000)) is None
