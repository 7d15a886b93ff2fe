"""An installation as an operator makes one: a configuration file, `init`, `serve`, the command line over its socket."""

import datetime
import ipaddress
import json
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import strongroom
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

START_SECONDS = 60
STOP_SECONDS = 20
ADDRESS = "127.0.0.1"


class Installation:
    """One in `folder`, with an account and every region named. `env` is what a client needs."""

    def __init__(self, folder, account, regions):
        self.folder = Path(folder)
        self.account = account
        self.regions = list(regions)
        self.env = {}
        self._process = None

    def make(self):
        """Makes it, with an access key of the account's root, which `env` shows from then on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        certify(self.folder)
        self._configure()
        self._run(["init", "--shares", "2", "--threshold", "2", "--account", self.account, *self._config()])
        self.serve()
        key = self.admin("access-key", "create", "--tenant", self.account, "--root")
        self.env |= {"AWS_ACCESS_KEY_ID": key["access_key_id"], "AWS_SECRET_ACCESS_KEY": key["secret_access_key"]}
        return self

    def copied(self, folder):
        """The same in another folder; neither may be serving."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("*.sock"))
        other = Installation(folder, self.account, self.regions)
        other.env = {name: self.env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        other._configure()
        return other

    def serve(self):
        """Starts it on a free port."""
        self._process = subprocess.Popen(
            [strongroom.binary(), "serve", *self._config()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        ready, said = threading.Event(), []
        threading.Thread(target=self._hear, args=(self._process, ready, said), daemon=True).start()
        if not ready.wait(START_SECONDS) or "AWS_ENDPOINT_URL" not in self.env:
            self.kill()
            raise AssertionError("the server did not start:\n" + "".join(said))
        return self

    def _hear(self, process, ready, said):
        for line in process.stderr:
            said.append(line)
            if '"message":"serving"' in line:
                address = json.loads(line)["address"].removeprefix("Some(").removesuffix(")")
                certificate = str(self.folder / "chain.pem")
                self.env |= {"AWS_ENDPOINT_URL": f"https://{address}", "AWS_CA_BUNDLE": certificate}
                self.env |= {"AWS_REGION": self.regions[0], "AWS_DEFAULT_REGION": self.regions[0]}
                ready.set()
        ready.set()

    def stop(self):
        """SIGTERM; returns the exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def kill(self):
        """Ends it at once, where nothing of it is looked at any more."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def admin(self, *arguments):
        """Runs `strongroom ARGUMENTS` over the socket; returns what it answered."""
        return json.loads(self._run([*arguments, "--socket", str(self.folder / "admin.sock"), "--output", "json"]) or "null")

    def _run(self, arguments):
        own = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "STRONGROOM_ENDPOINT"))}
        command = [strongroom.binary(), *arguments]
        run = subprocess.run(command, env=own, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
        assert run.returncode == 0, f"{' '.join(command)}: {run.stdout}{run.stderr}"
        return run.stdout

    def _config(self):
        return ["--config", str(self.folder / "strongroom.toml")]

    def _configure(self):
        folder = self.folder
        (folder / "strongroom.toml").write_text(
            f'data_directory = "{folder}/data"\n'
            'node = "clients"\n'
            f'[[root]]\nkind = "software"\nfile = "{folder}/root"\nunseal = {{ key_file = "{folder}/root.key" }}\n'
            f'[[listener]]\nname = "aws"\naddress = "{ADDRESS}:0"\nfront_ends = ["aws-kms", "aws-sts", "aws-tagging"]\n'
            f"regions = {json.dumps(self.regions)}\n"
            f'tls = {{ certificate_chain = "{folder}/chain.pem", private_key = "{folder}/key.pem" }}\n'
            f'[[listener]]\nname = "operators"\nsocket = "{folder}/admin.sock"\nfront_ends = ["admin"]\n'
            '[log]\nformat = "json"\n'
        )


def certify(folder):
    """A certificate for the address, signed by itself, and the root's key file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "strongroom tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(ADDRESS))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "chain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for file, content in (("key.pem", private), ("root.key", os.urandom(32))):
        path = folder / file
        path.write_bytes(content)
        path.chmod(0o600)
