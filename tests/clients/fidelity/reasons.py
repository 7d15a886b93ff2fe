"""Why an error of an operation is not in the table: (error, operations it holds for, reason). `None` is every operation."""

import fnmatch

from fidelity.requests import REQUESTS

NO_STATE = "no state of a key forbids it (developer guide, key states)"
CONFIGURED = "what AWS looks at then is the operators' configuration here"

REASONS = [
    ("DependencyTimeoutException", ["GenerateRandom"], "it reads neither the store nor a root"),
    ("KeyUnavailableException", ["GetPublicKey"], "the public half is in the store, which is a DependencyTimeoutException"),
    ("CloudHsmClusterNotActiveException", None, CONFIGURED),
    ("CloudHsmClusterInvalidConfigurationException", None, CONFIGURED),
    ("XksProxyVpcEndpointServiceInvalidConfigurationException", None, CONFIGURED),
    (
        "KMSInvalidStateException",
        [
            *("DeleteAlias", "DeleteImportedKeyMaterial", "GetKeyPolicy", "GetKeyRotationStatus", "ListGrants", "ListKeyPolicies", "ListKeyRotations"),
            *("PutKeyPolicy", "RetireGrant", "RevokeGrant"),
        ],
        NO_STATE,
    ),
    ("InvalidArnException", ["CreateKey"], "its request has no ARN"),
    ("InvalidKeyUsageException", ["GetPublicKey"], "every key with a public half may be asked for it"),
    ("LimitExceededException", ["EnableKey"], "there is no quota of enabled keys"),
    ("LimitExceededException", ["TagResource"], "too many tags are a TagException"),
    ("UnsupportedOperationException", ["PutKeyPolicy"], "every key's policy can be replaced"),
    ("NotFoundException", ["ListRetirableGrants"], "who does not exist has no grants to list"),
    ("ExpiredImportTokenException", None, "needs a token of a day ago: shown by the engine's tests, whose clock moves"),
    ("ConflictException", ["RotateKeyOnDemand"], "rotations of a key wait for one another"),
]

# Operations that the table does not ask yet. Each moves to REQUESTS with its rows.
NOT_ASKED = set()


def reason(operation, error):
    """Why, or None."""
    if operation in NOT_ASKED and operation not in REQUESTS:
        return "new: its rows are to be written"
    for pattern, operations, why in REASONS:
        if fnmatch.fnmatchcase(error, pattern) and (operations is None or operation in operations):
            return why
    return None
