"""The aws command line, as its users run it: with the lines pasted that the server printed."""

import base64
import json
import shlex
import subprocess

import pytest


@pytest.fixture
def aws(server, tmp_path):
    """Runs `aws ARGUMENTS` and returns what it printed, parsed."""

    def run(*arguments, fails=False):
        command = ["aws", *arguments, "--output", "json"]
        done = subprocess.run(command, env=server.client_env(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.returncode != 0) == fails, f"{shlex.join(command)}: {done.stdout}{done.stderr}"
        return done.stderr if fails else json.loads(done.stdout or "null")

    return run


def test_the_printed_lines_make_the_client_work(server, tmp_path):
    lines = "\n".join(f"export {name}={shlex.quote(value)}" for name, value in server.env.items())
    script = f"{lines}\naws kms encrypt --key-id alias/dev --plaintext fileb://message --query CiphertextBlob --output text"
    (tmp_path / "message").write_text("hello")
    own = {"PATH": server.client_env(tmp_path)["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run(["bash", "-euc", script], env=own, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert base64.b64decode(done.stdout.strip(), validate=True)


def test_a_file_is_encrypted_and_decrypted(aws, tmp_path):
    key = aws("kms", "create-key", "--description", "from the command line")["KeyMetadata"]
    (tmp_path / "plain").write_bytes(b"hello \x00 world")
    context = ("--encryption-context", "app=tests,stage=one")
    sealed = aws("kms", "encrypt", "--key-id", key["KeyId"], "--plaintext", "fileb://plain", *context)
    (tmp_path / "sealed").write_bytes(base64.b64decode(sealed["CiphertextBlob"]))
    opened = aws("kms", "decrypt", "--ciphertext-blob", "fileb://sealed", *context)
    assert base64.b64decode(opened["Plaintext"]) == b"hello \x00 world"
    assert opened["KeyId"] == key["Arn"]
    error = aws("kms", "decrypt", "--ciphertext-blob", "fileb://sealed", fails=True)
    assert "(InvalidCiphertextException)" in error


def test_a_key_is_administered(aws):
    key = aws("kms", "create-key", "--key-spec", "ECC_NIST_P256", "--key-usage", "SIGN_VERIFY")["KeyMetadata"]
    aws("kms", "create-alias", "--alias-name", "alias/from-the-cli", "--target-key-id", key["KeyId"])
    assert aws("kms", "describe-key", "--key-id", "alias/from-the-cli")["KeyMetadata"]["Arn"] == key["Arn"]
    assert any(entry["KeyId"] == key["KeyId"] for entry in aws("kms", "list-keys")["Keys"])
    aws("kms", "disable-key", "--key-id", key["KeyId"])
    error = aws("kms", "get-public-key", "--key-id", key["KeyId"], fails=True)
    assert f"(DisabledException) when calling the GetPublicKey operation: {key['Arn']} is disabled." in error
    aws("kms", "delete-alias", "--alias-name", "alias/from-the-cli")
    assert aws("kms", "schedule-key-deletion", "--key-id", key["KeyId"])["KeyState"] == "PendingDeletion"


def test_the_caller_is_told_who_it_is(aws, account):
    assert aws("sts", "get-caller-identity")["Arn"] == account["arn"]


def test_the_development_key_is_there(aws):
    assert aws("kms", "describe-key", "--key-id", "alias/dev")["KeyMetadata"]["KeyState"] == "Enabled"
