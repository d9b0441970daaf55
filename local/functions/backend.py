"""The backend process: the Durable Task engine served over gRPC on loopback, until SIGTERM."""

from __future__ import annotations

import argparse
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import cast, override

import grpc

from local.functions.engine import Engine
from local.functions.rpc import UNLIMITED_MESSAGES, add_backend_to_server

# Each WaitForInstance call and the work item stream hold a thread; the base class has ten threads.
_THREADS = 256


class LoopbackEngine(Engine):
    """The engine behind a gRPC server on 127.0.0.1."""

    @override
    def start(self) -> str:
        # Without so_reuseport=0 two backends could share a port and split each other's calls.
        options = [*UNLIMITED_MESSAGES, ("grpc.so_reuseport", 0)]
        server = grpc.server(ThreadPoolExecutor(max_workers=_THREADS), options=options)
        add_backend_to_server(self, server)
        address = f"127.0.0.1:{self._port}"
        server.add_insecure_port(address)
        server.start()
        self._server = server
        return address


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--start-window", type=float, default=0.0, help="seconds in which starts of one id race")
    arguments = parser.parse_args()
    port = cast("int", arguments.port)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    engine = LoopbackEngine(port, start_window_seconds=cast("float", arguments.start_window))
    print(f"Durable Task backend listens on {engine.start()}", flush=True)
    signal.sigwait({signal.SIGTERM})
    engine.stop(grace=0)


if __name__ == "__main__":
    main()
