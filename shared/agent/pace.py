"""The pace of reports: how often each agent publishes progress, and how old a report may become before it is no evidence.

Each report is a write to the cluster's API server. A thousand agents that write every five seconds are 200 writes a second. So
the interval doubles until all agents of a database write at most 20 times a second together, and ends at 160 seconds. News
(another phase, another reason, warm or no longer warm) is never held back.
"""

PUBLISH_SECONDS = 5.0
"""The interval in a small cluster."""

PUBLISH_VARIABLE = "SHARDWARM_PUBLISH_SECONDS"

_MOST_PER_SECOND = 20
_LONGEST_SECONDS = 160.0
_TOUCH_SECONDS = 60.0
_SLACK_SECONDS = 20.0


def report_seconds(agents: int, least: float = PUBLISH_SECONDS) -> float:
    """The interval between an agent's reports of progress. It grows in steps, so that one node more rarely changes it."""
    interval = least
    while agents > interval * _MOST_PER_SECOND and interval < _LONGEST_SECONDS:
        interval *= 2
    return max(least, min(interval, _LONGEST_SECONDS))


def oldest_seconds(interval: float | None) -> float:
    """How old an agent's report may be: three intervals of its reports or of its measurements, whichever is longer, and slack."""
    return 3 * max(interval or 0.0, _TOUCH_SECONDS) + _SLACK_SECONDS
