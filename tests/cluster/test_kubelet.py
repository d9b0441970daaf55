from __future__ import annotations

import asyncio
import contextlib
import json
import os
from pathlib import Path

import pytest

from local.cluster import NodeSpec
from local.cluster.api import STRATEGIC_MERGE
from tests.cluster.spaces import eventually, is_ready, main_of

SLEEP = "exec sleep 1000"


def is_running(pod):
    return "running" in main_of(pod)["state"]


def waits_for(reason):
    return lambda pod: main_of(pod)["state"].get("waiting", {}).get("reason") == reason


def conditions(pod):
    return {item["type"]: item["status"] for item in pod["status"].get("conditions", [])}


async def group_is_gone(group):
    """Wait until no process of a group lives; those that nobody has buried yet do not live."""

    async def is_gone():
        return not _living(group)

    await eventually(is_gone)


def _living(group):
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, process_group = entry.read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                found.append(entry.parent.name)
    return found


async def log_of(cluster, space, pod):
    """Wait until a container has written something."""

    async def has_written():
        return bool(cluster.nodes.log(pod, "main", space.name))

    await eventually(has_written)
    return cluster.nodes.log(pod, "main", space.name)


def working_folder(process):
    return Path(f"/proc/{process}/cwd").readlink()


def files(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if not path.name.startswith(".")}


async def test_pod_runs_as_a_process_and_succeeds(cluster, space):
    await space.run("once", "echo done", restartPolicy="Never")

    pod = await space.until("once", lambda pod: pod["status"]["phase"] == "Succeeded")

    ended = main_of(pod)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (0, "Completed")
    assert conditions(pod) == {"PodScheduled": "True", "Initialized": "True", "Ready": "False", "ContainersReady": "False"}
    assert cluster.nodes.log("once", "main", space.name) == "done\n"


async def test_failed_pod_tells_its_exit_code_and_the_end_of_its_log(space):
    policy = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    await space.run("bad", "echo no such thing; exit 3", restartPolicy="Never", container=policy)

    pod = await space.until("bad", lambda pod: pod["status"]["phase"] == "Failed")

    ended = main_of(pod)["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "no such thing")


async def test_environment_comes_from_values_fields_config_maps_and_secrets(cluster, space):
    await space.make("configmaps", "settings", data={"colour": "blue"})
    await space.make("secrets", "keys", stringData={"sas": "sv=1&sig=2"})
    env = [
        {"name": "PLAIN", "value": "a"},
        {"name": "DERIVED", "value": "$(PLAIN)b$(NOBODY)"},
        {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "SPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
        {"name": "SAS", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "sas"}}},
        {"name": "ABSENT", "valueFrom": {"secretKeyRef": {"name": "none", "key": "x", "optional": True}}},
    ]
    script = 'echo "$DERIVED,$NODE,$POD,$SPACE,$COLOUR,$SAS,${ABSENT-unset}"'
    await space.run("env", script, container={"env": env}, restartPolicy="Never")

    pod = await space.until("env", lambda pod: pod["status"]["phase"] == "Succeeded")

    node = pod["spec"]["nodeName"]
    assert cluster.nodes.log("env", "main", space.name) == f"ab$(NOBODY),{node},env,{space.name},blue,sv=1&sig=2,unset\n"


async def test_container_waits_for_a_config_map_and_starts_when_it_comes(space):
    env = [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "x"}}}]
    await space.run("waits", SLEEP, container={"env": env})
    await space.until("waits", waits_for("CreateContainerConfigError"))

    await space.make("configmaps", "late", data={"x": "1"})

    await space.until("waits", is_ready)


async def test_config_map_files_change_all_at_once_when_it_changes(cluster, space):
    await space.make("configmaps", "files", data={"one": "1", "two": "1"})
    mounts = {"volumeMounts": [{"name": "files", "mountPath": "/etc/files"}], "env": [{"name": "DIR", "value": "/etc/files"}]}
    volumes = [{"name": "files", "configMap": {"name": "files"}}]
    await space.run("reads", f'echo "$DIR"; {SLEEP}', container=mounts, volumes=volumes)
    folder = Path((await log_of(cluster, space, "reads")).strip())
    assert (folder / "one").read_text() == "1"

    seen = []

    async def has_changed():
        seen.append(files(folder / "..data"))
        return seen[-1] != seen[0] and files(folder) == seen[-1]

    assert not await has_changed()
    await space.api.patch(f"{space.root}/configmaps/files", {"data": {"one": "2", "two": None, "three": "2"}})
    await eventually(has_changed)

    assert seen[-1] == {"one": "2", "three": "2"}
    assert all(content in (seen[0], seen[-1]) for content in seen)


async def test_host_path_is_the_nodes_own_folder_and_outlives_the_pod(cluster, space):
    first, second, _ = cluster.nodes.names
    mounts = {"volumeMounts": [{"name": "data", "mountPath": "/blast"}], "env": [{"name": "DATA", "value": "/blast/db"}]}
    volumes = [{"name": "data", "hostPath": {"path": f"/workspace/{space.name}"}}]
    script = "mkdir -p $DATA; echo $0 >> $DATA/file"
    for pod, node in (("one", first), ("two", first), ("three", second)):
        await space.run(pod, script, node=node, container={**mounts, "args": [pod]}, volumes=volumes, restartPolicy="Never")
        await space.until(pod, lambda pod: pod["status"]["phase"] == "Succeeded")

    files = [cluster.nodes.folder(node) / f"workspace/{space.name}/db/file" for node in (first, second)]
    assert [file.read_text() for file in files] == ["one\ntwo\n", "three\n"]


async def test_init_containers_run_first_and_in_order(cluster, space):
    mounts = {"volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}], "env": [{"name": "D", "value": "/scratch"}]}
    inits = [
        {"name": name, "image": "machine:local", "command": ["sh", "-c", f"echo {name} >> $D/order"], **mounts}
        for name in ("first", "second")
    ]
    volumes = [{"name": "scratch", "emptyDir": {}}]
    await space.run("main", "cat $D/order", initContainers=inits, container=mounts, volumes=volumes, restartPolicy="Never")

    pod = await space.until("main", lambda pod: pod["status"]["phase"] == "Succeeded")

    assert cluster.nodes.log("main", "main", space.name) == "first\nsecond\n"
    assert [init["state"]["terminated"]["reason"] for init in pod["status"]["initContainerStatuses"]] == ["Completed"] * 2


async def test_failed_init_container_fails_the_pod(space):
    inits = [{"name": "init", "image": "machine:local", "command": ["false"]}]
    await space.run("stuck", SLEEP, initContainers=inits, restartPolicy="Never")

    pod = await space.until("stuck", lambda pod: pod["status"]["phase"] == "Failed")

    assert conditions(pod)["Initialized"] == "False"
    assert "waiting" in main_of(pod)["state"]


async def test_crashing_container_is_restarted_with_back_off(space):
    await space.run("crashes", "exit 7")

    pod = await space.until("crashes", lambda pod: waits_for("CrashLoopBackOff")(pod) and main_of(pod)["restartCount"] >= 1)

    assert main_of(pod)["lastState"]["terminated"]["exitCode"] == 7
    assert pod["status"]["phase"] == "Running"
    assert not is_ready(pod)


async def test_killed_process_is_reported_as_137_and_runs_again(cluster, space):
    await space.run("victim", f"sleep 1000 & {SLEEP}")
    await space.until("victim", is_running)
    [group] = cluster.nodes.processes("victim", space.name)

    cluster.nodes.kill_pod("victim", space.name)

    pod = await space.until("victim", lambda pod: main_of(pod)["restartCount"] == 1 and is_running(pod))
    assert main_of(pod)["lastState"]["terminated"]["exitCode"] == 137
    await group_is_gone(group)


async def test_unknown_image_backs_off_until_the_image_is_there(cluster, space):
    name = f"{space.name}:late"
    await space.run("pulls", SLEEP, container={"image": name})
    await space.until("pulls", waits_for("ErrImagePull"))
    pod = await space.until("pulls", waits_for("ImagePullBackOff"))
    assert name in main_of(pod)["state"]["waiting"]["message"]

    cluster.images[name] = cluster.images["machine:local"]

    await space.until("pulls", is_ready)


async def test_program_that_is_not_there_is_a_start_error(space):
    await space.run("nothing", "", container={"command": ["no-such-program"]}, restartPolicy="Never")

    pod = await space.until("nothing", lambda pod: pod["status"]["phase"] == "Failed")

    assert main_of(pod)["state"]["terminated"]["reason"] == "StartError"
    assert "no-such-program" in main_of(pod)["state"]["terminated"]["message"]


async def test_image_brings_its_own_python(cluster, space):
    command = {"image": "python:local", "command": ["python", "-c", "import local.cluster as it; print(it.__name__)"]}
    await space.run("python", "", container=command, restartPolicy="Never")

    await space.until("python", lambda pod: pod["status"]["phase"] == "Succeeded")

    assert cluster.nodes.log("python", "main", space.name) == "local.cluster\n"


async def test_exec_probe_makes_ready_and_unready(cluster, space):
    mounts = {"volumeMounts": [{"name": "run", "mountPath": "/run/it"}], "env": [{"name": "RUN", "value": "/run/it"}]}
    probe = {"exec": {"command": ["test", "-e", "/run/it/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    script = f'echo "$RUN"; {SLEEP}'
    volumes = [{"name": "run", "emptyDir": {}}]
    await space.run("probed", script, container={**mounts, "readinessProbe": probe}, volumes=volumes)
    folder = Path((await log_of(cluster, space, "probed")).strip())
    assert not is_ready(await space.until("probed", is_running))

    (folder / "ready").touch()
    await space.until("probed", is_ready)
    (folder / "ready").unlink()

    pod = await space.until("probed", lambda pod: not is_ready(pod))
    assert is_running(pod)
    assert main_of(pod)["restartCount"] == 0


async def test_http_probes_gate_readiness_and_failing_liveness_restarts(cluster, space, unused_tcp_port_factory):
    port = unused_tcp_port_factory()
    server = f"exec python3 -m http.server --bind 127.0.0.1 {port}"
    get = {"httpGet": {"path": "/", "port": "web"}, "periodSeconds": 1}
    probes = {
        "ports": [{"name": "web", "containerPort": port}],
        "startupProbe": {**get, "failureThreshold": 30},
        "readinessProbe": get,
        "livenessProbe": {"exec": {"command": ["test", "!", "-e", "sick"]}, "periodSeconds": 1, "failureThreshold": 1},
    }
    await space.run("web", server, container=probes)
    pod = await space.until("web", is_ready)
    assert main_of(pod)["started"]

    [process] = cluster.nodes.processes("web", space.name)
    folder = working_folder(process)
    (folder / "sick").touch()

    await space.until("web", lambda pod: main_of(pod)["restartCount"] == 1)
    (folder / "sick").unlink()
    await space.until("web", is_ready)


async def test_deleted_pod_is_asked_to_end_and_then_gone(cluster, space):
    script = "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    await space.run("polite", script)
    await space.until("polite", is_running)
    await log_of(cluster, space, "polite")

    await space.api.delete(f"{space.root}/pods/polite")
    await space.gone("polite")

    assert cluster.nodes.log("polite", "main", space.name) == "up\nasked\n"


async def test_pod_that_ignores_sigterm_is_killed_after_its_grace_period_with_all_it_started(cluster, space):
    await space.run("stubborn", "trap '' TERM; sleep 1000 & echo up; while :; do sleep 0.05; done")
    await space.until("stubborn", is_running)
    await log_of(cluster, space, "stubborn")
    [group] = cluster.nodes.processes("stubborn", space.name)

    await space.api.delete(f"{space.root}/pods/stubborn", {"gracePeriodSeconds": 1})
    await space.gone("stubborn")

    await group_is_gone(group)


async def test_pod_speaks_to_the_api_server_as_its_service_account(cluster, space):
    await space.make("serviceaccounts", "worker")
    code = (
        "import json, os, ssl, sys, urllib.request as r; d = os.environ['D'] + '/';"
        "url = f\"https://{os.environ['KUBERNETES_SERVICE_HOST']}:{os.environ['KUBERNETES_SERVICE_PORT']}\";"
        "q = r.Request(url + '/apis/authorization.k8s.io/v1/selfsubjectrulesreviews', method='POST',"
        " data=json.dumps({'spec': {'namespace': open(d + 'namespace').read()}}).encode(),"
        " headers={'Authorization': 'Bearer ' + open(d + 'token').read(), 'Content-Type': 'application/json'});"
        "print(r.urlopen(q, context=ssl.create_default_context(cafile=d + 'ca.crt')).status)"
    )
    env = [{"name": "D", "value": "/var/run/secrets/kubernetes.io/serviceaccount"}]
    container = {"image": "python:local", "command": ["python", "-c", code], "env": env}
    await space.run("asks", "", container=container, serviceAccountName="worker", restartPolicy="Never")

    await space.until("asks", lambda pod: pod["status"]["phase"] in {"Succeeded", "Failed"})

    assert cluster.nodes.log("asks", "main", space.name) == "201\n"


async def test_full_disk_of_a_node_is_felt_by_its_pods(cluster, space):
    if os.geteuid() != 0:
        pytest.skip("a disk of a node's own is a loop device, which needs root")
    small = NodeSpec("aks-blastpool-small", disk_bytes=32 * 2**20)
    await cluster.nodes.add(small)
    try:
        filler = cluster.nodes.fill_disk(small.name, leave_bytes=2**20)
        mounts = {"volumeMounts": [{"name": "data", "mountPath": "/data"}], "env": [{"name": "DATA", "value": "/data/file"}]}
        volumes = [{"name": "data", "hostPath": {"path": "/data"}}]
        script = 'head -c 8388608 /dev/zero > "$DATA"'
        await space.run("full", script, node=small.name, container=mounts, volumes=volumes, restartPolicy="Never")
        await space.until("full", lambda pod: pod["status"]["phase"] == "Failed")
        assert "No space left" in cluster.nodes.log("full", "main", space.name)

        filler.unlink()
        await space.run("fits", script, node=small.name, container=mounts, volumes=volumes, restartPolicy="Never")
        await space.until("fits", lambda pod: pod["status"]["phase"] == "Succeeded")
    finally:
        folder = cluster.nodes.folder(small.name)
        await cluster.nodes.remove(small.name)
    assert not folder.exists()


async def test_dropped_page_cache_is_no_longer_resident(cluster):
    node = cluster.nodes.names[0]
    file = cluster.nodes.folder(node) / "workspace/cached/file"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(4 * 2**20))
    assert await _resident_bytes(file) == 4 * 2**20

    assert await cluster.nodes.drop_page_cache(node, "/workspace/cached") == 1

    assert await _resident_bytes(file) == 0


async def _resident_bytes(file):
    process = await asyncio.create_subprocess_exec("fincore", "-J", "-b", str(file), stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return int(json.loads(output)["fincore"][0]["res"])


async def test_readiness_that_the_node_controller_took_away_is_reported_again(admin, space):
    await space.run("doubted", "sleep 60")
    await space.until("doubted", is_ready)
    doubt = {"status": {"conditions": [{"type": "Ready", "status": "False"}]}}
    reply = await admin.patch(f"{space.root}/pods/doubted/status", doubt, STRATEGIC_MERGE)
    assert not is_ready(reply)
    await space.until("doubted", is_ready)
