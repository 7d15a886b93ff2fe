"""For each operation a request that succeeds. The rows of the table say what they change in it."""

from fidelity.stores import NEW, external
from fidelity.world import FOR_GOOD, WRAPPING
from key_stores import private

POLICY = (
    '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"}]}'
)
TAG = {"TagKey": "team", "TagValue": "red"}
DATA_KEY = {"KeyId": "{key}", "KeySpec": "AES_256"}
PAIR = {"KeyId": "{key}", "KeyPairSpec": "ECC_NIST_P256"}
ONE_KEY = {"KeyId": "{key}"}
MAC = {"KeyId": "{key}", "Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}
SIGN = {"KeyId": "{key}", "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
KEM = {"KeyId": "{key}", "EncapsulationAlgorithm": "ML_KEM"}
ONE_GRANT = {"KeyId": "{key}", "GrantId": "{key.grant}"}

OUTSIDE = {"CustomKeyStoreId": "{w.outside}"}

# operation: (kind of its key, request)
REQUESTS = {
    "CancelKeyDeletion": ("symmetric", ONE_KEY),
    "ConnectCustomKeyStore": ("symmetric", OUTSIDE),
    "CreateAlias": ("symmetric", {"AliasName": "alias/fidelity/new", "TargetKeyId": "{key}"}),
    "CreateCustomKeyStore": ("symmetric", external("new", private(NEW))),
    "CreateGrant": ("symmetric", {"KeyId": "{key}", "GranteePrincipal": "{w.arn}", "Operations": ["Encrypt"]}),
    "CreateKey": ("symmetric", {}),
    "Decrypt": ("symmetric", {"CiphertextBlob": "{key.blob}"}),
    "Decapsulate": ("kem", {**KEM, "SharedSecretCiphertextBlob": "{key.sealed}"}),
    "DeleteCustomKeyStore": ("symmetric", OUTSIDE),
    "DeleteImportedKeyMaterial": ("imported", ONE_KEY),
    "DeleteAlias": ("symmetric", {"AliasName": "{key.alias}"}),
    "DeriveSharedSecret": (
        "agreement",
        {"KeyId": "{key}", "KeyAgreementAlgorithm": "ECDH", "PublicKey": "{key.public}"},
    ),
    "DescribeCustomKeyStores": ("symmetric", {}),
    "DescribeKey": ("symmetric", ONE_KEY),
    "DisableKey": ("symmetric", ONE_KEY),
    "DisableKeyRotation": ("symmetric", ONE_KEY),
    "DisconnectCustomKeyStore": ("symmetric", OUTSIDE),
    "EnableKey": ("symmetric", ONE_KEY),
    "EnableKeyRotation": ("symmetric", ONE_KEY),
    "Encapsulate": ("kem", KEM),
    "Encrypt": ("symmetric", {"KeyId": "{key}", "Plaintext": b"p"}),
    "GenerateDataKey": ("symmetric", DATA_KEY),
    "GenerateDataKeyPair": ("symmetric", PAIR),
    "GenerateDataKeyPairWithoutPlaintext": ("symmetric", PAIR),
    "GenerateDataKeyWithoutPlaintext": ("symmetric", DATA_KEY),
    "GenerateMac": ("mac", MAC),
    "GenerateRandom": ("symmetric", {"NumberOfBytes": 16}),
    "GetKeyLastUsage": ("symmetric", ONE_KEY),
    "GetKeyPolicy": ("symmetric", ONE_KEY),
    "GetKeyRotationStatus": ("symmetric", ONE_KEY),
    "GetParametersForImport": ("imported", {"KeyId": "{key}", **WRAPPING}),
    "GetPublicKey": ("sign", ONE_KEY),
    "ImportKeyMaterial": (
        "imported",
        {
            "KeyId": "{key}",
            "ImportToken": "{key.import_token}",
            "EncryptedKeyMaterial": "{key.wrapped}",
            "ExpirationModel": FOR_GOOD,
        },
    ),
    "ListAliases": ("symmetric", ONE_KEY),
    "ListGrants": ("symmetric", ONE_KEY),
    "ListKeyPolicies": ("symmetric", ONE_KEY),
    "ListKeyRotations": ("symmetric", ONE_KEY),
    "ListKeys": ("symmetric", {}),
    "ListResourceTags": ("symmetric", ONE_KEY),
    "ListRetirableGrants": ("symmetric", {"RetiringPrincipal": "{w.arn}"}),
    "PutKeyPolicy": ("symmetric", {"KeyId": "{key}", "Policy": POLICY}),
    "ReEncrypt": ("symmetric", {"CiphertextBlob": "{key.blob}", "DestinationKeyId": "{key}"}),
    "ReplicateKey": ("primary", {"KeyId": "{key}", "ReplicaRegion": "{w.abroad}"}),
    "RetireGrant": ("symmetric", ONE_GRANT),
    "RevokeGrant": ("symmetric", ONE_GRANT),
    "RotateKeyOnDemand": ("symmetric", ONE_KEY),
    "ScheduleKeyDeletion": ("symmetric", ONE_KEY),
    "Sign": ("sign", SIGN),
    "TagResource": ("symmetric", {"KeyId": "{key}", "Tags": [TAG]}),
    "UntagResource": ("symmetric", {"KeyId": "{key}", "TagKeys": ["team"]}),
    "UpdateAlias": ("symmetric", {"AliasName": "{key.alias}", "TargetKeyId": "{key}"}),
    "UpdateCustomKeyStore": ("symmetric", {**OUTSIDE, "NewCustomKeyStoreName": "outside"}),
    "UpdateKeyDescription": ("symmetric", {"KeyId": "{key}", "Description": "d"}),
    "UpdatePrimaryRegion": ("replicated", {"KeyId": "{key}", "PrimaryRegion": "{w.abroad}"}),
    "Verify": ("sign", {**SIGN, "Signature": "{key.signature}"}),
    "VerifyMac": ("mac", {**MAC, "Mac": "{key.mac}"}),
}

# The member that names the operation's key, where it is not KeyId.
KEY_MEMBER = {"CreateAlias": "TargetKeyId", "UpdateAlias": "TargetKeyId", "ReEncrypt": "DestinationKeyId"}
ON_STORES = {name for name in REQUESTS if "CustomKeyStore" in name}
WITHOUT_KEY = {"CreateKey", "DeleteAlias", "GenerateRandom", "ListKeys", "ListRetirableGrants"} | ON_STORES
WITH_KEY = [name for name in REQUESTS if name not in WITHOUT_KEY]
KEY_REQUIRED = [name for name in WITH_KEY if name not in {"Decrypt", "ListAliases", "RetireGrant"}]
# Those whose KeyId may be an alias, as the model's documentation of each has it.
TAKES_ALIAS = [
    *("Decapsulate", "Decrypt", "DeriveSharedSecret", "DescribeKey", "Encapsulate", "Encrypt"),
    *("GenerateDataKey", "GenerateDataKeyPair"),
    *("GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "GenerateMac", "GetPublicKey"),
    *("ReEncrypt", "Sign", "Verify", "VerifyMac"),
]
TAKES_TARGET = ["CreateAlias", "UpdateAlias"]
KEYS_ONLY = [name for name in WITH_KEY if name not in TAKES_ALIAS and name not in TAKES_TARGET]
# Whether a key's state forbids it: the developer guide's table of key states.
NOT_DISABLED = [
    *(name for name in TAKES_ALIAS if name != "DescribeKey"),
    *("CreateGrant", "DisableKeyRotation", "EnableKeyRotation", "ReplicateKey", "RotateKeyOnDemand"),
    "UpdatePrimaryRegion",
]
# Of a symmetric key that waits for its material.
NOT_WAITING = [
    *("CreateGrant", "Decrypt", "DisableKey", "EnableKey", "Encrypt", "GenerateDataKey", "GenerateDataKeyPair"),
    *("GenerateDataKeyPairWithoutPlaintext", "GenerateDataKeyWithoutPlaintext", "ReEncrypt", "RotateKeyOnDemand"),
]
NOT_DYING = [
    *NOT_DISABLED,
    *("CreateAlias", "DisableKey", "EnableKey", "ScheduleKeyDeletion", "TagResource", "UntagResource", "UpdateAlias"),
    *("GetParametersForImport", "ImportKeyMaterial", "UpdateKeyDescription"),
]
# With replicas it waits for them first.
NOT_DYING.remove("UpdatePrimaryRegion")
