"""Pauses between attempts grow, and stay bounded."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from shared.runs.backoff import backoff

seconds = st.floats(0.001, 86_400)
attempts = st.integers(0, 5000)


def test_pauses_double_from_the_first_up_to_the_longest():
    assert [backoff(attempt, 5, 60) / timedelta(seconds=1) for attempt in range(6)] == [5, 10, 20, 40, 60, 60]


def test_another_factor_is_obeyed():
    assert [backoff(attempt, 1, 30, 3) / timedelta(seconds=1) for attempt in range(5)] == [1, 3, 9, 27, 30]


@given(attempts, seconds, seconds, st.floats(1, 10))
def test_law_pauses_never_shrink_and_never_pass_the_longest(attempt, first, longest, factor):
    pause = backoff(attempt, first, longest, factor)

    assert pause <= timedelta(seconds=longest)
    assert pause <= backoff(attempt + 1, first, longest, factor)
