"""Azure's external key proxy as a Managed HSM would call it: JSON over HTTP/1.1 and mutual TLS 1.3, by nothing of ours."""

import base64
import datetime
import http.client
import json
import socket
import ssl
import subprocess

import pytest
import strongroom
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

POOL = "pool.managedhsm.example"
PREFIX = f"{strongroom.ACCOUNT}/prod"
CONTEXT = {"request_id": "r-1", "correlation_id": "c-1", "pool_name": "payments"}
OAEP = {"RSA-OAEP": hashes.SHA1, "RSA-OAEP-256": hashes.SHA256}
REFUSED = (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)


class Authority:
    """A certificate authority of its own."""

    def __init__(self, folder, name):
        self.folder, self.key = folder, ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.pem"
        made = self._build(self.name, self.key.public_key())
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.file.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _build(self, subject, public):
        now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
        return x509.CertificateBuilder(self.name, subject, public, x509.random_serial_number(), now - day, now + day)

    def issue(self, common_name):
        """A file with a client's certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
        usage = x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH])
        made = self._build(subject, key.public_key()).add_extension(usage, critical=False)
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        file = self.folder / f"{self.file.stem}-{common_name}.pem"
        made = made.sign(self.key, hashes.SHA256()).public_bytes(pem)
        file.write_bytes(made + key.private_bytes(pem, form, serialization.NoEncryption()))
        return file


class Proxy(strongroom.Installation):
    """An installation whose second listener is for a Managed HSM."""

    def __init__(self, folder):
        self.authority = Authority(folder, "authority")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        super().__init__(folder)
        self.pool = self.authority.issue(POOL)

    def configure(self, limits):
        # A busy machine is no fault of an answer; what a deadline does is shown elsewhere.
        super().configure(f"cloud_deadline_milliseconds = 10000\n{limits}")
        here = self._folder
        with self._file.open("a") as file:
            file.write(
                f'[[listener]]\nname = "ekm"\naddress = "127.0.0.1:{self.port}"\nfront_ends = ["azure-ekm"]\n'
                f'tls = {{ certificate_chain = "{here / "chain.pem"}", private_key = "{here / "key.pem"}", '
                f'client_ca = "{self.authority.file}" }}\n'
            )

    def run(self, line):
        """What a command of an operator's answers."""
        command = [strongroom.binary(), *line.split(), "--tenant", strongroom.ACCOUNT, "--output", "json"]
        env = self.client_env(self._folder)
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def send(self, method, target, body, certificate, maximum=ssl.TLSVersion.TLSv1_3):
        context = ssl.create_default_context(cafile=self._folder / "chain.pem")
        context.maximum_version = maximum
        if certificate:
            context.load_cert_chain(certificate)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=10)
        try:
            connection.request(method, target, body, {"content-type": "application/json"})
            assert connection.sock.version() == "TLSv1.3"
            reply = connection.getresponse()
            assert reply.headers["content-type"] == "application/json"
            return reply.status, json.loads(reply.read())
        finally:
            connection.close()

    def ask(self, call, certificate=None, prefix=PREFIX, **members):
        target = f"/{prefix}/{call}?api-version=0.1-preview"
        body = json.dumps({"request_context": CONTEXT, **members})
        return self.send("POST", target, body, certificate or self.pool)

    def value(self, call, alg, value):
        status, answer = self.ask(call, alg=alg, value=encode(value))
        assert status == 200, answer
        return decode(answer["value"])

    def error(self, call, **members):
        status, answer = self.ask(call, **members)
        assert set(answer) == {"code", "message"}, answer
        return status, answer["code"]


def encode(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def decode(text):
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    running = Proxy(tmp_path_factory.mktemp("ekm")).start()
    store = running.run("ekm store create prod --region us-east-1")
    assert store["path_prefix"] == PREFIX
    running.run(f"ekm certificate create --store prod {POOL}")
    running.run("ekm key create --store prod aes")
    for bits in (2048, 3072, 4096):
        running.run(f"ekm key create --store prod rsa-{bits} --spec Rsa{bits}")
    yield running
    assert running.stop() == 0, running.tail()


def test_info(proxy):
    status, answer = proxy.ask("info")
    assert status == 200, answer
    assert set(answer) == {"api_version", "proxy_vendor", "proxy_name", "ekm_vendor", "ekm_product"}
    assert answer["api_version"] == "0.1-preview"


@pytest.mark.parametrize(("alg", "length", "wrapped"), [("A256KW", 32, 40), ("A256KW", 16, 24), ("A256KWP", 33, 48)])
def test_aes_key_wrap(proxy, alg, length, wrapped):
    assert proxy.ask("aes/metadata") == (200, {"key_type": "oct", "key_size": 256, "key_ops": ["wrapKey", "unwrapKey"]})
    key = bytes(range(length))
    sealed = proxy.value("aes/wrapkey", alg, key)
    assert len(sealed) == wrapped
    assert proxy.value("aes/unwrapkey", alg, sealed) == key


@pytest.mark.parametrize("alg", OAEP)
@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_what_the_public_key_of_the_metadata_encrypts_unwraps(proxy, bits, alg):
    status, told = proxy.ask(f"rsa-{bits}/metadata")
    assert (status, told["key_type"], told["key_size"]) == (200, "RSA", bits)
    n, e = (int.from_bytes(decode(told[member])) for member in "ne")
    assert n.bit_length() == bits and len(decode(told["n"])) == bits // 8
    oaep = padding.OAEP(padding.MGF1(OAEP[alg]()), OAEP[alg](), None)
    key = bytes(range(32))
    sealed = rsa.RSAPublicNumbers(e, n).public_key().encrypt(key, oaep)
    assert proxy.value(f"rsa-{bits}/unwrapkey", alg, sealed) == key
    assert proxy.value(f"rsa-{bits}/unwrapkey", alg, proxy.value(f"rsa-{bits}/wrapkey", alg, key)) == key


def test_who_is_not_proved_gets_nothing(proxy):
    body = json.dumps({"request_context": CONTEXT})
    target = f"/{PREFIX}/info?api-version=0.1-preview"
    stranger = Authority(proxy._folder, "stranger").issue(POOL)
    for certificate in (None, stranger):
        with pytest.raises(REFUSED):
            proxy.send("POST", target, body, certificate)
    with pytest.raises(REFUSED):
        proxy.send("POST", target, body, proxy.pool, maximum=ssl.TLSVersion.TLSv1_2)
    other = proxy.authority.issue("other.example")
    assert proxy.error("info", certificate=other) == (401, "Unauthorized")
    assert proxy.error("info", prefix="nobody") == (401, "Unauthorized")
    assert proxy.send("POST", target, body, proxy.pool)[0] == 200


def test_refusals(proxy):
    value = encode(bytes(32))
    assert proxy.error("none/metadata") == (404, "KeyNotFound")
    assert proxy.error("aes/sign") == (404, "KeyNotFound")
    assert proxy.error("aes/wrapkey", alg="RSA-OAEP", value=value) == (400, "UnsupportedAlgorithm")
    assert proxy.error("rsa-2048/wrapkey", alg="A256KW", value=value) == (400, "UnsupportedAlgorithm")
    assert proxy.error("aes/wrapkey", alg="A256GCM", value=value) == (400, "UnsupportedAlgorithm")
    assert proxy.error("aes/unwrapkey", alg="A256KW", value=value) == (400, "InvalidRequest")
    assert proxy.error("aes/wrapkey", alg="A256KW", value="+/+/") == (400, "InvalidRequest")
    assert proxy.error("aes/wrapkey", alg="A256KW") == (400, "InvalidRequest")
    assert proxy.error("info", request_context={}) == (400, "InvalidRequest")
    status, answer = proxy.send("GET", f"/{PREFIX}/info?api-version=0.1-preview", None, proxy.pool)
    assert (status, answer["code"]) == (405, "MethodNotAllowed")
    status, answer = proxy.send("POST", f"/{PREFIX}/info?api-version=7.6", "{}", proxy.pool)
    assert (status, answer["code"]) == (400, "UnsupportedApiVersion")


def test_the_switches_act_at_once(proxy):
    value = encode(bytes(32))
    for command, told in (("block", (403, "KeyDisabled")), ("unblock", (200, ""))):
        proxy.run(f"ekm key {command} --store prod aes")
        status, answer = proxy.ask("aes/wrapkey", alg="A256KW", value=value)
        assert (status, answer.get("code", "")) == told
    for command, told in (("block", (403, "Forbidden")), ("unblock", (200, ""))):
        proxy.run(f"ekm store {command} prod")
        for call in ("info", "aes/metadata"):
            status, answer = proxy.ask(call)
            assert (status, answer.get("code", "")) == told


def test_a_policy_and_a_binding_for_one_direction(proxy, tmp_path):
    # A key may be lent for one direction under a name of its own.
    listed = proxy.run("ekm key list --store prod")["items"]
    aes = next(key for key in listed if key["external_key_id"] == "aes")
    assert (aes["spec"], aes["state"]) == ("Aes256", "Active")
    proxy.run(f"ekm key bind --store prod wrap-only --key {aes['key']} --only wrap")
    sealed = proxy.value("wrap-only/wrapkey", "A256KW", bytes(32))
    assert proxy.error("wrap-only/unwrapkey", alg="A256KW", value=encode(sealed)) == (403, "OperationNotAllowed")
    proxy.run("ekm key unbind --store prod wrap-only")
    assert proxy.error("wrap-only/metadata") == (404, "KeyNotFound")

    policy = tmp_path / "policy.json"
    condition = {"StringEquals": {"ekm-proxy:PoolName": "payments"}}
    statement = {"Effect": "Allow", "Action": "ekm-proxy:UnwrapKey", "Resource": "*", "Condition": condition}
    policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    try:
        proxy.run(f"policy attach --principal service/prod --name calls --file {policy}")
        assert proxy.value("aes/unwrapkey", "A256KW", sealed) == bytes(32)
        assert proxy.error("aes/wrapkey", alg="A256KW", value=encode(bytes(32))) == (403, "Forbidden")
        other = {**CONTEXT, "pool_name": "other"}
        members = {"alg": "A256KW", "value": encode(sealed), "request_context": other}
        assert proxy.error("aes/unwrapkey", **members) == (403, "Forbidden")
        proxy.run("ekm store set prod --dry-run true")
        assert len(proxy.value("aes/wrapkey", "A256KW", bytes(32))) == 40
    finally:
        proxy.run("ekm store set prod --dry-run false")
        statement = {"Effect": "Allow", "Action": "ekm-proxy:*", "Resource": "*"}
        policy.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
        proxy.run(f"policy attach --principal service/prod --name calls --file {policy}")


def test_a_certificates_name_is_added_and_removed_while_serving(proxy):
    new = proxy.authority.issue("new.example")
    assert proxy.error("info", certificate=new) == (401, "Unauthorized")
    proxy.run("ekm certificate create --store prod New.example")
    assert proxy.ask("info", certificate=new)[0] == 200
    names = [one["name"] for one in proxy.run("ekm certificate list --store prod")["items"]]
    assert sorted(names) == ["new.example", POOL]
    proxy.run("ekm certificate delete --store prod new.example")
    assert proxy.error("info", certificate=new) == (401, "Unauthorized")
