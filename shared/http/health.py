"""Health routes: liveness and readiness."""

import asyncio
import sys
from collections.abc import Iterable
from importlib.metadata import version
from time import monotonic

from shared.allowed import named
from shared.errors import ShardwarmError
from shared.http import requests
from shared.http.messages import Answer, Call
from shared.http.ports import Backing
from shared.http.preflight import Check, MissingRightError, checks
from shared.runs.replies.models import Health, Probe, Readiness
from shared.sanitise import sanitised_line
from shared.version import VERSION

_KEPT_SECONDS = 10.0
_PACKAGES = ("azure-functions", "azure-functions-durable", "durabletask", "azure-storage-blob")


class _Remembered:
    """The last readiness of this process. It is kept so that frequent callers put no load on storage."""

    def __init__(self) -> None:
        self.answer: Answer | None = None
        self.until = 0.0


_LAST = _Remembered()


async def live(call: Call) -> Answer:
    """`GET /api/health`: the process answers, even when its settings are wrong. Reads nothing outside the process."""
    requests.only(call.query)
    return Answer(Health(version=VERSION))


async def ready(call: Call, backing: Backing) -> Answer:
    """`GET /api/health/ready?detail=`: storage and the task hub answer; a 503 names those that do not.

    With `detail` it also checks the app's rights to write. With a cluster it also checks the rights there. It keeps only a 200
    without these checks, for ten seconds.
    """
    requests.only(call.query, "detail", *requests.CLUSTER)
    cluster = requests.cluster(call) if any(name in call.query for name in requests.CLUSTER) else None
    if requests.flag(call, "detail") or cluster is not None:
        return await _probe_all(backing, checks(backing, cluster))
    if _LAST.answer is None or monotonic() >= _LAST.until:
        _LAST.answer = await _probe_all(backing)
        # A failure is never kept: the operator who repairs it must see the effect at once.
        _LAST.until = monotonic() + (_KEPT_SECONDS if _LAST.answer.status == 200 else 0)  # noqa: PLR2004 - HTTP's own number
    return _LAST.answer


async def _probe_all(backing: Backing, more: Iterable[Check] = ()) -> Answer:
    every = [
        Check("hub", lambda: backing.hub.lease("readiness", "probe")),
        *(
            Check(f"storage:{account}", lambda account=account: backing.catalogue.ping(account))
            for account in named(backing.settings.accounts)
        ),
        *more,
    ]
    probes = await asyncio.gather(*map(_probe, every))
    failed = any(not probe.ok for probe in probes)
    document = Readiness(
        status="unavailable" if failed else "ok",
        version=VERSION,
        probes=tuple(probes),
        versions={"python": sys.version.split()[0], **{name: version(name) for name in _PACKAGES}},
    )
    return Answer(document, 503 if failed else 200, {"Retry-After": "5"} if failed else {})


async def _probe(check: Check) -> Probe:
    started, message, command = monotonic(), None, None
    try:
        async with asyncio.timeout(check.seconds):
            await check.attempt()
    except TimeoutError:
        message = f"no answer within {check.seconds:.0f} s"
    except ShardwarmError as error:
        message = sanitised_line(error.problem.message)
        command = error.command if isinstance(error, MissingRightError) else None
    milliseconds = round((monotonic() - started) * 1000)
    return Probe(name=check.name, ok=message is None, milliseconds=milliseconds, message=message, command=command)
