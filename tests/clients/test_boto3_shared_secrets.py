"""Key agreement and key encapsulation against a peer that has its keys to itself, and the key pairs made for such peers."""

import os

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, mlkem

CURVES = {"ECC_NIST_P256": (ec.SECP256R1, 32), "ECC_NIST_P384": (ec.SECP384R1, 48), "ECC_NIST_P521": (ec.SECP521R1, 66)}
LATTICES = {"ML_KEM_512": 768, "ML_KEM_768": 1088, "ML_KEM_1024": 1568}
DRY_RUN = "The request would have succeeded, but the DryRun option is set."
NOT_OFFERED = "UnsupportedOperationException"


@pytest.fixture(scope="module")
def keys(kms):
    made = {}

    def get(spec):
        usage = "ENCAPSULATE_DECAPSULATE" if spec in LATTICES else "KEY_AGREEMENT"
        if spec not in made:
            made[spec] = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
        return made[spec]

    return get


def public_key(kms, key):
    return serialization.load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])


def spki(public):
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def derive(kms, key, peer, **more):
    return kms.derive_shared_secret(KeyId=key["KeyId"], KeyAgreementAlgorithm="ECDH", PublicKey=peer, **more)


@pytest.mark.parametrize(("spec", "curve", "length"), [(spec, *rest) for spec, rest in CURVES.items()])
def test_a_peer_derives_the_same_secret(kms, keys, spec, curve, length):
    key = keys(spec)
    for _ in range(8):  # a secret may begin with zeros, which stay
        peer = ec.generate_private_key(curve())
        reply = derive(kms, key, spki(peer.public_key()))
        assert reply["SharedSecret"] == peer.exchange(ec.ECDH(), public_key(kms, key))
        assert len(reply["SharedSecret"]) == length
    assert (reply["KeyId"], reply["KeyAgreementAlgorithm"], reply["KeyOrigin"]) == (key["Arn"], "ECDH", "AWS_KMS")


def test_a_public_key_that_does_not_fit_is_refused(kms, keys, refused):
    key = keys("ECC_NIST_P256")
    good = spki(ec.generate_private_key(ec.SECP256R1()).public_key())
    named = b"\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07"
    wrong = {
        "another curve": spki(ec.generate_private_key(ec.SECP384R1()).public_key()),
        "a curve of the same size": spki(ec.generate_private_key(ec.SECP256K1()).public_key()),
        "no point of the curve": good[:-1] + bytes([good[-1] ^ 1]),
        "the point at infinity": good[: good.index(named) + len(named)] + b"\x03\x02\x00\x00",
        "more behind it": good + b"\0",
        "cut off": good[:-1],
        "no key": b"key",
        "of another family": spki(mlkem.MLKEM768PrivateKey.generate().public_key()),
    }
    for peer in wrong.values():
        with refused("ValidationException", "The public key is not valid for key spec ECC_NIST_P256."):
            derive(kms, key, peer)


@pytest.mark.parametrize(("spec", "length"), LATTICES.items())
def test_an_encapsulated_secret_is_recovered(kms, keys, refused, spec, length):
    key = keys(spec)
    arguments = {"KeyId": key["KeyId"], "EncapsulationAlgorithm": "ML_KEM"}
    made, other = kms.encapsulate(**arguments), kms.encapsulate(**arguments)
    blob = made["SharedSecretCiphertextBlob"]
    assert made["SharedSecret"] != other["SharedSecret"]
    assert (len(made["SharedSecret"]), len(blob)) == (32, length)
    opened = kms.decapsulate(SharedSecretCiphertextBlob=blob, **arguments)
    assert opened["SharedSecret"] == made["SharedSecret"]
    assert (opened["KeyId"], opened["EncapsulationAlgorithm"]) == (key["Arn"], "ML_KEM")
    # A ciphertext that was not made for this key yields another secret, always the same one, and no error.
    wrong = bytes([blob[0] ^ 1]) + blob[1:]
    rejected = {kms.decapsulate(SharedSecretCiphertextBlob=wrong, **arguments)["SharedSecret"] for _ in range(3)}
    assert len(rejected) == 1 and made["SharedSecret"] not in rejected
    for short in (blob[:-1], blob + b"\0", b"x"):
        with refused("InvalidCiphertextException"):
            kms.decapsulate(SharedSecretCiphertextBlob=short, **arguments)


@pytest.mark.parametrize("spec", ["ML_KEM_768", "ML_KEM_1024"])
def test_a_secret_encapsulated_elsewhere_is_recovered_here(kms, keys, spec):
    secret, blob = public_key(kms, keys(spec)).encapsulate()
    opened = kms.decapsulate(
        KeyId=keys(spec)["KeyId"], EncapsulationAlgorithm="ML_KEM", SharedSecretCiphertextBlob=blob
    )
    assert opened["SharedSecret"] == secret


@pytest.mark.parametrize("spec", ["ECC_NIST_P256", "ML_KEM_512"])
def test_a_key_says_what_it_is_for(kms, keys, spec):
    key = keys(spec)
    usage, member, algorithm = (
        ("KEY_AGREEMENT", "KeyAgreementAlgorithms", "ECDH")
        if spec in CURVES
        else ("ENCAPSULATE_DECAPSULATE", "EncapsulationAlgorithms", "ML_KEM")
    )
    described = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    for reply in (key, described, kms.get_public_key(KeyId=key["KeyId"])):
        assert (reply["KeySpec"], reply["KeyUsage"], reply[member]) == (spec, usage, [algorithm])


@pytest.mark.parametrize(
    ("spec", "usage"),
    [
        ("ECC_SECG_P256K1", "KEY_AGREEMENT"),
        ("ECC_NIST_EDWARDS25519", "KEY_AGREEMENT"),
        ("RSA_2048", "ENCAPSULATE_DECAPSULATE"),
        ("ML_KEM_768", "KEY_AGREEMENT"),
        ("ML_DSA_44", "ENCRYPT_DECRYPT"),
        ("ECC_NIST_P256", "ENCAPSULATE_DECAPSULATE"),
    ],
)
def test_no_key_is_made_for_what_it_cannot_do(kms, refused, spec, usage):
    with refused("ValidationException", f"KeyUsage {usage} is not compatible with KeySpec {spec}"):
        kms.create_key(KeySpec=spec, KeyUsage=usage)


def uses(kms, keys):
    curve, lattice = keys("ECC_NIST_P256"), keys("ML_KEM_768")
    peer = spki(ec.generate_private_key(ec.SECP256R1()).public_key())
    encapsulate = {"KeyId": lattice["KeyId"], "EncapsulationAlgorithm": "ML_KEM"}
    blob = kms.encapsulate(**encapsulate)["SharedSecretCiphertextBlob"]
    return {
        "derive_shared_secret": {"KeyId": curve["KeyId"], "KeyAgreementAlgorithm": "ECDH", "PublicKey": peer},
        "encapsulate": encapsulate,
        "decapsulate": {**encapsulate, "SharedSecretCiphertextBlob": blob},
    }


def test_a_dry_run_says_that_it_would_have_succeeded(kms, keys, refused):
    for call, arguments in uses(kms, keys).items():
        with refused("DryRunOperationException", DRY_RUN):
            getattr(kms, call)(DryRun=True, **arguments)
    with refused("ValidationException"):
        derive(kms, keys("ECC_NIST_P256"), b"key", DryRun=True)
    with refused("InvalidCiphertextException"):
        arguments = {**uses(kms, keys)["decapsulate"], "SharedSecretCiphertextBlob": b"x"}
        kms.decapsulate(DryRun=True, **arguments)


def test_a_key_of_another_usage_is_refused(kms, keys, make_key, refused):
    signer = make_key("ECC_NIST_P256", "SIGN_VERIFY")
    for call, arguments in uses(kms, keys).items():
        name = "".join(word.capitalize() for word in call.split("_"))
        with refused("InvalidKeyUsageException", f"{signer['Arn']} key usage is SIGN_VERIFY which is not valid for {name}."):
            getattr(kms, call)(**{**arguments, "KeyId": signer["KeyId"]})
    text = f"{keys('ECC_NIST_P256')['Arn']} key usage is KEY_AGREEMENT which is not valid for Sign."
    with refused("InvalidKeyUsageException", text):
        kms.sign(KeyId=keys("ECC_NIST_P256")["KeyId"], Message=b"m", SigningAlgorithm="ECDSA_SHA_256")


def test_a_grant_gives_each_use(kms, keys, make_user, refused):
    user, client = make_user()
    for call, arguments in uses(kms, keys).items():
        name = "".join(word.capitalize() for word in call.split("_"))
        with refused("AccessDeniedException"):
            getattr(client, call)(**arguments)
        kms.create_grant(KeyId=arguments["KeyId"], GranteePrincipal=user.arn, Operations=[name])
        getattr(client, call)(**arguments)
        assert kms.get_key_last_usage(KeyId=arguments["KeyId"])["KeyLastUsage"]["Operation"] == name


@pytest.mark.parametrize("spec", ["RSA_2048", "ECC_NIST_P384", "ECC_NIST_EDWARDS25519", "ML_KEM_512", "ML_KEM_768", "ML_KEM_1024"])
def test_a_data_key_pair_is_one_and_its_private_half_decrypts(kms, key, spec):
    made = kms.generate_data_key_pair(KeyId=key["KeyId"], KeyPairSpec=spec, EncryptionContext={"a": "b"})
    opened = kms.decrypt(CiphertextBlob=made["PrivateKeyCiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == made["PrivateKeyPlaintext"]
    assert made["KeyPairSpec"] == spec
    sealed = kms.generate_data_key_pair_without_plaintext(KeyId=key["KeyId"], KeyPairSpec=spec)
    assert sealed["PublicKey"] != made["PublicKey"] and len(sealed["PublicKey"]) == len(made["PublicKey"])
    if spec.startswith("ML_KEM"):
        assert len(made["PrivateKeyPlaintext"]) == 86, "the seed, whatever the spec"
    if spec != "ML_KEM_512":  # unknown to the library
        private = serialization.load_der_private_key(made["PrivateKeyPlaintext"], None)
        assert spki(private.public_key()) == made["PublicKey"]


def test_pairs_made_ahead_are_given_out_once(kms, key):
    pairs = [kms.generate_data_key_pair(KeyId=key["KeyId"], KeyPairSpec="RSA_2048")["PublicKey"] for _ in range(6)]
    assert len(set(pairs)) == 6


def test_what_aws_has_beyond_is_refused_as_unsupported(kms, keys, unchecked, refused):
    with refused(NOT_OFFERED):
        kms.create_key(KeySpec="SM2", KeyUsage="KEY_AGREEMENT")
    recipient = {"KeyEncryptionAlgorithm": "RSAES_OAEP_SHA_256", "AttestationDocument": os.urandom(16)}
    with refused(NOT_OFFERED, "Recipient is not supported."):
        kms.derive_shared_secret(**uses(kms, keys)["derive_shared_secret"], Recipient=recipient)
