"""The inventory as a cryptographic bill of materials, against CycloneDX's own schema."""

import csv
import io
import json
import subprocess

import pytest
import strongroom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

SPECS = [
    ("SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"),
    ("RSA_2048", "SIGN_VERIFY"),
    ("ECC_NIST_P256", "SIGN_VERIFY"),
    ("HMAC_256", "GENERATE_VERIFY_MAC"),
    *((f"ML_DSA_{parameters}", "SIGN_VERIFY") for parameters in (44, 65, 87)),
    *((f"ML_KEM_{parameters}", "ENCAPSULATE_DECAPSULATE") for parameters in (512, 768, 1024)),
]
# Of FIPS 203 and 204: bits of security against classical computers, NIST's category, bytes of the private key.
LATTICES = {
    "ML-DSA-44": (128, 2, 2560),
    "ML-DSA-65": (192, 3, 4032),
    "ML-DSA-87": (256, 5, 4896),
    "ML-KEM-512": (128, 1, 1632),
    "ML-KEM-768": (192, 3, 2400),
    "ML-KEM-1024": (256, 5, 3168),
}


@pytest.fixture
def inventory(server, account, tmp_path):
    """`strongroom keys inventory` in a form."""

    def run(form):
        command = [strongroom.binary(), "keys", "inventory", "--tenant", account["id"], "--format", form]
        done = subprocess.run(command, env=server.client_env(tmp_path), capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def keys(kms, make_key):
    """One key of each kind, the first of them used."""
    made = [make_key(spec, usage) for spec, usage in SPECS]
    kms.encrypt(KeyId=made[0]["KeyId"], Plaintext=b"counted")
    kms.schedule_key_deletion(KeyId=made[1]["KeyId"], PendingWindowInDays=7)
    return made


def test_the_bill_of_materials_is_cyclonedx(inventory, keys, account):
    bill = inventory("cyclonedx")
    fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(bill)
    assert fault is None, fault
    broken = json.loads(bill)
    broken["components"][0]["cryptoProperties"]["assetType"] = "horse"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(broken)) is not None
    assets = {asset["bom-ref"]: asset for asset in json.loads(bill)["components"]}
    algorithms = {
        name.removeprefix("algorithm/"): asset["cryptoProperties"]["algorithmProperties"]
        for name, asset in assets.items()
        if name.startswith("algorithm/")
    }
    levels = {name: properties["nistQuantumSecurityLevel"] for name, properties in algorithms.items()}
    assert levels["AES-256-GCM"] == 5 and levels["ECDSA-P-256"] == 0
    sizes = {
        material["algorithmRef"].removeprefix("algorithm/"): material["size"]
        for asset in assets.values()
        if (material := asset["cryptoProperties"].get("relatedCryptoMaterialProperties"))
    }
    for name, (classical, category, private_key) in LATTICES.items():
        properties = algorithms[name]
        assert properties["primitive"] == ("kem" if "KEM" in name else "signature")
        assert properties["parameterSetIdentifier"] == name.rpartition("-")[2]
        assert (properties["classicalSecurityLevel"], levels[name]) == (classical, category)
        assert sizes[name] == 8 * private_key
    by_name = {asset["name"]: asset for name, asset in assets.items() if name.startswith("key/")}
    used, ending = by_name[keys[0]["KeyId"]], by_name[keys[1]["KeyId"]]
    counted = {said["name"]: said["value"] for said in used["properties"]}
    assert counted[f"strongroom:uses:derived-aes-256-gcm:{account['arn']}"] == "1"
    material = ending["cryptoProperties"]["relatedCryptoMaterialProperties"]
    assert material["state"] == "deactivated" and "expirationDate" in material


def test_the_csv_has_a_line_for_every_key(inventory, keys):
    rows = list(csv.DictReader(io.StringIO(inventory("csv"))))
    assert {key["KeyId"] for key in keys} <= {row["name"] for row in rows}
    assert all(row["key_state"] and int(row["uses"]) >= 0 for row in rows)
