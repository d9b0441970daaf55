"""Warmups under way, told apart by every part of their cluster's address."""

from __future__ import annotations

import pytest

from shared.http.warmup import list_active
from tests.http.remembered import RememberingHub, backing, call, running

SUBSCRIPTION, OTHER = "0a1b2c3d-0000-4000-8000-000000000001", "0a1b2c3d-0000-4000-8000-000000000002"


def warming(run, subscription=SUBSCRIPTION, group="Blast-RG", name="Elastic"):
    cluster = {"subscription_id": subscription, "resource_group": group, "name": name}
    return running("warm_up", run, input={"cluster": cluster})


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"mine", "other-subscription", "other-group", "other-name"}),
        ({"cluster_name": "elastic"}, {"mine", "other-subscription", "other-group"}),
        ({"cluster_name": "ELASTIC", "resource_group": "blast-rg"}, {"mine", "other-subscription"}),
        ({"resource_group": "BLAST-RG", "subscription_id": SUBSCRIPTION.upper()}, {"mine", "other-name"}),
        ({"subscription_id": SUBSCRIPTION, "resource_group": "Blast-RG", "cluster_name": "Elastic"}, {"mine"}),
        ({"subscription_id": OTHER, "resource_group": "third"}, set()),
        ({"cluster_name": ""}, {"mine", "other-subscription", "other-group", "other-name"}),
    ],
)
async def test_every_given_part_counts_and_case_does_not(query, found):
    ended = warming("ended").model_copy(update={"engine_status": "COMPLETED"})
    others = [
        warming("other-subscription", subscription=OTHER),
        warming("other-group", group="another"),
        warming("other-name", name="another"),
    ]
    hub = RememberingHub(warming("mine"), *others, ended, running("shard", "a-shard", input={}))

    reply = (await list_active(call(query=query), backing(hub))).body

    assert {one.instance_id for one in reply.warmups} == found
    assert reply.active == bool(found)
