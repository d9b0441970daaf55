"""The table of storage's error codes has every code that is documented, and says to a person what to do."""

import pytest
from azure.storage.blob._generated.models import StorageErrorCode

from shared.errors import ShardwarmError, TransientFailure
from shared.storage.service_codes import MEANINGS, Remedy, meaning_of
from tests.storage_codes import documented_codes

REMEDIES = {code: meaning for code, meaning in MEANINGS.items() if isinstance(meaning, Remedy)}


def test_the_table_has_exactly_the_documented_codes():
    assert {row.code for row in documented_codes()} == MEANINGS.keys()


def test_the_table_has_every_code_that_the_sdk_knows():
    assert {code.value for code in StorageErrorCode} <= MEANINGS.keys()


def test_a_documented_status_never_changes_what_a_code_means():
    for row in documented_codes():
        if MEANINGS[row.code] != "status":
            assert meaning_of(row.code, row.status) == MEANINGS[row.code]


@pytest.mark.parametrize("code", REMEDIES)
def test_a_remedy_names_what_it_is_about_and_then_what_to_do(code):
    kind, _, sentence = REMEDIES[code]
    said = sentence.format(target="db/db.00.nsq", account="elbstg01")

    assert issubclass(kind, ShardwarmError)
    assert "db/db.00.nsq" in said or "elbstg01" in said
    assert said.count(". ") >= 1


def test_only_a_copy_under_way_is_worth_a_retry_among_what_a_person_is_told():
    assert [code for code, remedy in REMEDIES.items() if remedy.kind is TransientFailure] == ["PendingCopyOperation"]


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        (304, "raced"),
        (400, "rejected"),
        (401, "forbidden"),
        (404, "missing"),
        (409, "passing"),
        (412, "raced"),
        (429, "passing"),
        (None, "passing"),
    ],
)
@pytest.mark.parametrize("code", ["", "OfATimeToCome", "CannotVerifyCopySource"])
def test_the_status_decides_where_the_code_says_nothing(code, status, meaning):
    assert meaning_of(code, status) == meaning
