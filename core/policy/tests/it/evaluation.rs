//! The order of evaluation and what a decision says.

use strongroom_policy::{
    Combining, CompiledPolicy, DeniedBy, Effect, Kind, Missing, NoAttributes, Outcome, PolicySet, Principal, Proved,
    Request, Source, Verdict, allows_future_put, evaluate, explain,
};

use crate::support::*;

const ALLOW_ALL: &str = r#"{"Sid":"All","Effect":"Allow","Action":"kms:*","Resource":"*"}"#;
const DENY_ENCRYPT: &str = r#"{"Sid":"No","Effect":"Deny","Action":"kms:Encrypt","Resource":"*"}"#;

#[test]
fn the_default_key_policy_delegates_to_identity_policies() {
    let (key, all) = (default_key_policy(), [identity(ALLOW_ALL)]);
    let decision = decide(ALICE, Some(&key), &all);
    assert_eq!(decision.outcome, Outcome::Allow);
    let deciding: Vec<_> =
        decision.deciding().map(|statement| (statement.source, statement.index, statement.sid)).collect();
    assert_eq!(
        deciding,
        [(Source::ResourcePolicy, 0, Some("Enable IAM User Permissions")), (Source::IdentityPolicy(0), 0, Some("All"))]
    );
    assert_eq!(decide(SESSION, Some(&key), &all).outcome, Outcome::Allow);
}

#[test]
fn without_an_identity_policy_delegation_allows_nobody_but_the_root() {
    let key = default_key_policy();
    let missing = Outcome::ImplicitDeny(Missing::IdentityPolicyAllow);
    assert_eq!(decide(ALICE, Some(&key), &[]).outcome, missing);
    assert_eq!(decide(SESSION, Some(&key), &[]).outcome, missing);
    assert_eq!(decide(ROOT, Some(&key), &[]).outcome, Outcome::Allow);
}

#[test]
fn a_bare_account_id_means_its_root() {
    let key = key_policy(r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}"#);
    assert_eq!(decide(ALICE, Some(&key), &[identity(ALLOW_ALL)]).outcome, Outcome::Allow);
    assert_eq!(decide(ROOT, Some(&key), &[]).outcome, Outcome::Allow);
    assert!(!decide(ALICE, Some(&key), &[]).is_allowed());
}

#[test]
fn identity_policies_are_inert_where_the_key_policy_does_not_delegate() {
    let key = key_policy(
        r#"{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Action":"kms:*","Resource":"*"}"#,
    );
    let all = [identity(ALLOW_ALL)];
    let decision = decide(ALICE, Some(&key), &all);
    assert_eq!(decision.outcome, Outcome::ImplicitDeny(Missing::ResourcePolicyAllow));
    assert!(!decide(ROOT, Some(&key), &[]).is_allowed(), "not even the root");
}

#[test]
fn a_key_policy_that_names_the_principal_allows_alone() {
    for (named, principal) in [
        ("arn:aws:iam::111122223333:user/staff/alice", ALICE),
        ("AIDAALICEALICEALICE", ALICE),
        ("arn:aws:iam::111122223333:role/service/app", SESSION),
        ("arn:aws:sts::111122223333:assumed-role/app/i-1", SESSION),
        ("AROAAPPAPPAPPAPPAPP", SESSION),
        ("*", ALICE),
    ] {
        let key = key_policy(&format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"{named}"}},"Action":"kms:*","Resource":"*"}}"#
        ));
        assert!(decide(principal, Some(&key), &[]).is_allowed(), "{named}");
        if named != "*" {
            assert!(!decide(BOB, Some(&key), &[]).is_allowed(), "{named}");
        }
    }
}

#[test]
fn a_service_is_allowed_by_its_name_in_the_key_policy_alone() {
    let key = key_policy(
        r#"{"Effect":"Allow","Principal":{"Service":["secrets.amazonaws.com"]},"Action":"kms:*","Resource":"*"}"#,
    );
    assert!(decide(SERVICE, Some(&key), &[]).is_allowed());
    assert!(!decide(Principal::Service { name: "logs.amazonaws.com" }, Some(&key), &[]).is_allowed());
    let key = default_key_policy();
    let decision = decide(SERVICE, Some(&key), &[]);
    assert_eq!(decision.outcome, Outcome::ImplicitDeny(Missing::ResourcePolicyAllow));
    assert!(!decide(SERVICE, None, &[]).is_allowed());
}

#[test]
fn another_account_needs_both_sides() {
    let all = [identity(ALLOW_ALL)];
    for named in ["444455556666", "arn:aws:iam::444455556666:root", "arn:aws:iam::444455556666:user/mallory", "*"] {
        let key = key_policy(&format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"{named}"}},"Action":"kms:*","Resource":"*"}}"#
        ));
        let decision = decide(STRANGER, Some(&key), &all);
        assert!(decision.is_allowed() && decision.cross_account, "{named}");
        assert_eq!(decision.deciding().count(), 2);
        let decision = decide(STRANGER, Some(&key), &[]);
        assert_eq!(decision.outcome, Outcome::ImplicitDeny(Missing::IdentityPolicyAllow), "{named}");
    }
    let key = default_key_policy();
    let decision = decide(STRANGER, Some(&key), &all);
    assert_eq!(decision.outcome, Outcome::ImplicitDeny(Missing::ResourcePolicyAllow));
    assert!(decision.cross_account);
    let key = key_policy(r#"{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"kms:*","Resource":"*"}"#);
    assert!(decide(OTHER_ROOT, Some(&key), &[]).is_allowed(), "a root needs no policy of its own account");
    assert!(!decide(OTHER_ROOT, Some(&default_key_policy()), &[]).is_allowed());
}

#[test]
fn an_explicit_denial_wins_wherever_it_stands() {
    let deny = r#"{"Sid":"Stop","Effect":"Deny","Principal":"*","Action":"kms:Encrypt","Resource":"*"}"#;
    let allow = r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#;
    let (open, all) = (key_policy(allow), [identity(ALLOW_ALL)]);
    for statements in [format!("{deny},{allow}"), format!("{allow},{deny}")] {
        let key = key_policy(&statements);
        for principal in [ALICE, ROOT, SESSION, SERVICE, STRANGER] {
            let decision = decide(principal, Some(&key), &all);
            assert_eq!(decision.outcome, Outcome::ExplicitDeny(DeniedBy::ResourcePolicy));
            assert_eq!(decision.deciding().next().and_then(|statement| statement.sid), Some("Stop"));
        }
    }
    let policies = [identity(ALLOW_ALL), identity(&format!("{ALLOW_ALL},{DENY_ENCRYPT}"))];
    let decision = decide(ALICE, Some(&open), &policies);
    assert_eq!(decision.outcome, Outcome::ExplicitDeny(DeniedBy::IdentityPolicy));
    let statement = decision.deciding().next().unwrap();
    assert_eq!((statement.source, statement.index, statement.sid), (Source::IdentityPolicy(1), 1, Some("No")));
}

#[test]
fn a_denial_of_an_account_holds_for_everyone_in_it() {
    let key = key_policy(
        r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},
           {"Effect":"Deny","Principal":{"AWS":"111122223333"},"Action":"kms:*","Resource":"*"}"#,
    );
    for principal in [ALICE, ROOT, SESSION] {
        assert!(!decide(principal, Some(&key), &[]).is_allowed());
    }
    assert!(decide(SERVICE, Some(&key), &[]).is_allowed());
}

#[test]
fn not_principal_denies_everyone_but_those_named() {
    let key = key_policy(
        r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"},
           {"Effect":"Deny","NotPrincipal":{"AWS":["arn:aws:iam::111122223333:user/bob","111122223333"]},
            "Action":"kms:*","Resource":"*"}"#,
    );
    assert!(decide(BOB, Some(&key), &[]).is_allowed());
    assert!(decide(ROOT, Some(&key), &[]).is_allowed());
    for principal in [ALICE, SESSION, SERVICE] {
        assert_eq!(
            decide(principal, Some(&key), &[]).outcome,
            Outcome::ExplicitDeny(DeniedBy::ResourcePolicy),
            "{principal:?}"
        );
    }
}

#[test]
fn guardrails_hold_everyone_and_everything() {
    let rail = [compile(DENY_ENCRYPT, Kind::Guardrail)];
    let key = key_policy(r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#);
    let facts = Facts::default();
    for principal in [ALICE, ROOT, SESSION, SERVICE, Principal::Internal] {
        let keys = PolicySet { key_guardrails: &rail, resource_policy: Some(&key), ..PolicySet::default() };
        let tenants = PolicySet { tenant_guardrails: &rail, resource_policy: Some(&key), ..PolicySet::default() };
        for (set, source) in [(keys, Source::KeyGuardrail(0)), (tenants, Source::TenantGuardrail(0))] {
            let decision = evaluate(&request(principal, "kms:Encrypt", &facts), &set);
            assert_eq!(decision.outcome, Outcome::ExplicitDeny(DeniedBy::Guardrail));
            assert_eq!(decision.deciding().next().map(|statement| statement.source), Some(source));
            assert!(evaluate(&request(principal, "kms:Decrypt", &facts), &set).is_allowed(), "{principal:?}");
        }
    }
}

#[test]
fn a_guardrail_may_name_whom_it_holds() {
    let named = |principal: &str| {
        let deny = format!(r#"{{"Effect":"Deny","Principal":{principal},"Action":"kms:Encrypt","Resource":"*"}}"#);
        [compile(&deny, Kind::Guardrail)]
    };
    let key = key_policy(r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#);
    let facts = Facts::default();
    let allows = |rail: &[CompiledPolicy], principal| {
        let set = PolicySet { key_guardrails: rail, resource_policy: Some(&key), ..PolicySet::default() };
        evaluate(&request(principal, "kms:Encrypt", &facts), &set).is_allowed()
    };
    for principal in [ALICE, SERVICE, Principal::Internal] {
        assert!(!allows(&named(r#""*""#), principal), "{principal:?}");
    }
    let bob = named(r#"{"AWS":"arn:aws:iam::111122223333:user/bob"}"#);
    assert!(!allows(&bob, BOB));
    assert!(allows(&bob, ALICE));
}

#[test]
fn only_guardrails_hold_the_installation_itself() {
    let key = key_policy(r#"{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}"#);
    let decision = decide(Principal::Internal, Some(&key), &[]);
    assert_eq!(decision.outcome, Outcome::Allow);
    assert_eq!(decision.deciding().next().map(|statement| statement.source), Some(Source::Internal));
}

#[test]
fn without_a_key_policy_identity_policies_decide_within_their_account() {
    let all = [identity(ALLOW_ALL)];
    assert!(decide(ALICE, None, &all).is_allowed());
    assert_eq!(decide(ALICE, None, &[]).outcome, Outcome::ImplicitDeny(Missing::IdentityPolicyAllow));
    let decision = decide(ROOT, None, &[]);
    assert_eq!(decision.deciding().next().map(|statement| statement.source), Some(Source::AccountRoot));
    assert_eq!(decide(STRANGER, None, &all).outcome, Outcome::ImplicitDeny(Missing::ResourcePolicyAllow));
    assert!(!decide(OTHER_ROOT, None, &[]).is_allowed());
}

#[test]
fn identity_only_ignores_what_a_key_policy_allows_and_keeps_what_it_denies() {
    let open = key_policy(r#"{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}"#);
    let closed = key_policy(r#"{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}"#);
    let all = [identity(ALLOW_ALL)];
    let facts = Facts::default();
    let request = request(ALICE, "kms:Encrypt", &facts);
    let set = |key, policies| PolicySet {
        resource_policy: Some(key),
        identity_policies: policies,
        combining: Combining::IdentityOnly,
        ..PolicySet::default()
    };
    assert!(!evaluate(&request, &set(&open, &[])).is_allowed());
    assert!(evaluate(&request, &set(&open, &all)).is_allowed());
    assert!(!evaluate(&request, &set(&closed, &all)).is_allowed());
}

#[test]
fn an_identity_policy_alone_reaches_no_other_account() {
    let all = [identity(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#)];
    let facts = Facts::default();
    let set = PolicySet { identity_policies: &all, combining: Combining::IdentityOnly, ..PolicySet::default() };
    let decide = |principal| evaluate(&request(principal, "strongroom:ReadAudit", &facts), &set);
    assert!(decide(ALICE).is_allowed());
    assert!(decide(ROOT).is_allowed());
    for stranger in [STRANGER, OTHER_ROOT] {
        assert_eq!(decide(stranger).outcome, Outcome::ImplicitDeny(Missing::ResourcePolicyAllow), "{stranger:?}");
    }
}

#[test]
fn actions_ignore_case_and_resources_do_not() {
    let facts = Facts::default();
    let allows = |action: &str, resource: &str, asked: &str, on: &str| {
        let policy = [identity(&format!(r#"{{"Effect":"Allow","Action":"{action}","Resource":"{resource}"}}"#))];
        let request = Request { resource: on, ..request(ALICE, asked, &facts) };
        evaluate(&request, &PolicySet { identity_policies: &policy, ..PolicySet::default() }).is_allowed()
    };
    assert!(allows("KMS:encrypt", "*", "kms:Encrypt", KEY));
    assert!(allows("kms:Generate*Key?air", "*", "kms:GenerateDataKeyPair", KEY));
    assert!(!allows("kms:Generate*Key?air", "*", "kms:GenerateDataKeyPairWithoutPlaintext", KEY));
    assert!(!allows("kms:Encrypt", "*", "kms:EncryptMore", KEY));
    assert!(!allows("ec2:*", "*", "kms:Encrypt", KEY));
    assert!(allows("*", KEY, "kms:Encrypt", KEY));
    assert!(!allows("*", &KEY.replace("1234abcd", "1234ABCD"), "kms:Encrypt", KEY));
    assert!(allows("*", "arn:aws:kms:*:111122223333:key/*", "kms:Encrypt", KEY));
    assert!(allows("*", "arn:aws:kms:eu-west-?:*:key/1234abcd-*", "kms:Encrypt", KEY));
    let deep = "arn:aws:kms:eu-west-1:111122223333:key/a:b";
    assert!(allows("*", "arn:aws:kms:eu-*:*:key/*:b", "kms:Encrypt", deep));
    assert!(!allows("*", "arn:aws:kms:eu-*:key/*:b", "kms:Encrypt", deep), "a wildcard crosses none of five colons");
    assert!(!allows("*", "arn:aws:kms:eu-west-1:444455556666:*", "kms:Encrypt", KEY));
    assert!(!allows("*", KEY, "kms:CreateKey", "*"), "a request on no resource needs a statement on all");
    assert!(allows("*", "*", "kms:CreateKey", "*"));
}

#[test]
fn not_action_and_not_resource_select_the_rest() {
    let facts = Facts::default();
    let policy = [identity(
        r#"{"Effect":"Allow","NotAction":["kms:Decrypt","kms:Sch*"],"NotResource":"arn:aws:kms:*:*:key/ffff*"}"#,
    )];
    let set = PolicySet { identity_policies: &policy, ..PolicySet::default() };
    let allows =
        |action, resource| evaluate(&Request { resource, ..request(ALICE, action, &facts) }, &set).is_allowed();
    assert!(allows("kms:Encrypt", KEY));
    assert!(!allows("kms:Decrypt", KEY));
    assert!(!allows("kms:ScheduleKeyDeletion", KEY));
    assert!(!allows("kms:Encrypt", "arn:aws:kms:eu-west-1:111122223333:key/ffff0000"));
}

#[test]
fn a_policy_that_locks_its_writer_out_is_noticed() {
    let facts = Facts::default();
    let all = [identity(ALLOW_ALL)];
    let put = request(ALICE, "kms:PutKeyPolicy", &facts);
    let set = PolicySet { identity_policies: &all, ..PolicySet::default() };
    assert!(allows_future_put(&default_key_policy(), &put, &set));
    assert!(!allows_future_put(&default_key_policy(), &put, &PolicySet::default()));
    let use_only =
        key_policy(r#"{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kms:Encrypt","Resource":"*"}"#);
    assert!(!allows_future_put(&use_only, &put, &set));
    let old = default_key_policy();
    let set = PolicySet { resource_policy: Some(&old), ..set };
    assert!(!allows_future_put(&use_only, &put, &set), "the old policy has no say");
}

#[test]
fn an_explanation_names_the_part_that_did_not_match() {
    let key = key_policy(
        r#"{"Sid":"a","Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"},
           {"Sid":"b","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/bob"},"Action":"*","Resource":"*"},
           {"Sid":"c","Effect":"Deny","Principal":"*","Action":"*","Resource":"arn:aws:kms:*:*:alias/*"},
           {"Sid":"d","Effect":"Deny","Principal":"*","Action":"*","Resource":"*",
            "Condition":{"Bool":{"aws:SecureTransport":"false"}}},
           {"Sid":"e","Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"*","Resource":"*"}"#,
    );
    let all = [identity(ALLOW_ALL)];
    let set = PolicySet { resource_policy: Some(&key), identity_policies: &all, ..PolicySet::default() };
    let facts = Facts::default();
    let explanation = explain(&request(ALICE, "kms:Encrypt", &facts), &set);
    assert_eq!(explanation.decision.outcome, Outcome::Allow);
    let verdicts: Vec<_> =
        explanation.statements.iter().map(|report| (report.statement.sid, report.effect, report.verdict)).collect();
    assert_eq!(
        verdicts,
        [
            (Some("a"), Effect::Allow, Verdict::Action),
            (Some("b"), Effect::Allow, Verdict::Principal),
            (Some("c"), Effect::Deny, Verdict::Resource),
            (Some("d"), Effect::Deny, Verdict::Condition { operator: "Bool", key: "aws:SecureTransport" }),
            (Some("e"), Effect::Allow, Verdict::MatchedAccount),
            (Some("All"), Effect::Allow, Verdict::Matched),
        ]
    );
}

#[test]
fn a_request_without_attributes_can_be_decided() {
    let request = Request {
        action: "kms:ListKeys",
        resource: "*",
        resource_account: ACCOUNT,
        principal: ROOT,
        proved: Proved::default(),
        attributes: &NoAttributes,
        grant_constraints_apply: false,
        crosses_accounts: true,
    };
    assert!(evaluate(&request, &PolicySet::default()).is_allowed());
}

#[test]
fn what_is_for_the_keys_own_account_no_policy_gives_to_another() {
    let facts = Facts::default();
    let all = [identity(ALLOW_ALL)];
    let key = key_policy(r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#);
    let set = PolicySet { resource_policy: Some(&key), identity_policies: &all, ..PolicySet::default() };
    let outcome = |principal, crosses_accounts| {
        let asked = Request { crosses_accounts, ..request(principal, "kms:PutKeyPolicy", &facts) };
        evaluate(&asked, &set).outcome
    };
    for stranger in [STRANGER, OTHER_ROOT] {
        assert_eq!(outcome(stranger, true), Outcome::Allow);
        assert_eq!(outcome(stranger, false), Outcome::ImplicitDeny(Missing::ResourcePolicyAllow));
    }
    for own in [ALICE, ROOT, SERVICE] {
        assert_eq!(outcome(own, false), Outcome::Allow, "{own:?}");
    }
}
