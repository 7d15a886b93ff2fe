"""The table: operation, error, message, what the request differs in from the one that succeeds, and what it needs.

Texts name what is in the world: `{key}` is the row's key, `{w.account}` the world's. A member that is None is left out.
"""

import dataclasses

from fidelity import constraints
from fidelity import requests as r
from fidelity.world import MODEL

ANY = object()  # any message, but one
NOTHING = "00000000-0000-0000-0000-000000000000"


@dataclasses.dataclass
class Row:
    operation: str
    error: str
    message: object
    change: object = dataclasses.field(default_factory=dict)
    kind: str | None = None  # of its key; by default the operation's own
    state: str = "enabled"
    who: str = "administrator"
    trouble: str | None = None  # the world that it is asked in (troubles.py)


def each(operations, error, message, change, **more):
    """The same refusal by many operations; `change` may be a function of the operation's name."""
    for name in operations:
        changed = change(name) if callable(change) else change
        yield Row(name, error, message, changed, **more)


def member(name):
    return r.KEY_MEMBER.get(name, "KeyId")


def named(value):
    """The operation's key is called `value`."""
    return lambda name: {member(name): value}


def broken(path, rule, value=None):
    shown = "Value" if value is None else f"Value {value}"
    return f"1 validation error detected: {shown} at '{path}' failed to satisfy constraint: Member must {rule}"


def lower(name):
    return name[0].lower() + name[1:]


EVERY = list(r.REQUESTS)
HAS_GRANT_TOKENS = [name for name in r.TAKES_ALIAS] + ["CreateGrant"]
HAS_DRY_RUN = [
    *(name for name in r.TAKES_ALIAS if name not in {"DescribeKey", "GetPublicKey"}),
    *("CreateGrant", "RetireGrant", "RevokeGrant"),
]
HAS_MARKER = ["ListAliases", "ListGrants", "ListKeyRotations", "ListKeys", "ListResourceTags", "ListRetirableGrants"]
HAS_CONTEXT = ["Encrypt", "Decrypt", "GenerateDataKey", "GenerateDataKeyPair", "GenerateDataKeyWithoutPlaintext"]
GRANTED = ", ".join(MODEL.shape_for("GrantOperation").enum)
LENGTHS = "Member must have length less than or equal to {}, Member must have length greater than or equal to 1"
DRY_RUN = "The request would have succeeded, but the DryRun option is set."
FAR_ARN = f"arn:aws:kms:af-south-1:{{w.account}}:key/{NOTHING}"

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

INCORRECT_KEY = "The key ID in the request does not identify a CMK that can perform this operation."
PREFIX = (
    'Alias must start with the prefix "alias/". '
    "Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
)
NAME = "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$"
WORN = (
    "The on-demand rotations limit has been reached for the given keyId. No more on-demand rotations can be performed for "
    "this key: {key.arn}"
)
CROWDED = "Aliases per key quota for this account in this region is 50, current usage is 50."
LOCKOUT = "The new key policy will not allow you to update the key policy in the future."
LOCKING = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},'
    '"Action":"kms:Encrypt","Resource":"*"}]}'
)
TOO_MANY_TAGS = [{"TagKey": f"k{number}", "TagValue": "v"} for number in range(51)]
SAME_TAGS = [{"TagKey": "k", "TagValue": "a"}, {"TagKey": "k", "TagValue": "b"}]
AWS_TAGS = [{"TagKey": "aws:k", "TagValue": "a"}]
PARTLY = {"EncryptionContext": {"a": "b"}}
USAGE_NEEDED = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
NOT_PRINCIPAL = "ARN does not refer to a valid principal: nobody"


def limit(spec, algorithm, most):
    """A plaintext one byte longer than OAEP leaves room for."""
    message = f"Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {most} bytes."
    change = {"Plaintext": bytes(most + 1), "EncryptionAlgorithm": algorithm}
    return Row("Encrypt", "ValidationException", message, change, kind="rsa")


def tags(operation):
    for text, wrong in (
        ("Too many tags", TOO_MANY_TAGS),
        ("Duplicate tag keys", SAME_TAGS),
        ("Tags beginning with aws: are reserved", AWS_TAGS),
    ):
        yield Row(operation, "TagException", text, {"Tags": wrong})
    for path, rule, tag in (
        ("tagKey", "have length greater than or equal to 1", {"TagKey": "", "TagValue": "v"}),
        ("tagKey", "not be null", {"TagValue": "v"}),
        ("tagValue", "not be null", {"TagKey": "k"}),
    ):
        value = "''" if "TagKey" in tag and not tag["TagKey"] else "null"
        yield Row(operation, "ValidationException", broken(f"tags.1.member.{path}", rule, value), {"Tags": [tag]})


def policies(operation):
    yield Row(operation, "MalformedPolicyDocumentException", ANY, {"Policy": "nonsense"})
    yield Row(operation, "MalformedPolicyDocumentException", ANY, {"Policy": '{"Version":"2012-10-17","Statement":[{}]}'})
    yield Row(operation, "MalformedPolicyDocumentException", LOCKOUT, {"Policy": LOCKING})
    yield Row(operation, "LimitExceededException", ANY, {"Policy": r.POLICY + " " * 32768})
    empty = broken("policy", "have length greater than or equal to 1", "''")
    yield Row(operation, "ValidationException", empty, {"Policy": ""})
    pattern = broken("policy", r"satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+", "'€'")
    yield Row(operation, "ValidationException", pattern, {"Policy": "€"})


ROWS = [
    # Encrypt, Decrypt, ReEncrypt
    Row("Encrypt", "ValidationException", broken("plaintext", "not be null", "null"), {"Plaintext": None}),
    Row("Encrypt", "ValidationException", broken("plaintext", "have length greater than or equal to 1"), {"Plaintext": b""}),
    Row(
        "Encrypt",
        "ValidationException",
        broken("plaintext", "have length less than or equal to 4096"),
        {"Plaintext": bytes(4097)},
    ),
    Row(
        "Encrypt",
        "ValidationException",
        "2 validation errors detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null; "
        "Value at 'plaintext' failed to satisfy constraint: Member must have length greater than or equal to 1",
        {"KeyId": None, "Plaintext": b""},
    ),
    Row(
        "Encrypt",
        "ValidationException",
        broken(
            "encryptionAlgorithm",
            "satisfy enum value set: [SYMMETRIC_DEFAULT, RSAES_OAEP_SHA_1, RSAES_OAEP_SHA_256, SM2PKE]",
            "'ROT13'",
        ),
        {"EncryptionAlgorithm": "ROT13"},
    ),
    Row(
        "Encrypt",
        "InvalidKeyUsageException",
        "{key.arn} key usage is SIGN_VERIFY which is not valid for Encrypt.",
        kind="sign",
    ),
    Row("Encrypt", "InvalidKeyUsageException", ANY, {"EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}),
    Row(
        "Encrypt", "ValidationException", ANY, {**PARTLY, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}, kind="rsa"
    ),
    limit("RSA_2048", "RSAES_OAEP_SHA_1", 214),
    limit("RSA_2048", "RSAES_OAEP_SHA_256", 190),
    Row("Decrypt", "ValidationException", broken("ciphertextBlob", "not be null", "null"), {"CiphertextBlob": None}),
    Row(
        "Decrypt",
        "ValidationException",
        broken("ciphertextBlob", "have length less than or equal to 6144"),
        {"CiphertextBlob": bytes(6145)},
    ),
    Row("Decrypt", "InvalidCiphertextException", None, {"CiphertextBlob": b"nonsense"}),
    Row("Decrypt", "InvalidCiphertextException", None, PARTLY),
    Row("Decrypt", "IncorrectKeyException", INCORRECT_KEY, {"KeyId": "{crowded}"}),
    Row("Decrypt", "InvalidCiphertextException", None, {"KeyId": "{rsa}", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}),
    Row("Decrypt", "AccessDeniedException", ANY, {"KeyId": f"arn:aws:kms:{{w.region}}:999999999999:key/{NOTHING}"}),
    Row("ReEncrypt", "InvalidCiphertextException", None, {"CiphertextBlob": b"nonsense"}),
    Row("ReEncrypt", "InvalidCiphertextException", None, {"SourceEncryptionContext": {"a": "b"}}),
    Row("ReEncrypt", "IncorrectKeyException", INCORRECT_KEY, {"SourceKeyId": "{crowded}"}),
    Row("ReEncrypt", "NotFoundException", "Invalid keyId 'nonsense'", {"SourceKeyId": "nonsense"}),
    Row("ReEncrypt", "NotFoundException", "Invalid arn af-south-1", {"SourceKeyId": FAR_ARN}),
    Row("ReEncrypt", "NotFoundException", "Alias {w.prefix}:alias/nobody is not found.", {"SourceKeyId": "alias/nobody"}),
    # Data keys and random bytes
    *each(
        ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"],
        "ValidationException",
        "Please specify either number of bytes or key spec.",
        {"KeySpec": None},
    ),
    *each(
        ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"],
        "ValidationException",
        "Please specify either number of bytes or key spec.",
        {"NumberOfBytes": 16},
    ),
    *each(
        ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"],
        "ValidationException",
        broken("keySpec", "satisfy enum value set: [AES_256, AES_128]", "'AES_512'"),
        {"KeySpec": "AES_512"},
    ),
    *each(
        ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext", "GenerateRandom"],
        "ValidationException",
        broken("numberOfBytes", "have value less than or equal to 1024", "'1025'"),
        {"KeySpec": None, "NumberOfBytes": 1025},
    ),
    *each(
        ["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"],
        "ValidationException",
        broken("keyPairSpec", "not be null", "null"),
        {"KeyPairSpec": None},
    ),
    *each(
        ["GenerateDataKeyPair", "GenerateDataKeyPairWithoutPlaintext"],
        "UnsupportedOperationException",
        ANY,
        {"KeyPairSpec": "SM2"},
    ),
    Row("GenerateDataKey", "InvalidKeyUsageException", ANY, kind="rsa"),
    Row(
        "GenerateRandom",
        "ValidationException",
        broken("numberOfBytes", "have value greater than or equal to 1", "'0'"),
        {"NumberOfBytes": 0},
    ),
    Row("GenerateRandom", "UnsupportedOperationException", ANY, {"Recipient": {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256"}}),
    # Shared secrets
    *each(["Encapsulate", "Decapsulate"], "InvalidKeyUsageException", ANY, named("{agreement}")),
    Row("DeriveSharedSecret", "InvalidKeyUsageException", ANY, {"KeyId": "{sign}"}),
    *each(
        ["Encapsulate", "Decapsulate"],
        "ValidationException",
        broken("encapsulationAlgorithm", "not be null", "null"),
        {"EncapsulationAlgorithm": None},
    ),
    *each(
        ["Encapsulate", "Decapsulate"],
        "ValidationException",
        broken("encapsulationAlgorithm", "satisfy enum value set: [ML_KEM]", "'ROT13'"),
        {"EncapsulationAlgorithm": "ROT13"},
    ),
    Row("Decapsulate", "InvalidCiphertextException", None, {"SharedSecretCiphertextBlob": b"nonsense"}),
    Row("DeriveSharedSecret", "ValidationException", ANY, {"PublicKey": b"nonsense"}),
    Row("DeriveSharedSecret", "ValidationException", broken("publicKey", "not be null", "null"), {"PublicKey": None}),
    Row(
        "DeriveSharedSecret",
        "ValidationException",
        broken("keyAgreementAlgorithm", "satisfy enum value set: [ECDH]", "'DH'"),
        {"KeyAgreementAlgorithm": "DH"},
    ),
    # Signatures and codes
    *each(
        ["Sign", "Verify"],
        "ValidationException",
        broken("signingAlgorithm", "not be null", "null"),
        {"SigningAlgorithm": None},
    ),
    *each(
        ["Sign", "Verify"],
        "ValidationException",
        broken("messageType", "satisfy enum value set: [RAW, DIGEST, EXTERNAL_MU]", "'BOTTLE'"),
        {"MessageType": "BOTTLE"},
    ),
    *each(
        ["Sign", "Verify"],
        "ValidationException",
        broken("message", "have length less than or equal to 4096"),
        {"Message": bytes(4097)},
    ),
    *each(
        ["Sign", "Verify"],
        "ValidationException",
        "Digest is invalid length for algorithm ECDSA_SHA_256.",
        {"MessageType": "DIGEST", "Message": bytes(31)},
    ),
    *each(
        ["Sign", "Verify"],
        "InvalidKeyUsageException",
        "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256.",
        {"SigningAlgorithm": "ECDSA_SHA_384"},
    ),
    *each(
        ["Sign", "Verify"],
        "InvalidKeyUsageException",
        ANY,
        {"KeyId": "{symmetric}"},
    ),
    Row("Verify", "KMSInvalidSignatureException", None, {"Message": b"other"}),
    Row("Verify", "KMSInvalidSignatureException", None, {"Signature": b"nonsense"}),
    *each(
        ["GenerateMac", "VerifyMac"],
        "InvalidKeyUsageException",
        "Algorithm HMAC_SHA_512 is incompatible with key spec HMAC_256.",
        {"MacAlgorithm": "HMAC_SHA_512"},
    ),
    Row("VerifyMac", "KMSInvalidMacException", None, {"Message": b"other"}),
    Row("VerifyMac", "KMSInvalidMacException", None, {"Mac": b"nonsense"}),
    Row("VerifyMac", "ValidationException", broken("mac", "not be null", "null"), {"Mac": None}),
    # Keys
    *(row for name in ("CreateKey", "ReplicateKey") for row in (*policies(name), *tags(name))),
    Row("CreateKey", "ValidationException", ANY, {"KeySpec": "AES"}),
    Row("CreateKey", "ValidationException", USAGE_NEEDED, {"KeySpec": "RSA_2048"}),
    Row("CreateKey", "ValidationException", USAGE_NEEDED, {"KeySpec": "HMAC_256"}),
    Row(
        "CreateKey",
        "ValidationException",
        "KeyUsage ENCRYPT_DECRYPT is not compatible with KeySpec ECC_NIST_P256",
        {"KeySpec": "ECC_NIST_P256", "KeyUsage": "ENCRYPT_DECRYPT"},
    ),
    Row(
        "CreateKey",
        "ValidationException",
        "You cannot specify KeySpec and CustomerMasterKeySpec in the same request.",
        {"KeySpec": "RSA_2048", "CustomerMasterKeySpec": "HMAC_256", "KeyUsage": "SIGN_VERIFY"},
    ),
    Row("CreateKey", "ValidationException", ANY, {"Description": "d" * 8193}),
    Row("CreateKey", "UnsupportedOperationException", ANY, {"KeySpec": "SM2", "KeyUsage": "SIGN_VERIFY"}),
    Row("CancelKeyDeletion", "KMSInvalidStateException", "{key.arn} is not pending deletion."),
    *each(
        ["ScheduleKeyDeletion"],
        "ValidationException",
        ANY,
        {"PendingWindowInDays": 6},
    ),
    Row("ScheduleKeyDeletion", "ValidationException", ANY, {"PendingWindowInDays": 31}),
    Row("UpdateKeyDescription", "ValidationException", broken("description", "not be null", "null"), {"Description": None}),
    # Aliases
    *each(["CreateAlias", "UpdateAlias", "DeleteAlias"], "ValidationException", PREFIX, {"AliasName": "new"}),
    *each(
        ["CreateAlias", "UpdateAlias", "DeleteAlias"],
        "ValidationException",
        broken("aliasName", "not be null", "null"),
        {"AliasName": None},
    ),
    *each(
        ["CreateAlias", "UpdateAlias", "DeleteAlias"],
        "ValidationException",
        broken("aliasName", NAME, "'alias/a b'"),
        {"AliasName": "alias/a b"},
    ),
    *each(["CreateAlias", "UpdateAlias", "DeleteAlias"], "NotAuthorizedException", "", {"AliasName": "alias/aws/s3"}),
    Row("CreateAlias", "InvalidAliasNameException", ANY, {"AliasName": "alias/"}),
    Row(
        "CreateAlias",
        "ValidationException",
        "alias/a:b contains invalid characters for an alias",
        {"AliasName": "alias/a:b"},
    ),
    Row(
        "CreateAlias",
        "AlreadyExistsException",
        "An alias with the name {key.alias_arn} already exists",
        {"AliasName": "{key.alias}"},
    ),
    Row("CreateAlias", "LimitExceededException", CROWDED, state="crowded"),
    Row("UpdateAlias", "LimitExceededException", CROWDED, {"TargetKeyId": "{crowded}"}),
    Row("UpdateAlias", "ValidationException", ANY, {"TargetKeyId": "{mac}"}),
    *each(
        ["DeleteAlias", "UpdateAlias"],
        "NotFoundException",
        "Alias {w.prefix}:alias/nobody is not found.",
        {"AliasName": "alias/nobody"},
    ),
    # Tags
    *tags("TagResource"),
    Row("TagResource", "ValidationException", broken("tags", "not be null", "null"), {"Tags": None}),
    Row("UntagResource", "ValidationException", broken("tagKeys", "not be null", "null"), {"TagKeys": None}),
    Row(
        "UntagResource",
        "ValidationException",
        broken("tagKeys", f"satisfy constraint: [{LENGTHS.format(128)}]", "'[a, ]'"),
        {"TagKeys": ["a", ""]},
    ),
    Row("UntagResource", "TagException", "Tags beginning with aws: are reserved", {"TagKeys": ["aws:k"]}),
    # Policies
    *policies("PutKeyPolicy"),
    Row("PutKeyPolicy", "ValidationException", broken("policy", "not be null", "null"), {"Policy": None}),
    *each(["GetKeyPolicy", "PutKeyPolicy"], "NotFoundException", "No such policy exists", {"PolicyName": "other"}),
    # Grants
    Row("CreateGrant", "InvalidArnException", NOT_PRINCIPAL, {"GranteePrincipal": "nobody"}),
    Row("CreateGrant", "InvalidArnException", NOT_PRINCIPAL, {"RetiringPrincipal": "nobody"}),
    Row(
        "CreateGrant",
        "ValidationException",
        broken("granteePrincipal", "not be null", "null"),
        {"GranteePrincipal": None},
    ),
    Row("CreateGrant", "ValidationException", broken("operations", "not be null", "null"), {"Operations": None}),
    Row(
        "CreateGrant",
        "ValidationException",
        broken("operations", f"satisfy constraint: [Member must satisfy enum value set: [{GRANTED}]]", "'[Encrypt, Steal]'"),
        {"Operations": ["Encrypt", "Steal"]},
    ),
    Row("CreateGrant", "ValidationException", ANY, {"Operations": ["Sign"]}),
    Row("CreateGrant", "ValidationException", broken("name", NAME, "'a b'"), {"Name": "a b"}),
    Row(
        "CreateGrant",
        "ValidationException",
        ANY,
        {"Operations": ["Sign"], "Constraints": {"EncryptionContextEquals": {"a": "b"}}},
        kind="sign",
    ),
    *each(["ListGrants", "RetireGrant", "RevokeGrant"], "InvalidGrantIdException", ANY, {"GrantId": "nonsense"}),
    *each(["RetireGrant", "RevokeGrant"], "NotFoundException", ANY, {"GrantId": "0" * 32}),
    Row("RetireGrant", "InvalidGrantTokenException", ANY, {"KeyId": None, "GrantId": None, "GrantToken": "nonsense"}),
    Row("RetireGrant", "ValidationException", ANY, {"KeyId": None}),
    Row("RevokeGrant", "ValidationException", broken("grantId", "not be null", "null"), {"GrantId": None}),
    Row("ListRetirableGrants", "InvalidArnException", NOT_PRINCIPAL, {"RetiringPrincipal": "nobody"}),
    Row(
        "ListRetirableGrants",
        "ValidationException",
        broken("retiringPrincipal", "not be null", "null"),
        {"RetiringPrincipal": None},
    ),
    # Imported material
    Row("ListKeys", "InvalidMarkerException", ANY, {"Marker": "nonsense", "ResourceOwners": ["SELF"]}),
    *each(
        ["GetParametersForImport", "ImportKeyMaterial", "DeleteImportedKeyMaterial"],
        "UnsupportedOperationException",
        "{symmetric.arn} origin is AWS_KMS which is not valid for this operation.",
        named("{symmetric}"),
    ),
    *each(
        ["EnableKeyRotation", "DisableKeyRotation"],
        "UnsupportedOperationException",
        "{imported.arn} origin is EXTERNAL which is not valid for this operation.",
        named("{imported}"),
    ),
    Row("RotateKeyOnDemand", "KMSInvalidStateException", "No available key material pending rotation for the key: {key.arn}.", kind="imported"),
    Row("GetParametersForImport", "UnsupportedOperationException", ANY, {"WrappingAlgorithm": "SM2PKE", "WrappingKeySpec": "SM2"}),
    Row("ImportKeyMaterial", "InvalidImportTokenException", ANY, {"ImportToken": b"nonsense"}),
    Row("ImportKeyMaterial", "InvalidImportTokenException", ANY, {"ImportToken": "{waiting.import_token}"}),
    Row("ImportKeyMaterial", "InvalidCiphertextException", None, {"EncryptedKeyMaterial": bytes(256)}),
    Row("ImportKeyMaterial", "IncorrectKeyMaterialException", ANY, {"EncryptedKeyMaterial": "{key.stray}"}),
    Row("ImportKeyMaterial", "InvalidCiphertextException", None, {"EncryptedKeyMaterial": "{key.odd}"}),
    Row(
        "ImportKeyMaterial",
        "ValidationException",
        "A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES",
        {"ExpirationModel": "KEY_MATERIAL_EXPIRES"},
    ),
    Row(
        "ImportKeyMaterial",
        "ValidationException",
        "A validTo date cannot be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE",
        {"ValidTo": 2e9},
    ),
    Row("ImportKeyMaterial", "ValidationException", ANY, {"ExpirationModel": None, "ValidTo": 1e9}),
    # Multi-Region keys
    *each(
        ["ReplicateKey", "UpdatePrimaryRegion"],
        "UnsupportedOperationException",
        "{replica.arn} is not a multi-region primary key.",
        named("{replica}"),
    ),
    *each(
        ["ReplicateKey", "UpdatePrimaryRegion"],
        "UnsupportedOperationException",
        "{symmetric.arn} is not a multi-region primary key.",
        named("{symmetric}"),
    ),
    *each(
        ["ReplicateKey", "UpdatePrimaryRegion"],
        "UnsupportedOperationException",
        "The region af-south-1 is not one that this installation serves.",
        lambda name: {"ReplicaRegion" if name == "ReplicateKey" else "PrimaryRegion": "af-south-1"},
    ),
    Row("ReplicateKey", "AlreadyExistsException", ANY, kind="replicated"),
    Row("ReplicateKey", "AlreadyExistsException", ANY, {"ReplicaRegion": "{w.region}"}),
    Row("UpdatePrimaryRegion", "ValidationException", ANY, {"PrimaryRegion": "{w.region}"}),
    Row("UpdatePrimaryRegion", "NotFoundException", ANY, kind="primary"),
    # Rotation
    Row("RotateKeyOnDemand", "LimitExceededException", WORN, state="worn"),
    Row(
        "EnableKeyRotation",
        "ValidationException",
        broken("rotationPeriodInDays", "have value greater than or equal to 90", "'89'"),
        {"RotationPeriodInDays": 89},
    ),
    Row(
        "ListKeyRotations",
        "ValidationException",
        broken("includeKeyMaterial", "satisfy enum value set: [ALL_KEY_MATERIAL, ROTATIONS_ONLY]", "'SOME'"),
        {"IncludeKeyMaterial": "SOME"},
    ),
]

TABLE = [row for family in FAMILIES for row in family] + ROWS + [Row(*row) for row in constraints.rows()]
