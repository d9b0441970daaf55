"""Values of settings as they are written in the environment: lists, shard counts, pairs and so on, separated by commas."""

from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from shared.allowed import account_of
from shared.blastdb.blobs import MAX_SHARDS
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


def _in_range(value: tuple[int, ...]) -> tuple[int, ...]:
    if not value or not all(1 <= count <= MAX_SHARDS for count in value):
        raise ValueError(f"shard counts are 1 to {MAX_SHARDS}, at least one")
    return tuple(sorted(set(value)))


def _with_a_name(value: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(account_of, value)):
        raise ValueError("each connection string names its account by AccountName=; write an emulator's out in full")
    return value


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
type Connections = Annotated[tuple[str, ...], BeforeValidator(_split), AfterValidator(_with_a_name)]
type ShardCounts = Annotated[tuple[int, ...], BeforeValidator(_split), AfterValidator(_in_range)]
type Pairs = Annotated[tuple[tuple[str, str], ...], BeforeValidator(_pairs)]
type Tolerations = Annotated[tuple[Toleration, ...], BeforeValidator(_tolerations)]
