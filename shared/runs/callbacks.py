"""Callbacks (webhooks): which URLs are allowed, how a post is signed, and the payloads of `notify`.

A callback's URL stands in the run's input and so in its history. Therefore it carries no secret, neither user nor query; the
signature says who posts.
"""

import base64
import binascii
import hmac
import re
from datetime import datetime
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Literal, NamedTuple

from shared.allowed import allows
from shared.errors import Code, Problem
from shared.runs.payload import Payload, RetryOptions

LONGEST_URL = 512
# Whole and narrow, so that no two parsers can differ about the host: no user, no backslash, no query, no fragment.
_URL = re.compile(
    r"(https?)://([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::([0-9]{1,5}))?((?:/[A-Za-z0-9._~!$&'()*+,;=:@%-]*)*)"
)
_HIGHEST_PORT = 65535
_SECRET_PREFIX = "whsec_"  # noqa: S105 - the mark of a secret, not one
_SHORTEST_KEY, _LONGEST_KEY = 24, 64
_WRONG_SECRET = "after 'whsec_' comes base64 of 24 to 64 bytes"  # noqa: S105 - a message
_PLATFORM = IPv4Address("168.63.129.16")
"""Azure's own host inside every virtual network: public by its number only."""
_NAT64 = IPv6Network("64:ff9b::/96")
_EMBEDDING = (IPv6Network("2002::/16"), IPv6Network("2001::/32"), IPv6Network("64:ff9b:1::/48"), IPv6Network("::/96"))
"""Addresses that stand for an IPv4 address elsewhere (6to4, Teredo, local NAT64, IPv4-compatible): no receiver is there."""


class CallbackRules(NamedTuple):
    """What the settings allow. `local` lets pass http and addresses of this machine and its network."""

    hosts: tuple[str, ...]
    has_secret: bool
    local: bool


class Callback(Payload):
    """The URL that gets the operation when a run has ended, and how the post is retried; part of the run's input.

    A post that failed for a passing reason is repeated until there were `attempts` in all. `wait_seconds` bounds the
    waiting for the run's end.
    """

    url: str
    attempts: int = 10
    first_seconds: float = 5.0
    longest_seconds: float = 300.0
    wait_seconds: float = 86400.0


class Notice(Payload):
    """The input of `notify`: which run, and where the last execution stopped.

    `looks` counts the looks at a run that had not ended, `tries` the posts that failed; `retry` steers the looks.
    """

    run: str
    callback: Callback
    retry: RetryOptions = RetryOptions()
    looks: int = 0
    tries: int = 0
    deadline: datetime | None = None


class PostCallback(Payload):
    """Post a run's operation document, if the run has ended."""

    run: str
    url: str


class Posted(Payload):
    """What became of a post. `waiting` means that the run has not ended, `failed` that another try may help."""

    outcome: Literal["waiting", "delivered", "failed", "refused"]
    status_code: int | None = None
    problem: Problem | None = None


class CallbackState(Payload):
    """How far a callback is, in the operation document and as the custom status of `notify`."""

    phase: Literal["waiting", "posting", "delivered", "failed"]
    tries: int = 0
    status_code: int | None = None
    error: Problem | None = None


def refusal(url: str, rules: CallbackRules) -> Problem | None:
    """Why a callback URL is refused, as far as the URL alone can tell; None when it is allowed."""
    if not rules.has_secret or not rules.hosts:
        return _refused("Callbacks are turned off here: SHARDWARM_CALLBACK_HOSTS and SHARDWARM_CALLBACK_SECRET turn them on.")
    match = _URL.fullmatch(url)
    if match is None or len(url) > LONGEST_URL or not 0 < int(match[3] or 1) <= _HIGHEST_PORT:
        return _refused("It is https://host/path, without user, query and fragment, in ASCII, 512 characters at most.")
    scheme, host = match[1], match[2].lower()
    if scheme != "https" and not rules.local:
        return _refused("Callbacks go over https only.")
    if not allows(rules.hosts, host):
        return _refused(f"The host '{host[:100]}' is not in SHARDWARM_CALLBACK_HOSTS.")
    if not rules.local and _is_number_of_a_private_host(host):
        return _refused("Callbacks go to public addresses only.")
    return None


def is_public(address: str) -> bool:
    """Whether an IP address is public: outside this machine, its networks, and its platform."""
    number = ip_address(address.partition("%")[0])
    if isinstance(number, IPv6Address):
        if number.ipv4_mapped is not None:
            number = number.ipv4_mapped
        elif number in _NAT64:
            number = IPv4Address(int(number) & 0xFFFFFFFF)
        elif any(number in network for network in _EMBEDDING):
            return False
    return number.is_global and not number.is_multicast and number != _PLATFORM


def signing_key(secret: str) -> bytes:
    """The bytes that key the signature: decoded from `whsec_` and base64, or a plain text as it is.

    Raises:
        ValueError: what follows `whsec_` is not base64 of 24 to 64 bytes.
    """
    if not secret.startswith(_SECRET_PREFIX):
        return secret.encode()
    try:
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError(_WRONG_SECRET) from error
    if not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise ValueError(_WRONG_SECRET)
    return key


def signature(secret: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The `webhook-signature` of Standard Webhooks: HMAC-SHA256 over id, timestamp and the body as sent, joined by full stops."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(signing_key(secret), signed, "sha256")).decode()


def former_signature(secret: str, timestamp: str, body: bytes) -> str:
    """The former `x-shardwarm-signature`: HMAC-SHA256 over timestamp, full stop and body, keyed with the secret as text."""
    return "v1=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, "sha256").hexdigest()


def judged(status_code: int) -> Posted:
    """What a receiver's answer means: 2xx took it; 408, 425, 429 and 5xx may take it later; anything else will not."""
    if 200 <= status_code < 300:  # noqa: PLR2004 - success, as HTTP has it
        return Posted(outcome="delivered", status_code=status_code)
    passing = status_code in {408, 425, 429} or status_code >= 500  # noqa: PLR2004 - as above
    message = f"The receiver answered {status_code}."
    if 300 <= status_code < 400:  # noqa: PLR2004 - as above
        message = f"The receiver answered {status_code}; the app follows no redirects."
    problem = Problem(code=Code.CALLBACK_FAILED, message=message, target="callback_url")
    return Posted(outcome="failed" if passing else "refused", status_code=status_code, problem=problem)


def _is_number_of_a_private_host(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return False


def _refused(message: str) -> Problem:
    return Problem(code=Code.CALLBACK_NOT_ALLOWED, message=f"'callback_url' is refused. {message}", target="callback_url")
