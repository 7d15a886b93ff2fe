"""What is refused of custom key stores, of either type, and of keys in them."""

import key_stores
import proxy
from fidelity.constraints import Constraint
from fidelity.row import ANY, Row
from fidelity.stores import CLUSTER, NEW, public

NOT_FOUND = "The custom key store cks-none does not exist."
NONE = {"CustomKeyStoreId": "cks-none"}
NO_PROXY = {
    "XksProxyConnectivity": None,
    "XksProxyVpcEndpointServiceName": None,
    "XksProxyUriEndpoint": None,
    "XksProxyUriPath": None,
    "XksProxyAuthenticationCredential": None,
}
UNKNOWN_CLUSTER, UNKNOWN_SERVICE = "cluster-abcdefghijk", "com.amazonaws.vpce.us-east-1.vpce-svc-unknown"
IN_THE_STORE = {"CustomKeyStoreId": "{w.open}", "Origin": "EXTERNAL_KEY_STORE"}


def create(error, change, message=ANY):
    return Row("CreateCustomKeyStore", error, message, change)


def update(error, change, message=ANY):
    return Row("UpdateCustomKeyStore", error, message, {"NewCustomKeyStoreName": None, **change})


def credential(error, operation, path, rule, change):
    changed = {name: value for name, value in {**proxy.CREDENTIAL, **change}.items() if value is not None}
    constraint = Constraint(f"xksProxyAuthenticationCredential.{path}", rule)
    return Row(operation, error, constraint, {"XksProxyAuthenticationCredential": changed})


# What a proxy's mood is to those who make a store there, or lead one there.
MOODS = [
    ("stranger", "XksProxyIncorrectAuthenticationCredentialException"),
    ("nonsense", "XksProxyInvalidResponseException"),
    ("nowhere", "XksProxyInvalidConfigurationException"),
    ("denied", "XksProxyInvalidConfigurationException"),
    *((mood, "XksProxyUriUnreachableException") for mood in ("ill", "blocked", "throttled", "broken", "late")),
]

ROWS = [
    # Stores that are not there, or in no state for it.
    *(
        Row(operation, "CustomKeyStoreNotFoundException", NOT_FOUND, change)
        for operation, change in (
            *((f"{verb}CustomKeyStore", NONE) for verb in ("Connect", "Delete", "Disconnect", "Update")),
            ("DescribeCustomKeyStores", NONE),
            ("GenerateRandom", NONE),
            ("CreateKey", {**IN_THE_STORE, **NONE, "XksKeyId": "one"}),
            ("CreateKey", {**NONE, "Origin": "AWS_CLOUDHSM"}),
        )
    ),
    Row("DescribeCustomKeyStores", "CustomKeyStoreNotFoundException", ANY, {"CustomKeyStoreName": "nobody"}),
    Row("DescribeCustomKeyStores", "ValidationException", ANY, {**NONE, "CustomKeyStoreName": "outside"}),
    Row("DisconnectCustomKeyStore", "CustomKeyStoreInvalidStateException", "The custom key store {w.beside} is DISCONNECTED.", {"CustomKeyStoreId": "{w.beside}"}),
    Row("ConnectCustomKeyStore", "CustomKeyStoreInvalidStateException", "The custom key store {w.failed} is FAILED.", {"CustomKeyStoreId": "{w.failed}"}),
    Row("DeleteCustomKeyStore", "CustomKeyStoreInvalidStateException", "The custom key store {w.failed} is FAILED.", {"CustomKeyStoreId": "{w.failed}"}),
    Row("DeleteCustomKeyStore", "CustomKeyStoreInvalidStateException", "The custom key store {w.open} is CONNECTED.", {"CustomKeyStoreId": "{w.open}"}),
    Row("DeleteCustomKeyStore", "CustomKeyStoreHasCMKsException", ANY, {"CustomKeyStoreId": "{w.filled}"}),
    Row("GenerateRandom", "CustomKeyStoreInvalidStateException", ANY, {"CustomKeyStoreId": "{w.cluster}"}),
    Row("GenerateRandom", "UnsupportedOperationException", ANY, {"CustomKeyStoreId": "{w.open}"}),
    update("CustomKeyStoreInvalidStateException", {"CustomKeyStoreId": "{w.failed}", "XksProxyUriPath": proxy.path("ok")}),
    update("CustomKeyStoreInvalidStateException", {"CustomKeyStoreId": "{w.failed}", "NewCustomKeyStoreName": "wages"}),
    update("CustomKeyStoreInvalidStateException", {"CustomKeyStoreId": "{w.open}", "XksProxyUriEndpoint": "https://other.example.com"}),
    update("CustomKeyStoreInvalidStateException", {"CustomKeyStoreId": "{w.open}", **key_stores.private(NEW)}),
    # Names and places that are taken.
    create("CustomKeyStoreNameInUseException", {"CustomKeyStoreName": "{w.outside.name}"}),
    update("CustomKeyStoreNameInUseException", {"NewCustomKeyStoreName": "{w.beside.name}"}),
    create("XksProxyUriInUseException", {**public("ok-open"), "CustomKeyStoreName": "beside {w.open.name}"}),
    update("XksProxyUriInUseException", {"CustomKeyStoreId": "{w.filled}", "NewCustomKeyStoreName": "not {w.open.name}", "XksProxyUriPath": proxy.path("ok-open")}),
    create("XksProxyUriEndpointInUseException", {"XksProxyUriEndpoint": "{w.outside.endpoint}"}),
    create("XksProxyUriEndpointInUseException", {**public("ok-new"), "XksProxyUriEndpoint": "{w.outside.endpoint}"}),
    update("XksProxyUriEndpointInUseException", {"XksProxyUriEndpoint": "{w.beside.endpoint}"}),
    create("XksProxyVpcEndpointServiceInUseException", {"XksProxyVpcEndpointServiceName": "{w.outside.service}"}),
    update("XksProxyVpcEndpointServiceInUseException", {"XksProxyVpcEndpointServiceName": "{w.beside.service}"}),
    create("CloudHsmClusterInUseException", {**NO_PROXY, **CLUSTER, "CustomKeyStoreName": "beside {w.cluster.name}"}),
    # Places where nothing is, or nothing that fits.
    create("XksProxyVpcEndpointServiceNotFoundException", {"XksProxyVpcEndpointServiceName": UNKNOWN_SERVICE}),
    update("XksProxyVpcEndpointServiceNotFoundException", {"XksProxyVpcEndpointServiceName": UNKNOWN_SERVICE}),
    *(create(error, public(mood)) for mood, error in MOODS),
    *(update(error, {"CustomKeyStoreId": "{w.filled}", "XksProxyUriPath": proxy.path(mood)}) for mood, error in MOODS),
    create("XksProxyInvalidConfigurationException", {"XksProxyUriPath": "/kms/xks/v2"}),
    create("XksProxyInvalidConfigurationException", {"XksProxyUriEndpoint": "https://no-domain"}),
    create("CloudHsmClusterNotFoundException", {**NO_PROXY, **CLUSTER, "CloudHsmClusterId": UNKNOWN_CLUSTER}),
    update("CloudHsmClusterNotFoundException", {"CustomKeyStoreId": "{w.cluster}", "CloudHsmClusterId": UNKNOWN_CLUSTER}),
    update("CloudHsmClusterNotRelatedException", {"CustomKeyStoreId": "{w.cluster}", "CloudHsmClusterId": key_stores.CLUSTERS[1]}),
    create("IncorrectTrustAnchorException", {**NO_PROXY, **CLUSTER, "TrustAnchorCertificate": "none"}),
    # Members that are missing, or of the other type.
    create("ValidationException", NO_PROXY),
    *(create("ValidationException", {member: None}) for member in NO_PROXY),
    *(create("ValidationException", {**NO_PROXY, **CLUSTER, member: None}) for member in CLUSTER if member != "CustomKeyStoreType"),
    *(create("ValidationException", {member: value}) for member, value in CLUSTER.items()),
    create("ValidationException", {"XksProxyConnectivity": "PUBLIC_ENDPOINT"}),
    update("ValidationException", {"XksProxyConnectivity": "PUBLIC_ENDPOINT"}),
    update("ValidationException", {"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE"}),
    update("ValidationException", {"KeyStorePassword": "kmsPswd-1"}),
    update("ValidationException", {"CustomKeyStoreId": "{w.cluster}", "XksProxyUriPath": proxy.path("ok")}),
    *(
        row
        for operation in ("CreateCustomKeyStore", "UpdateCustomKeyStore")
        for path, member, low, high, pattern in (
            ("accessKeyId", "AccessKeyId", "A" * 19, "A" * 31, "^[A-Z2-7]+$"),
            ("rawSecretAccessKey", "RawSecretAccessKey", "a" * 42, "a" * 65, r"^[a-zA-Z0-9\/+=]+$"),
        )
        for row in (
            credential("ValidationException", operation, path, "not be null", {member: None}),
            credential("ValidationException", operation, path, f"have length greater than or equal to {len(low) + 1}", {member: low}),
            credential("ValidationException", operation, path, f"have length less than or equal to {len(high) - 1}", {member: high}),
            credential("ValidationException", operation, path, f"satisfy regular expression pattern: {pattern}", {member: "!" * len(high)}),
        )
    ),
    # Keys.
    Row("CreateKey", "CustomKeyStoreInvalidStateException", ANY, {**IN_THE_STORE, "CustomKeyStoreId": "{w.outside}", "XksKeyId": "one"}),
    Row("CreateKey", "XksKeyAlreadyInUseException", ANY, {**IN_THE_STORE, "XksKeyId": "taken"}),
    Row("CreateKey", "XksKeyNotFoundException", ANY, {**IN_THE_STORE, "XksKeyId": "none"}),
    *(Row("CreateKey", "XksKeyInvalidConfigurationException", ANY, {**IN_THE_STORE, "XksKeyId": key}) for key in ("small", "disabled")),
    *(
        Row("CreateKey", "ValidationException", ANY, change)
        for change in (IN_THE_STORE, {"XksKeyId": "one"}, {"Origin": "EXTERNAL_KEY_STORE"}, {"Origin": "AWS_CLOUDHSM"})
    ),
    *(
        Row("CreateKey", "UnsupportedOperationException", ANY, {**IN_THE_STORE, "XksKeyId": "one", **change})
        for change in ({"MultiRegion": True}, {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"})
    ),
    Row("CreateKey", "UnsupportedOperationException", ANY, {"CustomKeyStoreId": "{w.open}", "Origin": "AWS_CLOUDHSM"}),
]
