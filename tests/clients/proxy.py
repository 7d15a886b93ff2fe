"""An XKS proxy that answers by the mood that its path names: what AWS's own would never do can't be had from ours."""

import datetime
import http.server
import json
import ssl
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "xks.example.com"
ENDPOINT = f"https://{HOST}"
# Of the form that AWS wants. Nothing here checks a signature: only the moods refuse.
CREDENTIAL = {"AccessKeyId": "ABCDEFGHIJKLMNOPQRST", "RawSecretAccessKey": "0123456789abcdefghijABCDEFGHIJ0123456789+/=a"}
HEALTHY = {
    "xksProxyFleetSize": 1,
    "xksProxyVendor": "test",
    "xksProxyModel": "test",
    "ekmVendor": "test",
    "ekmFleetDetails": [{"id": "one", "model": "test", "healthStatus": "ACTIVE"}],
}
ILL = {**HEALTHY, "ekmFleetDetails": [{"id": "one", "model": "test", "healthStatus": "UNAVAILABLE"}]}
FIT = {"keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": "ENABLED"}
# The first part of a path up to a hyphen: what is answered whatever is asked.
MOODS = {
    "nonsense": (200, "nonsense"),
    "stranger": (401, {"errorName": "AuthenticationFailedException"}),
    "denied": (403, {"errorName": "AccessDeniedException"}),
    "nowhere": (404, {"errorName": "InvalidUriPathException"}),
    "blocked": (400, {"errorName": "InvalidStateException"}),
    "throttled": (429, {"errorName": "ThrottlingException"}),
    "broken": (500, {"errorName": "InternalException"}),
    "late": (503, {"errorName": "DependencyTimeoutException"}),
}
# What is told of external keys; all others are fit.
KEYS = {
    "none": (404, {"errorName": "KeyNotFoundException"}),
    "small": (200, {**FIT, "keySpec": "AES_128"}),
    "disabled": (200, {**FIT, "keyStatus": "DISABLED"}),
}


def path(mood):
    return f"/{mood}/kms/xks/v1"


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        mood, *_, last = self.path.strip("/").split("/")
        status, body = MOODS.get(mood.split("-")[0]) or self._served(mood, last)
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _served(self, mood, last):
        if last == "health":
            return 200, ILL if mood.startswith("ill") else HEALTHY
        key = self.path.split("/keys/")[1].split("/")[0]
        return KEYS.get(key, (200, FIT))

    def log_message(self, *_):
        pass


def certify(chain, private):
    """Writes a certificate for the host, signed by itself, and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    day = datetime.timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False).sign(key, hashes.SHA256())
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    chain.write_bytes(made.public_bytes(pem))
    private.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    private.chmod(0o600)


class Proxy:
    """The proxy on a port of its own; `authority` is what its certificate is checked by."""

    def __init__(self, folder):
        self.authority = folder / "proxy.pem"
        private = folder / "proxy-key.pem"
        certify(self.authority, private)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.authority, private)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.address = "127.0.0.1:{}".format(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        self._server.shutdown()
        self._server.server_close()
