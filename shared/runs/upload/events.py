"""Storage events of a database's upload, in Event Grid's own schema and as CloudEvents: which events count.

| `data.api` of a `BlobCreated` event | counts |
|---|---|
| `PutBlob`, `PutBlockList`, `FlushWithClose`, `SftpCommit` | the content is complete |
| `CopyBlob` | a copy has begun; a look at the blob must check whether it has ended |
| `CreateFile`, `SftpCreate` | no: an empty file; its content follows with an event of its own |
| anything else, or none | yes: a missed upload costs more than a needless look |

Every `BlobDeleted` event counts. Only a database's own files count, and only in the root of its folder. What the app writes
itself (layouts, control blobs, staging) must never start a run.
"""

import re
from collections.abc import Collection
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError

from shared.allowed import allows
from shared.blastdb.blobs import STAGING, database_of_metadata, is_layout_folder, published_metadata_file
from shared.blastdb.names import is_database_name
from shared.blastdb.volumes import is_file_of

type Change = Literal["created", "deleted"]

_CHANGES: dict[str, Change] = {"Microsoft.Storage.BlobCreated": "created", "Microsoft.Storage.BlobDeleted": "deleted"}
_INCOMPLETE = frozenset({"CreateFile", "SftpCreate"})
_LONGEST_MARK = 256
_TOPIC = re.compile(
    r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Storage/storageAccounts/([a-z0-9]{3,24})", re.IGNORECASE
)
_SUBJECT = re.compile(r"/blobServices/default/containers/([^/]+)/blobs/(.+)")


class Drop(StrEnum):
    """Why an event is dropped. The log has these words, by which operators count the events."""

    SWITCHED_OFF = "switched-off"
    MALFORMED = "malformed"
    UNKNOWN_TYPE = "unknown-type"
    INCOMPLETE_CONTENT = "incomplete-content"
    ACCOUNT_NOT_ALLOWED = "account-not-allowed"
    OTHER_CONTAINER = "other-container"
    LAYOUT = "layout"
    METADATA = "metadata"
    STAGING = "staging"
    FOREIGN_PATH = "foreign-path"


class BlobChanged(NamedTuple):
    """One file of a database was uploaded or deleted. `leaf` is its name without the folder.

    `sequencer` orders the events of one blob as strings; events without one cannot be ordered.
    """

    account: str
    db: str
    leaf: str
    change: Change
    etag: str | None
    sequencer: str | None
    time: datetime | None


class _Data(BaseModel):
    api: str = ""
    etag: str | None = Field(None, validation_alias=AliasChoices("eTag", "etag"), max_length=_LONGEST_MARK)
    sequencer: str | None = Field(None, max_length=_LONGEST_MARK)


class _Event(BaseModel):
    """The fields that both schemas have, by the names of either."""

    model_config = ConfigDict(populate_by_name=True)

    type: str = Field(validation_alias=AliasChoices("eventType", "type"))
    source: str = Field(validation_alias=AliasChoices("topic", "source"))
    subject: str
    time: datetime | None = Field(None, validation_alias=AliasChoices("eventTime", "time"))
    data: dict[str, Any] | None = None


def read_event(body: Any, *, accounts: Collection[str], container: str) -> BlobChanged | Drop:
    """Read an event: the blob that changed, or why the event is dropped. Never fails, whatever the body is.

    Args:
        body: one event as JSON, of either schema.
        accounts: the storage accounts that the app may touch; `*` stands for all.
        container: the container of the databases.
    """
    try:
        event = _Event.model_validate(body)
    except ValidationError:
        return Drop.MALFORMED
    change = _CHANGES.get(event.type)
    if change is None:
        return Drop.UNKNOWN_TYPE
    try:
        data = _Data.model_validate(event.data)
    except ValidationError:
        return Drop.MALFORMED
    topic, subject = _TOPIC.fullmatch(event.source), _SUBJECT.fullmatch(event.subject)
    if topic is None or subject is None:
        return Drop.MALFORMED
    account = topic[1].lower()
    if not allows(accounts, account):
        return Drop.ACCOUNT_NOT_ALLOWED
    if subject[1] != container:
        return Drop.OTHER_CONTAINER
    place = _place(subject[2])
    if isinstance(place, Drop):
        return place
    if change == "created" and data.api in _INCOMPLETE:
        return Drop.INCOMPLETE_CONTENT
    return BlobChanged(account, *place, change, data.etag, data.sequencer, event.time)


def _place(path: str) -> tuple[str, str] | Drop:
    """The database and the leaf, or why the blob is no file of a database."""
    db, *below = path.split("/")
    if not below:
        return Drop.METADATA if database_of_metadata(path) is not None else Drop.FOREIGN_PATH
    if is_layout_folder(db):
        return Drop.LAYOUT
    if STAGING in below[:-1]:
        return Drop.STAGING
    leaf = below[0]
    if len(below) > 1 or not is_database_name(db) or not _is_of(db, leaf):
        return Drop.FOREIGN_PATH
    return db, leaf


def _is_of(db: str, leaf: str) -> bool:
    return is_file_of(db, leaf) or leaf in {published_metadata_file(db, "nucl"), published_metadata_file(db, "prot")}
