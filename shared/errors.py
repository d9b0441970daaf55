"""Errors: the codes that we promise, the values that carry them, the exceptions that we raise.

    ShardwarmError
    ├── InvalidRequest      the caller must change the request
    ├── Forbidden           the caller, or the app, may not do this
    ├── NotFound            the thing named does not exist
    ├── Conflict            the thing is in a state that forbids it now
    ├── Unusable            the database is refused as it stands; changing it helps, a retry does not
    ├── Misconfigured       an operator must change a setting or a role
    └── TransientFailure    busy or out of reach; a retry may help

An activity returns a failure that no retry cures as a `Problem` in its reply. It raises only `TransientFailure`, because a
`RetryPolicy` retries everything that an activity raises.
"""

from enum import StrEnum
from typing import Self

from pydantic import BaseModel, ConfigDict


class Code(StrEnum):
    """Error codes. They are a contract: a code is never renamed and never gets another meaning."""

    INVALID_NAME = "InvalidName"
    UNKNOWN_FIELD = "UnknownField"
    INVALID_FIELD = "InvalidField"
    MISSING_FIELD = "MissingField"
    INVALID_JSON = "InvalidJson"
    REQUEST_BODY_TOO_LARGE = "RequestBodyTooLarge"

    UNAUTHENTICATED = "Unauthenticated"
    MISSING_ROLE = "MissingRole"
    ACCOUNT_NOT_ALLOWED = "AccountNotAllowed"
    CALLBACK_NOT_ALLOWED = "CallbackNotAllowed"

    DATABASE_NOT_FOUND = "DatabaseNotFound"
    SHARD_SET_NOT_FOUND = "ShardSetNotFound"
    PREVIOUS_LAYOUT_NOT_FOUND = "PreviousLayoutNotFound"
    OPERATION_NOT_FOUND = "OperationNotFound"
    CONTAINER_NOT_FOUND = "ContainerNotFound"

    LEASE_HELD = "LeaseHeld"
    LEASE_LOST = "LeaseLost"
    OPERATION_ENDED = "OperationEnded"
    DATABASE_CHANGED = "DatabaseChanged"
    DATABASE_NOT_READY = "DatabaseNotReady"
    VOLUMES_DIFFER = "VolumesDiffer"
    WRITTEN_BY_ANOTHER = "WrittenByAnother"

    BLOB_ARCHIVED = "BlobArchived"
    BLOB_ENCRYPTED = "BlobEncrypted"
    WRONG_BLOB_TYPE = "WrongBlobType"
    BLOB_LEASED = "BlobLeased"
    BLOB_IMMUTABLE = "BlobImmutable"
    SNAPSHOTS_PRESENT = "SnapshotsPresent"
    COPY_PENDING = "CopyPending"

    ALIAS_ONLY = "AliasOnlyDatabase"
    NO_VOLUMES = "NoVolumes"
    VOLUME_GAP = "VolumeGap"
    FILE_NAME_TAKEN = "FileNameTaken"
    GHOST_VOLUMES = "GhostVolumes"
    VOLUMES_MISSING = "VolumesMissing"
    TOO_MANY_VOLUMES = "TooManyVolumes"
    MIXED_MOLECULE_TYPES = "MixedMoleculeTypes"
    MIXED_VOLUME_NAMES = "MixedVolumeNames"
    MISSING_DATABASE_FILE = "MissingDatabaseFile"
    PAPERS_DISAGREE = "PapersDisagree"
    VERSION_FOUR = "VersionFour"
    LIMITED_BY_ALIAS = "LimitedByAlias"
    UNREADABLE_PAPERS = "UnreadablePapers"
    UNREADABLE_STATISTICS = "UnreadableStatistics"
    UNREADABLE_METADATA = "UnreadableMetadata"
    NO_PRESET_FITS = "NoPresetFits"
    PARTIAL_SHARD_SETS = "PartialShardSets"
    VERIFICATION_FAILED = "VerificationFailed"
    UPLOAD_INCOMPLETE = "UploadIncomplete"

    NO_READY_NODES = "NoReadyNodes"
    NODES_UNFIT = "NodesUnfit"
    TOO_FEW_NODES = "TooFewNodes"
    MACHINE_TOO_SMALL = "MachineTooSmall"
    CLUSTER_TOO_SMALL = "ClusterTooSmall"

    CLUSTER_NOT_ALLOWED = "ClusterNotAllowed"
    CLUSTER_NOT_FOUND = "ClusterNotFound"
    CLUSTER_STOPPED = "ClusterStopped"
    CLUSTER_REFUSED = "ClusterRefused"
    CLUSTER_UNAVAILABLE = "ClusterUnavailable"
    NO_WORKLOAD_POOL = "NoWorkloadPool"
    WARMUP_FAILED = "WarmupFailed"
    WARMUP_TIMED_OUT = "WarmupTimedOut"

    CALLBACK_FAILED = "CallbackFailed"
    PROMOTION_LOST = "PromotionLost"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_CHANGED = "SourceChanged"
    SOURCE_INCOMPLETE = "SourceIncomplete"
    SOURCE_REFUSED = "SourceRefused"
    SOURCE_UNAVAILABLE = "SourceUnavailable"

    STORAGE_REFUSED = "StorageRefused"
    STORAGE_UNAVAILABLE = "StorageUnavailable"
    HUB_UNAVAILABLE = "HubUnavailable"
    MISCONFIGURED = "Misconfigured"
    RUN_FAILED = "RunFailed"
    TERMINATED = "Terminated"
    CANCELED = "Canceled"
    INTERNAL_ERROR = "InternalError"


class Problem(BaseModel):
    """One error as it is stored, returned and shown: what is wrong and what to do about it.

    Foreign text in `message` has been sanitised and cut; `target` names the field, database, preset or blob at fault.
    """

    model_config = ConfigDict(frozen=True)

    code: Code
    message: str
    target: str | None = None
    details: tuple["Problem", ...] = ()


class ShardwarmError(Exception):
    """Root of the tree above. `problem` is what the caller gets to see."""

    def __init__(self, code: Code, message: str, *, target: str | None = None) -> None:
        super().__init__(message)
        self.problem = Problem(code=code, message=message, target=target)

    @classmethod
    def of(cls, problem: Problem) -> Self:
        """An exception that carries this very problem, details included."""
        error = cls(problem.code, problem.message, target=problem.target)
        error.problem = problem
        return error


class InvalidRequest(ShardwarmError):  # noqa: N818 - named for what happened, as the rest of the tree
    """The caller must change the request."""


class Forbidden(ShardwarmError):  # noqa: N818 - as above
    """The caller, or the app, may not do this."""


class NotFound(ShardwarmError):  # noqa: N818 - as above
    """The thing named does not exist."""


class Conflict(ShardwarmError):  # noqa: N818 - as above
    """The thing is in a state that forbids this now."""


class Unusable(ShardwarmError):  # noqa: N818 - as above
    """The database cannot be sharded as it stands; changing it helps, a retry does not.

    `listing` is the digest of the refused files; None when they had not been listed.
    """

    listing: str | None = None


class Misconfigured(ShardwarmError):  # noqa: N818 - as above
    """An operator must change a setting or grant a role."""


class TransientFailure(ShardwarmError):  # noqa: N818 - as above
    """Busy or out of reach; a retry may help. `retry_after_seconds` is what the other side asked for, if it did."""

    def __init__(self, code: Code, message: str, *, target: str | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(code, message, target=target)
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        """Code and message. An orchestrator sees only this text of an exception that an activity raised."""
        return f"{self.problem.code.value}: {self.problem.message}"
