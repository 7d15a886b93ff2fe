"""What an operation refuses in its own way."""

from fidelity import requests as r
from fidelity.row import ANY, FAR_ARN, LENGTHS, NOTHING, Row, broken, each, named
from fidelity.world import MODEL

GRANTED = ", ".join(MODEL.shape_for("GrantOperation").enum)
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
UNKNOWN = "ARN does not refer to a valid principal: {w.arn}-nobody"


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
    Row("CreateGrant", "InvalidArnException", UNKNOWN, {"GranteePrincipal": "{w.arn}-nobody"}),
    Row("CreateGrant", "InvalidArnException", UNKNOWN, {"RetiringPrincipal": "{w.arn}-nobody"}),
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
