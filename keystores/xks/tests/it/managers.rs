//! The port to external key managers: what is asked through it, what every end of a call is told as, and how one manager
//! that cannot be reached is left alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use strongroom_model::external::{
    ExternalAddress, ExternalCredential, ExternalError, ExternalManager, ExternalManagers as _, ExternalRefusal,
    ExternalRequest, ExternalSealed,
};
use strongroom_sigv4::SecretBytes;
use strongroom_xks_client::{Hosts, Network, Refusal, Route, limits};

use crate::proxy::{
    ASSOCIATED, Act, PLAINTEXT, Proxy, TENANT, Tls, clock, credential, listening, manager, network, place, plaintext,
    request, sound,
};

const SERVICE: &str = "com.amazonaws.vpce.eu-central-1.vpce-svc-0123456789abcdef0";
/// Longest wait for what comes by itself.
const PATIENCE: Duration = Duration::from_secs(60);

fn seal(manager: &Arc<dyn ExternalManager>) -> Result<ExternalSealed, ExternalError> {
    manager.seal("payroll", &request("Encrypt"), ASSOCIATED, &plaintext())
}

fn sealed() -> ExternalSealed {
    ExternalSealed { ciphertext: vec![7; PLAINTEXT.len()], iv: vec![1; 12], tag: [2; 16], metadata: vec![3; 20] }
}

fn open(manager: &Arc<dyn ExternalManager>, sealed: &ExternalSealed) -> Result<Vec<u8>, ExternalError> {
    let opened = manager.open("payroll", &request("Decrypt"), ASSOCIATED, sealed)?;
    Ok(opened.expose().to_vec())
}

/// A proxy that answers all alike, as the engine asks it.
fn answering(status: u16, body: Value) -> (Proxy, Arc<dyn ExternalManager>) {
    let proxy = Proxy::start(move |_| Act::json(status, &body));
    let manager = proxy.manager();
    (proxy, manager)
}

#[test]
fn what_is_sealed_is_proved_by_its_integrity_value_and_opened_with_all_of_its_parts() {
    let (proxy, asked) = listening();
    assert_eq!(seal(&proxy.manager()).unwrap(), sealed());
    let asked = asked.lock().unwrap();
    assert_eq!(asked[0].path, "/store/kms/xks/v1/keys/payroll/encrypt");
    assert_eq!(asked[0].body["ciphertextDataIntegrityValueAlgorithm"], "SHA_256");
    let told = json!({
        "awsPrincipalArn": "arn:aws:iam::111122223333:user/alice",
        "kmsOperation": "Encrypt",
        "kmsRequestId": "request-1",
        "kmsKeyArn": "arn:aws:kms:eu-central-1:111122223333:key/1",
    });
    assert_eq!(asked[0].body["requestMetadata"], told);

    let proxy = Proxy::start(|asked| {
        let parts = ["ciphertext", "initializationVector", "authenticationTag", "ciphertextMetadata"];
        let sound = sound();
        assert!(parts.iter().all(|part| asked.body[part] == sound[part]), "{}", asked.body);
        assert_eq!(asked.body["additionalAuthenticatedData"], "Y29udGV4dA==");
        Act::json(200, &json!({ "plaintext": "dHdpY2Ugc2VhbGVk" }))
    });
    assert_eq!(open(&proxy.manager(), &sealed()).unwrap(), PLAINTEXT);
}

#[test]
fn an_answer_that_does_not_prove_itself_is_invalid() {
    let mut changed = sound();
    changed["authenticationTag"] = "AQEBAQEBAQEBAQEBAQEBAQ==".into();
    let (_proxy, manager) = answering(200, changed);
    let told = seal(&manager).unwrap_err();
    assert!(matches!(&told, ExternalError::InvalidAnswer { cause } if cause.contains("IntegrityValue")), "{told:?}");
    let (_proxy, manager) = answering(500, json!({ "errorName": "OutOfPaper" }));
    let told = seal(&manager).unwrap_err();
    assert!(matches!(&told, ExternalError::InvalidAnswer { cause } if !cause.contains("Paper")), "{told:?}");
}

#[test]
fn every_refusal_has_its_own_meaning() {
    use ExternalRefusal as Told;
    let meanings = [
        (Refusal::Validation, 400, Told::Request),
        (Refusal::InvalidState, 400, Told::State),
        (Refusal::InvalidCiphertext, 400, Told::Ciphertext),
        (Refusal::InvalidKeyUsage, 400, Told::Usage),
        (Refusal::AuthenticationFailed, 401, Told::Unauthenticated),
        (Refusal::AccessDenied, 403, Told::Denied),
        (Refusal::KeyNotFound, 404, Told::NoKey),
        (Refusal::InvalidUriPath, 404, Told::NoPath),
        (Refusal::Throttling, 429, Told::Throttled),
        (Refusal::UnsupportedOperation, 501, Told::Unsupported),
        (Refusal::DependencyTimeout, 503, Told::Late),
        (Refusal::Internal, 500, Told::Internal),
    ];
    assert!(Refusal::ALL.iter().all(|refusal| meanings.iter().any(|(known, ..)| known == refusal)));
    for (refusal, status, meaning) in meanings {
        let (_proxy, manager) = answering(status, json!({ "errorName": refusal.name() }));
        let request = request("CreateKey");
        let told = [
            seal(&manager).unwrap_err(),
            open(&manager, &sealed()).unwrap_err(),
            manager.inspect("payroll", &request).unwrap_err(),
            manager.health(&request).unwrap_err(),
        ];
        assert!(told.iter().all(|told| *told == ExternalError::Refused(meaning)), "{refusal}: {told:?}");
    }
}

/// What is told to operators while something is done.
fn told_while(act: impl FnOnce()) -> String {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, act);
    let bytes = lines.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_a_manager_says_besides_a_refusal_is_told_to_operators_in_a_line_and_to_nobody_else() {
    let says = format!("out\r\nof paper \u{1b}[31m\u{e9}{}", "x".repeat(2000));
    let (_proxy, manager) = answering(400, json!({ "errorName": "InvalidStateException", "errorMessage": says }));
    let told = told_while(|| {
        for _ in 0..2 {
            let refused = seal(&manager).unwrap_err();
            assert_eq!(refused, ExternalError::Refused(ExternalRefusal::State));
            assert!(!format!("{refused} {refused:?}").contains("paper"));
        }
    });
    assert_eq!(told.lines().count(), 1, "once for a while: {told}");
    assert!(
        told.contains(r"out\\r\\nof paper \\u{1b}[31m\\u{e9}x") || told.contains(r"out\r\nof paper \u{1b}[31m\u{e9}x"),
        "{told}"
    );
    assert!(told.contains("request-1") && told.contains("InvalidStateException"), "{told}");
    assert!(told.len() < 1024, "{}", told.len());
}

#[test]
fn a_key_is_inspected_before_there_is_one_of_ours_and_must_fit() {
    let answer =
        |status: &str| json!({ "keySpec": "AES_256", "keyUsage": ["ENCRYPT", "DECRYPT"], "keyStatus": status });
    let (enabled, request) = (answer("ENABLED"), ExternalRequest { resource: None, ..request("CreateKey") });
    let proxy = Proxy::start(move |asked| {
        assert_eq!(asked.path, "/store/kms/xks/v1/keys/payroll/metadata");
        assert_eq!(asked.body["requestMetadata"]["kmsKeyArn"], Value::Null);
        Act::json(200, &enabled)
    });
    assert_eq!(proxy.manager().inspect("payroll", &request), Ok(()));
    let (_proxy, manager) = answering(200, answer("DISABLED"));
    assert_eq!(manager.inspect("payroll", &request), Err(ExternalError::KeyUnfit));
}

#[test]
fn health_is_asked_for_the_operation_and_must_be_told_of_one_node_that_works() {
    let health = |state: &str| {
        let node = json!({ "id": "n1", "model": "m", "healthStatus": state });
        json!({ "xksProxyFleetSize": 1, "xksProxyVendor": "v", "xksProxyModel": "p", "ekmVendor": "e", "ekmFleetDetails": [node] })
    };
    for (operation, asked_for) in [
        ("ConnectCustomKeyStore", "ConnectCustomKeyStore"),
        ("UpdateCustomKeyStore", "UpdateCustomKeyStore"),
        ("DescribeKey", "KmsHealthCheck"),
    ] {
        let answer = health("DEGRADED");
        let proxy = Proxy::start(move |asked| {
            let told = json!({ "kmsOperation": asked_for, "kmsRequestId": "request-1" });
            assert_eq!(asked.body["requestMetadata"], told);
            Act::json(200, &answer)
        });
        assert_eq!(proxy.manager().health(&request(operation)), Ok(()));
    }
    let (_proxy, manager) = answering(200, health("UNAVAILABLE"));
    assert_eq!(manager.health(&request("ConnectCustomKeyStore")), Err(ExternalError::Unhealthy));
}

#[test]
fn late_and_unreachable_and_distrusted_are_told_apart() {
    let silent = Proxy::start(|_| Act::Raw(Vec::new()));
    let began = Instant::now();
    let impatient = manager(Route { deadline: None, ..silent.route() });
    assert_eq!(seal(&impatient), Err(ExternalError::Late));
    assert!(began.elapsed() >= limits::DEADLINE, "{:?}", began.elapsed());

    let closing = Proxy::start(|_| Act::Close);
    let told = seal(&closing.manager()).unwrap_err();
    assert!(
        matches!(&told, ExternalError::Unreachable { cause } if cause.starts_with("the connection broke: ")),
        "{told:?}"
    );

    let unknown = Proxy::start_with(Tls::Unknown, |_| panic!("nothing is sent"));
    let told = seal(&unknown.manager()).unwrap_err();
    assert!(matches!(&told, ExternalError::Tls { cause } if cause.contains("invalid peer certificate")), "{told:?}");
}

#[test]
fn what_has_not_its_form_is_refused_before_anything_is_asked() {
    let (proxy, asked) = listening();
    let network = network(vec![proxy.route()]);
    let made = |address: ExternalAddress, credential: ExternalCredential| match network
        .manager(TENANT, &address, credential, "eu-central-1")
        .err()
    {
        Some(ExternalError::Malformed(form)) => form,
        other => panic!("{other:?}"),
    };
    let elsewhere = ExternalAddress { endpoint: "https://127.0.0.1".to_owned(), ..place(None) };
    assert!(made(elsewhere, credential()).contains("endpoint"));
    let elsewhere = ExternalAddress { path: "/kms/xks/v2".to_owned(), ..place(None) };
    assert!(made(elsewhere, credential()).contains("path"));
    assert!(made(place(None), ExternalCredential { shown: "A".to_owned(), ..credential() }).contains("access key id"));
    let short = ExternalCredential { secret: SecretBytes::copy_from(b"short"), ..credential() };
    assert!(made(place(None), short).contains("secret access key"));

    let manager = proxy.manager();
    let told = manager.seal("../other", &request("Encrypt"), b"", &plaintext()).unwrap_err();
    assert!(matches!(told, ExternalError::Malformed(form) if form.contains("key's id")));
    let long = SecretBytes::take(vec![0; limits::PLAINTEXT_BYTES + 1]);
    assert_eq!(manager.seal("payroll", &request("Encrypt"), b"", &long), Err(ExternalError::TooLong));
    let nowhere = network.manager(TENANT, &place(None), credential(), "eu central").ok().unwrap();
    assert!(matches!(seal(&nowhere), Err(ExternalError::Malformed(form)) if form.contains("region")));

    // Parts that no manager made are no ciphertext of the key's.
    let strange = ExternalSealed { iv: vec![1; 13], ..sealed() };
    assert_eq!(open(&manager, &strange), Err(ExternalError::Refused(ExternalRefusal::Ciphertext)));
    let strange = ExternalSealed { metadata: vec![3; 21], ..sealed() };
    assert_eq!(open(&manager, &strange), Err(ExternalError::Refused(ExternalRefusal::Ciphertext)));
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn a_service_is_served_where_a_route_names_it_and_nowhere_else() {
    let (proxy, _asked) = listening();
    let network = network(vec![Route { service: Some(SERVICE.to_owned()), ..proxy.route() }]);
    let made = |service: Option<&str>| network.manager(TENANT, &place(service), credential(), "eu-central-1");
    seal(&made(Some(SERVICE)).ok().unwrap()).unwrap();
    let other = SERVICE.replace("svc-0", "svc-1");
    assert_eq!(made(Some(&other)).err(), Some(ExternalError::NoService));
    // Whoever names no service is not led to where the service leads.
    let told = seal(&made(None).ok().unwrap()).unwrap_err();
    assert!(matches!(&told, ExternalError::Unreachable { cause } if cause.contains("operator")), "{told:?}");
    let elsewhere = ExternalAddress { endpoint: "https://xks.example.org".to_owned(), ..place(Some(SERVICE)) };
    assert_eq!(network.manager(TENANT, &elsewhere, credential(), "eu-central-1").err(), Some(ExternalError::NoService));
}

#[test]
fn one_host_leads_elsewhere_by_a_service_than_by_none() {
    let (public, asked) = listening();
    let (private, asked_privately) = listening();
    let by_service = Route { service: Some(SERVICE.to_owned()), ..private.route() };
    let network = network(vec![public.route(), by_service]);
    for (service, count) in [(None, (1, 0)), (Some(SERVICE), (1, 1))] {
        seal(&network.manager(TENANT, &place(service), credential(), "eu-central-1").ok().unwrap()).unwrap();
        assert_eq!((asked.lock().unwrap().len(), asked_privately.lock().unwrap().len()), count);
    }
}

#[test]
fn hosts_that_nobody_listed_are_asked_unless_the_operator_forbids_it() {
    let seal = |only_routes| {
        let network = Network::start(Hosts { only_routes, ..Hosts::default() }, clock()).unwrap();
        let nobody = ExternalAddress { endpoint: "https://xks.nobody.invalid".to_owned(), ..place(None) };
        seal(&network.manager(TENANT, &nobody, credential(), "eu-central-1").ok().unwrap()).unwrap_err()
    };
    let told = seal(true);
    assert!(matches!(&told, ExternalError::Unreachable { cause } if cause.contains("operator")), "{told:?}");
    // Asked, but not found: as an unknown name, or by a resolver that takes too long to say so.
    let told = seal(false);
    assert!(
        matches!(&told, ExternalError::Late)
            || matches!(&told, ExternalError::Unreachable { cause } if cause.contains("resolve")),
        "{told:?}"
    );
}

/// A proxy that closes every connection until it is mended.
fn broken() -> (Proxy, Arc<AtomicBool>) {
    let mended = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&mended);
    let node = json!({ "id": "n1", "model": "m", "healthStatus": "ACTIVE" });
    let health = json!({ "xksProxyFleetSize": 1, "xksProxyVendor": "v", "xksProxyModel": "p", "ekmVendor": "e", "ekmFleetDetails": [node] });
    let proxy = Proxy::start(move |asked| match (shared.load(Ordering::SeqCst), asked.path.ends_with("/health")) {
        (false, _) => Act::Close,
        (true, true) => Act::json(200, &health),
        (true, false) => Act::json(200, &sound()),
    });
    (proxy, mended)
}

fn fail_until_left_alone(manager: &Arc<dyn ExternalManager>) {
    for _ in 0..limits::BREAKER_FAILURES {
        let told = seal(manager).unwrap_err();
        assert!(matches!(told, ExternalError::Unreachable { .. }), "{told:?}");
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "that it heals by itself shows only as time passes")]
fn a_manager_that_fails_again_and_again_is_left_alone_for_a_moment_and_heals_by_itself() {
    let (proxy, mended) = broken();
    let (manager, began) = (proxy.manager(), Instant::now());
    fail_until_left_alone(&manager);
    let asked = proxy.connections();
    let told = seal(&manager);
    let same = matches!(told, Err(ExternalError::Unreachable { .. }));
    let at_once = same && proxy.connections() == asked;
    assert!(at_once || began.elapsed() >= limits::BREAKER_PAUSE, "{told:?}");
    let asked = proxy.connections();
    mended.store(true, Ordering::SeqCst);
    while seal(&manager).is_err() {
        assert!(began.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!((0..3).all(|_| seal(&manager).is_ok()));
    assert_eq!(proxy.connections(), asked + 1, "nothing but one call found it out");
}

#[test]
fn health_is_asked_of_a_manager_that_is_left_alone_and_heals_it() {
    let (proxy, mended) = broken();
    let manager = proxy.manager();
    fail_until_left_alone(&manager);
    let told = manager.health(&request("ConnectCustomKeyStore")).unwrap_err();
    assert!(matches!(told, ExternalError::Unreachable { .. }), "{told:?}");
    mended.store(true, Ordering::SeqCst);
    assert_eq!(manager.health(&request("ConnectCustomKeyStore")), Ok(()));
    seal(&manager).unwrap();
}

#[test]
fn operators_see_how_calls_end_and_how_many_managers_are_left_alone() {
    let (proxy, mended) = broken();
    let network = network(vec![proxy.route()]);
    let made = || network.manager(TENANT, &place(None), credential(), "eu-central-1").ok().unwrap();
    let count = |wanted: &str| {
        let mut found = None;
        network.measure(&mut |outcome, count| found = found.or_else(|| (outcome == wanted).then_some(count)));
        found.unwrap()
    };
    let (one, other) = (made(), made());
    fail_until_left_alone(&one);
    fail_until_left_alone(&other);
    assert_eq!((network.left_alone(), count("unreachable")), (2, u64::from(limits::BREAKER_FAILURES) * 2));
    let _ = seal(&one);
    assert_eq!(count("unreachable") + count("left_alone"), u64::from(limits::BREAKER_FAILURES) * 2 + 1);
    mended.store(true, Ordering::SeqCst);
    assert_eq!(one.health(&request("ConnectCustomKeyStore")), Ok(()));
    assert_eq!((network.left_alone(), count("served")), (1, 1));
    drop(other);
    assert_eq!(network.left_alone(), 0);
}

#[test]
fn one_manager_that_is_left_alone_is_no_other_ones_trouble() {
    let (proxy, mended) = broken();
    let (manager, other) = (proxy.manager(), proxy.manager());
    fail_until_left_alone(&manager);
    mended.store(true, Ordering::SeqCst);
    seal(&other).unwrap();
}

#[test]
fn refusals_are_answers_and_never_have_a_manager_left_alone() {
    let (proxy, manager) = answering(503, json!({ "errorName": "DependencyTimeoutException" }));
    for _ in 0..limits::BREAKER_FAILURES * 2 {
        assert_eq!(seal(&manager), Err(ExternalError::Refused(ExternalRefusal::Late)));
    }
    assert_eq!(proxy.connections(), 1);
}
