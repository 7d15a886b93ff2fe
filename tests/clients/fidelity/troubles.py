"""Worlds in which everything is refused for a reason that is not the request's: the rows that name one are asked there.

What they ask about is made before; then the trouble begins.
"""

import os
from pathlib import Path

import key_stores
import strongroom
import users
from fidelity.stores import external
from fidelity.world import World

OTHER_ACCOUNT = "444455556666"
# A minute's worth is more than any test waits.
ONE_REQUEST = "principal = [{ requests = 1, seconds = 86400 }]"
FULL = "keys_per_account = {}\ngrants_per_key = 1\naliases_per_key = 1"
DEVICE_ERROR = "0x30"
CUSTOM_KEY_STORES = 10


def shim(name):
    """A library of the testkit, which lies where the binary does."""
    path = Path(strongroom.binary()).parent / f"libstrongroom_{name}_shim.so"
    assert path.is_file(), f"{path} is not there; `./test clients` builds it"
    return str(path)


class Throttled:
    """Who asks has used up a rate."""

    def __init__(self, folder):
        self.server = key_stores.Installation(folder).start()
        self.world = self.makers = World(self.server)

    def begin(self):
        self.server.limit(ONE_REQUEST)
        self.world.send("GenerateRandom", {"NumberOfBytes": 1})

    def end(self):
        assert self.server.stop() == 0, self.server.tail()


class Full(Throttled):
    """There are as many keys, grants and aliases as there may be."""

    def begin(self):
        keys = len(self.world.ask("ListKeys", {"Limit": 1000})["Keys"])
        for _ in range(keys):
            self.world.ask("CreateKey", {}, self.world.abroad)
        for number in range(CUSTOM_KEY_STORES - len(self.world.ask("DescribeCustomKeyStores", {})["CustomKeyStores"])):
            self.world.stores.make(external(f"another {number}", key_stores.private(key_stores.SERVICES - 1 - number)))
        self.server.limit(FULL.format(keys))
        self.world.keys = keys


class Disk(Throttled):
    """What is done to files below the data directory fails by these rules (testkit/disk-shim)."""

    rules = ""

    def __init__(self, folder):
        self._rules = folder / "disk-faults"
        (folder / "data").mkdir()
        environment = {
            "LD_PRELOAD": shim("disk"),
            "STRONGROOM_DISK_CONTROL": str(self._rules),
            "STRONGROOM_DISK_DIRECTORY": os.path.realpath(folder / "data"),
        }
        self.server = key_stores.Installation(folder, environment=environment).start()
        self.world = self.makers = World(self.server)

    def begin(self):
        # Nothing of what is asked about is in memory after this, but who asks is.
        assert self.server.stop() == 0, self.server.tail()
        self.server.start()
        self.world.ask("GenerateRandom", {"NumberOfBytes": 1})
        self._rules.write_text(self.rules)

    def end(self):
        self._rules.unlink()
        super().end()


class Unwritable(Disk):
    """The audit log's disk is full."""

    rules = "audit/ write always enospc\naudit/ sync always enospc"


class Unreadable(Disk):
    """The store cannot be read."""

    rules = "store read always eio"


class Unreachable:
    """The keys are another account's, whose domain key is in a token that fails (testkit/pkcs11-shim)."""

    def __init__(self, folder):
        self._rules = folder / "faults"
        (folder / "pin").write_text(strongroom.TOKEN_PIN)
        (folder / "pin").chmod(0o600)
        environment = {
            "SOFTHSM2_CONF": str(strongroom.make_token(folder)),
            "STRONGROOM_SHIM_MODULE": strongroom.pkcs11_module(),
            "STRONGROOM_SHIM_CONTROL": str(self._rules),
        }
        root = (
            f'kind = "pkcs11"\nmodule = "{shim("pkcs11")}"\ntoken_label = "{strongroom.TOKEN_LABEL}"\n'
            f'pin = {{ file = "{folder / "pin"}" }}\n'
        )
        self.server = strongroom.Installation(folder, root, environment).start()
        users.admin(self.server, "tenant", "create", "--account", OTHER_ACCOUNT, "--name", "other")
        self.world = World(self.server)
        self.makers = World(self.server, self.server.root_key(OTHER_ACCOUNT), open_to=strongroom.ACCOUNT)

    def begin(self):
        assert self.server.stop() == 0, self.server.tail()
        self.server.start()
        self.world.ask("GenerateRandom", {"NumberOfBytes": 1})
        self._rules.write_text(f"* * return {DEVICE_ERROR}\n")

    def end(self):
        self._rules.unlink()
        assert self.server.stop() == 0, self.server.tail()


TROUBLES = {
    "throttled": Throttled,
    "full": Full,
    "log": Unwritable,
    "store": Unreadable,
    "root": Unreachable,
}
