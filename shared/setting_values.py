"""Values of settings as they are written in the environment: lists, pairs and tolerations, separated by commas."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from shared.runs.warmup.facts import Toleration

_EFFECTS = ("NoSchedule", "NoExecute", "PreferNoSchedule")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _split(value: object) -> object:
    return tuple(_parts(value)) if isinstance(value, str) else value


def _pairs(value: object) -> object:
    if not isinstance(value, str):
        return value
    pairs = (part.partition("=") for part in _parts(value))
    return tuple((name.strip(), text.strip()) for name, _, text in pairs)


def _tolerations(value: object) -> object:
    return tuple(map(toleration, _parts(value))) if isinstance(value, str) else value


def toleration(text: str) -> Toleration:
    """Parse a toleration, written as kubectl writes a taint: `key=value:effect`; without `=value` or `:effect` any will do.

    Raises:
        ValueError: there is no key, or no such effect.
    """
    taint, colon, effect = text.rpartition(":") if ":" in text else (text, "", "")
    key, equals, value = taint.partition("=")
    if not key or (colon and effect not in _EFFECTS):
        raise ValueError(f"a toleration is key=value:effect, and the effect one of {', '.join(_EFFECTS)}")
    return Toleration(key, value if equals else None, effect or None)


type Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
type Names = Annotated[tuple[str, ...], BeforeValidator(_split)]
type Counts = Annotated[tuple[int, ...], BeforeValidator(_split)]
type Pairs = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs)]
type Tolerations = Annotated[tuple[Toleration, ...], BeforeValidator(_tolerations)]
