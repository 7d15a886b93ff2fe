"""A signer as cosign and sigstore have them: GetPublicKey and DescribeKey once, then Sign of digests made by itself; whoever has
the public key verifies, without us."""

import base64
import hashlib
import json
import shutil
import subprocess

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

# What the algorithm's name ends with, and its hash.
HASHES = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
KEYS = ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521", "ECC_SECG_P256K1", "RSA_2048", "RSA_3072", "RSA_4096"]


class Signer:
    """Signs by the first algorithm that the key has."""

    def __init__(self, kms, key):
        self.kms, self.key = kms, key
        described = kms.describe_key(KeyId=key)["KeyMetadata"]
        assert described["KeyUsage"] == "SIGN_VERIFY" and described["KeyState"] == "Enabled"
        self.algorithms = described["SigningAlgorithms"]
        self.der = kms.get_public_key(KeyId=key)["PublicKey"]
        self.public = serialization.load_der_public_key(self.der)

    def sign(self, message, algorithm):
        digest = hashlib.new(f"sha{algorithm[-3:]}", message).digest()
        reply = self.kms.sign(KeyId=self.key, Message=digest, MessageType="DIGEST", SigningAlgorithm=algorithm)
        return digest, reply["Signature"]

    def verify(self, digest, signature, algorithm):
        hashed = Prehashed(HASHES[algorithm[-3:]]())
        if isinstance(self.public, ec.EllipticCurvePublicKey):
            return self.public.verify(signature, digest, ec.ECDSA(hashed))
        assert isinstance(self.public, rsa.RSAPublicKey)
        mask = HASHES[algorithm[-3:]]()
        pads = padding.PSS(padding.MGF1(mask), padding.PSS.DIGEST_LENGTH) if "PSS" in algorithm else padding.PKCS1v15()
        return self.public.verify(signature, digest, pads, hashed)


@pytest.mark.parametrize("spec", KEYS)
def test_digests_signed_by_an_alias_are_verified_offline(kms, make_key, spec):
    key = make_key(spec, "SIGN_VERIFY")
    alias = f"alias/signer-{key['KeyId']}"
    kms.create_alias(AliasName=alias, TargetKeyId=key["KeyId"])
    signer = Signer(kms, alias)
    for algorithm in signer.algorithms:
        signer.verify(*signer.sign(b"an artefact", algorithm), algorithm)


def test_openssl_verifies_what_was_signed(kms, make_key, tmp_path):
    signer = Signer(kms, make_key("ECC_NIST_P256", "SIGN_VERIFY")["Arn"])
    (tmp_path / "artefact").write_bytes(b"an artefact")
    (tmp_path / "signature").write_bytes(signer.sign(b"an artefact", "ECDSA_SHA_256")[1])
    (tmp_path / "public").write_bytes(signer.der)
    verify = ["openssl", "dgst", "-sha256", "-verify", "public", "-keyform", "DER", "-signature", "signature", "artefact"]
    done = subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "Verified OK"), done.stderr
    (tmp_path / "artefact").write_bytes(b"another")
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, timeout=60).returncode != 0


def test_a_digest_of_another_length_is_signed_by_nobody(kms, make_key, refused):
    key = make_key("ECC_NIST_P256", "SIGN_VERIFY")
    with refused("ValidationException", "Digest is invalid length for algorithm ECDSA_SHA_256."):
        kms.sign(KeyId=key["KeyId"], Message=b"m" * 48, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256")


@pytest.mark.skipif(not shutil.which("cosign"), reason="cosign is not installed, and no source of Debian's offers it")
def test_cosign_signs_a_file(server, kms, make_key, tmp_path):
    key = make_key("ECC_NIST_P256", "SIGN_VERIFY")
    (tmp_path / "artefact").write_bytes(b"an artefact")
    host = server.env["AWS_ENDPOINT_URL"].removeprefix("https://")
    sign = ["cosign", "sign-blob", "--yes", "--tlog-upload=false", "--use-signing-config=false", "--key", f"awskms://{host}/{key['Arn']}"]
    environment = server.client_env(tmp_path) | {"SSL_CERT_FILE": server.env["AWS_CA_BUNDLE"]}
    done = subprocess.run([*sign, "artefact"], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    said = done.stdout.strip()
    signature = base64.b64decode(json.loads(said)["base64Signature"] if said.startswith("{") else said)
    digest = hashlib.sha256(b"an artefact").digest()
    Signer(kms, key["Arn"]).verify(digest, signature, "ECDSA_SHA_256")
