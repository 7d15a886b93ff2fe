"""Starts the real binary in development mode and reads what it prints to be pasted into a shell."""

import os
import re
import shlex
import signal
import subprocess
import threading
from pathlib import Path

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
    module = os.environ.get("STRONGROOM_PKCS11_MODULE") or next((m for m in PKCS11_MODULES if Path(m).exists()), None)
    assert module, "SoftHSM2's library is not installed; `./test clients` installs it"
    environment = {"SOFTHSM2_CONF": str(make_token(folder))}
    pin = folder / "pin"
    pin.write_text(TOKEN_PIN)
    pin.chmod(0o600)
    token = ["--module", module, "--token-label", TOKEN_LABEL, "--pin-file", str(pin)]
    return token, environment


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
