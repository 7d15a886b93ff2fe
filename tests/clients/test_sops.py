"""sops: files whose values are sealed under keys of ours."""

import json
import subprocess

import pytest

SECRET = {"database": {"user": "app", "password": "correct horse"}, "ports": [1, 2]}


@pytest.fixture
def sops(server, tmp_path):
    environment = {
        **server.client_env(tmp_path),
        "AWS_ENDPOINT_URL_KMS": server.env["AWS_ENDPOINT_URL"],
        "SSL_CERT_FILE": server.env["AWS_CA_BUNDLE"],
    }

    def run(*arguments, fails=False):
        command = ["sops", "--disable-version-check", *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.returncode != 0) == fails, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    return run


@pytest.fixture
def plain(tmp_path):
    path = tmp_path / "plain.json"
    path.write_text(json.dumps(SECRET))
    return path


@pytest.mark.parametrize("context", [None, "app:tests,stage:one"])
def test_a_file_is_sealed_and_opened(sops, key, plain, tmp_path, context):
    more = ["--encryption-context", context] if context else []
    sealed = sops("encrypt", "--kms", key["Arn"], *more, str(plain))
    assert "correct horse" not in sealed
    (tmp_path / "sealed.json").write_text(sealed)
    assert json.loads(sops("decrypt", "sealed.json")) == SECRET


def test_a_changed_context_does_not_open(sops, key, plain, tmp_path):
    sealed = json.loads(sops("encrypt", "--kms", key["Arn"], "--encryption-context", "app:tests", str(plain)))
    sealed["sops"]["kms"][0]["context"]["app"] = "other"
    (tmp_path / "sealed.json").write_text(json.dumps(sealed))
    sops("decrypt", "sealed.json", fails=True)


def test_a_file_moves_to_another_key(sops, kms, make_key, plain, tmp_path):
    old, new = make_key(), make_key()
    (tmp_path / "sealed.json").write_text(sops("encrypt", "--kms", old["Arn"], str(plain)))
    sops("rotate", "--in-place", "--add-kms", new["Arn"], "--rm-kms", old["Arn"], "sealed.json")
    kms.disable_key(KeyId=old["KeyId"])
    assert json.loads(sops("decrypt", "sealed.json")) == SECRET
    kms.disable_key(KeyId=new["KeyId"])
    sops("decrypt", "sealed.json", fails=True)
