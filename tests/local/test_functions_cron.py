"""NCRONTAB schedules of timer triggers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.functions.cron import Schedule

DAYS = st.frozensets(st.integers(1, 31), min_size=1, max_size=4)
WEEKDAYS = st.frozensets(st.integers(0, 6), min_size=1, max_size=3)
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds UTC


@pytest.mark.parametrize(
    ("text", "moment", "expected"),
    [
        ("0 */10 * * * *", "2026-01-01T00:03:00", "2026-01-01T00:10:00"),
        ("*/30 * * * * *", "2026-01-01T00:00:00", "2026-01-01T00:00:30"),
        ("0 0 3 * * *", "2026-12-31T03:00:00", "2027-01-01T03:00:00"),
        ("15 5,35 9-17 * * Mon-Fri", "2026-01-02T17:35:15", "2026-01-05T09:05:15"),
        ("0 0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("5/20 * * * * *", "2026-01-01T00:00:30", "2026-01-01T00:00:45"),
        ("0 12 1 jan *", "2026-06-01T00:00:00", "2027-01-01T12:00:00"),
        ("0 0 0 13 * fri", "2026-01-01T00:00:00", "2026-02-13T00:00:00"),
        ("* * * * * *", "2026-01-01T00:00:00.500000", "2026-01-01T00:00:01"),
        ("0 0 0 1,*/7 * *", "2026-01-01T00:00:00", "2026-01-08T00:00:00"),
        ("0 0 0 1 jan-dec/3 *", "2026-01-02T00:00:00", "2026-04-01T00:00:00"),
        ("0 0 0 * * sun-sat", "2026-01-03T00:00:00", "2026-01-04T00:00:00"),
    ],
)
def test_schedule_finds_its_next_firing(text, moment, expected):
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert Schedule.parse(text).after(at) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "* * * *", "60 * * * * *", "* * * * * Any", "*/0 * * * * *", "5-1 * * * * *"])
def test_text_that_is_no_schedule_is_refused(text):
    with pytest.raises(ValueError, match="not a schedule"):
        Schedule.parse(text)


def test_schedule_that_never_fires_says_so():
    with pytest.raises(ValueError, match="never"):
        Schedule.parse("0 0 0 30 2 *").after(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "text",
    [
        "0 0 0 1 1 * 2026",
        "@daily",
        "R * * * * *",
        "H * * * * *",
        "0 0 0 ? * *",
        "0 0 0 L * *",
        "0 0 0 1W * *",
        "0 0 0 * * fri#2",
        "0 0 0 * * l5",
        "0 0 0 * * 7",
        "0 0 0 * mon *",
        "0 0 0 0 * *",
        "0 0 22-2 * * *",
        "0 0 0 * * fri-mon",
    ],
)
def test_what_other_crons_take_and_ncrontab_does_not_is_refused(text):
    with pytest.raises(ValueError, match="not a schedule"):
        Schedule.parse(text)


@given(days=DAYS, weekdays=WEEKDAYS, moment=MOMENTS)
def test_next_firing_is_the_first_day_on_which_day_and_weekday_agree(days, weekdays, moment):
    schedule = Schedule.parse(f"0 30 6 {_listed(days)} * {_listed(weekdays)}")
    candidate = moment.replace(hour=6, minute=30, second=0, microsecond=0)
    while candidate <= moment or candidate.day not in days or candidate.isoweekday() % 7 not in weekdays:
        candidate += timedelta(days=1)
    assert schedule.after(moment) == candidate


def _listed(values: frozenset[int]) -> str:
    return ",".join(map(str, sorted(values)))
