"""Installations with what custom key stores are on: clusters, which are tokens, and external key managers."""

import strongroom
from conftest import eventually

CLUSTERS = ("cluster-strongroomhsm", "cluster-strongroomtwo")
PEM = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----\n"
# Private services, all of which lead to a port where nobody listens.
SERVICES = 12
NOBODY = "127.0.0.1:9"
# Longer than any call takes on a busy machine.
PATIENT = 10000


def connect_store(client, store):
    """Connects a custom key store and waits for what comes of it: how it is described then."""
    client.connect_custom_key_store(CustomKeyStoreId=store)
    return settled(client, store)


def settled(client, store):
    """How a custom key store is described once it is not being connected any more."""

    def entry():
        [told] = client.describe_custom_key_stores(CustomKeyStoreId=store)["CustomKeyStores"]
        return told if told["ConnectionState"] != "CONNECTING" else None

    return eventually(entry)


def service(number):
    return f"com.amazonaws.vpce.us-east-1.vpce-svc-{number:017x}"


def private(number):
    """Where the manager is behind one of the services."""
    return {
        "XksProxyConnectivity": "VPC_ENDPOINT_SERVICE",
        "XksProxyVpcEndpointServiceName": service(number),
        "XksProxyUriEndpoint": f"https://private-{number}.example.com",
    }


def manager(host, address, **more):
    """An entry of the configuration."""
    more = {"deadline_milliseconds": PATIENT, **more}
    lines = [f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}" for name, value in more.items()]
    return "\n".join([f'[[external_key_manager]]\nhost = "{host}"\naddress = "{address}"', *lines, ""])


SERVED = "".join(manager(f"private-{number}.example.com", NOBODY, service=service(number)) for number in range(SERVICES))


class Installation(strongroom.Installation):
    """One whose accounts may have external key stores behind the services, and where `managers` says."""

    managers = ""

    def configure(self, limits):
        super().configure(limits)
        with self._file.open("a") as file:
            file.write(SERVED + self.managers)


class WithClusters(Installation):
    """One whose account may have custom key stores on clusters, too: all of them the same token."""

    def __init__(self, folder, managers=""):
        self.managers = managers
        super().__init__(folder, environment={"SOFTHSM2_CONF": str(strongroom.make_token(folder))})

    def configure(self, limits):
        super().configure(limits)
        pin = self._folder / "pin"
        pin.write_text(strongroom.TOKEN_PIN)
        pin.chmod(0o600)
        with self._file.open("a") as file:
            for number, cluster in enumerate(CLUSTERS):
                file.write(
                    f'[[key_store]]\nname = "hsm-{number}"\nkind = "pkcs11"\nmodule = "{strongroom.pkcs11_module()}"\n'
                    f'tokens = [{{ label = "{strongroom.TOKEN_LABEL}" }}]\npin = {{ file = "{pin}" }}\n'
                    f'deadline_milliseconds = 10000\naws_kms = {{ cluster = "{cluster}", accounts = ["{self.account}"] }}\n'
                )
