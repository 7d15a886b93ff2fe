"""Rotation: automatic, on demand, and what old ciphertext does afterwards."""

import time

import pytest

DAY = 24 * 3600
ON_DEMAND_LIMIT = 25


def rotations(kms, key, **more):
    pages = kms.get_paginator("list_key_rotations").paginate(KeyId=key["KeyId"], **more)
    return [entry for page in pages for entry in page["Rotations"]]


@pytest.fixture
def rotate(kms, eventually):
    """Rotates on demand and waits until it is done."""

    def act(key):
        before = len(rotations(kms, key))
        assert kms.rotate_key_on_demand(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
        eventually(lambda: len(rotations(kms, key)) == before + 1)

    return act


def test_a_key_does_not_rotate_unless_told(kms, key):
    status = kms.get_key_rotation_status(KeyId=key["KeyId"])
    assert (status["KeyRotationEnabled"], status["KeyId"]) == (False, key["Arn"])
    assert not {"RotationPeriodInDays", "NextRotationDate"} & status.keys()
    assert rotations(kms, key) == []


@pytest.mark.parametrize(("asked", "days"), [(None, 365), (90, 90), (2560, 2560)])
def test_automatic_rotation_tells_its_next_day(kms, key, asked, days):
    kms.enable_key_rotation(KeyId=key["KeyId"], **({"RotationPeriodInDays": asked} if asked else {}))
    status = kms.get_key_rotation_status(KeyId=key["KeyId"])
    assert (status["KeyRotationEnabled"], status["RotationPeriodInDays"]) == (True, days)
    assert abs(status["NextRotationDate"].timestamp() - time.time() - days * DAY) < 120
    kms.disable_key_rotation(KeyId=key["KeyId"])
    assert kms.get_key_rotation_status(KeyId=key["KeyId"])["KeyRotationEnabled"] is False


@pytest.mark.parametrize("days", [89, 2561])
def test_a_rotation_period_out_of_range_is_refused(unchecked, key, refused, days):
    with refused("ValidationException"):
        unchecked.enable_key_rotation(KeyId=key["KeyId"], RotationPeriodInDays=days)


def test_rotation_on_demand_changes_the_material_and_old_ciphertext_still_opens(kms, key, rotate):
    old = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"old")["CiphertextBlob"]
    rotate(key)
    current = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["CurrentKeyMaterialId"]
    assert current != key["CurrentKeyMaterialId"]
    new = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"new")["CiphertextBlob"]
    for blob, plaintext, material in ((old, b"old", key["CurrentKeyMaterialId"]), (new, b"new", current)):
        opened = kms.decrypt(CiphertextBlob=blob, KeyId=key["KeyId"])
        assert (opened["Plaintext"], opened["KeyMaterialId"]) == (plaintext, material)


def test_a_completed_rotation_is_listed(kms, key, rotate):
    rotate(key)
    (entry,) = rotations(kms, key)
    assert entry["KeyId"] == key["KeyId"] or entry["KeyId"] == key["Arn"]
    assert entry["RotationType"] == "ON_DEMAND"
    assert abs(entry["RotationDate"].timestamp() - time.time()) < 60
    every = rotations(kms, key, IncludeKeyMaterial="ALL_KEY_MATERIAL")
    states = {one["KeyMaterialId"]: one["KeyMaterialState"] for one in every}
    assert len(states) == 2
    assert states[key["CurrentKeyMaterialId"]] == "NON_CURRENT"
    assert states[entry["KeyMaterialId"]] == "CURRENT"
    first = next(one for one in every if one["KeyMaterialId"] == key["CurrentKeyMaterialId"])
    assert not {"RotationDate", "RotationType"} & first.keys()


def test_rotations_are_listed_page_by_page(kms, key, rotate):
    for _ in range(3):
        rotate(key)
    pages = list(kms.get_paginator("list_key_rotations").paginate(KeyId=key["KeyId"], PaginationConfig={"PageSize": 2}))
    assert [len(page["Rotations"]) for page in pages] == [2, 1]


def test_rotation_on_demand_has_a_limit(kms, key, rotate, refused):
    for _ in range(ON_DEMAND_LIMIT):
        rotate(key)
    with refused("LimitExceededException"):
        kms.rotate_key_on_demand(KeyId=key["KeyId"])


def test_reencrypting_to_the_same_key_takes_the_new_material(kms, key, rotate):
    old = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")["CiphertextBlob"]
    rotate(key)
    reply = kms.re_encrypt(CiphertextBlob=old, DestinationKeyId=key["KeyId"])
    assert reply["SourceKeyMaterialId"] == key["CurrentKeyMaterialId"]
    assert reply["DestinationKeyMaterialId"] != reply["SourceKeyMaterialId"]


@pytest.mark.parametrize(("spec", "usage"), [("ECC_NIST_P256", "SIGN_VERIFY"), ("HMAC_256", "GENERATE_VERIFY_MAC")])
def test_only_symmetric_keys_rotate(kms, make_key, refused, spec, usage):
    name = make_key(spec, usage)["KeyId"]
    for call in (kms.enable_key_rotation, kms.disable_key_rotation, kms.rotate_key_on_demand):
        with refused("UnsupportedOperationException"):
            call(KeyId=name)
