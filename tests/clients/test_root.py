"""The root that everything hangs on: the one that was asked for, and found again."""

import pytest
import strongroom
import users
from conftest import ROOTS, connect


def test_the_root_is_the_one_asked_for(server):
    (root,) = users.admin(server, "root", "list")["items"]
    assert (root["kind"], root["open"]) == (server.root, True)


@pytest.fixture
def start(tmp_path):
    """Starts servers of a test's own, one after the other, over the same data."""
    started = []

    def begin(root):
        started.append(strongroom.Server(tmp_path / "data", root))
        return started[-1].start()

    yield begin
    for server in started:
        server.stop()


@pytest.mark.parametrize("root", ROOTS)
def test_everything_is_there_after_a_restart(start, root):
    server = start(root)
    kms = connect(server)
    key = kms.create_key()["KeyMetadata"]
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")["CiphertextBlob"]
    pair = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    signed = {"KeyId": pair, "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
    signature = kms.sign(**signed)["Signature"]
    assert server.stop() == 0, server.tail()
    credentials = (server.env["AWS_ACCESS_KEY_ID"], server.env["AWS_SECRET_ACCESS_KEY"])
    kms = connect(start(root), credentials=credentials)
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"] == key
    assert kms.decrypt(CiphertextBlob=blob)["Plaintext"] == b"p"
    assert kms.verify(Signature=signature, **signed)["SignatureValid"]
