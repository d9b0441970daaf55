"""Ids that follow from what a run is for: the same for everybody who asks, different for everything that differs."""

import re

from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.names import is_database_name
from shared.runs.ids import LEASE_ENTITY, lease_key, operation_id

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
    assert len(run) <= 100
    assert run.endswith(f"-{number}")


@given(one=st.tuples(accounts, database_names, st.integers(1, 99)), other=st.tuples(accounts, database_names, st.integers(1, 99)))
def test_law_different_runs_have_different_ids(one, other):
    assert (operation_id("shard", *one) == operation_id("shard", *other)) == (one == other)


def test_names_that_read_alike_have_different_ids():
    names = ["a.b", "a-b", "a_b", "A.b", "a.B", "a.b-"]

    assert len({operation_id("shard", "elbstg01", name, 1) for name in names}) == len(names)
