"""The bodies of requests, one model a route. Unknown fields are refused; names follow the rules of `shared.blastdb.names`."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt

from shared.blastdb import names
from shared.blastdb.blobs import MAX_SHARDS

_MAX_PRESETS = 16
_MAX_SHARDS_IN_ALL = 96

type Account = Annotated[str, AfterValidator(names.account_name)]
type Subscription = Annotated[str, AfterValidator(names.subscription_id)]
type ResourceGroup = Annotated[str, AfterValidator(names.resource_group)]
type Database = Annotated[str, AfterValidator(names.database_name)]
type Cluster = Annotated[str, AfterValidator(names.cluster_name)]
type Snapshot = Annotated[str, AfterValidator(names.snapshot_name)]
type ShardCount = Annotated[StrictInt, Field(ge=1, le=MAX_SHARDS)]
type CallbackUrl = Annotated[str | None, Field(description="Where the operation is posted once it has ended.")]


def _bounded(presets: tuple[int, ...]) -> tuple[int, ...]:
    unique = tuple(sorted(set(presets)))
    if sum(unique) > _MAX_SHARDS_IN_ALL:
        raise ValueError(f"the shard counts of one request add up to {_MAX_SHARDS_IN_ALL} at most; ask in two requests")
    return unique


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _OfStored(_Body):
    """About a database that is stored."""

    subscription_id: Subscription = Field(description="The subscription of the storage account.")
    resource_group: ResourceGroup = Field(description="The resource group of the storage account.")
    account_name: Account = Field(description="The storage account that holds the database.")


class ShardRequest(_OfStored):
    """The body of `POST /api/blast/databases/{db}/shard`."""

    presets: Annotated[tuple[ShardCount, ...], Field(min_length=1, max_length=_MAX_PRESETS), AfterValidator(_bounded)] | None = (
        Field(default=None, description="Shard counts to prepare; the settings' presets when absent.")
    )
    force: StrictBool = Field(default=False, description="Write every layout blob again, also those that are right.")
    callback_url: CallbackUrl = None


class RestoreRequest(_OfStored):
    """The body of `POST /api/blast/databases/{db}/restore`."""

    digest: Annotated[str, Field(pattern=r"\A[0-9a-f]{32}\z")] | None = Field(
        default=None, description="Which generation's layout; the newest that was replaced when absent."
    )
    callback_url: CallbackUrl = None


class VerifyRequest(_Body):
    """The body of `POST /api/blast/databases/{db}/verify`."""

    subscription_id: Subscription | None = Field(default=None, description="Accepted, as for the other routes; not needed.")
    resource_group: ResourceGroup | None = Field(default=None, description="Accepted, as for the other routes; not needed.")
    account_name: Account = Field(description="The storage account that holds the database.")


class PrepareRequest(_Body):
    """The body of `POST /api/storage/prepare-db`."""

    subscription_id: Subscription = Field(description="The subscription of the storage account.")
    storage_resource_group: ResourceGroup = Field(description="The resource group of the storage account.")
    account_name: Account = Field(description="The storage account that is to hold the database.")
    db_name: Database = Field(description="The database, as NCBI calls it.")
    source: Snapshot | None = Field(default=None, description="A snapshot of NCBI's bucket; the newest one when absent.")
    callback_url: CallbackUrl = None


class CancelPrepareRequest(_Body):
    """The body of `POST /api/storage/prepare-db/{db}/cancel`."""

    subscription_id: Subscription = Field(description="The subscription of the storage account.")
    storage_resource_group: ResourceGroup = Field(description="The resource group of the storage account.")
    account_name: Account = Field(description="The storage account that holds the database.")


class WarmupRequest(_Body):
    """The body of `POST /api/warmup/start` and `/release`; the replaced system's fields, and `shard_count` and `replicas`.

    `machine_type`, `num_nodes`, the registry's and `program` are accepted and not used: the cluster itself says what it has.
    """

    subscription_id: Subscription = Field(description="The subscription of the cluster.")
    resource_group: ResourceGroup = Field(description="The resource group of the cluster.")
    aks_cluster_name: Cluster = Field(description="The cluster.")
    storage_account: Account = Field(description="The storage account that holds the database.")
    database_name: Database = Field(description="The database.")
    storage_resource_group: ResourceGroup | None = None
    shard_count: ShardCount | None = Field(default=None, description="N; chosen by the nodes' memory when absent.")
    replicas: Annotated[StrictInt, Field(ge=1, le=100)] | None = Field(default=None, description="Nodes for each shard.")
    require_all_nodes: StrictBool = Field(
        default=True, description="Fail when a node does; without it, every shard warm on one node is enough."
    )
    ttl_seconds: Annotated[StrictInt, Field(ge=1, le=31_536_000)] | None = Field(
        default=None, description="Release the database so long after it became warm, unless it was warmed again."
    )
    callback_url: CallbackUrl = None
    machine_type: str | None = None
    num_nodes: StrictInt | None = None
    acr_resource_group: str | None = None
    acr_name: str | None = None
    program: str | None = None
