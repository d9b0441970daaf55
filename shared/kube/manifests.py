"""Manifests of one warmed database: ConfigMap and DaemonSet.

The pod template carries database, N, and the digests of files and texts, so that a change of any of them rolls the pods. The
ConfigMap tells each node its shards.
"""

from typing import Any

from pydantic import BaseModel, ConfigDict

from shared.agent.assignment import ASSIGNMENT_FILE
from shared.runs.warmup.facts import PodTerms, Toleration
from shared.runs.warmup.labels import DATABASE_LABEL, PREFIX, database_hash, object_name
from shared.runs.warmup.placement import AGENT_CPU_MILLIS, ARCHITECTURE_LABEL, terms_of

NAME_LABEL = "shardwarm-warmer"
ASSIGNMENT_ANNOTATION = f"{PREFIX}assignment"
"""The annotation of the DaemonSet that holds a copy of the assignment. A reading so needs only one object.

It is not in the pod template, so a change of the assignment alone rolls no pods.
"""

type Json = dict[str, Any]


class WarmerSpec(BaseModel):
    """The parameters of a database's DaemonSet. `memory_request_bytes` is the largest load of any node.

    `terms` say on which nodes its pods run.
    The pods have no memory limit: page cache counts for the pod that touches it, and a limit smaller than the shards would
    evict pages that were just warmed.
    """

    model_config = ConfigDict(frozen=True)

    namespace: str
    db: str
    account: str
    shard_count: int
    digest: str
    texts: str = ""
    image: str
    memory_request_bytes: int
    terms: PodTerms = terms_of()
    sas_secret: str | None = None
    client_id: str | None = None
    host_path: str = "/workspace/blast"
    environment: dict[str, str] = {}


def labels(db: str) -> dict[str, str]:
    """The labels of everything that belongs to a database."""
    return {
        "app.kubernetes.io/name": NAME_LABEL,
        "app.kubernetes.io/managed-by": "shardwarm",
        DATABASE_LABEL: database_hash(db),
    }


def config_map(namespace: str, db: str, assignment: str) -> Json:
    """The ConfigMap that tells each node its shards."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(namespace, db),
        "data": {ASSIGNMENT_FILE: assignment},
    }


def daemon_set(spec: WarmerSpec, assignment: str = "") -> Json:
    """The DaemonSet that runs the agent on every node that the terms allow, with a copy of the ConfigMap's assignment."""
    marks = {
        f"{PREFIX}db": spec.db,
        f"{PREFIX}shard-count": str(spec.shard_count),
        f"{PREFIX}digest": spec.digest,
        f"{PREFIX}texts": spec.texts,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": _metadata(spec.namespace, spec.db, {ASSIGNMENT_ANNOTATION: assignment}),
        "spec": {
            "selector": {"matchLabels": labels(spec.db)},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}},
            "template": {
                "metadata": {"labels": _pod_labels(spec), "annotations": marks},
                "spec": {
                    "serviceAccountName": "shardwarm-warmer",
                    "nodeSelector": dict(spec.terms.selector),
                    **_affinity(spec.terms),
                    "tolerations": [_toleration(one) for one in spec.terms.tolerations],
                    "terminationGracePeriodSeconds": 15,
                    "containers": [_container(spec)],
                    "volumes": _volumes(spec),
                },
            },
        },
    }


def _affinity(terms: PodTerms) -> Json:
    if not terms.architectures:
        return {}
    expression = {"key": ARCHITECTURE_LABEL, "operator": "In", "values": list(terms.architectures)}
    required = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def _toleration(one: Toleration) -> Json:
    value = {"operator": "Exists"} if one.value is None else {"operator": "Equal", "value": one.value}
    return {**({"key": one.key} if one.key else {}), **value, **({"effect": one.effect} if one.effect else {})}


def _metadata(namespace: str, db: str, annotations: dict[str, str] | None = None) -> Json:
    return {
        "name": object_name(db),
        "namespace": namespace,
        "labels": labels(db),
        "annotations": {f"{PREFIX}db": db, **(annotations or {})},
    }


def _pod_labels(spec: WarmerSpec) -> dict[str, str]:
    workload_identity = {"azure.workload.identity/use": "true"} if spec.sas_secret is None else {}
    return {**labels(spec.db), **workload_identity}


def _container(spec: WarmerSpec) -> Json:
    return {
        "name": "warmer",
        "image": spec.image,
        "command": ["python", "-m", "warmer"],
        "env": _environment(spec),
        "resources": {
            "requests": {"cpu": f"{AGENT_CPU_MILLIS}m", "memory": str(spec.memory_request_bytes)},
        },
        "readinessProbe": {
            "exec": {"command": ["python", "-m", "warmer.ready"]},
            "periodSeconds": 5,
            "timeoutSeconds": 5,
            "failureThreshold": 1,
        },
        # Root, because hostPath folders belong to root on AKS nodes. The pod drops all capabilities.
        "securityContext": {
            "runAsUser": 0,
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "databases", "mountPath": "/blast/blastdb"},
            {"name": "assignment", "mountPath": "/etc/shardwarm/assignment", "readOnly": True},
            {"name": "run", "mountPath": "/run/shardwarm"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path inside the container
        ],
    }


def _environment(spec: WarmerSpec) -> list[Json]:
    fields = {"NODE_NAME": "spec.nodeName", "POD_NAME": "metadata.name", "POD_NAMESPACE": "metadata.namespace"}
    env: list[Json] = [{"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()]
    values = {
        "SHARDWARM_BLASTDB_DIR": "/blast/blastdb",
        "SHARDWARM_ASSIGNMENT_DIR": "/etc/shardwarm/assignment",
        "SHARDWARM_RUN_DIR": "/run/shardwarm",
        "SHARDWARM_TOKEN_DIR": "/var/run/secrets/kubernetes.io/serviceaccount",
        **({"AZURE_CLIENT_ID": spec.client_id} if spec.client_id else {}),
        **spec.environment,
    }
    env += [{"name": name, "value": value} for name, value in values.items()]
    if spec.sas_secret is not None:
        reference = {"secretKeyRef": {"name": spec.sas_secret, "key": "sas"}}
        env.append({"name": "SHARDWARM_SAS", "valueFrom": reference})
    return env


def _volumes(spec: WarmerSpec) -> list[Json]:
    return [
        {"name": "databases", "hostPath": {"path": spec.host_path, "type": "DirectoryOrCreate"}},
        {"name": "assignment", "configMap": {"name": object_name(spec.db)}},
        {"name": "run", "emptyDir": {}},
        {"name": "tmp", "emptyDir": {}},
    ]
