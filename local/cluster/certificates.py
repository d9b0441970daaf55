"""TLS certificates by trustme, and the key that signs service account tokens: new in each run, for 127.0.0.1 alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import trustme
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

if TYPE_CHECKING:
    from pathlib import Path

_VALID = timedelta(days=30)


class Certificate(NamedTuple):
    """Files of a server's certificate, all PEM."""

    authority: Path
    """What clients trust. It has issued this one certificate; its key is not kept."""
    certificate: Path
    key: Path


def server_certificate(folder: Path, name: str) -> Certificate:
    """Make a certificate for 127.0.0.1 and localhost, and the authority that vouches for it."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost", common_name=name, not_after=datetime.now(UTC) + _VALID)
    made = Certificate(folder / f"{name}-ca.pem", folder / f"{name}.pem", folder / f"{name}.key")
    made.authority.write_bytes(authority.cert_pem.bytes())
    made.certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    _write_key(made.key, issued.private_key_pem.bytes())
    return made


def signing_key(path: Path) -> Path:
    """Make the key that signs service account tokens; the API server takes RSA."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write_key(path, key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
    return path


def _write_key(path: Path, key: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(key)
