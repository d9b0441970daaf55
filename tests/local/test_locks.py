from __future__ import annotations

from local.locks import differences, node_findings, pins, python_findings


def test_lock_files_of_this_checkout_are_up_to_date():
    assert [*python_findings(), *node_findings()] == []


def test_pins_are_read_from_both_kinds_of_file_under_one_spelling():
    compiled = "azure-core==1.2.3 \\\n    --hash=sha256:00\nPy_Yaml==6.0 ; python_version > '3'\n"

    assert pins(compiled) == {"azure-core": "1.2.3", "py-yaml": "6.0"}
    assert pins("pydantic==2.14.3") == {"pydantic": "2.14.3"}


def test_missing_and_other_versions_are_told():
    found = list(differences({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "9"}, "lock"))

    assert found == ["lock has b 9, wanted is 2", "lock has c not at all, wanted is 3"]
