"""All settings of the agent, read from the environment once. Paths are settings, so that a folder can stand in for a node."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from shared.agent.disk import RESERVE_BYTES, RESERVE_PERCENT
from shared.agent.pace import PUBLISH_SECONDS
from shared.blastdb.alias import LOCAL_FOLDER

_PREFIX = "SHARDWARM_"
_NAMED_BY_KUBERNETES = ("NODE_NAME", "POD_NAME", "POD_NAMESPACE", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")


class AgentSettings(BaseModel):
    """The agent's settings. A field's variable is `SHARDWARM_` and its name in capitals, except for names from Kubernetes."""

    model_config = ConfigDict(frozen=True)

    node_name: str = Field(min_length=1, description="NODE_NAME: this node, as the assignment names it.")
    pod_name: str = Field(default="", description="POD_NAME: the pod whose annotation carries the report.")
    pod_namespace: str = Field(default="", description="POD_NAMESPACE: the namespace of that pod.")
    kubernetes_service_host: str = Field(default="", description="The API server; without one nothing is published.")
    kubernetes_service_port: int = Field(default=443, description="Its port.")

    blastdb_dir: Path = Field(default=Path(LOCAL_FOLDER), description="The node's flat folder of database files.")
    assignment_dir: Path = Field(default=Path("/etc/shardwarm/assignment"), description="Holds assignment.json.")
    run_dir: Path = Field(default=Path("/run/shardwarm"), description="Holds report.json.")
    token_dir: Path = Field(
        default=Path("/var/run/secrets/kubernetes.io/serviceaccount"), description="Holds the pod's token and ca.crt."
    )
    sas: SecretStr = Field(
        default=SecretStr(""), description="Read-only SAS, a query string; without one the workload identity is used."
    )

    download_concurrency: int = Field(default=16, ge=1, le=256, description="Ranged GETs under way at once.")
    download_bytes_per_second: int = Field(default=0, ge=0, description="Bandwidth that a copy may take; 0 takes all.")
    part_bytes: int = Field(default=8 * 1024**2, ge=64 * 1024, description="Bytes that one ranged GET asks for.")
    start_spread_seconds: float = Field(
        default=10.0, ge=0, description="Nodes start to copy at times spread over this many seconds; a node's time never changes."
    )
    disk_reserve_percent: float = Field(
        default=RESERVE_PERCENT,
        ge=0,
        lt=100,
        description="How much of the disk a copy leaves free; kubelet evicts pods below 10.",
    )
    disk_reserve_bytes: int = Field(
        default=RESERVE_BYTES, ge=0, description="Bytes of the disk that a copy leaves free at least, if that is more."
    )
    request_timeout_seconds: float = Field(default=30.0, gt=0, description="Silence of storage that ends a request.")
    retry_first_seconds: float = Field(default=0.5, gt=0, description="Longest first wait before a request is repeated.")
    retry_longest_seconds: float = Field(default=20.0, gt=0, description="Longest wait before any repetition.")
    unavailable_seconds: float = Field(
        default=300.0, ge=0, description="How long storage may give no usable answer before that is a failure."
    )
    forbidden_seconds: float = Field(
        default=240.0, ge=0, description="How long 403 is taken for a role that still propagates; Azure asks for 180 at least."
    )
    corrupt_attempts: int = Field(
        default=3, ge=1, description="How often a file with a wrong MD5 is downloaded before that is a failure."
    )
    again_seconds: float = Field(default=60.0, gt=0, description="Pause after a failure before everything is tried again.")

    touch_seconds: float = Field(
        default=60.0,
        gt=0,
        le=60,
        description="Interval between two checks of files and residency; a report older than three of them does not count.",
    )
    touch_threads: int = Field(default=4, ge=1, description="Files read into memory at once.")
    resident_percent: float = Field(default=99.9, gt=0, le=100, description="How much of all bytes must be in memory.")
    memory_bytes: int = Field(
        default=0, ge=0, description="Memory that shards may fill; 0 measures what is available. For nodes that share a machine."
    )
    verify_seconds: float = Field(default=120.0, gt=0, description="How long blastdbcmd may take to open one shard.")
    publish_seconds: float = Field(
        default=PUBLISH_SECONDS,
        ge=1.0,
        description="Shortest time between two published reports of progress; many nodes lengthen it.",
    )
    poll_seconds: float = Field(default=1.0, gt=0, description="Interval at which the assignment is read.")


def parse(environment: Mapping[str, str]) -> AgentSettings:
    """Parse the settings in an environment. Empty values count as absent; variables of other programs are ignored.

    Raises:
        pydantic.ValidationError: a value is wrong. The entry point logs the setting's name, without its value.
    """
    given = {
        name.removeprefix(_PREFIX).lower(): value
        for name, value in environment.items()
        if value and (name.startswith(_PREFIX) or name in _NAMED_BY_KUBERNETES)
    }
    return AgentSettings.model_validate(given)


def settings() -> AgentSettings:
    """The settings of this process."""
    return parse(os.environ)  # noqa: TID251 - the one place that reads the environment
