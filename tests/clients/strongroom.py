"""Starts the real binary: in development mode, reading what it prints to be pasted into a shell, or as an operator does."""

import datetime
import ipaddress
import json
import os
import re
import shlex
import signal
import subprocess
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# Segments are laid out whole, and every test's directory stays for a while.
SEGMENT_BYTES = 1024 * 1024
START_SECONDS = 60
STOP_SECONDS = 20
EXPORT = re.compile(r"^export ([A-Z_]+)=(.*)$")
LAST_EXPORT = "STRONGROOM_SOCKET"
PKCS11_MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
)
TOKEN_LABEL = "strongroom-clients"
TOKEN_PIN = "4271-not-a-secret"
ACCOUNT = "111122223333"
REGIONS = ("us-east-1", "eu-central-1")


class Server:
    """A running `strongroom dev`. Its exports are in `env`; `stop` ends it as an operator would."""

    def __init__(self, data, root):
        self.data = Path(data)
        self.root = root
        self.env = {}
        self.log = self.data.parent / f"{self.data.name}.log"
        arguments, extra = root_arguments(root, self.data.parent)
        self._command = [binary(), "dev", "--data", str(self.data), "--listen", "127.0.0.1:0", *arguments]
        self._extra = extra
        self._process = None

    def start(self):
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **self._extra},
                text=True,
            )
        ready = threading.Event()
        threading.Thread(target=self._read, args=(ready,), daemon=True).start()
        if not ready.wait(START_SECONDS) or LAST_EXPORT not in self.env:
            self.stop()
            raise AssertionError(f"`{shlex.join(self._command)}` printed no {LAST_EXPORT}:\n{self.tail()}")
        return self

    def _read(self, ready):
        for line in self._process.stdout:
            if match := EXPORT.match(line.strip()):
                self.env[match[1]] = shlex.split(match[2])[0] if match[2] else ""
            elif LAST_EXPORT in self.env:
                ready.set()
        ready.set()

    def stop(self):
        """SIGTERM; returns the exit status. A server that does not drain in time is a failure."""
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise AssertionError(f"the server did not stop within {STOP_SECONDS} s of SIGTERM:\n{self.tail()}") from None

    def tail(self):
        return self.log.read_text(errors="replace")[-4000:] if self.log.exists() else "(no log)"

    def client_env(self, home):
        """The environment of a command-line client: the exports, and nothing of the developer's own AWS settings."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return {**own, **self.env, "HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true", "AWS_PAGER": ""}


class Installation(Server):
    """A running `strongroom serve` over a configuration, as an operator makes it: two regions, and what `configure` adds."""

    def __init__(self, folder, root=None, environment=None, account=ACCOUNT, regions=REGIONS):
        """`root` is a `[[root]]`, by default one of software; `environment` is the server's besides ours."""
        self.data = Path(folder) / "data"
        self.env = {}
        self.account, self.regions = account, tuple(regions)
        self.log = Path(folder) / "server.log"
        self._folder = Path(folder)
        self._root = root or self._software()
        self._extra = environment or {}
        self._heard, self._said = threading.Condition(), []
        self._process = None
        self._certify()
        self.configure("")
        run = [binary(), "init", "--account", account, "--shares", "2", "--threshold", "2", "--config", str(self._file)]
        made = subprocess.run(run, env={**os.environ, **self._extra}, capture_output=True, text=True, timeout=60)
        assert made.returncode == 0, made.stdout + made.stderr

    @property
    def _file(self):
        return self._folder / "strongroom.toml"

    def _software(self):
        key = self._folder / "root.key"
        key.write_bytes(bytes(range(32)))
        key.chmod(0o600)
        return f'kind = "software"\nfile = "{self._folder / "root"}"\nunseal = {{ key_file = "{key}" }}\n'

    def _certify(self):
        """A certificate for the loopback address, signed by itself."""
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "strongroom")])
        day = datetime.timedelta(days=1)
        made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        made = made.add_extension(address, critical=False).sign(key, hashes.SHA256())
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        (self._folder / "chain.pem").write_bytes(made.public_bytes(pem))
        private = self._folder / "key.pem"
        private.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
        private.chmod(0o600)

    def configure(self, limits):
        """Writes the configuration, with these lines of `[limits]`."""
        here, regions = self._folder, json.dumps(self.regions)
        self._file.write_text(
            f'data_directory = "{self.data}"\n'
            f"[[root]]\n{self._root}"
            f'[[listener]]\nname = "kms"\naddress = "127.0.0.1:0"\nfront_ends = ["aws-kms", "aws-sts", "aws-tagging", "admin"]\nregions = {regions}\n'
            f'tls = {{ certificate_chain = "{here / "chain.pem"}", private_key = "{here / "key.pem"}" }}\n'
            f'[[listener]]\nname = "operators"\nsocket = "{here / "admin.sock"}"\nfront_ends = ["admin"]\n'
            f'[log]\nformat = "json"\n[audit]\nsegment_bytes = {SEGMENT_BYTES}\n[limits]\n{limits}\n'
        )

    def limit(self, limits):
        """Has the running server take these lines of `[limits]`."""
        self.configure(limits)
        self._said.clear()
        self._process.send_signal(signal.SIGHUP)
        self._await("configuration read again")

    def start(self):
        command = [binary(), "serve", "--config", str(self._file)]
        self._said.clear()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={**os.environ, **self._extra},
            text=True,
        )
        threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True).start()
        address = re.search(r"[0-9.]+:[0-9]+", self._await("serving")["address"])[0]
        self.env |= {
            "AWS_ENDPOINT_URL": f"https://{address}",
            "AWS_CA_BUNDLE": str(self._folder / "chain.pem"),
            "AWS_REGION": self.regions[0],
            "AWS_DEFAULT_REGION": self.regions[0],
            "STRONGROOM_TENANT": self.account,
            "STRONGROOM_SOCKET": str(self._folder / "admin.sock"),
        }
        if "AWS_ACCESS_KEY_ID" not in self.env:
            self.env |= self.root_key(self.account)
        return self

    def root_key(self, account):
        """An access key of an account's root, as an environment has it."""
        command = [binary(), "access-key", "create", "--tenant", account, "--root", "--output", "json"]
        made = subprocess.run(command, env=self.client_env(self._folder), capture_output=True, text=True, timeout=60)
        assert made.returncode == 0, made.stderr
        key = json.loads(made.stdout)
        return {"AWS_ACCESS_KEY_ID": key["access_key_id"], "AWS_SECRET_ACCESS_KEY": key["secret_access_key"]}

    def _listen(self, errors):
        with self.log.open("a") as log:
            for line in errors:
                log.write(line)
                log.flush()
                with self._heard:
                    self._said.append(line)
                    self._heard.notify_all()
        with self._heard:
            self._said.append("{}")
            self._heard.notify_all()

    def _await(self, message):
        """The line of the log whose message it is, once it is there; the end of the log is none."""

        def found():
            lines = [json.loads(line) for line in self._said if line.startswith("{")]
            return [line for line in lines if not line or line.get("message") == message]

        with self._heard:
            lines = self._heard.wait_for(found, START_SECONDS)
        assert lines and lines[0], f"the server did not say {message!r}:\n{self.tail()}"
        return lines[0]


def binary():
    path = os.environ.get("STRONGROOM_BIN")
    if not path or not os.access(path, os.X_OK):
        raise AssertionError(f"STRONGROOM_BIN must name the built binary, and is {path!r}; `./test clients` sets it")
    return path


def root_arguments(root, folder):
    """Arguments and environment with which `dev` uses the root named."""
    if root == "software":
        return [], {}
    assert root == "pkcs11", f"no such root: {root}"
    module = pkcs11_module()
    environment = {"SOFTHSM2_CONF": str(make_token(folder))}
    pin = folder / "pin"
    pin.write_text(TOKEN_PIN)
    pin.chmod(0o600)
    token = ["--module", module, "--token-label", TOKEN_LABEL, "--pin-file", str(pin)]
    return token, environment


def pkcs11_module():
    module = os.environ.get("STRONGROOM_PKCS11_MODULE") or next((m for m in PKCS11_MODULES if Path(m).exists()), None)
    assert module, "SoftHSM2's library is not installed; `./test clients` installs it"
    return module


def make_token(folder):
    """A fresh SoftHSM2 token in `folder`; returns its configuration file."""
    tokens = folder / "tokens"
    configuration = folder / "softhsm2.conf"
    if tokens.exists():
        return configuration
    tokens.mkdir()
    configuration.write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\nlog.level = ERROR\n")
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", TOKEN_LABEL, "--so-pin", TOKEN_PIN, "--pin", TOKEN_PIN],
        env={**os.environ, "SOFTHSM2_CONF": str(configuration)},
        check=True,
        capture_output=True,
    )
    return configuration
