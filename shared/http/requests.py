"""Requests, parsed once. Unknown fields are refused by name; names are checked by the rules of `shared.blastdb.names`."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, ValidationError

from shared.allowed import ANY
from shared.blastdb import names
from shared.blastdb.blobs import MAX_SHARDS
from shared.errors import Code, InvalidRequest, Problem
from shared.http.messages import Call
from shared.runs.clusters import ClusterRef
from shared.settings import Settings

_MAX_WAIT_MS = 25_000
_MAX_PRESETS = 16
_MAX_SHARDS_IN_ALL = 96

type Account = Annotated[str, AfterValidator(names.account_name)]
type Subscription = Annotated[str, AfterValidator(names.subscription_id)]
type ResourceGroup = Annotated[str, AfterValidator(names.resource_group)]
type Database = Annotated[str, AfterValidator(names.database_name)]
type Cluster = Annotated[str, AfterValidator(names.cluster_name)]
type ShardCount = Annotated[StrictInt, Field(ge=1, le=MAX_SHARDS)]


def _bounded(presets: tuple[int, ...]) -> tuple[int, ...]:
    unique = tuple(sorted(set(presets)))
    if sum(unique) > _MAX_SHARDS_IN_ALL:
        raise ValueError(f"the shard counts of one request add up to {_MAX_SHARDS_IN_ALL} at most; ask in two requests")
    return unique


class ShardRequest(BaseModel):
    """The body of `POST /api/blast/databases/{db}/shard`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    subscription_id: Subscription = Field(description="The subscription of the storage account.")
    resource_group: ResourceGroup = Field(description="The resource group of the storage account.")
    account_name: Account = Field(description="The storage account that holds the database.")
    presets: Annotated[tuple[ShardCount, ...], Field(min_length=1, max_length=_MAX_PRESETS), AfterValidator(_bounded)] | None = (
        Field(default=None, description="Shard counts to prepare; the settings' presets when absent.")
    )
    force: StrictBool = Field(default=False, description="Write every layout blob again, also those that are right.")


class WarmupRequest(BaseModel):
    """The body of `POST /api/warmup/start` and `/release`; the replaced system's fields, and `shard_count` and `replicas`.

    `machine_type`, `num_nodes`, the registry's and `program` are accepted and not used: the cluster itself says what it has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

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
    machine_type: str | None = None
    num_nodes: StrictInt | None = None
    acr_resource_group: str | None = None
    acr_name: str | None = None
    program: str | None = None


def cluster(call: Call) -> ClusterRef:
    """The cluster in the query.

    Raises:
        InvalidRequest: a part of its address is missing or wrong.
    """
    return ClusterRef(
        subscription_id=_checked(names.subscription_id, call.query.get("subscription_id", ""), "subscription_id"),
        resource_group=_checked(names.resource_group, call.query.get("resource_group", ""), "resource_group"),
        name=_checked(names.cluster_name, call.query.get("cluster_name", ""), "cluster_name"),
    )


def parse_body[Body: BaseModel](call: Call, body_type: type[Body]) -> Body:
    """The body as a model.

    Raises:
        InvalidRequest: not JSON, not an object, or fields that are wrong; `details` names each of them.
    """
    try:
        return body_type.model_validate_json(call.body or b"{}")
    except ValidationError as error:
        raise _refusal(error) from error


def database(call: Call) -> str:
    """The database in the path.

    Raises:
        InvalidRequest: it is not a name that a database can have.
    """
    return _checked(names.database_name, call.path.get("db", ""), "db")


def account(call: Call, settings: Settings) -> str:
    """The account in the query; the settings' only account when none is given.

    Raises:
        InvalidRequest: there is none, or it is not an account's name.
    """
    given = call.query.get("account_name")
    if given is not None:
        return _checked(names.account_name, given, "account_name")
    named = [name for name in settings.accounts if name != ANY]
    if len(named) == 1:
        return named[0]
    raise InvalidRequest(Code.MISSING_FIELD, "Say which storage account: ?account_name=…", target="account_name")


def whole_number(text: str | None, target: str, *, default: int, lowest: int, highest: int) -> int:
    """A number in the path or query.

    Raises:
        InvalidRequest: it is not a whole number in the range.
    """
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(highest)) or not lowest <= int(text) <= highest:
        raise InvalidRequest(Code.INVALID_FIELD, f"'{target}' is a whole number from {lowest} to {highest}.", target=target)
    return int(text)


def wait_ms(call: Call) -> int:
    """How long a reader is willing to wait for a change."""
    return whole_number(call.query.get("wait_ms"), "wait_ms", default=0, lowest=0, highest=_MAX_WAIT_MS)


def only(query: Mapping[str, str], *known: str) -> None:
    """Refuse query parameters that a route does not know.

    Raises:
        InvalidRequest: there is one; it is named.
    """
    for name in query:
        if name not in known and name not in {"code", "clientId", "api-version"}:
            known_names = ", ".join(known) or "none"
            raise InvalidRequest(Code.UNKNOWN_FIELD, f"Unknown query parameter. Known are: {known_names}.", target=name[:64])


def _checked(check: Callable[[str], str], text: str, target: str) -> str:
    try:
        return check(text)
    except names.InvalidNameError as error:
        raise InvalidRequest(Code.INVALID_NAME, f"{error}.", target=target) from error


def _refusal(error: ValidationError) -> InvalidRequest:
    details = tuple(_detail(item) for item in error.errors(include_url=False, include_input=False))
    first = details[0]
    summary = first.model_copy(update={"details": details if len(details) > 1 else ()})
    return InvalidRequest.of(summary)


def _detail(item: Mapping[str, Any]) -> Problem:
    target = ".".join(str(part) for part in item["loc"])[:64] or None
    match item["type"]:
        case "extra_forbidden":
            return Problem(code=Code.UNKNOWN_FIELD, message=f"The body has an unknown field '{target}'.", target=target)
        case "missing":
            return Problem(code=Code.MISSING_FIELD, message=f"The body lacks the field '{target}'.", target=target)
        case "json_invalid":
            return Problem(code=Code.INVALID_JSON, message="The body is not JSON.")
        case "model_type" | "model_attributes_type":
            return Problem(code=Code.INVALID_JSON, message="The body is not a JSON object.")
        case kind:
            reason = str(item["msg"]).removeprefix("Value error, ")
            code = Code.INVALID_NAME if kind == "value_error" and "name" in str(target) else Code.INVALID_FIELD
            return Problem(code=code, message=f"The field '{target}' is wrong: {reason}.", target=target)
