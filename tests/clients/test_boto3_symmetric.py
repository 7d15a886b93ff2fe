"""Encrypt, Decrypt, ReEncrypt and data keys under a symmetric key."""

import os

import pytest
from cryptography.hazmat.primitives import serialization

DRY_RUN = "The request would have succeeded, but the DryRun option is set."
INCORRECT_KEY = "The key ID in the request does not identify a CMK that can perform this operation."
PAIR_SPECS = [
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "ECC_NIST_P256",
    "ECC_NIST_P384",
    "ECC_NIST_P521",
    "ECC_SECG_P256K1",
]


@pytest.mark.parametrize("length", [1, 32, 4096])
def test_what_is_encrypted_decrypts(kms, key, length):
    plaintext = os.urandom(length)
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=plaintext)
    assert (sealed["KeyId"], sealed["EncryptionAlgorithm"]) == (key["Arn"], "SYMMETRIC_DEFAULT")
    assert len(sealed["CiphertextBlob"]) <= 6144
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"])
    assert opened["Plaintext"] == plaintext
    assert (opened["KeyId"], opened["EncryptionAlgorithm"]) == (key["Arn"], "SYMMETRIC_DEFAULT")
    assert opened["KeyMaterialId"] == key["CurrentKeyMaterialId"]


def test_a_wrapped_data_key_stays_small(kms, key):
    assert len(kms.encrypt(KeyId=key["KeyId"], Plaintext=bytes(32))["CiphertextBlob"]) < 1000


def test_the_same_plaintext_never_encrypts_to_the_same_ciphertext(kms, key):
    blobs = {kms.encrypt(KeyId=key["KeyId"], Plaintext=b"same")["CiphertextBlob"] for _ in range(10)}
    assert len(blobs) == 10


def test_a_key_is_used_by_every_name_it_has(kms, key, account):
    alias = f"alias/use-{key['KeyId']}"
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    arn = f"arn:aws:kms:{account['region']}:{account['id']}:{alias}"
    for name in (key["KeyId"], key["Arn"], alias, arn):
        sealed = kms.encrypt(KeyId=name, Plaintext=b"p")
        assert sealed["KeyId"] == key["Arn"]
        assert kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], KeyId=name)["Plaintext"] == b"p"


def test_the_context_must_match_exactly(kms, key, refused):
    context = {"tenant": "a", "Table": "b"}
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", EncryptionContext=context)["CiphertextBlob"]
    turned = dict(reversed(context.items()))
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=turned)["Plaintext"] == b"p"
    for other in ({}, {"tenant": "a"}, {**context, "more": "c"}, {"Tenant": "a", "Table": "b"}, {"tenant": "A", "Table": "b"}):
        with refused("InvalidCiphertextException"):
            kms.decrypt(CiphertextBlob=blob, EncryptionContext=other)


def test_pairs_that_join_to_the_same_text_are_different_contexts(kms, key, refused):
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", EncryptionContext={"a": "bc"})["CiphertextBlob"]
    with refused("InvalidCiphertextException"):
        kms.decrypt(CiphertextBlob=blob, EncryptionContext={"ab": "c"})


def test_a_context_may_hold_any_text(kms, key):
    context = {"Größe": "½", "": "empty key", "empty value": "", "line\n": "\t"}
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", EncryptionContext=context)["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=blob, EncryptionContext=context)["Plaintext"] == b"p"


def test_a_changed_ciphertext_does_not_open(kms, key, refused):
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")["CiphertextBlob"]
    for place in range(0, len(blob), 7):
        changed = bytearray(blob)
        changed[place] ^= 1
        with refused("InvalidCiphertextException"):
            kms.decrypt(CiphertextBlob=bytes(changed))
    for cut in (blob[:-1], blob + b"\0", blob[:20], b"x", os.urandom(len(blob))):
        with refused("InvalidCiphertextException"):
            kms.decrypt(CiphertextBlob=cut)


def test_a_named_key_that_did_not_encrypt_is_incorrect(kms, key, make_key, refused):
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p")["CiphertextBlob"]
    with refused("IncorrectKeyException", INCORRECT_KEY):
        kms.decrypt(CiphertextBlob=blob, KeyId=make_key()["KeyId"])


def test_sizes_out_of_range_are_refused(unchecked, key, refused):
    with refused("ValidationException") as refusal:
        unchecked.encrypt(KeyId=key["KeyId"], Plaintext=bytes(4097))
    assert refusal.text.startswith("1 validation error detected: Value at 'plaintext' failed to satisfy constraint: Member must")
    with refused("ValidationException"):
        unchecked.encrypt(KeyId=key["KeyId"], Plaintext=b"")
    with refused("ValidationException"):
        unchecked.decrypt(CiphertextBlob=bytes(6145))


def test_a_missing_member_is_refused(unchecked, key, refused):
    with refused("ValidationException"):
        unchecked.encrypt(Plaintext=b"p")
    with refused("ValidationException"):
        unchecked.encrypt(KeyId=key["KeyId"])


def test_a_signing_key_does_not_encrypt(kms, make_key, refused):
    signer = make_key("RSA_2048", "SIGN_VERIFY")
    with refused("InvalidKeyUsageException", f"{signer['Arn']} key usage is SIGN_VERIFY which is not valid for Encrypt."):
        kms.encrypt(KeyId=signer["KeyId"], Plaintext=b"p", EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    for operation in (kms.generate_data_key, kms.generate_data_key_without_plaintext):
        with refused("InvalidKeyUsageException"):
            operation(KeyId=signer["KeyId"], KeySpec="AES_256")


def test_reencrypting_changes_key_and_context(kms, make_key):
    old, new = make_key(), make_key()
    blob = kms.encrypt(KeyId=old["KeyId"], Plaintext=b"p", EncryptionContext={"at": "old"})["CiphertextBlob"]
    reply = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceEncryptionContext={"at": "old"},
        DestinationKeyId=new["KeyId"],
        DestinationEncryptionContext={"at": "new"},
    )
    assert (reply["SourceKeyId"], reply["KeyId"]) == (old["Arn"], new["Arn"])
    assert reply["SourceEncryptionAlgorithm"] == reply["DestinationEncryptionAlgorithm"] == "SYMMETRIC_DEFAULT"
    assert reply["SourceKeyMaterialId"] == old["CurrentKeyMaterialId"]
    assert reply["DestinationKeyMaterialId"] == new["CurrentKeyMaterialId"]
    opened = kms.decrypt(CiphertextBlob=reply["CiphertextBlob"], EncryptionContext={"at": "new"})
    assert (opened["Plaintext"], opened["KeyId"]) == (b"p", new["Arn"])


def test_reencrypting_refuses_what_decrypting_would(kms, make_key, refused):
    old, new = make_key(), make_key()
    blob = kms.encrypt(KeyId=old["KeyId"], Plaintext=b"p", EncryptionContext={"a": "b"})["CiphertextBlob"]
    with refused("InvalidCiphertextException"):
        kms.re_encrypt(CiphertextBlob=blob, DestinationKeyId=new["KeyId"])
    with refused("IncorrectKeyException", INCORRECT_KEY):
        kms.re_encrypt(
            CiphertextBlob=blob,
            SourceEncryptionContext={"a": "b"},
            SourceKeyId=new["KeyId"],
            DestinationKeyId=new["KeyId"],
        )


@pytest.mark.parametrize(
    ("asked", "length"),
    [
        ({"KeySpec": "AES_256"}, 32),
        ({"KeySpec": "AES_128"}, 16),
        ({"NumberOfBytes": 1}, 1),
        ({"NumberOfBytes": 1024}, 1024),
    ],
)
def test_a_data_key_comes_in_the_clear_and_sealed(kms, key, asked, length):
    context = {"use": "data"}
    made = kms.generate_data_key(KeyId=key["KeyId"], EncryptionContext=context, **asked)
    assert len(made["Plaintext"]) == length
    assert (made["KeyId"], made["KeyMaterialId"]) == (key["Arn"], key["CurrentKeyMaterialId"])
    opened = kms.decrypt(CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == made["Plaintext"]
    sealed = kms.generate_data_key_without_plaintext(KeyId=key["KeyId"], EncryptionContext=context, **asked)
    assert "Plaintext" not in sealed
    opened = kms.decrypt(CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert len(opened["Plaintext"]) == length


@pytest.mark.parametrize(
    "asked",
    [{}, {"KeySpec": "AES_256", "NumberOfBytes": 32}, {"NumberOfBytes": 0}, {"NumberOfBytes": 1025}, {"KeySpec": "AES_192"}],
)
def test_a_data_key_is_asked_for_by_spec_or_by_length(unchecked, key, refused, asked):
    for operation in (unchecked.generate_data_key, unchecked.generate_data_key_without_plaintext):
        with refused("ValidationException"):
            operation(KeyId=key["KeyId"], **asked)


@pytest.mark.parametrize("spec", PAIR_SPECS)
def test_a_data_key_pair_belongs_together(kms, key, spec):
    made = kms.generate_data_key_pair(KeyId=key["KeyId"], KeyPairSpec=spec, EncryptionContext={"a": "b"})
    assert (made["KeyId"], made["KeyPairSpec"]) == (key["Arn"], spec)
    private = serialization.load_der_private_key(made["PrivateKeyPlaintext"], None)
    public = serialization.load_der_public_key(made["PublicKey"])
    assert private.public_key() == public
    size = int(spec[-4:]) if spec.startswith("RSA") else {"P256": 256, "P384": 384, "P521": 521, "P256K1": 256}[spec.rsplit("_", 1)[1]]
    assert public.key_size == size
    opened = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == made["PrivateKeyPlaintext"]


def test_a_data_key_pair_without_plaintext_keeps_it(kms, key):
    made = kms.generate_data_key_pair_without_plaintext(KeyId=key["KeyId"], KeyPairSpec="ECC_NIST_P256")
    assert "PrivateKeyPlaintext" not in made
    opened = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"])["Plaintext"]
    private = serialization.load_der_private_key(opened, None)
    assert private.public_key() == serialization.load_der_public_key(made["PublicKey"])


@pytest.mark.parametrize("length", [1, 32, 1024])
def test_random_bytes_are_as_many_as_asked(kms, length):
    assert len(kms.generate_random(NumberOfBytes=length)["Plaintext"]) == length


def test_random_bytes_differ(kms):
    assert len({kms.generate_random(NumberOfBytes=16)["Plaintext"] for _ in range(10)}) == 10


@pytest.mark.parametrize("asked", [{}, {"NumberOfBytes": 0}, {"NumberOfBytes": 1025}])
def test_random_bytes_need_a_number(unchecked, refused, asked):
    with refused("ValidationException"):
        unchecked.generate_random(**asked)


def test_a_dry_run_says_that_it_would_have_succeeded(kms, key, refused):
    name = key["KeyId"]
    blob = kms.encrypt(KeyId=name, Plaintext=b"p")["CiphertextBlob"]
    for call, arguments in (
        (kms.encrypt, {"KeyId": name, "Plaintext": b"p"}),
        (kms.decrypt, {"CiphertextBlob": blob}),
        (kms.re_encrypt, {"CiphertextBlob": blob, "DestinationKeyId": name}),
        (kms.generate_data_key, {"KeyId": name, "KeySpec": "AES_256"}),
        (kms.generate_data_key_without_plaintext, {"KeyId": name, "KeySpec": "AES_256"}),
        (kms.generate_data_key_pair, {"KeyId": name, "KeyPairSpec": "ECC_NIST_P256"}),
        (kms.generate_data_key_pair_without_plaintext, {"KeyId": name, "KeyPairSpec": "ECC_NIST_P256"}),
    ):
        with refused("DryRunOperationException", DRY_RUN):
            call(DryRun=True, **arguments)


def test_a_dry_run_fails_where_the_run_would(kms, key, make_key, refused):
    blob = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", EncryptionContext={"a": "b"})["CiphertextBlob"]
    with refused("InvalidCiphertextException"):
        kms.decrypt(CiphertextBlob=blob, DryRun=True)
    with refused("IncorrectKeyException"):
        kms.decrypt(CiphertextBlob=blob, KeyId=make_key()["KeyId"], DryRun=True)
    kms.disable_key(KeyId=key["KeyId"])
    with refused("DisabledException"):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=b"p", DryRun=True)


def test_a_dry_run_may_leave_the_ciphertext_out(kms, key, refused):
    with refused("DryRunOperationException", DRY_RUN):
        kms.decrypt(KeyId=key["KeyId"], DryRun=True, DryRunModifiers=["IGNORE_CIPHERTEXT"])
    with refused("ValidationException"):
        kms.decrypt(KeyId=key["KeyId"])
