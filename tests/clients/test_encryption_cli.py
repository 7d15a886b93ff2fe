"""The AWS Encryption SDK's command line: files sealed under our keys. Its SDK is older than the one that is tested beside it, so
`./test` keeps both apart (requirements-encryption-cli.txt)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HOME = Path(sys.prefix) / "encryption-cli"
CONTEXT = ["app=tests", "stage=one"]


@pytest.fixture
def cli(server, tmp_path):
    """Runs `aws-encryption-cli ARGUMENTS` in an empty directory."""
    program = HOME / "bin" / "aws-encryption-cli"
    assert program.exists(), f"there is no {program}; `./test clients` installs it"

    def run(*arguments):
        environment = {**server.client_env(tmp_path), "PYTHONPATH": str(HOME), "AWS_DEFAULT_REGION": server.env["AWS_REGION"]}
        command = [sys.executable, str(program), *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=120)

    return run


def seal(key, source="plain", output="sealed"):
    return ["--encrypt", "--wrapping-keys", f"key={key}", "--encryption-context", *CONTEXT, *files(source, output)]


def open_(key, source="sealed", output="opened"):
    return ["--decrypt", "--wrapping-keys", f"key={key}", "--encryption-context", *CONTEXT, *files(source, output)]


def files(source, output):
    return ["--commitment-policy", "require-encrypt-require-decrypt", "--input", source, "--output", output, "--metadata-output", "-"]


@pytest.mark.parametrize("named", ["arn", "alias"])
def test_a_file_is_sealed_and_opened(cli, kms, key, account, tmp_path, named):
    message = os.urandom(200_000)
    (tmp_path / "plain").write_bytes(message)
    name = f"alias/cli-{key['KeyId']}"
    kms.create_alias(AliasName=name, TargetKeyId=key["KeyId"])
    wrapping = {"arn": key["Arn"], "alias": f"arn:aws:kms:{account['region']}:{account['id']}:{name}"}[named]
    done = cli(*seal(wrapping))
    assert done.returncode == 0, done.stderr
    context = json.loads(done.stdout)["header"]["encryption_context"]
    assert (context["app"], context["stage"]) == ("tests", "one")
    assert message[:64] not in (tmp_path / "sealed").read_bytes()
    # Whoever opens it names the key itself.
    done = cli(*open_(key["Arn"]))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "opened").read_bytes() == message


def test_a_file_does_not_open_with_another_key_or_a_disabled_one(cli, kms, make_key, tmp_path):
    mine, other = make_key(), make_key()
    (tmp_path / "plain").write_bytes(b"text")
    assert cli(*seal(mine["Arn"])).returncode == 0
    assert cli(*open_(other["Arn"])).returncode != 0
    kms.disable_key(KeyId=mine["KeyId"])
    assert cli(*open_(mine["Arn"])).returncode != 0
    assert not (tmp_path / "opened").exists() or (tmp_path / "opened").read_bytes() == b""
