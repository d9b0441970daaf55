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

from local.azurite import CONTAINER, ROOT
from local.processes import ProcessFailed
from local.stack.stack import DEFAULT_ROOT, Stack

if TYPE_CHECKING:
    from collections.abc import Generator


async def keep_up(stack: Stack) -> None:
    """Start a stack, say where it is, and return when SIGTERM or SIGINT asks for the end.

    Raises:
        ProcessFailed, RuntimeError: a part could not be started, or has ended.
    """
    asked = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    running = asyncio.create_task(_run(stack))
    asking = asyncio.create_task(asked.wait())
    await asyncio.wait((running, asking), return_when=asyncio.FIRST_COMPLETED)
    asking.cancel()
    # Asked for while it runs: the cancellation stops every part, in order.
    if running.cancel():
        await asyncio.wait((running,))
    if not running.cancelled():
        await running


async def _run(stack: Stack) -> None:
    addresses_file = stack.root / "stack.json"
    print("Starting storage emulator and app …", flush=True)
    async with stack:
        try:
            addresses_file.write_text(json.dumps(stack.addresses._asdict(), indent=2) + "\n")
            _greet(stack, addresses_file)
            await stack.failed()
        finally:
            addresses_file.unlink(missing_ok=True)


def _greet(stack: Stack, addresses_file: Path) -> None:
    where = stack.addresses
    example = {
        "subscription_id": where.subscription_id,
        "resource_group": where.resource_group,
        "account_name": where.account_name,
    }
    print(
        f"""
Shardwarm is up.

  Console and API   {where.functions_url}
  OpenAPI           {where.functions_url}/api/openapi.json
  Event Grid        {where.event_grid_url}?functionName=…
  Blob storage      {where.blob_endpoint}/{CONTAINER}   (account {where.account_name})
  Logs              {stack.logs}
  All of this       {addresses_file}

  curl {where.functions_url}/api/health/ready
  curl -X POST {where.functions_url}/api/blast/databases/DB/shard -H 'content-type: application/json' \\
       -d '{json.dumps(example)}'

Ctrl-C ends it. Nothing is kept.
""",
        flush=True,
    )


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
    arguments = parser.parse_args()
    root = arguments.root.resolve()
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    try:
        with _only_one(root):
            asyncio.run(keep_up(Stack(root, app=arguments.app, port=arguments.port)))
    except BlockingIOError:
        print(f"A stack is already up under {root}; its addresses are in {root / 'stack.json'}.", file=sys.stderr)
        return 1
    except (ProcessFailed, RuntimeError, OSError, ExceptionGroup) as error:
        print(f"The stack ended: {_first(error)}\nLogs: {root / 'logs'}", file=sys.stderr)
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
