"""Keeps a stack up until Ctrl-C: `python -m local.stack`, which is `make dev`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from local import ROOT
from local.ports import port_number, require_free
from local.stack.greeting import greeting
from local.stack.stack import DEFAULT_ROOT, Stack
from local.stack.warm import WarmStack
from local.upkeep import Command, announced

if TYPE_CHECKING:
    from local.cluster import Cluster

_SCHEDULE = "0 */10 * * * *"
"""When reconcile passes start: as in a deployed app."""


async def _run(embedded: Stack | WarmStack, port: int, addresses_file: Path) -> None:
    # Before anything starts: a cluster takes a minute.
    require_free(port)
    cluster = embedded.cluster if isinstance(embedded, WarmStack) else None
    print(f"Starting {'Kubernetes, ' if cluster else ''}storage emulator and app …", flush=True)
    async with embedded:
        stack = embedded.stack if isinstance(embedded, WarmStack) else embedded
        addresses = stack.addresses._asdict() | (_cluster_addresses(cluster) if cluster else {})
        with announced(addresses, addresses_file):
            print(greeting(stack, cluster, addresses_file), flush=True)
            async with stack.subscription():
                await _failed(stack, cluster)


async def _failed(stack: Stack, cluster: Cluster | None) -> None:
    async with asyncio.TaskGroup() as parts:
        parts.create_task(stack.failed())
        if cluster is not None:
            parts.create_task(cluster.failed())


def _cluster_addresses(cluster: Cluster) -> dict[str, str]:
    return {
        "kubeconfig": str(cluster.kubeconfig),
        "cluster": cluster.cluster_name,
        "resource_group": cluster.resource_group,
        "subscription_id": cluster.subscription_id,
    }


def main() -> int:
    """Keep a stack up until a signal asks for the end; the exit status is that of `Command.run`."""
    parser = argparse.ArgumentParser(prog="local.stack", description="Keeps the local stack up until Ctrl-C.")
    parser.add_argument("--port", type=port_number, default=7071, help="of the app; 0 takes a free one (default: 7071)")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for logs and stack.json (default: .local)")
    parser.add_argument("--app", type=Path, default=ROOT, help="folder with function_app.py (default: this project)")
    parser.add_argument("--cluster", action="store_true", help="with a Kubernetes cluster, for warmups; takes longer to start")
    arguments = parser.parse_args()
    root: Path = arguments.root.resolve()
    embedded = WarmStack if arguments.cluster else Stack
    # Beside the files of `make cluster`, which may be up as well.
    folder = root / "dev" if arguments.cluster else root
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    settings = {"SHARDWARM_RECONCILE_SCHEDULE": _SCHEDULE}
    stack = embedded(folder, app=arguments.app, port=arguments.port, settings=settings, events=True)
    same = "--cluster " if arguments.cluster else ""
    command = Command("stack", folder, f'make dev ARGS="{same}--port 0"')
    return command.keep_up(root, lambda addresses_file: _run(stack, arguments.port, addresses_file))


if __name__ == "__main__":
    sys.exit(main())
