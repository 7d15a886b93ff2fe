"""One server for each root, and clients whose every reply is checked (wire.py)."""

import os
import time
import uuid

import boto3
import botocore.config
import botocore.exceptions
import pytest
import strongroom
import users
import wire

# One for all clients: it reads the service models once.
SESSION = boto3.Session()
ROOTS = os.environ.get("STRONGROOM_CLIENT_ROOTS", "software pkcs11").split()


@pytest.fixture(scope="session", params=ROOTS)
def server(request, tmp_path_factory):
    """`strongroom dev` over the root named."""
    running = strongroom.Server(tmp_path_factory.mktemp(request.param) / "data", request.param).start()
    yield running
    assert running.stop() == 0, running.tail()


def connect(server, service="kms", credentials=None, region=None, **options):
    """A boto3 client of `server`; `credentials` are (id, secret), the administrator's by default."""
    access, secret = credentials or (server.env["AWS_ACCESS_KEY_ID"], server.env["AWS_SECRET_ACCESS_KEY"])
    config = botocore.config.Config(retries={"max_attempts": 1, "mode": "standard"}, **options)
    client = SESSION.client(
        service,
        region_name=region or server.env["AWS_REGION"],
        aws_access_key_id=access,
        aws_secret_access_key=secret,
        endpoint_url=server.env["AWS_ENDPOINT_URL"],
        verify=server.env["AWS_CA_BUNDLE"] or None,
        config=config,
    )
    return wire.watch(client)


@pytest.fixture(scope="session")
def kms(server):
    return connect(server)


@pytest.fixture(scope="session")
def unchecked(server):
    """A client that sends what its model forbids, so that the server must refuse it."""
    return connect(server, parameter_validation=False)


@pytest.fixture(scope="session")
def account(server):
    """The account, the administrator's ARN and the region."""
    identity = connect(server, "sts").get_caller_identity()
    return {"id": identity["Account"], "arn": identity["Arn"], "region": server.env["AWS_REGION"]}


@pytest.fixture
def make_key(kms):
    """Makes keys: `make_key("RSA_2048", "SIGN_VERIFY")` returns the metadata."""

    def make(spec="SYMMETRIC_DEFAULT", usage=None, **more):
        if usage:
            more["KeyUsage"] = usage
        return kms.create_key(KeySpec=spec, **more)["KeyMetadata"]

    return make


@pytest.fixture
def key(make_key):
    """A symmetric key of this test's own."""
    return make_key()


class Refusal:
    """`with refused("NotFoundException", "text"):` expects exactly that error and, where given, that message."""

    def __init__(self, code, message=None):
        self.codes = (code,) if isinstance(code, str) else code
        self.message = message

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _trace):
        assert error is not None, f"nothing was refused; expected {self.codes}"
        if not isinstance(error, botocore.exceptions.ClientError):
            return False
        code = error.response["Error"]["Code"]
        message = error.response["Error"].get("Message")
        assert code in self.codes, f"expected {self.codes}, got {code}: {message}"
        if self.message is not None:
            assert message == self.message
        self.text = message
        return True


@pytest.fixture(scope="session")
def refused():
    return Refusal


def eventually(condition, seconds=60):
    """The first truthy value of `condition()`, for what the service does in its own time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)
    return value


@pytest.fixture(scope="session", name="eventually")
def eventually_fixture():
    return eventually


@pytest.fixture
def make_user(server):
    """Makes users with nothing but the policy given: `make_user(policy)` returns (user, its KMS client)."""

    def make(policy=None):
        user = users.make(server, f"user-{uuid.uuid4().hex[:12]}", policy)
        return user, connect(server, credentials=user.credentials)

    return make
