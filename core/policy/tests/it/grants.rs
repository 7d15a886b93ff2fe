//! Grants: who, what, and under which constraints.

use strongroom_policy::{
    Combining, Constraints, DeniedBy, Grant, GrantError, GrantMismatch, Grantee, Missing, Outcome, PolicySet,
    Principal, Proved, Request, Source, Value, Verdict, evaluate, explain,
};

use crate::support::*;

fn grant(grantee: Grantee<'_>, constraints: Constraints) -> [Grant; 1] {
    [Grant::new("grant-1", grantee, ["kms:Encrypt", "kms:DescribeKey"], constraints).unwrap()]
}

fn allows(grants: &[Grant], principal: Principal<'_>, action: &str, facts: &Facts) -> bool {
    let key = default_key_policy();
    let set = PolicySet { resource_policy: Some(&key), grants, ..PolicySet::default() };
    evaluate(&request(principal, action, facts), &set).is_allowed()
}

fn pairs(list: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    Some(list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

const ALICE_ARN: Grantee<'_> = Grantee::Principal("arn:aws:iam::111122223333:user/staff/alice");

#[test]
fn a_grant_allows_its_grantee_its_operations_alone() {
    let grants = grant(ALICE_ARN, Constraints::default());
    let facts = Facts::default();
    assert!(allows(&grants, ALICE, "kms:Encrypt", &facts));
    assert!(!allows(&grants, ALICE, "kms:Decrypt", &facts));
    assert!(!allows(&grants, BOB, "kms:Encrypt", &facts));
    let key = default_key_policy();
    let set = PolicySet { resource_policy: Some(&key), grants: &grants, ..PolicySet::default() };
    let decision = evaluate(&request(ALICE, "kms:Encrypt", &facts), &set);
    assert_eq!(decision.deciding().next().map(|statement| statement.source), Some(Source::Grant("grant-1")));
    let decision = evaluate(&request(ALICE, "kms:Decrypt", &facts), &set);
    assert_eq!(decision.outcome, Outcome::ImplicitDeny(Missing::IdentityPolicyAllow));
}

#[test]
fn a_grant_reaches_other_accounts_roles_and_services() {
    let facts = Facts::default();
    for (grantee, principal) in [
        (Grantee::Principal("arn:aws:iam::444455556666:user/mallory"), STRANGER),
        (Grantee::Principal("arn:aws:iam::111122223333:role/service/app"), SESSION),
        (Grantee::Principal("arn:aws:iam::444455556666:root"), OTHER_ROOT),
        (Grantee::Service("secrets.amazonaws.com"), SERVICE),
    ] {
        assert!(allows(&grant(grantee, Constraints::default()), principal, "kms:Encrypt", &facts), "{grantee:?}");
    }
}

#[test]
fn a_grant_to_an_account_serves_those_of_its_users_whom_their_own_policies_allow_it() {
    let facts = Facts::default();
    let own = [identity(r#"{"Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}"#)];
    for (account, user) in [("arn:aws:iam::111122223333:root", ALICE), ("arn:aws:iam::444455556666:root", STRANGER)] {
        let grants = grant(Grantee::Principal(account), Constraints::default());
        assert!(!allows(&grants, user, "kms:Encrypt", &facts));
        let set = PolicySet { grants: &grants, identity_policies: &own, ..PolicySet::default() };
        let key = key_policy(r#"{"Effect":"Deny","Principal":"*","Action":"kms:Decrypt","Resource":"*"}"#);
        let set = PolicySet { resource_policy: Some(&key), ..set };
        let decide = |principal| evaluate(&request(principal, "kms:Encrypt", &facts), &set);
        let sources: Vec<_> = decide(user).deciding().map(|statement| statement.source).collect();
        assert_eq!(sources, [Source::Grant("grant-1"), Source::IdentityPolicy(0)]);
        let stranger = if user == ALICE { STRANGER } else { ALICE };
        assert!(!decide(stranger).is_allowed());
    }
}

#[test]
fn where_grants_alone_allow_policies_only_deny() {
    let facts = Facts::default();
    let all = [identity(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#)];
    let everyone = key_policy(r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#);
    let set = PolicySet {
        resource_policy: Some(&everyone),
        identity_policies: &all,
        combining: Combining::GrantsOnly,
        ..PolicySet::default()
    };
    let ask = request(ALICE, "kms:Encrypt", &facts);
    assert_eq!(evaluate(&ask, &set).outcome, Outcome::ImplicitDeny(Missing::ResourcePolicyAllow));
    let grants = grant(ALICE_ARN, Constraints::default());
    let granted = PolicySet { grants: &grants, ..set };
    assert!(evaluate(&ask, &granted).is_allowed());
    let deny = [identity(r#"{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}"#)];
    let denied = evaluate(&ask, &PolicySet { identity_policies: &deny, ..granted });
    assert_eq!(denied.outcome, Outcome::ExplicitDeny(DeniedBy::IdentityPolicy));
}

#[test]
fn an_explicit_denial_wins_over_a_grant() {
    let grants = grant(ALICE_ARN, Constraints::default());
    let deny = [identity(r#"{"Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}"#)];
    let set = PolicySet { grants: &grants, identity_policies: &deny, ..PolicySet::default() };
    let facts = Facts::default();
    assert!(!evaluate(&request(ALICE, "kms:Encrypt", &facts), &set).is_allowed());
}

#[test]
fn context_equals_wants_exactly_its_pairs() {
    let constraints =
        Constraints { context_equals: pairs(&[("dept", "it"), ("env", "prod")]), ..Constraints::default() };
    let grants = grant(ALICE_ARN, constraints);
    for (context, allowed) in [
        (vec![("env", "prod"), ("dept", "it")], true),
        (vec![("dept", "it")], false),
        (vec![("dept", "it"), ("env", "prod"), ("more", "1")], false),
        (vec![("Dept", "it"), ("env", "prod")], false),
        (vec![("dept", "it"), ("env", "Prod")], false),
        (vec![], false),
    ] {
        let facts = Facts { context: context.clone(), ..Facts::default() };
        assert_eq!(allows(&grants, ALICE, "kms:Encrypt", &facts), allowed, "{context:?}");
    }
}

#[test]
fn context_subset_wants_at_least_its_pairs() {
    let constraints = Constraints { context_subset: pairs(&[("dept", "it")]), ..Constraints::default() };
    let grants = grant(ALICE_ARN, constraints);
    for (context, allowed) in [
        (vec![("dept", "it")], true),
        (vec![("env", "prod"), ("dept", "it")], true),
        (vec![("dept", "hr")], false),
        (vec![], false),
    ] {
        let facts = Facts { context: context.clone(), ..Facts::default() };
        assert_eq!(allows(&grants, ALICE, "kms:Encrypt", &facts), allowed, "{context:?}");
    }
}

#[test]
fn a_source_constraint_wants_its_source_as_proved() {
    let source = "arn:aws:s3:::bucket";
    let grants = grant(ALICE_ARN, Constraints { source_arn: Some(source.to_owned()), ..Constraints::default() });
    let set = PolicySet { grants: &grants, ..PolicySet::default() };
    let claims = facts(&[("aws:SourceArn", &[Value::Text("arn:aws:s3:::bucket")])]);
    let proves = |source_arn| {
        let proved = Proved { source_arn, ..Proved::default() };
        evaluate(&Request { proved, ..request(ALICE, "kms:Encrypt", &claims) }, &set).is_allowed()
    };
    assert!(proves(Some(source)));
    assert!(!proves(Some("arn:aws:s3:::b")));
    assert!(!proves(None), "what a request claims is no source");
}

#[test]
fn constraints_are_left_out_where_the_request_says_so() {
    let constraints = Constraints { context_equals: pairs(&[("dept", "it")]), ..Constraints::default() };
    let grants = grant(ALICE_ARN, constraints);
    let facts = Facts::default();
    let set = PolicySet { grants: &grants, ..PolicySet::default() };
    let describe = request(ALICE, "kms:DescribeKey", &facts);
    assert!(!evaluate(&describe, &set).is_allowed());
    assert!(evaluate(&Request { grant_constraints_apply: false, ..describe }, &set).is_allowed());
}

#[test]
fn an_explanation_says_what_a_grant_lacked() {
    let constraints = Constraints {
        context_subset: pairs(&[("dept", "it")]),
        source_arn: Some("arn:aws:s3:::b".to_owned()),
        ..Constraints::default()
    };
    let grants = grant(ALICE_ARN, constraints);
    let set = PolicySet { grants: &grants, ..PolicySet::default() };
    let empty = Facts::default();
    let context = Facts { context: vec![("dept", "it")], ..Facts::default() };
    for (principal, action, facts, mismatch) in [
        (BOB, "kms:Encrypt", &empty, GrantMismatch::Grantee),
        (ALICE, "kms:Sign", &empty, GrantMismatch::Operation),
        (ALICE, "kms:Encrypt", &empty, GrantMismatch::EncryptionContext),
        (ALICE, "kms:Encrypt", &context, GrantMismatch::SourceArn),
    ] {
        let explanation = explain(&request(principal, action, facts), &set);
        assert_eq!(explanation.statements[0].verdict, Verdict::Grant(mismatch));
    }
}

#[test]
fn grants_that_mean_nothing_are_refused() {
    let new = |grantee, operations: Vec<&'static str>, constraints| {
        Grant::new("g", grantee, operations, constraints).map(|_| ()).unwrap_err()
    };
    let none = Constraints::default();
    for text in ["", "*", "alice", "arn:aws:iam::111122223333:user/*", "arn:aws:iam::1:user/a"] {
        let error = new(Grantee::Principal(text), vec!["kms:Encrypt"], none.clone());
        assert_eq!(error, GrantError::InvalidGrantee { found: text.to_owned() });
    }
    assert!(matches!(new(Grantee::Service("*"), vec!["a:B"], none.clone()), GrantError::InvalidGrantee { .. }));
    assert_eq!(new(ALICE_ARN, vec![], none.clone()), GrantError::Operations { found: 0, limit: 64 });
    assert_eq!(new(ALICE_ARN, vec!["a:B"; 65], none), GrantError::Operations { found: 65, limit: 64 });
    let many = Constraints { context_equals: pairs(&[("a", "b"); 65]), ..Constraints::default() };
    assert_eq!(new(ALICE_ARN, vec!["a:B"], many), GrantError::ConstraintPairs { found: 65, limit: 64 });
}
