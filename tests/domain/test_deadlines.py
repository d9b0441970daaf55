"""Who waits for whom: each wait is shorter than the one around it, or an outer one would cut off an inner one's answer."""

import pytest

from shared.errors import Misconfigured
from shared.kube.manifests import WarmerSpec, daemon_set
from shared.runs.warmup.payloads import WarmRun
from shared.settings import WARM_SLACK_SECONDS, parse
from warmer.settings import AgentSettings

PROBE_GRACE_SECONDS = 60


def agent(name):
    return AgentSettings.model_fields[name].default


def test_each_wait_of_a_warmup_is_shorter_than_the_one_around_it():
    settings = parse({})
    spec = WarmerSpec(namespace="n", db="d", account="a", shard_count=1, digest="0" * 32, image="i:1", memory_request_bytes=1)
    probe = daemon_set(spec)["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    readiness = probe["periodSeconds"] * probe["failureThreshold"] + probe["timeoutSeconds"]

    chain = [
        settings.storage_timeout_seconds,
        agent("touch_seconds"),
        agent("forbidden_seconds"),
        settings.warm_deadline_seconds,
        settings.warm_lease_seconds,
    ]

    assert chain == sorted(set(chain))
    assert readiness < PROBE_GRACE_SECONDS < agent("forbidden_seconds")
    assert agent("forbidden_seconds") >= 180


def test_wait_ends_with_a_last_look_while_the_lease_is_held():
    settings, run = parse({}), WarmRun.model_fields

    assert settings.poll_longest_seconds < WARM_SLACK_SECONDS
    assert settings.warm_deadline_seconds + WARM_SLACK_SECONDS <= settings.warm_lease_seconds
    # A run whose input leaves them out waits no longer and holds no shorter than one of today's settings.
    assert run["deadline_seconds"].default == settings.warm_deadline_seconds
    assert run["lease_seconds"].default == settings.warm_lease_seconds


def test_lease_that_would_end_before_the_waiting_is_refused():
    parse({"SHARDWARM_WARM_DEADLINE_SECONDS": "100", "SHARDWARM_WARM_LEASE_SECONDS": str(100 + WARM_SLACK_SECONDS)})

    with pytest.raises(Misconfigured, match="SHARDWARM_WARM_LEASE_SECONDS"):
        parse({"SHARDWARM_WARM_DEADLINE_SECONDS": "100", "SHARDWARM_WARM_LEASE_SECONDS": "900"})
