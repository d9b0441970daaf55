"""Ports that are taken, and what commands say of them."""

import argparse
import asyncio
import os
import socket
import sys

import pytest

from local import ROOT
from local.ports import PortTaken, holder_of, port_number, require_free, take_port
from local.processes import Child

LISTENER = "import socket, time; s = socket.create_server(('127.0.0.1', {port})); print('up', flush=True); time.sleep(600)"


@pytest.fixture
def unseen_port():
    """A port that is taken by a socket which does not listen: the kernel's table of listeners has no holder for it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
async def listener(tmp_path):
    """Another process that listens: the child, and its port."""
    port = _free()
    child = await Child.start("listener", [sys.executable, "-c", LISTENER.format(port=port)], log=tmp_path / "listener.log")
    await child.ready(lambda: _says(child, "up"), 30)
    yield child, port
    await child.stop()


def test_taken_port_is_refused_with_the_process_that_holds_it():
    with take_port(0) as held, pytest.raises(PortTaken) as refused:
        take_port(held.getsockname()[1])
    assert f"is taken by process {os.getpid()} (" in str(refused.value)
    assert refused.value.errno is not None


def test_holder_that_cannot_be_seen_is_told_as_such(unseen_port):
    assert holder_of(unseen_port) is None
    with pytest.raises(PortTaken, match=f"Port {unseen_port} of 127.0.0.1 is taken by a process that cannot be seen"):
        require_free(unseen_port)


async def test_holder_is_another_process_with_its_command(listener):
    child, port = listener
    holder = holder_of(port)
    assert holder is not None
    assert holder.pid == child.pid
    assert holder.command.startswith(sys.executable)
    assert len(holder.command) <= 120


def test_port_that_is_free_stays_free():
    port = _free()
    require_free(port)
    assert holder_of(port) is None
    take_port(port).close()


async def test_client_that_connects_before_the_server_serves_waits():
    with take_port(0) as taken:
        _, writer = await asyncio.open_connection(*taken.getsockname())
        writer.close()


@pytest.mark.parametrize("text", ["-1", "65536", "http", "", "٣"])
def test_text_that_is_no_port_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"0 .any free one. to 65535"):
        port_number(text)


def test_ports_are_read():
    assert [port_number(text) for text in ("0", "7071", "65535")] == [0, 7071, 65535]


@pytest.mark.parametrize(
    ("words", "way_out"),
    [
        (("local.stack", "--root", "{folder}"), 'make dev ARGS="--port 0"'),
        (("local.stack", "--root", "{folder}", "--cluster"), 'make dev ARGS="--cluster --port 0"'),
        (("local.host", "--app", "{folder}"), "python -m local.host --port 0"),
        (("local.proxy", "--to", "1"), "leave --port out"),
    ],
)
async def test_command_on_a_taken_port_names_port_process_and_way_out(listener, tmp_path, words, way_out):
    child, port = listener
    status, said = await _run(*words, "--port", str(port), folder=tmp_path)
    assert status == 1
    assert f"Port {port} of 127.0.0.1 is taken by process {child.pid} ({sys.executable} -c" in said
    assert way_out in said
    assert "Traceback" not in said


async def test_command_says_so_when_it_cannot_see_who_holds_the_port(unseen_port, tmp_path):
    status, said = await _run("local.stack", "--root", "{folder}", "--port", str(unseen_port), folder=tmp_path)
    assert status == 1
    assert f"Port {unseen_port} of 127.0.0.1 is taken by a process that cannot be seen" in said


async def test_proxy_command_relays_until_it_is_asked_to_end(listener, tmp_path):
    _, upstream = listener
    command = [sys.executable, "-m", "local.proxy", "--to", str(upstream), "--round-trip", "0.02"]
    proxy = await Child.start("proxy", command, log=tmp_path / "proxy.log", cwd=ROOT)
    await proxy.ready(lambda: _says(proxy, f"relays to port {upstream}, 20 ms away"), 30)
    await proxy.stop()
    assert proxy.returncode == 0


async def _run(*words: str, folder) -> tuple[int | None, str]:
    command = [word.format(folder=folder) for word in words]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *command), cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


async def _says(child: Child, text: str) -> bool:
    return text in child.log.read_text()


def _free() -> int:
    with take_port(0) as taken:
        return taken.getsockname()[1]
