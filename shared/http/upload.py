"""Blob events of storage: notes uploads and deletions of database files, and drops and counts all other events.

A log line counts each dropped event. It begins with `Event dropped` and carries the reason, by which a query can group.
"""

from datetime import datetime
from typing import Any

from shared import telemetry
from shared.http.ports import Backing
from shared.inputs import settle_input
from shared.runs.upload.events import Drop, read_event
from shared.runs.upload.transitions import arrival

_LOG = telemetry.logger(__name__)
_SURPRISING = frozenset({Drop.MALFORMED, Drop.UNKNOWN_TYPE, Drop.ACCOUNT_NOT_ALLOWED})
"""Reasons that a correct event subscription never causes; they are logged as warnings."""


async def take_event(body: Any, received: datetime, backing: Backing) -> None:
    """Note one event for its database. Sends one signal and does not wait for its effect.

    Raises:
        TransientFailure: the task hub does not answer; a second delivery of the event helps.
    """
    settings = backing.settings
    changed = read_event(body, accounts=settings.accounts, container=settings.container)
    if isinstance(changed, Drop) or settings.upload_events == "off":
        _count(changed if isinstance(changed, Drop) else Drop.SWITCHED_OFF)
        return
    await backing.hub.note_arrival(arrival(changed, received, settle_input(settings, changed.account, changed.db)))


def _count(reason: Drop) -> None:
    with telemetry.context(reason=reason.value):
        (_LOG.warning if reason in _SURPRISING else _LOG.info)("Event dropped.")
