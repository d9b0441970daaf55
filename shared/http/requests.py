"""Parsing of requests: bodies, path and query become checked values. A refusal names the field that is wrong."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ValidationError

from shared.allowed import named
from shared.blastdb import names
from shared.errors import Code, InvalidRequest, Problem
from shared.http.messages import Call
from shared.inputs import callback_rules, callback_to
from shared.runs.callbacks import Callback, refusal
from shared.runs.warmup.clusters import ClusterRef
from shared.settings import Settings

CLUSTER = ("subscription_id", "resource_group", "cluster_name")
"""The parts of a query that name a cluster."""
_MAX_WAIT_MS = 25_000
_MAX_BODY_BYTES = 64 * 1024
"""No request that makes sense has a twentieth of this. The check comes before the body is parsed."""


def cluster(call: Call) -> ClusterRef:
    """The cluster that the query names.

    Raises:
        InvalidRequest: subscription, resource group or name is missing or wrong.
    """
    return ClusterRef(
        subscription_id=_checked(names.subscription_id, call.query.get("subscription_id", ""), "subscription_id"),
        resource_group=_checked(names.resource_group, call.query.get("resource_group", ""), "resource_group"),
        name=_checked(names.cluster_name, call.query.get("cluster_name", ""), "cluster_name"),
    )


def parse_body[Body: BaseModel](call: Call, body_type: type[Body]) -> Body:
    """The body as a model.

    Raises:
        InvalidRequest: too large, not JSON, not an object, or fields that are wrong; `details` names each of them.
    """
    if len(call.body) > _MAX_BODY_BYTES:
        message = f"The body has {len(call.body):,} bytes; {_MAX_BODY_BYTES:,} are allowed."
        raise InvalidRequest(Code.REQUEST_BODY_TOO_LARGE, message)
    try:
        return body_type.model_validate_json(call.body or b"{}")
    except ValidationError as error:
        raise _refusal(error) from error


def callback(url: str | None, settings: Settings) -> Callback | None:
    """The callback for a run's input; None when the request has no callback URL.

    Raises:
        InvalidRequest: the settings do not allow posts to this URL.
    """
    if url is None:
        return None
    problem = refusal(url, callback_rules(settings))
    if problem is not None:
        raise InvalidRequest.of(problem)
    return callback_to(settings, url)


def database(call: Call) -> str:
    """The database in the path.

    Raises:
        InvalidRequest: a database cannot have this name.
    """
    return _checked(names.database_name, call.path.get("db", ""), "db")


def account(call: Call, settings: Settings) -> str:
    """The account in the query; without one, the only account that the settings name.

    Raises:
        InvalidRequest: the query names no account and the settings name none or several, or an account cannot have this name.
    """
    given = call.query.get("account_name")
    if given is not None:
        return _checked(names.account_name, given, "account_name")
    accounts = named(settings.accounts)
    if len(accounts) == 1:
        return accounts[0]
    raise InvalidRequest(Code.MISSING_FIELD, "Say which storage account: ?account_name=…", target="account_name")


def whole_number(text: str | None, target: str, *, default: int, lowest: int, highest: int) -> int:
    """A whole number in the path or query; both ends of the range are allowed.

    Raises:
        InvalidRequest: it is not a whole number in the range.
    """
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > len(str(highest)) or not lowest <= int(text) <= highest:
        raise InvalidRequest(Code.INVALID_FIELD, f"'{target}' is a whole number from {lowest} to {highest}.", target=target)
    return int(text)


def moment(text: str | None, target: str, *, default: datetime) -> datetime:
    """A moment in the query.

    Raises:
        InvalidRequest: it is not a moment in ISO 8601, or it has no time zone.
    """
    if text is None:
        return default
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    message = f"'{target}' is a moment with a time zone, such as 2026-03-01T00:00:00Z."
    raise InvalidRequest(Code.INVALID_FIELD, message, target=target)


def flag(call: Call, name: str) -> bool:
    """Whether the query has a flag: by its name alone, or with `true`.

    Raises:
        InvalidRequest: it has another value than `true` and `false`.
    """
    given = call.query.get(name, "false")
    if given not in {"", "true", "false"}:
        raise InvalidRequest(Code.INVALID_FIELD, f"'{name}' is true or false.", target=name)
    return given != "false"


def wait_ms(call: Call) -> int:
    """How long the caller is willing to wait for a change, in milliseconds."""
    return whole_number(call.query.get("wait_ms"), "wait_ms", default=0, lowest=0, highest=_MAX_WAIT_MS)


def only(query: Mapping[str, str], *known: str) -> None:
    """Refuse query parameters that a route does not know.

    Raises:
        InvalidRequest: the query has one; the error's `target` names it.
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
