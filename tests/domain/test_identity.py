"""Ids that follow from what a run is for: the same for everybody who asks, different for everything that differs."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.names import is_database_name
from shared.runs.ids import LEASE_ENTITY, can_be_run_id, lease_key, operation_id
from shared.runs.warmup.labels import object_name, shard_label

database_names = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._\-]{0,63}", fullmatch=True).filter(is_database_name)
accounts = st.from_regex(r"[a-z0-9]{3,24}", fullmatch=True)


def test_a_lease_is_kept_for_an_account_in_lower_case_and_a_database_as_it_is_written():
    assert LEASE_ENTITY == "lease"
    assert lease_key("ElbStg01", "Core_nt") == "elbstg01:Core_nt"


def test_an_operation_id_can_be_read_and_stays_the_same_in_every_release():
    assert operation_id("shard", "elbstg01", "core_nt", 7) == "shard-core-nt-e5639c97d1b3000d-7"
    assert operation_id("shard", "ELBSTG01", "core_nt", 7) == operation_id("shard", "elbstg01", "core_nt", 7)


@given(account=accounts, db=database_names, number=st.integers(1, 10**9))
def test_law_an_operation_id_is_short_and_has_only_characters_that_an_instance_id_may_have(account, db, number):
    run = operation_id("shard", account, db, number)

    assert re.fullmatch(r"shard(-[a-z0-9-]*)?-[0-9a-f]{16}-[0-9]+", run)
    assert can_be_run_id(run)
    assert run.endswith(f"-{number}")


@given(one=st.tuples(accounts, database_names, st.integers(1, 99)), other=st.tuples(accounts, database_names, st.integers(1, 99)))
def test_law_different_runs_have_different_ids(one, other):
    assert (operation_id("shard", *one) == operation_id("shard", *other)) == (one == other)


def test_names_that_read_alike_have_different_ids():
    names = ["a.b", "a-b", "a_b", "A.b", "a.B", "a.b-"]

    assert len({operation_id("shard", "elbstg01", name, 1) for name in names}) == len(names)


def test_a_kubernetes_name_can_be_read_and_stays_the_same_in_every_release():
    assert object_name("core_nt") == "warm-core-nt-d76bdd10"
    assert object_name("a" * 31 + ".B") == f"warm-{'a' * 30}-9a0f84c4"
    assert shard_label("core_nt", 5, 2) == "shardwarm/core-nt-d76bdd10-n5-02"


@pytest.mark.parametrize("text", ["", "x" * 101, "@lease@a:b", "a/b", "a b", "a\n", "é", "٣"])
def test_a_text_that_no_run_can_be_called_is_no_run_id(text):
    assert not can_be_run_id(text)
