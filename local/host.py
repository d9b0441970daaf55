"""A Functions host for one machine: `python -m local.host --port N`, run in any app folder.

It loads the app with Microsoft's Python worker library, runs durable functions on Microsoft's in-memory Durable Task
backend, and answers HTTP where the Functions host would. The same app starts under `func start` unchanged. Other
programs and tests embed it: `async with FunctionsHost(app, state=folder) as host`.

`functions/README.md` says what it does not imitate.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from local.functions.hosting import FunctionsHost
from local.functions.items import Verdict, WorkItemNote
from local.ports import port_number
from local.upkeep import Command

__all__ = ["FunctionsHost", "Verdict", "WorkItemNote"]


async def _run(host: FunctionsHost, state: Path) -> None:
    async with host:
        _print_functions(host, state)
        await host.failed()


def _print_functions(host: FunctionsHost, state: Path) -> None:
    print("\nFunctions:\n")
    addresses = {route.function.name: route for route in host.table.routes}
    for function in sorted(host.catalogue, key=lambda function: function.name):
        if route := addresses.get(function.name):
            print(f"\t{function.name}: [{','.join(sorted(route.methods))}] {host.url}{route.path}")
        else:
            print(f"\t{function.name}: {function.trigger['type']}")
    print(f"\nLogs: {state}\nHost started: {host.url}", flush=True)


def main() -> int:
    """Run a host until SIGTERM or Ctrl-C; the exit status is that of `Command.run`."""
    parser = argparse.ArgumentParser(prog="local.host", description="Runs an Azure Functions app on this machine.")
    parser.add_argument("--port", type=port_number, default=7071, help="0 takes a free one (default: 7071)")
    parser.add_argument("--app", type=Path, default=Path(), help="folder with function_app.py (default: here)")
    parser.add_argument("--state", type=Path, help="folder for logs (default: <app>/.local/functions)")
    parser.add_argument("--deliver-twice", action="store_true", help="run every activity twice")
    parser.add_argument(
        "--start-window", type=float, default=0.0, metavar="SECONDS", help="let starts of one id race, as on Azure (default: 0)"
    )
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    state = (arguments.state or arguments.app / ".local" / "functions").resolve()
    host = FunctionsHost(
        arguments.app,
        state=state,
        port=arguments.port,
        deliver_twice=arguments.deliver_twice,
        start_window_seconds=arguments.start_window,
    )
    return Command("host", state, "python -m local.host --port 0").run(_run(host, state))


if __name__ == "__main__":
    sys.exit(main())
