"""Keep a proxy up in front of one port until Ctrl-C: `python -m local.proxy --to PORT --round-trip 0.02`."""

from __future__ import annotations

import argparse
import asyncio
import sys

from local.ports import port_number
from local.proxy.server import Proxy
from local.upkeep import Command


async def _run(proxy: Proxy) -> None:
    async with proxy:
        milliseconds = proxy.round_trip_seconds * 1000
        print(f"http://127.0.0.1:{proxy.port} relays to port {proxy.upstream_port}, {milliseconds:g} ms away.", flush=True)
        await asyncio.Event().wait()


def main() -> int:
    """Relay until a signal asks for the end; the exit status is that of `Command.run`."""
    parser = argparse.ArgumentParser(prog="local.proxy", description="Delays requests to a port of 127.0.0.1, until Ctrl-C.")
    parser.add_argument("--to", type=port_number, required=True, help="port of the service")
    parser.add_argument("--port", type=port_number, default=0, help="to listen on (default: a free one, which is printed)")
    parser.add_argument("--round-trip", type=float, default=0.0, help="seconds that every request takes longer (default: 0)")
    arguments = parser.parse_args()
    proxy = Proxy(arguments.to, port=arguments.port, round_trip_seconds=arguments.round_trip)
    return Command("proxy", other_port="leave --port out").run(_run(proxy))


if __name__ == "__main__":
    sys.exit(main())
