"""Request bodies, one model for each route. They refuse unknown fields; names follow the rules of `shared.blastdb.names`."""

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
type CallbackUrl = Annotated[str | None, Field(description="Where the app posts the operation when it has ended.")]


def _bounded(presets: tuple[int, ...]) -> tuple[int, ...]:
    unique = tuple(sorted(set(presets)))
    if sum(unique) > _MAX_SHARDS_IN_ALL:
        raise ValueError(f"the shard counts of one request add up to at most {_MAX_SHARDS_IN_ALL}; send two requests")
    return unique


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StartBody(_Body):
    """A body that starts a run."""

    callback_url: CallbackUrl = None


class _OfStored(_Body):
    """A body that names the storage account of a stored database."""

    subscription_id: Subscription = Field(description="The subscription of the storage account.")
    resource_group: ResourceGroup = Field(description="The resource group of the storage account.")
    account_name: Account = Field(description="The storage account that holds the database.")


class ShardRequest(StartBody, _OfStored):
    """The body of `POST /api/blast/databases/{db}/shard`."""

    presets: Annotated[tuple[ShardCount, ...], Field(min_length=1, max_length=_MAX_PRESETS), AfterValidator(_bounded)] | None = (
        Field(default=None, description="Shard counts to prepare. Default: the presets of the settings.")
    )
    force: StrictBool = Field(default=False, description="Write every layout blob again, even those that are already right.")


class RestoreRequest(StartBody, _OfStored):
    """The body of `POST /api/blast/databases/{db}/restore`."""

    digest: Annotated[str, Field(pattern=r"\A[0-9a-f]{32}\z")] | None = Field(
        default=None, description="The digest of the generation whose layout to restore. Default: the last one replaced."
    )


class VerifyRequest(_Body):
    """The body of `POST /api/blast/databases/{db}/verify`."""

    subscription_id: Subscription | None = Field(default=None, description="Accepted as on other routes, but not used here.")
    resource_group: ResourceGroup | None = Field(default=None, description="Accepted as on other routes, but not used here.")
    account_name: Account = Field(description="The storage account that holds the database.")


class PrepareRequest(StartBody):
    """The body of `POST /api/storage/prepare-db`."""

    subscription_id: Subscription = Field(description="The subscription of the storage account.")
    storage_resource_group: ResourceGroup = Field(description="The resource group of the storage account.")
    account_name: Account = Field(description="The storage account that will hold the database.")
    db_name: Database = Field(description="The database, as NCBI calls it.")
    source: Snapshot | None = Field(default=None, description="A snapshot of NCBI's bucket. Default: the newest.")


class CancelPrepareRequest(_Body):
    """The body of `POST /api/storage/prepare-db/{db}/cancel`."""

    subscription_id: Subscription = Field(description="The subscription of the storage account.")
    storage_resource_group: ResourceGroup = Field(description="The resource group of the storage account.")
    account_name: Account = Field(description="The storage account that holds the database.")


class WarmupRequest(StartBody):
    """The body of `POST /api/warmup/start` and `/release`: the replaced system's fields, `shard_count` and `replicas`.

    The app accepts `machine_type`, `num_nodes`, `acr_resource_group`, `acr_name` and `program` but does not use them: it asks
    the cluster what it has.
    """

    subscription_id: Subscription = Field(description="The subscription of the cluster.")
    resource_group: ResourceGroup = Field(description="The resource group of the cluster.")
    aks_cluster_name: Cluster = Field(description="The cluster.")
    storage_account: Account = Field(description="The storage account that holds the database.")
    database_name: Database = Field(description="The database.")
    storage_resource_group: ResourceGroup | None = None
    shard_count: ShardCount | None = Field(default=None, description="N. Default: chosen by the memory of the nodes.")
    replicas: Annotated[StrictInt, Field(ge=1, le=100)] | None = Field(default=None, description="Nodes for each shard.")
    require_all_nodes: StrictBool = Field(
        default=True,
        description="Fail when one node fails, or cannot take an agent. If false, every shard warm on one node is enough.",
    )
    ttl_seconds: Annotated[StrictInt, Field(ge=1, le=31_536_000)] | None = Field(
        default=None, description="Release the database this long after it became warm, unless it was warmed again."
    )
    machine_type: str | None = None
    num_nodes: StrictInt | None = None
    acr_resource_group: str | None = None
    acr_name: str | None = None
    program: str | None = None
