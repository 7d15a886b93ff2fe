"""Imported key material: every kind of key by every way of wrapping, as a caller's own library wraps it."""

import datetime
import os

import pytest
from cryptography.hazmat.primitives import hashes, hmac, keywrap, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

HASHES = {"1": hashes.SHA1, "256": hashes.SHA256}
WRAPPINGS = ["RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"]
FOR_GOOD = {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}


def pkcs8(private):
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def wrap(public, algorithm, material):
    """Wraps as AWS documents it for the algorithm."""
    public = serialization.load_der_public_key(public)
    digest = HASHES[algorithm.rsplit("_", 1)[1]]
    oaep = padding.OAEP(padding.MGF1(digest()), digest(), None)
    if algorithm.startswith("RSAES"):
        return public.encrypt(material, oaep)
    passing = os.urandom(32)
    return public.encrypt(passing, oaep) + keywrap.aes_key_wrap_with_padding(passing, material)


@pytest.fixture
def bring(kms):
    """Imports `material` for a key."""

    def act(key, material, algorithm="RSA_AES_KEY_WRAP_SHA_256", spec="RSA_2048", **more):
        given = kms.get_parameters_for_import(KeyId=key["KeyId"], WrappingAlgorithm=algorithm, WrappingKeySpec=spec)
        wrapped = wrap(given["PublicKey"], algorithm, material)
        return kms.import_key_material(
            KeyId=key["KeyId"],
            ImportToken=given["ImportToken"],
            EncryptedKeyMaterial=wrapped,
            **{**FOR_GOOD, **more},
        )

    return act


@pytest.fixture
def external(make_key):
    """A symmetric key without material."""
    return make_key(Origin="EXTERNAL")


def state(kms, key):
    return kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]["KeyState"]


@pytest.mark.parametrize("algorithm", WRAPPINGS)
@pytest.mark.parametrize("spec", ["RSA_2048", "RSA_3072", "RSA_4096"])
def test_a_symmetric_key_is_brought_by_every_way_of_wrapping(kms, external, bring, algorithm, spec):
    assert external["KeyState"] == "PendingImport"
    material = os.urandom(32)
    first = bring(external, material, algorithm, spec)
    sealed = kms.encrypt(KeyId=external["KeyId"], Plaintext=b"text")["CiphertextBlob"]
    assert kms.delete_imported_key_material(KeyId=external["KeyId"])["KeyMaterialId"] == first["KeyMaterialId"]
    assert state(kms, external) == "PendingImport"
    bring(external, material, algorithm, spec)
    opened = kms.decrypt(CiphertextBlob=sealed)
    assert (opened["Plaintext"], opened["KeyMaterialId"]) == (b"text", first["KeyMaterialId"])


@pytest.mark.parametrize("algorithm", WRAPPINGS)
@pytest.mark.parametrize(
    ("spec", "size", "digest"),
    [("HMAC_224", 28, hashes.SHA224), ("HMAC_256", 32, hashes.SHA256), ("HMAC_384", 48, hashes.SHA384), ("HMAC_512", 64, hashes.SHA512)],
)
def test_codes_are_those_of_the_key_that_was_brought(kms, make_key, bring, algorithm, spec, size, digest):
    key = make_key(spec, "GENERATE_VERIFY_MAC", Origin="EXTERNAL")
    material = os.urandom(size)
    assert "KeyMaterialId" not in bring(key, material, algorithm)
    mac = kms.generate_mac(KeyId=key["KeyId"], Message=b"text", MacAlgorithm=spec.replace("_", "_SHA_"))["Mac"]
    own = hmac.HMAC(material, digest())
    own.update(b"text")
    own.verify(mac)


@pytest.mark.parametrize("algorithm", WRAPPINGS)
@pytest.mark.parametrize(
    ("spec", "curve", "digest"),
    [
        ("ECC_NIST_P256", ec.SECP256R1, "256"),
        ("ECC_NIST_P384", ec.SECP384R1, "384"),
        ("ECC_NIST_P521", ec.SECP521R1, "512"),
        ("ECC_SECG_P256K1", ec.SECP256K1, "256"),
    ],
)
def test_signatures_are_those_of_the_pair_that_was_brought(kms, make_key, bring, algorithm, spec, curve, digest):
    key = make_key(spec, "SIGN_VERIFY", Origin="EXTERNAL")
    private = ec.generate_private_key(curve())
    bring(key, pkcs8(private), algorithm, "RSA_4096")
    signature = kms.sign(KeyId=key["KeyId"], Message=b"text", SigningAlgorithm=f"ECDSA_SHA_{digest}")["Signature"]
    private.public_key().verify(signature, b"text", ec.ECDSA(getattr(hashes, f"SHA{digest}")()))
    shown = serialization.load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    assert shown == private.public_key()


@pytest.mark.parametrize("algorithm", ["RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"])
@pytest.mark.parametrize("size", [2048, 3072, 4096])
def test_an_rsa_pair_is_brought(kms, make_key, bring, algorithm, size):
    private = rsa.generate_private_key(65537, size)
    key = make_key(f"RSA_{size}", "SIGN_VERIFY", Origin="EXTERNAL")
    bring(key, pkcs8(private), algorithm)
    signature = kms.sign(KeyId=key["KeyId"], Message=b"text", SigningAlgorithm="RSASSA_PKCS1_V1_5_SHA_256")["Signature"]
    private.public_key().verify(signature, b"text", padding.PKCS1v15(), hashes.SHA256())
    key = make_key(f"RSA_{size}", "ENCRYPT_DECRYPT", Origin="EXTERNAL")
    bring(key, pkcs8(private), algorithm)
    sealed = private.public_key().encrypt(b"text", padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    opened = kms.decrypt(KeyId=key["KeyId"], CiphertextBlob=sealed, EncryptionAlgorithm="RSAES_OAEP_SHA_256")
    assert opened["Plaintext"] == b"text"


def test_new_material_is_rotated_to_on_demand(kms, external, bring):
    first = bring(external, os.urandom(32), KeyMaterialDescription="the first")
    old = kms.encrypt(KeyId=external["KeyId"], Plaintext=b"old")["CiphertextBlob"]
    second = bring(external, os.urandom(32), ImportType="NEW_KEY_MATERIAL")
    kms.rotate_key_on_demand(KeyId=external["KeyId"])
    listed = kms.list_key_rotations(KeyId=external["KeyId"], IncludeKeyMaterial="ALL_KEY_MATERIAL")["Rotations"]
    assert [entry["KeyMaterialState"] for entry in listed] == ["NON_CURRENT", "CURRENT"]
    assert [entry["KeyMaterialId"] for entry in listed] == [first["KeyMaterialId"], second["KeyMaterialId"]]
    new = kms.encrypt(KeyId=external["KeyId"], Plaintext=b"new")["CiphertextBlob"]
    assert [kms.decrypt(CiphertextBlob=blob)["Plaintext"] for blob in (old, new)] == [b"old", b"new"]


def test_expiry_is_told(kms, external, bring):
    until = datetime.datetime.now(datetime.UTC).replace(microsecond=0) + datetime.timedelta(days=30)
    bring(external, os.urandom(32), ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=until)
    now = kms.describe_key(KeyId=external["KeyId"])["KeyMetadata"]
    assert (now["ExpirationModel"], now["ValidTo"]) == ("KEY_MATERIAL_EXPIRES", until)


def test_material_expires(kms, external, bring, eventually):
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=10)
    bring(external, os.urandom(32), ExpirationModel="KEY_MATERIAL_EXPIRES", ValidTo=until)
    eventually(lambda: state(kms, external) == "PendingImport")


def test_other_material_is_refused(kms, external, bring, refused):
    bring(external, os.urandom(32))
    with refused("IncorrectKeyMaterialException"):
        bring(external, os.urandom(32))


@pytest.mark.parametrize(("spec", "usage", "size"), [("SYMMETRIC_DEFAULT", None, 31), ("HMAC_512", "GENERATE_VERIFY_MAC", 32)])
def test_material_of_another_kind_of_key_is_refused(make_key, bring, refused, spec, usage, size):
    key = make_key(spec, usage, Origin="EXTERNAL")
    with refused("InvalidCiphertextException"):
        bring(key, os.urandom(size))


def test_a_token_of_another_key_is_refused(kms, external, make_key, refused):
    other = kms.get_parameters_for_import(
        KeyId=make_key(Origin="EXTERNAL")["KeyId"], WrappingAlgorithm=WRAPPINGS[1], WrappingKeySpec="RSA_2048"
    )
    wrapped = wrap(other["PublicKey"], WRAPPINGS[1], os.urandom(32))
    with refused("InvalidImportTokenException"):
        kms.import_key_material(
            KeyId=external["KeyId"], ImportToken=other["ImportToken"], EncryptedKeyMaterial=wrapped, **FOR_GOOD
        )
