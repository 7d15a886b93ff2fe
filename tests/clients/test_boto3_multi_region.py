"""Multi-Region keys, over an installation whose listener serves two regions."""

import json

import pytest
from conftest import connect
from strongroom import ACCOUNT, REGIONS, Installation

HERE, THERE = REGIONS


@pytest.fixture(scope="module")
def regions(tmp_path_factory):
    """A KMS client for each of the two regions."""
    installation = Installation(tmp_path_factory.mktemp("regions")).start()
    yield {region: connect(installation, region=region) for region in (HERE, THERE)}
    assert installation.stop() == 0, installation.tail()


@pytest.fixture
def here(regions):
    return regions[HERE]


@pytest.fixture
def there(regions):
    return regions[THERE]


def arn(region, key):
    return f"arn:aws:kms:{region}:{ACCOUNT}:key/{key['KeyId']}"


@pytest.fixture
def make_pair(here):
    """A primary key in the first region with its replica in the second: `make_pair("RSA_2048", "SIGN_VERIFY")`."""

    def make(spec="SYMMETRIC_DEFAULT", usage="ENCRYPT_DECRYPT"):
        key = here.create_key(KeySpec=spec, KeyUsage=usage, MultiRegion=True)["KeyMetadata"]
        assert key["KeyId"].startswith("mrk-") and key["MultiRegion"]
        here.replicate_key(KeyId=key["KeyId"], ReplicaRegion=THERE)
        return key

    return make


def configuration(client, key):
    return client.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["MultiRegionConfiguration"]


def test_a_primary_and_its_replica_describe_each_other(here, there, make_pair):
    key = make_pair()
    primary, replica = ({"Arn": arn(region, key), "Region": region} for region in (HERE, THERE))
    expected = {"PrimaryKey": primary, "ReplicaKeys": [replica]}
    assert configuration(here, key) == {"MultiRegionKeyType": "PRIMARY", **expected}
    assert configuration(there, key) == {"MultiRegionKeyType": "REPLICA", **expected}
    assert there.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Arn"] == replica["Arn"]


def test_a_replica_has_its_own_policy_tags_description_and_names(here, there):
    key = here.create_key(MultiRegion=True, Description="first", Tags=[{"TagKey": "team", "TagValue": "red"}])["KeyMetadata"]
    policy = json.loads(here.get_key_policy(KeyId=key["KeyId"])["Policy"]) | {"Id": "of-the-replica"}
    reply = here.replicate_key(
        KeyId=key["KeyId"],
        ReplicaRegion=THERE,
        Description="second",
        Policy=json.dumps(policy),
        Tags=[{"TagKey": "team", "TagValue": "blue"}],
    )
    assert reply["ReplicaKeyMetadata"]["Arn"] == arn(THERE, key)
    assert reply["ReplicaKeyMetadata"]["Description"] == "second"
    assert json.loads(reply["ReplicaPolicy"]) == policy
    assert reply["ReplicaTags"] == there.list_resource_tags(KeyId=key["KeyId"])["Tags"]
    assert json.loads(there.get_key_policy(KeyId=key["KeyId"])["Policy"]) == policy
    there.create_alias(AliasName="alias/only-there", TargetKeyId=key["KeyId"])
    assert here.list_aliases(KeyId=key["KeyId"])["Aliases"] == []
    there.disable_key(KeyId=key["KeyId"])
    assert here.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"


def test_what_one_region_encrypts_the_other_decrypts(here, there, make_pair):
    key = make_pair()
    for one, other, region in ((here, there, THERE), (there, here, HERE)):
        sealed = one.encrypt(KeyId=key["KeyId"], Plaintext=b"text", EncryptionContext={"a": "b"})["CiphertextBlob"]
        for named in ({}, {"KeyId": key["KeyId"]}):
            opened = other.decrypt(CiphertextBlob=sealed, EncryptionContext={"a": "b"}, **named)
            assert (opened["Plaintext"], opened["KeyId"]) == (b"text", arn(region, key))


def test_what_one_region_signs_the_other_verifies(here, there, make_pair):
    key = make_pair("ECC_NIST_P256", "SIGN_VERIFY")
    assert here.get_public_key(KeyId=key["KeyId"])["PublicKey"] == there.get_public_key(KeyId=key["KeyId"])["PublicKey"]
    signature = here.sign(KeyId=key["KeyId"], Message=b"m", SigningAlgorithm="ECDSA_SHA_256")["Signature"]
    verify = {"KeyId": key["KeyId"], "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
    assert there.verify(**verify, Signature=signature)["SignatureValid"]
    code = make_pair("HMAC_256", "GENERATE_VERIFY_MAC")
    asked = {"KeyId": code["KeyId"], "Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}
    assert here.generate_mac(**asked)["Mac"] == there.generate_mac(**asked)["Mac"]


def test_a_key_of_one_region_stays_there(here, there, refused):
    key = here.create_key()["KeyMetadata"]
    sealed = here.encrypt(KeyId=key["KeyId"], Plaintext=b"text")["CiphertextBlob"]
    with refused("NotFoundException"):
        there.describe_key(KeyId=key["KeyId"])
    with refused("InvalidCiphertextException"):
        there.decrypt(CiphertextBlob=sealed)
    with refused("UnsupportedOperationException"):
        here.replicate_key(KeyId=key["KeyId"], ReplicaRegion=THERE)


def test_rotation_is_the_primarys_and_reaches_the_replica(here, there, make_pair, refused):
    key = make_pair()
    before = there.encrypt(KeyId=key["KeyId"], Plaintext=b"before")["CiphertextBlob"]
    here.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=90)
    assert there.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"]
    here.rotate_key_on_demand(KeyId=key["KeyId"])
    for sealed, text in ((before, b"before"), (there.encrypt(KeyId=key["KeyId"], Plaintext=b"after")["CiphertextBlob"], b"after")):
        assert here.decrypt(CiphertextBlob=sealed)["Plaintext"] == text
    with refused("UnsupportedOperationException"):
        there.rotate_key_on_demand(KeyId=key["KeyId"])


def test_the_primary_moves(here, there, make_pair, refused):
    key = make_pair()
    here.update_primary_region(KeyId=key["KeyId"], PrimaryRegion=THERE)
    assert configuration(there, key)["MultiRegionKeyType"] == "PRIMARY"
    moved = configuration(here, key)
    assert moved["MultiRegionKeyType"] == "REPLICA"
    assert (moved["PrimaryKey"]["Region"], moved["ReplicaKeys"][0]["Region"]) == (THERE, HERE)
    there.rotate_key_on_demand(KeyId=key["KeyId"])
    with refused("UnsupportedOperationException"):
        here.update_primary_region(KeyId=key["KeyId"], PrimaryRegion=HERE)


def test_a_primary_waits_for_its_replicas_before_it_goes(here, there, make_pair, refused):
    key = make_pair()
    sealed = here.encrypt(KeyId=key["KeyId"], Plaintext=b"text")["CiphertextBlob"]
    reply = here.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert (reply["KeyState"], reply["PendingWindowInDays"]) == ("PendingReplicaDeletion", 7)
    assert "DeletionDate" not in reply
    waiting = here.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert (waiting["KeyState"], waiting["PendingDeletionWindowInDays"]) == ("PendingReplicaDeletion", 7)
    with refused("KMSInvalidStateException", f"{arn(HERE, key)} is pending replica deletion."):
        here.decrypt(CiphertextBlob=sealed)
    assert there.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"text"
    assert here.cancel_key_deletion(KeyId=key["KeyId"])["KeyId"] == arn(HERE, key)
    assert here.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    here.enable_key(KeyId=key["KeyId"])
    assert here.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"text"


def test_a_replica_goes_by_itself_and_may_be_kept(here, there, make_pair):
    key = make_pair()
    reply = there.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=7)
    assert reply["KeyState"] == "PendingDeletion" and reply["DeletionDate"]
    assert here.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"
    there.cancel_key_deletion(KeyId=key["KeyId"])
    assert there.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"


@pytest.mark.parametrize("region, code", [(THERE, "AlreadyExistsException"), (HERE, "AlreadyExistsException"), ("ap-south-1", "UnsupportedOperationException")])
def test_a_replica_that_cannot_be_is_refused(here, make_pair, refused, region, code):
    with refused(code):
        here.replicate_key(KeyId=make_pair()["KeyId"], ReplicaRegion=region)


def test_only_a_primary_is_replicated(there, make_pair, refused):
    with refused("UnsupportedOperationException"):
        there.replicate_key(KeyId=make_pair()["KeyId"], ReplicaRegion=HERE)
