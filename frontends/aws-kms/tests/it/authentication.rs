//! Who may speak at all.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, StatusCode};
use serde_json::json;
use strongroom_engine::SecretBytes;
use strongroom_engine::operations::credential::{ChangeCredential, CreateCredential, Fate};
use strongroom_model::action::Action;
use strongroom_model::clock::Clock as _;
use strongroom_sigv4::SigningTime;
use strongroom_testkit::engine::{ACCOUNT, REGION, block_on, operator};

use crate::support::{Caller, HOST, Service, read, signed_at};

const TARGET: &[(&str, &str)] = &[("x-amz-target", "TrentService.ListKeys")];

fn now(service: &Service) -> SigningTime {
    SigningTime::from_unix_millis(i64::try_from(service.test.clock.now().0).unwrap())
}

#[test]
fn a_request_without_a_signature_is_refused() {
    let service = Service::new();
    let reply = service.raw(&service.admin, "ListKeys", b"{}".to_vec(), |request| {
        request.head.headers.remove("authorization");
    });
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    assert_eq!(reply.error().0, "MissingAuthenticationTokenException");
    assert_eq!(reply.headers["content-type"], "application/x-amz-json-1.1");
    assert_eq!(reply.headers["x-amzn-requestid"].len(), 36);
}

#[test]
fn a_wrong_secret_an_unknown_key_and_a_session_token_are_told_apart_as_aws_does() {
    let service = Service::new();
    let wrong = Caller { secret: "wrong".to_owned(), ..service.admin.clone() };
    let (code, message) = service.refused_as(&wrong, "ListKeys", json!({}));
    assert_eq!(code, "InvalidSignatureException");
    assert!(message.starts_with("The request signature we calculated does not match the signature you provided."));
    let unknown = Caller { access_key_id: "AKIAUNKNOWN".to_owned(), ..service.admin.clone() };
    let invalid =
        ("UnrecognizedClientException".to_owned(), "The security token included in the request is invalid.".to_owned());
    assert_eq!(service.refused_as(&unknown, "ListKeys", json!({})), invalid);
    let temporary = Caller { session_token: Some("token".to_owned()), ..service.admin.clone() };
    assert_eq!(service.refused_as(&temporary, "ListKeys", json!({})), invalid);
}

#[test]
fn what_was_signed_cannot_be_changed() {
    let service = Service::new();
    let body = service
        .raw(&service.admin, "ListKeys", b"{\"Limit\":1}".to_vec(), |request| request.body = (&b"{}"[..]).into());
    assert_eq!(body.error().0, "InvalidSignatureException");
    let target = service.raw(&service.admin, "ListKeys", b"{}".to_vec(), |request| {
        request.head.headers.insert("x-amz-target", HeaderValue::from_static("TrentService.ListAliases"));
    });
    assert_eq!(target.error().0, "InvalidSignatureException");
    let host = service.raw(&service.admin, "ListKeys", b"{}".to_vec(), |request| {
        request.head.headers.insert("host", HeaderValue::from_static("elsewhere.example"));
    });
    assert_eq!(host.error().0, "InvalidSignatureException");
}

#[test]
fn a_signature_counts_for_five_minutes_one_service_and_the_regions_served() {
    let service = Service::new();
    for (seconds, taken) in [(-301, false), (-300, true), (300, true), (301, false)] {
        let request = signed_at(&service.admin, TARGET, b"{}".to_vec(), REGION, "kms", now(&service).offset(seconds));
        let reply = service.send(request);
        assert_eq!(reply.status == StatusCode::OK, taken, "{seconds}");
        if !taken {
            let (code, message) = reply.error();
            let start = if seconds < 0 { "Signature expired: " } else { "Signature not yet current: " };
            assert_eq!(code, "InvalidSignatureException");
            assert!(message.starts_with(start), "{message}");
        }
    }
    for (region, signed_for, message) in [
        ("antarctica-1", "kms", "Credential should be scoped to a valid region."),
        (REGION, "s3", "Credential should be scoped to correct service: 'kms'."),
    ] {
        let request = signed_at(&service.admin, TARGET, b"{}".to_vec(), region, signed_for, now(&service));
        assert_eq!(service.send(request).error(), ("InvalidSignatureException".to_owned(), message.to_owned()));
    }
}

#[test]
fn a_credential_that_is_suspended_deleted_or_lapsed_proves_nobody() {
    let service = Service::new();
    let user = service.user("someone", Some(r#"{"Statement":[{"Effect":"Allow","Action":"kms:*","Resource":"*"}]}"#));
    let change = |fate| {
        let change = ChangeCredential { tenant: service.test.tenant.id, shown: user.access_key_id.clone(), fate };
        service.test.run(&operator(), change).unwrap();
    };
    service.ok_as(&user, "ListKeys", json!({}));
    change(Fate::Suspended);
    assert_eq!(service.refused_as(&user, "ListKeys", json!({})).0, "UnrecognizedClientException");
    change(Fate::Resumed);
    service.ok_as(&user, "ListKeys", json!({}));
    change(Fate::Deleted);
    assert_eq!(service.refused_as(&user, "ListKeys", json!({})).0, "UnrecognizedClientException");
    let create = |secret: &str, expires| CreateCredential {
        tenant: service.test.tenant.id,
        principal: Some("someone".to_owned()),
        shown: user.access_key_id.clone(),
        secret: SecretBytes::copy_from(secret.as_bytes()),
        expires,
    };
    // The same access key id, given out anew with another secret: the signing key held from before proves nothing.
    let lapses = service.test.clock.now().after(Duration::from_secs(60));
    service.test.run(&operator(), create("another", Some(lapses))).unwrap();
    assert_eq!(service.refused_as(&user, "ListKeys", json!({})).0, "InvalidSignatureException");
    let anew = Caller { secret: "another".to_owned(), ..user.clone() };
    service.ok_as(&anew, "ListKeys", json!({}));
    service.test.clock.pass(Duration::from_secs(60));
    assert_eq!(service.refused_as(&anew, "ListKeys", json!({})).0, "UnrecognizedClientException");
}

#[test]
fn failures_are_recorded_one_by_one_and_beyond_a_rate_counted() {
    let service = Service::new();
    let wrong = Caller { secret: "wrong".to_owned(), ..service.admin.clone() };
    let failures = || {
        let records = service.test.records();
        let failed = records.iter().filter_map(|sealed| {
            let record = sealed.record().unwrap();
            (record.action == Action::Authenticate).then(|| (record.credential.shown.to_string(), record.count))
        });
        failed.collect::<Vec<_>>()
    };
    for _ in 0..25 {
        service.refused_as(&wrong, "ListKeys", json!({}));
    }
    assert_eq!(failures(), vec![(wrong.access_key_id.clone(), 1); 20]);
    service.test.tick();
    assert_eq!(failures().split_off(20), [(String::new(), 5)]);
    service.test.clock.pass(Duration::from_secs(1));
    service.refused_as(&wrong, "ListKeys", json!({}));
    assert_eq!(failures().len(), 22);
}

#[test]
fn a_proved_caller_that_asks_for_nonsense_is_recorded() {
    let service = Service::new();
    assert_eq!(service.refused("StealKeys", json!({})).0, "UnknownOperationException");
    assert_eq!(service.refused("ListKeys", json!({"Limit": "ten"})).0, "SerializationException");
    let records = service.test.records();
    let told: Vec<_> = records
        .iter()
        .rev()
        .take(2)
        .map(|sealed| {
            let record = sealed.record().unwrap();
            assert_eq!(record.policy_name.to_string(), service.admin.arn);
            (record.request.operation.to_string(), format!("{:?}", record.outcome))
        })
        .collect();
    assert!(told[0].0 == "ListKeys" && told[0].1.contains("SerializationException"), "{told:?}");
    assert!(told[1].0 == "UnknownOperation" && told[1].1.contains("UnknownOperationException"), "{told:?}");
}

#[test]
fn a_caller_learns_who_it_is() {
    let service = Service::new();
    let regions = [Arc::from(REGION)];
    let form = [("content-type", "application/x-www-form-urlencoded; charset=utf-8")];
    let ask = |caller: &Caller, body: &str| {
        let request = signed_at(caller, &form, body.as_bytes().to_vec(), REGION, "sts", now(&service));
        assert!(strongroom_aws_sts::Sts::owns(&request.head));
        assert!(!strongroom_aws_kms::Kms::owns(&request.head));
        let reply = read(block_on(service.sts.handle(&service.peer, request, &regions)));
        assert_eq!(reply.headers["content-type"], "text/xml");
        (reply.status, String::from_utf8(reply.body).unwrap())
    };
    let user = service.user("nobody", None);
    let (status, xml) = ask(&user, "Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!(status, StatusCode::OK);
    for part in [
        format!("<Arn>arn:aws:iam::{ACCOUNT}:user/nobody</Arn>"),
        "<UserId>AIDAnobody</UserId>".to_owned(),
        format!("<Account>{ACCOUNT}</Account>"),
    ] {
        assert!(xml.contains(&part), "{xml}");
    }
    let (status, xml) = ask(&user, "Action=GetSessionToken&Version=2011-06-15");
    assert!(status == StatusCode::BAD_REQUEST && xml.contains("<Code>InvalidAction</Code>"), "{xml}");
    let wrong = Caller { secret: "wrong".to_owned(), ..user.clone() };
    let (status, xml) = ask(&wrong, "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(status == StatusCode::FORBIDDEN && xml.contains("<Code>SignatureDoesNotMatch</Code>"), "{xml}");
    let unknown = Caller { access_key_id: "AKIAUNKNOWN".to_owned(), ..user };
    let (status, xml) = ask(&unknown, "Action=GetCallerIdentity&Version=2011-06-15");
    assert!(status == StatusCode::FORBIDDEN && xml.contains("<Code>InvalidClientTokenId</Code>"), "{xml}");
    assert_eq!(HOST, "kms.test.example");
}
