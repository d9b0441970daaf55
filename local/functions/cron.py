"""NCRONTAB schedules: six fields (second minute hour day month weekday), or five without seconds; all in UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_LIMITS = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES: tuple[dict[str, int], ...] = (
    {},
    {},
    {},
    {},
    {m: n for n, m in enumerate(_MONTHS, 1)},
    {d: n for n, d in enumerate(_DAYS)},
)
_LONGEST_SEARCH = timedelta(days=366 * 8)


class Schedule(NamedTuple):
    """When a timer fires: allowed values per field. Day and weekday must both agree, as in NCRONTAB."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read an expression with `*`, lists, ranges, steps and English names of months and weekdays.

        Raises:
            ValueError: the expression is not one.
        """
        fields = text.lower().split()
        if len(fields) == len(_LIMITS) - 1:
            fields.insert(0, "0")
        if len(fields) != len(_LIMITS):
            raise ValueError(f"'{text}' is not a schedule of five or six fields")
        try:
            return cls(*(_field(field, *limits, names) for field, limits, names in zip(fields, _LIMITS, _NAMES, strict=True)))
        except ValueError as error:
            raise ValueError(f"'{text}' is not a schedule: {error}") from error

    def after(self, moment: datetime) -> datetime:
        """The first firing later than that moment, which must be in UTC.

        Raises:
            ValueError: the schedule never fires (30 February, say).
        """
        at = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        last = at + _LONGEST_SEARCH
        while at < last:
            if at.month not in self.months or at.day not in self.days or at.isoweekday() % 7 not in self.weekdays:
                at = at.replace(hour=0, minute=0, second=0) + timedelta(days=1)
            elif at.hour not in self.hours:
                at = at.replace(minute=0, second=0) + timedelta(hours=1)
            elif at.minute not in self.minutes:
                at = at.replace(second=0) + timedelta(minutes=1)
            elif at.second not in self.seconds:
                at += timedelta(seconds=1)
            else:
                return at
        raise ValueError("the schedule never fires")


def _field(text: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        start = low if span == "*" else _number(first, names)
        end = high if span == "*" or (step and not dash) else _number(last if dash else first, names)
        if not (low <= start <= end <= high and int(step or 1) >= 1):
            raise ValueError(f"'{part}' is outside {low}-{high}")
        values.update(range(start, end + 1, int(step or 1)))
    return frozenset(values)


def _number(text: str, names: dict[str, int]) -> int:
    return names[text] if text in names else int(text)
