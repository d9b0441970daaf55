"""azd's hooks against stand-ins for az, kubectl, kubelogin and curl: what they call, in which order, and how they give up."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from local.bicep import checking
from local.bicep.sources import read_all

ROOT = Path(__file__).parents[2]
HOOKS = ROOT / "infra/hooks"
SOURCES = read_all(checking.files())
PROGRAMS = ("az", "kubectl", "kubelogin", "curl")
STAND_IN = """#!/bin/sh
# Writes down its call; fails as often as the file that is named by the call's first words says; keeps the files it is given.
name=$(basename "$0")
printf '%s %s\\n' "$name" "$*" >>"$STAND_INS/calls"
for word in "$@"; do
    case $word in
    */rbac.yaml) cp "$word" "$STAND_INS/rbac.yaml" ;;
    esac
done
case "$name $*" in "az acr build"*) find . -type f >"$STAND_INS/context" ;; esac
for refusal in "$STAND_INS"/refuse-*; do
    [ -e "$refusal" ] || continue
    case "$name $*" in
    "$(basename "$refusal" | sed -e 's/^refuse-//' -e 's/_/ /g')"*)
        left=$(cat "$refusal")
        [ "$left" -eq 0 ] || { echo $((left - 1)) >"$refusal"; echo "not yet: $name" >&2; exit 1; }
        ;;
    esac
done
case "$name $*" in *"keys list"*) echo the-key ;; esac
"""
OUTPUTS = {
    **{name: f"value-of-{name.lower()}" for name in SOURCES["infra/main.bicep"].outputs},
    "DEPLOYED_AGENT_IMAGE": "registry.azurecr.io/shardwarm-warmer:0.1.0",
    "DEPLOYED_K8S_NAMESPACE": "shardwarm",
    "DEPLOYED_HIERARCHICAL_NAMESPACE": "true",
    "DEPLOYED_URL": "https://app.example",
}


class Hook:
    """A hook among stand-ins. `refuse` makes calls that begin with these words fail so many times."""

    def __init__(self, folder):
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in PROGRAMS:
            (self.programs / name).write_text(STAND_IN)
            (self.programs / name).chmod(0o755)

    def refuse(self, words, times):
        (self.folder / f"refuse-{words.replace(' ', '_')}").write_text(f"{times}\n")

    def run(self, name, **changes):
        environment = {**OUTPUTS, **changes, "STAND_INS": str(self.folder), "HOOK_PAUSE_SECONDS": "0"}
        path = f"{self.programs}:{os.defpath}"
        command = [shutil.which("sh"), str(HOOKS / f"{name}.sh")]
        return subprocess.run(command, env={**environment, "PATH": path}, capture_output=True, text=True, check=False)

    @property
    def calls(self):
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    def named(self, words):
        return [call for call in self.calls if call.startswith(words)]


@pytest.fixture
def hook(tmp_path):
    return Hook(tmp_path)


def test_azd_runs_hooks_that_exist_and_can_be_executed():
    hooks = yaml.safe_load((ROOT / "azure.yaml").read_text())["hooks"]

    for name, described in hooks.items():
        path = ROOT / described["posix"]["run"]
        assert path == HOOKS / f"{name}.sh"
        assert os.access(path, os.X_OK)


@pytest.mark.parametrize("name", ["postprovision", "postdeploy"])
def test_a_hook_uses_only_what_main_bicep_puts_out(name):
    used = set(re.findall(r"\b(?:AZURE|DEPLOYED)_\w+", (HOOKS / f"{name}.sh").read_text()))

    assert used <= SOURCES["infra/main.bicep"].outputs.keys()


@pytest.mark.parametrize("name", ["postprovision", "postdeploy"])
def test_a_hook_without_its_variables_says_which_and_calls_nothing(hook, name):
    run = hook.run(name, AZURE_RESOURCE_GROUP="")

    assert run.returncode == 1
    assert "AZURE_RESOURCE_GROUP is not set" in run.stderr
    assert hook.calls == []


def test_a_hook_without_its_programs_says_where_they_come_from(hook):
    (hook.programs / "kubelogin").unlink()

    run = hook.run("postprovision")

    assert "kubelogin is missing" in run.stderr


# postprovision


def test_the_image_is_built_of_the_agents_code_alone(hook):
    hook.refuse("az acr repository show", 1)

    run = hook.run("postprovision")

    assert run.returncode == 0, run.stderr
    (build,) = hook.named("az acr build")
    assert "--image shardwarm-warmer:0.1.0" in build
    assert f"--registry {OUTPUTS['AZURE_CONTAINER_REGISTRY_NAME']}" in build
    folders = {Path(line).parts[0] for line in (hook.folder / "context").read_text().splitlines()}
    assert folders == {"shared", "warmer"}
    assert "--file warmer/Dockerfile" in build


def test_an_image_that_is_there_stays(hook):
    hook.run("postprovision")

    assert hook.named("az acr build") == []
    assert hook.named("kubectl apply")


def test_a_build_that_fails_ends_the_hook(hook):
    hook.refuse("az acr", 2)

    assert hook.run("postprovision").returncode != 0
    assert hook.named("kubectl") == []


def test_the_roles_in_kubernetes_are_the_apps(hook):
    run = hook.run("postprovision", DEPLOYED_APP_OBJECT_ID="1234-5678")

    assert run.returncode == 0, run.stderr
    applied = list(yaml.safe_load_all((hook.folder / "rbac.yaml").read_text()))
    subjects = {one["name"] for document in applied for one in document.get("subjects", ()) if one["kind"] == "User"}
    assert subjects == {"1234-5678"}


def test_another_namespace_is_another_namespace_everywhere(hook):
    hook.run("postprovision", DEPLOYED_K8S_NAMESPACE="elsewhere")

    applied = list(yaml.safe_load_all((hook.folder / "rbac.yaml").read_text()))
    metadata = [one["metadata"] for one in applied]
    subjects = [one for document in applied for one in document.get("subjects", ()) if one["kind"] == "ServiceAccount"]
    assert {one["namespace"] for one in [*metadata, *subjects] if "namespace" in one} == {"elsewhere"}
    assert [one["metadata"]["name"] for one in applied if one["kind"] == "Namespace"] == ["elsewhere"]
    assert {one["name"] for one in subjects} == {"shardwarm-warmer"}


def test_the_persons_own_kubeconfig_stays_as_it_is(hook):
    hook.run("postprovision", KUBECONFIG="/of/the/person")

    assert "/of/the/person" not in "\n".join(hook.calls)
    (credentials,) = hook.named("az aks get-credentials")
    assert "--file" in credentials


def test_a_role_that_is_not_effective_yet_is_waited_for(hook):
    hook.refuse("kubectl apply", 3)

    run = hook.run("postprovision")

    assert run.returncode == 0
    assert len(hook.named("kubectl apply")) == 4
    assert "waiting for the right to apply rbac.yaml (3 of 30)" in run.stdout


# postdeploy


def test_the_subscription_comes_after_readiness_and_the_function(hook):
    run = hook.run("postdeploy")

    assert run.returncode == 0, run.stderr
    order = [re.match(r"curl|az functionapp function show|az deployment group create", call) for call in hook.calls]
    assert [found[0] for found in order if found] == ["curl", "az functionapp function show", "az deployment group create"]


def test_the_subscription_gets_every_parameter_that_events_bicep_needs(hook):
    hook.run("postdeploy")

    (deployment,) = hook.named("az deployment group create")
    given = dict(re.findall(r"(\w+)=(\S+)", deployment))
    parameters = SOURCES["infra/events.bicep"].parameters
    assert given.keys() == parameters.keys() - {"functionName"}
    assert given["functionAppName"] == OUTPUTS["DEPLOYED_FUNCTION_APP"]


def test_no_command_line_shows_the_apps_key(hook):
    run = hook.run("postdeploy")

    assert "the-key" not in "\n".join(hook.calls) + run.stdout + run.stderr


def test_an_app_that_never_gets_ready_ends_the_hook_with_its_last_answer(hook):
    hook.refuse("curl", 1000)

    run = hook.run("postdeploy")

    assert run.returncode == 1
    assert len(hook.named("curl")) == 90
    assert "not yet: curl" in run.stderr
    assert "gave up on the app and its roles after 90 attempts" in run.stderr
    assert hook.named("az deployment") == []


@pytest.mark.parametrize(("refusals", "status"), [(5, 0), (6, 1)])
def test_the_subscription_is_tried_six_times(hook, refusals, status):
    hook.refuse("az deployment group create", refusals)

    assert hook.run("postdeploy").returncode == status
    assert len(hook.named("az deployment group create")) == 6


def test_with_entra_only_liveness_is_asked_for(hook):
    hook.run("postdeploy", DEPLOY_AUTH="entra")

    (asked,) = hook.named("curl")
    assert asked.endswith("https://app.example/api/health")
