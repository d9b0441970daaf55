"""Every setting of the app, read from the environment once. docs/settings.md and local.settings.json.example list the same.

Values that steer a run are copied into its input when it starts (`shared.inputs`), so that a later change never splits a run
in flight.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from shared.allowed import account_of
from shared.blastdb.blobs import PRESETS
from shared.errors import Code, Misconfigured
from shared.runs.callbacks import signing_key
from shared.runs.warmup.facts import Toleration
from shared.setting_values import Connections, Names, Pairs, Seconds, ShardCounts, Tolerations

_PREFIX = "SHARDWARM_"
_SHORTEST_SECRET = 16
_LOGIN_VARIABLE = "WEBSITE_AUTH_ENABLED"
"""The platform sets it: whether its authentication is on (learn.microsoft.com/azure/app-service/reference-app-settings)."""
WARM_SLACK_SECONDS = 900.0
"""What planning, applying and a last round of looks may take on top of the waiting."""


class Settings(BaseModel):
    """Each field is the environment variable `SHARDWARM_` and its name in capitals; lists are separated by commas."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    accounts: Names = Field(
        default=(),
        description="Storage accounts the app may touch; `*` for all must be written out. Nothing is allowed by default.",
    )
    clusters: Names = Field(
        default=(), description="AKS clusters the app may touch; `*` for all must be written out. Nothing is allowed by default."
    )
    auth: Literal["function", "entra"] = Field(
        default="function",
        description="`function`: a caller with the key may do everything. `entra`: the platform's login decides by roles.",
    )
    container: str = Field(default="blast-db", description="The blob container that holds the databases.")
    blob_suffix: str = Field(
        default="core.windows.net", description="The storage endpoints' domain; differs in sovereign clouds."
    )
    blob_connection: Connections = Field(
        default=(),
        description="Connection strings, one an account (`AccountName=`), instead of the app's identity; for local work only.",
    )
    client_id: str | None = Field(
        default=None, description="Client id of the user-assigned identity; none uses the identity that the environment offers."
    )
    presets: ShardCounts = Field(default=PRESETS, description="Shard counts prepared when a request names none; each 1 to 32.")
    alias_form: Literal["statistics", "legacy"] = Field(
        default="statistics",
        description="`statistics`: aliases carry the whole database's totals, e-values are exact. `legacy`: the two-line form.",
    )
    identify: Literal["on", "off"] = Field(
        default="on",
        description="`on`: runs read files without an MD5 once and store it. `off`: a changed header counts as new content.",
    )
    lease_seconds: Seconds = Field(default=1800.0, description="How long a run holds its database without renewing, in seconds.")
    retry_attempts: int = Field(default=5, ge=1, description="How often a step that failed for a passing reason is tried in all.")
    retry_first_seconds: Seconds = Field(
        default=1.0,
        description="The wait before the first repetition, in seconds; it doubles; also the mean pause of a single request.",
    )
    retry_longest_seconds: Seconds = Field(default=30.0, description="The longest wait between repetitions, in seconds.")
    storage_concurrency: int = Field(
        default=128, ge=1, description="Storage requests under way at once, per process and account."
    )
    storage_timeout_seconds: Seconds = Field(default=20.0, description="How long one storage request may take, in seconds.")
    upload_events: Literal["on", "off"] = Field(
        default="on", description="`on`: a database that is uploaded is sharded by itself. `off`: events of storage are dropped."
    )
    upload_quiet_seconds: Seconds = Field(
        default=60.0, description="How long nothing may arrive of a database before it is looked at, in seconds."
    )
    upload_give_up_seconds: Seconds = Field(
        default=21600.0, description="How long after its last file a settle waits for an incomplete upload, in seconds."
    )
    namespace: str = Field(default="shardwarm", description="The Kubernetes namespace of everything that warms.")
    warmer_image: str = Field(default="shardwarm-warmer:0.1.0", description="The node agent's image, never `latest`.")
    warmer_client_id: str | None = Field(default=None, description="Client id of the agents' workload identity.")
    warmer_sas_secret: str | None = Field(
        default=None, description="Secret with a read-only SAS under `sas`, for agents without an identity; for local work."
    )
    warmer_environment: Pairs = Field(
        default=(),
        description="More variables for agents: `NAME=value`, separated by commas, which no value can have.",
    )
    warmer_tolerations: Tolerations = Field(
        default=(Toleration("kubernetes.azure.com/scalesetpriority", "spot", "NoSchedule"),),
        description="Taints that agents bear with `workload=blast:NoSchedule`, as `key=value:effect`, `key:effect` or `key`.",
    )
    warmer_architectures: Names = Field(
        default=("amd64",), description="Processors that the agents' image is for: `amd64`, `arm64`."
    )
    warmer_disk: Literal["node", "other"] = Field(
        default="node",
        description="`node`: databases lie on the nodes' ephemeral storage, whose size plans consider. `other`: on another disk.",
    )
    warm_lease_seconds: Seconds = Field(
        default=10800.0, description="How long a warmup holds its database, in seconds; 900 above the deadline at least."
    )
    warm_deadline_seconds: Seconds = Field(
        default=7200.0, description="How long a warmup waits for other runs, then for nodes, in seconds."
    )
    poll_first_seconds: Seconds = Field(default=5.0, description="The first pause between looks at nodes, in seconds.")
    poll_longest_seconds: Seconds = Field(default=60.0, description="The longest pause between looks, in seconds.")
    release_again_seconds: Seconds = Field(default=900.0, description="Pause before a release by TTL is repeated, in seconds.")
    arm_url: str = Field(default="https://management.azure.com", description="Azure Resource Manager's address.")
    arm_certificate: str | None = Field(
        default=None, description="File of the certificate of an ARM that no public authority vouches for; for local work."
    )
    credential: str | None = Field(
        default=None, description="`module:function` that makes the credential, instead of the app's identity; for local work."
    )
    callback_hosts: Names = Field(
        default=(), description="Hosts that ends of runs may be posted to; `*` for all must be written out. None by default."
    )
    callback_secret: Annotated[str, Field(min_length=_SHORTEST_SECRET)] | None = Field(
        default=None,
        description="The key that signs callbacks: `whsec_` and base64, or plain text of 16 characters or more; none: off.",
    )
    callback_local: bool = Field(
        default=False,
        description="Let callbacks go over http, and to this machine and its network; for local work only.",
    )
    callback_certificate: str | None = Field(
        default=None, description="File of certificates of receivers that no public authority vouches for."
    )
    callback_timeout_seconds: Annotated[float, Field(gt=0, le=50)] = Field(
        default=10.0, description="How long one post may take, in seconds; 50 at most."
    )
    callback_attempts: Annotated[int, Field(ge=1, le=50)] = Field(
        default=10, description="How often a callback is posted in all, until its receiver takes it; 50 at most."
    )
    callback_first_seconds: Seconds = Field(
        default=5.0, description="The wait before a callback is posted again, in seconds; it doubles."
    )
    callback_longest_seconds: Seconds = Field(
        default=300.0, description="The longest wait between posts of a callback, in seconds."
    )
    callback_wait_seconds: Seconds = Field(
        default=86400.0, description="How long a callback waits for its run's end, in seconds."
    )
    reconcile: Literal["on", "off"] = Field(
        default="on", description="Whether the timer starts passes that repair what crashes and other programs left behind."
    )
    reconcile_schedule: str = Field(
        default="0 */10 * * * *",
        description="When the timer fires, in six fields from seconds to weekdays. The platform reads it, so it must be set.",
    )
    reconcile_most: int = Field(default=20, ge=1, le=40, description="How many things one pass repairs at most; 40 at most.")
    reconcile_ghosts: Literal["tell", "remove"] = Field(
        default="tell",
        description="`remove` lets a pass remove volumes that the database's own papers do not name, up to half of all.",
    )
    reconcile_legacy: Literal["keep", "renew"] = Field(
        default="keep", description="`renew` lets a pass renew the replaced system's whole shard sets; `keep` leaves them."
    )
    reconcile_quiet_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=900.0, description="How old a database's youngest file must be before a pass shards it, in seconds."
    )
    reconcile_again_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=3600.0, description="How long a pass waits before it repeats a run that failed, in seconds."
    )
    retention_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        default=30.0, description="How long runs that have ended are kept, in days; 3,650 at most."
    )
    ncbi_url: str = Field(
        default="https://ncbi-blast-databases.s3.amazonaws.com",
        description="The S3 bucket from which prepare-db copies databases; it must allow public listing and reading.",
    )
    ncbi_timeout_seconds: Seconds = Field(default=30.0, description="How long one request to that bucket may take, in seconds.")
    copy_lanes: int = Field(default=8, ge=1, le=64, description="Copying activities of one prepare-db run at once; 64 at most.")
    copy_slice_seconds: float = Field(
        default=40.0, gt=0, le=50, description="How long one of them begins copies, in seconds; 50 at most."
    )
    copy_block_bytes: int = Field(
        default=8 * 1024 * 1024,
        ge=1024,
        le=64 * 1024 * 1024,
        description="Bytes of a large file that one request copies; 1,024 to 67,108,864.",
    )
    list_page: int = Field(default=5000, ge=1, le=5000, description="Blobs a page of a listing; 5,000 is the service's maximum.")

    @field_validator("callback_hosts")
    @classmethod
    def _in_lower_case(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(host.lower() for host in value)

    @field_validator("callback_secret")
    @classmethod
    def _is_a_key(cls, value: str | None) -> str | None:
        if value is not None:
            signing_key(value)
        return value

    @model_validator(mode="after")
    def _lease_outlasts_the_wait(self) -> Self:
        if self.warm_lease_seconds < self.warm_deadline_seconds + WARM_SLACK_SECONDS:
            raise ValueError(
                f"SHARDWARM_WARM_LEASE_SECONDS must exceed SHARDWARM_WARM_DEADLINE_SECONDS by {WARM_SLACK_SECONDS:.0f}"
            )
        return self

    @property
    def connections(self) -> dict[str, str]:
        """The connection strings by account."""
        return {account_of(text): text for text in self.blob_connection}


def parse(environment: Mapping[str, str]) -> Settings:
    """The settings in an environment. Empty values count as absent; an unknown `SHARDWARM_` name is refused as a typo.

    Raises:
        Misconfigured: a value is of the wrong kind, a name is unknown, or roles are to count and the platform's authentication is
            off, so that any caller could write roles into the header. The message names the variable, not its value.
    """
    given = {
        name.removeprefix(_PREFIX).lower(): value for name, value in environment.items() if name.startswith(_PREFIX) and value
    }
    try:
        parsed = Settings.model_validate(given)
    except ValidationError as error:
        found = [(item["loc"][:1], item["msg"]) for item in error.errors(include_input=False)]
        wrong = "; ".join("".join(f"{_PREFIX}{str(name).upper()}: " for name in names) + what for names, what in found)
        raise Misconfigured(Code.MISCONFIGURED, f"The app's settings are wrong. {wrong}. See docs/settings.md.") from error
    if parsed.auth == "entra" and environment.get(_LOGIN_VARIABLE, "").lower() != "true":
        raise Misconfigured(
            Code.MISCONFIGURED,
            f"SHARDWARM_AUTH is entra, but the platform's authentication is off: {_LOGIN_VARIABLE} is not true. Any caller could "
            "claim a role. Turn the authentication on, or set SHARDWARM_AUTH to function.",
        )
    return parsed


@cache
def settings() -> Settings:
    """The settings of this process."""
    return parse(os.environ)  # noqa: TID251 - the one place that reads the environment
