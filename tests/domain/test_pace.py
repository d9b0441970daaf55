"""How often agents report: slower the more there are, never slower than a bound, and never so slow that they count as silent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.agent.pace import oldest_seconds, report_seconds
from shared.runs.warmup.facts import Limits
from warmer.settings import parse


@pytest.mark.parametrize(
    ("agents", "seconds"),
    [(0, 5), (1, 5), (100, 5), (101, 10), (200, 10), (400, 20), (1000, 80), (1600, 80), (1601, 160), (3200, 160), (5000, 160)],
)
def test_the_interval_doubles_until_twenty_reports_a_second_are_enough(agents, seconds):
    assert report_seconds(agents) == seconds


def test_an_interval_that_is_long_already_stays():
    assert report_seconds(1, least=600) == 600
    assert report_seconds(3, least=1) == 1


def test_the_smallest_interval_is_the_agents_default():
    assert report_seconds(1) == parse({"NODE_NAME": "n"}).publish_seconds


def test_the_limit_on_a_reports_age_is_the_former_one_up_to_a_minute():
    assert oldest_seconds(None) == oldest_seconds(60) == Limits().report_seconds


@given(st.integers(0, 3200), st.integers(0, 50))
def test_law_agents_together_write_at_most_twenty_times_a_second_and_more_agents_never_faster(agents, more):
    interval = report_seconds(agents)

    assert agents / interval <= 20
    assert report_seconds(agents + more) >= interval


@given(st.integers(0, 10_000), st.floats(1, 1000))
def test_law_two_reports_may_be_lost_before_an_agent_counts_as_silent(agents, least):
    interval = report_seconds(agents, least)

    assert interval >= least
    # A report may carry a measurement that is a minute old.
    assert oldest_seconds(interval) > 2 * interval + 60
