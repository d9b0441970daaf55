"""The setting that keeps the two-line aliases: every reader says that searches of the shards are not exact."""

from __future__ import annotations

from activities.shard import commit_metadata
from shared.runs.shard.outcome import result
from shared.storage.catalogue import Catalogue
from tests.activities.conftest import ACCOUNT
from tests.builders import database


async def test_two_line_aliases_are_said_to_be_inexact_wherever_the_database_is_shown(bench):
    clients = bench.clients
    catalogue = Catalogue(clients.accounts, clients.control, legacy_alias=True)
    await bench.blobs.upload(database("db", 2))
    before, _ = await catalogue.describe(ACCOUNT, "db")
    inspection = await bench.look("db", legacy_alias=True)
    await bench.written("db", inspection)
    await commit_metadata(bench.commit("db", inspection, legacy_alias=True), clients)

    row = next(row for row in await catalogue.rows(ACCOUNT) if row.name == "db")
    document, _ = await catalogue.describe(ACCOUNT, "db")
    certificate = await catalogue.verify(ACCOUNT, "db")
    achieved = result(inspection, (), removed=0, outcome="sharded")

    (said,) = row.warnings
    assert "two-line form without totals" in said
    assert "SHARDWARM_ALIAS_FORM=legacy" in said
    assert before.warnings == document.warnings == certificate.warnings == achieved.warnings == (said,)
    assert certificate.drift == "current"
