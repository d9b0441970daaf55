"""The Blob service's error codes as data: what each means for a call of ours, and what a person does about it.

The table has every code of the two pages on which the service documents them, "Azure Blob Storage error codes"
(https://learn.microsoft.com/rest/api/storageservices/blob-service-error-codes) and "Common REST API error codes"
(https://learn.microsoft.com/rest/api/storageservices/common-rest-api-error-codes), and every code that the SDK's blob client
knows. Our calls are Get, Put, Delete, List and Copy Blob, Get Blob Properties, Set Blob Metadata, Set Blob Properties, Put Block
(From URL), Put Block List and Get Block List.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Literal, NamedTuple

from shared.errors import Code, Conflict, Misconfigured, NotFound, ShardwarmError, TransientFailure, Unusable

type Meaning = Literal["missing", "raced", "passing", "forbidden", "rejected", "status"]
"""What a code means for the caller.

`missing`: there is no such blob. `raced`: the condition of the call does not hold, another writer was faster. `passing`: a retry
may cure it. `forbidden`: the app's identity lacks a role, or may not reach the account. `rejected`: the request itself is wrong,
or is one that the app never makes. `status`: the code says too little, the HTTP status decides.
"""


class Remedy(NamedTuple):
    """What a person must know or do. `sentence` has the fields `{target}` and `{account}`."""

    kind: type[ShardwarmError]
    code: Code
    sentence: str


_NOT_A_BLOCK_BLOB = Remedy(
    Unusable,
    Code.WRONG_BLOB_TYPE,
    "'{target}' is not a block blob that this app can write. Delete it, and upload it as a block blob where it is a database's.",
)
_LEASED = Remedy(
    Conflict,
    Code.BLOB_LEASED,
    "Another client holds a lease on '{target}'. End that lease (az storage blob lease break), then start again.",
)
_IMMUTABLE = Remedy(
    Conflict,
    Code.BLOB_IMMUTABLE,
    "An immutability policy or a legal hold protects '{target}'. Remove it from the blob or its container, then start again.",
)
_NO_KEY = Remedy(
    Misconfigured,
    Code.STORAGE_REFUSED,
    "Storage account '{account}' cannot use its encryption key. Give the account access to its key vault again.",
)

_REMEDIES: dict[str, Remedy] = {
    "BlobArchived": Remedy(
        Unusable,
        Code.BLOB_ARCHIVED,
        "'{target}' is in the archive tier. Rehydrate it to the hot or cool tier, which takes hours, then start again.",
    ),
    "BlobBeingRehydrated": Remedy(
        Unusable,
        Code.BLOB_ARCHIVED,
        "'{target}' is still being rehydrated from the archive tier. Wait until it is in the hot or cool tier, then start again.",
    ),
    "BlobUsesCustomerSpecifiedEncryption": Remedy(
        Unusable,
        Code.BLOB_ENCRYPTED,
        "'{target}' is encrypted with a key that its uploader provided and storage does not keep. Upload it without such a key.",
    ),
    "InvalidBlobType": _NOT_A_BLOCK_BLOB,
    "InvalidSourceBlobType": _NOT_A_BLOCK_BLOB,
    "ResourceTypeMismatch": _NOT_A_BLOCK_BLOB,
    "BlobOperationNotSupported": _NOT_A_BLOCK_BLOB,
    "OperationNotAllowedOnIncrementalCopyBlob": _NOT_A_BLOCK_BLOB,
    "LeaseIdMissing": _LEASED,
    "LeaseAlreadyPresent": _LEASED,
    "BlobImmutableDueToPolicy": _IMMUTABLE,
    "BlobImmutableDueToLegalHold": _IMMUTABLE,
    "ContainerHasLegalHold": _IMMUTABLE,
    "ContainerImmutabilityPolicyLocked": _IMMUTABLE,
    "AccountProtectedFromDeletion": _IMMUTABLE,
    "SnapshotsPresent": Remedy(
        Conflict, Code.SNAPSHOTS_PRESENT, "'{target}' has snapshots and was not deleted. Delete its snapshots, then start again."
    ),
    "PendingCopyOperation": Remedy(
        TransientFailure,
        Code.COPY_PENDING,
        "A copy onto '{target}' has not ended. Wait for it, or abort it, then start again.",
    ),
    "SystemInUse": Remedy(
        Conflict, Code.STORAGE_REFUSED, "'{target}' is in use by the system, as the disk of a machine is. Keep disks elsewhere."
    ),
    "ContainerNotFound": Remedy(
        NotFound,
        Code.CONTAINER_NOT_FOUND,
        "Account '{account}' has no container for databases. Create it, or correct SHARDWARM_CONTAINER.",
    ),
    "ContainerBeingDeleted": Remedy(
        NotFound,
        Code.CONTAINER_NOT_FOUND,
        "The container of account '{account}' is being deleted. Create it again, or correct SHARDWARM_CONTAINER.",
    ),
    "ContainerDisabled": Remedy(
        Misconfigured,
        Code.STORAGE_REFUSED,
        "An administrator has disabled the container of account '{account}'. Have it enabled again.",
    ),
    "AccountIsDisabled": Remedy(
        Misconfigured, Code.STORAGE_REFUSED, "Storage account '{account}' is disabled. See whether its subscription is active."
    ),
    "KeyVaultAccessTokenCannotBeAcquired": _NO_KEY,
    "KeyVaultEncryptionKeyNotFound": _NO_KEY,
    "KeyVaultVaultNotFound": _NO_KEY,
}

_BY_MEANING: dict[Meaning, str] = {
    "missing": "BlobNotFound ResourceNotFound",
    # InvalidRange: the blob has become shorter since it was listed.
    "raced": """
        BlobAlreadyExists BlobOverwritten ConditionNotMet InvalidRange ResourceAlreadyExists SourceConditionNotMet
        TargetConditionNotMet
    """,
    # InvalidBlockList: another delivery of the step committed the blocks, or storage has dropped them after a week. Md5Mismatch:
    # the bytes were damaged on their way.
    "passing": "AccountBeingCreated InternalError InvalidBlockList Md5Mismatch OperationTimedOut ServerBusy",
    "forbidden": """
        AuthenticationFailed AuthorizationFailure AuthorizationPermissionMismatch AuthorizationProtocolMismatch
        AuthorizationResourceTypeMismatch AuthorizationServiceMismatch AuthorizationSourceIPMismatch
        InsufficientAccountPermissions InvalidAuthenticationInfo NoAuthenticationInformation UnauthorizedBlobOverwrite
    """,
    # It comes with the status of the source's own answer.
    "status": "CannotVerifyCopySource",
    "rejected": """
        AccountAlreadyExists AppendPositionConditionNotMet BlobAccessTierNotSupportedForAccountType BlobNotArchived
        BlobTierInadequateForContentLength BlockCountExceedsLimit BlockListTooLong CannotChangeToLowerTier
        ConditionHeadersNotSupported ContainerAlreadyExists ContentLengthLargerThanTierLimit CopyAcrossAccountsNotSupported
        CopyIdMismatch EmptyMetadataKey FeatureVersionMismatch IncrementalCopyBlobMismatch
        IncrementalCopyOfEarlierSnapshotNotAllowed IncrementalCopyOfEarlierVersionSnapshotNotAllowed
        IncrementalCopySourceMustBeSnapshot InfiniteLeaseDurationRequired InvalidBlobOrBlock InvalidBlobTier InvalidBlockId
        InvalidHeaderValue InvalidHttpVerb InvalidInput InvalidMd5 InvalidMetadata InvalidOperation InvalidPageRange
        InvalidQueryParameterValue InvalidResourceName InvalidSourceBlobUrl InvalidUri InvalidVersionForPageBlobOperation
        InvalidXmlDocument InvalidXmlNodeValue LeaseAlreadyBroken LeaseIdMismatchWithBlobOperation
        LeaseIdMismatchWithContainerOperation LeaseIdMismatchWithLeaseOperation LeaseIsBreakingAndCannotBeAcquired
        LeaseIsBreakingAndCannotBeChanged LeaseIsBrokenAndCannotBeRenewed LeaseLost LeaseNotPresentWithBlobOperation
        LeaseNotPresentWithContainerOperation LeaseNotPresentWithLeaseOperation MaxBlobSizeConditionNotMet MetadataTooLarge
        MissingContentLengthHeader MissingRequiredHeader MissingRequiredQueryParameter MissingRequiredXmlNode
        MultipleConditionHeadersNotSupported NoPendingCopyOperation OutOfRangeInput OutOfRangeQueryParameterValue
        PreviousSnapshotCannotBeNewer PreviousSnapshotNotFound PreviousSnapshotOperationNotSupported RequestBodyTooLarge
        RequestUrlFailedToParse SequenceNumberConditionNotMet SequenceNumberIncrementTooLarge SnaphotOperationRateExceeded
        SnapshotCountExceeded SnapshotOperationRateExceeded UnsupportedHeader UnsupportedHttpVerb UnsupportedQueryParameter
        UnsupportedXmlNode
    """,
}

MEANINGS: Mapping[str, Meaning | Remedy] = {
    **_REMEDIES,
    **{code: meaning for meaning, codes in _BY_MEANING.items() for code in codes.split()},
}
"""Every documented code. Codes about leases, snapshots, page ranges and tiers are `rejected` where no call of ours meets them."""

_BY_STATUS: dict[int, Meaning] = {
    HTTPStatus.NOT_MODIFIED: "raced",
    HTTPStatus.UNAUTHORIZED: "forbidden",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "missing",
    HTTPStatus.REQUEST_TIMEOUT: "passing",
    # A conflict of which the service says nothing known: no proof of another writer, and perhaps soon over.
    HTTPStatus.CONFLICT: "passing",
    HTTPStatus.PRECONDITION_FAILED: "raced",
    HTTPStatus.TOO_MANY_REQUESTS: "passing",
    HTTPStatus.INTERNAL_SERVER_ERROR: "passing",
    HTTPStatus.BAD_GATEWAY: "passing",
    HTTPStatus.SERVICE_UNAVAILABLE: "passing",
    HTTPStatus.GATEWAY_TIMEOUT: "passing",
}


def meaning_of(code: str, status: int | None) -> Meaning | Remedy:
    """What an answer of the service means; an unknown code means what its status does, no status at all a passing fault."""
    meaning = MEANINGS.get(code, "status")
    if meaning != "status":
        return meaning
    return _BY_STATUS.get(status, "rejected") if status is not None else "passing"
