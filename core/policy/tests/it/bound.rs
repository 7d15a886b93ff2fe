//! Names that stand for unique ids.

use strongroom_policy::{Constraints, Document, Grant, Grantee, Kind, Outcome, PolicySet, Principal, evaluate};

use crate::support::*;

const OTHER_ALICE: Principal<'_> = Principal::User {
    arn: "arn:aws:iam::111122223333:user/staff/alice",
    account: ACCOUNT,
    id: "AIDAOTHERALICEOTHER",
    name: "alice",
};

/// A policy with one statement about a principal, whose names stand for the ids of these pairs.
fn bound(effect: &str, principal: &str, pairs: &[(&str, &'static str)]) -> strongroom_policy::CompiledPolicy {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"{effect}",{principal},"Action":"kms:*","Resource":"*"}}]}}"#
    );
    let document = Document::parse(&text, Kind::Resource).unwrap();
    document.bound(|name| pairs.iter().find(|(known, _)| *known == name).map(|(_, id)| *id)).compile()
}

fn allows(principal: Principal<'_>, policy: &strongroom_policy::CompiledPolicy) -> bool {
    decide(principal, Some(policy), &[]).is_allowed()
}

#[test]
fn a_name_that_stands_for_an_id_is_nobody_elses() {
    let Principal::User { arn, id, .. } = ALICE else { return };
    let policy = bound("Allow", &format!(r#""Principal":{{"AWS":["{arn}"]}}"#), &[(arn, id)]);
    assert!(allows(ALICE, &policy));
    assert!(!allows(OTHER_ALICE, &policy));
    let by_name = bound("Allow", &format!(r#""Principal":{{"AWS":["{arn}"]}}"#), &[]);
    assert!(allows(ALICE, &by_name) && allows(OTHER_ALICE, &by_name), "a name without an id is compared as text");
}

#[test]
fn a_name_that_stands_for_nobody_names_nobody_and_excepts_nobody() {
    let Principal::User { arn, .. } = ALICE else { return };
    assert!(!allows(ALICE, &bound("Allow", &format!(r#""Principal":{{"AWS":"{arn}"}}"#), &[(arn, "")])));
    let denies = bound("Deny", &format!(r#""NotPrincipal":{{"AWS":"{arn}"}}"#), &[(arn, "")]);
    assert!(matches!(decide(ALICE, Some(&denies), &[]).outcome, Outcome::ExplicitDeny(_)));
}

#[test]
fn a_roles_id_names_its_sessions_and_a_sessions_id_that_session_alone() {
    let Principal::AssumedRole { arn, role_arn, account, id } = SESSION else { return };
    let other = Principal::AssumedRole {
        arn: "arn:aws:sts::111122223333:assumed-role/app/i-2",
        role_arn,
        account,
        id: "AROAAPPAPPAPPAPPAPP:i-2",
    };
    let anew = Principal::AssumedRole { arn, role_arn, account, id: "AROANEWNEWNEWNEWNEW:i-1" };
    let role = bound("Allow", &format!(r#""Principal":{{"AWS":"{role_arn}"}}"#), &[(role_arn, "AROAAPPAPPAPPAPPAPP")]);
    let session = bound("Allow", &format!(r#""Principal":{{"AWS":"{arn}"}}"#), &[(arn, id)]);
    assert_eq!([SESSION, other, anew].map(|principal| allows(principal, &role)), [true, true, false]);
    assert_eq!([SESSION, other, anew].map(|principal| allows(principal, &session)), [true, false, false]);
}

#[test]
fn a_grant_to_an_id_is_nobody_elses() {
    let Principal::User { id, .. } = ALICE else { return };
    let grants = [Grant::new("g", Grantee::Id(id), ["kms:Encrypt"], Constraints::default()).unwrap()];
    let set = PolicySet { grants: &grants, ..PolicySet::default() };
    let facts = Facts::default();
    let allowed = |principal| evaluate(&request(principal, "kms:Encrypt", &facts), &set).is_allowed();
    assert_eq!([ALICE, OTHER_ALICE, BOB].map(allowed), [true, false, false]);
    assert!(Grant::new("g", Grantee::Id(""), ["kms:Encrypt"], Constraints::default()).is_err());
}
