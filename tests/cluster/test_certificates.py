"""Certificates of the local cluster."""

import asyncio
import ssl

import pytest

from local.cluster.certificates import server_certificate, signing_key


@pytest.fixture
async def server(tmp_path):
    """A TLS server on 127.0.0.1 with a certificate of its own: its port, and the certificate's files."""
    made = server_certificate(tmp_path, "server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with listening:
        yield listening.sockets[0].getsockname()[1], made


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
async def test_client_that_trusts_the_authority_alone_connects(server, name):
    port, made = server
    trusting = ssl.create_default_context(cadata=made.authority.read_text())
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting, server_hostname=name)
    writer.close()
    await writer.wait_closed()


async def test_client_refuses_another_name_and_another_authority(server, tmp_path):
    port, made = server
    trusting = ssl.create_default_context(cadata=made.authority.read_text())
    (tmp_path / "other").mkdir()
    other = ssl.create_default_context(cadata=server_certificate(tmp_path / "other", "server").authority.read_text())
    for context, name in ((trusting, "elsewhere.invalid"), (other, "localhost")):
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)


def test_keys_are_readable_by_their_owner_alone(tmp_path):
    made = server_certificate(tmp_path, "server")
    assert {path.stat().st_mode & 0o777 for path in (made.key, signing_key(tmp_path / "signing.key"))} == {0o600}
