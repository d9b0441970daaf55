"""The rights that a preflight asks for are those that the role file grants the app, no more and no fewer."""

from pathlib import Path

import yaml

from shared.runs.warmup.rights import NEEDED, Right

RBAC = Path(__file__).parents[2] / "infra/kubernetes/rbac.yaml"
APP = {"kind": "User", "name": "SHARDWARM_APP_OBJECT_ID"}


def granted():
    objects = [item for item in yaml.safe_load_all(RBAC.read_text()) if item]
    roles = {(item["kind"], item["metadata"]["name"]): item for item in objects}
    for item in objects:
        if not item["kind"].endswith("Binding"):
            continue
        if any(APP.items() <= subject.items() for subject in item["subjects"]):
            role = item["roleRef"]
            for rule in roles[role["kind"], role["name"]]["rules"]:
                for group in rule["apiGroups"]:
                    for resource in rule["resources"]:
                        for verb in rule["verbs"]:
                            yield Right(verb, resource, group, is_cluster_wide=role["kind"] == "ClusterRole")


def test_preflight_asks_for_what_the_role_file_grants():
    assert sorted(NEEDED) == sorted(granted())
    assert len(set(NEEDED)) == len(NEEDED)


def test_rights_are_told_with_the_names_that_kubectl_knows():
    assert str(Right("create", "daemonsets", "apps")) == "create daemonsets.apps"
    assert str(Right("list", "nodes", is_cluster_wide=True)) == "list nodes in the whole cluster"
