"""Operations, page by page: newest first within a time, from the task hub's own pages, and nothing cut off silently."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import pytest
from durabletask.client import OrchestrationState, OrchestrationStatus

from shared.azure.hub import Hub
from shared.errors import InvalidRequest
from shared.http.operations import list_operations
from tests.http.remembered import MOMENT, RememberingHub, backing, call, running


def run(number, **fields):
    """Two of them begin at each moment, the later ones first."""
    return running("shard", f"run-{number:02d}", created_at=MOMENT - timedelta(hours=number // 2), **fields)


async def pages(hub, **query):
    """The ids on each page, as a client that follows the links sees them."""
    found = []
    while query is not None:
        page = (await list_operations(call(query=query), backing(hub))).body
        found.append([one.id for one in page.value])
        query = dict(parse_qsl(urlsplit(page.nextLink).query)) if page.nextLink else None
    return found


async def test_links_lead_through_all_operations_newest_first():
    hub = RememberingHub(*map(run, (4, 1, 3, 0, 2)))

    assert await pages(hub, top="2") == [["run-01", "run-00"], ["run-03", "run-02"], ["run-04"]]
    assert await pages(hub, top="5") == [["run-01", "run-00", "run-03", "run-02", "run-04"]]


async def test_links_keep_what_was_asked_for_and_runs_that_began_since_move_nothing():
    others = [run(number, engine_status="FAILED") for number in (5, 6)]
    hub = RememberingHub(*map(run, range(4)), *others, running("settle", "run-s"))
    first = (await list_operations(call(query={"top": "3", "status": "Running", "kind": "shard"}), backing(hub))).body
    hub.states["run-new"] = running("shard", "run-new", created_at=MOMENT + timedelta(hours=1))

    rest = await pages(hub, **dict(parse_qsl(urlsplit(first.nextLink).query)))

    assert [one.id for one in first.value] == ["run-01", "run-00", "run-03"]
    assert rest == [["run-02"]]
    assert set(hub.asked) == {MOMENT - timedelta(days=7)}


async def test_only_the_last_days_are_shown_unless_more_is_asked_for():
    old = running("shard", "old", created_at=MOMENT - timedelta(days=8))
    hub = RememberingHub(run(0), old)

    assert await pages(hub) == [["run-00"]]
    assert await pages(hub, created_from="2026-02-01T00:00:00+01:00") == [["run-00", "old"]]


@pytest.mark.parametrize("value", ["", "yesterday", "2026-03-01T00:00:00", "2026-03-01", "0001-01-01T00:00:00+23:59"])
async def test_moment_without_a_zone_or_none_at_all_is_refused(value):
    with pytest.raises(InvalidRequest) as refusal:
        await pages(RememberingHub(), created_from=value)
    assert refusal.value.problem.target == "created_from"


class Engine:
    """The part of the SDK's client that lists runs; it remembers the queries."""

    rpcBaseUrl = "http://127.0.0.1:0"  # noqa: N815 - the SDK's name

    def __init__(self) -> None:
        self.queries = []

    async def get_all_orchestration_states(self, query):
        self.queries.append(query)
        moment = datetime(2026, 3, 1)  # noqa: DTZ001 - as the SDK gives it
        return [OrchestrationState("a-run", "shard", OrchestrationStatus.RUNNING, moment, moment, None, None, None, None)]


async def test_engine_is_asked_for_small_pages_of_that_time():
    engine = Engine()

    (state,) = await Hub(engine).list(("RUNNING",), created_from=MOMENT)

    assert (state.run, state.created_at) == ("a-run", datetime(2026, 3, 1, tzinfo=UTC))
    (query,) = engine.queries
    assert (query.max_instance_count, query.created_time_from) == (100, MOMENT)
    assert query.runtime_status == [OrchestrationStatus.RUNNING]
