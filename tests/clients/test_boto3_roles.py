"""Roles: assumed by users, and by pods that have nothing but a token of their cluster."""

import json
import subprocess
import sys
import uuid

import boto3
import botocore.config
import identities
import pytest
import users
from conftest import connect

SUBJECT = "system:serviceaccount:shop:api"
ENCRYPTION = {"Effect": "Allow", "Action": ["kms:Encrypt", "kms:Decrypt", "kms:DescribeKey"], "Resource": "*"}


def document(*statements):
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trusting(user):
    return document({"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": ["sts:AssumeRole", "sts:TagSession"]})


class Role:
    """A role of the development server's tenant."""

    def __init__(self, server, trust, policy):
        self.server = server
        self.name = f"role-{uuid.uuid4().hex[:12]}"
        trust_file, policy_file = (self.file(kind, text) for kind, text in (("trust", trust), ("policy", policy)))
        made = users.admin(server, "role", "create", self.name, "--trust", trust_file, "--session", "2h")
        self.arn, self.unique_id = made["arn"], made["unique_id"]
        reference = f"role/{self.name}"
        users.admin(server, "policy", "attach", "--principal", reference, "--name", "tests", "--file", policy_file)

    def file(self, kind, content):
        path = self.server.data.parent / f"{self.name}-{kind}.json"
        path.write_text(json.dumps(content))
        return str(path)


@pytest.fixture
def make_role(server):
    return lambda trust, policy=None: Role(server, trust, policy or document(ENCRYPTION))


def assume(server, user, role, **more):
    sts = connect(server, "sts", credentials=user.credentials, parameter_validation=False)
    return sts.assume_role(RoleArn=role.arn, RoleSessionName="night-run", **more)


def client(server, reply, service="kms"):
    """A client with a session's credentials."""
    given = reply["Credentials"]
    return boto3.client(
        service,
        region_name=server.env["AWS_REGION"],
        aws_access_key_id=given["AccessKeyId"],
        aws_secret_access_key=given["SecretAccessKey"],
        aws_session_token=given["SessionToken"],
        endpoint_url=server.env["AWS_ENDPOINT_URL"],
        verify=server.env["AWS_CA_BUNDLE"] or None,
        config=botocore.config.Config(retries={"max_attempts": 1, "mode": "standard"}),
    )


def test_a_user_assumes_a_role_and_uses_a_key(server, make_user, make_role, key, account):
    user, _ = make_user()
    role = make_role(trusting(user))
    reply = assume(server, user, role, DurationSeconds=900)
    assert reply["Credentials"]["AccessKeyId"].startswith("ASIA")
    arn = f"arn:aws:sts::{account['id']}:assumed-role/{role.name}/night-run"
    assert reply["AssumedRoleUser"] == {"AssumedRoleId": f"{role.unique_id}:night-run", "Arn": arn}
    kms = client(server, reply)
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"text")["CiphertextBlob"]
    assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"text"
    who = client(server, reply, "sts").get_caller_identity()
    assert (who["Arn"], who["UserId"]) == (arn, f"{role.unique_id}:night-run")


def test_a_session_policy_narrows_what_the_role_may(server, make_user, make_role, key, refused):
    user, _ = make_user()
    only_encrypt = document({"Effect": "Allow", "Action": "kms:Encrypt", "Resource": "*"})
    reply = assume(server, user, make_role(trusting(user)), Policy=json.dumps(only_encrypt))
    assert 0 < reply["PackedPolicySize"] < 100
    kms = client(server, reply)
    sealed = kms.encrypt(KeyId=key["KeyId"], Plaintext=b"text")["CiphertextBlob"]
    with refused("AccessDeniedException") as refusal:
        kms.decrypt(CiphertextBlob=sealed)
    assert refusal.text.endswith("because no session policy allows the kms:Decrypt action")


def test_tags_of_a_session_are_its_principals(server, make_user, make_role, key, refused):
    user, _ = make_user()
    red = {**ENCRYPTION, "Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}}}
    role = make_role(trusting(user), document(red))
    for team, allowed in (("red", True), ("blue", False)):
        kms = client(server, assume(server, user, role, Tags=[{"Key": "team", "Value": team}]))
        if allowed:
            kms.describe_key(KeyId=key["KeyId"])
        else:
            with refused("AccessDeniedException"):
                kms.describe_key(KeyId=key["KeyId"])
    with refused("ValidationError") as refusal:
        assume(server, user, role, Tags=[{"Key": "aws:team", "Value": "red"}])
    assert "aws:team" in refusal.text


def test_who_is_not_trusted_is_denied_whether_or_not_the_role_exists(server, make_user, make_role, refused):
    user, _ = make_user()
    other, _ = make_user(document({"Effect": "Allow", "Action": "sts:*", "Resource": "*"}))
    role = make_role(trusting(user))
    with refused("AccessDenied") as known:
        assume(server, other, role)
    assert known.text == (
        f"User: {other.arn} is not authorized to perform: sts:AssumeRole on resource: {role.arn}"
    )
    arn, role.arn = role.arn, role.arn + "x"
    with refused("AccessDenied") as unknown:
        assume(server, other, role)
    assert unknown.text == known.text.replace(arn, role.arn)


def test_a_session_may_last_as_long_as_its_role_says(server, make_user, make_role, refused):
    user, _ = make_user()
    role = make_role(trusting(user))
    assume(server, user, role, DurationSeconds=7200)
    with refused("ValidationError") as refusal:
        assume(server, user, role, DurationSeconds=7201)
    assert refusal.text == "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    with refused("ValidationError"):
        assume(server, user, role, DurationSeconds=899)
    with refused("MalformedPolicyDocument"):
        assume(server, user, role, Policy="{}")


def test_suspending_a_role_ends_its_sessions_and_deleting_it_does(server, make_user, make_role, key, refused):
    user, _ = make_user()
    role = make_role(trusting(user))
    kms = client(server, assume(server, user, role))
    kms.describe_key(KeyId=key["KeyId"])
    users.admin(server, "role", "suspend", role.name)
    with refused("AccessDeniedException"):
        kms.describe_key(KeyId=key["KeyId"])
    with refused("AccessDenied"):
        assume(server, user, role)
    users.admin(server, "role", "resume", role.name)
    kms.describe_key(KeyId=key["KeyId"])
    users.admin(server, "role", "delete", role.name)
    with refused("UnrecognizedClientException") as refusal:
        kms.describe_key(KeyId=key["KeyId"])
    assert refusal.text == "The security token included in the request is invalid."


def test_a_session_token_that_was_meddled_with_is_invalid(server, make_user, make_role, refused):
    user, _ = make_user()
    reply = assume(server, user, make_role(trusting(user)))
    for meddle in (lambda token: "x" + token[1:], lambda token: token[:-8], lambda token: "dG9rZW4="):
        changed = {"Credentials": {**reply["Credentials"], "SessionToken": meddle(reply["Credentials"]["SessionToken"])}}
        with refused("UnrecognizedClientException"):
            client(server, changed).list_keys()
        with refused("InvalidClientTokenId"):
            client(server, changed, "sts").get_caller_identity()


@pytest.fixture
def pod(server, make_role):
    """An issuer that the tenant trusts, and a role for one of its subjects."""

    class Pod:
        def __init__(self):
            self.issuer = identities.Issuer(f"https://{uuid.uuid4().hex[:12]}.example:6443/cluster")
            keys = server.data.parent / f"{uuid.uuid4().hex}.json"
            keys.write_text(self.issuer.keys())
            arguments = ("--audience", identities.AUDIENCE, "--keys", str(keys))
            made = users.admin(server, "issuer", "put", self.issuer.url, *arguments)
            name = self.issuer.name
            expected = {f"{name}:sub": SUBJECT, f"{name}:aud": identities.AUDIENCE}
            self.role = make_role(
                document(
                    {
                        "Effect": "Allow",
                        "Principal": {"Federated": made["arn"]},
                        "Action": "sts:AssumeRoleWithWebIdentity",
                        "Condition": {"StringEquals": expected},
                    }
                )
            )

        def assume(self, token, **more):
            sts = boto3.client(
                "sts",
                region_name=server.env["AWS_REGION"],
                endpoint_url=server.env["AWS_ENDPOINT_URL"],
                verify=server.env["AWS_CA_BUNDLE"] or None,
                aws_access_key_id="",
                aws_secret_access_key="",
                config=botocore.config.Config(retries={"max_attempts": 1, "mode": "standard"}),
            )
            arguments = {"RoleArn": self.role.arn, "RoleSessionName": "pod-1", "WebIdentityToken": token, **more}
            return sts.assume_role_with_web_identity(**arguments)

    return Pod()


# The stock credential chain finds role and token by itself.
IN_A_POD = """
import boto3, os, sys
kms = boto3.client("kms")
sealed = kms.encrypt(KeyId=sys.argv[1], Plaintext=b"text")["CiphertextBlob"]
assert kms.decrypt(CiphertextBlob=sealed)["Plaintext"] == b"text"
print(boto3.client("sts").get_caller_identity()["Arn"])
"""


def test_a_pod_uses_keys_by_the_stock_credential_chain(server, pod, key, account, tmp_path):
    token = tmp_path / "token"
    token.write_text(pod.issuer.token(SUBJECT))
    stored = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    environment = {name: value for name, value in server.client_env(tmp_path).items() if name not in stored}
    environment |= {
        "AWS_ROLE_ARN": pod.role.arn,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_ROLE_SESSION_NAME": "api-7d9f",
        "AWS_ENDPOINT_URL_STS": server.env["AWS_ENDPOINT_URL"],
    }
    command = [sys.executable, "-c", IN_A_POD, key["KeyId"]]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == f"arn:aws:sts::{account['id']}:assumed-role/{pod.role.name}/api-7d9f"


def test_what_a_token_gives_is_told(pod):
    reply = pod.assume(pod.issuer.token(SUBJECT))
    assert reply["SubjectFromWebIdentityToken"] == SUBJECT
    assert reply["Audience"] == identities.AUDIENCE
    assert reply["Provider"].endswith(f":oidc-provider/{pod.issuer.name}")


def test_a_token_of_another_subject_has_no_session(pod, refused):
    with refused("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"):
        pod.assume(pod.issuer.token("system:serviceaccount:shop:web"))


def test_a_token_for_another_audience_proves_nobody(pod, refused):
    with refused("InvalidIdentityToken", "Incorrect token audience"):
        pod.assume(pod.issuer.token(SUBJECT, audience="vault"))


def test_an_expired_token_proves_nobody(pod, refused):
    with refused("ExpiredTokenException") as refusal:
        pod.assume(pod.issuer.token(SUBJECT, lasts=-120))
    assert refusal.text.startswith("Token expired: current date/time ")


def test_a_token_by_another_key_or_of_an_unknown_issuer_proves_nobody(pod, refused):
    forger = identities.Issuer(pod.issuer.url)
    with refused("InvalidIdentityToken"):
        pod.assume(forger.token(SUBJECT))
    stranger = identities.Issuer("https://stranger.example")
    with refused("InvalidIdentityToken", "No OpenIDConnect provider found in your account for https://stranger.example"):
        pod.assume(stranger.token(SUBJECT))
    with refused("InvalidIdentityToken"):
        pod.assume("no token at all")
