"""One strict rule for every name that comes from outside (contract 1.2 and 13.6)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.blastdb.names import (
    InvalidNameError,
    account_name,
    database_name,
    is_database_name,
    resource_group,
    subscription_id,
)

GUID = "3f2504e0-4f89-11d3-9a0c-0305e82c3301"


@pytest.mark.parametrize(
    "name",
    [
        "core_nt",
        "nt",
        "16S_ribosomal_RNA",
        "ref_viruses-2025.04",
        "core_nt.00",
        "swissprot",
        "a",
        "7",
        "a.b-c_d",
        "x_shard",
        "x_shard_a",
        "x_shard_0a",
        "shards",
        "10shardsx",
        "x10shards",
        "Metadata",
        "custom_db2",
        "pdb.1x",
        "a" * 64,
    ],
)
def test_a_name_that_nothing_else_could_mean_is_returned_as_it_is(name):
    assert database_name(name) == name
    assert is_database_name(name)


@pytest.mark.parametrize(
    "name",
    ["", ".hidden", "-x", "_x", "a\n", "a b", "a/b", "a\\b", "a%2Fb", "ü", "٣", "a\x00", "a" * 65, ".", "..", "nt\r\n"],
)
def test_a_name_with_a_character_or_length_that_is_not_allowed_is_refused(name):
    with pytest.raises(InvalidNameError, match="1 to 64 characters"):
        database_name(name)

    assert not is_database_name(name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("x_shard_00", "ends like a shard"),
        ("x_shard_7", "ends like a shard"),
        ("10shards", "layout folder"),
        ("007shards", "layout folder"),
        ("core_nt-metadata.json", "metadata blob"),
        ("metadata", "reserved"),
        ("custom_db", "reserved"),
        ("custom-db-build", "reserved"),
        ("a..b", "'..'"),
    ],
)
def test_a_name_that_another_part_would_misread_is_refused_with_the_reason(name, why):
    with pytest.raises(InvalidNameError, match=re.escape(why)):
        database_name(name)

    assert not is_database_name(name)


@given(st.text(max_size=70))
def test_whatever_is_accepted_is_harmless_in_a_path(text):
    if is_database_name(text):
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text)
        assert ".." not in text
        assert not text.startswith((".", "-", "_"))


@pytest.mark.parametrize("text", ["abc", "elbstg01", "a" * 24, "123"])
def test_an_account_name_is_accepted(text):
    assert account_name(text) == text


@pytest.mark.parametrize("text", ["", "ab", "a" * 25, "Abc", "a-b", "abc\n", "abc.evil.example", "äbc", "٣٣٣"])
def test_what_is_no_account_name_is_refused(text):
    with pytest.raises(InvalidNameError):
        account_name(text)


@pytest.mark.parametrize("text", [GUID, GUID.upper()])
def test_a_subscription_id_is_a_guid(text):
    assert subscription_id(text) == text


@pytest.mark.parametrize("text", ["", "-" * 36, GUID + "\n", GUID[:-1], GUID.replace("-", ""), "{" + GUID + "}", "g" + GUID[1:]])
def test_what_is_no_guid_is_no_subscription_id(text):
    with pytest.raises(InvalidNameError):
        subscription_id(text)


@pytest.mark.parametrize("text", ["rg-elb-01", "a", "a.b", "(a)", "a" * 90])
def test_a_resource_group_name_is_accepted(text):
    assert resource_group(text) == text


@pytest.mark.parametrize("text", ["", "a.", "a" * 91, "a/b", "a b", "rg\n", "größe"])
def test_what_is_no_resource_group_name_is_refused(text):
    with pytest.raises(InvalidNameError):
        resource_group(text)
