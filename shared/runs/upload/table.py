"""The transition table of an upload: what each operation does, by the settle under way."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal


class Settle(StrEnum):
    """The settle under way as an operation sees it. Only an event tells SILENT from ANOTHER: it names no settle."""

    NONE = "none"
    NAMED = "the one that the operation names"
    ANOTHER = "another one"
    SILENT = "one that has been silent for longer than it announced"


class UploadEffect(StrEnum):
    """What an operation does to an upload."""

    STARTED = "a settle starts"
    NOTED = "the event is noted; the settle waits until the upload is quiet again"
    COUNTED = "the event is counted"
    GRANTED = "the settle gets what it asks for"
    REFUSED = "the caller is not this upload's settle, or has missed an event"
    UNCHANGED = "nothing"
    FORGOTTEN = "the idle state is dropped, its events first"


type Operation = Literal["arrive", "arrive known", "arrive overtaken", "look", "end", "end unseen", "revive", "tidy"]
"""`arrive` and `end` have rows for what else they depend on: the event, and whether the settle has seen every event."""


def _row(
    *, none: UploadEffect, named: UploadEffect, another: UploadEffect, silent: UploadEffect
) -> Mapping[Settle, UploadEffect]:
    return {Settle.NONE: none, Settle.NAMED: named, Settle.ANOTHER: another, Settle.SILENT: silent}


def _for_the_settle(effect: UploadEffect, otherwise: UploadEffect) -> Mapping[Settle, UploadEffect]:
    return _row(none=otherwise, named=effect, another=otherwise, silent=otherwise)


TRANSITIONS: Mapping[Operation, Mapping[Settle, UploadEffect]] = {
    "arrive": _row(none=UploadEffect.STARTED, named=UploadEffect.NOTED, another=UploadEffect.NOTED, silent=UploadEffect.STARTED),
    "arrive known": dict.fromkeys(Settle, UploadEffect.COUNTED),
    "arrive overtaken": dict.fromkeys(Settle, UploadEffect.COUNTED),
    "look": _for_the_settle(UploadEffect.GRANTED, UploadEffect.REFUSED),
    "end": _for_the_settle(UploadEffect.GRANTED, UploadEffect.REFUSED),
    "end unseen": dict.fromkeys(Settle, UploadEffect.REFUSED),
    "revive": _for_the_settle(UploadEffect.STARTED, UploadEffect.UNCHANGED),
    "tidy": _row(
        none=UploadEffect.FORGOTTEN, named=UploadEffect.UNCHANGED, another=UploadEffect.UNCHANGED, silent=UploadEffect.UNCHANGED
    ),
}
