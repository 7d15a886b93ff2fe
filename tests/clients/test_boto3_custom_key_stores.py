"""Custom key stores of AWS's kind over a SoftHSM2 token, by boto3, whose every reply is checked."""

import subprocess

import key_stores
import pytest
import strongroom
from conftest import connect, eventually
from key_stores import PEM, connect_store

CLUSTER = key_stores.CLUSTERS[0]
CONTEXT = {"purpose": "payroll"}


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    running = key_stores.WithClusters(tmp_path_factory.mktemp("stores")).start()
    yield running
    assert running.stop() == 0, running.tail()


@pytest.fixture(scope="module")
def stores(installation):
    return connect(installation)


def creation(name="payroll", **more):
    return {
        "CustomKeyStoreName": name,
        "CloudHsmClusterId": CLUSTER,
        "TrustAnchorCertificate": PEM,
        "KeyStorePassword": "kmsPswd-1",
        **more,
    }


@pytest.fixture
def store(stores):
    """A custom key store, connected; gone again afterwards unless it has keys."""
    made = stores.create_custom_key_store(**creation())["CustomKeyStoreId"]
    connect_store(stores, made)
    yield made
    entry = described(stores, made)
    if entry["ConnectionState"] != "DISCONNECTED":
        stores.disconnect_custom_key_store(CustomKeyStoreId=made)
    stores.delete_custom_key_store(CustomKeyStoreId=made)


@pytest.fixture(scope="module")
def lasting(installation):
    """A client of the other region, where a store is that keeps its keys."""
    client = connect(installation, region=installation.regions[1])
    made = client.create_custom_key_store(**creation("lasting"))["CustomKeyStoreId"]
    connect_store(client, made)
    return client, made


def described(client, store):
    [entry] = client.describe_custom_key_stores(CustomKeyStoreId=store)["CustomKeyStores"]
    return entry


def make_key(client, store):
    return client.create_key(CustomKeyStoreId=store, Origin="AWS_CLOUDHSM")["KeyMetadata"]


def test_a_custom_key_store_is_described_through_its_life(stores, refused):
    made = stores.create_custom_key_store(**creation())["CustomKeyStoreId"]
    assert made.startswith("cks-") and len(made) == 21
    entry = described(stores, made)
    assert entry.pop("CreationDate")
    assert entry == {
        "CustomKeyStoreId": made,
        "CustomKeyStoreName": "payroll",
        "CustomKeyStoreType": "AWS_CLOUDHSM",
        "CloudHsmClusterId": CLUSTER,
        "TrustAnchorCertificate": PEM,
        "ConnectionState": "DISCONNECTED",
    }
    stores.update_custom_key_store(CustomKeyStoreId=made, NewCustomKeyStoreName="wages", KeyStorePassword="kmsPswd-2")
    for _ in range(2):
        assert connect_store(stores, made)["ConnectionState"] == "CONNECTED"
    stores.update_custom_key_store(CustomKeyStoreId=made, NewCustomKeyStoreName="salaries")
    [entry] = stores.describe_custom_key_stores(CustomKeyStoreName="salaries")["CustomKeyStores"]
    assert entry["CustomKeyStoreId"] == made
    with refused("CustomKeyStoreInvalidStateException", f"The custom key store {made} is CONNECTED."):
        stores.update_custom_key_store(CustomKeyStoreId=made, KeyStorePassword="kmsPswd-3")
    with refused("CustomKeyStoreInvalidStateException"):
        stores.delete_custom_key_store(CustomKeyStoreId=made)
    stores.disconnect_custom_key_store(CustomKeyStoreId=made)
    with refused("CustomKeyStoreInvalidStateException"):
        stores.disconnect_custom_key_store(CustomKeyStoreId=made)
    stores.delete_custom_key_store(CustomKeyStoreId=made)
    assert stores.describe_custom_key_stores()["CustomKeyStores"] == []
    for call in (stores.connect_custom_key_store, stores.disconnect_custom_key_store, stores.delete_custom_key_store):
        with refused("CustomKeyStoreNotFoundException", f"The custom key store {made} does not exist."):
            call(CustomKeyStoreId=made)


def test_what_cannot_be_made_is_refused_as_aws_does(stores, store, refused):
    with refused("CustomKeyStoreNameInUseException"):
        stores.create_custom_key_store(**creation())
    with refused("CloudHsmClusterInUseException"):
        stores.create_custom_key_store(**creation("other"))
    with refused("CloudHsmClusterNotFoundException"):
        stores.create_custom_key_store(**creation("other", CloudHsmClusterId="cluster-abcdefghijk"))
    with refused("IncorrectTrustAnchorException"):
        stores.create_custom_key_store(**creation("other", TrustAnchorCertificate="none"))
    with refused("ValidationException"):
        stores.create_custom_key_store(CustomKeyStoreName="other")
    with refused("ValidationException"):
        stores.describe_custom_key_stores(CustomKeyStoreId=store, CustomKeyStoreName="payroll")


def test_a_key_in_a_store_is_used_like_any_other_and_says_where_it_is(lasting, refused):
    client, store = lasting
    key = make_key(client, store)
    assert (key["Origin"], key["CustomKeyStoreId"], key["CloudHsmClusterId"]) == ("AWS_CLOUDHSM", store, CLUSTER)
    assert client.describe_key(KeyId=key["KeyId"])["KeyMetadata"] == key
    sealed = client.encrypt(KeyId=key["KeyId"], Plaintext=b"salary", EncryptionContext=CONTEXT)["CiphertextBlob"]
    opened = client.decrypt(CiphertextBlob=sealed, EncryptionContext=CONTEXT)
    assert (opened["Plaintext"], opened["KeyId"]) == (b"salary", key["Arn"])
    with refused("InvalidCiphertextException"):
        client.decrypt(CiphertextBlob=sealed)
    data = client.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")
    assert client.decrypt(CiphertextBlob=data["CiphertextBlob"])["Plaintext"] == data["Plaintext"]
    elsewhere = client.create_key()["KeyMetadata"]
    moved = client.re_encrypt(CiphertextBlob=sealed, SourceEncryptionContext=CONTEXT, DestinationKeyId=elsewhere["KeyId"])
    back = client.re_encrypt(CiphertextBlob=moved["CiphertextBlob"], DestinationKeyId=key["KeyId"])
    assert client.decrypt(CiphertextBlob=back["CiphertextBlob"])["Plaintext"] == b"salary"
    assert len(client.generate_random(NumberOfBytes=48, CustomKeyStoreId=store)["Plaintext"]) == 48


def test_a_store_that_is_let_go_takes_the_use_of_its_keys_with_it(lasting, refused):
    client, store = lasting
    key = make_key(client, store)["KeyId"]
    sealed = client.encrypt(KeyId=key, Plaintext=b"salary")["CiphertextBlob"]
    client.disconnect_custom_key_store(CustomKeyStoreId=store)
    metadata = client.describe_key(KeyId=key)["KeyMetadata"]
    assert (metadata["KeyState"], metadata["Enabled"]) == ("Unavailable", False)
    uses = (
        lambda: client.encrypt(KeyId=key, Plaintext=b"salary"),
        lambda: client.decrypt(CiphertextBlob=sealed),
        lambda: client.generate_data_key(KeyId=key, KeySpec="AES_256"),
        lambda: client.generate_data_key_without_plaintext(KeyId=key, KeySpec="AES_256"),
        lambda: client.re_encrypt(CiphertextBlob=sealed, DestinationKeyId=key),
    )
    for use in uses:
        with refused("KMSInvalidStateException", f"{metadata['Arn']} is unavailable."):
            use()
    with refused("CustomKeyStoreInvalidStateException"):
        make_key(client, store)
    with refused("CustomKeyStoreInvalidStateException"):
        client.generate_random(NumberOfBytes=8, CustomKeyStoreId=store)
    with refused("CustomKeyStoreHasCMKsException"):
        client.delete_custom_key_store(CustomKeyStoreId=store)
    client.tag_resource(KeyId=key, Tags=[{"TagKey": "managed", "TagValue": "meanwhile"}])
    client.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    assert client.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"
    client.cancel_key_deletion(KeyId=key)
    connect_store(client, store)
    client.enable_key(KeyId=key)
    assert client.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"salary"


def test_what_a_store_has_no_keys_for_is_refused_and_none_is_rotated(lasting, refused):
    client, store = lasting
    there = {"CustomKeyStoreId": store, "Origin": "AWS_CLOUDHSM"}
    for wrong in (
        {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
        {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
        {"MultiRegion": True},
    ):
        with refused("UnsupportedOperationException"):
            client.create_key(**there, **wrong)
    for wrong in ({"CustomKeyStoreId": store}, {"Origin": "AWS_CLOUDHSM"}, {"CustomKeyStoreId": store, "Origin": "EXTERNAL"}):
        with refused("ValidationException"):
            client.create_key(**wrong)
    with refused("CustomKeyStoreNotFoundException"):
        client.create_key(CustomKeyStoreId="cks-0123456789abcdef0", Origin="AWS_CLOUDHSM")
    key = make_key(client, store)["KeyId"]
    for rotate in (client.enable_key_rotation, client.rotate_key_on_demand):
        with refused("UnsupportedOperationException"):
            rotate(KeyId=key)
    assert client.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is False
    with refused("UnsupportedOperationException"):
        client.get_parameters_for_import(KeyId=key, WrappingAlgorithm="RSAES_OAEP_SHA_256", WrappingKeySpec="RSA_2048")


def test_a_key_in_a_store_is_rotated_by_moving_its_alias(lasting):
    client, store = lasting
    first, second = (make_key(client, store)["KeyId"] for _ in range(2))
    client.create_alias(AliasName="alias/payroll", TargetKeyId=first)
    old = client.encrypt(KeyId="alias/payroll", Plaintext=b"old")["CiphertextBlob"]
    client.update_alias(AliasName="alias/payroll", TargetKeyId=second)
    new = client.encrypt(KeyId="alias/payroll", Plaintext=b"new")
    assert new["KeyId"].endswith(second)
    assert [client.decrypt(CiphertextBlob=blob)["Plaintext"] for blob in (old, new["CiphertextBlob"])] == [b"old", b"new"]


def test_a_password_is_never_repeated(installation, refused):
    unchecked = connect(installation, parameter_validation=False)
    rule = "Value at 'keyStorePassword' failed to satisfy constraint: Member must have length greater than or equal to 7"
    with refused("ValidationException", f"1 validation error detected: {rule}"):
        unchecked.create_custom_key_store(**creation("other", KeyStorePassword="short"))


def test_another_account_finds_no_cluster(installation, refused, tmp_path):
    account = "444455556666"
    run = [strongroom.binary(), "tenant", "create", "--account", account, "--name", "other"]
    made = subprocess.run(run, env=installation.client_env(tmp_path), capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    key = installation.root_key(account)
    other = connect(installation, credentials=(key["AWS_ACCESS_KEY_ID"], key["AWS_SECRET_ACCESS_KEY"]))
    with refused("CloudHsmClusterNotFoundException"):
        other.create_custom_key_store(**creation())


def test_keys_and_stores_outlive_a_restart(installation, lasting):
    client, store = lasting
    key = make_key(client, store)["KeyId"]
    sealed = client.encrypt(KeyId=key, Plaintext=b"salary")["CiphertextBlob"]
    assert installation.stop() == 0
    installation.start()
    again = connect(installation, region=installation.regions[1])
    assert described(again, store)["ConnectionState"] == "CONNECTED"
    eventually(lambda: opens(again, sealed))


def opens(client, sealed):
    try:
        return client.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"salary"
    except client.exceptions.DependencyTimeoutException:
        return False
