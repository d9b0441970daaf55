"""Events of a storage account as Event Grid delivers them, in both schemas."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime

ACCOUNT = "devstoreaccount1"
CONTAINER = "blast-db"
NOTIFICATION = {"aeg-event-type": "Notification"}
CLOUD = {"content-type": "application/cloudevents-batch+json; charset=utf-8"}

_sequence = itertools.count(1)


def event(
    blob, *, api="PutBlob", deleted=False, account=ACCOUNT, container=CONTAINER, sequencer=None, etag=None, cloud=False
) -> dict:
    """One event; each has an ETag and a sequencer of its own unless they are given."""
    number = next(_sequence)
    kind = f"Microsoft.Storage.Blob{'Deleted' if deleted else 'Created'}"
    topic = f"/subscriptions/0000/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/{account}"
    subject = f"/blobServices/default/containers/{container}/blobs/{blob}"
    moment = datetime.now(UTC).isoformat()
    data = {
        "api": "DeleteBlob" if deleted else api,
        "clientRequestId": f"c{number}",
        "requestId": f"r{number}",
        "eTag": etag or f"0x8D{number:013X}",
        "contentType": "application/octet-stream",
        "contentLength": 100,
        "blobType": "BlockBlob",
        "url": f"https://{account}.blob.core.windows.net/{container}/{blob}",
        "sequencer": sequencer or f"{number:032X}",
        "storageDiagnostics": {"batchId": "b"},
    }
    if cloud:
        return {
            "specversion": "1.0",
            "id": f"e{number}",
            "source": topic,
            "subject": subject,
            "type": kind,
            "time": moment,
            "data": data,
        }
    return {
        "id": f"e{number}",
        "topic": topic,
        "subject": subject,
        "eventType": kind,
        "eventTime": moment,
        "data": data,
        "dataVersion": "",
        "metadataVersion": "1",
    }
