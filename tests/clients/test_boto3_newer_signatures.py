"""Ed25519, its prehashed form, and ML-DSA; each signature is verified without the server as well."""

import hashlib
import os

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import mldsa

LATTICES = {"ML_DSA_44": 2420, "ML_DSA_65": 3309, "ML_DSA_87": 4627}
EDWARDS = "ECC_NIST_EDWARDS25519"


@pytest.fixture(scope="module")
def keys(kms):
    made = {}

    def get(spec):
        if spec not in made:
            made[spec] = kms.create_key(KeySpec=spec, KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        return made[spec]

    return get


def public_key(kms, key):
    return serialization.load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])


# ---- Ed25519ph, which no library here verifies: RFC 8032, section 5.1, by the book and slowly ----

FIELD = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
CURVE = -121665 * pow(121666, -1, FIELD) % FIELD


def recover(encoded):
    y = int.from_bytes(encoded, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    squared = (y * y - 1) * pow(CURVE * y * y + 1, -1, FIELD) % FIELD
    x = pow(squared, (FIELD + 3) // 8, FIELD)
    if x * x % FIELD != squared:
        x = x * pow(2, (FIELD - 1) // 4, FIELD) % FIELD
    assert x * x % FIELD == squared, "no point of the curve"
    return (FIELD - x if x & 1 != sign else x), y


def add(one, other):
    (x1, y1), (x2, y2) = one, other
    product = CURVE * x1 * x2 * y1 * y2 % FIELD
    x = (x1 * y2 + x2 * y1) * pow(1 + product, -1, FIELD)
    y = (y1 * y2 + x1 * x2) * pow(1 - product, -1, FIELD)
    return x % FIELD, y % FIELD


def times(scalar, point):
    result = (0, 1)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def ed25519ph_verifies(public, message, signature):
    base = recover((4 * pow(5, -1, FIELD) % FIELD).to_bytes(32, "little"))
    commitment, response = signature[:32], int.from_bytes(signature[32:], "little")
    prefix = b"SigEd25519 no Ed25519 collisions" + bytes([1, 0])
    challenge = hashlib.sha512(prefix + commitment + public + hashlib.sha512(message).digest()).digest()
    challenge = int.from_bytes(challenge, "little") % ORDER
    return response < ORDER and times(response, base) == add(recover(commitment), times(challenge, recover(public)))


def test_ed25519_signs_messages(kms, keys, refused):
    key = keys(EDWARDS)
    arguments = {"KeyId": key["KeyId"], "SigningAlgorithm": "ED25519_SHA_512"}
    for message in (b"m", os.urandom(4096)):
        made = kms.sign(Message=message, **arguments)
        public_key(kms, key).verify(made["Signature"], message)
        assert kms.verify(Message=message, Signature=made["Signature"], **arguments)["SignatureValid"]
        with refused("KMSInvalidSignatureException"):
            kms.verify(Message=b"other", Signature=made["Signature"], **arguments)


def test_the_prehashed_form_takes_a_digest_and_hashes_it_again(kms, keys, refused):
    key = keys(EDWARDS)
    arguments = {"KeyId": key["KeyId"], "SigningAlgorithm": "ED25519_PH_SHA_512", "MessageType": "DIGEST"}
    digest = hashlib.sha512(b"message").digest()
    made = kms.sign(Message=digest, **arguments)
    public = public_key(kms, key).public_bytes_raw()
    assert ed25519ph_verifies(public, digest, made["Signature"])
    assert not ed25519ph_verifies(public, b"message", made["Signature"])
    assert kms.verify(Message=digest, Signature=made["Signature"], **arguments)["SignatureValid"]
    with pytest.raises(InvalidSignature):
        public_key(kms, key).verify(made["Signature"], digest)
    with refused("KMSInvalidSignatureException"):
        kms.verify(Message=bytes(64), Signature=made["Signature"], **arguments)


@pytest.mark.parametrize(
    ("spec", "algorithm", "kind"),
    [
        (EDWARDS, "ED25519_SHA_512", "DIGEST"),
        (EDWARDS, "ED25519_SHA_512", "EXTERNAL_MU"),
        (EDWARDS, "ED25519_PH_SHA_512", "RAW"),
        (EDWARDS, "ED25519_PH_SHA_512", "EXTERNAL_MU"),
        ("ML_DSA_44", "ML_DSA_SHAKE_256", "DIGEST"),
        ("ECC_NIST_P256", "ECDSA_SHA_256", "EXTERNAL_MU"),
    ],
)
def test_a_message_type_belongs_to_its_algorithm(kms, keys, refused, spec, algorithm, kind):
    arguments = {"KeyId": keys(spec)["KeyId"], "SigningAlgorithm": algorithm, "MessageType": kind, "Message": bytes(64)}
    text = f"Message type {kind} is incompatible with algorithm {algorithm}."
    with refused("ValidationException", text):
        kms.sign(**arguments)
    with refused("ValidationException", text):
        kms.verify(Signature=bytes(64), **arguments)


@pytest.mark.parametrize(
    ("spec", "algorithm", "kind"), [(EDWARDS, "ED25519_PH_SHA_512", "DIGEST"), ("ML_DSA_65", "ML_DSA_SHAKE_256", "EXTERNAL_MU")]
)
@pytest.mark.parametrize("length", [32, 63, 65])
def test_what_stands_for_a_message_has_64_bytes(kms, keys, refused, spec, algorithm, kind, length):
    with refused("ValidationException", f"Digest is invalid length for algorithm {algorithm}."):
        kms.sign(KeyId=keys(spec)["KeyId"], SigningAlgorithm=algorithm, MessageType=kind, Message=bytes(length))


@pytest.mark.parametrize(("spec", "length"), LATTICES.items())
def test_ml_dsa_signs_messages_and_their_representatives(kms, keys, refused, spec, length):
    key = keys(spec)
    public = public_key(kms, key)
    assert type(public).__name__ == f"MLDSA{spec[-2:]}PublicKey"
    arguments = {"KeyId": key["KeyId"], "SigningAlgorithm": "ML_DSA_SHAKE_256"}
    message = os.urandom(4096)
    hasher = mldsa.MLDSAMuHasher(public)
    hasher.update(message)
    mu = hasher.finalize()
    made = [kms.sign(Message=message, **arguments), kms.sign(Message=mu, MessageType="EXTERNAL_MU", **arguments)]
    for signature in [reply["Signature"] for reply in made]:
        assert len(signature) == length
        public.verify(signature, message)
        public.verify_mu(signature, mu)
        # Both ways of handing a message in verify what the other one signed.
        assert kms.verify(Message=message, Signature=signature, **arguments)["SignatureValid"]
        assert kms.verify(Message=mu, MessageType="EXTERNAL_MU", Signature=signature, **arguments)["SignatureValid"]
        with refused("KMSInvalidSignatureException"):
            kms.verify(Message=mu, Signature=signature, **arguments)
    assert made[0]["Signature"] != made[1]["Signature"], "signing is hedged"


def test_an_algorithm_of_another_key_is_refused(kms, keys, refused):
    for spec, algorithm in ((EDWARDS, "ECDSA_SHA_256"), ("ML_DSA_44", "ED25519_SHA_512"), ("ECC_NIST_P256", "ML_DSA_SHAKE_256")):
        with refused("InvalidKeyUsageException", f"Algorithm {algorithm} is incompatible with key spec {spec}."):
            kms.sign(KeyId=keys(spec)["KeyId"], SigningAlgorithm=algorithm, Message=b"m")


@pytest.mark.parametrize(
    ("spec", "algorithms"), [(EDWARDS, ["ED25519_SHA_512", "ED25519_PH_SHA_512"]), *((spec, ["ML_DSA_SHAKE_256"]) for spec in LATTICES)]
)
def test_a_key_says_which_algorithms_are_its_own(kms, keys, spec, algorithms):
    key = keys(spec)
    public = kms.get_public_key(KeyId=key["KeyId"])
    described = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
    for reply in (key, public, described):
        assert (reply["KeySpec"], reply["KeyUsage"], reply["SigningAlgorithms"]) == (spec, "SIGN_VERIFY", algorithms)
        assert "CustomerMasterKeySpec" not in reply, "a closed enumeration that does not know it"


def test_a_dry_run_signs_and_verifies_nothing(kms, keys, refused):
    for spec, algorithm in ((EDWARDS, "ED25519_SHA_512"), ("ML_DSA_44", "ML_DSA_SHAKE_256")):
        arguments = {"KeyId": keys(spec)["KeyId"], "SigningAlgorithm": algorithm, "Message": b"m"}
        signature = kms.sign(**arguments)["Signature"]
        with refused("DryRunOperationException"):
            kms.sign(DryRun=True, **arguments)
        with refused("DryRunOperationException"):
            kms.verify(DryRun=True, Signature=signature, **arguments)
        with refused("KMSInvalidSignatureException"):
            kms.verify(DryRun=True, Signature=bytes(64), **arguments)
