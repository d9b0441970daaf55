"""NCRONTAB schedules: six fields (second minute hour day month weekday), or five without seconds; all in UTC.

croniter finds the firings. It reads several dialects of cron, so this module first refuses what the Functions host would
refuse: years, `L`, `W`, `#`, `?`, `@daily`, random and hashed fields, and 7 for Sunday. A range that runs backwards (`22-2`)
is refused too, because libraries disagree on what it means.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from croniter import croniter

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NUMBERS = {name: number for names, first in ((_MONTHS, 1), (_DAYS, 0)) for number, name in enumerate(names, first)}
_VALUES = (r"\d+", r"\d+", r"\d+", r"\d+", "|".join((r"\d+", *_MONTHS)), "|".join(("[0-6]", *_DAYS)))


class Schedule(NamedTuple):
    """When a timer fires. Day and weekday must both agree, as in NCRONTAB and unlike in Unix cron."""

    expression: str

    @classmethod
    def parse(cls, text: str) -> Schedule:
        """Read an expression with `*`, lists, ranges, steps and three-letter English names of months and weekdays.

        Raises:
            ValueError: the text is not such an expression.
        """
        fields = text.lower().split()
        if len(fields) == len(_VALUES) - 1:
            fields.insert(0, "0")
        if len(fields) != len(_VALUES):
            raise ValueError(f"'{text}' is not a schedule of five or six fields")
        for field, value in zip(fields, _VALUES, strict=True):
            for part in field.split(","):
                if not _is_part(part, value):
                    raise ValueError(f"'{text}' is not a schedule: '{part}' is not a value, range or step")
        schedule = cls(" ".join(fields))
        try:
            schedule._firings(datetime.now(UTC))
        except ValueError as error:
            raise ValueError(f"'{text}' is not a schedule: {error}") from error
        return schedule

    def after(self, moment: datetime) -> datetime:
        """The first firing later than that moment, which must be in UTC.

        Raises:
            ValueError: the schedule never fires (30 February, say).
        """
        try:
            return self._firings(moment).get_next(datetime)
        except ValueError as error:
            raise ValueError(f"the schedule '{self.expression}' never fires") from error

    def _firings(self, moment: datetime) -> croniter:
        return croniter(self.expression, moment, day_or=False, second_at_beginning=True)


def _is_part(text: str, value: str) -> bool:
    found = re.fullmatch(rf"(?:\*|(?P<first>{value})(?:-(?P<last>{value}))?)(?:/\d+)?", text)
    return found is not None and (found["last"] is None or _number(found["first"]) <= _number(found["last"]))


def _number(text: str) -> int:
    return _NUMBERS[text] if text in _NUMBERS else int(text)
