"""The message that `make dev` prints once the stack is up."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from local.azurite import CONTAINER

if TYPE_CHECKING:
    from pathlib import Path

    from local.cluster import Cluster
    from local.stack.stack import Stack


def greeting(stack: Stack, cluster: Cluster | None, addresses_file: Path) -> str:
    """Addresses of all parts, and first requests to try."""
    where = stack.addresses
    scope = {"subscription_id": where.subscription_id, "resource_group": where.resource_group}
    example = {**scope, "account_name": where.account_name}
    return f"""
Shardwarm is up.

  API               {where.functions_url}
  OpenAPI           {where.functions_url}/api/openapi.json
  Event Grid        {where.event_grid_url}?functionName=…
  Blob storage      {where.blob_endpoint}/{CONTAINER}   (account {where.account_name})
{_of_cluster(cluster)}\
  Logs              {stack.logs}
  All of this       {addresses_file}

  A database that you upload to DB/ there is sharded without a request.

  curl {where.functions_url}/api/health/ready
  curl -X POST {where.functions_url}/api/blast/databases/DB/shard -H 'content-type: application/json' \\
       -d '{json.dumps(example)}'
{_to_warm(cluster, where.functions_url, where.account_name)}
Ctrl-C ends the stack and deletes its data.
"""


def _of_cluster(cluster: Cluster | None) -> str:
    if cluster is None:
        return ""
    return f"""\
  Cluster           {cluster.cluster_name} in group {cluster.resource_group} of {cluster.subscription_id}
  kubectl           export KUBECONFIG={cluster.kubeconfig}
"""


def _to_warm(cluster: Cluster | None, url: str, account_name: str) -> str:
    if cluster is None:
        return ""
    example = {
        "subscription_id": cluster.subscription_id,
        "resource_group": cluster.resource_group,
        "aks_cluster_name": cluster.cluster_name,
        "storage_account": account_name,
        "database_name": "DB",
    }
    return f"""\
  curl -X POST {url}/api/warmup/start -H 'content-type: application/json' \\
       -d '{json.dumps(example)}'
"""
