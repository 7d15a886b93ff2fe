"""The custom key stores that the table speaks of, made when first asked for."""

import key_stores
import proxy
from conftest import eventually

CLUSTER = {
    "CustomKeyStoreType": "AWS_CLOUDHSM",
    "CloudHsmClusterId": key_stores.CLUSTERS[0],
    "TrustAnchorCertificate": key_stores.PEM,
    "KeyStorePassword": "kmsPswd-1",
}
NEW, OUTSIDE, BESIDE, FAILED = range(4)


def external(name, where):
    """The request that makes an external key store."""
    return {
        "CustomKeyStoreName": name,
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "XksProxyUriPath": proxy.path("ok"),
        "XksProxyAuthenticationCredential": proxy.CREDENTIAL,
        **where,
    }


def public(mood):
    """Where a proxy is that answers by a mood."""
    return {
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
        "XksProxyVpcEndpointServiceName": None,
        "XksProxyUriEndpoint": proxy.ENDPOINT,
        "XksProxyUriPath": proxy.path(mood),
    }


class Store(str):
    """A custom key store's id, and what else is known of it."""

    def __new__(cls, made, request):
        store = super().__new__(cls, made)
        store.name = request["CustomKeyStoreName"]
        store.endpoint = request.get("XksProxyUriEndpoint")
        store.service = request.get("XksProxyVpcEndpointServiceName")
        return store


class Stores:
    """A world's custom key stores. Each method with an underscore makes the one of its name."""

    def __init__(self, ask):
        self._ask, self._made = ask, {}

    def get(self, name):
        if name not in self._made:
            self._made[name] = getattr(self, f"_{name}")()
        return self._made[name]

    def forget(self, name):
        del self._made[name]

    def make(self, request):
        request = {member: value for member, value in request.items() if value is not None}
        return Store(self._ask("CreateCustomKeyStore", request)["CustomKeyStoreId"], request)

    def connect(self, made):
        """Connects a store and waits for what comes of it."""
        store = {"CustomKeyStoreId": made}
        self._ask("ConnectCustomKeyStore", store)

        def settled():
            [entry] = self._ask("DescribeCustomKeyStores", store)["CustomKeyStores"]
            return entry["ConnectionState"] != "CONNECTING"

        eventually(settled)

    def _connected(self, made, key):
        self.connect(made)
        self._ask("CreateKey", {"CustomKeyStoreId": made, "Origin": "EXTERNAL_KEY_STORE", "XksKeyId": key})
        return made

    def _outside(self):
        """Behind a private service, where nobody is; it was never connected."""
        return self.make(external("outside", key_stores.private(OUTSIDE)))

    def _beside(self):
        """The same, another."""
        return self.make(external("beside", key_stores.private(BESIDE)))

    def _failed(self):
        """The same, one that could not be connected."""
        made = self.make(external("failed", key_stores.private(FAILED)))
        self.connect(made)
        return made

    def _open(self):
        """Connected, with a key on the external key `taken`."""
        return self._connected(self.make(external("open", public("ok-open"))), "taken")

    def _filled(self):
        """Disconnected, with a key."""
        made = self._connected(self.make(external("filled", public("ok-filled"))), "one")
        self._ask("DisconnectCustomKeyStore", {"CustomKeyStoreId": made})
        return made

    def _cluster(self):
        """On the first cluster; it was never connected."""
        return self.make({"CustomKeyStoreName": "cluster", **CLUSTER})
