"""Keeps a cluster up until Ctrl-C: `python -m local.cluster`, which is `make cluster`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import logging
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local.azurite import ROOT
from local.cluster.binaries import ClusterUnavailable
from local.cluster.cluster import Cluster
from local.cluster.images import MACHINE, project_python
from local.processes import ProcessFailed

if TYPE_CHECKING:
    from collections.abc import Generator

DEFAULT_ROOT = ROOT / ".local"


async def keep_up(cluster: Cluster, addresses_file: Path) -> None:
    """Start a cluster, say where it is, and return when SIGTERM or SIGINT asks for the end.

    Raises:
        ClusterUnavailable, ProcessFailed: it could not be started, or has ended.
    """
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    running = asyncio.create_task(_run(cluster, addresses_file))
    asking = asyncio.create_task(asked.wait())
    await asyncio.wait((running, asking), return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()
    if running.cancel():
        await asyncio.wait((running,))
    if not running.cancelled():
        await running


async def _run(cluster: Cluster, addresses_file: Path) -> None:
    print("Joining the cluster of KUBECONFIG …" if cluster.is_given else "Starting Kubernetes …", flush=True)
    async with cluster:
        try:
            _announce(cluster, addresses_file)
            await cluster.failed()
        finally:
            _withdraw(addresses_file)


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


def _withdraw(addresses_file: Path) -> None:
    addresses_file.unlink(missing_ok=True)


def _announce(cluster: Cluster, addresses_file: Path) -> None:
    addresses_file.write_text(json.dumps(_addresses(cluster), indent=2) + "\n")
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


@contextlib.contextmanager
def _only_one(root: Path) -> Generator[Path]:
    """Hold the folder's lock and give an empty folder for the cluster; BlockingIOError when another one holds it."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder = root / "cluster"
        shutil.rmtree(folder, ignore_errors=True)
        yield folder


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
        with _only_one(root) as folder:
            asyncio.run(keep_up(Cluster(folder, nodes=arguments.nodes, images=images), root / "cluster.json"))
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
