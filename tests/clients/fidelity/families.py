"""What many operations refuse alike."""

from fidelity import requests as r
from fidelity.row import ANY, FAR_ARN, LENGTHS, NOTHING, broken, each, lower, member, named
from fidelity.world import MODEL

EVERY = list(r.REQUESTS)
HAS_GRANT_TOKENS = [name for name in r.TAKES_ALIAS] + ["CreateGrant"]
HAS_DRY_RUN = [
    *(name for name in r.TAKES_ALIAS if name not in {"DescribeKey", "GetPublicKey"}),
    *("CreateGrant", "RetireGrant", "RevokeGrant"),
]
HAS_MARKER = ["DescribeCustomKeyStores", "ListAliases", "ListGrants", "ListKeyRotations", "ListKeys", "ListResourceTags", "ListRetirableGrants"]
DRY_RUN = "The request would have succeeded, but the DryRun option is set."

NO_MRK = f"mrk-{'0' * 32}"
NO_ARNS = ["arn:aws:kms", "arn:aws:s3:::bucket", f"arn:aws-cn:kms:{{w.region}}:{{w.account}}:key/{NOTHING}"]
# Those that have a word of their own for ARNs that they do not take.
TAKES_ARN = [*r.KEYS_ONLY, "DescribeKey", "GetPublicKey"]
THROTTLED = "You have exceeded the rate at which you may call KMS. Reduce the frequency of your calls."
ENOUGH = "{} quota for this account in this region is {}, current usage is {}."


def listing(error, but=()):
    """The operations whose model lists an error."""
    shapes = {name: MODEL.operation_model(name).error_shapes for name in EVERY}
    return [name for name in EVERY if name not in but and error in {shape.name for shape in shapes[name]}]


FAMILIES = [
    # What no request can help.
    each(EVERY, "ThrottlingException", THROTTLED, {}, trouble="throttled"),
    each(EVERY, "KMSInternalException", "the audit log cannot be written", {}, trouble="log"),
    each(
        listing("DependencyTimeoutException", but=["GenerateRandom"]),
        "DependencyTimeoutException",
        "the store cannot serve",
        {},
        trouble="store",
    ),
    each(
        listing("KeyUnavailableException", but=["GetPublicKey"]),
        "KeyUnavailableException",
        "no root of trust can serve",
        {},
        trouble="root",
    ),
    each(["CreateKey", "ReplicateKey"], "LimitExceededException", ENOUGH.format("Key", "{w.keys}", "{w.keys}"), {}, trouble="full"),
    each(["CreateGrant"], "LimitExceededException", ENOUGH.format("Grants per key", 1, 1), {}, trouble="full"),
    each(["CreateCustomKeyStore"], "LimitExceededException", ANY, {}, trouble="full"),
    each(["CreateAlias"], "LimitExceededException", ENOUGH.format("Aliases per key", 1, 1), {}, trouble="full"),
    # Who asks.
    each(EVERY, "UnrecognizedClientException", "The security token included in the request is invalid.", {}, who="stranger"),
    each(EVERY, "InvalidSignatureException", ANY, {}, who="forger"),
    each(EVERY, "MissingAuthenticationTokenException", "Missing Authentication Token", {}, who="nobody"),
    each(EVERY, "IncompleteSignatureException", ANY, {}, who="careless"),
    each([name for name in EVERY if name != "CancelKeyDeletion"], "AccessDeniedException", ANY, {}, who="user"),
    each(["UpdatePrimaryRegion"], "KMSInvalidStateException", "{key.arn} is pending replica deletion.", {}, state="dying"),
    each(["CancelKeyDeletion"], "AccessDeniedException", ANY, {}, state="dying", who="user"),
    # What is no request of the model.
    each(EVERY, "SerializationException", None, lambda _: b"[]"),
    each(EVERY, "SerializationException", None, lambda _: b'{"KeyId":'),
    each(r.WITH_KEY, "SerializationException", None, named(7)),
    each(
        ["Encrypt", "Decrypt", "ReEncrypt", "Sign", "Verify", "GenerateMac", "VerifyMac"],
        "SerializationException",
        None,
        lambda name: {"Plaintext" if name == "Encrypt" else "CiphertextBlob" if "crypt" in name else "Message": "!"},
    ),
    # What the request calls its key.
    *(
        each(
            [name for name in r.KEY_REQUIRED if member(name) == path],
            "ValidationException",
            broken(lower(path), "not be null", "null"),
            named(None),
        )
        for path in ("KeyId", "TargetKeyId", "DestinationKeyId")
    ),
    *(
        each(
            [name for name in r.WITH_KEY if member(name) == path],
            "ValidationException",
            broken(lower(path), "have length greater than or equal to 1", "''"),
            named(""),
        )
        for path in ("KeyId", "TargetKeyId", "DestinationKeyId")
    ),
    *(
        each(
            [name for name in r.WITH_KEY if member(name) == path],
            "ValidationException",
            ANY,
            named("k" * 2049),
        )
        for path in ("KeyId", "TargetKeyId", "DestinationKeyId")
    ),
    each(r.WITH_KEY, "NotFoundException", "Key '{w.prefix}:key/{w.absent}' does not exist", named("{w.absent}")),
    each(r.WITH_KEY, "NotFoundException", f"Key '{{w.prefix}}:key/{NO_MRK}' does not exist", named(NO_MRK)),
    each(r.WITH_KEY, "NotFoundException", "Invalid keyId 'nonsense'", named("nonsense")),
    each(r.WITH_KEY, "NotFoundException", "Invalid keyId 'key/nonsense'", named("key/nonsense")),
    *(
        family
        for arn in NO_ARNS
        for family in (
            each([name for name in r.WITH_KEY if name in TAKES_ARN], "InvalidArnException", f"Invalid arn {arn}", named(arn)),
            each(
                [name for name in r.WITH_KEY if name not in TAKES_ARN],
                "NotFoundException",
                f"Invalid keyId '{arn}'",
                named(arn),
            ),
        )
    ),
    each(r.TAKES_ALIAS, "NotFoundException", "Invalid arn {w.abroad}", named("arn:aws:kms:{w.abroad}:{w.account}:alias/nobody")),
    each(
        [name for name in r.TAKES_ALIAS if name != "Decrypt"],
        "AccessDeniedException",
        ANY,
        named("arn:aws:kms:{w.region}:999999999999:alias/nobody"),
    ),
    each(
        r.KEYS_ONLY,
        "InvalidArnException",
        "Key Aliases are not supported for this operation",
        named("arn:aws:kms:{w.region}:999999999999:alias/nobody"),
    ),
    each(r.WITH_KEY, "NotFoundException", "Invalid arn af-south-1", named(FAR_ARN)),
    each(r.WITH_KEY, "NotFoundException", "Invalid arn {w.abroad}", named(f"arn:aws:kms:{{w.abroad}}:{{w.account}}:key/{NOTHING}")),
    each(
        r.TAKES_ALIAS,
        "NotFoundException",
        "Alias {w.prefix}:alias/nobody is not found.",
        named("alias/nobody"),
    ),
    each(r.KEYS_ONLY, "NotFoundException", "Invalid keyId '{key.alias}'", named("{key.alias}")),
    each(
        r.KEYS_ONLY,
        "InvalidArnException",
        "Key Aliases are not supported for this operation",
        named("{key.alias_arn}"),
    ),
    each(["DescribeKey", "GetPublicKey"], "InvalidArnException", "Invalid arn {w.prefix}:x", named("{w.prefix}:x")),
    each(r.KEYS_ONLY, "InvalidArnException", "Invalid arn {w.prefix}:x", named("{w.prefix}:x")),
    each(r.TAKES_TARGET, "ValidationException", "Aliases must refer to keys. Not aliases", named("{key.alias}")),
    each(
        [name for name in r.WITH_KEY if name not in {"ListAliases", "RetireGrant", "Decrypt"}],
        "AccessDeniedException",
        ANY,
        named(f"arn:aws:kms:{{w.region}}:999999999999:key/{NOTHING}"),
    ),
    # The key's state.
    each(r.NOT_DISABLED, "DisabledException", "{key.arn} is disabled.", {}, state="disabled"),
    each(r.NOT_WAITING, "KMSInvalidStateException", "{key.arn} is pending import.", {}, kind="imported", state="waiting"),
    each(r.NOT_DYING, "KMSInvalidStateException", "{key.arn} is pending deletion.", {}, state="dying"),
    # What many requests carry.
    each([name for name in HAS_GRANT_TOKENS if name != "DescribeKey"], "InvalidGrantTokenException", ANY, {"GrantTokens": ["nonsense"]}),
    each(
        HAS_GRANT_TOKENS,
        "ValidationException",
        broken("grantTokens", "have length less than or equal to 10", "'[a, a, a, a, a, a, a, a, a, a, a]'"),
        {"GrantTokens": ["a"] * 11},
    ),
    each(
        HAS_GRANT_TOKENS,
        "ValidationException",
        broken("grantTokens", f"satisfy constraint: [{LENGTHS.format(8192)}]", "'[]'"),
        {"GrantTokens": [""]},
    ),
    each(HAS_DRY_RUN, "DryRunOperationException", DRY_RUN, {"DryRun": True}),
    each(HAS_MARKER, "InvalidMarkerException", ANY, {"Marker": "nonsense"}),
    each(
        HAS_MARKER,
        "ValidationException",
        broken("limit", "have value greater than or equal to 1", "'0'"),
        {"Limit": 0},
    ),
    each(
        HAS_MARKER,
        "ValidationException",
        broken("limit", "have value less than or equal to 1000", "'1001'"),
        {"Limit": 1001},
    ),
    each(
        HAS_MARKER,
        "ValidationException",
        broken("marker", "have length greater than or equal to 1", "''"),
        {"Marker": ""},
    ),
    # The key's kind.
    *(
        each(
            ["Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateDataKeyPair"],
            "InvalidKeyUsageException",
            ANY,
            {},
            kind=kind,
        )
        for kind in ("mac", "sign")
    ),
    each(
        ["Encrypt", "ReEncrypt", "Sign", "Verify"],
        "InvalidKeyUsageException",
        ANY,
        lambda name: {member(name): "{mac}"},
    ),
    *(
        each(
            [name],
            "InvalidKeyUsageException",
            f"{{symmetric.arn}} key usage is ENCRYPT_DECRYPT which is not valid for {name}.",
            named("{symmetric}"),
        )
        for name in ("GenerateMac", "VerifyMac")
    ),
    each(
        ["GenerateDataKeyPairWithoutPlaintext", "Decrypt"],
        "InvalidKeyUsageException",
        ANY,
        named("{sign}"),
    ),
    each(
        ["EnableKeyRotation", "DisableKeyRotation", "GetKeyRotationStatus", "ListKeyRotations", "RotateKeyOnDemand"],
        "UnsupportedOperationException",
        ANY,
        {},
        kind="sign",
    ),
    each(["GetPublicKey"], "UnsupportedOperationException", ANY, {}, kind="symmetric"),
    each(["GetPublicKey"], "UnsupportedOperationException", ANY, {}, kind="mac"),
]
