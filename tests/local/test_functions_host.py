"""The host as a program and as an object: start, failure to start, stop."""

import asyncio
import contextlib
import json
import sys
from pathlib import Path

import httpx
import pytest

from local.host import FunctionsHost
from local.processes import Child, ProcessFailed, free_port
from tests.patience import patience

REPOSITORY = Path(__file__).parents[2]
SAMPLE_APP = Path(__file__).parent / "sample_app"
TINY_APP = """
import os
import azure.functions as func

app = func.FunctionApp()


@app.route(route="", auth_level=func.AuthLevel.ADMIN)
def root(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse(os.environ["FROM_FILE"] + os.environ["FROM_CALLER"])
"""


async def test_app_with_an_empty_prefix_gets_its_settings(tmp_path):
    (tmp_path / "function_app.py").write_text(TINY_APP)
    (tmp_path / "host.json").write_text('{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}')
    values = {"Values": {"FROM_FILE": "file", "FROM_CALLER": "file"}}
    (tmp_path / "local.settings.json").write_text(json.dumps(values))
    host = FunctionsHost(tmp_path, state=tmp_path / "state", env={"FROM_CALLER": "+caller"})
    async with host, httpx.AsyncClient() as http:
        assert (await http.get(host.url)).text == "file+caller"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("x = 1", "Could not find top level function app instances"),
        ("import os; os._exit(9)", "ended with status 9 while it loaded the app"),
    ],
)
async def test_app_that_cannot_be_loaded_is_reported_with_the_end_of_the_log(tmp_path, source, reason):
    (tmp_path / "function_app.py").write_text(source)
    with pytest.raises(ProcessFailed) as failed:
        await FunctionsHost(tmp_path, state=tmp_path / "state").start()
    assert reason in str(failed.value)
    assert _processes_of(tmp_path) == []


async def test_stop_leaves_no_process(tmp_path):
    host = FunctionsHost(SAMPLE_APP, state=tmp_path, env={"NIGHTLY": "0 0 3 * * *"})
    async with host:
        assert len(_processes_of(tmp_path)) == 2
    await host.stop()
    assert _processes_of(tmp_path) == []


async def test_program_serves_until_it_is_told_to_stop(tmp_path):
    port = free_port()
    program = await _start_program(tmp_path, SAMPLE_APP, port)

    async with httpx.AsyncClient() as http:

        async def is_up() -> bool:
            try:
                return (await http.get(f"http://127.0.0.1:{port}/api/files/a")).text == "a"
            except httpx.TransportError:
                return False

        await program.ready(is_up, 20)
    await program.stop()
    log = program.log.read_text()
    assert program.returncode == 0
    assert f"files: [GET] http://127.0.0.1:{port}/api/files/{{*rest}}" in log
    assert "Traceback" not in log
    assert _processes_of(tmp_path) == []


async def test_killed_program_takes_its_children_with_it(tmp_path):
    program = await _start_program(tmp_path, SAMPLE_APP, 0)

    async def has_started() -> bool:
        return "Host started" in program.log.read_text()

    await program.ready(has_started, 20)
    program.kill()
    await program.wait()
    async with patience():
        while _processes_of(tmp_path):  # noqa: ASYNC110 - the condition is in another process
            await asyncio.sleep(0.005)


async def test_program_ends_with_the_reason_when_the_app_cannot_be_loaded(tmp_path):
    (tmp_path / "function_app.py").write_text("1 / 0")
    program = await _start_program(tmp_path, tmp_path, 0)
    assert await program.wait() == 1
    assert "ZeroDivisionError" in program.log.read_text()


async def _start_program(folder: Path, app: Path, port: int) -> Child:
    command = [sys.executable, "-m", "local.host", "--port", str(port), "--state", str(folder / "state")]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(REPOSITORY), "NIGHTLY": "0 0 3 * * *"}
    return await Child.start("local host", command, log=folder / "program.log", env=env, cwd=app)


def _processes_of(folder: Path) -> list[str]:
    """Command lines of the processes that hold a file of the folder open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            opened = [str(link.readlink()) for link in (process / "fd").iterdir()]
            if any(target.startswith(str(folder)) for target in opened):
                found.append((process / "cmdline").read_text())
    return found
