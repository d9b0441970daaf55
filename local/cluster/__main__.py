"""Keeps a cluster up until Ctrl-C: `python -m local.cluster`, which is `make cluster`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import shutil
import sys
from pathlib import Path

from local.azurite import ROOT
from local.cluster.binaries import ClusterUnavailable
from local.cluster.cluster import Cluster
from local.cluster.images import MACHINE, project_python
from local.processes import ProcessFailed
from local.upkeep import announced, only_one, until_asked

DEFAULT_ROOT = ROOT / ".local"


async def _run(cluster: Cluster, addresses_file: Path) -> None:
    print("Joining the cluster of KUBECONFIG …" if cluster.is_given else "Starting Kubernetes …", flush=True)
    async with cluster:
        with announced(_addresses(cluster), addresses_file):
            _greet(cluster, addresses_file)
            await cluster.failed()


def _addresses(cluster: Cluster) -> dict[str, str | int]:
    return {
        "server": cluster.server,
        "kubeconfig": str(cluster.kubeconfig),
        "app_kubeconfig": str(cluster.app_kubeconfig),
        "arm_url": cluster.arm_url,
        "arm_certificate": str(cluster.arm_certificate),
        "subscription_id": cluster.subscription_id,
        "resource_group": cluster.resource_group,
        "cluster_name": cluster.cluster_name,
        "pid": os.getpid(),
    }


def _greet(cluster: Cluster, addresses_file: Path) -> None:
    nodes = "those of the cluster" if cluster.is_given else ", ".join(cluster.nodes.names)
    print(
        f"""
The cluster is up.

  API server        {cluster.server}
  All rights        export KUBECONFIG={cluster.kubeconfig}
  The app's rights  {cluster.app_kubeconfig}
  Workload nodes    {nodes}
  ARM               {cluster.arm_url}   (certificate {cluster.arm_certificate})
  Managed cluster   {cluster.cluster_name} in group {cluster.resource_group}
  Logs              {cluster.logs}
  All of this       {addresses_file}

Ctrl-C ends it. {"The roles that were applied stay." if cluster.is_given else "Nothing is kept."}
""",
        flush=True,
    )


def main() -> int:
    """Keep a cluster up until asked to end; 0 then, 1 when it failed, 2 when there can be none on this machine."""
    parser = argparse.ArgumentParser(prog="local.cluster", description="Keeps a local cluster up until Ctrl-C.")
    parser.add_argument("--nodes", type=int, default=3, help="in the workload pool (default: 3)")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for cluster.json and all files (default: .local)")
    arguments = parser.parse_args()
    root: Path = arguments.root.resolve()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    images = {"shardwarm-warmer:local": project_python(), "machine:local": MACHINE}
    try:
        with only_one(root / "cluster.lock"):
            shutil.rmtree(root / "cluster", ignore_errors=True)
            cluster = Cluster(root / "cluster", nodes=arguments.nodes, images=images)
            asyncio.run(until_asked(_run(cluster, root / "cluster.json")))
    except BlockingIOError:
        print(f"A cluster is already up under {root}; its addresses are in {root / 'cluster.json'}.", file=sys.stderr)
        return 1
    except ClusterUnavailable as error:
        print(error, file=sys.stderr)
        return 2
    except (ProcessFailed, OSError) as error:
        print(f"The cluster ended: {error}\nLogs: {root / 'cluster/logs'}", file=sys.stderr)
        return 1
    print("The cluster has ended.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
