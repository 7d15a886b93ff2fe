//! Custom key stores on clusters, as far as they go without a token; tests/clients has the rest over one.

use serde_json::{Value, json};

use crate::support::Service;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMIIBAAAA\n-----END CERTIFICATE-----";

fn creation() -> Value {
    json!({
        "CustomKeyStoreName": "payroll",
        "CloudHsmClusterId": "cluster-abcdefghijk",
        "TrustAnchorCertificate": PEM,
        "KeyStorePassword": "kmsPswd-1",
    })
}

#[test]
fn a_store_that_is_not_there_is_told_of_by_every_operation_that_names_one() {
    let service = Service::new();
    let id = "cks-1234567890abcdef0";
    let told = ("CustomKeyStoreNotFoundException".to_owned(), format!("The custom key store {id} does not exist."));
    let named = json!({"CustomKeyStoreId": id});
    for operation in ["Connect", "Delete", "Disconnect", "Update"].map(|verb| format!("{verb}CustomKeyStore")) {
        assert_eq!(service.refused(&operation, named.clone()), told, "{operation}");
    }
    assert_eq!(service.refused("DescribeCustomKeyStores", named), told);
    assert_eq!(service.refused("GenerateRandom", json!({"NumberOfBytes": 1, "CustomKeyStoreId": id})), told);
    assert_eq!(service.refused("CreateKey", json!({"CustomKeyStoreId": id, "Origin": "AWS_CLOUDHSM"})), told);
    assert_eq!(service.ok("DescribeCustomKeyStores", json!({})), json!({"CustomKeyStores": [], "Truncated": false}));
}

#[test]
fn what_makes_no_store_is_refused_by_its_reason() {
    let service = Service::new();
    let with = |member: &str, value: Value| {
        let mut request = creation();
        request[member] = value;
        service.refused("CreateCustomKeyStore", request).0
    };
    assert_eq!(service.refused("CreateCustomKeyStore", creation()).0, "CloudHsmClusterNotFoundException");
    assert_eq!(with("TrustAnchorCertificate", json!("none")), "IncorrectTrustAnchorException");
    assert_eq!(with("CustomKeyStoreType", json!("EXTERNAL_KEY_STORE")), "ValidationException");
    assert_eq!(with("XksProxyConnectivity", json!("PUBLIC_ENDPOINT")), "ValidationException");
    for (member, value) in [
        ("CustomKeyStoreType", json!("OTHER")),
        ("CustomKeyStoreName", json!("")),
        ("CloudHsmClusterId", json!("cluster-abcdefghij1")),
        ("CloudHsmClusterId", json!(null)),
        ("KeyStorePassword", json!("x".repeat(33))),
        ("KeyStorePassword", json!(null)),
    ] {
        assert_eq!(with(member, value), "ValidationException", "{member}");
    }
}

#[test]
fn a_password_is_repeated_by_no_refusal() {
    let service = Service::new();
    let mut request = creation();
    request["KeyStorePassword"] = json!("hunter");
    let (_, message) = service.refused("CreateCustomKeyStore", request);
    assert!(message.contains("keyStorePassword") && !message.contains("hunter"), "{message}");
}

#[test]
fn nobody_asks_for_stores_without_permission_and_keys_name_store_and_origin_together() {
    let service = Service::new();
    let user = service.user("nobody", None);
    for (operation, request) in [
        ("CreateCustomKeyStore", creation()),
        ("DescribeCustomKeyStores", json!({})),
        ("ConnectCustomKeyStore", json!({"CustomKeyStoreId": "cks-1"})),
        ("DisconnectCustomKeyStore", json!({"CustomKeyStoreId": "cks-1"})),
        ("UpdateCustomKeyStore", json!({"CustomKeyStoreId": "cks-1"})),
        ("DeleteCustomKeyStore", json!({"CustomKeyStoreId": "cks-1"})),
    ] {
        let (code, message) = service.refused_as(&user, operation, request);
        assert_eq!(code, "AccessDeniedException", "{operation}");
        assert!(message.contains(&format!("kms:{operation}")), "{message}");
    }
    for request in [json!({"CustomKeyStoreId": "cks-1"}), json!({"Origin": "AWS_CLOUDHSM"})] {
        assert_eq!(service.refused("CreateKey", request).0, "ValidationException");
    }
}
