"""Access to an API server: address, identity, and kubeconfig files."""

from __future__ import annotations

import base64
import json
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

AKS_SERVER_APPLICATION = "6dae42f8-4368-4678-94ff-3960e28e3630"
"""The Entra application that AKS expects as a token's audience; the same in every tenant."""
_KUBELOGIN_CLIENT = "80faf920-1908-4b52-b5ef-a8e7bedfc67a"


@dataclass(frozen=True, slots=True)
class Access:
    """An API server and an identity there: a bearer token, or a client certificate in the TLS context, or both."""

    server: str
    authority: bytes
    """PEM of the certificate authorities that the server's certificate must come from."""
    token: str | None = None
    client_certificate: tuple[Path, Path] | None = None

    def tls(self) -> ssl.SSLContext:
        """A context that trusts this server alone."""
        context = ssl.create_default_context(cadata=self.authority.decode())
        if self.client_certificate is not None:
            context.load_cert_chain(*self.client_certificate)
        return context

    def kubeconfig(self) -> dict[str, Any]:
        """A kubeconfig for this identity, which must have a token."""
        return _kubeconfig(self, "shardwarm-local", "shardwarm-local", {"token": self.token})

    def entra_kubeconfig(self, resource_group: str, cluster_name: str, tenant_id: str) -> dict[str, Any]:
        """The kubeconfig that AKS hands to users of a cluster with Entra: it has no secret and runs kubelogin to get a token."""
        arguments = ["get-token", "--environment", "AzurePublicCloud", "--server-id", AKS_SERVER_APPLICATION]
        arguments += ["--client-id", _KUBELOGIN_CLIENT, "--tenant-id", tenant_id, "--login", "devicecode"]
        login = {
            "apiVersion": "client.authentication.k8s.io/v1beta1",
            "command": "kubelogin",
            "args": arguments,
            "env": None,
            "provideClusterInfo": False,
        }
        return _kubeconfig(self, cluster_name, f"clusterUser_{resource_group}_{cluster_name}", {"exec": login})

    def write_kubeconfig(self, path: Path) -> Path:
        """Write the kubeconfig, readable by its owner alone; as JSON, which is valid YAML."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(self.kubeconfig(), indent=2) + "\n")
        return path


def _kubeconfig(access: Access, cluster: str, user: str, identity: dict[str, Any]) -> dict[str, Any]:
    authority = base64.b64encode(access.authority).decode()
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": cluster, "cluster": {"certificate-authority-data": authority, "server": access.server}}],
        "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": user}}],
        "current-context": cluster,
        "preferences": {},
        "users": [{"name": user, "user": identity}],
    }


def there[T](part: T | None) -> T:
    """The part of a started cluster; RuntimeError before the start."""
    if part is None:
        raise RuntimeError("the cluster was not started")
    return part
