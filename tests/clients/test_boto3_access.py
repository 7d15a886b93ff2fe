"""Who is asking: signatures, credentials, the caller's identity, and the connection."""

import datetime
import http.client
import json
import socket
import ssl
import urllib.parse

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import pytest
from conftest import connect


def endpoint(server):
    address = urllib.parse.urlsplit(server.env["AWS_ENDPOINT_URL"])
    return address.hostname, address.port


def raw(server, target, body, change=None, service="kms", region=None):
    """A signed request of our own making; `change` meddles with it afterwards. Returns status, headers and body."""
    host, port = endpoint(server)
    credentials = botocore.credentials.Credentials(server.env["AWS_ACCESS_KEY_ID"], server.env["AWS_SECRET_ACCESS_KEY"])
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target, "Host": f"{host}:{port}"}
    request = botocore.awsrequest.AWSRequest("POST", server.env["AWS_ENDPOINT_URL"] + "/", data=body, headers=headers)
    botocore.auth.SigV4Auth(credentials, service, region or server.env["AWS_REGION"]).add_auth(request)
    headers = dict(request.headers.items())
    if change:
        body = change(headers, body)
    tls = ssl.create_default_context(cafile=server.env["AWS_CA_BUNDLE"])
    connection = http.client.HTTPSConnection(host, port, context=tls, timeout=20)
    try:
        connection.request("POST", "/", body, headers)
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    finally:
        connection.close()


def test_the_caller_is_who_it_says(server, account):
    identity = connect(server, "sts").get_caller_identity()
    assert len(account["id"]) == 12
    assert identity["Arn"].startswith(f"arn:aws:iam::{identity['Account']}:user/")
    assert identity["UserId"]


def test_a_users_identity_is_its_own(server, make_user, account):
    user, _ = make_user()
    identity = connect(server, "sts", credentials=user.credentials).get_caller_identity()
    assert (identity["Account"], identity["Arn"]) == (account["id"], user.arn)


def test_a_wrong_secret_is_an_invalid_signature(server, refused):
    wrong = connect(server, credentials=(server.env["AWS_ACCESS_KEY_ID"], "w" * 40))
    with refused("InvalidSignatureException") as refusal:
        wrong.list_keys()
    assert refusal.text.startswith("The request signature we calculated does not match the signature you provided.")
    assert "StringToSign" not in refusal.text


def test_an_unknown_access_key_is_unrecognized(server, refused):
    stranger = connect(server, credentials=("AKIA" + "A" * 16, server.env["AWS_SECRET_ACCESS_KEY"]))
    with refused("UnrecognizedClientException", "The security token included in the request is invalid."):
        stranger.list_keys()


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_signature_more_than_five_minutes_off_is_refused(server, kms, refused, monkeypatch, minutes):
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: now)
    with refused("InvalidSignatureException"):
        kms.list_keys()


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_signature_within_five_minutes_is_taken(kms, monkeypatch, minutes):
    now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: now)
    kms.list_keys()


@pytest.mark.parametrize(("service", "region"), [("kms", "antarctica-1"), ("s3", None)])
def test_a_signature_for_another_region_or_service_is_refused(server, service, region):
    assert raw(server, "TrentService.ListKeys", b"{}", service=service, region=region)[0] in (400, 403, 404)


def test_what_was_signed_cannot_be_changed(server):
    def other_body(_headers, _body):
        return b'{"Limit": 2}'

    def other_target(headers, body):
        headers["X-Amz-Target"] = "TrentService.ListAliases"
        return body

    assert raw(server, "TrentService.ListKeys", b'{"Limit": 1}')[0] == 200
    for change in (other_body, other_target):
        status, _, body = raw(server, "TrentService.ListKeys", b'{"Limit": 1}', change=change)
        assert (status, json.loads(body)["__type"]) == (400, "InvalidSignatureException")


def test_a_request_without_a_signature_is_refused(server):
    def unsigned(headers, body):
        del headers["Authorization"]
        return body

    status, _, body = raw(server, "TrentService.ListKeys", b"{}", change=unsigned)
    assert (status, json.loads(body)["__type"]) == (400, "MissingAuthenticationTokenException")


def test_an_operation_that_does_not_exist_is_unknown(server):
    status, headers, body = raw(server, "TrentService.StealKeys", b"{}")
    assert (status, json.loads(body)["__type"]) == (400, "UnknownOperationException")
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert headers["x-amzn-requestid"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"Limit": "ten"}', b'{"Limit": 1, "Limit": 2}', b"\xff"])
def test_a_body_that_is_no_request_is_a_serialization_error(server, body):
    status, _, reply = raw(server, "TrentService.ListKeys", body)
    assert (status, json.loads(reply)["__type"]) in {(400, "SerializationException"), (400, "ValidationException")}


def test_tls_older_than_1_3_is_refused(server):
    context = ssl.create_default_context(cafile=server.env["AWS_CA_BUNDLE"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(endpoint(server), timeout=20) as plain, pytest.raises(ssl.SSLError):
        context.wrap_socket(plain, server_hostname=endpoint(server)[0])


def test_the_certificate_is_for_the_address_that_was_printed(server):
    context = ssl.create_default_context(cafile=server.env["AWS_CA_BUNDLE"])
    with socket.create_connection(endpoint(server), timeout=20) as plain:
        with context.wrap_socket(plain, server_hostname=endpoint(server)[0]) as tls:
            assert tls.version() == "TLSv1.3"
