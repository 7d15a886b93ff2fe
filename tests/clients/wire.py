"""Checks each raw reply against the service model that the client was generated from.

botocore ignores what it does not know and forgives what is missing; this does neither.
"""

import base64
import binascii
import json
import re

# What the model leaves optional but every successful reply carries.
ALWAYS = {
    "CreateKey": {"KeyMetadata"},
    "DescribeKey": {"KeyMetadata"},
    "ListKeys": {"Keys", "Truncated"},
    "ScheduleKeyDeletion": {"KeyId", "KeyState", "PendingWindowInDays"},
    "CancelKeyDeletion": {"KeyId"},
    "Encrypt": {"CiphertextBlob", "KeyId", "EncryptionAlgorithm"},
    "Decrypt": {"Plaintext", "KeyId", "EncryptionAlgorithm"},
    "ReEncrypt": {
        "CiphertextBlob",
        "KeyId",
        "SourceKeyId",
        "SourceEncryptionAlgorithm",
        "DestinationEncryptionAlgorithm",
    },
    "GenerateDataKey": {"CiphertextBlob", "Plaintext", "KeyId", "KeyMaterialId"},
    "GenerateDataKeyWithoutPlaintext": {"CiphertextBlob", "KeyId", "KeyMaterialId"},
    "GenerateDataKeyPair": {
        "PrivateKeyCiphertextBlob",
        "PrivateKeyPlaintext",
        "PublicKey",
        "KeyId",
        "KeyPairSpec",
        "KeyMaterialId",
    },
    "GenerateDataKeyPairWithoutPlaintext": {
        "PrivateKeyCiphertextBlob",
        "PublicKey",
        "KeyId",
        "KeyPairSpec",
        "KeyMaterialId",
    },
    "GenerateRandom": {"Plaintext"},
    "GenerateMac": {"Mac", "MacAlgorithm", "KeyId"},
    "VerifyMac": {"MacValid", "MacAlgorithm", "KeyId"},
    "Sign": {"Signature", "SigningAlgorithm", "KeyId"},
    "Verify": {"SignatureValid", "SigningAlgorithm", "KeyId"},
    "GetPublicKey": {"PublicKey", "KeyId", "KeySpec", "KeyUsage"},
    "DeriveSharedSecret": {"SharedSecret", "KeyId", "KeyAgreementAlgorithm", "KeyOrigin"},
    "Encapsulate": {"SharedSecret", "SharedSecretCiphertextBlob", "KeyId", "EncapsulationAlgorithm"},
    "Decapsulate": {"SharedSecret", "KeyId", "EncapsulationAlgorithm"},
    "ListAliases": {"Aliases", "Truncated"},
    "ListResourceTags": {"Tags", "Truncated"},
    "GetKeyPolicy": {"Policy", "PolicyName"},
    "ListKeyPolicies": {"PolicyNames", "Truncated"},
    "CreateGrant": {"GrantId", "GrantToken"},
    "ListGrants": {"Grants", "Truncated"},
    "ListRetirableGrants": {"Grants", "Truncated"},
    "GetKeyRotationStatus": {"KeyRotationEnabled", "KeyId"},
    "ListKeyRotations": {"Rotations", "Truncated"},
    "RotateKeyOnDemand": {"KeyId"},
    "GetKeyLastUsage": {"KeyId", "KeyLastUsage", "TrackingStartDate", "KeyCreationDate"},
    "ReplicateKey": {"ReplicaKeyMetadata", "ReplicaPolicy", "ReplicaTags"},
    "GetResources": {"PaginationToken", "ResourceTagMappingList"},
}

# Errors that every operation may answer with, beyond those that its model lists.
COMMON_ERRORS = {
    "AccessDeniedException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "NotAuthorizedException",
    "SerializationException",
    "ThrottlingException",
    "UnrecognizedClientException",
    "ValidationException",
}
# Where we refuse what AWS offers, whose model therefore has no error for it: `Recipient`, and key stores.
NOT_OFFERED = {"DeriveSharedSecret", "Decrypt", "GenerateDataKey", "GenerateRandom"}
# The model does not say these; the API reference does.
SERVER_ERRORS = {"KMSInternalException": 500, "DependencyTimeoutException": 503, "KeyUnavailableException": 500}
WITHOUT_MESSAGE = {"SerializationException", "InvalidCiphertextException", "KMSInvalidSignatureException", "KMSInvalidMacException"}
# AWS's text for it is empty.
EMPTY_MESSAGE = {"NotAuthorizedException"}


def faults(shape, value, path="reply"):
    """Everything in which the JSON `value` is not what `shape` says."""
    if value is None:
        return [f"{path} is null"]
    return CHECKS[shape.type_name](shape, value, path)


def structure(shape, value, path):
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    found = [f"{path}.{name} is missing" for name in shape.required_members if name not in value]
    found += [f"{path}.{name} is unknown to the model" for name in value if name not in shape.members]
    for name, member in shape.members.items():
        if name in value:
            found += faults(member, value[name], f"{path}.{name}")
    return found


def sequence(shape, value, path):
    if not isinstance(value, list):
        return [f"{path} is no list"]
    found = within(shape, len(value), f"length of {path}")
    for index, item in enumerate(value):
        found += faults(shape.member, item, f"{path}[{index}]")
    return found


def mapping(shape, value, path):
    if not isinstance(value, dict):
        return [f"{path} is no object"]
    found = []
    for key, item in value.items():
        found += faults(shape.key, key, f"{path} key") + faults(shape.value, item, f"{path}[{key!r}]")
    return found


def string(shape, value, path):
    if not isinstance(value, str):
        return [f"{path} is no string"]
    found = within(shape, len(value), f"length of {path}")
    if shape.enum and value not in shape.enum:
        found.append(f"{path} is {value!r}, not one of {shape.enum}")
    if (pattern := shape.metadata.get("pattern")) and not matches(pattern, value):
        found.append(f"{path} is {value!r}, not {pattern}")
    return found


def matches(pattern, value):
    """The model's patterns are Java's, and anchored; the letter classes that Python lacks are widened."""
    for java, python in ((r"\p{L}", r"\w"), (r"\p{N}", r"\d"), (r"\p{Z}", r"\s"), (r"\p{ASCII}", r"\x00-\x7f")):
        pattern = pattern.replace(java, python)
    return re.fullmatch(pattern, value, re.DOTALL) is not None


def blob(shape, value, path):
    if not isinstance(value, str):
        return [f"{path} is no base64 string"]
    try:
        decoded = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        return [f"{path} is not base64: {error}"]
    return within(shape, len(decoded), f"length of {path}")


def boolean(_shape, value, path):
    return [] if isinstance(value, bool) else [f"{path} is no boolean"]


def integer(shape, value, path):
    if isinstance(value, bool) or not isinstance(value, int):
        return [f"{path} is no integer"]
    return within(shape, value, path)


def timestamp(_shape, value, path):
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return [f"{path} is no number of seconds"]
    return [] if 1.6e9 < value < 1e10 else [f"{path} is {value}: no time of ours"]


def within(shape, value, path):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    found = [f"{path} is {value}, under {low}"] if low is not None and value < low else []
    return found + ([f"{path} is {value}, over {high}"] if high is not None and value > high else [])


CHECKS = {
    "structure": structure,
    "list": sequence,
    "map": mapping,
    "string": string,
    "blob": blob,
    "boolean": boolean,
    "integer": integer,
    "long": integer,
    "timestamp": timestamp,
}


def json_faults(operation, status, headers, body):
    """Everything wrong with a raw reply of an AWS JSON 1.1 service."""
    found = []
    if body and headers.get("content-type") != "application/x-amz-json-1.1":
        found.append(f"content-type is {headers.get('content-type')}")
    if not re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", headers.get("x-amzn-requestid", "")):
        found.append(f"x-amzn-RequestId is {headers.get('x-amzn-requestid')}")
    if status >= 300:
        return found + error_faults(operation, status, json.loads(body))
    if operation.output_shape is None:
        return found + ([] if body in (b"", b"{}") else [f"a body where the model has none: {body!r}"])
    reply = json.loads(body)
    found += faults(operation.output_shape, reply)
    return found + [f"reply.{name} is missing" for name in ALWAYS.get(operation.name, set()) - reply.keys()]


def error_faults(operation, status, reply):
    name = reply.get("__type", "")
    known = {shape.name for shape in operation.error_shapes} | COMMON_ERRORS
    if operation.name in NOT_OFFERED or "CustomKeyStore" in operation.name:
        known.add("UnsupportedOperationException")
    found = [] if name in known else [f"error {name!r} is not one of {operation.name}'s"]
    expected = SERVER_ERRORS.get(name, 400)
    if status != expected:
        found.append(f"{name} came with status {status}, not {expected}")
    message = reply.get("message", reply.get("Message"))
    if name in WITHOUT_MESSAGE and message is not None:
        found.append(f"{name} has a message: {message!r}")
    if name in EMPTY_MESSAGE and message != "":
        found.append(f"{name} has the message {message!r}, not an empty one")
    if name not in WITHOUT_MESSAGE | EMPTY_MESSAGE and not message:
        found.append(f"{name} has no message")
    return found + [f"error member {extra} is unknown" for extra in reply.keys() - {"__type", "message", "Message"}]


def watch(client):
    """Checks every reply that this client will get."""

    def check(operation_model, response_dict, **_rest):
        if operation_model.service_model.metadata["protocol"] != "json":
            return
        headers = {name.lower(): value for name, value in response_dict["headers"].items()}
        status, body = response_dict["status_code"], response_dict["body"]
        found = json_faults(operation_model, status, headers, body)
        assert not found, f"{operation_model.name} answered {status} {body!r}: " + "; ".join(found)

    client.meta.events.register("before-parse.*.*", check)
    return client
