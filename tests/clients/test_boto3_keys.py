"""Keys: making, describing, listing, disabling, deleting."""

import time

import pytest

DAY = 24 * 3600
RSA_SIGNING = {f"RSASSA_{padding}_SHA_{bits}" for padding in ("PSS", "PKCS1_V1_5") for bits in (256, 384, 512)}
RSA_ENCRYPTION = {"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"}
ABSENT = "00000000-0000-0000-0000-000000000000"

SPECS = [
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", {"SYMMETRIC_DEFAULT"}),
    ("RSA_2048", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", RSA_ENCRYPTION),
    ("RSA_3072", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", RSA_ENCRYPTION),
    ("RSA_4096", "ENCRYPT_DECRYPT", "EncryptionAlgorithms", RSA_ENCRYPTION),
    ("RSA_2048", "SIGN_VERIFY", "SigningAlgorithms", RSA_SIGNING),
    ("RSA_3072", "SIGN_VERIFY", "SigningAlgorithms", RSA_SIGNING),
    ("RSA_4096", "SIGN_VERIFY", "SigningAlgorithms", RSA_SIGNING),
    ("ECC_NIST_P256", "SIGN_VERIFY", "SigningAlgorithms", {"ECDSA_SHA_256"}),
    ("ECC_NIST_P384", "SIGN_VERIFY", "SigningAlgorithms", {"ECDSA_SHA_384"}),
    ("ECC_NIST_P521", "SIGN_VERIFY", "SigningAlgorithms", {"ECDSA_SHA_512"}),
    ("ECC_SECG_P256K1", "SIGN_VERIFY", "SigningAlgorithms", {"ECDSA_SHA_256"}),
    ("HMAC_224", "GENERATE_VERIFY_MAC", "MacAlgorithms", {"HMAC_SHA_224"}),
    ("HMAC_256", "GENERATE_VERIFY_MAC", "MacAlgorithms", {"HMAC_SHA_256"}),
    ("HMAC_384", "GENERATE_VERIFY_MAC", "MacAlgorithms", {"HMAC_SHA_384"}),
    ("HMAC_512", "GENERATE_VERIFY_MAC", "MacAlgorithms", {"HMAC_SHA_512"}),
]


@pytest.mark.parametrize(("spec", "usage", "member", "algorithms"), SPECS)
def test_a_key_of_each_spec_describes_itself(kms, account, spec, usage, member, algorithms):
    made = kms.create_key(KeySpec=spec, KeyUsage=usage, Description="d")["KeyMetadata"]
    expected = {
        "AWSAccountId": account["id"],
        "Arn": f"arn:aws:kms:{account['region']}:{account['id']}:key/{made['KeyId']}",
        "Enabled": True,
        "Description": "d",
        "KeyUsage": usage,
        "KeyState": "Enabled",
        "Origin": "AWS_KMS",
        "KeyManager": "CUSTOMER",
        "KeySpec": spec,
        "CustomerMasterKeySpec": spec,
        "MultiRegion": False,
    }
    assert {name: made[name] for name in expected} == expected
    assert set(made[member]) == algorithms
    others = {"EncryptionAlgorithms", "SigningAlgorithms", "MacAlgorithms", "DeletionDate", "ValidTo"} - {member}
    assert not others & made.keys()
    assert abs(made["CreationDate"].timestamp() - time.time()) < 60
    assert ("CurrentKeyMaterialId" in made) == (spec == "SYMMETRIC_DEFAULT")
    assert kms.describe_key(KeyId=made["KeyId"])["KeyMetadata"] == made


def test_a_key_is_symmetric_unless_told_otherwise(kms):
    made = kms.create_key()["KeyMetadata"]
    assert (made["KeySpec"], made["KeyUsage"], made["Description"]) == ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT", "")


def test_the_old_name_of_the_key_spec_still_works(kms):
    made = kms.create_key(CustomerMasterKeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
    assert made["KeySpec"] == "ECC_NIST_P256"


def test_a_key_is_found_by_every_name_it_has(kms, key, account):
    alias = f"alias/by-every-name-{key['KeyId']}"
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    arn = f"arn:aws:kms:{account['region']}:{account['id']}:{alias}"
    for name in (key["KeyId"], key["Arn"], alias, arn):
        assert kms.describe_key(KeyId=name)["KeyMetadata"]["Arn"] == key["Arn"]


def test_a_key_that_is_not_there_is_not_found(kms, account, refused):
    arn = f"arn:aws:kms:{account['region']}:{account['id']}:key/{ABSENT}"
    for name in (ABSENT, arn):
        with refused("NotFoundException", f"Key '{arn}' does not exist"):
            kms.describe_key(KeyId=name)
    with refused("NotFoundException", "Invalid keyId 'nonsense'"):
        kms.describe_key(KeyId="nonsense")
    alias = f"arn:aws:kms:{account['region']}:{account['id']}:alias/absent"
    with refused("NotFoundException", f"Alias {alias} is not found."):
        kms.describe_key(KeyId="alias/absent")


def test_a_key_of_another_region_is_not_found(kms, key, refused):
    elsewhere = key["Arn"].replace(f":{key['Arn'].split(':')[3]}:", ":antarctica-1:")
    with refused("NotFoundException", "Invalid arn antarctica-1"):
        kms.describe_key(KeyId=elsewhere)


def test_a_spec_other_than_symmetric_needs_a_usage(kms, refused):
    text = "You must specify a KeyUsage value for all KMS keys except for symmetric encryption keys."
    with refused("ValidationException", text):
        kms.create_key(KeySpec="RSA_2048")


@pytest.mark.parametrize(
    ("spec", "usage"),
    [
        ("HMAC_256", "ENCRYPT_DECRYPT"),
        ("ECC_NIST_P256", "ENCRYPT_DECRYPT"),
        ("RSA_2048", "GENERATE_VERIFY_MAC"),
        ("SYMMETRIC_DEFAULT", "SIGN_VERIFY"),
    ],
)
def test_a_usage_that_the_spec_cannot_have_is_refused(kms, refused, spec, usage):
    with refused("ValidationException"):
        kms.create_key(KeySpec=spec, KeyUsage=usage)


def test_a_spec_that_does_not_exist_is_refused_by_name(unchecked, refused):
    with refused("ValidationException") as refusal:
        unchecked.create_key(KeySpec="ROT_13")
    start = "1 validation error detected: Value 'ROT_13' at 'keySpec' failed to satisfy constraint: Member must satisfy enum"
    assert refusal.text.startswith(start)


def test_keys_are_listed_page_by_page_without_gap_or_repeat(kms, make_key):
    made = {make_key()["KeyId"] for _ in range(5)}
    pages = list(kms.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 3}))
    assert all(len(page["Keys"]) == 3 for page in pages[:-1])
    assert [page["Truncated"] for page in pages] == [True] * (len(pages) - 1) + [False]
    assert ["NextMarker" in page for page in pages] == [page["Truncated"] for page in pages]
    listed = [entry["KeyId"] for page in pages for entry in page["Keys"]]
    assert len(listed) == len(set(listed))
    assert made <= set(listed)


def test_a_marker_that_was_never_given_out_is_refused(kms, refused):
    with refused("InvalidMarkerException"):
        kms.list_keys(Marker="nonsense")


def test_a_page_size_out_of_range_is_refused(unchecked, refused):
    with refused("ValidationException") as refusal:
        unchecked.list_keys(Limit=0)
    assert "'limit' failed to satisfy constraint: Member must have value greater than or equal to 1" in refusal.text
    with refused("ValidationException"):
        unchecked.list_keys(Limit=1001)


def test_a_disabled_key_is_enabled_again(kms, key):
    kms.disable_key(KeyId=key["KeyId"])
    described = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert (described["KeyState"], described["Enabled"]) == ("Disabled", False)
    kms.enable_key(KeyId=key["Arn"])
    described = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert (described["KeyState"], described["Enabled"]) == ("Enabled", True)


def test_disabling_and_enabling_twice_changes_nothing(kms, key):
    for act in (kms.disable_key, kms.disable_key, kms.enable_key, kms.enable_key):
        act(KeyId=key["KeyId"])
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_description_is_replaced(kms, key):
    kms.update_key_description(KeyId=key["KeyId"], Description="Schlüssel für die Waage")
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["Description"] == "Schlüssel für die Waage"


def test_a_description_that_is_too_long_is_refused(unchecked, key, refused):
    with refused("ValidationException"):
        unchecked.update_key_description(KeyId=key["KeyId"], Description="d" * 8193)


@pytest.mark.parametrize(("asked", "days"), [(None, 30), (7, 7), (30, 30)])
def test_a_scheduled_deletion_tells_its_day(kms, key, asked, days):
    more = {"PendingWindowInDays": asked} if asked else {}
    reply = kms.schedule_key_deletion(KeyId=key["KeyId"], **more)
    assert (reply["KeyId"], reply["KeyState"]) == (key["Arn"], "PendingDeletion")
    assert reply["PendingWindowInDays"] == days
    assert abs(reply["DeletionDate"].timestamp() - time.time() - days * DAY) < 120
    described = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert (described["KeyState"], described["Enabled"]) == ("PendingDeletion", False)
    assert described["DeletionDate"] == reply["DeletionDate"]


@pytest.mark.parametrize("days", [6, 31])
def test_a_deletion_window_is_seven_to_thirty_days(unchecked, key, refused, days):
    with refused("ValidationException"):
        unchecked.schedule_key_deletion(KeyId=key["KeyId"], PendingWindowInDays=days)


def test_a_cancelled_deletion_leaves_the_key_disabled(kms, key):
    kms.schedule_key_deletion(KeyId=key["KeyId"])
    assert kms.cancel_key_deletion(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
    described = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    assert described["KeyState"] == "Disabled"
    assert "DeletionDate" not in described
    kms.enable_key(KeyId=key["KeyId"])


def test_only_a_scheduled_deletion_can_be_cancelled(kms, key, refused):
    with refused("KMSInvalidStateException", f"{key['Arn']} is not pending deletion."):
        kms.cancel_key_deletion(KeyId=key["KeyId"])


def test_last_usage_names_the_last_use(kms, key, eventually):
    fresh = kms.get_key_last_usage(KeyId=key["KeyId"])
    assert fresh["KeyLastUsage"] == {}
    assert fresh["KeyCreationDate"] == key["CreationDate"]
    assert fresh["TrackingStartDate"] >= key["CreationDate"]
    used = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    last = eventually(lambda: kms.get_key_last_usage(KeyId=key["KeyId"])["KeyLastUsage"])
    assert last["Operation"] == "Encrypt"
    assert abs(last["Timestamp"].timestamp() - time.time()) < 60
    assert last["KmsRequestId"] == used["ResponseMetadata"]["RequestId"]
    assert last["CloudTrailEventId"]


def test_a_dry_run_is_no_use(kms, key, refused):
    with refused("DryRunOperationException"):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", DryRun=True)
    assert kms.get_key_last_usage(KeyId=key["KeyId"])["KeyLastUsage"] == {}
