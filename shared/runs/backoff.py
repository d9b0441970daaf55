"""Backoff: how long to wait before the next attempt. Pauses grow by a factor, up to a bound."""

from datetime import timedelta


def backoff(attempt: int, first_seconds: float, longest_seconds: float, factor: float = 2.0) -> timedelta:
    """The pause after `attempt` earlier ones: first `first_seconds`, then `factor` times the last, up to `longest_seconds`."""
    try:
        seconds = first_seconds * factor**attempt
    except OverflowError:
        return timedelta(seconds=longest_seconds)
    return timedelta(seconds=min(seconds, longest_seconds))
