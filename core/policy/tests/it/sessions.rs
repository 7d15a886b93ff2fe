//! Sessions of roles: what limits them, and what does not (IAM User Guide, "Policy evaluation for requests within a single
//! account", its table of principals and policies).

use strongroom_policy::{
    CompiledPolicy, DeniedBy, Grant, Grantee, Missing, Outcome, PolicySet, Principal, Source, evaluate, explain,
};

use crate::support::*;

const ROLE_ARN: &str = "arn:aws:iam::111122223333:role/service/app";
const SESSION_ARN: &str = "arn:aws:sts::111122223333:assumed-role/app/i-1";
const ALICE_ARN: &str = "arn:aws:iam::111122223333:user/staff/alice";
const STRANGE_ROLE: &str = "arn:aws:iam::444455556666:role/app";
const STRANGE_SESSION_ARN: &str = "arn:aws:sts::444455556666:assumed-role/app/i-1";
const STRANGE_SESSION: Principal<'_> = Principal::AssumedRole {
    arn: STRANGE_SESSION_ARN,
    role_arn: STRANGE_ROLE,
    account: OTHER,
    id: "AROASTRANGESTRANGE1:i-1",
};

const ALLOW_ENCRYPT: &str = r#"{"Sid":"Enc","Effect":"Allow","Action":"kms:Encrypt","Resource":"*"}"#;
const ALLOW_DECRYPT: &str = r#"{"Sid":"Dec","Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}"#;
const DENY_ENCRYPT: &str = r#"{"Sid":"No","Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}"#;

fn naming(principal: &str) -> CompiledPolicy {
    key_policy(&format!(r#"{{"Effect":"Allow","Principal":{{"AWS":"{principal}"}},"Action":"kms:*","Resource":"*"}}"#))
}

/// What is decided on `kms:Encrypt`; `None` for a limit says that there is none.
fn outcome(
    principal: Principal<'_>,
    key: &CompiledPolicy,
    identity_policy: Option<&str>,
    boundary: Option<&str>,
    session: Option<&str>,
) -> Outcome {
    let list = |statements: Option<&str>| statements.map(identity).into_iter().collect::<Vec<_>>();
    let (identity_policies, boundary, session_policies) = (list(identity_policy), list(boundary), list(session));
    let set = PolicySet {
        resource_policy: Some(key),
        identity_policies: &identity_policies,
        permissions_boundary: boundary.first(),
        session_policies: &session_policies,
        ..PolicySet::default()
    };
    let facts = Facts::default();
    evaluate(&request(principal, "kms:Encrypt", &facts), &set).outcome
}

const NO_SESSION: Outcome = Outcome::ImplicitDeny(Missing::SessionPolicyAllow);
const NO_BOUNDARY: Outcome = Outcome::ImplicitDeny(Missing::PermissionsBoundaryAllow);
const NO_IDENTITY: Outcome = Outcome::ImplicitDeny(Missing::IdentityPolicyAllow);

#[test]
fn a_session_may_do_what_role_and_session_policy_both_allow() {
    let key = default_key_policy();
    let decide = |identity_policy, session| outcome(SESSION, &key, identity_policy, None, session);
    assert_eq!(decide(Some(ALLOW_ENCRYPT), None), Outcome::Allow);
    assert_eq!(decide(Some(ALLOW_ENCRYPT), Some(ALLOW_ENCRYPT)), Outcome::Allow);
    assert_eq!(decide(Some(ALLOW_ENCRYPT), Some(ALLOW_DECRYPT)), NO_SESSION);
    assert_eq!(decide(Some(ALLOW_DECRYPT), Some(ALLOW_ENCRYPT)), NO_IDENTITY);
    assert_eq!(decide(None, Some(ALLOW_ENCRYPT)), NO_IDENTITY, "a session policy gives nothing");
}

#[test]
fn one_of_several_session_policies_is_enough() {
    let (key, role) = (default_key_policy(), [identity(ALLOW_ENCRYPT)]);
    let sessions = [identity(ALLOW_DECRYPT), identity(ALLOW_ENCRYPT)];
    let set = PolicySet {
        resource_policy: Some(&key),
        identity_policies: &role,
        session_policies: &sessions,
        ..PolicySet::default()
    };
    let facts = Facts::default();
    let decision = evaluate(&request(SESSION, "kms:Encrypt", &facts), &set);
    assert!(decision.is_allowed());
    let sources: Vec<_> = decision.deciding().map(|statement| statement.source).collect();
    assert_eq!(sources, [Source::ResourcePolicy, Source::IdentityPolicy(0), Source::SessionPolicy(1)]);
}

#[test]
fn a_boundary_limits_what_identity_policies_allow() {
    let key = default_key_policy();
    for principal in [ALICE, SESSION] {
        let decide = |boundary| outcome(principal, &key, Some(ALLOW_ENCRYPT), boundary, None);
        assert_eq!(decide(Some(ALLOW_ENCRYPT)), Outcome::Allow);
        assert_eq!(decide(Some(ALLOW_DECRYPT)), NO_BOUNDARY);
        let deny = Outcome::ExplicitDeny(DeniedBy::PermissionsBoundary);
        assert_eq!(decide(Some(DENY_ENCRYPT)), deny);
    }
}

/// The documented table, row by row: whom the key policy names, and whether an implicit denial by boundary or session policy
/// still counts.
#[test]
fn how_the_key_policy_names_a_session_decides_what_limits_it() {
    for (principal, named, limited) in [
        (SESSION, ROLE_ARN, true),
        (SESSION, "AROAAPPAPPAPPAPPAPP", true),
        (SESSION, SESSION_ARN, false),
        (SESSION, "*", false),
        (ALICE, ALICE_ARN, false),
    ] {
        let key = naming(named);
        assert_eq!(outcome(principal, &key, None, None, None), Outcome::Allow, "{named} allows by itself");
        let (by_boundary, by_session) = match limited {
            true => (NO_BOUNDARY, NO_SESSION),
            false => (Outcome::Allow, Outcome::Allow),
        };
        assert_eq!(outcome(principal, &key, None, Some(ALLOW_DECRYPT), None), by_boundary, "{named}");
        assert_eq!(outcome(principal, &key, None, None, Some(ALLOW_DECRYPT)), by_session, "{named}");
        assert_eq!(outcome(principal, &key, None, Some(ALLOW_ENCRYPT), Some(ALLOW_ENCRYPT)), Outcome::Allow);
    }
}

#[test]
fn an_explicit_denial_for_a_session_wins_however_the_key_policy_names_it() {
    for named in [ROLE_ARN, SESSION_ARN, "*", "111122223333"] {
        let key = naming(named);
        let session = outcome(SESSION, &key, Some(ALLOW_ENCRYPT), None, Some(DENY_ENCRYPT));
        assert_eq!(session, Outcome::ExplicitDeny(DeniedBy::SessionPolicy), "{named}");
        let role = outcome(SESSION, &key, Some(DENY_ENCRYPT), None, Some(ALLOW_ENCRYPT));
        assert_eq!(role, Outcome::ExplicitDeny(DeniedBy::IdentityPolicy), "{named}");
    }
    let deny = key_policy(&format!(
        r#"{{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}},
           {{"Effect":"Deny","Principal":{{"AWS":"{ROLE_ARN}"}},"Action":"kms:*","Resource":"*"}}"#
    ));
    assert_eq!(outcome(SESSION, &deny, None, None, None), Outcome::ExplicitDeny(DeniedBy::ResourcePolicy));
}

#[test]
fn limits_hold_a_session_of_another_account_always() {
    for named in [STRANGE_ROLE, STRANGE_SESSION_ARN, "*", OTHER] {
        let key = naming(named);
        let decide = |identity_policy, session| outcome(STRANGE_SESSION, &key, identity_policy, None, session);
        assert_eq!(decide(Some(ALLOW_ENCRYPT), None), Outcome::Allow, "{named}");
        assert_eq!(decide(None, None), NO_IDENTITY, "{named}");
        assert_eq!(decide(Some(ALLOW_ENCRYPT), Some(ALLOW_DECRYPT)), NO_SESSION, "{named}");
    }
}

#[test]
fn a_grant_to_a_role_is_limited_by_the_session_policy_and_one_to_the_session_is_not() {
    let key = naming("111122223333");
    let limit = [identity(ALLOW_DECRYPT)];
    let facts = Facts::default();
    let grant = |id: &str, grantee: &str| {
        Grant::new(id, Grantee::Principal(grantee), ["kms:Encrypt"], Default::default()).unwrap()
    };
    let decide = |grants: &[Grant], session_policies: &[CompiledPolicy]| {
        let set = PolicySet { resource_policy: Some(&key), grants, session_policies, ..PolicySet::default() };
        evaluate(&request(SESSION, "kms:Encrypt", &facts), &set).outcome
    };
    let (role, session) = (grant("role", ROLE_ARN), grant("session", SESSION_ARN));
    assert_eq!(decide(std::slice::from_ref(&role), &[]), Outcome::Allow);
    assert_eq!(decide(std::slice::from_ref(&role), &limit), NO_SESSION);
    assert_eq!(decide(std::slice::from_ref(&session), &limit), Outcome::Allow);
    assert_eq!(decide(&[role, session], &limit), Outcome::Allow, "the one that is not limited counts");
}

#[test]
fn a_grant_helps_where_the_key_policy_names_the_role_and_the_session_policy_does_not_allow() {
    let key = naming(ROLE_ARN);
    let limit = [identity(ALLOW_DECRYPT)];
    let grants = [Grant::new("g", Grantee::Principal(SESSION_ARN), ["kms:Encrypt"], Default::default()).unwrap()];
    let set =
        PolicySet { resource_policy: Some(&key), session_policies: &limit, grants: &grants, ..PolicySet::default() };
    let facts = Facts::default();
    assert!(evaluate(&request(SESSION, "kms:Encrypt", &facts), &set).is_allowed());
}

#[test]
fn an_explanation_lists_boundary_and_session_policies() {
    let (key, role) = (default_key_policy(), [identity(ALLOW_ENCRYPT)]);
    let limits = [identity(ALLOW_DECRYPT)];
    let set = PolicySet {
        resource_policy: Some(&key),
        identity_policies: &role,
        permissions_boundary: role.first(),
        session_policies: &limits,
        ..PolicySet::default()
    };
    let facts = Facts::default();
    let explanation = explain(&request(SESSION, "kms:Encrypt", &facts), &set);
    assert_eq!(explanation.decision.outcome, NO_SESSION);
    let sources: Vec<_> = explanation.statements.iter().map(|report| report.statement.source).collect();
    let expected =
        [Source::ResourcePolicy, Source::IdentityPolicy(0), Source::PermissionsBoundary, Source::SessionPolicy(0)];
    assert_eq!(sources, expected);
}

#[test]
fn a_denial_is_told_in_the_words_of_aws() {
    use strongroom_policy::DeniedBy::*;
    let told = |outcome: Outcome| outcome.reason("kms:Encrypt");
    for (by, words) in [
        (Guardrail, "with an explicit deny in a service control policy"),
        (ResourcePolicy, "with an explicit deny in a resource-based policy"),
        (IdentityPolicy, "with an explicit deny in an identity-based policy"),
        (PermissionsBoundary, "with an explicit deny in a permissions boundary"),
        (SessionPolicy, "with an explicit deny in a session policy"),
        (TrustPolicy, "with an explicit deny in the role trust policy"),
    ] {
        assert_eq!(told(Outcome::ExplicitDeny(by)), words);
    }
    for (missing, words) in [
        (Missing::IdentityPolicyAllow, "because no identity-based policy allows the kms:Encrypt action"),
        (Missing::ResourcePolicyAllow, "because no resource-based policy allows the kms:Encrypt action"),
        (Missing::PermissionsBoundaryAllow, "because no permissions boundary allows the kms:Encrypt action"),
        (Missing::SessionPolicyAllow, "because no session policy allows the kms:Encrypt action"),
        (Missing::TrustPolicyAllow, "because no role trust policy allows the kms:Encrypt action"),
    ] {
        assert_eq!(told(Outcome::ImplicitDeny(missing)), words);
    }
    assert_eq!(told(Outcome::Allow), "");
}
