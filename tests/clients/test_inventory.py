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
]


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
    levels = {
        name: asset["cryptoProperties"]["algorithmProperties"]["nistQuantumSecurityLevel"]
        for name, asset in assets.items()
        if name.startswith("algorithm/")
    }
    assert levels["algorithm/AES-256-GCM"] == 5 and levels["algorithm/ECDSA-P-256"] == 0
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
