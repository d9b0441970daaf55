"""Ports of the routes: small protocols of what they need from outside. `shared.clients` implements them; tests may too."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from shared.blastdb.certificate import Certificate
from shared.blastdb.volumes import Molecule
from shared.runs.database.layout_history import LayoutRecord
from shared.runs.leases import Lease
from shared.runs.operations import RunState
from shared.runs.payload import RunInput
from shared.runs.replies.models import DatabaseDocument, DatabaseRow, ShardSetDocument
from shared.runs.upload.transitions import Arrive
from shared.runs.warmup.clusters import ClusterRef
from shared.runs.warmup.rights import Right
from shared.runs.warmup.status import WarmStatus
from shared.settings import Settings


class HubPort(Protocol):
    """The task hub; `shared.azure.hub.Hub` says what each method promises."""

    async def start(self, orchestrator: str, run: str, request: RunInput) -> None:
        """Start a run under its own id, unless that id is taken; `find` says by its nonce whose run it is."""
        ...

    async def lease(self, account: str, db: str) -> Lease:
        """The lease as it was a moment ago."""
        ...

    async def find(self, run: str) -> RunState | None:
        """One run."""
        ...

    async def list(self, statuses: Sequence[str] | None, *, created_from: datetime | None = None) -> list[RunState]:
        """Runs created since a moment, newest first."""
        ...

    async def entities(self, name: str) -> dict[str, dict[str, Any]]:
        """The states of all entities of a name, by key."""
        ...

    async def note_arrival(self, arrival: Arrive) -> None:
        """Note an upload or a deletion."""
        ...

    async def cancel(self, state: RunState) -> None:
        """Ask a run to stop."""
        ...


class CataloguePort(Protocol):
    """The databases in storage; `shared.storage.catalogue.Catalogue` says what each method promises."""

    async def probe(self, account: str, db: str) -> Molecule:
        """Check by one call that the database has a volume; returns its molecule type."""
        ...

    async def rows(self, account: str) -> list[DatabaseRow]:
        """All databases of an account, sorted by name."""
        ...

    async def describe(self, account: str, db: str) -> tuple[DatabaseDocument, tuple[str, ...]]:
        """One database, as fully as it can be read, and the ids of the runs that last wrote its metadata."""
        ...

    async def shard_set(self, account: str, db: str, shard_count: int) -> ShardSetDocument:
        """One shard set with its texts."""
        ...

    async def restorable(self, account: str, db: str, digest: str | None) -> LayoutRecord:
        """The kept layout to restore, if its volumes are still there."""
        ...

    async def promoting(self, account: str, db: str) -> str | None:
        """The snapshot whose promotion has started; the next prepare-db run finishes it, whichever snapshot it is asked for."""
        ...

    async def verify(self, account: str, db: str) -> Certificate:
        """Compare everything that storage has of a database with what it must be."""
        ...

    async def ping(self, account: str) -> None:
        """Check that the account answers and lets the app in."""
        ...

    async def ping_writes(self, account: str) -> None:
        """Check that the account would let the app write and delete. Changes nothing."""
        ...


class ClusterPort(Protocol):
    """Clusters, their warmed databases and the app's rights there; `shared.kube.view.ClusterView` says what each promises."""

    async def require(self, cluster: ClusterRef) -> None:
        """Check that the cluster exists and that the settings allow it."""
        ...

    async def statuses(self, cluster: ClusterRef) -> list[WarmStatus]:
        """The status of every warmed database of the cluster."""
        ...

    async def missing_rights(self, cluster: ClusterRef) -> Sequence[Right]:
        """The rights that the app needs in the cluster and does not have."""
        ...


class SourcePort(Protocol):
    """NCBI's bucket; `shared.ncbi.bucket.Bucket` says what each method promises."""

    async def latest(self) -> str:
        """The newest snapshot's name."""
        ...

    async def latest_hint(self) -> str | None:
        """The newest snapshot as it was at most ten minutes ago; None when it is unknown."""
        ...

    async def probe(self, version: str, db: str) -> None:
        """Check that a snapshot has files of a database."""
        ...


class Backing(NamedTuple):
    """The settings and clients behind the routes, for one request."""

    settings: Settings
    hub: HubPort
    catalogue: CataloguePort
    clusters: ClusterPort
    source: SourcePort
