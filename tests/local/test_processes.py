"""Child processes."""

import pytest

from local.processes import Child, ProcessFailed, free_port, port_open


async def test_child_that_ends_early_is_reported_with_the_end_of_its_log(tmp_path):
    child = await Child.start("talker", ["sh", "-c", "seq 100; exit 3"], log=tmp_path / "log")
    with pytest.raises(ProcessFailed) as failed:
        await child.ready(_never, 10)
    message = str(failed.value)
    assert "talker ended with status 3" in message
    assert message.endswith("\n100")
    assert "\n70\n" not in message


async def test_child_that_is_not_ready_in_time_is_reported_and_left_running(tmp_path):
    child = await Child.start("sleeper", ["sleep", "60"], log=tmp_path / "log")
    with pytest.raises(ProcessFailed, match=r"not ready within 0\.05 s"):
        await child.ready(_never, 0.05)
    assert child.returncode is None
    await child.stop()
    await child.stop()
    assert child.returncode == -15


async def test_child_that_ignores_the_request_to_end_is_killed(tmp_path):
    command = ["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 60; done"]
    child = await Child.start("stubborn", command, log=tmp_path / "log")

    async def is_ready() -> bool:
        return "ready" in child.log.read_text()

    await child.ready(is_ready, 10)
    await child.stop(grace_seconds=0.05)
    assert (child.returncode, child.is_killed) == (-9, True)


async def test_program_that_does_not_exist_is_reported(tmp_path):
    with pytest.raises(ProcessFailed, match="no program no-such-program"):
        await Child.start("nobody", ["no-such-program"], log=tmp_path / "log")


async def test_free_port_has_no_listener():
    assert not await port_open(free_port())


async def _never() -> bool:
    return False
