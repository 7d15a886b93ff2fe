//! Roles and their sessions: who may begin one, what proves it, what ends it.

use std::sync::Arc;
use std::time::Duration;

use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::inspect::InspectKey;
use strongroom_engine::operations::issuer::{DeleteTokenIssuer, ListTokenIssuers, PutTokenIssuer};
use strongroom_engine::operations::principal::{
    DeletePrincipal, FindPrincipal, ListPrincipals, PrincipalKind, PutIdentityPolicy, SuspendPrincipal,
};
use strongroom_engine::operations::role::{AssumeRole, Begun, CreateRole, Token, UpdateRole};
use strongroom_engine::operations::tenant::SuspendTenant;
use strongroom_engine::{
    Engine, EngineError, Identified, InputFault, Missing, Mode, Operation, PolicyOutcome, RoleName, RoleRow,
    SessionLimit, TokenIssuerRow, role_reference,
};
use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, Principal};
use strongroom_model::clock::Timestamp;
use strongroom_model::store::Table;
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{ACCOUNT, TestEngine, allow, block_on, by_name, call, operator};

use crate::gate::Point;
use crate::races::overtaken;
use crate::tools::{decrypt, encrypt};

const SHOWN: &str = "ASIAEXAMPLE";
const PROVIDER: &str = "arn:aws:iam::111122223333:oidc-provider/issuer.example";

fn arn(role: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{role}")
}

fn trusting(principal: &str) -> String {
    format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{principal},"Action":"sts:*"}}]}}"#)
}

/// Makes a role that trusts a user and may do everything.
fn role(test: &TestEngine, name: &str, trust_policy: String) {
    let role = RoleRow::new(trust_policy, 7200);
    let (tenant, unique_id) = (test.tenant.id, format!("AROA{name}"));
    let create = CreateRole { tenant, name: name.to_owned(), policy_name: arn(name), unique_id, role };
    test.run(&operator(), create).unwrap();
    let (principal, document) = (role_reference(name), Some(allow(None, &["test:*", "sts:*"])));
    test.run(&operator(), PutIdentityPolicy { tenant, principal, name: "all".to_owned(), document }).unwrap();
}

fn ask(test: &TestEngine, name: &str) -> AssumeRole {
    AssumeRole {
        role: RoleName { tenant: test.tenant.id, name: name.to_owned(), policy_name: arn(name).into() },
        session_name: "me".to_owned(),
        session_policy_name: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/me"),
        seconds: None,
        external_id: None,
        source_identity: None,
        tags: Vec::new(),
        transitive_tag_keys: Vec::new(),
        policies: Vec::new(),
        token: None,
        shown: SHOWN.to_owned(),
        secret: SecretBytes::copy_from(b"session secret"),
    }
}

fn identify(test: &TestEngine, begun: &Begun) -> Result<Identified, EngineError> {
    block_on(test.engine.identify_session(SHOWN, &begun.token))
}

/// A user, a role that trusts it, and a session of that role.
fn begun(test: &TestEngine) -> (Arc<Caller>, Begun) {
    let anna = test.user("anna", None);
    role(test, "app", trusting(&format!(r#"{{"AWS":"{}"}}"#, anna.policy_name)));
    let begun = test.run(&anna, ask(test, "app")).unwrap();
    (anna, begun)
}

fn is_unknown<T>(found: &Result<T, EngineError>) -> bool {
    matches!(found, Err(EngineError::NotFound(strongroom_engine::Noun::Credential(_))))
}

#[test]
fn a_session_proves_its_role_and_may_do_what_the_role_may() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (_, begun) = begun(&test);
    assert_eq!((begun.unique_id.as_str(), begun.token.len() < 1024), ("AROAapp:me", true));
    assert_eq!(begun.expires, test.engine.clock().now().after(Duration::from_secs(3600)));
    // Twice: the second time what the first one opened is cached.
    for _ in 0..2 {
        let identified = identify(&test, &begun).unwrap();
        assert!(block_on(test.engine.secret_of(&identified)).unwrap().secret().equals(b"session secret"));
        let caller = identified.caller();
        assert_eq!(&*caller.policy_name, "arn:aws:sts::111122223333:assumed-role/app/me");
        let Principal::Session(session) = &caller.principal else { panic!("{caller:?}") };
        assert_eq!((&*session.role_policy_name, &*session.unique_id), (arn("app").as_str(), "AROAapp:me"));
        test.run(&caller, encrypt(by_name(&key), "text", &[])).unwrap();
    }
    let records = test.records();
    let record = records.last().unwrap().record().unwrap();
    assert_eq!(record.credential.shown.as_full(), Some(SHOWN));
    assert_eq!(record.credential.id, None, "the ledger keeps no row for each session");
}

#[test]
fn a_token_is_good_with_its_access_key_id_and_whole() {
    let test = TestEngine::new();
    let (_, begun) = begun(&test);
    let other = block_on(test.engine.identify_session("ASIAOTHER", &begun.token));
    assert!(is_unknown(&other));
    identify(&test, &begun).unwrap();
    assert!(is_unknown(&block_on(test.engine.identify_session("ASIAOTHER", &begun.token))), "cached");
    for place in 0..begun.token.len() {
        let mut token = begun.token.clone();
        token[place] ^= 1;
        assert!(is_unknown(&block_on(test.engine.identify_session(SHOWN, &token))), "byte {place}");
    }
    for length in [0, 15, 16, 100, begun.token.len() - 1] {
        assert!(is_unknown(&block_on(test.engine.identify_session(SHOWN, &begun.token[..length]))), "{length} bytes");
    }
}

#[test]
fn a_session_ends_with_its_time_and_is_told_so() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (_, begun) = begun(&test);
    let caller = identify(&test, &begun).unwrap().caller();
    test.clock.pass(Duration::from_secs(3600));
    assert!(matches!(identify(&test, &begun), Err(EngineError::SessionExpired)));
    let late = test.run(&caller, encrypt(by_name(&key), "text", &[])).map(|_| ());
    assert!(matches!(late, Err(EngineError::SessionExpired)), "{late:?}");
    let test = test.restarted();
    assert!(matches!(identify(&test, &begun), Err(EngineError::SessionExpired)), "not cached");
}

#[test]
fn a_suspended_role_has_no_sessions_and_a_deleted_one_neither() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (anna, begun) = begun(&test);
    let caller = identify(&test, &begun).unwrap().caller();
    let (tenant, name) = (test.tenant.id, role_reference("app"));
    let open = || test.run(&caller, encrypt(by_name(&key), "text", &[])).map(|_| ());
    for suspended in [true, false] {
        test.run(&operator(), SuspendPrincipal { tenant, name: name.clone(), suspended }).unwrap();
        let (used, assumed) = (open(), test.run(&anna, ask(&test, "app")).map(|_| ()));
        match suspended {
            true => {
                assert!(matches!(used, Err(EngineError::PrincipalSuspended)), "{used:?}");
                assert!(matches!(assumed, Err(EngineError::Denied(_))), "{assumed:?}");
            }
            false => assert!(used.is_ok() && assumed.is_ok(), "{used:?} {assumed:?}"),
        }
    }
    test.run(&operator(), SuspendTenant { tenant, suspended: true }).unwrap();
    assert!(matches!(open(), Err(EngineError::TenantSuspended)));
    test.run(&operator(), SuspendTenant { tenant, suspended: false }).unwrap();
    test.run(&operator(), DeletePrincipal { tenant, name }).unwrap();
    assert!(is_unknown(&open()));
    assert!(is_unknown(&identify(&test, &begun)));
    // A new role of the same name is another role.
    role(&test, "app", trusting(r#"{"AWS":"*"}"#));
    assert!(is_unknown(&identify(&test, &begun)));
}

#[test]
fn whoever_is_not_trusted_is_told_the_same_as_of_a_role_that_is_not_there() {
    let test = TestEngine::new();
    let _session = begun(&test);
    let bert = test.user("bert", Some(&allow(None, &["sts:*"])));
    let refusal = |name: &str| {
        let Err(EngineError::Denied(denial)) = test.run(&bert, ask(&test, name)) else { panic!("{name}") };
        (denial.outcome, denial.resource.replace(name, "ROLE"))
    };
    assert_eq!(refusal("app").0, PolicyOutcome::ImplicitDeny(Missing::TrustPolicyAllow));
    assert_eq!(refusal("app"), refusal("none"));
    let mut elsewhere = ask(&test, "app");
    elsewhere.role.policy_name = format!("arn:aws:iam::{ACCOUNT}:role/path/app").into();
    assert!(matches!(test.run(&bert, elsewhere), Err(EngineError::Denied(_))));
}

#[test]
fn a_session_policy_narrows_and_gives_nothing() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (anna, _) = begun(&test);
    let narrow = AssumeRole { policies: vec![allow(None, &["test:Encrypt"])], ..ask(&test, "app") };
    let begun = test.run(&anna, narrow).unwrap();
    let caller = identify(&test, &begun).unwrap().caller();
    let made = test.run(&caller, encrypt(by_name(&key), "text", &[])).unwrap();
    let Err(EngineError::Denied(denial)) = test.run(&caller, decrypt(&made.ciphertext, &[])) else { panic!() };
    assert_eq!(denial.outcome, PolicyOutcome::ImplicitDeny(Missing::SessionPolicyAllow));
    let broken = AssumeRole { policies: vec!["{}".to_owned()], ..ask(&test, "app") };
    assert!(matches!(test.run(&anna, broken), Err(EngineError::InvalidPolicy(_))));
    let long = AssumeRole { policies: vec![" ".repeat(2049)], ..ask(&test, "app") };
    assert!(matches!(test.run(&anna, long), Err(EngineError::InvalidPolicy(_))));
}

#[test]
fn a_session_lasts_as_long_as_its_role_lets_it_and_a_chained_one_an_hour() {
    let test = TestEngine::new();
    let (anna, _) = begun(&test);
    let asked = |seconds| AssumeRole { seconds: Some(seconds), ..ask(&test, "app") };
    assert!(test.run(&anna, asked(7200)).is_ok() && test.run(&anna, asked(900)).is_ok());
    let limit = |asked| match test.run(&anna, asked) {
        Err(EngineError::InvalidInput(InputFault::SessionTooLong(limit))) => limit,
        other => panic!("{other:?}"),
    };
    assert_eq!(limit(asked(7201)), SessionLimit::Role);
    for seconds in [0, 899, 43_201] {
        assert!(matches!(test.run(&anna, asked(seconds)), Err(EngineError::InvalidInput(_))), "{seconds}");
    }
    role(&test, "next", trusting(&format!(r#"{{"AWS":"{}"}}"#, arn("app"))));
    let begun = test.run(&anna, ask(&test, "app")).unwrap();
    let session = identify(&test, &begun).unwrap().caller();
    test.run(&session, ask(&test, "next")).unwrap();
    let longer = AssumeRole { seconds: Some(3601), ..ask(&test, "next") };
    let Err(EngineError::InvalidInput(fault)) = test.run(&session, longer) else { panic!() };
    assert_eq!(fault, InputFault::SessionTooLong(SessionLimit::Chained));
}

#[test]
fn tags_are_kept_by_a_chained_session_where_they_are_transitive_and_cannot_be_changed() {
    let test = TestEngine::new();
    let (anna, _) = begun(&test);
    role(&test, "next", trusting(&format!(r#"{{"AWS":"{}"}}"#, arn("app"))));
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let first = AssumeRole {
        tags: vec![tag("team", "red"), tag("shift", "night")],
        transitive_tag_keys: vec!["team".to_owned()],
        source_identity: Some("anna@example".to_owned()),
        ..ask(&test, "app")
    };
    let begun = test.run(&anna, first).unwrap();
    let session = identify(&test, &begun).unwrap().caller();
    let Principal::Session(own) = &session.principal else { panic!() };
    assert_eq!(own.tags, [tag("team", "red"), tag("shift", "night")]);
    let next = test.run(&session, ask(&test, "next")).unwrap();
    assert_eq!(next.source_identity.as_deref(), Some("anna@example"));
    let caller = identify(&test, &next).unwrap().caller();
    let Principal::Session(chained) = &caller.principal else { panic!() };
    assert_eq!(chained.tags, [tag("team", "red")]);
    let changed = AssumeRole { tags: vec![tag("Team", "blue")], ..ask(&test, "next") };
    assert!(matches!(test.run(&session, changed), Err(EngineError::InvalidInput(_))));
    let twice = AssumeRole { tags: vec![tag("a", "1"), tag("A", "2")], ..ask(&test, "app") };
    assert!(matches!(test.run(&anna, twice), Err(EngineError::InvalidInput(InputFault::DuplicateTags))));
    let large = (0..50).map(|n| tag(&format!("{n:0>128}"), &"v".repeat(256))).collect();
    let large = AssumeRole { tags: large, ..ask(&test, "app") };
    assert!(matches!(test.run(&anna, large), Err(EngineError::LimitExceeded(_))));
}

#[test]
fn the_bearer_of_a_token_may_have_a_session_where_the_trust_policy_says_so_and_nothing_else() {
    let test = TestEngine::new();
    let key = test.create_key();
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"Federated":"{PROVIDER}"}},
            "Action":"sts:AssumeRoleWithWebIdentity","Condition":{{"StringEquals":{{"issuer.example:sub":"pod"}}}}}}]}}"#
    );
    role(&test, "app", trust);
    let bearer = |subject: &str| {
        let principal = Principal::WebIdentity { subject: subject.into() };
        Arc::new(Caller { policy_name: PROVIDER.into(), principal, ..(*test.root()).clone() })
    };
    let with_token = |subject: &str| {
        let (issuer, audiences) = ("issuer.example".to_owned(), vec!["sts".to_owned()]);
        let token = Token { issuer, subject: subject.to_owned(), audiences, others: Vec::new() };
        AssumeRole { token: Some(token), ..ask(&test, "app") }
    };
    let begun = test.run(&bearer("pod"), with_token("pod")).unwrap();
    let caller = identify(&test, &begun).unwrap().caller();
    let Principal::Session(session) = &caller.principal else { panic!() };
    assert_eq!(session.federated_provider.as_deref(), Some(PROVIDER));
    let read = InspectKey { key: by_name(&key), action: Action::DescribeKey };
    test.run(&caller, read).unwrap();
    assert!(matches!(test.run(&bearer("other"), with_token("other")), Err(EngineError::Denied(_))));
    let direct = InspectKey { key: by_name(&key), action: Action::DescribeKey };
    assert!(matches!(test.run(&bearer("pod"), direct), Err(EngineError::Denied(_))));
}

#[test]
fn users_and_roles_have_names_apart_and_a_role_has_no_lasting_credential() {
    let test = TestEngine::new();
    let tenant = test.tenant.id;
    for user in ["app", "zoe"] {
        let _ = test.user(user, None);
    }
    for name in ["app", "batch", "crawl"] {
        role(&test, name, trusting(r#"{"AWS":"*"}"#));
    }
    let list = |roles, after: Option<&str>, limit| {
        let kind = if roles { PrincipalKind::Role } else { PrincipalKind::User };
        let list = ListPrincipals { tenant, kind, after: after.map(str::to_owned), limit };
        let page = test.run(&operator(), list).unwrap();
        (page.items.iter().map(|row| row.name.clone()).collect::<Vec<_>>().join(" "), page.more)
    };
    assert_eq!(list(false, None, 100), ("app zoe".to_owned(), false));
    assert_eq!(list(false, None, 1), ("app".to_owned(), true));
    assert_eq!(list(false, Some("app"), 1), ("zoe".to_owned(), false));
    assert_eq!(list(true, None, 2), ("app batch".to_owned(), true));
    assert_eq!(list(true, Some("batch"), 2), ("crawl".to_owned(), false));
    let create = CreateCredential {
        tenant,
        principal: Some(role_reference("app")),
        shown: "AKIAROLE".to_owned(),
        secret: SecretBytes::copy_from(b"secret"),
        expires: None,
    };
    assert!(matches!(test.run(&operator(), create), Err(EngineError::Unsupported(_))));
}

#[test]
fn a_trust_policy_is_checked_and_holds_for_the_next_session() {
    let test = TestEngine::new();
    let (anna, begun) = begun(&test);
    let (tenant, name) = (test.tenant.id, "app".to_owned());
    let update = |trust_policy: &str, session_seconds| {
        let (name, trust_policy) = (name.clone(), Some(trust_policy.to_owned()));
        test.run(&operator(), UpdateRole { tenant, name, trust_policy, session_seconds })
    };
    assert!(matches!(update(&allow(Some("*"), &["test:*"]), None), Err(EngineError::InvalidPolicy(_))));
    assert!(matches!(update(&trusting(r#"{"AWS":"*"}"#), Some(60)), Err(EngineError::InvalidInput(_))));
    let bert = r#"{"AWS":"arn:aws:iam::111122223333:user/bert"}"#;
    assert!(matches!(update(&trusting(bert), None), Err(EngineError::InvalidPolicy(_))), "nobody of this name");
    let _ = test.user("bert", None);
    update(&trusting(bert), Some(43_200)).unwrap();
    assert!(matches!(test.run(&anna, ask(&test, "app")), Err(EngineError::Denied(_))));
    identify(&test, &begun).unwrap();
    let find = FindPrincipal { tenant, name: role_reference("app") };
    let (row, policies) = test.run(&operator(), find).unwrap();
    assert_eq!((row.role.unwrap().session_seconds, policies.len()), (43_200, 1));
}

#[test]
fn token_issuers_are_found_by_account_and_url_once_they_are_there() {
    let test = TestEngine::new();
    let tenant = test.tenant.id;
    let found = |issuer: &str| block_on(test.engine.token_issuer(ACCOUNT, issuer)).unwrap().map(|(_, row)| row);
    let put = |issuer: &str, audience: &str| {
        let audiences = vec![audience.to_owned()];
        let (issuer, created) = (issuer.to_owned(), Timestamp::default());
        let issuer = TokenIssuerRow { issuer, audiences, keys: None, authorities: None, created };
        test.run(&operator(), PutTokenIssuer { tenant, issuer })
    };
    let url = "https://issuer.example:6443/realm";
    assert_eq!(found(url), None);
    for audience in ["one", "two"] {
        put(url, audience).unwrap();
        assert_eq!(found(url).unwrap().audiences, [audience]);
    }
    assert_eq!(test.run(&operator(), ListTokenIssuers { tenant }).unwrap().len(), 1);
    assert!(block_on(test.engine.token_issuer("444455556666", url)).unwrap().is_none());
    for wrong in ["http://issuer.example", "https://", "https://a.example/?x", "https://a.example/#x", "issuer.example"]
    {
        assert!(matches!(put(wrong, "one"), Err(EngineError::InvalidInput(_))), "{wrong}");
    }
    assert!(matches!(put("https://b.example", ""), Err(EngineError::InvalidInput(_))));
    let delete = || DeleteTokenIssuer { tenant, issuer: url.to_owned() };
    test.run(&operator(), delete()).unwrap();
    assert_eq!(found(url), None);
    assert!(matches!(test.run(&operator(), delete()), Err(EngineError::NotFound(_))));
}

/// What `first` came to where `second` was done while it read rows of `table`.
fn while_reading<A: Send, B: Send>(
    test: &TestEngine,
    table: Table,
    first: impl FnOnce(&Engine) -> A + Send,
    second: impl FnOnce(&Engine) -> B + Send,
) -> (A, B) {
    let (first, second, _) = overtaken(test, Point::Read(table), first, second);
    (first, second)
}

fn at_once<O: Operation>(engine: &Engine, caller: &Arc<Caller>, operation: O) -> Result<O::Output, EngineError> {
    engine.perform_blocking(call(caller), operation, Mode::Run)
}

#[test]
fn a_session_whose_role_is_suspended_or_deleted_while_it_uses_a_key_gets_nothing() {
    for deleted in [false, true] {
        let test = TestEngine::new();
        let key = test.create_key();
        let (_, begun) = begun(&test);
        let session = identify(&test, &begun).unwrap().caller();
        let (tenant, name) = (test.tenant.id, role_reference("app"));
        let (used, ended) = while_reading(
            &test,
            Table::BindingByKey,
            |engine| at_once(engine, &session, encrypt(by_name(&key), "text", &[])).map(|_| ()),
            |engine| match deleted {
                true => at_once(engine, &operator(), DeletePrincipal { tenant, name }),
                false => at_once(engine, &operator(), SuspendPrincipal { tenant, name, suspended: true }).map(|_| ()),
            },
        );
        ended.unwrap();
        match deleted {
            true => assert!(is_unknown(&used), "{used:?}"),
            false => assert!(matches!(used, Err(EngineError::PrincipalSuspended)), "{used:?}"),
        }
    }
}

#[test]
fn a_role_that_is_suspended_or_trusts_no_more_while_it_is_assumed_gives_no_session() {
    for suspended in [false, true] {
        let test = TestEngine::new();
        let (anna, _) = begun(&test);
        let _ = test.user("bert", None);
        let (tenant, name) = (test.tenant.id, "app".to_owned());
        let bert = Some(trusting(r#"{"AWS":"arn:aws:iam::111122223333:user/bert"}"#));
        let (assumed, ended) = while_reading(
            &test,
            Table::DomainKey,
            |engine| at_once(engine, &anna, ask(&test, "app")).map(|_| ()),
            |engine| match suspended {
                true => {
                    let name = role_reference(&name);
                    at_once(engine, &operator(), SuspendPrincipal { tenant, name, suspended }).map(|_| ())
                }
                false => {
                    let update = UpdateRole { tenant, name, trust_policy: bert, session_seconds: None };
                    at_once(engine, &operator(), update).map(|_| ())
                }
            },
        );
        ended.unwrap();
        assert!(matches!(assumed, Err(EngineError::Denied(_))), "{assumed:?}");
    }
}
