"""Key policies: the default, refusal of what is malformed or locks out, and what a policy denies or lets a user do."""

import json

import pytest
import users
from conftest import connect

LOCKOUT = "The new key policy will not allow you to update the key policy in the future."


def root(account):
    return f"arn:aws:iam::{account['id']}:root"


def allow_all(account):
    return {"Sid": "all", "Effect": "Allow", "Principal": {"AWS": root(account)}, "Action": "kms:*", "Resource": "*"}


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def deny(action, condition=None):
    statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"}
    return {**statement, "Condition": condition} if condition else statement


def test_the_default_policy_hands_the_key_to_its_account(kms, key, account):
    reply = kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")
    assert reply["PolicyName"] == "default"
    policy = json.loads(reply["Policy"])
    assert policy["Version"] == "2012-10-17"
    (statement,) = policy["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"AWS": root(account)}
    assert (statement["Action"], statement["Resource"]) == ("kms:*", "*")


def test_a_key_has_one_policy_and_it_is_called_default(kms, key, account, refused):
    reply = kms.list_key_policies(KeyId=key["KeyId"])
    assert (reply["PolicyNames"], reply["Truncated"]) == (["default"], False)
    assert kms.get_key_policy(KeyId=key["KeyId"])["PolicyName"] == "default"
    with refused("NotFoundException", "No such policy exists"):
        kms.get_key_policy(KeyId=key["KeyId"], PolicyName="other")


def test_a_policy_is_given_back_as_it_came(kms, make_key, account):
    policy = json.dumps(json.loads(document(allow_all(account))), indent=3)
    key = make_key(Policy=policy)
    assert kms.get_key_policy(KeyId=key["KeyId"])["Policy"] == policy
    changed = document(allow_all(account), deny("kms:Sign"))
    kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=changed)
    assert kms.get_key_policy(KeyId=key["KeyId"])["Policy"] == changed


@pytest.mark.parametrize(
    "change",
    [
        {"Principal": None},
        {"Action": None},
        {"Resource": None},
        {"Effect": "Perhaps"},
        {"Effect": None},
        {"Condition": {"NoSuchOperator": {"kms:KeySpec": "RSA_2048"}}},
        {"Extra": "member"},
        {"Principal": {"AWS": "not an arn"}},
    ],
)
def test_a_malformed_statement_is_refused(kms, key, account, refused, change):
    merged = {**allow_all(account), "Sid": "changed", **change}
    wrong = {name: value for name, value in merged.items() if value is not None}
    policy = document(allow_all(account), wrong)
    with refused("MalformedPolicyDocumentException"):
        kms.put_key_policy(KeyId=key["KeyId"], Policy=policy)
    with refused("MalformedPolicyDocumentException"):
        kms.create_key(Policy=policy)


@pytest.mark.parametrize("text", ["{", "[]", '"text"', "{}", '{"Version":"2012-10-17","Statement":[]}', '{"Version":"1999-01-01"}'])
def test_a_document_that_is_no_policy_is_refused(kms, key, refused, text):
    with refused("MalformedPolicyDocumentException"):
        kms.put_key_policy(KeyId=key["KeyId"], Policy=text)


def test_repeated_members_are_refused(kms, key, account, refused):
    twice = document(allow_all(account)).replace('"Effect": "Allow"', '"Effect": "Deny", "Effect": "Allow"')
    with refused("MalformedPolicyDocumentException"):
        kms.put_key_policy(KeyId=key["KeyId"], Policy=twice)


def test_a_policy_that_locks_its_author_out_is_refused_unless_bypassed(kms, key, account, refused):
    lockout = document({**allow_all(account), "Action": "kms:DescribeKey"})
    with refused("MalformedPolicyDocumentException", LOCKOUT):
        kms.put_key_policy(KeyId=key["KeyId"], Policy=lockout)
    with refused("MalformedPolicyDocumentException", LOCKOUT):
        kms.create_key(Policy=lockout)
    kms.put_key_policy(KeyId=key["KeyId"], Policy=lockout, BypassPolicyLockoutSafetyCheck=True)
    assert kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Enabled"
    for call in (
        lambda: kms.put_key_policy(KeyId=key["KeyId"], Policy=document(allow_all(account))),
        lambda: kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p"),
    ):
        with refused("AccessDeniedException"):
            call()


def test_a_denial_wins_and_says_where_it_came_from(kms, key, account, refused):
    kms.put_key_policy(KeyId=key["KeyId"], Policy=document(allow_all(account), deny("kms:Encrypt")))
    text = (
        f"User: {account['arn']} is not authorized to perform: kms:Encrypt on resource: {key['Arn']} "
        "with an explicit deny in a resource-based policy"
    )
    with refused("AccessDeniedException", text):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    assert kms.generate_data_key(KeyId=key["KeyId"], KeySpec="AES_256")["Plaintext"]


def test_a_dry_run_tells_of_a_denial(kms, key, account, refused):
    kms.put_key_policy(KeyId=key["KeyId"], Policy=document(allow_all(account), deny("kms:Encrypt")))
    with refused("AccessDeniedException"):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", DryRun=True)


CONDITIONS = [
    ({"StringNotEquals": {"kms:EncryptionContext:tenant": "a"}}, {"tenant": "b"}, {"tenant": "a"}),
    ({"StringEquals": {"kms:EncryptionContext:tenant": "b"}}, {"tenant": "b"}, {"tenant": "a"}),
    ({"StringLike": {"kms:EncryptionContext:path": "secret/*"}}, {"path": "secret/x"}, {"path": "open/x"}),
    ({"Null": {"kms:EncryptionContext:tenant": "true"}}, {}, {"tenant": "a"}),
    ({"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": ["bad"]}}, {"bad": "1", "x": "2"}, {"x": "2"}),
    ({"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["a", "b"]}}, {"a": "1", "b": "2"}, {"a": "1", "c": "2"}),
    ({"StringEqualsIfExists": {"kms:EncryptionContext:tenant": "b"}}, {}, {"tenant": "a"}),
]


@pytest.mark.parametrize(("condition", "denied", "allowed"), CONDITIONS)
def test_a_condition_on_the_context_decides(kms, key, account, refused, condition, denied, allowed):
    policy = document(allow_all(account), deny("kms:Encrypt", condition))
    kms.put_key_policy(KeyId=key["KeyId"], Policy=policy)
    with refused("AccessDeniedException"):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", EncryptionContext=denied)
    kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", EncryptionContext=allowed)


def test_a_condition_on_the_alias_used_decides(kms, key, account, refused):
    alias = f"alias/asked/{key['KeyId']}"
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    denial = deny("kms:Encrypt", {"StringEquals": {"kms:RequestAlias": alias}})
    kms.put_key_policy(KeyId=key["KeyId"], Policy=document(allow_all(account), denial))
    with refused("AccessDeniedException"):
        kms.encrypt(KeyId=alias, Plaintext=b"p")
    kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")


@pytest.mark.parametrize(
    ("condition", "denied"),
    [
        ({"StringEquals": {"kms:SigningAlgorithm": "RSASSA_PSS_SHA_256"}}, "RSASSA_PSS_SHA_256"),
        ({"StringLike": {"kms:SigningAlgorithm": "*PKCS1*"}}, "RSASSA_PKCS1_V1_5_SHA_256"),
    ],
)
def test_a_condition_on_the_algorithm_decides(kms, make_key, account, refused, condition, denied):
    key = make_key("RSA_2048", "SIGN_VERIFY", Policy=document(allow_all(account), deny("kms:Sign", condition)))
    with refused("AccessDeniedException"):
        kms.sign(KeyId=key["KeyId"], Message=b"m", SigningAlgorithm=denied)
    kms.sign(KeyId=key["KeyId"], Message=b"m", SigningAlgorithm="RSASSA_PSS_SHA_512")


def test_a_condition_on_the_connection_decides(kms, key, account, refused):
    policy = document(allow_all(account), deny("kms:Encrypt", {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}))
    kms.put_key_policy(KeyId=key["KeyId"], Policy=policy)
    with refused("AccessDeniedException"):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    policy = document(allow_all(account), deny("kms:Encrypt", {"Bool": {"aws:SecureTransport": "false"}}))
    kms.put_key_policy(KeyId=key["KeyId"], Policy=policy)
    kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")


def test_a_user_without_a_policy_may_do_nothing(make_user, key, refused):
    user, theirs = make_user()
    text = f"User: {user.arn} is not authorized to perform: kms:Encrypt on resource: {key['Arn']} because no identity-based policy allows the kms:Encrypt action"
    with refused("AccessDeniedException", text):
        theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    with refused("AccessDeniedException"):
        theirs.list_keys()


def test_a_key_policy_lets_a_user_in(kms, make_user, key, account, refused):
    user, theirs = make_user()
    entry = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": ["kms:Encrypt", "kms:DescribeKey"], "Resource": "*"}
    kms.put_key_policy(KeyId=key["KeyId"], Policy=document(allow_all(account), entry))
    blob = theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p")["CiphertextBlob"]
    with refused("AccessDeniedException"):
        theirs.decrypt(CiphertextBlob=blob)
    with refused("AccessDeniedException"):
        theirs.put_key_policy(KeyId=key["KeyId"], Policy=document(allow_all(account)))


def test_an_identity_policy_lets_a_user_in_where_the_key_trusts_its_account(make_user, make_key, refused):
    mine, other = make_key(), make_key()
    statement = {"Effect": "Allow", "Action": "kms:GenerateDataKey*", "Resource": mine["Arn"]}
    _, theirs = make_user({"Version": "2012-10-17", "Statement": [statement]})
    theirs.generate_data_key(KeyId=mine["KeyId"], KeySpec="AES_256")
    theirs.generate_data_key_without_plaintext(KeyId=mine["KeyId"], KeySpec="AES_256")
    with refused("AccessDeniedException"):
        theirs.generate_data_key(KeyId=other["KeyId"], KeySpec="AES_256")


def test_an_identity_policy_is_inert_where_the_key_does_not_trust_its_account(kms, make_user, make_key, account, refused):
    only_admin = {**allow_all(account), "Principal": {"AWS": account["arn"]}}
    key = make_key(Policy=document(only_admin))
    statement = {"Effect": "Allow", "Action": "kms:*", "Resource": "*"}
    _, theirs = make_user({"Version": "2012-10-17", "Statement": [statement]})
    with refused("AccessDeniedException"):
        theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")


def test_an_identity_policys_denial_wins_over_the_key_policy(kms, make_user, key, account, refused):
    statement = {"Effect": "Deny", "Action": "kms:Encrypt", "Resource": "*"}
    user, theirs = make_user({"Version": "2012-10-17", "Statement": [statement]})
    entry = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "kms:Encrypt", "Resource": "*"}
    kms.put_key_policy(KeyId=key["KeyId"], Policy=document(allow_all(account), entry))
    with refused("AccessDeniedException"):
        theirs.encrypt(KeyId=key["KeyId"], Plaintext=b"p")


def test_reencrypting_needs_both_keys(kms, make_user, make_key, account, refused):
    source, destination = make_key(), make_key()
    user, theirs = make_user()
    blob = kms.encrypt(KeyId=source["KeyId"], Plaintext=b"p")["CiphertextBlob"]

    def admit(key, action):
        entry = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": action, "Resource": "*"}
        kms.put_key_policy(KeyId=key["KeyId"], Policy=document(allow_all(account), entry))

    def attempt():
        return theirs.re_encrypt(CiphertextBlob=blob, DestinationKeyId=destination["KeyId"])

    admit(source, "kms:ReEncryptFrom")
    with refused("AccessDeniedException"):
        attempt()
    admit(destination, "kms:ReEncryptTo")
    assert attempt()["KeyId"] == destination["Arn"]


def test_whoever_is_made_under_a_deleted_users_name_has_nothing_of_what_the_user_was_given(
    server, kms, make_key, account, make_user, refused
):
    named, granted = make_key(), make_key()
    user, client = make_user()
    name = user.arn.split("/")[-1]
    allow = {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "kms:Encrypt", "Resource": "*"}
    kms.put_key_policy(KeyId=named["KeyId"], Policy=document(allow_all(account), allow))
    grant = {"GranteePrincipal": user.arn, "RetiringPrincipal": user.arn, "Operations": ["Encrypt"]}
    kms.create_grant(KeyId=granted["KeyId"], **grant)
    for key in (named, granted):
        client.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    gone = users.admin(server, "principal", "show", name)["unique_id"]
    users.admin(server, "principal", "delete", name)
    anew = connect(server, credentials=users.make(server, name).credentials)
    for key in (named, granted):
        with refused("AccessDeniedException"):
            anew.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
    policy = kms.get_key_policy(KeyId=named["KeyId"])["Policy"]
    assert json.loads(policy)["Statement"][1]["Principal"] == {"AWS": gone}
    (shown,) = kms.list_grants(KeyId=granted["KeyId"])["Grants"]
    assert (shown["GranteePrincipal"], shown["RetiringPrincipal"]) == (gone, gone)
    with refused("MalformedPolicyDocumentException", "Policy contains a statement with one or more invalid principals."):
        kms.put_key_policy(KeyId=named["KeyId"], Policy=policy)
