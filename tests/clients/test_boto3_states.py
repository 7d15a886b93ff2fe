"""What each operation answers for a key that is disabled, and for one that waits for its deletion."""

import uuid

import pytest


@pytest.fixture(scope="module")
def prepared(kms, account):
    """A disabled and a dying key, each with what the operations below need from before."""

    def prepare():
        key = kms.create_key()["KeyMetadata"]
        name = key["KeyId"]
        grant = kms.create_grant(KeyId=name, GranteePrincipal=account["arn"], Operations=["Encrypt"])
        return {"key": key, "blob": kms.encrypt(KeyId=name, Plaintext=b"p")["CiphertextBlob"], "grant": grant}

    disabled, dying = prepare(), prepare()
    kms.disable_key(KeyId=disabled["key"]["KeyId"])
    kms.schedule_key_deletion(KeyId=dying["key"]["KeyId"])
    return {"disabled": disabled, "dying": dying, "other": kms.create_key()["KeyMetadata"]}


USES = {
    "encrypt": lambda c, k, p: c.encrypt(KeyId=k, Plaintext=b"p"),
    "decrypt": lambda c, k, p: c.decrypt(CiphertextBlob=p["blob"]),
    "decrypt by name": lambda c, k, p: c.decrypt(CiphertextBlob=p["blob"], KeyId=k),
    "reencrypt from": lambda c, k, p: c.re_encrypt(CiphertextBlob=p["blob"], DestinationKeyId=p["other"]),
    "reencrypt to": lambda c, k, p: c.re_encrypt(CiphertextBlob=p["other blob"], DestinationKeyId=k),
    "data key": lambda c, k, p: c.generate_data_key(KeyId=k, KeySpec="AES_256"),
    "data key without plaintext": lambda c, k, p: c.generate_data_key_without_plaintext(KeyId=k, KeySpec="AES_256"),
    "pair": lambda c, k, p: c.generate_data_key_pair(KeyId=k, KeyPairSpec="ECC_NIST_P256"),
    "pair without plaintext": lambda c, k, p: c.generate_data_key_pair_without_plaintext(
        KeyId=k, KeyPairSpec="ECC_NIST_P256"
    ),
    "grant": lambda c, k, p: c.create_grant(KeyId=k, GranteePrincipal=p["arn"], Operations=["Encrypt"]),
    "enable rotation": lambda c, k, p: c.enable_key_rotation(KeyId=k),
    "disable rotation": lambda c, k, p: c.disable_key_rotation(KeyId=k),
    "rotate": lambda c, k, p: c.rotate_key_on_demand(KeyId=k),
}
READS = {
    "describe": lambda c, k, p: c.describe_key(KeyId=k),
    "policy": lambda c, k, p: c.get_key_policy(KeyId=k),
    "policies": lambda c, k, p: c.list_key_policies(KeyId=k),
    "rotation status": lambda c, k, p: c.get_key_rotation_status(KeyId=k),
    "rotations": lambda c, k, p: c.list_key_rotations(KeyId=k),
    "grants": lambda c, k, p: c.list_grants(KeyId=k),
    "tags": lambda c, k, p: c.list_resource_tags(KeyId=k),
    "aliases": lambda c, k, p: c.list_aliases(KeyId=k),
    "last usage": lambda c, k, p: c.get_key_last_usage(KeyId=k),
    "put policy": lambda c, k, p: c.put_key_policy(KeyId=k, Policy=c.get_key_policy(KeyId=k)["Policy"]),
}
CHANGES = {
    "describe otherwise": lambda c, k, p: c.update_key_description(KeyId=k, Description="d"),
    "tag": lambda c, k, p: c.tag_resource(KeyId=k, Tags=[{"TagKey": "k", "TagValue": "v"}]),
    "untag": lambda c, k, p: c.untag_resource(KeyId=k, TagKeys=["k"]),
    "alias": lambda c, k, p: c.create_alias(AliasName=f"alias/{uuid.uuid4()}", TargetKeyId=k),
}
SWITCHES = {
    "enable": lambda c, k, p: c.enable_key(KeyId=k),
    "disable": lambda c, k, p: c.disable_key(KeyId=k),
    "delete": lambda c, k, p: c.schedule_key_deletion(KeyId=k),
}


@pytest.fixture
def run(kms, prepared, account):
    def act(call, state):
        it = prepared[state]
        more = {"other": prepared["other"]["KeyId"], "arn": account["arn"]}
        if call is USES["reencrypt to"]:
            more["other blob"] = kms.encrypt(KeyId=more["other"], Plaintext=b"p")["CiphertextBlob"]
        return call(kms, it["key"]["KeyId"], {**it, **more})

    return act


@pytest.mark.parametrize("call", USES.values(), ids=USES)
def test_a_disabled_key_is_not_used(run, prepared, refused, call):
    with refused("DisabledException", f"{prepared['disabled']['key']['Arn']} is disabled."):
        run(call, "disabled")


@pytest.mark.parametrize("call", [*READS.values(), *CHANGES.values()], ids=[*READS, *CHANGES])
def test_a_disabled_key_is_read_and_described(run, call):
    run(call, "disabled")


@pytest.mark.parametrize(
    "call", [*USES.values(), *CHANGES.values(), *SWITCHES.values()], ids=[*USES, *CHANGES, *SWITCHES]
)
def test_a_key_that_waits_for_deletion_is_not_used_or_changed(run, prepared, refused, call):
    with refused("KMSInvalidStateException", f"{prepared['dying']['key']['Arn']} is pending deletion."):
        run(call, "dying")


@pytest.mark.parametrize("call", READS.values(), ids=READS)
def test_a_key_that_waits_for_deletion_is_read(run, call):
    run(call, "dying")


def test_a_grant_on_a_key_that_waits_for_deletion_can_be_revoked(kms, prepared):
    dying = prepared["dying"]
    kms.revoke_grant(KeyId=dying["key"]["KeyId"], GrantId=dying["grant"]["GrantId"])


def test_an_alias_leaves_a_key_that_waits_for_deletion_but_does_not_go_to_one(kms, make_key, prepared, refused):
    leaving = make_key()
    alias = f"alias/{uuid.uuid4()}"
    kms.create_alias(AliasName=alias, TargetKeyId=leaving["KeyId"])
    kms.schedule_key_deletion(KeyId=leaving["KeyId"])
    kms.update_alias(AliasName=alias, TargetKeyId=prepared["other"]["KeyId"])
    with refused("KMSInvalidStateException"):
        kms.update_alias(AliasName=alias, TargetKeyId=prepared["dying"]["key"]["KeyId"])


@pytest.mark.parametrize(
    ("spec", "usage", "call"),
    [
        ("ECC_NIST_P256", "SIGN_VERIFY", lambda c, k: c.sign(KeyId=k, Message=b"m", SigningAlgorithm="ECDSA_SHA_256")),
        ("ECC_NIST_P256", "SIGN_VERIFY", lambda c, k: c.get_public_key(KeyId=k)),
        ("HMAC_256", "GENERATE_VERIFY_MAC", lambda c, k: c.generate_mac(KeyId=k, Message=b"m", MacAlgorithm="HMAC_SHA_256")),
        ("ML_DSA_44", "SIGN_VERIFY", lambda c, k: c.sign(KeyId=k, Message=b"m", SigningAlgorithm="ML_DSA_SHAKE_256")),
        ("ECC_NIST_P256", "KEY_AGREEMENT", lambda c, k: c.derive_shared_secret(KeyId=k, KeyAgreementAlgorithm="ECDH", PublicKey=b"p")),
        ("ML_KEM_512", "ENCAPSULATE_DECAPSULATE", lambda c, k: c.encapsulate(KeyId=k, EncapsulationAlgorithm="ML_KEM")),
        (
            "ML_KEM_768",
            "ENCAPSULATE_DECAPSULATE",
            lambda c, k: c.decapsulate(KeyId=k, EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=b"x"),
        ),
        ("ML_KEM_1024", "ENCAPSULATE_DECAPSULATE", lambda c, k: c.get_public_key(KeyId=k)),
    ],
    ids=["sign", "public key", "mac", "ml-dsa", "agreement", "encapsulate", "decapsulate", "kem's public key"],
)
def test_other_keys_have_the_same_states(kms, make_key, refused, spec, usage, call):
    key = make_key(spec, usage)
    kms.disable_key(KeyId=key["KeyId"])
    with refused("DisabledException", f"{key['Arn']} is disabled."):
        call(kms, key["KeyId"])
    kms.schedule_key_deletion(KeyId=key["KeyId"])
    with refused("KMSInvalidStateException", f"{key['Arn']} is pending deletion."):
        call(kms, key["KeyId"])


def test_disabling_a_key_shows_at_once(kms, key, refused):
    for _ in range(20):
        kms.disable_key(KeyId=key["KeyId"])
        with refused("DisabledException"):
            kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
        kms.enable_key(KeyId=key["KeyId"])
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")
