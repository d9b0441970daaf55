"""What an event of storage leads to, before the task hub: one note that steers by the settings of that moment, or nothing."""

from datetime import UTC, datetime

import pytest

from shared.errors import Code, TransientFailure
from shared.http.ports import Backing
from shared.http.upload import take_event
from shared.settings import Settings
from tests.storage_events import event

MOMENT = datetime(2026, 3, 1, tzinfo=UTC)


class NotingHub:
    """The task hub's part that events need; it remembers what it was told, and can be out of reach."""

    def __init__(self) -> None:
        self.noted = []
        self.is_away = False

    async def note_arrival(self, arrival) -> None:
        if self.is_away:
            raise TransientFailure(Code.HUB_UNAVAILABLE, "The task hub does not answer.")
        self.noted.append(arrival)


def backing(hub, **settings):
    return Backing(Settings(accounts=("devstoreaccount1",), **settings), hub, None, None, None)


async def test_settings_of_the_moment_steer_the_settle():
    hub = NotingHub()
    settings = {"presets": (2, 4), "upload_quiet_seconds": 5.0, "upload_give_up_seconds": 50.0, "alias_form": "legacy"}
    await take_event(event("nt/nt.00.nsq", sequencer="7"), MOMENT, backing(hub, **settings))

    (noted,) = hub.noted
    assert (noted.mark.leaf, noted.mark.sequencer, noted.received) == ("nt.00.nsq", "7", MOMENT)
    assert (noted.settle.quiet_seconds, noted.settle.give_up_seconds) == (5.0, 50.0)
    assert (noted.settle.shard.db, noted.settle.shard.presets, noted.settle.shard.legacy_alias) == ("nt", (2, 4), True)


async def test_switched_off_nothing_is_noted_and_the_event_is_counted(caplog):
    hub = NotingHub()
    with caplog.at_level("INFO"):
        await take_event(event("nt/nt.00.nsq"), MOMENT, backing(hub, upload_events="off"))

    assert hub.noted == []
    assert "Event dropped. reason=switched-off" in caplog.text


async def test_event_that_could_not_be_noted_is_to_be_delivered_again():
    hub = NotingHub()
    hub.is_away = True

    with pytest.raises(TransientFailure):
        await take_event(event("nt/nt.00.nsq"), MOMENT, backing(hub))
