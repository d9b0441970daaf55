"""Warnings about inexact searches: said when a shard set is inexact, with what to do, and never otherwise."""

import pytest

from shared.blastdb.alias import LEGACY_ALIAS, SEARCH_SPACE_ALIAS, WHOLE_ALIAS
from shared.blastdb.exactness import inexact
from shared.runs.database.exactness import inexact_as_listed
from shared.runs.database.metadata import ShardFields

SOUND = ShardFields(sharded=True, shard_sets=(1,), shard_generation="d" * 32, shard_alias_version=WHOLE_ALIAS, statistics="njs")


def test_aliases_with_all_totals_are_exact():
    assert inexact("nt", has_totals=True, form=WHOLE_ALIAS) == ()
    assert inexact_as_listed("nt", SOUND) == ()


@pytest.mark.parametrize(
    ("has_totals", "form", "said", "remedies"),
    [
        (False, WHOLE_ALIAS, "The totals of 'nt' are unknown", ("Upload its .njs", ".nin, .pin")),
        (True, LEGACY_ALIAS, "two-line form without totals", ("Shard it", '"force": true', "SHARDWARM_ALIAS_FORM=legacy")),
        (True, SEARCH_SPACE_ALIAS, "former form without NSEQ and LENGTH", ("Shard it", '"force": true')),
    ],
)
def test_a_warning_says_what_is_inexact_and_what_to_do(has_totals, form, said, remedies):
    (warning,) = inexact("nt", has_totals=has_totals, form=form)

    assert said in warning
    assert "may lose hits" in warning
    assert all(remedy in warning for remedy in remedies)


def test_aliases_without_totals_that_would_not_carry_any_either_get_both_warnings():
    assert len(inexact("nt", has_totals=False, form=LEGACY_ALIAS)) == 2
    assert len(inexact("nt", has_totals=False, form=SEARCH_SPACE_ALIAS)) == 1


@pytest.mark.parametrize(
    ("changes", "has_totals", "said"),
    [
        ({"statistics": "absent"}, True, "totals of 'nt' are unknown"),
        ({}, False, "totals of 'nt' are unknown"),
        ({"shard_alias_version": LEGACY_ALIAS}, True, "two-line form"),
        ({"shard_alias_version": None}, True, "former form"),
        ({"shard_alias_version": None, "shard_generation": None, "statistics": None}, True, "are legacy"),
    ],
    ids=["absent in metadata", "absent in the files", "by the setting", "of an earlier build", "of the replaced system"],
)
def test_what_is_listed_is_judged_by_its_metadata(changes, has_totals, said):
    (warning,) = inexact_as_listed("nt", SOUND.model_copy(update=changes), has_totals=has_totals)

    assert said in warning


def test_nothing_is_said_of_sets_that_are_not_listed():
    assert inexact_as_listed("nt", ShardFields(statistics="absent"), has_totals=False) == ()
