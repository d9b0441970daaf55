"""What the main job promises, and the error when it does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.demo.proof import Comparison


class Untrue(Exception):  # noqa: N818 - named for what happened, as the house style asks
    """A promise of the main job does not hold; the message says which."""


def require(holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads like assert
    """Raise Untrue unless a promise holds."""
    if not holds:
        raise Untrue(otherwise)


def told(comparison: Comparison, where: str) -> str:
    """A comparison in one line.

    Raises:
        Untrue: the comparison found a difference; the line is the error's message.
    """
    counted = f"{comparison.hits_equal} of {comparison.hits_compared} hits equal, {comparison.hits_added} added"
    line = f"{comparison.search.name} on {where}: {counted}, e-values "
    line += f"{_equal(comparison.evalues_equal)}, order {_equal(comparison.order_equal)}"
    line += f", every volume {'once' if comparison.volumes_once else 'NOT ONCE'}"
    require(comparison.holds, f"{comparison.db}: {line}")
    return line


def _equal(is_equal: bool) -> str:  # noqa: FBT001 - a word for a truth value
    return "equal" if is_equal else "DIFFERENT"
