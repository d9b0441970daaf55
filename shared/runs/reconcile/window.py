"""Rotating window: the part of a list that one reconcile pass handles. The turn of the pass decides where it begins."""

from collections.abc import Sequence


def rotating_window[Item](items: Sequence[Item], *, most: int, turn: int) -> tuple[Item, ...]:
    """At most `most` items, beginning `turn` windows further on and going round at the end.

    Successive turns cover all of a list that stays the same, so that items which always fail never keep others waiting.
    """
    start = turn * most % max(1, len(items))
    return tuple([*items[start:], *items[:start]][:most])
