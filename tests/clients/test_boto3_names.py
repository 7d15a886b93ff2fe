"""Aliases and tags."""

import uuid

import pytest

PREFIX_TEXT = (
    'Alias must start with the prefix "alias/". '
    "Please see https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html"
)


@pytest.fixture
def alias():
    return f"alias/tests/{uuid.uuid4().hex}"


def arn(account, alias):
    return f"arn:aws:kms:{account['region']}:{account['id']}:{alias}"


def listed(kms, **arguments):
    pages = kms.get_paginator("list_aliases").paginate(**arguments)
    return {entry["AliasName"]: entry for page in pages for entry in page["Aliases"]}


def test_an_alias_is_listed_with_its_key(kms, key, alias, account):
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    entry = listed(kms)[alias]
    assert (entry["AliasArn"], entry["TargetKeyId"]) == (arn(account, alias), key["KeyId"])
    assert entry["CreationDate"] == entry["LastUpdatedDate"]
    assert listed(kms, KeyId=key["KeyId"]).keys() == listed(kms, KeyId=key["Arn"]).keys() == {alias}


def test_an_alias_moves_to_another_key(kms, make_key, alias):
    old, new = make_key(), make_key()
    kms.create_alias(AliasName=alias, TargetKeyId=old["KeyId"])
    blob = kms.encrypt(KeyId=alias, Plaintext=b"p")["CiphertextBlob"]
    kms.update_alias(AliasName=alias, TargetKeyId=new["Arn"])
    assert kms.encrypt(KeyId=alias, Plaintext=b"p")["KeyId"] == new["Arn"]
    assert kms.decrypt(CiphertextBlob=blob)["KeyId"] == old["Arn"]
    assert listed(kms, KeyId=old["KeyId"]) == {}


def test_an_alias_moves_only_to_a_key_of_the_same_use(kms, make_key, alias, refused):
    kms.create_alias(AliasName=alias, TargetKeyId=make_key()["KeyId"])
    with refused(("ValidationException", "KMSInvalidStateException")):
        kms.update_alias(AliasName=alias, TargetKeyId=make_key("HMAC_256", "GENERATE_VERIFY_MAC")["KeyId"])


def test_a_deleted_alias_is_gone_and_its_key_is_not(kms, key, alias, account, refused):
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    kms.delete_alias(AliasName=alias)
    for call in (lambda: kms.describe_key(KeyId=alias), lambda: kms.delete_alias(AliasName=alias)):
        with refused("NotFoundException", f"Alias {arn(account, alias)} is not found."):
            call()
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"


def test_an_alias_names_one_key(kms, key, alias, account, refused):
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    with refused("AlreadyExistsException", f"An alias with the name {arn(account, alias)} already exists"):
        kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])


def test_an_alias_begins_with_its_prefix(kms, key, refused):
    with refused("ValidationException", PREFIX_TEXT):
        kms.create_alias(AliasName="no-prefix", TargetKeyId=key["KeyId"])


@pytest.mark.parametrize("name", ["alias/with space", "alias/ünicode", "alias/" + "x" * 251])
def test_an_alias_of_other_characters_or_length_is_refused(unchecked, key, refused, name):
    with refused(("ValidationException", "InvalidAliasNameException")):
        unchecked.create_alias(AliasName=name, TargetKeyId=key["KeyId"])


def test_the_names_of_aws_are_reserved(kms, key, refused):
    with refused("NotAuthorizedException"):
        kms.create_alias(AliasName="alias/aws/mine", TargetKeyId=key["KeyId"])


def test_an_alias_needs_a_key(kms, alias, refused):
    with refused("NotFoundException"):
        kms.create_alias(AliasName=alias, TargetKeyId="00000000-0000-0000-0000-000000000000")


def test_aliases_are_listed_page_by_page(kms, key):
    made = {f"alias/page/{uuid.uuid4().hex}" for _ in range(5)}
    for name in made:
        kms.create_alias(AliasName=name, TargetKeyId=key["KeyId"])
    pages = list(kms.get_paginator("list_aliases").paginate(KeyId=key["KeyId"], PaginationConfig={"PageSize": 2}))
    assert [len(page["Aliases"]) for page in pages] == [2, 2, 1]
    assert {entry["AliasName"] for page in pages for entry in page["Aliases"]} == made


def test_a_marker_of_another_listing_is_refused(kms, key, refused):
    for _ in range(3):
        kms.create_alias(AliasName=f"alias/page/{uuid.uuid4().hex}", TargetKeyId=key["KeyId"])
    marker = kms.list_aliases(KeyId=key["KeyId"], Limit=1)["NextMarker"]
    with refused("InvalidMarkerException"):
        kms.list_keys(Marker=marker)


def tags(kms, key):
    pages = kms.get_paginator("list_resource_tags").paginate(KeyId=key["KeyId"])
    return {tag["TagKey"]: tag["TagValue"] for page in pages for tag in page["Tags"]}


def pairs(**values):
    return [{"TagKey": key, "TagValue": value} for key, value in values.items()]


def test_tags_are_set_replaced_and_removed(kms, make_key):
    key = make_key(Tags=pairs(team="red", stage="test"))
    assert tags(kms, key) == {"team": "red", "stage": "test"}
    kms.tag_resource(KeyId=key["KeyId"], Tags=pairs(team="blue", cost="42"))
    assert tags(kms, key) == {"team": "blue", "stage": "test", "cost": "42"}
    kms.untag_resource(KeyId=key["KeyId"], TagKeys=["team", "absent"])
    assert tags(kms, key) == {"stage": "test", "cost": "42"}


def test_tags_are_listed_page_by_page(kms, make_key):
    key = make_key(Tags=pairs(**{f"k{n}": "v" for n in range(5)}))
    first = kms.list_resource_tags(KeyId=key["KeyId"], Limit=2)
    assert (len(first["Tags"]), first["Truncated"]) == (2, True)
    rest = kms.list_resource_tags(KeyId=key["KeyId"], Limit=3, Marker=first["NextMarker"])
    assert (len(rest["Tags"]), rest["Truncated"]) == (3, False)
    assert "NextMarker" not in rest


def test_reserved_repeated_and_too_many_tags_are_refused(kms, key, refused):
    for wrong, text in (
        ([{"TagKey": "aws:team", "TagValue": "v"}], "Tags beginning with aws: are reserved"),
        (pairs(a="1") + pairs(a="2"), "Duplicate tag keys"),
        (pairs(**{f"k{n}": "v" for n in range(51)}), "Too many tags"),
    ):
        with refused("TagException", text):
            kms.tag_resource(KeyId=key["KeyId"], Tags=wrong)
        with refused("TagException", text):
            kms.create_key(Tags=wrong)


def test_a_tag_that_is_too_long_is_refused(unchecked, key, refused):
    for wrong in ({"k" * 129: "v"}, {"k": "v" * 257}):
        with refused("ValidationException"):
            unchecked.tag_resource(KeyId=key["KeyId"], Tags=pairs(**wrong))
