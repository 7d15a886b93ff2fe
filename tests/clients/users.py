"""Makes users through the administrator's command line: the one place that knows its words."""

import json
import subprocess

import strongroom


class User:
    """A principal with one access key."""

    def __init__(self, arn, access_key_id, secret_access_key):
        self.arn = arn
        self.credentials = (access_key_id, secret_access_key)


def admin(server, *arguments):
    """Runs `strongroom ARGUMENTS --output json` with the development server's exports; returns what it printed."""
    command = [strongroom.binary(), *arguments, "--output", "json"]
    run = subprocess.run(command, env=server.client_env(server.data.parent), capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, f"{' '.join(command)}: {run.stderr}"
    return json.loads(run.stdout or "null")


def make(server, name, policy=None):
    """A user called `name`, with the identity policy given or none."""
    principal = admin(server, "principal", "create", "--name", name)
    if policy is not None:
        path = server.data.parent / f"{name}.json"
        path.write_text(json.dumps(policy))
        admin(server, "policy", "attach", "--principal", name, "--name", "tests", "--file", str(path))
    key = admin(server, "access-key", "create", "--principal", name)
    return User(principal["arn"], key["access_key_id"], key["secret_access_key"])
