"""The language worker process: loads one app and runs its functions for the host until the host goes away."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import sys
from pathlib import Path
from typing import cast

from local.functions import runtime
from local.functions.wire import Invocation, Loaded, frame, read_frame


async def _serve(connection: socket.socket, app: Path) -> None:
    reader, writer = await asyncio.open_connection(sock=connection)
    writer.write(frame(Loaded(functions=await runtime.load(app))))
    running: set[asyncio.Task[None]] = set()

    async def run(invocation: Invocation) -> None:
        writer.write(frame(await runtime.invoke(invocation)))
        await writer.drain()

    while message := await read_frame(reader):
        task = asyncio.create_task(run(Invocation.model_validate_json(message)))
        running.add(task)
        task.add_done_callback(running.discard)


def main() -> None:
    """Serve the host at the other end of an inherited socket."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--app", type=Path, required=True)
    parser.add_argument("--socket", type=int, required=True, help="inherited file descriptor")
    arguments = parser.parse_args()
    app = cast("Path", arguments.app)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("azure.core.pipeline.policies.http_logging_policy").setLevel(logging.WARNING)
    # As in the real worker, the app imports its own modules and none of this repository's.
    sys.path[0] = str(app)
    os.chdir(app)
    try:
        asyncio.run(_serve(socket.socket(fileno=cast("int", arguments.socket)), app))
    except runtime.AppNotLoaded as error:
        print(f"The app in {app} could not be loaded. {error}", file=sys.stderr, flush=True)
        os._exit(1)
    # Threads of unfinished functions would keep the interpreter alive, but the host no longer waits for their answers.
    os._exit(0)


if __name__ == "__main__":
    main()
