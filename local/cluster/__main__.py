"""Keeps a cluster up until Ctrl-C: `python -m local.cluster`, which is `make cluster`."""

from __future__ import annotations

import argparse
import logging
import os
import shutil
import sys
from pathlib import Path

from local import ROOT
from local.cluster.cluster import Cluster
from local.cluster.images import MACHINE, project_python
from local.upkeep import Command, announced

DEFAULT_ROOT = ROOT / ".local"


async def _run(cluster: Cluster, addresses_file: Path) -> None:
    # A cluster that was killed leaves files.
    shutil.rmtree(cluster.root, ignore_errors=True)
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

Ctrl-C ends it. {"The roles that it has applied stay." if cluster.is_given else "It keeps nothing but logs."}
""",
        flush=True,
    )


def main() -> int:
    """Keep a cluster up until a signal asks for the end; the exit status is that of `Command.run`."""
    parser = argparse.ArgumentParser(prog="local.cluster", description="Keeps a local cluster up until Ctrl-C.")
    parser.add_argument("--nodes", type=int, default=3, help="in the workload pool (default: 3)")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for cluster.json and all files (default: .local)")
    arguments = parser.parse_args()
    root: Path = arguments.root.resolve()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    images = {"shardwarm-warmer:local": project_python(), "machine:local": MACHINE}
    cluster = Cluster(root / "cluster", nodes=arguments.nodes, images=images)
    return Command("cluster", cluster.logs).keep_up(root, lambda addresses_file: _run(cluster, addresses_file))


if __name__ == "__main__":
    sys.exit(main())
