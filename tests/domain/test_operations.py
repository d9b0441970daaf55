"""The public view of a run: a status for every state of the engine, an error exactly when there is one."""

from datetime import UTC, datetime
from typing import get_args

import pytest
from durabletask.client import OrchestrationStatus
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Code, Problem
from shared.runs.operations import ENDED, Operation, Progress, RunState, Status, operation_of

CREATED = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
UPDATED = datetime(2026, 3, 1, 12, 1, tzinfo=UTC)
STATUS_BY_ENGINE_STATUS = {
    "PENDING": "NotStarted",
    "RUNNING": "Running",
    "CONTINUED_AS_NEW": "Running",
    "SUSPENDED": "Running",
    "COMPLETED": "Succeeded",
    "FAILED": "Failed",
    "TERMINATED": "Canceled",
}


def run_state(engine_status, **fields):
    known = {
        "run": "shard-core-nt-0123456789abcdef-7",
        "kind": "shard",
        "engine_status": engine_status,
        "created_at": CREATED,
        "last_updated_at": UPDATED,
        "input": {"account": "elbstg01", "db": "core_nt"},
    }
    return RunState(**(known | fields))


@pytest.mark.parametrize(("engine_status", "status"), STATUS_BY_ENGINE_STATUS.items())
def test_every_state_of_the_engine_has_a_status(engine_status, status):
    assert operation_of(run_state(engine_status)).status == status


def test_the_table_of_states_is_total():
    assert set(STATUS_BY_ENGINE_STATUS) == {status.name for status in OrchestrationStatus}
    assert set(STATUS_BY_ENGINE_STATUS.values()) == set(get_args(Status.__value__))


def test_a_state_of_a_later_engine_counts_as_running():
    assert operation_of(run_state("HIBERNATING")).status == "Running"


def test_an_operation_names_its_run_its_database_and_its_times():
    operation = operation_of(run_state("RUNNING"))

    assert operation == Operation(
        id="shard-core-nt-0123456789abcdef-7",
        kind="shard",
        status="Running",
        account_name="elbstg01",
        db_name="core_nt",
        created_at=CREATED,
        last_updated_at=UPDATED,
    )


@pytest.mark.parametrize(("engine_status", "status"), STATUS_BY_ENGINE_STATUS.items())
def test_an_operation_has_ended_exactly_when_nothing_will_change(engine_status, status):
    ended = engine_status in {"COMPLETED", "FAILED", "TERMINATED"}

    assert operation_of(run_state(engine_status)).has_ended is ended
    assert (status in ENDED) is ended


def test_a_success_has_its_result_and_no_error():
    operation = operation_of(run_state("COMPLETED", output={"outcome": "sharded", "blobs_written": 78}))

    assert (operation.status, operation.error) == ("Succeeded", None)
    assert operation.result == {"outcome": "sharded", "blobs_written": 78}


def test_a_run_that_ended_by_being_asked_to_is_canceled_whatever_the_engine_calls_it():
    operation = operation_of(run_state("COMPLETED", output={"outcome": "canceled"}))

    assert operation.status == "Canceled"
    assert operation.has_ended
    assert operation.error.code is Code.CANCELED
    assert operation.result == {"outcome": "canceled"}


def test_a_run_that_an_administrator_terminated_is_canceled_and_says_so():
    operation = operation_of(run_state("TERMINATED"))

    assert operation.status == "Canceled"
    assert operation.error.code is Code.TERMINATED


def test_a_failure_shows_the_problem_that_the_run_left_in_its_custom_status():
    problem = Problem(code=Code.VOLUME_GAP, message="'core_nt' lacks core_nt.07.", target="core_nt")
    status = Progress(phase="failed", error=problem).model_dump(mode="json", exclude_defaults=True)

    operation = operation_of(run_state("FAILED", custom_status=status, failure="RunFailedError: VolumeGap", output={"x": 1}))

    assert operation.error == problem
    assert operation.result is None


def test_a_failure_without_a_problem_shows_the_engines_reason_without_secrets():
    reason = "Lost https://a.blob.core.windows.net/x?sv=1&sig=abcdefghijkl for " + "long " * 100

    error = operation_of(run_state("FAILED", failure=reason)).error

    assert error.code is Code.RUN_FAILED
    assert "abcdefghijkl" not in error.message
    assert len(error.message) <= 300


@pytest.mark.parametrize("failure", [None, ""])
def test_a_failure_without_any_reason_says_so(failure):
    assert operation_of(run_state("FAILED", failure=failure)).error.message == "The run failed without a reason."


@pytest.mark.parametrize("engine_status", ["PENDING", "RUNNING", "COMPLETED"])
def test_an_error_in_the_custom_status_of_a_run_that_has_not_failed_is_not_its_error(engine_status):
    status = {"phase": "uploading", "error": {"code": "VolumeGap", "message": "x"}}

    assert operation_of(run_state(engine_status, custom_status=status)).error is None


@pytest.mark.parametrize("custom_status", [None, "text", 7, [], {}, {"phase": "dreaming"}, {"phase": "done", "blobs_done": "x"}])
def test_a_custom_status_that_is_no_progress_is_passed_over(custom_status):
    assert operation_of(run_state("RUNNING", custom_status=custom_status)).progress is None


def test_progress_is_shown_in_counts():
    status = {"phase": "uploading", "presets_total": 8, "presets_done": 3, "blobs_total": 78, "blobs_done": 12}

    progress = operation_of(run_state("RUNNING", custom_status=status)).progress

    assert progress == Progress(phase="uploading", presets_total=8, presets_done=3, blobs_total=78, blobs_done=12)


def test_a_run_without_input_is_still_shown():
    operation = operation_of(run_state("RUNNING", input=None))

    assert (operation.account_name, operation.db_name) == (None, None)


@given(
    engine_status=st.sampled_from(list(STATUS_BY_ENGINE_STATUS)) | st.text(max_size=5),
    output=st.none() | st.dictionaries(st.sampled_from(["outcome", "x"]), st.sampled_from(["canceled", "sharded", "unchanged"])),
    custom_status=st.recursive(
        st.none() | st.integers() | st.text(max_size=4),
        lambda inner: st.dictionaries(st.sampled_from(["phase", "error", "code"]), inner),
        max_leaves=4,
    ),
    failure=st.none() | st.text(max_size=30),
)
def test_law_every_run_can_be_shown_and_has_an_error_exactly_when_it_failed_or_was_canceled(
    engine_status, output, custom_status, failure
):
    state = run_state(engine_status, output=output, custom_status=custom_status, failure=failure)

    operation = operation_of(state)

    assert (operation.error is not None) == (operation.status in {"Failed", "Canceled"})
    assert operation.result is None or operation.has_ended
