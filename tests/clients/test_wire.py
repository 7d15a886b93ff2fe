"""The checker of replies must be able to fail."""

import base64
import json

import botocore.session
import pytest
import wire

MODEL = botocore.session.get_session().get_service_model("kms")
HEADERS = {"content-type": "application/x-amz-json-1.1", "x-amzn-requestid": "0" * 8 + "-0000" * 3 + "-" + "0" * 12}
ARN = "arn:aws:kms:eu-north-1:123456789012:key/00000000-0000-0000-0000-000000000000"
GOOD = {"CiphertextBlob": base64.b64encode(b"c").decode(), "KeyId": ARN, "EncryptionAlgorithm": "SYMMETRIC_DEFAULT"}


def found(name, reply, status=200, headers=None):
    body = json.dumps(reply).encode() if reply is not None else b""
    return wire.json_faults(MODEL.operation_model(name), status, headers or HEADERS, body)


def test_a_right_reply_has_no_fault():
    assert found("Encrypt", GOOD) == []
    assert found("EnableKey", None) == []
    assert found("Encrypt", {"__type": "DisabledException", "message": "m"}, 400) == []
    assert found("Decrypt", {"__type": "InvalidCiphertextException"}, 400) == []


@pytest.mark.parametrize(
    "change",
    [
        {"Extra": 1},
        {"KeyId": None},
        {"KeyId": 1},
        {"KeyId": "k" * 2049},
        {"CiphertextBlob": "not base64!"},
        {"CiphertextBlob": base64.b64encode(b"c" * 6145).decode()},
        {"CiphertextBlob": ""},
        {"EncryptionAlgorithm": "ROT13"},
    ],
)
def test_a_wrong_member_is_a_fault(change):
    assert len(found("Encrypt", {**GOOD, **change})) == 1


def test_a_missing_member_is_a_fault():
    assert found("Encrypt", {k: v for k, v in GOOD.items() if k != "KeyId"}) == ["reply.KeyId is missing"]
    assert found("DescribeKey", {"KeyMetadata": {}}) == ["reply.KeyMetadata.KeyId is missing"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"__type": "DisabledException"}, 400),
        ({"__type": "DisabledException", "message": "m"}, 500),
        ({"__type": "DependencyTimeoutException", "message": "m"}, 500),
        ({"__type": "NotAuthorizedException", "message": "m"}, 400),
        ({"__type": "InvalidCiphertextException", "message": "m"}, 400),
        ({"__type": "NoSuchException", "message": "m"}, 400),
        ({"__type": "NotFoundException", "message": "m", "code": 1}, 400),
    ],
)
def test_a_wrong_error_is_a_fault(error, status):
    assert len(found("Decrypt", error, status)) == 1


def test_a_reply_carries_its_type_and_request_id():
    assert len(found("Encrypt", GOOD, headers={"content-type": "application/json"})) == 2


def test_a_body_where_the_model_has_none_is_a_fault():
    assert len(found("EnableKey", {"KeyId": ARN})) == 1
