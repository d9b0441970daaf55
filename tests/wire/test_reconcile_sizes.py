"""What a reconcile pass sends around stays small, also at the highest settings and with the longest names."""

import pytest

from shared.blastdb.blobs import PRESETS
from shared.errors import Code, Problem
from shared.runs.reconcile.children import prepare_run, shard_run
from shared.runs.reconcile.payloads import AccountSurvey, Drifted
from shared.runs.reconcile.result import Action, ReconcileResult
from shared.settings import Settings
from shared.storage.survey import DETAIL_LENGTH, MOST_REPORTED
from tests.wire import reconciling
from tests.wire.largest import ACCOUNT, DB, RUN, STEP_BYTES, size_bytes

MOST = next(limit.le for limit in Settings.model_fields["reconcile_most"].metadata if hasattr(limit, "le"))
USUAL = Settings().reconcile_most
DRIFTED = Drifted(
    db=DB, reason="metadata", detail="d" * DETAIL_LENGTH, correct=True, shard=True, molecule="nucl", presets=PRESETS
)
PROBLEM = Problem(code=max(Code, key=len), message="m" * 300, target=DB)


def survey(repairs):
    return AccountSurvey(
        databases=10**6, blobs=10**9, pages=10**5, to_heal=(DRIFTED,) * repairs, to_tell=(DRIFTED,) * MOST_REPORTED
    )


def test_a_survey_is_bounded_by_the_share_of_a_pass():
    assert size_bytes(survey(USUAL)) < 2 * STEP_BYTES + STEP_BYTES // 2
    assert size_bytes(survey(MOST)) < 4 * STEP_BYTES


def test_what_is_found_in_the_hub_is_bounded_by_the_share_of_a_pass():
    many = (reconciling.DEAD_SETTLE,) * USUAL
    assert size_bytes(reconciling.MEANING["HubSurvey"].model_copy(update={"settles": many})) < 4 * STEP_BYTES


def test_a_result_is_bounded_whatever_was_done():
    action = Action(target=f"{ACCOUNT}/{DB}", action="correct", reason="dead holder", outcome="o" * 120)

    assert size_bytes(ReconcileResult(outcome="reconciled", actions=(action,) * 20)) < 2 * STEP_BYTES


def test_the_child_that_repairs_has_a_small_input():
    for make in (shard_run, prepare_run):
        assert size_bytes(make(ACCOUNT, DRIFTED, reconciling.TERMS, f"{RUN}-shard-50-49")) < STEP_BYTES


@pytest.mark.parametrize("name", sorted(set(reconciling.MEANING) - {"AccountSurvey", "ReconcileResult"}))
def test_everything_else_is_small(name):
    assert size_bytes(reconciling.MEANING[name]) < STEP_BYTES
