"""The lease's table of transitions, cell by cell, and what holds for every history of requests."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from shared.runs import leases
from shared.runs.leases import TRANSITIONS, Acquire, Effect, HeldBy, Holding, Lease, NamedRun, RaiseEpoch, Renew, Reply, is_held

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TTL = 600.0
LATER = NOW + timedelta(seconds=TTL)
SOON = NOW + timedelta(seconds=60)

FREE = Lease(epoch=4)


def held_by(run, expires):
    since = NOW - timedelta(minutes=5)
    return Lease(epoch=4, holding=Holding(run=run, kind="shard", since=since, expires=expires))


LEASES = {
    "free": FREE,
    "mine": held_by("me", SOON),
    "mine, expired": held_by("me", NOW),
    "another's, alive": held_by("another", SOON),
    "another's, expired": held_by("another", NOW),
    "another's, dead": held_by("dead", SOON),
}


def acquire(lease, *, number=1):
    return leases.acquire(lease, Acquire(run="me", kind="shard", number=number, now=NOW, ttl_seconds=TTL, presumed_dead="dead"))


OPERATIONS = {
    "acquire": acquire,
    "renew": lambda lease: leases.renew(lease, Renew(run="me", now=NOW, ttl_seconds=TTL)),
    "raise_epoch": lambda lease: leases.raise_epoch(lease, RaiseEpoch(run="me", floor=9)),
    "cancel": lambda lease: leases.cancel(lease, NamedRun(run="me")),
    "release": lambda lease: leases.release(lease, NamedRun(run="me")),
}

TAKEN = Lease(epoch=5, holding=Holding(run="me", kind="shard", since=NOW, expires=LATER))


def changed(lease, **fields):
    return lease.model_copy(update={"holding": lease.holding.model_copy(update=fields)})


# What each operation leaves behind. "=" is the lease as it was; a refusal never changes anything.
TABLE = [
    ("acquire", "free", True, TAKEN),
    ("acquire", "mine", True, "="),
    ("acquire", "mine, expired", True, "="),
    ("acquire", "another's, alive", False, "="),
    ("acquire", "another's, expired", True, TAKEN),
    ("acquire", "another's, dead", True, TAKEN),
    ("renew", "free", False, "="),
    ("renew", "mine", True, changed(LEASES["mine"], expires=LATER)),
    ("renew", "mine, expired", True, changed(LEASES["mine"], expires=LATER)),
    ("renew", "another's, alive", False, "="),
    ("renew", "another's, expired", False, "="),
    ("renew", "another's, dead", False, "="),
    ("raise_epoch", "free", False, "="),
    ("raise_epoch", "mine", True, LEASES["mine"].model_copy(update={"epoch": 10})),
    ("raise_epoch", "mine, expired", True, LEASES["mine, expired"].model_copy(update={"epoch": 10})),
    ("raise_epoch", "another's, alive", False, "="),
    ("raise_epoch", "another's, expired", False, "="),
    ("raise_epoch", "another's, dead", False, "="),
    ("cancel", "free", False, "="),
    ("cancel", "mine", True, changed(LEASES["mine"], cancel_requested=True)),
    ("cancel", "mine, expired", True, changed(LEASES["mine, expired"], cancel_requested=True)),
    ("cancel", "another's, alive", False, "="),
    ("cancel", "another's, expired", False, "="),
    ("cancel", "another's, dead", False, "="),
    ("release", "free", False, "="),
    ("release", "mine", True, FREE),
    ("release", "mine, expired", True, FREE),
    ("release", "another's, alive", False, "="),
    ("release", "another's, expired", False, "="),
    ("release", "another's, dead", False, "="),
]


@pytest.mark.parametrize(("operation", "state", "granted", "after"), TABLE)
def test_every_cell_of_the_table(operation, state, granted, after):
    before = LEASES[state]

    reply = OPERATIONS[operation](before)

    assert reply == Reply(granted=granted, lease=before if after == "=" else after)


def test_the_table_has_every_cell():
    assert {(operation, state) for operation, state, *_ in TABLE} == {(one, state) for one in OPERATIONS for state in LEASES}
    assert len(TABLE) == len(OPERATIONS) * len(LEASES)


def test_the_code_consults_a_table_that_has_every_operation_and_every_holder():
    assert list(TRANSITIONS) == list(OPERATIONS)
    assert {operation: set(row) for operation, row in TRANSITIONS.items()} == {key: set(HeldBy) for key in OPERATIONS}
    assert {effect for row in TRANSITIONS.values() for effect in row.values()} == set(Effect)


def test_a_refusal_names_the_holder():
    reply = acquire(LEASES["another's, alive"])

    assert reply.lease.holding.run == "another"


def test_the_epoch_granted_is_never_below_the_runs_own_number():
    assert acquire(FREE, number=40).lease.epoch == 40
    assert acquire(FREE, number=2).lease.epoch == 5


def test_the_first_lease_has_the_first_epoch():
    assert acquire(Lease()).lease.epoch == 1


def test_renewing_never_shortens_the_time():
    long = held_by("me", NOW + timedelta(days=1))

    assert leases.renew(long, Renew(run="me", now=NOW, ttl_seconds=TTL)).lease == long


def test_an_epoch_above_the_floor_is_not_raised():
    assert leases.raise_epoch(LEASES["mine"], RaiseEpoch(run="me", floor=3)).lease.epoch == 4
    assert leases.raise_epoch(LEASES["mine"], RaiseEpoch(run="me", floor=4)).lease.epoch == 5


def test_a_request_to_cancel_survives_a_renewal_and_ends_with_its_holder():
    canceled = leases.cancel(LEASES["mine"], NamedRun(run="me"))
    renewed = leases.renew(canceled.lease, Renew(run="me", now=NOW, ttl_seconds=TTL))
    after = acquire(leases.release(renewed.lease, NamedRun(run="me")).lease)

    assert canceled.cancel_requested
    assert renewed.cancel_requested
    assert not after.cancel_requested


def test_a_dead_holder_is_passed_over_only_by_its_own_name():
    request = Acquire(run="me", kind="shard", number=1, now=NOW, ttl_seconds=TTL, presumed_dead="a third")

    assert not leases.acquire(LEASES["another's, alive"], request).granted


def test_a_lease_is_held_until_the_moment_it_expires():
    lease = held_by("me", SOON)

    assert is_held(lease, SOON - timedelta(microseconds=1))
    assert not is_held(lease, SOON)
    assert not is_held(FREE, NOW)


class LeaseHistory(RuleBasedStateMachine):
    """Runs that come, sleep, die, come back late, and ask for everything at any time; the clock only goes forward."""

    runs = st.sampled_from(["a", "b", "c", "d"])

    def __init__(self):
        super().__init__()
        self.now = NOW
        self.lease = Lease()
        self.highest = 0
        self.tenures = []  # (run, epoch at its beginning), one entry each time the lease changed hands

    def become(self, reply):
        before, self.lease = self.lease, reply.lease
        assert reply.granted or reply.lease == before
        assert self.lease.epoch >= before.epoch
        self.highest = max(self.highest, self.lease.epoch)

    @rule(run=runs, number=st.integers(1, 12), ttl=st.integers(1, 100), dead=st.none() | runs)
    def acquire(self, run, number, ttl, dead):
        before = self.lease
        highest = self.highest
        reply = leases.acquire(
            before, Acquire(run=run, kind="shard", number=number, now=self.now, ttl_seconds=ttl, presumed_dead=dead)
        )
        self.become(reply)
        held = before.holding
        changes_hands = reply.granted and (held is None or held.run != run)
        if changes_hands:
            assert held is None or not is_held(before, self.now) or held.run == dead
            assert self.lease.epoch > highest
            assert self.lease.epoch >= number
            assert not reply.cancel_requested
            self.tenures.append((run, self.lease.epoch))
        assert reply.granted == (held is None or held.run in {run, dead} or not is_held(before, self.now))

    @rule(run=runs, ttl=st.integers(1, 100))
    def renew(self, run, ttl):
        self.act_as(run, leases.renew(self.lease, Renew(run=run, now=self.now, ttl_seconds=ttl)))

    @rule(run=runs, floor=st.integers(0, 30))
    def raise_epoch(self, run, floor):
        before = self.lease
        self.act_as(run, leases.raise_epoch(before, RaiseEpoch(run=run, floor=floor)))
        assert self.lease == before or self.lease.epoch > floor

    @rule(run=runs)
    def cancel(self, run):
        self.act_as(run, leases.cancel(self.lease, NamedRun(run=run)))

    @rule(run=runs)
    def release(self, run):
        self.act_as(run, leases.release(self.lease, NamedRun(run=run)))

    @rule(seconds=st.integers(0, 150))
    def time_passes(self, seconds):
        self.now += timedelta(seconds=seconds)

    def act_as(self, run, reply):
        holder = self.lease.holding.run if self.lease.holding else None
        self.become(reply)
        assert reply.granted == (holder == run)
        assert self.lease.holding is None or self.lease.holding.run == holder

    @invariant()
    def only_the_last_to_whom_it_was_granted_may_hold_it(self):
        assert self.lease.holding is None or self.lease.holding.run == self.tenures[-1][0]

    @invariant()
    def the_epoch_outlives_every_holder(self):
        assert self.lease.epoch == self.highest

    @invariant()
    def no_number_is_used_twice(self):
        epochs = [epoch for _, epoch in self.tenures]
        assert epochs == sorted(set(epochs))


LeaseHistory.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_law_no_history_of_requests_gives_two_holders_or_lowers_an_epoch = LeaseHistory.TestCase
