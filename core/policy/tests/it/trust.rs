//! Trust policies: who may have a session of a role.

use strongroom_policy::{
    AssumeRole, CompiledPolicy, DeniedBy, Document, Kind, Missing, Outcome, PolicyError, PolicySet, Principal, Proved,
    Request, TokenClaims, evaluate,
};

use crate::support::*;

const ROLE: &str = "arn:aws:iam::111122223333:role/service/app";
const ISSUER: &str = "oidc.example/id/EXAMPLE";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/oidc.example/id/EXAMPLE";
const POD: Principal<'_> = Principal::WebIdentity { provider: PROVIDER };

fn trust(statements: &str) -> CompiledPolicy {
    compile(statements, Kind::Trust)
}

fn decide(
    principal: Principal<'_>,
    action: &str,
    asked: &AssumeRole<'_>,
    trust: &CompiledPolicy,
    own: &[CompiledPolicy],
) -> Outcome {
    let request = Request {
        action,
        resource: ROLE,
        resource_account: ACCOUNT,
        principal,
        proved: Proved::default(),
        attributes: asked,
        grant_constraints_apply: false,
        crosses_accounts: true,
    };
    let set = PolicySet { resource_policy: Some(trust), identity_policies: own, ..PolicySet::default() };
    evaluate(&request, &set).outcome
}

fn assume(principal: Principal<'_>, trust: &CompiledPolicy, own: &[CompiledPolicy]) -> Outcome {
    decide(principal, "sts:AssumeRole", &AssumeRole::default(), trust, own)
}

const NO_TRUST: Outcome = Outcome::ImplicitDeny(Missing::TrustPolicyAllow);

#[test]
fn whom_the_trust_policy_names_may_have_a_session() {
    let alice = trust(
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/staff/alice"},"Action":"sts:AssumeRole"}"#,
    );
    assert_eq!(assume(ALICE, &alice, &[]), Outcome::Allow);
    assert_eq!(assume(BOB, &alice, &[identity(r#"{"Effect":"Allow","Action":"sts:*","Resource":"*"}"#)]), NO_TRUST);
    assert_eq!(assume(SESSION, &alice, &[]), NO_TRUST, "a role trusts not even itself unless it says so");
}

#[test]
fn trust_in_an_account_wants_an_identity_policy_too_on_this_side_or_the_other() {
    let allow = [identity(&format!(r#"{{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"{ROLE}"}}"#))];
    for (account, principal) in [(ACCOUNT, ALICE), (OTHER, STRANGER)] {
        let account = trust(&format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{account}:root"}},"Action":"sts:AssumeRole"}}"#
        ));
        assert_eq!(assume(principal, &account, &[]), Outcome::ImplicitDeny(Missing::IdentityPolicyAllow));
        assert_eq!(assume(principal, &account, &allow), Outcome::Allow);
    }
}

#[test]
fn a_denial_in_the_trust_policy_is_told_as_such() {
    let policy = trust(
        r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"},
           {"Effect":"Deny","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}"#,
    );
    assert_eq!(assume(ALICE, &policy, &[]), Outcome::ExplicitDeny(DeniedBy::TrustPolicy));
}

#[test]
fn conditions_see_what_the_request_asks_for() {
    let policy = trust(
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/staff/alice"},
            "Action":["sts:AssumeRole","sts:TagSession"],"Condition":{
              "StringEquals":{"sts:ExternalId":"secret-1","aws:RequestTag/Team":["red","blue"]},
              "StringLike":{"sts:RoleSessionName":"alice-*"},
              "NumericLessThanEquals":{"sts:DurationSeconds":3600},
              "ForAllValues:StringEquals":{"sts:TransitiveTagKeys":["Team"],"aws:TagKeys":["Team"]}}}"#,
    );
    let tags = [("Team".to_owned(), "red".to_owned())];
    let other_tags = [("Team".to_owned(), "green".to_owned())];
    let more_tags = [("Team".to_owned(), "red".to_owned()), ("More".to_owned(), "x".to_owned())];
    let (team, more) = (["Team".to_owned()], ["More".to_owned()]);
    let sound = AssumeRole {
        session_name: "alice-1",
        external_id: Some("secret-1"),
        duration_seconds: Some(900),
        tags: &tags,
        transitive_tag_keys: &team,
        ..AssumeRole::default()
    };
    let allows = |asked: AssumeRole<'_>| decide(ALICE, "sts:AssumeRole", &asked, &policy, &[]) == Outcome::Allow;
    assert!(allows(sound));
    assert_eq!(decide(ALICE, "sts:TagSession", &sound, &policy, &[]), Outcome::Allow);
    assert!(!allows(AssumeRole { external_id: Some("secret-2"), ..sound }));
    assert!(!allows(AssumeRole { external_id: None, ..sound }));
    assert!(!allows(AssumeRole { session_name: "bob-1", ..sound }));
    assert!(!allows(AssumeRole { duration_seconds: Some(3601), ..sound }));
    assert!(!allows(AssumeRole { tags: &other_tags, ..sound }));
    assert!(!allows(AssumeRole { tags: &more_tags, ..sound }));
    assert!(!allows(AssumeRole { transitive_tag_keys: &more, ..sound }));
}

fn pod_trust() -> CompiledPolicy {
    trust(&format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":"sts:AssumeRoleWithWebIdentity",
            "Condition":{{"StringEquals":{{"{ISSUER}:aud":"sts.amazonaws.com",
                                          "{ISSUER}:sub":"system:serviceaccount:shop:api"}}}}}}"#
    ))
}

#[test]
fn a_token_is_trusted_by_its_provider_subject_and_audience() {
    let audiences = ["other".to_owned(), "sts.amazonaws.com".to_owned()];
    let claims =
        TokenClaims { issuer: ISSUER, subject: "system:serviceaccount:shop:api", audiences: &audiences, others: &[] };
    let policy = pod_trust();
    let decide = |principal, token| {
        let asked = AssumeRole { token: Some(token), ..AssumeRole::default() };
        decide(principal, "sts:AssumeRoleWithWebIdentity", &asked, &policy, &[])
    };
    assert_eq!(decide(POD, claims), Outcome::Allow);
    assert_eq!(decide(POD, TokenClaims { subject: "system:serviceaccount:shop:web", ..claims }), NO_TRUST);
    assert_eq!(decide(POD, TokenClaims { audiences: &audiences[..1], ..claims }), NO_TRUST);
    assert_eq!(decide(POD, TokenClaims { audiences: &[], ..claims }), NO_TRUST);
    assert_eq!(decide(POD, TokenClaims { issuer: "evil.example", ..claims }), NO_TRUST, "another issuer's claims");
    let other = Principal::WebIdentity { provider: "arn:aws:iam::111122223333:oidc-provider/evil.example" };
    assert_eq!(decide(other, claims), NO_TRUST);
    assert_eq!(decide(ALICE, claims), NO_TRUST);
}

#[test]
fn other_claims_can_be_asked_for_and_issuers_may_have_ports() {
    let issuer = "10.0.0.1:6443/realm";
    let others = [("groups".to_owned(), "a".to_owned()), ("groups".to_owned(), "b".to_owned())];
    let claims = TokenClaims { issuer, subject: "s", audiences: &[], others: &others };
    let policy = trust(&format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":"sts:AssumeRoleWithWebIdentity",
            "Condition":{{"ForAnyValue:StringEquals":{{"{issuer}:groups":"b"}}}}}}"#
    ));
    let asked = AssumeRole { token: Some(claims), ..AssumeRole::default() };
    assert_eq!(decide(POD, "sts:AssumeRoleWithWebIdentity", &asked, &policy, &[]), Outcome::Allow);
    let none = TokenClaims { others: &others[..1], ..claims };
    let asked = AssumeRole { token: Some(none), ..AssumeRole::default() };
    assert_eq!(decide(POD, "sts:AssumeRoleWithWebIdentity", &asked, &policy, &[]), NO_TRUST);
}

#[test]
fn everyone_is_not_whoever_has_a_token() {
    let open = trust(r#"{"Effect":"Allow","Principal":"*","Action":"sts:*"}"#);
    let asked = AssumeRole::default();
    assert_eq!(decide(POD, "sts:AssumeRoleWithWebIdentity", &asked, &open, &[]), NO_TRUST);
    let closed = trust(&format!(
        r#"{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},"Action":"sts:*"}},
           {{"Effect":"Deny","Principal":"*","Action":"sts:*"}}"#
    ));
    let denied = decide(POD, "sts:AssumeRoleWithWebIdentity", &asked, &closed, &[]);
    assert_eq!(denied, Outcome::ExplicitDeny(DeniedBy::TrustPolicy), "yet what everyone is denied, it is denied");
}

#[test]
fn a_token_opens_no_key() {
    let open = key_policy(r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#);
    let facts = Facts::default();
    let set = PolicySet { resource_policy: Some(&open), ..PolicySet::default() };
    let decision = evaluate(&request(POD, "kms:Encrypt", &facts), &set);
    assert_eq!(decision.outcome, Outcome::ImplicitDeny(Missing::ResourcePolicyAllow));
}

#[test]
fn a_service_of_the_installation_is_trusted_by_its_name() {
    let policy =
        trust(r#"{"Effect":"Allow","Principal":{"Service":"secrets.amazonaws.com"},"Action":"sts:AssumeRole"}"#);
    assert_eq!(assume(SERVICE, &policy, &[]), Outcome::Allow);
    assert_eq!(assume(ALICE, &policy, &[]), NO_TRUST);
}

#[test]
fn a_trust_policy_that_means_nothing_is_refused() {
    let refusal = |body: &str| {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{{{body}}}]}}"#);
        Document::parse(&text, Kind::Trust).map(|_| ()).unwrap_err()
    };
    let sound = r#""Effect":"Allow","Principal":"*","Action":"sts:AssumeRole""#;
    let resource = refusal(&format!(r#"{sound},"Resource":"*""#));
    assert!(matches!(&resource, PolicyError::UnknownElement { name, .. } if name == "Resource"), "{resource}");
    assert_eq!(resource.aws_message(Kind::Trust), "Has prohibited field Resource");
    for action in ["kms:Encrypt", "*"] {
        let error = refusal(&sound.replace("sts:AssumeRole", action));
        assert!(matches!(&error, PolicyError::NotAnAssumeAction { found, .. } if found == action), "{error}");
        let told = error.aws_message(Kind::Trust);
        assert_eq!(told, "AssumeRole policy may only specify STS AssumeRole actions.");
    }
    let error = refusal(r#""Effect":"Allow","Action":"sts:AssumeRole""#);
    assert!(matches!(error, PolicyError::MissingElement { element: "Principal or NotPrincipal", .. }), "{error}");
    for provider in
        ["*", "oidc", "arn:aws:iam::111122223333:oidc-provider/", "arn:aws:iam::111122223333:user/a", "a.b/*"]
    {
        let error = refusal(&sound.replace(r#""*""#, &format!(r#"{{"Federated":"{provider}"}}"#)));
        assert!(matches!(error, PolicyError::InvalidPrincipal { .. }), "{provider}: {error}");
    }
    for provider in ["accounts.example", PROVIDER, "arn:aws:iam::111122223333:saml-provider/p"] {
        let body = sound.replace(r#""*""#, &format!(r#"{{"Federated":"{provider}"}}"#));
        assert!(Document::parse(&format!(r#"{{"Statement":[{{{body}}}]}}"#), Kind::Trust).is_ok(), "{provider}");
    }
}
