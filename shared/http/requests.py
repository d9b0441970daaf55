"""Requests, parsed once: bodies into their models, and what stands in path and query. What is wrong is refused by name."""

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

_MAX_WAIT_MS = 25_000


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


def callback(url: str | None, settings: Settings) -> Callback | None:
    """What a run is told of its callback; None when none was asked for.

    Raises:
        InvalidRequest: the settings do not let anything be posted there.
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
    accounts = named(settings.accounts)
    if len(accounts) == 1:
        return accounts[0]
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


def moment(text: str | None, target: str, *, default: datetime) -> datetime:
    """A moment in the query.

    Raises:
        InvalidRequest: it is none, or names no zone.
    """
    if text is None:
        return default
    try:
        found = datetime.fromisoformat(text)
        if found.tzinfo is not None:
            return found.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise InvalidRequest(Code.INVALID_FIELD, f"'{target}' is a moment with a zone, as 2026-03-01T00:00:00Z.", target=target)


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
