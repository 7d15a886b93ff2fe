//! External key stores over managers in memory, which fail as they are told; tests/clients has them over a real proxy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_model::external::{ExternalError, ExternalRefusal};
use strongroom_testkit::engine::{ACCOUNT, TestEngine};
use strongroom_testkit::external::TestManagers;

use crate::support::{Service, b64};

const SERVICE: &str = "com.amazonaws.vpce.eu-test-1.vpce-svc-0123456789abcdef0";
const UNKNOWN_SERVICE: &str = "com.amazonaws.vpce.eu-test-1.vpce-svc-unknown";
const ENDPOINT: &str = "https://xks.example.com";
const PATH: &str = "/kms/xks/v1";
const ACCESS_KEY: &str = "ABCDEFGHIJKLMNOPQRST";
const SECRET: &str = "0123456789abcdefghijABCDEFGHIJ0123456789+/=a";
/// Longest wait for a store to be connected, or not to be.
const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const NOT_FOUND: &str = "CustomKeyStoreNotFoundException";
pub(crate) const BAD_STATE: &str = "CustomKeyStoreInvalidStateException";

pub(crate) struct Outside {
    pub(crate) service: Service,
    pub(crate) managers: Arc<TestManagers>,
}

impl Outside {
    pub(crate) fn new() -> Self {
        let managers = TestManagers::new(&["key-1", "key-2", "unfit"], (ACCESS_KEY, SECRET.as_bytes()));
        let managers = Arc::new(managers);
        let test = TestEngine::new().with_external(Arc::<TestManagers>::clone(&managers));
        Self { service: Service::over(test), managers }
    }

    /// A store that is connected.
    pub(crate) fn store(&self, name: &str) -> String {
        let id = self.made(name, json!({"XksProxyUriPath": format!("/{name}/kms/xks/v1")}));
        assert_eq!(self.connected(&id)["ConnectionState"], "CONNECTED");
        id
    }

    /// Connects a store, waits for what comes of it as AWS's clients do, and describes it then.
    pub(crate) fn connected(&self, id: &str) -> Value {
        assert_eq!(self.service.ok("ConnectCustomKeyStore", one(id)), json!({}));
        let until = Instant::now() + PATIENCE;
        loop {
            let entry = self.described(id);
            if entry["ConnectionState"] != "CONNECTING" {
                return entry;
            }
            assert!(Instant::now() < until, "never: {entry}");
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    pub(crate) fn made(&self, name: &str, change: Value) -> String {
        let made = self.service.ok("CreateCustomKeyStore", creation(name, change));
        made["CustomKeyStoreId"].as_str().unwrap().to_owned()
    }

    pub(crate) fn described(&self, id: &str) -> Value {
        self.service.ok("DescribeCustomKeyStores", one(id))["CustomKeyStores"][0].clone()
    }

    pub(crate) fn key(&self, store: &str, external: &str) -> Value {
        self.service.ok("CreateKey", key_in(store, external))["KeyMetadata"].clone()
    }

    pub(crate) fn code(&self, operation: &str, request: Value) -> String {
        self.service.refused(operation, request).0
    }
}

pub(crate) fn one(store: &str) -> Value {
    json!({"CustomKeyStoreId": store})
}

pub(crate) fn key_in(store: &str, external: &str) -> Value {
    json!({"CustomKeyStoreId": store, "Origin": "EXTERNAL_KEY_STORE", "XksKeyId": external})
}

pub(crate) fn with(mut request: Value, change: Value) -> Value {
    for (member, value) in change.as_object().unwrap() {
        request[member] = value.clone();
    }
    request
}

fn credential(access_key: &str) -> Value {
    json!({"AccessKeyId": access_key, "RawSecretAccessKey": SECRET})
}

fn creation(name: &str, change: Value) -> Value {
    let request = json!({
        "CustomKeyStoreName": name,
        "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
        "XksProxyUriEndpoint": ENDPOINT,
        "XksProxyUriPath": PATH,
        "XksProxyAuthenticationCredential": credential(ACCESS_KEY),
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
    });
    with(request, change)
}

fn private(endpoint: &str) -> Value {
    json!({
        "XksProxyConnectivity": "VPC_ENDPOINT_SERVICE",
        "XksProxyVpcEndpointServiceName": SERVICE,
        "XksProxyUriEndpoint": endpoint,
    })
}

#[test]
fn a_store_is_described_through_its_life_and_never_with_its_secret() {
    let outside = Outside::new();
    let id = outside.made("payroll", json!({}));
    let mut entry = outside.described(&id);
    assert!(entry["CreationDate"].is_number());
    entry.as_object_mut().unwrap().remove("CreationDate");
    assert_eq!(
        entry,
        json!({
            "CustomKeyStoreId": id,
            "CustomKeyStoreName": "payroll",
            "CustomKeyStoreType": "EXTERNAL_KEY_STORE",
            "ConnectionState": "DISCONNECTED",
            "XksProxyConfiguration": {
                "Connectivity": "PUBLIC_ENDPOINT",
                "AccessKeyId": ACCESS_KEY,
                "UriEndpoint": ENDPOINT,
                "UriPath": PATH,
            },
        })
    );
    let service = &outside.service;
    for _ in 0..2 {
        assert_eq!(outside.connected(&id)["ConnectionState"], "CONNECTED");
    }
    assert_eq!(outside.code("DeleteCustomKeyStore", one(&id)), BAD_STATE);
    assert_eq!(service.ok("DisconnectCustomKeyStore", one(&id)), json!({}));
    assert_eq!(outside.code("DisconnectCustomKeyStore", one(&id)), BAD_STATE);
    assert_eq!(service.ok("DeleteCustomKeyStore", one(&id)), json!({}));
    assert_eq!(outside.code("DescribeCustomKeyStores", one(&id)), NOT_FOUND);
}

#[test]
fn a_private_service_is_named_in_the_description_and_not_asked_before_it_is_connected() {
    let outside = Outside::new();
    outside.managers.fail(Some(ExternalError::Late));
    let id = outside.made("payroll", with(private(ENDPOINT), json!({"XksProxyVpcEndpointServiceOwner": ACCOUNT})));
    let told = outside.described(&id)["XksProxyConfiguration"].clone();
    assert_eq!(told["Connectivity"], "VPC_ENDPOINT_SERVICE");
    assert_eq!((&told["VpcEndpointServiceName"], &told["VpcEndpointServiceOwner"]), (&json!(SERVICE), &json!(ACCOUNT)));
    assert!(outside.managers.asked().is_empty());
    let entry = outside.connected(&id);
    assert_eq!(
        (&entry["ConnectionState"], &entry["ConnectionErrorCode"]),
        (&json!("FAILED"), &json!("XKS_PROXY_TIMED_OUT"))
    );
    let unknown = json!({"XksProxyVpcEndpointServiceName": UNKNOWN_SERVICE});
    let unknown = with(private("https://other.example.com"), unknown);
    assert_eq!(
        outside.code("CreateCustomKeyStore", creation("wages", unknown)),
        "XksProxyVpcEndpointServiceNotFoundException"
    );
}

/// Each failure of a manager: as an answer to whoever makes a store, as the code of a connection that failed, as an
/// answer to whoever makes a key.
fn failures() -> Vec<(ExternalError, &'static str, &'static str, &'static str)> {
    use ExternalRefusal as Refusal;
    let cause = || "of the operators".to_owned();
    let refused = ExternalError::Refused;
    let unreachable = "XksProxyUriUnreachableException";
    let configuration = "XksProxyInvalidConfigurationException";
    let response = "XksProxyInvalidResponseException";
    let credential = "XksProxyIncorrectAuthenticationCredentialException";
    let unfit = "XksKeyInvalidConfigurationException";
    vec![
        (ExternalError::Late, unreachable, "XKS_PROXY_TIMED_OUT", BAD_STATE),
        (ExternalError::Unreachable { cause: cause() }, unreachable, "XKS_PROXY_NOT_REACHABLE", BAD_STATE),
        (ExternalError::Tls { cause: cause() }, configuration, "XKS_PROXY_INVALID_TLS_CONFIGURATION", BAD_STATE),
        (ExternalError::InvalidAnswer { cause: cause() }, response, "XKS_PROXY_INVALID_RESPONSE", BAD_STATE),
        (ExternalError::Unhealthy, unreachable, "XKS_PROXY_NOT_REACHABLE", BAD_STATE),
        (refused(Refusal::Unauthenticated), credential, "INVALID_CREDENTIALS", BAD_STATE),
        (refused(Refusal::NoPath), configuration, "XKS_PROXY_INVALID_CONFIGURATION", BAD_STATE),
        (refused(Refusal::Denied), configuration, "XKS_PROXY_ACCESS_DENIED", BAD_STATE),
        (refused(Refusal::Late), unreachable, "XKS_PROXY_TIMED_OUT", BAD_STATE),
        (refused(Refusal::Throttled), unreachable, "XKS_PROXY_NOT_REACHABLE", BAD_STATE),
        (refused(Refusal::Internal), unreachable, "XKS_PROXY_NOT_REACHABLE", BAD_STATE),
        (refused(Refusal::Request), response, "XKS_PROXY_INVALID_RESPONSE", BAD_STATE),
        (refused(Refusal::Unsupported), "UnsupportedOperationException", "XKS_PROXY_INVALID_RESPONSE", BAD_STATE),
        (refused(Refusal::State), unreachable, "XKS_PROXY_ACCESS_DENIED", unfit),
    ]
}

#[test]
fn a_manager_that_fails_lets_no_store_be_made_changed_or_connected_and_no_key_be_made_or_used() {
    let outside = Outside::new();
    let service = &outside.service;
    let store = outside.store("payroll");
    let key = outside.key(&store, "key-1");
    let idle = outside.made("idle", json!({"XksProxyUriPath": "/idle/kms/xks/v1"}));
    for (failure, at_store, at_connection, at_key) in failures() {
        outside.managers.fail(Some(failure.clone()));
        assert_eq!(outside.code("CreateCustomKeyStore", creation("new", json!({}))), at_store, "{failure:?}");
        let update = with(one(&store), json!({"XksProxyAuthenticationCredential": credential(ACCESS_KEY)}));
        assert_eq!(outside.code("UpdateCustomKeyStore", update), at_store, "{failure:?}");
        let entry = outside.connected(&idle);
        assert_eq!(entry["ConnectionState"], "FAILED", "{failure:?}");
        assert_eq!(entry["ConnectionErrorCode"], at_connection, "{failure:?}");
        assert_eq!(outside.code("ConnectCustomKeyStore", one(&idle)), BAD_STATE);
        assert_eq!(outside.code("CreateKey", key_in(&store, "key-2")), at_key, "{failure:?}");
        let (code, message) = service.refused("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": b64(b"p")}));
        assert_eq!(code, "KMSInvalidStateException", "{failure:?}");
        assert!(!message.is_empty() && !message.contains("operators"), "{message}");
        outside.managers.fail(None);
        service.ok("DisconnectCustomKeyStore", one(&idle));
        service.ok("Encrypt", json!({"KeyId": key["KeyId"], "Plaintext": b64(b"p")}));
    }
    assert_eq!(service.ok("DescribeCustomKeyStores", json!({}))["CustomKeyStores"].as_array().unwrap().len(), 2);
}

#[test]
fn stores_differ_by_name_address_and_private_service_and_are_ten_at_most() {
    let outside = Outside::new();
    outside.made("one", json!({}));
    let code = |name: &str, change: Value| outside.code("CreateCustomKeyStore", creation(name, change));
    let elsewhere = json!({"XksProxyUriPath": "/two/kms/xks/v1"});
    assert_eq!(code("one", elsewhere), "CustomKeyStoreNameInUseException");
    assert_eq!(code("two", json!({})), "XksProxyUriInUseException");
    let same = with(private(ENDPOINT), json!({"XksProxyUriPath": "/two/kms/xks/v1"}));
    assert_eq!(code("two", same), "XksProxyUriEndpointInUseException");
    outside.made("private", private("https://private.example.com"));
    let beside = json!({"XksProxyUriEndpoint": "https://private.example.com", "XksProxyUriPath": "/two/kms/xks/v1"});
    assert_eq!(code("two", beside), "XksProxyUriEndpointInUseException");
    assert_eq!(code("two", private("https://other.example.com")), "XksProxyVpcEndpointServiceInUseException");
    for number in 2..10 {
        outside.made(&format!("{number}"), json!({"XksProxyUriPath": format!("/{number}/kms/xks/v1")}));
    }
    let eleventh = json!({"XksProxyUriPath": "/eleventh/kms/xks/v1"});
    assert_eq!(code("eleventh", eleventh), "LimitExceededException");
}

#[test]
fn each_member_changes_in_the_states_in_which_aws_lets_it() {
    let outside = Outside::new();
    let service = &outside.service;
    let id = outside.store("payroll");
    let other = "ZYXWVUTSRQPONMLKJIHG";
    let update = |change: Value| with(one(&id), change);
    outside.managers.trust(other, SECRET.as_bytes());
    for change in [
        json!({"NewCustomKeyStoreName": "wages"}),
        json!({"XksProxyUriPath": "/wages/kms/xks/v1"}),
        json!({"XksProxyAuthenticationCredential": credential(other)}),
    ] {
        assert_eq!(service.ok("UpdateCustomKeyStore", update(change)), json!({}));
    }
    let moved = json!({"XksProxyUriEndpoint": "https://new.example.com"});
    assert_eq!(outside.code("UpdateCustomKeyStore", update(moved.clone())), BAD_STATE);
    assert_eq!(outside.code("UpdateCustomKeyStore", update(private("https://new.example.com"))), BAD_STATE);
    service.ok("DisconnectCustomKeyStore", one(&id));
    service.ok("UpdateCustomKeyStore", update(moved));
    let entry = outside.described(&id);
    assert_eq!(entry["CustomKeyStoreName"], "wages");
    let told = json!({
        "Connectivity": "PUBLIC_ENDPOINT",
        "AccessKeyId": other,
        "UriEndpoint": "https://new.example.com",
        "UriPath": "/wages/kms/xks/v1",
    });
    assert_eq!(entry["XksProxyConfiguration"], told);
    service.ok("UpdateCustomKeyStore", update(private("https://private.example.com")));
    assert_eq!(outside.described(&id)["XksProxyConfiguration"]["VpcEndpointServiceName"], SERVICE);
    let unmoved = json!({"XksProxyConnectivity": "PUBLIC_ENDPOINT"});
    assert_eq!(outside.code("UpdateCustomKeyStore", update(unmoved.clone())), "ValidationException");
    let public = json!({
        "XksProxyConnectivity": "PUBLIC_ENDPOINT",
        "XksProxyUriEndpoint": ENDPOINT,
        "XksProxyVpcEndpointServiceName": "",
    });
    service.ok("UpdateCustomKeyStore", update(public));
    service.ok("UpdateCustomKeyStore", update(unmoved));
    let told = outside.described(&id)["XksProxyConfiguration"].clone();
    assert_eq!((&told["Connectivity"], told.get("VpcEndpointServiceName")), (&json!("PUBLIC_ENDPOINT"), None));
    let strange = json!({"XksProxyAuthenticationCredential": credential("STRANGEBUTOFTHEFORM2")});
    let told = outside.code("UpdateCustomKeyStore", update(strange));
    assert_eq!(told, "XksProxyIncorrectAuthenticationCredentialException");
    assert_eq!(outside.connected(&id)["ConnectionState"], "CONNECTED");
}

#[test]
fn who_owns_a_private_service_is_shown_the_account_itself_unless_it_says_otherwise() {
    let outside = Outside::new();
    let service = &outside.service;
    let id = outside.made("payroll", private(ENDPOINT));
    let owner = || outside.described(&id)["XksProxyConfiguration"].get("VpcEndpointServiceOwner").cloned();
    assert_eq!(owner(), Some(json!(ACCOUNT)));
    let other = || with(one(&id), json!({"XksProxyVpcEndpointServiceOwner": "444455556666"}));
    assert_eq!(service.ok("UpdateCustomKeyStore", other()), json!({}));
    assert_eq!(owner(), Some(json!("444455556666")));
    assert_eq!(outside.connected(&id)["ConnectionState"], "CONNECTED");
    assert_eq!(outside.code("UpdateCustomKeyStore", other()), BAD_STATE);
    service.ok("DisconnectCustomKeyStore", one(&id));
    let public = json!({"XksProxyConnectivity": "PUBLIC_ENDPOINT", "XksProxyUriEndpoint": "https://new.example.com"});
    service.ok("UpdateCustomKeyStore", with(one(&id), public));
    assert_eq!(owner(), None);
    assert_eq!(outside.code("UpdateCustomKeyStore", other()), "ValidationException");
}

#[test]
fn connecting_answers_at_once_and_until_it_has_ended_the_store_says_so_and_refuses_what_aws_refuses() {
    let outside = Outside::new();
    let service = &outside.service;
    let store = outside.store("payroll");
    let key = outside.key(&store, "key-1");
    service.ok("DisconnectCustomKeyStore", one(&store));
    outside.managers.hold(true);
    for _ in 0..2 {
        assert_eq!(service.ok("ConnectCustomKeyStore", one(&store)), json!({}));
    }
    let entry = outside.described(&store);
    assert_eq!((&entry["ConnectionState"], entry.get("ConnectionErrorCode")), (&json!("CONNECTING"), None));
    for (operation, request) in [
        ("CreateKey", key_in(&store, "key-2")),
        ("DeleteCustomKeyStore", one(&store)),
        ("UpdateCustomKeyStore", with(one(&store), json!({"NewCustomKeyStoreName": "wages"}))),
        ("UpdateCustomKeyStore", with(one(&store), json!({"XksProxyUriPath": "/wages/kms/xks/v1"}))),
    ] {
        let told = (BAD_STATE.to_owned(), format!("The custom key store {store} is CONNECTING."));
        assert_eq!(service.refused(operation, request), told, "{operation}");
    }
    let encrypt = json!({"KeyId": key["KeyId"], "Plaintext": b64(b"p")});
    assert_eq!(outside.code("Encrypt", encrypt.clone()), "KMSInvalidStateException");
    assert_eq!(service.ok("DescribeKey", json!({"KeyId": key["KeyId"]}))["KeyMetadata"]["KeyState"], "Unavailable");
    outside.managers.hold(false);
    assert_eq!(outside.connected(&store)["ConnectionState"], "CONNECTED");
    service.ok("Encrypt", encrypt);
    // The records tell who asked, and what came of it under the same request.
    let records = service.test.records();
    let requests = |operation: &str| {
        let records = records.iter().map(|record| record.record().unwrap().request);
        let of =
            records.filter(|request| request.operation.to_string() == operation).map(|request| request.id.to_string());
        of.collect::<Vec<_>>()
    };
    let (asked, finished) = (requests("ConnectCustomKeyStore"), requests("FinishConnecting"));
    assert!(finished.len() == 2 && finished.iter().all(|request| asked.contains(request)), "{asked:?} {finished:?}");
}

#[test]
fn a_store_that_changes_collides_with_no_other() {
    let outside = Outside::new();
    outside.made("one", json!({}));
    outside.made("private", private("https://private.example.com"));
    let id = outside.made("two", json!({"XksProxyUriPath": "/two/kms/xks/v1"}));
    let code = |change: Value| outside.code("UpdateCustomKeyStore", with(one(&id), change));
    assert_eq!(code(json!({"NewCustomKeyStoreName": "one"})), "CustomKeyStoreNameInUseException");
    assert_eq!(code(json!({"XksProxyUriPath": PATH})), "XksProxyUriInUseException");
    let beside = json!({"XksProxyUriEndpoint": "https://private.example.com"});
    assert_eq!(code(beside), "XksProxyUriEndpointInUseException");
    assert_eq!(code(private("https://other.example.com")), "XksProxyVpcEndpointServiceInUseException");
}

#[test]
fn members_that_are_missing_of_no_form_or_of_the_other_type_are_refused() {
    let outside = Outside::new();
    let malformed = |access: &str, secret: &str| json!({"XksProxyAuthenticationCredential": {"AccessKeyId": access, "RawSecretAccessKey": secret}});
    for change in [
        json!({"CustomKeyStoreName": null}),
        json!({"CustomKeyStoreType": null}),
        json!({"CustomKeyStoreType": "AWS_CLOUDHSM"}),
        json!({"CustomKeyStoreType": "OTHER"}),
        json!({"XksProxyUriEndpoint": null}),
        json!({"XksProxyUriEndpoint": "http://xks.example.com"}),
        json!({"XksProxyUriEndpoint": "https://xks.example.com:443"}),
        json!({"XksProxyUriEndpoint": "https://a"}),
        json!({"XksProxyUriEndpoint": format!("https://{}", "a".repeat(121))}),
        json!({"XksProxyUriPath": null}),
        json!({"XksProxyUriPath": "/kms/xks/"}),
        json!({"XksProxyUriPath": "/kms/xks/v1/"}),
        json!({"XksProxyUriPath": format!("/{}/kms/xks/v1", "a".repeat(128))}),
        json!({"XksProxyConnectivity": null}),
        json!({"XksProxyConnectivity": "CARRIER_PIGEON"}),
        json!({"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE"}),
        json!({"XksProxyVpcEndpointServiceName": SERVICE}),
        json!({"XksProxyVpcEndpointServiceOwner": ACCOUNT}),
        with(private(ENDPOINT), json!({"XksProxyVpcEndpointServiceName": "vpce-svc-0123456789abcdef0"})),
        with(private(ENDPOINT), json!({"XksProxyVpcEndpointServiceOwner": "12345678901x"})),
        json!({"XksProxyAuthenticationCredential": null}),
        json!({"XksProxyAuthenticationCredential": {}}),
        malformed("SHORT", SECRET),
        malformed("abcdefghijklmnopqrst", SECRET),
        malformed(&"A".repeat(31), SECRET),
        malformed(ACCESS_KEY, "short"),
        malformed(ACCESS_KEY, &"a".repeat(65)),
        malformed(ACCESS_KEY, &"!".repeat(43)),
        json!({"CloudHsmClusterId": "cluster-abcdefghijk"}),
        json!({"KeyStorePassword": "kmsPswd-1"}),
        json!({"TrustAnchorCertificate": "none"}),
    ] {
        let code = outside.code("CreateCustomKeyStore", creation("payroll", change.clone()));
        assert_eq!(code, "ValidationException", "{change}");
    }
    let id = outside.made("payroll", json!({}));
    for change in [
        json!({"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE", "XksProxyUriEndpoint": ENDPOINT}),
        json!({"XksProxyVpcEndpointServiceName": SERVICE}),
        with(private(ENDPOINT), json!({"XksProxyUriEndpoint": null})),
        with(private(ENDPOINT), json!({"XksProxyConnectivity": "PUBLIC_ENDPOINT"})),
        json!({"KeyStorePassword": "kmsPswd-1"}),
        json!({"CloudHsmClusterId": "cluster-abcdefghijk"}),
        json!({"KeyStorePassword": "kmsPswd-1", "XksProxyUriPath": PATH}),
        json!({"XksProxyAuthenticationCredential": {"AccessKeyId": ACCESS_KEY}}),
    ] {
        let code = outside.code("UpdateCustomKeyStore", with(one(&id), change.clone()));
        assert_eq!(code, "ValidationException", "{change}");
    }
    let moved = |change: Value| with(one(&id), with(change, json!({"XksProxyUriEndpoint": "https://new.example.com"})));
    let service_alone = json!({"XksProxyVpcEndpointServiceName": SERVICE});
    let (code, message) = outside.service.refused("UpdateCustomKeyStore", moved(service_alone.clone()));
    assert!(code == "ValidationException" && message.contains("needs XksProxyConnectivity"), "{code}: {message}");
    assert_eq!(outside.described(&id)["XksProxyConfiguration"]["Connectivity"], "PUBLIC_ENDPOINT");
    for change in [
        service_alone,
        json!({"XksProxyConnectivity": "VPC_ENDPOINT_SERVICE", "XksProxyVpcEndpointServiceName": SERVICE}),
    ] {
        let (code, message) = outside.service.refused("UpdateCustomKeyStore", with(one(&id), change));
        assert!(
            code == "ValidationException" && message.contains("XksProxyUriEndpoint must change"),
            "{code}: {message}"
        );
    }
    let wrong = json!({"XksProxyAuthenticationCredential": "text"});
    assert_eq!(outside.code("CreateCustomKeyStore", creation("other", wrong)), "SerializationException");
}

#[test]
fn an_access_key_of_a_proxy_is_repeated_by_no_refusal_and_its_secret_is_in_no_record() {
    let outside = Outside::new();
    let shown = "lower-case-of-30-bytes-or-less";
    let secret = format!("{SECRET}!");
    let request = json!({"XksProxyAuthenticationCredential": {"AccessKeyId": shown, "RawSecretAccessKey": secret}});
    let (_, message) = outside.service.refused("CreateCustomKeyStore", creation("payroll", request));
    for member in ["accessKeyId", "rawSecretAccessKey"] {
        assert!(message.contains(&format!("'xksProxyAuthenticationCredential.{member}'")), "{message}");
    }
    assert!(!message.contains(shown) && !message.contains(SECRET), "{message}");
    outside.made("payroll", json!({}));
    let holds = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    for record in outside.service.test.records() {
        assert!(!holds(record.bytes(), SECRET));
    }
    assert!(outside.service.test.records().iter().any(|record| holds(record.bytes(), ENDPOINT)));
}

#[test]
fn stores_belong_to_an_account_and_are_found_by_either_name() {
    let outside = Outside::new();
    let id = outside.made("payroll", json!({}));
    let found = outside.service.ok("DescribeCustomKeyStores", json!({"CustomKeyStoreName": "payroll"}));
    assert_eq!(found["CustomKeyStores"][0]["CustomKeyStoreId"], id);
    let stranger = crate::support::in_other_account(&outside.service);
    assert_eq!(outside.service.refused_as(&stranger, "DescribeCustomKeyStores", one(&id)).0, NOT_FOUND);
    assert_eq!(outside.service.refused_as(&stranger, "ConnectCustomKeyStore", one(&id)).0, NOT_FOUND);
}

#[test]
fn without_external_managers_there_is_nothing_to_make_a_store_on() {
    let service = Service::new();
    let (code, _) = service.refused("CreateCustomKeyStore", creation("payroll", json!({})));
    assert_eq!(code, "UnsupportedOperationException");
}
