"""A warmup's decisions on the way: what is asked of a cluster, in what order, and what is left behind at each end."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.blastdb.alias import WHOLE_ALIAS
from shared.blastdb.statistics import Statistics
from shared.errors import Code, Problem
from shared.runs.ids import lease_key
from shared.runs.shard.outcome import warnings_of
from shared.runs.shard.payloads import Inspected
from shared.runs.warmup.expiry import Expiry, Rewarm
from shared.runs.warmup.payloads import Applied, Planned, WarmReading
from tests.orchestrators.nodes import CURRENT, LOADING, PLAN, WARM, Nodes, until

STALE = WarmReading(status="Stale", nodes_ready=1, nodes_total=2, nodes_stale=1)
FAILED = WarmReading(status="Failed", nodes_ready=1, nodes_total=2, nodes_failed=1)
APPLIED, NOTHING_CHANGED = Applied(changed=True, assigned=True), Applied()
OUTDATED = Inspected(inspection=CURRENT.inspection.model_copy(update={"current": False}))
TOTALS = Statistics(sequences=1, letters=1, source="njs", bytes_to_cache=1, bytes_total=1)
HOLDER = "shard-nt-47bd9f1d3b2a5c60-1"


@pytest.fixture(scope="module")
def nodes():
    with Nodes() as nodes:
        yield nodes


def refused(code):
    return Applied(problem=Problem(code=code, message="No."))


def canceling(nodes, request, reply):
    """An answer during which somebody asks the run to stop."""

    def answer(_):
        nodes.cancel(request)
        return reply

    return answer


def test_warmup_ends_warm_and_frees_its_lease(nodes):
    outcome, result = nodes.through(nodes.warmup("plain"))

    assert (outcome, result["changed"], result["nodes_marked"]) == ("warm", True, True)
    until(lambda: nodes.expiry("plain").run == "warm-plain-1")


@pytest.mark.parametrize(("statistics", "warnings"), [(None, 1), (TOTALS, 0)])
def test_result_says_why_searches_of_the_shards_are_not_exact(nodes, statistics, warnings):
    """A warmup of more than one execution; the second one does not look at the layouts."""
    db = f"inexact{warnings}"
    inspection = CURRENT.inspection.model_copy(update={"statistics": statistics, "alias_version": WHOLE_ALIAS})
    nodes.tell(db, inspect_database=[Inspected(inspection=inspection)], read_warmup=[LOADING] * 21 + [WARM])

    outcome, result = nodes.through(nodes.warmup(db))

    assert (outcome, nodes.called(db)["inspect_database"]) == ("warm", 1)
    assert tuple(result["warnings"]) == warnings_of(inspection)
    assert len(result["warnings"]) == warnings


# Nodes that are lost.


@pytest.mark.parametrize("replicas", [None, 2])
def test_lost_shards_are_assigned_by_what_was_asked_for_and_not_by_the_plan(nodes, replicas):
    db = f"asked{replicas}"
    nodes.tell(db, read_warmup=[LOADING, LOADING, STALE, WARM])

    assert nodes.through(nodes.warmup(db, replicas=replicas))[0] == "warm"

    assert [asked.get("replicas") for asked in nodes.asked(db, "apply_warmup")] == [replicas, replicas]


def test_memory_that_agents_ask_for_is_not_lowered_while_the_run_lasts(nodes):
    more = APPLIED.model_copy(update={"node_bytes": PLAN.node_bytes * 2})
    nodes.tell("memory", apply_warmup=[APPLIED, more], read_warmup=[LOADING, STALE, STALE, WARM])

    assert nodes.through(nodes.warmup("memory"))[0] == "warm"

    assert [asked["plan"]["node_bytes"] for asked in nodes.asked("memory", "apply_warmup")] == [100, 100, 200]


def test_lost_node_is_replaced_although_another_one_fails(nodes):
    both = FAILED.model_copy(update={"nodes_ready": 0, "nodes_stale": 1})
    covered = FAILED.model_copy(update={"covered": True})
    nodes.tell("both", read_warmup=[LOADING, both, covered])

    assert nodes.through(nodes.warmup("both", strict=False))[0] == "warm"

    assert nodes.called("both")["apply_warmup"] == 2


@pytest.mark.parametrize("code", [Code.NO_READY_NODES, Code.TOO_FEW_NODES, Code.CLUSTER_TOO_SMALL])
def test_nodes_that_are_too_few_for_a_while_are_waited_for(nodes, code):
    nodes.tell(code, apply_warmup=[APPLIED, *[refused(code)] * 6, APPLIED], read_warmup=[LOADING, *[STALE] * 7, WARM])

    assert nodes.through(nodes.warmup(code))[0] == "warm"

    assert nodes.called(code)["apply_warmup"] == 8


def test_nodes_that_do_not_come_back_end_the_warmup_at_its_deadline(nodes):
    nodes.tell("gone", apply_warmup=[APPLIED, refused(Code.TOO_FEW_NODES)], read_warmup=[STALE])

    assert nodes.through(nodes.warmup("gone", deadline_seconds=0.3))[0] == "WarmupTimedOut"


def test_node_that_only_would_take_shards_a_second_time_is_not_waited_for_if_asked(nodes):
    covered = STALE.model_copy(update={"covered": True})
    nodes.tell("enough", apply_warmup=[APPLIED, refused(Code.TOO_FEW_NODES)], read_warmup=[covered])

    assert nodes.through(nodes.warmup("enough", strict=False))[0] == "warm"

    assert nodes.called("enough")["apply_warmup"] == 5


def test_api_server_that_refuses_for_a_while_is_asked_again(nodes):
    nodes.tell(
        "starting", apply_warmup=[APPLIED, *[refused(Code.CLUSTER_REFUSED)] * 3, APPLIED], read_warmup=[*[STALE] * 5, WARM]
    )

    assert nodes.through(nodes.warmup("starting"))[0] == "warm"


def test_api_server_that_goes_on_refusing_ends_the_warmup(nodes):
    nodes.tell("closed", apply_warmup=[APPLIED, refused(Code.CLUSTER_REFUSED)], read_warmup=[STALE])

    assert nodes.through(nodes.warmup("closed"))[0] == "ClusterRefused"

    assert nodes.called("closed")["apply_warmup"] == 5


# Canceling.


def test_cancel_takes_away_what_the_run_has_changed(nodes):
    request = nodes.warmup("taken")
    nodes.note("taken", "set", Expiry(run="earlier"))
    nodes.tell("taken", read_warmup=[LOADING, canceling(nodes, request, LOADING)])

    assert nodes.through(request)[0] == "canceled"

    assert nodes.called("taken")["remove_warmup"] == 1
    until(lambda: nodes.expiry("taken") is None)


def test_cancel_leaves_what_an_earlier_warmup_made_and_this_one_did_not_change(nodes):
    request = nodes.warmup("kept")
    nodes.note("kept", "set", Expiry(run="earlier"))
    nodes.tell("kept", apply_warmup=[NOTHING_CHANGED], read_warmup=[LOADING, canceling(nodes, request, LOADING)])

    assert nodes.through(request)[0] == "canceled"

    assert nodes.called("kept")["remove_warmup"] == 0
    assert nodes.expiry("kept").run == "earlier"


def test_cancel_before_anything_was_applied_takes_nothing_away(nodes):
    request = nodes.warmup("early")
    nodes.tell("early", plan_warmup=[canceling(nodes, request, Planned(plan=PLAN))], apply_warmup=[APPLIED])

    assert nodes.through(request)[0] == "canceled"

    assert (nodes.called("early")["apply_warmup"], nodes.called("early")["remove_warmup"]) == (0, 0)


def test_cancel_after_shards_were_assigned_anew_takes_away_what_the_first_look_had_found(nodes):
    request = nodes.warmup("anew")
    nodes.tell("anew", apply_warmup=[NOTHING_CHANGED, APPLIED], read_warmup=[LOADING, STALE, canceling(nodes, request, LOADING)])

    assert nodes.through(request)[0] == "canceled"

    assert nodes.called("anew")["remove_warmup"] == 1


# Releasing.


def test_release_goes_to_its_end_once_the_agents_were_told(nodes):
    request = nodes.warmup("late")
    nodes.tell("late", evict_warmup=[canceling(nodes, request, APPLIED)], read_warmup=[WarmReading(status="Absent")])

    assert nodes.through(request, "release_warmup")[0] == "released"

    assert nodes.called("late")["remove_warmup"] == 1


def test_release_that_was_canceled_before_the_agents_were_told_does_nothing(nodes):
    request = nodes.warmup("spared")
    nodes.hold(request.claim.key, request.run)
    nodes.note_cancel(request)
    until(lambda: nodes.lease(request.claim.key).holding.cancel_requested)

    assert nodes.through(request, "release_warmup")[0] == "canceled"

    assert not nodes.called("spared")


def test_release_that_meets_what_nobody_expected_frees_the_lease_and_tells_the_expiry(nodes):
    nodes.note("odd", "set", Expiry(run="earlier", releases=1))
    nodes.tell("odd", read_warmup=[Problem(code=Code.INTERNAL_ERROR, message="This is no reading.")])

    assert nodes.through(nodes.warmup("odd"), "release_warmup")[0] == "InternalError"

    until(lambda: nodes.expiry("odd").unreleased)


# Failing.


def test_failed_warmup_that_leaves_its_agents_is_released_when_its_time_is_over(nodes):
    nodes.tell("left", read_warmup=[LOADING, *[FAILED] * 4, WarmReading(status="Absent")])
    request = nodes.warmup("left", ttl_seconds=0.5)

    assert nodes.through(request)[0] == "WarmupFailed"

    assert nodes.ended(f"{request.run}-ttl")[0] == "released"
    until(lambda: nodes.expiry("left") is None)


def test_failed_warmup_that_has_changed_nothing_leaves_the_end_that_there_was(nodes):
    nodes.note("before", "set", Expiry(run="earlier"))
    nodes.tell("before", apply_warmup=[NOTHING_CHANGED], read_warmup=[FAILED])

    assert nodes.through(nodes.warmup("before", ttl_seconds=60))[0] == "WarmupFailed"

    assert nodes.expiry("before").run == "earlier"


def test_warmup_that_a_pass_had_started_and_that_fails_neither_moves_the_end_nor_shortens_the_pauses(nodes):
    asked = nodes.warmup("again", ttl_seconds=3600)
    nodes.note("again", "set", Expiry(run=asked.run, warm=asked))
    nodes.tell("again", read_warmup=[FAILED])
    nodes.note("again", "rewarm", Rewarm(run="again-1", seen=asked.run, now=datetime.now(UTC)))
    until(lambda: nodes.called("again")["read_warmup"])

    assert nodes.ended("again-1")[0] == "WarmupFailed"

    kept = nodes.expiry("again")
    assert (kept.run, kept.tries, kept.again) == (asked.run, 1, "again-1")
    assert kept.not_before > datetime.now(UTC) + timedelta(minutes=19)


def test_warmup_that_a_pass_had_started_is_released_when_the_first_ones_time_is_over(nodes):
    asked, due = nodes.warmup("timed", ttl_seconds=3600, release_again_seconds=0.2), datetime.now(UTC) + timedelta(seconds=2)
    nodes.tell("timed", read_warmup=[WARM, WARM, WARM, WarmReading(status="Absent")])
    nodes.note("timed", "set", Expiry(run=asked.run, warm=asked, due=due))
    nodes.note("timed", "rewarm", Rewarm(run="timed-1", seen=asked.run, now=datetime.now(UTC)))
    until(lambda: nodes.called("timed")["read_warmup"])

    assert nodes.ended("timed-1")[0] == "warm"

    until(lambda: nodes.called("timed")["evict_warmup"])
    assert datetime.now(UTC) >= due
    until(lambda: nodes.expiry("timed") is None)


def test_warmup_that_ends_after_the_first_ones_time_is_released_soon(nodes):
    nodes.tell("belated", read_warmup=[WARM, WARM, WarmReading(status="Absent")])
    # The first release may find the lease held by the warmup that is just ending.
    limits = {"ttl_seconds": 3600, "release_at": datetime.now(UTC) - timedelta(hours=1), "release_again_seconds": 0.2}
    request = nodes.warmup("belated", **limits)

    assert nodes.ended(nodes.start(request))[0] == "warm"

    until(lambda: nodes.called("belated")["remove_warmup"])
    until(lambda: nodes.expiry("belated") is None)


def test_warmup_notes_the_end_of_its_time(nodes):
    before = datetime.now(UTC)

    nodes.through(nodes.warmup("noted", ttl_seconds=3600))

    until(lambda: nodes.expiry("noted"))
    assert timedelta(hours=1) <= nodes.expiry("noted").due - before
    assert nodes.expiry("noted").warm.release_at is None


# Waiting for whoever holds the database.


def test_held_database_is_waited_for_with_a_short_history(nodes):
    nodes.hold(lease_key("acct", "busy"), HOLDER)
    nodes.tell("busy", inspect_database=[*[OUTDATED] * 70, CURRENT])
    request = nodes.warmup("busy")

    outcome, _ = nodes.through(request)

    assert outcome == "warm"
    assert nodes.called("busy")["inspect_database"] == 71
    assert nodes.events(request.run) < 300


def test_warmup_that_waited_in_vain_names_who_holds_the_database(nodes):
    nodes.hold(lease_key("acct", "taken-over"), HOLDER)
    nodes.tell("taken-over", inspect_database=[OUTDATED])

    code, error = nodes.through(nodes.warmup("taken-over", deadline_seconds=0.5))

    assert code == "LeaseHeld"
    assert HOLDER in error["message"]
    assert "cancel it" in error["message"]


def test_warmup_that_waits_can_be_canceled_in_any_round(nodes):
    nodes.hold(lease_key("acct", "endless"), HOLDER)
    request = nodes.warmup("endless")
    nodes.tell("endless", inspect_database=[*[OUTDATED] * 30, canceling(nodes, request, OUTDATED), OUTDATED])

    assert nodes.through(request)[0] == "canceled"

    assert nodes.called("endless")["remove_warmup"] == 0
