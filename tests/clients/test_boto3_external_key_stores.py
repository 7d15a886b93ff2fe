"""External key stores of AWS's kind by boto3, whose every reply is checked: the proxy is another installation of ours."""

import json
import socket
import subprocess
import time

import botocore.exceptions
import key_stores
import proxy
import pytest
import strongroom
from conftest import connect, eventually

CONTEXT = {"purpose": "payroll"}
LATE = ("in the time allotted", "in an unhealthy state", "a very high request rate")
PATIENCE = 100


class Outside(strongroom.Installation):
    """The other installation: an XKS proxy with a key store and keys, on a port of its own."""

    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.address = "127.0.0.1:{}".format(free.getsockname()[1])
        self.authority = folder / "xks.pem"
        private = folder / "xks-key.pem"
        proxy.certify(self.authority, private)
        super().__init__(folder)

    def configure(self, limits):
        super().configure(limits)
        tls = f'tls = {{ certificate_chain = "{self.authority}", private_key = "{self._folder / "xks-key.pem"}" }}'
        regions = json.dumps(self.regions)
        with self._file.open("a") as file:
            file.write(f'[[listener]]\nname = "xks"\naddress = "{self.address}"\nfront_ends = ["aws-xks"]\nregions = {regions}\n{tls}\n')

    def xks(self, *words):
        """Does one of the operator's commands; what it says."""
        run = [strongroom.binary(), "xks", *words, "--tenant", self.account, "--output", "json"]
        made = subprocess.run(run, env=self.client_env(self._folder), capture_output=True, text=True, timeout=60)
        assert made.returncode == 0, made.stderr
        return json.loads(made.stdout or "{}")

    def store(self, name, *keys):
        """Makes a key store with keys; what a custom key store there is made with."""
        self.xks("store", "create", name, "--region", self.regions[0])
        for key in keys:
            self.xks("key", "create", "--store", name, key)
        return self.credential(name)

    def credential(self, name):
        made = self.xks("credential", "create", "--store", name, "--host", proxy.HOST)
        return {
            "XksProxyUriPath": f"/{self.account}/{name}/kms/xks/v1",
            "XksProxyAuthenticationCredential": {
                "AccessKeyId": made["access_key_id"],
                "RawSecretAccessKey": made["secret_access_key"],
            },
        }

    def told(self):
        """The records of what it was asked as a proxy."""
        run = [strongroom.binary(), "audit", "show", "--output", "json"]
        shown = subprocess.run(run, env=self.client_env(self._folder), capture_output=True, text=True, timeout=60)
        assert shown.returncode == 0, shown.stderr
        return shown.stdout


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    running = Outside(tmp_path_factory.mktemp("outside")).start()
    yield running
    assert running.stop() == 0, running.tail()


@pytest.fixture(scope="module")
def installation(tmp_path_factory, outside):
    class Ours(key_stores.Installation):
        managers = key_stores.manager(proxy.HOST, outside.address, authorities=str(outside.authority))

    running = Ours(tmp_path_factory.mktemp("ours")).start()
    yield running
    assert running.stop() == 0, running.tail()


class Patient:
    """A client that asks again while the proxy is late: it gives itself a fifth of a second, and the machine may be busy."""

    def __init__(self, client):
        self._client = client

    def __getattr__(self, name):
        there = getattr(self._client, name)
        return self._asking(there) if callable(there) and name != "exceptions" else there

    def _asking(self, call):
        def asked(**request):
            begun = time.monotonic()
            while True:
                try:
                    return call(**request)
                except botocore.exceptions.ClientError as error:
                    late = any(text in error.response["Error"].get("Message", "") for text in LATE)
                    if not late or time.monotonic() - begun > PATIENCE:
                        raise

        return asked


@pytest.fixture(scope="module")
def client(installation):
    return Patient(connect(installation))


@pytest.fixture(scope="module")
def store(outside, client):
    """A custom key store, connected, that lasts: the proxy has `payroll`, `pension` and a few more."""
    where = outside.store("prod", "payroll", "pension", "moved", "blocked")
    made = client.create_custom_key_store(**creation("prod", **where))["CustomKeyStoreId"]
    connected(client, made)
    return made


@pytest.fixture(scope="module")
def key(client, store):
    return make_key(client, store, "payroll")


def creation(name, **more):
    return {
        "CustomKeyStoreName": name,
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
        "XksProxyUriEndpoint": proxy.ENDPOINT,
        **more,
    }


def described(client, store):
    [entry] = client.describe_custom_key_stores(CustomKeyStoreId=store)["CustomKeyStores"]
    return entry


def connected(client, store):
    """Connects a store, once more where its proxy was late."""

    def tried():
        entry = key_stores.connect_store(client, store)
        if entry["ConnectionState"] == "CONNECTED":
            return True
        assert entry["ConnectionErrorCode"] in ("XKS_PROXY_TIMED_OUT", "XKS_PROXY_NOT_REACHABLE"), entry
        client.disconnect_custom_key_store(CustomKeyStoreId=store)
        return False

    eventually(tried, PATIENCE)


def make_key(client, store, external):
    return client.create_key(CustomKeyStoreId=store, Origin="EXTERNAL_KEY_STORE", XksKeyId=external)["KeyMetadata"]


def test_an_external_key_store_is_described_through_its_life(outside, client, refused):
    where = outside.store("life", "one")
    made = client.create_custom_key_store(**creation("life", **where))["CustomKeyStoreId"]
    entry = described(client, made)
    assert entry.pop("CreationDate")
    assert entry == {
        "CustomKeyStoreId": made,
        "CustomKeyStoreName": "life",
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "ConnectionState": "DISCONNECTED",
        "XksProxyConfiguration": {
            "Connectivity": "PUBLIC_ENDPOINT",
            "AccessKeyId": where["XksProxyAuthenticationCredential"]["AccessKeyId"],
            "UriEndpoint": proxy.ENDPOINT,
            "UriPath": where["XksProxyUriPath"],
        },
    }
    connected(client, made)
    client.update_custom_key_store(CustomKeyStoreId=made, NewCustomKeyStoreName="afterlife")
    [entry] = client.describe_custom_key_stores(CustomKeyStoreName="afterlife")["CustomKeyStores"]
    assert entry["CustomKeyStoreId"] == made
    with refused("CustomKeyStoreInvalidStateException", f"The custom key store {made} is CONNECTED."):
        client.delete_custom_key_store(CustomKeyStoreId=made)
    client.disconnect_custom_key_store(CustomKeyStoreId=made)
    client.delete_custom_key_store(CustomKeyStoreId=made)
    with refused("CustomKeyStoreNotFoundException"):
        client.describe_custom_key_stores(CustomKeyStoreId=made)


def test_a_key_is_used_like_any_other_and_says_where_it_is(client, store, key, refused):
    assert (key["Origin"], key["CustomKeyStoreId"]) == ("EXTERNAL_KEY_STORE", store)
    assert key["XksKeyConfiguration"] == {"Id": "payroll"}
    assert client.describe_key(KeyId=key["KeyId"])["KeyMetadata"] == key
    sealed = client.encrypt(KeyId=key["KeyId"], Plaintext=b"salary", EncryptionContext=CONTEXT)["CiphertextBlob"]
    opened = client.decrypt(CiphertextBlob=sealed, EncryptionContext=CONTEXT)
    assert (opened["Plaintext"], opened["KeyId"]) == (b"salary", key["Arn"])
    with refused(("InvalidCiphertextException", "KMSInvalidStateException")):
        client.decrypt(CiphertextBlob=sealed)
    long = {"a": "b" * 4000}
    sealed_long = client.encrypt(KeyId=key["KeyId"], Plaintext=bytes(4096), EncryptionContext=long)["CiphertextBlob"]
    assert client.decrypt(CiphertextBlob=sealed_long, EncryptionContext=long)["Plaintext"] == bytes(4096)
    data = client.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
    assert client.decrypt(CiphertextBlob=data["CiphertextBlob"])["Plaintext"] == data["Plaintext"]
    elsewhere = client.create_key()["KeyMetadata"]
    moved = client.re_encrypt(CiphertextBlob=sealed, SourceEncryptionContext=CONTEXT, DestinationKeyId=elsewhere["KeyId"])
    back = client.re_encrypt(CiphertextBlob=moved["CiphertextBlob"], DestinationKeyId=key["KeyId"])
    assert client.decrypt(CiphertextBlob=back["CiphertextBlob"])["Plaintext"] == b"salary"


def test_the_proxy_is_told_who_asks_for_what_and_by_which_request(outside, client, key, installation):
    answer = client.encrypt(KeyId=key["KeyId"], Plaintext=b"salary")
    request = answer["ResponseMetadata"]["RequestId"]
    records = [line for line in outside.told().splitlines() if request in line]
    assert records, request
    assert any(key["Arn"] in line and f"arn:aws:iam::{installation.account}:root" in line for line in records), records


def test_a_store_that_is_let_go_takes_the_use_of_its_keys_with_it(client, store, key, refused):
    sealed = client.encrypt(KeyId=key["KeyId"], Plaintext=b"salary")["CiphertextBlob"]
    client.disconnect_custom_key_store(CustomKeyStoreId=store)
    metadata = client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert (metadata["KeyState"], metadata["Enabled"]) == ("Unavailable", False)
    with refused("KMSInvalidStateException", f"{key['Arn']} is unavailable."):
        client.decrypt(CiphertextBlob=sealed)
    with refused("CustomKeyStoreInvalidStateException"):
        make_key(client, store, "pension")
    with refused("CustomKeyStoreHasCMKsException"):
        client.delete_custom_key_store(CustomKeyStoreId=store)
    connected(client, store)
    assert client.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"salary"


def test_whoever_runs_the_proxy_can_take_a_key_away_and_give_it_back(outside, client, store, refused):
    key = make_key(client, store, "blocked")["KeyId"]
    sealed = client.encrypt(KeyId=key, Plaintext=b"salary")["CiphertextBlob"]
    outside.xks("key", "block", "--store", "prod", "blocked")
    text = "The external key store proxy rejected the request because the external key is not enabled in the external key manager."
    with refused("KMSInvalidStateException", text):
        client.decrypt(CiphertextBlob=sealed)
    with refused("KMSInvalidStateException", text):
        client.generate_data_key(KeyId=key, KeySpec="AES_256")
    assert client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    outside.xks("key", "unblock", "--store", "prod", "blocked")
    assert client.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"salary"


def test_an_external_key_must_be_there_and_doubles_one_key_of_a_store(client, store, key, refused):
    with refused("XksKeyAlreadyInUseException"):
        make_key(client, store, key["XksKeyConfiguration"]["Id"])
    text = "The external key store proxy rejected the request because it could not find the external key."
    with refused("XksKeyNotFoundException", text):
        make_key(client, store, "nothing")


def test_what_such_a_key_is_not_for_is_refused(client, store, key, refused):
    name = {"KeyId": key["KeyId"]}
    for call in (
        lambda: client.enable_key_rotation(**name),
        lambda: client.rotate_key_on_demand(**name),
        lambda: client.get_parameters_for_import(**name, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048"),
        lambda: client.generate_data_key_pair(**name, KeyPairSpec="ECC_NIST_P256"),
        lambda: client.generate_random(NumberOfBytes=8, CustomKeyStoreId=store),
    ):
        with refused("UnsupportedOperationException"):
            call()
    assert client.get_key_rotation_status(**name)["KeyRotationEnabled"] is False


def test_a_credential_is_changed_while_its_store_is_connected_and_the_former_forgotten(outside, client, store, key, refused):
    former = described(client, store)["XksProxyConfiguration"]["AccessKeyId"]
    fresh = outside.credential("prod")["XksProxyAuthenticationCredential"]
    wrong = {**fresh, "RawSecretAccessKey": "A" * 43}
    with refused("XksProxyIncorrectAuthenticationCredentialException"):
        client.update_custom_key_store(CustomKeyStoreId=store, XksProxyAuthenticationCredential=wrong)
    client.update_custom_key_store(CustomKeyStoreId=store, XksProxyAuthenticationCredential=fresh)
    outside.xks("credential", "delete", "--store", "prod", former)
    assert client.encrypt(KeyId=key["KeyId"], Plaintext=b"salary")["CiphertextBlob"]
    assert described(client, store)["XksProxyConfiguration"]["AccessKeyId"] == fresh["AccessKeyId"]


def test_a_store_behind_a_service_where_nobody_is_fails_to_connect_and_says_why(client, refused):
    where = {**key_stores.private(0), "XksProxyUriPath": proxy.path("x"), "XksProxyAuthenticationCredential": proxy.CREDENTIAL}
    made = client.create_custom_key_store(**{**creation("nobody"), **where})["CustomKeyStoreId"]
    entry = key_stores.connect_store(client, made)
    assert (entry["ConnectionState"], entry["ConnectionErrorCode"]) == ("FAILED", "XKS_PROXY_NOT_REACHABLE")
    with refused("CustomKeyStoreInvalidStateException"):
        client.connect_custom_key_store(CustomKeyStoreId=made)
    client.disconnect_custom_key_store(CustomKeyStoreId=made)
    client.delete_custom_key_store(CustomKeyStoreId=made)


def test_keys_and_stores_outlive_restarts_of_either_side(outside, installation, client, key, refused):
    sealed = client.encrypt(KeyId=key["KeyId"], Plaintext=b"salary")["CiphertextBlob"]
    assert installation.stop() == 0
    installation.start()
    again = Patient(connect(installation))
    assert again.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"salary"
    assert outside.stop() == 0
    with refused("KMSInvalidStateException"):
        again.decrypt(CiphertextBlob=sealed)
    outside.start()
    eventually(lambda: opens(again, sealed))


def opens(client, sealed):
    try:
        return client.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"salary"
    except botocore.exceptions.ClientError:
        return False
