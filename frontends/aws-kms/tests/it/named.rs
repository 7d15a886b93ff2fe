//! Users who are gone: what named them shows their unique ids and gives nothing to whoever is made under their names.

use serde_json::{Value, json};
use strongroom_engine::SecretBytes;
use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::principal::{CreatePrincipal, DeletePrincipal};
use strongroom_testkit::engine::{ACCOUNT, operator};

use crate::support::{Caller, Service, b64};

const DENIED: &str = "AccessDeniedException";
const FIRST: &str = "AIDAFIRSTFIRSTFIRST1";
const SECOND: &str = "AIDASECONDSECONDSEC2";

/// Makes the user anna, of this unique id.
fn anna(service: &Service, unique_id: &str) -> Caller {
    let (tenant, name, arn) = (service.test.tenant.id, "anna".to_owned(), format!("arn:aws:iam::{ACCOUNT}:user/anna"));
    let caller = Caller {
        access_key_id: "AKIAANNA".to_owned(),
        secret: "of anna".to_owned(),
        arn: arn.clone(),
        session_token: None,
    };
    let create = CreatePrincipal { tenant, name: name.clone(), policy_name: arn, unique_id: unique_id.to_owned() };
    service.test.run(&operator(), create).unwrap();
    let create = CreateCredential {
        tenant,
        principal: Some(name),
        shown: caller.access_key_id.clone(),
        secret: SecretBytes::copy_from(caller.secret.as_bytes()),
        expires: None,
    };
    service.test.run(&operator(), create).unwrap();
    caller
}

fn replaced(service: &Service) -> Caller {
    let delete = DeletePrincipal { tenant: service.test.tenant.id, name: "anna".to_owned() };
    service.test.run(&operator(), delete).unwrap();
    anna(service, SECOND)
}

fn encrypt(key: &Value) -> Value {
    json!({"KeyId": key["KeyId"], "Plaintext": b64(b"p")})
}

#[test]
fn a_key_policy_shows_who_is_gone_by_the_unique_id_and_is_refused_when_it_is_put_back() {
    let service = Service::new();
    let first = anna(&service, FIRST);
    let naming = |who: &str| {
        let statement = |sid: &str, who: &str, action: &str| json!({"Sid": sid, "Effect": "Allow", "Principal": {"AWS": who}, "Action": action, "Resource": "*"});
        let root = format!("arn:aws:iam::{ACCOUNT}:root");
        let statements = [statement("own", &root, "kms:*"), statement("anna", who, "kms:Encrypt")];
        json!({"Version": "2012-10-17", "Statement": statements}).to_string()
    };
    let key = service.ok("CreateKey", json!({"Policy": naming(&first.arn)}))["KeyMetadata"].clone();
    let policy = || service.ok("GetKeyPolicy", json!({"KeyId": key["KeyId"]}))["Policy"].as_str().unwrap().to_owned();
    assert_eq!(policy(), naming(&first.arn));
    service.ok_as(&first, "Encrypt", encrypt(&key));
    let second = replaced(&service);
    assert_eq!(service.refused_as(&second, "Encrypt", encrypt(&key)).0, DENIED);
    assert_eq!(policy(), naming(FIRST));
    let put = |policy: String| json!({"KeyId": key["KeyId"], "Policy": policy});
    let message = "Policy contains a statement with one or more invalid principals.".to_owned();
    assert_eq!(
        service.refused("PutKeyPolicy", put(policy())),
        ("MalformedPolicyDocumentException".to_owned(), message)
    );
    service.ok("PutKeyPolicy", put(naming(&second.arn)));
    service.ok_as(&second, "Encrypt", encrypt(&key));
}

#[test]
fn a_grant_shows_who_is_gone_by_the_unique_id() {
    let service = Service::new();
    let first = anna(&service, FIRST);
    let key = service.ok("CreateKey", json!({}))["KeyMetadata"].clone();
    let grant = json!({"KeyId": key["KeyId"], "GranteePrincipal": first.arn, "RetiringPrincipal": first.arn, "Operations": ["Encrypt"]});
    let made = service.ok("CreateGrant", grant);
    service.ok_as(&first, "Encrypt", encrypt(&key));
    let second = replaced(&service);
    assert_eq!(service.refused_as(&second, "Encrypt", encrypt(&key)).0, DENIED);
    let retire = json!({"KeyId": key["Arn"], "GrantId": made["GrantId"]});
    assert_eq!(service.refused_as(&second, "RetireGrant", retire).0, DENIED);
    let listed = service.ok("ListGrants", json!({"KeyId": key["KeyId"]}))["Grants"][0].clone();
    assert_eq!((&listed["GranteePrincipal"], &listed["RetiringPrincipal"]), (&json!(FIRST), &json!(FIRST)));
    assert_eq!(listed["GranteeServicePrincipal"], Value::Null);
    let of = |arn: &str| {
        service.ok("ListGrants", json!({"KeyId": key["KeyId"], "GranteePrincipal": arn}))["Grants"]
            .as_array()
            .unwrap()
            .len()
    };
    assert_eq!((of(&second.arn), of(FIRST)), (0, 1));
    let retirable = service.ok("ListRetirableGrants", json!({"RetiringPrincipal": second.arn}));
    assert_eq!(retirable["Grants"], json!([]));
}

#[test]
fn a_grant_to_nobody_is_refused() {
    let service = Service::new();
    let key = service.key();
    let nobody = format!("arn:aws:iam::{ACCOUNT}:user/nobody");
    for member in ["GranteePrincipal", "RetiringPrincipal"] {
        let mut grant =
            json!({"KeyId": key["KeyId"], "GranteePrincipal": service.admin.arn, "Operations": ["Encrypt"]});
        grant[member] = json!(nobody);
        let message = format!("ARN does not refer to a valid principal: {nobody}");
        assert_eq!(service.refused("CreateGrant", grant), ("InvalidArnException".to_owned(), message));
    }
}
