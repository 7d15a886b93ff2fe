"""Grants: making, listing, retiring, revoking, constraints and tokens."""

import time

import pytest

DRY_RUN = "The request would have succeeded, but the DryRun option is set."


def grants(kms, key, **more):
    return kms.list_grants(KeyId=key["KeyId"], **more)["Grants"]


def test_a_grant_is_listed_as_it_was_made(kms, key, account):
    made = kms.create_grant(
        KeyId=key["KeyId"],
        GranteePrincipal=account["arn"],
        RetiringPrincipal=account["arn"],
        Operations=["Encrypt", "Decrypt"],
        Constraints={"EncryptionContextSubset": {"tenant": "a"}},
        Name="first",
    )
    (grant,) = grants(kms, key)
    assert grant["GrantId"] == made["GrantId"]
    assert grant["KeyId"] == key["Arn"]
    assert (grant["GranteePrincipal"], grant["RetiringPrincipal"]) == (account["arn"], account["arn"])
    assert grant["IssuingAccount"] == f"arn:aws:iam::{account['id']}:root"
    assert set(grant["Operations"]) == {"Encrypt", "Decrypt"}
    assert grant["Constraints"] == {"EncryptionContextSubset": {"tenant": "a"}}
    assert grant["Name"] == "first"
    assert abs(grant["CreationDate"].timestamp() - time.time()) < 60


def test_a_grant_made_again_under_its_name_is_the_same_grant(kms, key, account):
    request = {"KeyId": key["KeyId"], "GranteePrincipal": account["arn"], "Operations": ["Encrypt"]}
    named = [kms.create_grant(Name="n", **request) for _ in range(2)]
    assert named[0]["GrantId"] == named[1]["GrantId"]
    assert named[0]["GrantToken"] != named[1]["GrantToken"]
    other = kms.create_grant(Name="n", **{**request, "Operations": ["Decrypt"]})
    unnamed = [kms.create_grant(**request) for _ in range(2)]
    assert len({named[0]["GrantId"], other["GrantId"], unnamed[0]["GrantId"], unnamed[1]["GrantId"]}) == 4


def test_grants_are_filtered_and_listed_page_by_page(kms, key, account):
    request = {"KeyId": key["KeyId"], "GranteePrincipal": account["arn"], "Operations": ["Encrypt"]}
    made = {kms.create_grant(**request)["GrantId"] for _ in range(5)}
    pages = list(kms.get_paginator("list_grants").paginate(KeyId=key["KeyId"], PaginationConfig={"PageSize": 2}))
    assert [len(page["Grants"]) for page in pages] == [2, 2, 1]
    assert {grant["GrantId"] for page in pages for grant in page["Grants"]} == made
    one = made.pop()
    assert [grant["GrantId"] for grant in grants(kms, key, GrantId=one)] == [one]
    assert len(grants(kms, key, GranteePrincipal=account["arn"])) == 5
    assert grants(kms, key, GranteePrincipal=account["arn"] + "-other") == []


def test_retirable_grants_are_listed_by_who_may_retire_them(kms, make_key, account):
    retirer = f"arn:aws:iam::{account['id']}:root"
    first, second = make_key(), make_key()
    request = {"GranteePrincipal": account["arn"], "Operations": ["Encrypt"]}
    made = {kms.create_grant(KeyId=k["KeyId"], RetiringPrincipal=retirer, **request)["GrantId"] for k in (first, second)}
    other = kms.create_grant(KeyId=first["KeyId"], **request)["GrantId"]
    pages = kms.get_paginator("list_retirable_grants").paginate(RetiringPrincipal=retirer)
    listed = {grant["GrantId"] for page in pages for grant in page["Grants"]}
    assert made <= listed
    assert other not in listed


def test_a_revoked_grant_is_gone(kms, key, account, refused):
    made = kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=account["arn"], Operations=["Encrypt"])
    with refused("DryRunOperationException", DRY_RUN):
        kms.revoke_grant(KeyId=key["KeyId"], GrantId=made["GrantId"], DryRun=True)
    assert len(grants(kms, key)) == 1
    kms.revoke_grant(KeyId=key["KeyId"], GrantId=made["GrantId"])
    assert grants(kms, key) == []
    with refused("NotFoundException"):
        kms.revoke_grant(KeyId=key["KeyId"], GrantId=made["GrantId"])


@pytest.mark.parametrize("by", ["token", "id"])
def test_a_grant_is_retired_by_its_token_or_by_its_id(kms, key, account, by):
    made = kms.create_grant(
        KeyId=key["KeyId"], GranteePrincipal=account["arn"], RetiringPrincipal=account["arn"], Operations=["Encrypt"]
    )
    if by == "token":
        kms.retire_grant(GrantToken=made["GrantToken"])
    else:
        kms.retire_grant(KeyId=key["Arn"], GrantId=made["GrantId"])
    assert grants(kms, key) == []


def test_dry_runs_make_and_retire_nothing(kms, key, account, refused):
    request = {"KeyId": key["KeyId"], "GranteePrincipal": account["arn"], "Operations": ["Encrypt"]}
    with refused("DryRunOperationException", DRY_RUN):
        kms.create_grant(DryRun=True, **request)
    assert grants(kms, key) == []
    made = kms.create_grant(RetiringPrincipal=account["arn"], **request)
    with refused("DryRunOperationException", DRY_RUN):
        kms.retire_grant(GrantToken=made["GrantToken"], DryRun=True)
    assert len(grants(kms, key)) == 1


def test_a_grants_operations_fit_its_key(kms, key, make_key, account, unchecked, refused):
    for name, operations in (
        (key["KeyId"], ["Sign"]),
        (key["KeyId"], ["GenerateMac"]),
        (make_key("ECC_NIST_P256", "SIGN_VERIFY")["KeyId"], ["Encrypt"]),
    ):
        with refused("ValidationException"):
            kms.create_grant(KeyId=name, GranteePrincipal=account["arn"], Operations=operations)
    with refused("ValidationException"):
        unchecked.create_grant(KeyId=key["KeyId"], GranteePrincipal=account["arn"], Operations=["DeleteEverything"])


def test_constraints_are_only_for_symmetric_keys(kms, make_key, account, refused):
    for spec, usage, operation in (("ECC_NIST_P256", "SIGN_VERIFY", "Sign"), ("HMAC_256", "GENERATE_VERIFY_MAC", "GenerateMac")):
        with refused("ValidationException"):
            kms.create_grant(
                KeyId=make_key(spec, usage)["KeyId"],
                GranteePrincipal=account["arn"],
                Operations=[operation],
                Constraints={"EncryptionContextEquals": {"a": "b"}},
            )


def test_a_grantee_is_a_principal(kms, key, refused):
    with refused("InvalidArnException"):
        kms.create_grant(KeyId=key["KeyId"], GranteePrincipal="nobody", Operations=["Encrypt"])


def test_what_is_no_grant_token_is_refused(kms, key, refused):
    with refused("InvalidGrantTokenException"):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", GrantTokens=["nonsense"])
    with refused("InvalidGrantTokenException"):
        kms.retire_grant(GrantToken="nonsense")


def test_a_grant_lets_its_grantee_do_what_it_names_and_no_more(kms, key, make_user, refused):
    user, theirs = make_user()
    with refused("AccessDeniedException"):
        theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    made = kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=user.arn, Operations=["Encrypt", "DescribeKey"])
    blob = theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p", GrantTokens=[made["GrantToken"]])["CiphertextBlob"]
    theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    theirs.describe_key(KeyId=key["KeyId"])
    for call in (
        lambda: theirs.decrypt(CiphertextBlob=blob),
        lambda: theirs.disable_key(KeyId=key["KeyId"]),
        lambda: theirs.list_grants(KeyId=key["KeyId"]),
    ):
        with refused("AccessDeniedException"):
            call()
    kms.revoke_grant(KeyId=key["KeyId"], GrantId=made["GrantId"])
    with refused("AccessDeniedException"):
        theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p")


@pytest.mark.parametrize(
    ("kind", "fits", "differs"),
    [
        ("EncryptionContextEquals", {"a": "1", "b": "2"}, {"a": "1", "b": "2", "c": "3"}),
        ("EncryptionContextEquals", {"b": "2", "a": "1"}, {"a": "1"}),
        ("EncryptionContextSubset", {"a": "1", "b": "2", "c": "3"}, {"a": "1"}),
        ("EncryptionContextSubset", {"a": "1", "b": "2"}, {"a": "1", "b": "x"}),
    ],
)
def test_a_constraint_holds_the_context(kms, key, make_user, refused, kind, fits, differs):
    user, theirs = make_user()
    kms.create_grant(
        KeyId=key["KeyId"], GranteePrincipal=user.arn, Operations=["GenerateDataKey"], Constraints={kind: {"a": "1", "b": "2"}}
    )
    theirs.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256", EncryptionContext=fits)
    with refused("AccessDeniedException"):
        theirs.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256", EncryptionContext=differs)


def test_a_key_policys_denial_wins_over_a_grant(kms, key, make_user, account, refused):
    user, theirs = make_user()
    kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=user.arn, Operations=["Encrypt"])
    theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    policy = f"""{{"Version": "2012-10-17", "Statement": [
        {{"Effect": "Allow", "Principal": {{"AWS": "arn:aws:iam::{account["id"]}:root"}}, "Action": "kms:*", "Resource": "*"}},
        {{"Effect": "Deny", "Principal": {{"AWS": "{user.arn}"}}, "Action": "kms:Encrypt", "Resource": "*"}}]}}"""
    kms.put_key_policy(KeyId=key["KeyId"], Policy=policy)
    with refused("AccessDeniedException"):
        theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p")


def test_a_grantee_may_hand_on_only_what_it_holds(kms, key, make_user, refused):
    first, theirs = make_user()
    second, _ = make_user()
    kms.create_grant(KeyId=key["KeyId"], GranteePrincipal=first.arn, Operations=["CreateGrant", "Encrypt"])
    theirs.create_grant(KeyId=key["KeyId"], GranteePrincipal=second.arn, Operations=["Encrypt"])
    with refused("AccessDeniedException"):
        theirs.create_grant(KeyId=key["KeyId"], GranteePrincipal=second.arn, Operations=["Decrypt"])


def test_a_grantee_retires_its_grant_only_where_it_may(kms, key, make_user, refused):
    user, theirs = make_user()
    request = {"KeyId": key["KeyId"], "GranteePrincipal": user.arn}
    kept = kms.create_grant(Operations=["Encrypt"], **request)
    free = kms.create_grant(Operations=["Encrypt", "RetireGrant"], **request)
    with refused("AccessDeniedException"):
        theirs.retire_grant(KeyId=key["Arn"], GrantId=kept["GrantId"])
    theirs.retire_grant(KeyId=key["Arn"], GrantId=free["GrantId"])
    assert [grant["GrantId"] for grant in grants(kms, key)] == [kept["GrantId"]]


def test_a_retiring_principal_retires_but_does_not_use(kms, key, account, make_user, refused):
    user, theirs = make_user()
    made = kms.create_grant(
        KeyId=key["KeyId"], GranteePrincipal=account["arn"], RetiringPrincipal=user.arn, Operations=["Encrypt"]
    )
    with refused("AccessDeniedException"):
        theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    theirs.retire_grant(GrantToken=made["GrantToken"])
    assert grants(kms, key) == []
