"""RSA encryption, signatures and MACs; what can be checked without the server is checked without it."""

import hashlib
import os
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

HASHES = {256: hashes.SHA256, 384: hashes.SHA384, 512: hashes.SHA512}
OAEP = {"RSAES_OAEP_SHA_1": hashes.SHA1, "RSAES_OAEP_SHA_256": hashes.SHA256}
RSA_SIGNING = [f"RSASSA_{name}_SHA_{bits}" for name in ("PSS", "PKCS1_V1_5") for bits in (256, 384, 512)]
CURVES = [
    ("ECC_NIST_P256", "ECDSA_SHA_256"),
    ("ECC_NIST_P384", "ECDSA_SHA_384"),
    ("ECC_NIST_P521", "ECDSA_SHA_512"),
    ("ECC_SECG_P256K1", "ECDSA_SHA_256"),
]
LARGEST = [
    ("RSA_2048", "RSAES_OAEP_SHA_1", 214),
    ("RSA_2048", "RSAES_OAEP_SHA_256", 190),
    ("RSA_3072", "RSAES_OAEP_SHA_1", 342),
    ("RSA_3072", "RSAES_OAEP_SHA_256", 318),
    ("RSA_4096", "RSAES_OAEP_SHA_1", 470),
    ("RSA_4096", "RSAES_OAEP_SHA_256", 446),
]
DRY_RUN = "The request would have succeeded, but the DryRun option is set."


@pytest.fixture(scope="module")
def keys(kms):
    """One key of each spec and usage for the whole module: RSA keys take their time."""
    made = {}

    def get(spec, usage):
        if (spec, usage) not in made:
            made[spec, usage] = kms.create_key(KeySpec=spec, KeyUsage=usage)["KeyMetadata"]
        return made[spec, usage]

    return get


def public_key(kms, key):
    return serialization.load_der_public_key(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])


def oaep(algorithm):
    digest = OAEP[algorithm]()
    return padding.OAEP(padding.MGF1(digest), digest, None)


def verify_offline(public, algorithm, message, signature, digest=None):
    """Raises unless `signature` is right by our own copy of the rules: PSS salts are as long as the digest."""
    bits = HASHES[int(algorithm[-3:])]()
    over = utils.Prehashed(bits) if digest else bits
    data = digest or message
    if algorithm.startswith("ECDSA"):
        public.verify(signature, data, ec.ECDSA(over))
    elif "PSS" in algorithm:
        public.verify(signature, data, padding.PSS(padding.MGF1(bits), bits.digest_size), over)
    else:
        public.verify(signature, data, padding.PKCS1v15(), over)


@pytest.mark.parametrize(("spec", "usage"), [("RSA_2048", "ENCRYPT_DECRYPT"), ("RSA_2048", "SIGN_VERIFY"), ("ECC_NIST_P256", "SIGN_VERIFY")])
def test_a_public_key_says_what_it_is_for(kms, keys, spec, usage):
    key = keys(spec, usage)
    reply = kms.get_public_key(KeyId=key["KeyId"])
    assert reply["KeyId"] == key["Arn"]
    assert (reply["KeySpec"], reply["CustomerMasterKeySpec"], reply["KeyUsage"]) == (spec, spec, usage)
    member = "SigningAlgorithms" if usage == "SIGN_VERIFY" else "EncryptionAlgorithms"
    assert reply[member] == key[member]


@pytest.mark.parametrize(("spec", "usage"), [("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"), ("HMAC_256", "GENERATE_VERIFY_MAC")])
def test_a_key_without_a_public_half_has_none(kms, keys, refused, spec, usage):
    with refused("UnsupportedOperationException"):
        kms.get_public_key(KeyId=keys(spec, usage)["KeyId"])


@pytest.mark.parametrize(("spec", "algorithm", "largest"), LARGEST)
def test_rsa_ciphertext_made_offline_decrypts(kms, keys, spec, algorithm, largest):
    key = keys(spec, "ENCRYPT_DECRYPT")
    plaintext = os.urandom(largest)
    blob = public_key(kms, key).encrypt(plaintext, oaep(algorithm))
    opened = kms.decrypt(KeyId=key["KeyId"], CiphertextBlob=blob, EncryptionAlgorithm=algorithm)
    assert opened["Plaintext"] == plaintext
    assert (opened["KeyId"], opened["EncryptionAlgorithm"]) == (key["Arn"], algorithm)


@pytest.mark.parametrize(("spec", "algorithm", "largest"), LARGEST)
def test_rsa_encrypts_up_to_its_largest_size(kms, keys, refused, spec, algorithm, largest):
    key = keys(spec, "ENCRYPT_DECRYPT")
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=bytes(largest), EncryptionAlgorithm=algorithm)
    assert len(sealed["CiphertextBlob"]) * 8 == int(spec[-4:])
    opened = kms.decrypt(KeyId=key["KeyId"], CiphertextBlob=sealed["CiphertextBlob"], EncryptionAlgorithm=algorithm)
    assert opened["Plaintext"] == bytes(largest)
    text = f"Algorithm {algorithm} and key spec {spec} cannot encrypt data larger than {largest} bytes."
    with refused("ValidationException", text):
        kms.encrypt(KeyId=key["KeyId"], Plaintext=bytes(largest + 1), EncryptionAlgorithm=algorithm)


def test_rsa_ciphertext_that_is_not_one_does_not_open(kms, keys, refused):
    key = keys("RSA_2048", "ENCRYPT_DECRYPT")
    other = public_key(kms, key).encrypt(b"p", oaep("RSAES_OAEP_SHA_1"))
    for blob in (os.urandom(256), other, b"short", bytes(512)):
        with refused("InvalidCiphertextException"):
            kms.decrypt(KeyId=key["KeyId"], CiphertextBlob=blob, EncryptionAlgorithm="RSAES_OAEP_SHA_256")


def test_an_algorithm_of_another_spec_is_refused(kms, keys, refused):
    rsa, symmetric = keys("RSA_2048", "ENCRYPT_DECRYPT"), keys("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    with refused("InvalidKeyUsageException", "Algorithm SYMMETRIC_DEFAULT is incompatible with key spec RSA_2048."):
        kms.encrypt(KeyId=rsa["KeyId"], Plaintext=b"p")
    text = "Algorithm RSAES_OAEP_SHA_256 is incompatible with key spec SYMMETRIC_DEFAULT."
    with refused("InvalidKeyUsageException", text):
        kms.encrypt(KeyId=symmetric["KeyId"], Plaintext=b"p", EncryptionAlgorithm="RSAES_OAEP_SHA_256")


def test_a_context_is_only_for_symmetric_keys(kms, keys, refused):
    with refused(("ValidationException", "InvalidKeyUsageException")):
        kms.encrypt(
            KeyId=keys("RSA_2048", "ENCRYPT_DECRYPT")["KeyId"],
            Plaintext=b"p",
            EncryptionAlgorithm="RSAES_OAEP_SHA_256",
            EncryptionContext={"a": "b"},
        )


def test_reencrypting_moves_from_rsa_to_symmetric_and_back(kms, keys):
    rsa, symmetric = keys("RSA_2048", "ENCRYPT_DECRYPT"), keys("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    blob = public_key(kms, rsa).encrypt(b"p", oaep("RSAES_OAEP_SHA_256"))
    reply = kms.re_encrypt(
        CiphertextBlob=blob,
        SourceKeyId=rsa["KeyId"],
        SourceEncryptionAlgorithm="RSAES_OAEP_SHA_256",
        DestinationKeyId=symmetric["KeyId"],
    )
    assert reply["SourceEncryptionAlgorithm"] == "RSAES_OAEP_SHA_256"
    reply = kms.re_encrypt(
        CiphertextBlob=reply["CiphertextBlob"],
        DestinationKeyId=rsa["KeyId"],
        DestinationEncryptionAlgorithm="RSAES_OAEP_SHA_1",
    )
    assert reply["DestinationEncryptionAlgorithm"] == "RSAES_OAEP_SHA_1"
    opened = kms.decrypt(KeyId=rsa["KeyId"], CiphertextBlob=reply["CiphertextBlob"], EncryptionAlgorithm="RSAES_OAEP_SHA_1")
    assert opened["Plaintext"] == b"p"


SIGNERS = [(spec, algorithm) for spec in ("RSA_2048", "RSA_3072", "RSA_4096") for algorithm in RSA_SIGNING] + CURVES


@pytest.mark.parametrize(("spec", "algorithm"), SIGNERS)
def test_signatures_verify_offline_and_online(kms, keys, spec, algorithm):
    key = keys(spec, "SIGN_VERIFY")
    public = public_key(kms, key)
    message = os.urandom(4096)
    digest = hashlib.new(f"sha{algorithm[-3:]}", message).digest()
    for form, data in (("RAW", message), ("DIGEST", digest)):
        arguments = {"KeyId": key["KeyId"], "Message": data, "MessageType": form, "SigningAlgorithm": algorithm}
        signed = kms.sign(**arguments)
        assert (signed["KeyId"], signed["SigningAlgorithm"]) == (key["Arn"], algorithm)
        verify_offline(public, algorithm, message, signed["Signature"], digest if form == "DIGEST" else None)
        verified = kms.verify(Signature=signed["Signature"], **arguments)
        assert (verified["SignatureValid"], verified["KeyId"], verified["SigningAlgorithm"]) == (True, key["Arn"], algorithm)


@pytest.mark.parametrize(
    ("spec", "algorithm", "options"),
    [
        ("RSA_2048", "RSASSA_PKCS1_V1_5_SHA_256", []),
        ("RSA_2048", "RSASSA_PSS_SHA_256", ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"]),
        ("ECC_NIST_P256", "ECDSA_SHA_256", []),
        ("ECC_SECG_P256K1", "ECDSA_SHA_256", []),
    ],
)
def test_openssl_verifies_signatures(kms, keys, tmp_path, spec, algorithm, options):
    key = keys(spec, "SIGN_VERIFY")
    message, public, signature = tmp_path / "message", tmp_path / "public.der", tmp_path / "signature"
    message.write_bytes(b"a message")
    public.write_bytes(kms.get_public_key(KeyId=key["KeyId"])["PublicKey"])
    signed = kms.sign(KeyId=key["KeyId"], Message=b"a message", SigningAlgorithm=algorithm)
    signature.write_bytes(signed["Signature"])
    command = ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", str(public), *options, "-signature", str(signature), str(message)]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip() == "Verified OK"


@pytest.mark.parametrize(("spec", "algorithm"), [("RSA_2048", "RSASSA_PSS_SHA_256"), ("ECC_NIST_P384", "ECDSA_SHA_384")])
def test_a_wrong_signature_is_an_error(kms, keys, refused, spec, algorithm):
    name = keys(spec, "SIGN_VERIFY")["KeyId"]
    good = kms.sign(KeyId=name, Message=b"m", SigningAlgorithm=algorithm)["Signature"]
    for message, signature in ((b"n", good), (b"m", good[:-1] + bytes([good[-1] ^ 1])), (b"m", b"x"), (b"m", bytes(len(good)))):
        with refused("KMSInvalidSignatureException"):
            kms.verify(KeyId=name, Message=message, Signature=signature, SigningAlgorithm=algorithm)


@pytest.mark.parametrize(("spec", "algorithm"), [("RSA_2048", "RSASSA_PSS_SHA_384"), ("ECC_NIST_P256", "ECDSA_SHA_256")])
def test_a_digest_has_the_length_of_its_algorithm(kms, keys, refused, spec, algorithm):
    with refused("ValidationException", f"Digest is invalid length for algorithm {algorithm}."):
        kms.sign(KeyId=keys(spec, "SIGN_VERIFY")["KeyId"], Message=bytes(20), MessageType="DIGEST", SigningAlgorithm=algorithm)


def test_a_signing_algorithm_belongs_to_its_spec(kms, keys, refused):
    name = keys("ECC_NIST_P256", "SIGN_VERIFY")["KeyId"]
    with refused("InvalidKeyUsageException", "Algorithm ECDSA_SHA_384 is incompatible with key spec ECC_NIST_P256."):
        kms.sign(KeyId=name, Message=b"m", SigningAlgorithm="ECDSA_SHA_384")
    with refused("InvalidKeyUsageException"):
        kms.verify(KeyId=name, Message=b"m", Signature=b"s", SigningAlgorithm="RSASSA_PSS_SHA_256")


def test_an_encrypting_key_does_not_sign(kms, keys, refused):
    key = keys("RSA_2048", "ENCRYPT_DECRYPT")
    with refused("InvalidKeyUsageException", f"{key['Arn']} key usage is ENCRYPT_DECRYPT which is not valid for Sign."):
        kms.sign(KeyId=key["KeyId"], Message=b"m", SigningAlgorithm="RSASSA_PSS_SHA_256")


@pytest.mark.parametrize("bits", [224, 256, 384, 512])
def test_a_mac_verifies(kms, keys, refused, bits):
    key = keys(f"HMAC_{bits}", "GENERATE_VERIFY_MAC")
    arguments = {"KeyId": key["KeyId"], "MacAlgorithm": f"HMAC_SHA_{bits}"}
    made = kms.generate_mac(Message=b"m", **arguments)
    assert (made["KeyId"], made["MacAlgorithm"]) == (key["Arn"], arguments["MacAlgorithm"])
    assert len(made["Mac"]) * 8 == bits
    assert kms.generate_mac(Message=b"m", **arguments)["Mac"] == made["Mac"]
    verified = kms.verify_mac(Message=b"m", Mac=made["Mac"], **arguments)
    assert (verified["MacValid"], verified["KeyId"]) == (True, key["Arn"])
    for message, mac in ((b"n", made["Mac"]), (b"m", made["Mac"][:-1]), (b"m", bytes(bits // 8))):
        with refused("KMSInvalidMacException"):
            kms.verify_mac(Message=message, Mac=mac, **arguments)


def test_a_mac_algorithm_belongs_to_its_spec(kms, keys, refused):
    name = keys("HMAC_224", "GENERATE_VERIFY_MAC")["KeyId"]
    with refused("InvalidKeyUsageException", "Algorithm HMAC_SHA_256 is incompatible with key spec HMAC_224."):
        kms.generate_mac(KeyId=name, Message=b"m", MacAlgorithm="HMAC_SHA_256")


def test_a_message_is_at_most_4096_bytes(unchecked, keys, refused):
    with refused("ValidationException"):
        unchecked.generate_mac(KeyId=keys("HMAC_256", "GENERATE_VERIFY_MAC")["KeyId"], Message=bytes(4097), MacAlgorithm="HMAC_SHA_256")
    with refused("ValidationException"):
        unchecked.sign(KeyId=keys("ECC_NIST_P256", "SIGN_VERIFY")["KeyId"], Message=bytes(4097), SigningAlgorithm="ECDSA_SHA_256")


def test_a_dry_run_says_that_it_would_have_succeeded(kms, keys, refused):
    signer = {"KeyId": keys("ECC_NIST_P256", "SIGN_VERIFY")["KeyId"], "Message": b"m", "SigningAlgorithm": "ECDSA_SHA_256"}
    mac = {"KeyId": keys("HMAC_256", "GENERATE_VERIFY_MAC")["KeyId"], "Message": b"m", "MacAlgorithm": "HMAC_SHA_256"}
    for call, arguments in (
        (kms.sign, signer),
        (kms.verify, {**signer, "Signature": kms.sign(**signer)["Signature"]}),
        (kms.generate_mac, mac),
        (kms.verify_mac, {**mac, "Mac": kms.generate_mac(**mac)["Mac"]}),
    ):
        with refused("DryRunOperationException", DRY_RUN):
            call(DryRun=True, **arguments)
    with refused("KMSInvalidSignatureException"):
        kms.verify(Signature=b"s", DryRun=True, **signer)
    with refused("KMSInvalidMacException"):
        kms.verify_mac(Mac=b"s", DryRun=True, **mac)
