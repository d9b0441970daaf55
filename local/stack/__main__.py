"""Keeps a stack up until Ctrl-C: `python -m local.stack`, which is `make dev`."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

from local.azurite import ROOT
from local.cluster.binaries import ClusterUnavailable
from local.processes import ProcessFailed
from local.stack.greeting import greeting
from local.stack.stack import DEFAULT_ROOT, Stack
from local.stack.warm import WarmStack

if TYPE_CHECKING:
    from collections.abc import Generator

    from local.cluster import Cluster


async def keep_up(stack: Stack | WarmStack, addresses_file: Path) -> None:
    """Start a stack, with its cluster if it has one, say where it is, and return when SIGTERM or SIGINT asks for the end.

    Raises:
        ClusterUnavailable: there can be no cluster on this machine.
        ProcessFailed, RuntimeError: a part could not be started, or has ended.
    """
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    running = asyncio.create_task(_run(stack, addresses_file))
    asking = asyncio.create_task(asked.wait())
    await asyncio.wait((running, asking), return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()
    # Asked for while it runs: the cancellation stops every part, in order.
    if running.cancel():
        await asyncio.wait((running,))
    if not running.cancelled():
        await running


async def _run(embedded: Stack | WarmStack, addresses_file: Path) -> None:
    cluster = embedded.cluster if isinstance(embedded, WarmStack) else None
    print(f"Starting {'Kubernetes, ' if cluster else ''}storage emulator and app …", flush=True)
    async with embedded:
        stack = embedded.stack if isinstance(embedded, WarmStack) else embedded
        try:
            _announce(stack, cluster, addresses_file)
            await _failed(stack, cluster)
        finally:
            _withdraw(addresses_file)


async def _failed(stack: Stack, cluster: Cluster | None) -> None:
    async with asyncio.TaskGroup() as parts:
        parts.create_task(stack.failed())
        if cluster is not None:
            parts.create_task(cluster.failed())


def _announce(stack: Stack, cluster: Cluster | None, addresses_file: Path) -> None:
    addresses = stack.addresses._asdict() | (_cluster_addresses(cluster) if cluster else {})
    addresses_file.write_text(json.dumps(addresses, indent=2) + "\n")
    print(greeting(stack, cluster, addresses_file), flush=True)


def _withdraw(addresses_file: Path) -> None:
    addresses_file.unlink(missing_ok=True)


def _cluster_addresses(cluster: Cluster) -> dict[str, str]:
    return {
        "kubeconfig": str(cluster.kubeconfig),
        "cluster": cluster.cluster_name,
        "resource_group": cluster.resource_group,
        "subscription_id": cluster.subscription_id,
    }


@contextlib.contextmanager
def _only_one(root: Path) -> Generator[None]:
    """Hold the folder's lock; BlockingIOError when another stack holds it. The kernel frees it whatever happens."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def main() -> int:
    """Keep a stack up until asked to end; 0 then, 1 when it failed."""
    parser = argparse.ArgumentParser(prog="local.stack", description="Keeps the local stack up until Ctrl-C.")
    parser.add_argument("--port", type=int, default=7071, help="of the app; 0 takes a free one (default: 7071)")
    parser.add_argument("--root", type=Path, default=DEFAULT_ROOT, help="folder for logs and stack.json (default: .local)")
    parser.add_argument("--app", type=Path, default=ROOT, help="folder with function_app.py (default: this project)")
    parser.add_argument("--cluster", action="store_true", help="with a Kubernetes cluster, for warmups; takes longer to start")
    arguments = parser.parse_args()
    root: Path = arguments.root.resolve()
    embedded = WarmStack if arguments.cluster else Stack
    # Beside the files of `make cluster`, which may be up as well.
    folder = root / "dev" if arguments.cluster else root
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    try:
        with _only_one(root):
            asyncio.run(keep_up(embedded(folder, app=arguments.app, port=arguments.port), root / "stack.json"))
    except BlockingIOError:
        print(f"A stack is already up under {root}; its addresses are in {root / 'stack.json'}.", file=sys.stderr)
        return 1
    except (ProcessFailed, ClusterUnavailable, RuntimeError, OSError, ExceptionGroup) as error:
        print(f"The stack ended: {_first(error)}\nLogs: {folder}", file=sys.stderr)
        return 1
    print("The stack has ended.")
    return 0


def _first(error: Exception) -> Exception:
    """The first cause in a group of them: what a task group raises says nothing itself."""
    while isinstance(error, ExceptionGroup):
        error = cast("ExceptionGroup[Exception]", error).exceptions[0]
    return error


if __name__ == "__main__":
    sys.exit(main())
