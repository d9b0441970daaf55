from __future__ import annotations

import httpx
import pytest
from azure.core.exceptions import HttpResponseError
from azure.storage.blob.aio import BlobServiceClient

from local.azurite import Azurite
from local.processes import port_open


async def names_in(connection_string: str) -> list[str]:
    async with BlobServiceClient.from_connection_string(connection_string) as service:
        return [container["name"] async for container in service.list_containers()]


async def test_every_account_has_its_own_containers_and_key(azurite):
    first, second = (azurite.account(name) for name in ("devstoreaccount1", "elbstg01"))
    async with BlobServiceClient.from_connection_string(second.connection_string) as service:
        await service.create_container("only-in-the-second")

    assert "only-in-the-second" in await names_in(second.connection_string)
    assert "only-in-the-second" not in await names_in(first.connection_string)
    assert first.key != second.key
    with pytest.raises(HttpResponseError, match="AuthorizationFailure"):
        await names_in(second.connection_string.replace(second.key, first.key))


async def test_short_properties_speak_of_the_first_account(azurite):
    assert azurite.account_name == "devstoreaccount1"
    assert azurite.blob_endpoint == f"http://127.0.0.1:{azurite.port}/devstoreaccount1"
    assert azurite.connection_string == azurite.account("devstoreaccount1").connection_string


@pytest.mark.parametrize("name", ["ab", "Upper", "with-dash", "a" * 25, "trailing\n"])
def test_account_name_that_azure_refuses_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="account name"):
        Azurite(tmp_path, accounts=(name,))


async def test_idle_connections_stay_open_as_on_azure(azurite):
    async with httpx.AsyncClient() as client:
        reply = await client.get(azurite.blob_endpoint)

    assert reply.headers["keep-alive"] == "timeout=3600"


async def test_stop_ends_the_process_and_may_be_repeated(tmp_path):
    emulator = Azurite(tmp_path)
    await emulator.start()
    assert await port_open(emulator.port)

    await emulator.stop()
    await emulator.stop()

    assert not await port_open(emulator.port)


async def test_data_on_disk_outlives_a_restart(tmp_path):
    emulator = Azurite(tmp_path, in_memory=False)
    async with emulator, BlobServiceClient.from_connection_string(emulator.connection_string) as service:
        await service.create_container("kept")

    async with emulator:
        assert await names_in(emulator.connection_string) == ["kept"]
