//! Services of the installation: named by key policies and grants, proved by their signatures.

use http::StatusCode;
use serde_json::{Value, json};
use strongroom_model::clock::Clock as _;
use strongroom_sigv4::SigningTime;
use strongroom_testkit::engine::{ACCOUNT, REGION};

use crate::support::{Caller, HOST, Reply, Service, b64, make_service, signed_at};

const NAME: &str = "s3.example.internal";
const PHOTOS: &str = "arn:aws:s3:::111122223333:photos";
const DENIED: &str = "AccessDeniedException";

/// A request of a service, for a resource if one is named.
fn call(service: &Service, caller: &Caller, operation: &str, body: &Value, resource: Option<&str>) -> Reply {
    let target = format!("TrentService.{operation}");
    let now = SigningTime::from_unix_millis(i64::try_from(service.test.clock.now().0).unwrap());
    let mut fields = vec![("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
    fields.extend(resource.map(|resource| ("x-amz-source-arn", resource)));
    service.send(signed_at(caller, &fields, body.to_string().into_bytes(), REGION, "kms", now))
}

fn allowed(reply: &Reply) -> bool {
    match (reply.status, reply.error().0.as_str()) {
        (StatusCode::OK, _) => true,
        (_, DENIED) => false,
        (_, other) => panic!("{other}"),
    }
}

fn grant(key: &Value, more: &Value) -> Value {
    let mut request = json!({
        "KeyId": key["KeyId"], "GranteeServicePrincipal": NAME, "RetiringServicePrincipal": NAME,
        "Operations": ["Encrypt", "RetireGrant"], "Constraints": {"SourceArn": PHOTOS},
    });
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

#[test]
fn a_statement_for_a_service_holds_for_whoever_is_proved_to_be_it() {
    let service = Service::new();
    let (s3, key) = (make_service(&service, NAME), service.key());
    let user = service.user("user", None);
    let statement = |name: &str, condition: Value| {
        json!({
            "Effect": "Allow", "Principal": {"Service": name}, "Action": ["kms:GenerateDataKey", "kms:Decrypt"],
            "Resource": "*", "Condition": condition,
        })
    };
    let root = json!({
        "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "kms:*", "Resource": "*",
    });
    let put = |statement: Value| {
        let policy = json!({"Version": "2012-10-17", "Statement": [root.clone(), statement]}).to_string();
        service.ok("PutKeyPolicy", json!({"KeyId": key["KeyId"], "Policy": policy}));
    };
    let request = json!({"KeyId": key["Arn"], "KeySpec": "AES_256"});
    let may = |caller: &Caller, resource| allowed(&call(&service, caller, "GenerateDataKey", &request, resource));
    assert!(!may(&s3, None));
    put(statement(NAME, json!({})));
    assert!(may(&s3, None) && !may(&user, None));
    assert!(!allowed(&call(&service, &s3, "DescribeKey", &json!({"KeyId": key["Arn"]}), None)));
    put(statement("s3.amazonaws.com", json!({})));
    assert!(!may(&s3, None), "another service");
    put(statement(NAME, json!({"ArnLike": {"aws:SourceArn": "arn:aws:s3:::*:photos"}})));
    assert!(!may(&s3, None) && !may(&s3, Some("arn:aws:s3:::111122223333:others")) && may(&s3, Some(PHOTOS)));
}

#[test]
fn what_anyone_else_says_of_a_resource_is_worth_nothing() {
    let service = Service::new();
    let key = service.key();
    let condition = json!({"ArnEquals": {"aws:SourceArn": PHOTOS}});
    let statement = json!({"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Condition": condition});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let user = service.user("user", Some(&policy));
    assert!(!allowed(&call(&service, &user, "DescribeKey", &json!({"KeyId": key["Arn"]}), Some(PHOTOS))));
}

#[test]
fn the_resource_that_a_service_names_must_be_signed() {
    let service = Service::new();
    let (s3, key) = (make_service(&service, NAME), service.key());
    let body = json!({"KeyId": key["Arn"]}).to_string().into_bytes();
    let reply = service.raw(&s3, "DescribeKey", body, |request| {
        request.head.headers.insert("x-amz-source-arn", PHOTOS.parse().unwrap());
    });
    assert_eq!((reply.status, HOST), (StatusCode::BAD_REQUEST, "kms.test.example"));
    assert_ne!(reply.error().0, DENIED);
}

#[test]
fn a_grant_to_a_service_serves_it_for_its_resource_and_it_can_give_it_up() {
    let service = Service::new();
    let (s3, key) = (make_service(&service, NAME), service.key());
    let made = service.ok("CreateGrant", grant(&key, &json!({})));
    let listed = service.ok("ListGrants", json!({"KeyId": key["KeyId"]}))["Grants"][0].clone();
    assert_eq!((&listed["GranteeServicePrincipal"], &listed["RetiringServicePrincipal"]), (&json!(NAME), &json!(NAME)));
    assert_eq!((&listed["GranteePrincipal"], &listed["RetiringPrincipal"]), (&Value::Null, &Value::Null));
    let request = json!({"KeyId": key["Arn"], "Plaintext": b64(b"text")});
    let may = |resource| allowed(&call(&service, &s3, "Encrypt", &request, resource));
    assert!(may(Some(PHOTOS)) && !may(Some("arn:aws:s3:::111122223333:others")) && !may(None));
    let retire = json!({"KeyId": key["Arn"], "GrantId": made["GrantId"]});
    let user = service.user("user", None);
    assert!(!allowed(&call(&service, &user, "RetireGrant", &retire, Some(PHOTOS))));
    assert!(allowed(&call(&service, &s3, "RetireGrant", &retire, None)));
    assert!(!may(Some(PHOTOS)));
}

#[test]
fn grants_to_services_are_refused_as_they_cannot_be() {
    let service = Service::new();
    let key = service.key();
    for more in [
        json!({"Constraints": {}}),
        json!({"RetiringServicePrincipal": null}),
        json!({"GranteePrincipal": service.admin.arn}),
        json!({"RetiringPrincipal": service.admin.arn}),
        json!({"GranteeServicePrincipal": "s3"}),
        json!({"GranteeServicePrincipal": "s3..internal"}),
        json!({"RetiringServicePrincipal": "s3.example.in_ternal"}),
    ] {
        assert_eq!(service.refused("CreateGrant", grant(&key, &more)).0, "ValidationException", "{more}");
    }
    let of_service = json!({"KeyId": key["KeyId"], "GranteeServicePrincipal": NAME});
    assert_eq!(service.refused("ListGrants", of_service).0, "ValidationException");
    let of_service = json!({"RetiringServicePrincipal": NAME});
    assert_eq!(service.refused("ListRetirableGrants", of_service).0, "ValidationException");
}

#[test]
fn policies_see_that_a_grant_is_for_a_service() {
    let service = Service::new();
    let key = service.key();
    let condition =
        json!({"StringEquals": {"kms:GranteeServicePrincipal": NAME, "kms:RetiringServicePrincipal": NAME}});
    let statement = json!({"Effect": "Allow", "Action": "kms:CreateGrant", "Resource": "*", "Condition": condition});
    let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    let user = service.user("granter", Some(&policy));
    service.ok_as(&user, "CreateGrant", grant(&key, &json!({})));
    let other = grant(&key, &json!({"GranteeServicePrincipal": "ec2.example.internal"}));
    assert_eq!(service.refused_as(&user, "CreateGrant", other).0, DENIED);
}
