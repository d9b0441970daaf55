from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import httpx
import pytest

from local import ROOT
from local.processes import Child, port_open
from local.stack import Stack

APP = """
import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)


@app.route(route="hello")
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("hello")
"""


@pytest.fixture
def small_app(tmp_path):
    """An app of one function, so that these tests are about the stack and not about Shardwarm."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "function_app.py").write_text(APP)
    (folder / "host.json").write_text('{"version": "2.0"}')
    return folder


@pytest.fixture
async def kept_up(tmp_path, small_app):
    """`python -m local.stack` over the small app, once its addresses are written."""
    command = [sys.executable, "-m", "local.stack", "--port", "0", "--root", str(tmp_path), "--app", str(small_app)]
    child = await Child.start("stack", command, log=tmp_path / "stack.log", cwd=ROOT)
    try:
        await child.ready(addresses_written(tmp_path), timeout_seconds=60)
        yield child
    finally:
        await child.stop()


def addresses_written(root: Path):
    async def probe() -> bool:
        return (root / "stack.json").exists() and (root / "stack.json").read_text().endswith("\n")

    return probe


def child_running(what: str, parent: int) -> int:
    """Process id of the child whose command line contains that text."""
    children = [pid for tasks in Path(f"/proc/{parent}/task").iterdir() for pid in (tasks / "children").read_text().split()]
    (found,) = (int(pid) for pid in children if what in Path(f"/proc/{pid}/cmdline").read_text())
    return found


async def test_kept_up_stack_answers_at_the_addresses_it_wrote(kept_up, tmp_path):
    addresses = json.loads((tmp_path / "stack.json").read_text())

    async with httpx.AsyncClient() as client:
        reply = await client.get(f"{addresses['functions_url']}/api/hello")
        listing = await client.get(addresses["blob_endpoint"] + "?comp=list")

    assert reply.text == "hello"
    assert listing.status_code == 403
    assert addresses["pid"] == kept_up.pid
    assert addresses["account_name"] in addresses["blob_connection_string"]
    assert addresses["functions_url"] in kept_up.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_asked_to_end_it_leaves_nothing_and_exits_with_0(kept_up, tmp_path, number):
    addresses = json.loads((tmp_path / "stack.json").read_text())

    os.kill(kept_up.pid, number)

    assert await kept_up.wait() == 0
    assert not (tmp_path / "stack.json").exists()
    for name in ("functions_url", "blob_endpoint"):
        assert not await port_open(httpx.URL(addresses[name]).port)


async def test_end_of_a_part_is_told_with_its_log_and_exits_with_1(kept_up, tmp_path):
    os.kill(child_running("azurite", kept_up.pid), signal.SIGKILL)

    assert await kept_up.wait() == 1
    told = kept_up.log.read_text()
    assert "Azurite ended with status" in told
    assert "successfully listens" in told
    assert not (tmp_path / "stack.json").exists()


async def test_second_stack_in_the_same_folder_is_refused(kept_up, tmp_path, small_app):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.stack", "--port", "0", "--root", str(tmp_path), "--app", str(small_app)),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()

    assert process.returncode == 1
    assert b"already up" in errors
    assert kept_up.returncode is None


async def test_app_that_cannot_be_loaded_is_told_with_its_log(tmp_path, small_app):
    (small_app / "function_app.py").write_text("raise RuntimeError('broken on purpose')\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.stack", "--port", "0", "--root", str(tmp_path), "--app", str(small_app)),
        cwd=ROOT,
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()

    assert process.returncode == 1
    assert b"broken on purpose" in errors


async def test_two_stacks_under_different_folders_run_side_by_side(tmp_path, small_app):
    async with Stack(tmp_path / "a", app=small_app) as first, Stack(tmp_path / "b", app=small_app) as second:
        assert first.addresses.functions_url != second.addresses.functions_url
        assert first.account.port != second.account.port
        async with httpx.AsyncClient() as client:
            for stack in (first, second):
                assert (await client.get(f"{stack.addresses.functions_url}/api/hello")).text == "hello"
