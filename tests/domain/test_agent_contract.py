"""The contract between app and agents: bytes that stay, newer words that are tolerated, documents that both sides refuse."""

import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from shared.agent.assignment import ASSIGNMENT_FILE, AssignmentDocument
from shared.agent.report import REPORT_ANNOTATION, REPORT_FILE, AgentReport, Reason, ShardReport, parse_report
from warmer.assignment import AssignmentFile, task_of

DIGEST = "0123456789abcdef0123456789abcdef"
FIRST = AgentReport(
    version=1,
    db="",
    digest="",
    shard_count=0,
    mode="hot",
    node="n0",
    pod="warm-x",
    phase="waiting",
    warm=False,
    files_done=0,
    files_total=0,
    bytes_done=0,
    bytes_total=0,
    resident_bytes=0,
    resident_total=0,
    shards={},
    started_at=datetime(2026, 11, 21, 11, 50, tzinfo=UTC),
    updated_at=datetime(2026, 11, 21, 11, 59, 30, 120_999, tzinfo=UTC),
)
DOCUMENT = AssignmentDocument(
    account="elbstg01",
    container_url="https://elbstg01.blob.core.windows.net/blast-db",
    db="core_nt",
    molecule="nucl",
    source_version=None,
    digest=DIGEST,
    shard_count=3,
    mode="hot",
    nodes={"n1": (1, 2), "n0": (0,)},
)


def changed(**fields) -> str:
    return json.dumps(json.loads(DOCUMENT.render()) | fields)


def test_names_that_both_sides_know():
    assert (REPORT_ANNOTATION, REPORT_FILE, ASSIGNMENT_FILE) == ("shardwarm/report", "report.json", "assignment.json")


def test_the_first_report_has_these_very_bytes():
    assert FIRST.model_dump_json() == (
        '{"version":1,"run":"","db":"","digest":"","texts":"","shard_count":0,"mode":"hot","node":"n0","pod":"warm-x","phase":"waiting",'
        '"warm":false,"reason":null,"message":null,"files_done":0,"files_total":0,"bytes_done":0,"bytes_total":0,"bytes_moved":0,'
        '"resident_bytes":0,"resident_total":0,"shards":{},"started_at":"2026-11-21T11:50:00.000Z",'
        '"updated_at":"2026-11-21T11:59:30.120Z"}'
    )


def test_a_report_of_a_failure_has_these_very_bytes():
    told = FIRST.model_copy(
        update={
            "run": "warm-1",
            "db": "core_nt",
            "digest": DIGEST,
            "shard_count": 3,
            "phase": "failed",
            "reason": Reason.DISK_FULL,
            "message": "The node's disk is full \N{EM DASH} ü.",
            "shards": {"00": ShardReport(phase="failed", bytes_done=1, bytes_total=2, resident_percent=99.9)},
        }
    )

    assert told.model_dump_json() == (
        '{"version":1,"run":"warm-1","db":"core_nt","digest":"0123456789abcdef0123456789abcdef","texts":"","shard_count":3,'
        '"mode":"hot",'
        '"node":"n0","pod":"warm-x","phase":"failed","warm":false,"reason":"DiskFull",'
        '"message":"The node\'s disk is full \N{EM DASH} ü.","files_done":0,"files_total":0,"bytes_done":0,"bytes_total":0,'
        '"bytes_moved":0,"resident_bytes":0,"resident_total":0,'
        '"shards":{"00":{"phase":"failed","bytes_done":1,"bytes_total":2,"resident_percent":99.9}},'
        '"started_at":"2026-11-21T11:50:00.000Z","updated_at":"2026-11-21T11:59:30.120Z"}'
    )
    assert parse_report(told.model_dump_json()) == told.model_copy(
        update={"updated_at": told.updated_at.replace(microsecond=120_000)}
    )


def test_moments_are_written_in_utc():
    there = datetime(2026, 11, 21, 13, 50, tzinfo=timezone(timedelta(hours=2)))

    assert '"started_at":"2026-11-21T11:50:00.000Z"' in FIRST.model_copy(update={"started_at": there}).model_dump_json()


def test_the_app_reads_a_report_of_a_newer_agent():
    newer = json.loads(FIRST.model_dump_json()) | {"added": 1, "phase": "defrosting", "reason": "NewReason", "mode": "lukewarm"}

    read = parse_report(json.dumps(newer))

    assert read is not None
    assert (read.phase, read.reason, read.mode) == ("unknown", "NewReason", "lukewarm")


@pytest.mark.parametrize("change", [{"version": 2}, {"files_done": -1}, {"warm": "yes"}, {"updated_at": "2026-11-21T11:59:30"}])
def test_the_app_refuses_what_is_no_report(change):
    assert parse_report(json.dumps(json.loads(FIRST.model_dump_json()) | change)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"container_url": "https://elbstg01.blob.core.windows.net/blast-db?sig=x"},
        {"container_url": "file:///blast-db"},
        {"db": "../core_nt"},
        {"db": "core/nt"},
        {"nodes": {"n0": [3]}},
        {"nodes": {"n0": [-1]}},
        {"nodes": {"n0": [0, 0]}},
        {"digest": "short"},
        {"mode": "lukewarm"},
    ],
)
def test_both_sides_refuse_a_document_that_breaks_a_rule(change, tmp_path):
    (tmp_path / ASSIGNMENT_FILE).write_text(changed(**change))

    task, trouble = AssignmentFile(tmp_path, "n0").read()

    assert task is None
    assert "is not an assignment" in trouble
    with pytest.raises(ValidationError):
        AssignmentDocument.model_validate_json(changed(**change))


def test_an_agent_reads_a_document_of_a_newer_app(tmp_path):
    (tmp_path / ASSIGNMENT_FILE).write_text(changed(added={"more": [1]}))

    task, trouble = AssignmentFile(tmp_path, "n1").read()

    assert (task, trouble) == (task_of(DOCUMENT, "n1"), "")
    assert task.shards == (1, 2)
    assert task_of(DOCUMENT, "elsewhere").shards == ()
