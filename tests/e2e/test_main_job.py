from __future__ import annotations

import asyncio
import json
import sys

from local.azurite import ROOT


async def test_main_job_shards_both_databases_and_proves_the_result(tmp_path):
    summary_file = tmp_path / "summary.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "local.demo", "--root", str(tmp_path / "demo"), "--summary", str(summary_file)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode()

    assert process.returncode == 0, output
    assert output.splitlines()[-1] == "MAIN JOB OK"
    summary = json.loads(summary_file.read_text())
    assert summary["presets"] == {"demo_nt": [1, 2, 3, 4, 5, 6, 8, 10], "demo_prot": [1, 2, 3, 4, 5, 6]}
    assert summary["hits_equal"] == summary["hits_compared"] > 1000
    assert summary["evalues_equal"]
    assert summary["order_equal"]
    assert all(database["storage_calls"]["second_run_writes"] == 0 for database in summary["databases"])
    assert summary["storage_calls"] < 250
