from __future__ import annotations

import asyncio
import json
import sys

import pytest

from local import ROOT
from local.cluster import Cluster
from local.cluster.given import given_kubeconfig
from shared.runs.warmup.facts import Limits

LIMIT_SECONDS = 500
"""Alone on a machine it takes a minute and a half."""


async def run_main_job(folder, **environment):
    """Exit status, output and summary."""
    summary_file = folder / "summary.json"
    process = await asyncio.create_subprocess_exec(
        *("env", *(f"{name}={value}" for name, value in environment.items()), sys.executable),
        *("-m", "local.demo", "--root", str(folder / "demo"), "--summary", str(summary_file)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            output = (await process.communicate())[0].decode()
    finally:
        if process.returncode is None:
            process.kill()
    return process.returncode, output, json.loads(summary_file.read_text())


def assert_sharded(summary):
    assert summary["presets"] == {"demo_nt": [1, 2, 3, 4, 5, 6, 8, 10], "demo_prot": [1, 2, 3, 4, 5, 6]}
    assert summary["hits_equal"] == summary["hits_compared"] > 1000
    assert summary["evalues_equal"]
    assert summary["order_equal"]
    assert all(database["storage_calls"]["second_run_writes"] == 0 for database in summary["databases"])
    assert summary["storage_calls"] < 250


def assert_arrived(summary):
    arrived = summary["arrived"]
    assert arrived["runs"] == 2
    assert arrived["hits_equal"] == arrived["hits_compared"] > 300
    assert arrived["events"] > arrived["volumes"] * 3


def assert_exact_on_skewed_databases(summary):
    skewed = summary["skewed"]
    assert skewed["databases"] == ["skewed_nt", "skewed_prot"]
    assert skewed["searches"] == 14
    assert skewed["hits_equal"] == skewed["hits_compared"] > 10_000


async def test_main_job_shards_and_warms_both_databases_and_proves_the_result(tmp_path):
    if (obstacle := await Cluster.obstacle()) is not None or given_kubeconfig() is not None:
        pytest.skip(obstacle or "KUBECONFIG is set: a given cluster has no node controls")

    status, output, summary = await run_main_job(tmp_path)

    assert status == 0, output
    assert output.splitlines()[-1] == "MAIN JOB OK"
    assert_sharded(summary)
    assert_arrived(summary)
    assert_exact_on_skewed_databases(summary)
    warm = summary["warm"]
    assert warm["nodes"] == 3
    assert warm["resident_percent"] >= Limits().resident_percent
    assert warm["hits_equal"] == warm["hits_compared"] > 1000
    assert warm["bytes_moved_again"] == 0
    assert 0 < warm["bytes_moved_after_node_loss"] <= warm["bytes_lost"] < warm["bytes_moved"] / 2
    assert summary["warm_missing"] is None


async def test_without_a_cluster_of_its_own_the_main_job_says_so_and_shards(tmp_path):
    status, output, summary = await run_main_job(tmp_path, KUBECONFIG=str(tmp_path / "somebody-elses"))

    assert status == 0, output
    assert output.splitlines()[-1] == "MAIN JOB OK"
    assert_sharded(summary)
    assert_arrived(summary)
    assert_exact_on_skewed_databases(summary)
    assert summary["warm"] is None
    assert "KUBECONFIG" in summary["warm_missing"]
    assert sum(summary["warm_missing"] in line for line in output.splitlines()) == 1
