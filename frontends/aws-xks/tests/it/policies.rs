//! Policies of a key store, over what a request claims of its origin.

use serde_json::json;
use strongroom_engine::operations::service::UpdateService;

use crate::house::{House, KEY, metadata};

const DENIED: (u16, &str) = (403, "AccessDeniedException");

fn policy(condition: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Only","Effect":"Allow","Action":"xks-proxy:*","Resource":"*","Condition":{condition}}}]}}"#
    )
}

#[test]
fn every_claim_can_be_asked_for() {
    let house = House::new();
    for (condition, claim, other) in [
        (r#"{"ArnLike":{"xks-proxy:AwsPrincipalArn":"arn:aws:iam::*:user/Alice"}}"#, "awsPrincipalArn", "AWS Internal"),
        (
            r#"{"StringEquals":{"xks-proxy:AwsPrincipalAccount":"123456789012"}}"#,
            "awsPrincipalArn",
            "arn:aws:iam::123456789013:user/Alice",
        ),
        (r#"{"StringEquals":{"xks-proxy:KmsOperation":["Encrypt","ReEncrypt"]}}"#, "kmsOperation", "GenerateDataKey"),
        (r#"{"StringEquals":{"xks-proxy:KmsViaService":"ebs"}}"#, "kmsViaService", "s3"),
        (
            r#"{"ArnLike":{"xks-proxy:KmsKeyArn":"arn:aws:kms:*:123456789012:key/1234*"}}"#,
            "kmsKeyArn",
            "arn:aws:kms:x:1:key/2",
        ),
        (r#"{"StringEquals":{"xks-proxy:AwsSourceVpc":"vpc-1"}}"#, "awsSourceVpc", "vpc-2"),
        (r#"{"StringEquals":{"xks-proxy:AwsSourceVpce":"vpce-1"}}"#, "awsSourceVpce", "vpce-2"),
    ] {
        house.policy(&policy(condition));
        let mut claims = metadata();
        claims["awsSourceVpc"] = json!("vpc-1");
        claims["awsSourceVpce"] = json!("vpce-1");
        assert_eq!(house.encrypt(json!({ "requestMetadata": claims })).status, 200, "{condition}");
        claims[claim] = json!(other);
        assert_eq!(house.encrypt(json!({ "requestMetadata": claims })).error(), DENIED, "{condition}");
    }
}

#[test]
fn a_policy_can_name_one_key_and_one_call_and_has_no_say_on_health() {
    let house = House::new();
    house.policy(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"xks-proxy:Encrypt",
            "Resource":"arn:aws:xks-proxy:eu-test-1:111122223333:store/one/key/foo"}]}"#,
    );
    let body = json!({ "requestMetadata": metadata() });
    let encrypted = house.encrypt(json!({}));
    assert_eq!(encrypted.status, 200);
    assert_eq!(house.decrypt(&encrypted, json!({})).error(), DENIED);
    assert_eq!(house.ask(&format!("keys/{KEY}/metadata"), &body).error(), DENIED);
    assert_eq!(house.ask("health", &body).status, 200);
}

#[test]
fn a_denial_names_its_statement_in_the_record_and_while_it_is_tried_out_is_not_enforced() {
    let house = House::new();
    house.policy(
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},
            {"Sid":"NotAlice","Effect":"Deny","Action":"*","Resource":"*",
             "Condition":{"ArnLike":{"xks-proxy:AwsPrincipalArn":"arn:aws:iam::*:user/Alice"}}}]}"#,
    );
    let last = || house.test.records().pop().unwrap();
    let told = |text: &str| last().bytes().windows(text.len()).any(|window| window == text.as_bytes());
    assert_eq!(house.encrypt(json!({})).error(), DENIED);
    assert!(told("identity-policy policy[1] NotAlice") && told("explicit deny"));
    let update = |tried_out| UpdateService {
        tenant: house.test.tenant.id,
        name: "one".to_owned(),
        regions: None,
        policies_tried_out: Some(tried_out),
        opens_digested_data: None,
    };
    house.test.run(&house.test.root(), update(true)).unwrap();
    assert_eq!(house.encrypt(json!({})).status, 200);
    assert!(told("identity-policy policy[1] NotAlice") && told("tried out, not enforced: explicit deny"));
    house.test.run(&house.test.root(), update(false)).unwrap();
    assert_eq!(house.encrypt(json!({})).error(), DENIED);
}
