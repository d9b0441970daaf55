"""The real control plane on loopback: etcd, API server with RBAC, controllers and scheduler, as child processes.

All files are in one folder that is deleted at the end, so the programs are killed and not asked to finish.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.cluster.access import Access
from local.cluster.api import Api
from local.cluster.certificates import server_certificate, signing_key
from local.processes import Child, ProcessFailed, free_port, port_open

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

START_SECONDS = 120.0
_STARTS = 3
_CONTROLLERS = (
    "daemonset,job,namespace,garbagecollector,nodelifecycle,podgc,serviceaccount,serviceaccount-token,root-ca-cert-publisher"
)


@dataclass(frozen=True, slots=True)
class Timing:
    """Heartbeats of nodes; AKS has 10 s between heartbeats and a grace period of 40 s."""

    heartbeat_seconds: float = 1.0
    grace_seconds: float = 8.0
    """A node without a heartbeat for this time is no longer Ready. Code that blocks the event loop for as long loses all
    nodes."""


class ControlPlane:
    """The four programs; `start` and `stop`."""

    def __init__(self, root: Path, programs: Path, timing: Timing) -> None:
        """Describe a control plane.

        Args:
            root: folder for data, keys and logs.
            programs: folder with the four programs.
            timing: of the node controller.
        """
        self.logs = root / "logs"
        self.app_user = str(uuid.uuid4())
        """The app's name to the API server: the object id of its identity, as on AKS with Entra."""
        self._folder = root / "control-plane"
        self._programs = programs
        self._timing = timing
        self._admin_token, self._app_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        self._port = 0
        self._etcd_port = 0
        self._children: dict[str, Child] = {}
        self._authority = b""

    @property
    def port(self) -> int:
        """The API server's port."""
        return self._port

    @property
    def admin(self) -> Access:
        """Access without limits."""
        return self._access(self._admin_token)

    @property
    def app(self) -> Access:
        """The app's access, as the project's roles grant it."""
        return self._access(self._app_token)

    async def start(self) -> None:
        """Start everything; returns when the API server is ready.

        Raises:
            ProcessFailed: a program ended or did not answer; nothing is left running.
        """
        self._folder.mkdir(parents=True)
        self._make_keys()
        for attempt in range(1, _STARTS + 1):
            self._port, self._etcd_port = free_port(), free_port()
            try:
                await self._start_all()
            except ProcessFailed:
                port_was_taken = any(child.returncode is not None for child in self._children.values())
                await self.stop()
                # Another process may take a port after we have found it free: try new ones.
                if attempt == _STARTS or not port_was_taken:
                    raise
                shutil.rmtree(self._folder / "etcd", ignore_errors=True)
            else:
                return

    async def stop(self) -> None:
        """Kill everything. Safe to repeat."""
        for name in reversed([*self._children]):
            child = self._children.pop(name)
            child.kill()
            await child.wait()

    async def restart_api_server(self, after_seconds: float = 0.0) -> None:
        """Kill the API server and start it again on the same port; returns when it is ready."""
        child = self._children.pop("kube-apiserver")
        child.kill()
        await child.wait()
        await asyncio.sleep(after_seconds)
        await self._start_api_server()

    @contextlib.contextmanager
    def controllers_paused(self) -> Generator[None]:
        """Suspend the controllers: the API server stores writes, and no controller acts on them.

        Resume within the grace period. Later, the controllers may declare nodes lost before they see the heartbeats.
        """
        controllers = self._children["kube-controller-manager"].pid
        os.kill(controllers, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(controllers, signal.SIGCONT)

    async def failed(self) -> None:
        """Wait until the datastore, the scheduler or the controllers end, and raise ProcessFailed with the log's end.

        The end of the API server does not count, because tests restart it.
        """
        watched = [child for name, child in self._children.items() if name != "kube-apiserver"]
        ends = {asyncio.create_task(child.wait()): child for child in watched}
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            ended = done.pop()
            raise ends[ended].failure(f"ended with status {ended.result()}")
        finally:
            for end in ends:
                end.cancel()

    async def _start_all(self) -> None:
        await self._start("etcd", self._etcd_arguments())
        await self._children["etcd"].ready(lambda: port_open(self._etcd_port), START_SECONDS)
        await self._start_api_server()
        kubeconfig = f"--kubeconfig={self._folder / 'admin.json'}"
        self.admin.write_kubeconfig(self._folder / "admin.json")
        alone = [kubeconfig, "--leader-elect=false", "--port=0", "--secure-port=0"]
        await self._start("kube-controller-manager", [*alone, *self._controller_arguments()])
        await self._start("kube-scheduler", alone)

    async def _start_api_server(self) -> None:
        await self._start("kube-apiserver", self._api_server_arguments())
        async with Api(self.admin) as api:
            await self._children["kube-apiserver"].ready(api.is_ready, START_SECONDS)

    async def _start(self, program: str, arguments: list[str]) -> None:
        log = self.logs / f"{program}.log"
        self._children[program] = await Child.start(program, [str(self._programs / program), *arguments], log=log)

    def _make_keys(self) -> None:
        self._authority = server_certificate(self._folder, "kube-apiserver").authority.read_bytes()
        signing_key(self._folder / "service-accounts.key")
        tokens = self._folder / "tokens.csv"
        tokens.touch(mode=0o600)
        tokens.write_text(
            f'{self._admin_token},admin,admin,"system:masters"\n{self._app_token},{self.app_user},{self.app_user}\n'
        )

    def _access(self, token: str) -> Access:
        return Access(f"https://127.0.0.1:{self._port}", self._authority, token)

    def _etcd_arguments(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        addresses = [f"--listen-client-urls={client}", f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}"]
        peers = [f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"]
        return [f"--data-dir={self._folder / 'etcd'}", "--unsafe-no-fsync", *addresses, *peers]

    def _api_server_arguments(self) -> list[str]:
        signing = self._folder / "service-accounts.key"
        return [
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            *("--bind-address=127.0.0.1", f"--secure-port={self._port}", "--insecure-port=0"),
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self._folder / 'kube-apiserver.pem'}",
            f"--tls-private-key-file={self._folder / 'kube-apiserver.key'}",
            *("--authorization-mode=RBAC", f"--token-auth-file={self._folder / 'tokens.csv'}"),
            *(f"--service-account-key-file={signing}", f"--service-account-signing-key-file={signing}"),
            *("--service-account-issuer=https://shardwarm.invalid", "--api-audiences=https://shardwarm.invalid"),
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount,DefaultTolerationSeconds",
        ]

    def _controller_arguments(self) -> list[str]:
        return [
            f"--controllers={_CONTROLLERS}",
            f"--service-account-private-key-file={self._folder / 'service-accounts.key'}",
            f"--root-ca-file={self._folder / 'kube-apiserver-ca.pem'}",
            f"--node-monitor-period={self._timing.heartbeat_seconds}s",
            f"--node-monitor-grace-period={self._timing.grace_seconds}s",
            *("--node-startup-grace-period=60s", "--node-eviction-rate=100", "--secondary-node-eviction-rate=100"),
        ]
