"""Inputs of runs: what a request and a reconcile pass start obeys the same settings."""

from shared.http.reconcile import terms_of
from shared.inputs import shard_input
from shared.runs.reconcile import children
from shared.runs.reconcile.payloads import Drifted
from shared.settings import Settings

SETTINGS = Settings(
    alias_form="legacy", lease_seconds=77, retry_attempts=9, retry_first_seconds=0.5, retry_longest_seconds=2, presets=(2, 7)
)


def test_a_shard_run_has_the_same_terms_from_a_request_and_from_a_pass():
    by_request = shard_input(SETTINGS, "elbstg01", "nt", run="a-run")
    found = Drifted(db="nt", reason="stale", detail="", presets=SETTINGS.presets)

    by_pass = children.shard_run("elbstg01", found, terms_of(SETTINGS), "a-run")

    assert by_pass == by_request
    assert (by_pass.legacy_alias, by_pass.lease_seconds, by_pass.retry.attempts) == (True, 77, 9)


def test_what_a_request_asks_for_goes_before_the_settings():
    asked = shard_input(SETTINGS, "elbstg01", "nt", presets=(3,), legacy_alias=False, force=True, restore="d" * 32)

    assert (asked.presets, asked.legacy_alias, asked.force, asked.restore) == ((3,), False, True, "d" * 32)
    assert shard_input(SETTINGS, "elbstg01", "nt").presets == (2, 7)
