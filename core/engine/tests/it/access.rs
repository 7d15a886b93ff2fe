//! Who may do what: policies, lockout, credentials, tenants.

use strongroom_engine::operations::credential::{ChangeCredential, CreateCredential, Fate};
use strongroom_engine::operations::inspect::{InspectKey, WhoAmI};
use strongroom_engine::operations::key::{CreateKey, Edit};
use strongroom_engine::operations::principal::{DeletePrincipal, SuspendPrincipal};
use strongroom_engine::operations::tenant::CreateTenant;
use strongroom_engine::{EngineError, Missing, PolicyOutcome};
use strongroom_model::action::Action;
use strongroom_model::clock::Clock as _;
use strongroom_model::spec::{KeySpec, Origin};
use strongroom_model::store::{Batch, Store as _, Table};
use strongroom_model::usage::Usage;
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{ACCOUNT, TestEngine, allow, block_on, by_name, key_policy, operator};

use crate::tools::{Told, decrypt, edit_as, encrypt, sealed, told};

#[test]
fn a_principal_with_more_policies_than_are_read_may_do_nothing() {
    let test = TestEngine::new();
    let anna = test.user("anna", Some(&allow(None, &["test:*"])));
    let key = test.create_key();
    let rows = test.store.snapshot().unwrap().scan(Table::IdentityPolicy, &[], None, 2).unwrap();
    let mut batch = Batch::default();
    for number in 0..strongroom_engine::limits::POLICIES_PER_PRINCIPAL {
        batch.put(Table::IdentityPolicy, [&rows[0].key, number.to_string().as_bytes()].concat(), rows[0].value.clone());
    }
    test.store.commit(batch).unwrap();
    let test = test.restarted();
    let refused = test.run(&anna, encrypt(by_name(&key), "text", &[])).map(|_| ());
    assert!(matches!(refused, Err(EngineError::Internal(_))), "{refused:?}");
}

#[test]
fn a_user_may_do_what_its_policy_allows_and_is_told_what_was_missing() {
    let test = TestEngine::new();
    let key = test.create_key();
    let user = test.user("anna", Some(&allow(None, &["test:Encrypt"])));
    let made = test.run(&user, encrypt(by_name(&key), "text", &[])).unwrap();
    let from = test.records().len();
    let refused = test.run(&user, decrypt(&made.ciphertext, &[]));
    let Err(EngineError::Denied(denial)) = refused else { panic!("allowed") };
    assert_eq!(&*denial.principal, format!("arn:aws:iam::{ACCOUNT}:user/anna"));
    assert_eq!(denial.action, "test:Decrypt");
    assert_eq!(denial.outcome, PolicyOutcome::ImplicitDeny(Missing::IdentityPolicyAllow));
    assert_eq!(told(&test, from), [Told::failed(Action::Decrypt, 3)]);
    let records = test.records();
    let record = records.last().unwrap().record().unwrap();
    let decision = record.decision.unwrap();
    assert!(!decision.allowed);
    assert_eq!(decision.missing.as_full(), Some("no identity-based policy allows it"));
    assert_eq!(record.demands[0].key, Some(key.row.id));
}

#[test]
fn what_nobody_need_permit_is_recorded_as_allowed() {
    let test = TestEngine::new();
    let user = test.user("anna", None);
    test.run(&user, WhoAmI).unwrap();
    let records = test.records();
    let decision = records.last().unwrap().record().unwrap().decision.unwrap();
    assert!(decision.allowed);
    assert_eq!(decision.missing.as_full(), Some(""));
}

#[test]
fn an_explicit_denial_wins_and_is_recorded_with_its_statement() {
    let test = TestEngine::new();
    let key = test.create_key();
    let policy = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":"test:*","Resource":"*"},
        {"Sid":"NoEncrypting","Effect":"Deny","Action":"test:Encrypt","Resource":"*"}]}"#;
    let user = test.user("anna", Some(policy));
    assert!(matches!(test.run(&user, encrypt(by_name(&key), "text", &[])), Err(EngineError::Denied(_))));
    let records = test.records();
    let decision = records.last().unwrap().record().unwrap().decision.unwrap();
    assert_eq!(decision.missing.as_full(), Some("explicit deny"));
    assert_eq!(decision.statements[0].as_full(), Some("identity-policy policy[1] NoEncrypting"));
}

#[test]
fn a_key_whose_policy_names_nobody_of_the_account_is_closed_to_identity_policies() {
    let test = TestEngine::new();
    let anna = test.user("anna", Some(&allow(None, &["test:*"])));
    let berta = test.user("berta", Some(&allow(None, &["test:*"])));
    let create = CreateKey {
        tenant: test.tenant.id,
        name: test.key_name(),
        spec: KeySpec::Aes256,
        usages: vec![Usage::DerivedAead],
        origin: Origin::Generated,
        multi_region: false,
        description: String::new(),
        policy: allow(Some(&anna.policy_name), &["test:*"]),
        bypass_lockout: false,
        tags: Vec::new(),
    };
    let key = test.run(&anna, create).unwrap();
    assert!(test.run(&anna, encrypt(by_name(&key), "text", &[])).is_ok());
    let refused = test.run(&berta, encrypt(by_name(&key), "text", &[]));
    let Err(EngineError::Denied(denial)) = refused else { panic!("allowed") };
    assert_eq!(denial.outcome, PolicyOutcome::ImplicitDeny(Missing::ResourcePolicyAllow));
}

#[test]
fn nobody_locks_themselves_out_of_a_key_unless_they_ask_for_it() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", Some(&allow(None, &["test:*"])));
    let berta = test.user("berta", None);
    let document = allow(Some(&berta.policy_name), &["test:*"]);
    let replace = |bypass_lockout| Edit::ReplacePolicy { document: document.clone(), bypass_lockout };
    assert!(matches!(edit_as(&test, &anna, &key, replace(false)), Err(EngineError::Lockout)));
    edit_as(&test, &anna, &key, replace(true)).unwrap();
    assert!(matches!(edit_as(&test, &anna, &key, Edit::Suspend), Err(EngineError::Denied(_))));
}

#[test]
fn a_policy_that_does_not_parse_is_refused_at_writing() {
    let test = TestEngine::new();
    let key = test.create_key();
    let document = "{\"Version\":\"2012-10-17\"".to_owned();
    let refused = edit_as(&test, &test.root(), &key, Edit::ReplacePolicy { document, bypass_lockout: false });
    assert!(matches!(refused, Err(EngineError::InvalidPolicy(_))));
}

#[test]
fn a_changed_policy_counts_at_once() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", Some(&allow(None, &["test:*"])));
    test.run(&anna, encrypt(by_name(&key), "text", &[])).unwrap();
    let document = allow(Some(&format!("arn:aws:iam::{ACCOUNT}:root")), &["test:PutKeyPolicy"]);
    edit_as(&test, &test.root(), &key, Edit::ReplacePolicy { document, bypass_lockout: false }).unwrap();
    assert!(matches!(test.run(&anna, encrypt(by_name(&key), "text", &[])), Err(EngineError::Denied(_))));
    let back = Edit::ReplacePolicy { document: key_policy(), bypass_lockout: false };
    edit_as(&test, &test.root(), &key, back).unwrap();
    test.run(&anna, encrypt(by_name(&key), "text", &[])).unwrap();
}

#[test]
fn suspended_and_deleted_principals_do_nothing_at_once() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", Some(&allow(None, &["test:*"])));
    let (tenant, name) = (test.tenant.id, "anna".to_owned());
    test.run(&anna, encrypt(by_name(&key), "text", &[])).unwrap();
    test.run(&operator(), SuspendPrincipal { tenant, name: name.clone(), suspended: true }).unwrap();
    assert!(test.run(&anna, encrypt(by_name(&key), "text", &[])).is_err());
    test.run(&operator(), SuspendPrincipal { tenant, name: name.clone(), suspended: false }).unwrap();
    test.run(&anna, encrypt(by_name(&key), "text", &[])).unwrap();
    test.run(&operator(), DeletePrincipal { tenant, name }).unwrap();
    assert!(test.run(&anna, encrypt(by_name(&key), "text", &[])).is_err());
}

#[test]
fn a_credential_proves_its_principal_until_it_lapses_or_is_taken_back() {
    let test = TestEngine::new();
    let anna = test.user("anna", None);
    let expires = Some(test.clock.now().after(std::time::Duration::from_secs(60)));
    let create = |shown: &str, expires| CreateCredential {
        tenant: test.tenant.id,
        principal: Some("anna".to_owned()),
        shown: shown.to_owned(),
        secret: SecretBytes::copy_from(b"secret"),
        expires,
    };
    test.run(&operator(), create("AKIA1", None)).unwrap();
    test.run(&operator(), create("AKIA2", expires)).unwrap();
    let identify = |shown: &str| block_on(test.engine.identify(shown));
    let identified = identify("AKIA1").unwrap();
    assert_eq!(identified.caller().principal, anna.principal);
    let secret = block_on(test.engine.secret_of(&identified)).unwrap();
    assert!(secret.secret().equals(b"secret"));
    assert!(identify("AKIA2").is_ok());
    test.clock.pass(std::time::Duration::from_secs(60));
    assert!(matches!(identify("AKIA2"), Err(EngineError::NotFound(_))));
    let change = |fate| ChangeCredential { tenant: test.tenant.id, shown: "AKIA1".to_owned(), fate };
    test.run(&operator(), change(Fate::Suspended)).unwrap();
    assert!(matches!(identify("AKIA1"), Err(EngineError::NotFound(_))));
    test.run(&operator(), change(Fate::Resumed)).unwrap();
    assert!(identify("AKIA1").is_ok());
    test.run(&operator(), change(Fate::Deleted)).unwrap();
    assert!(matches!(identify("AKIA1"), Err(EngineError::NotFound(_))));
}

#[test]
fn another_tenants_callers_need_both_sides_to_allow_it() {
    let test = TestEngine::new();
    let key = test.create_key();
    let create = CreateTenant {
        account: "444455556666".to_owned(),
        name: "second".to_owned(),
        root_name: "arn:aws:iam::444455556666:root".to_owned(),
    };
    let second = test.run(&operator(), create).unwrap();
    let stranger = std::sync::Arc::new(strongroom_model::caller::Caller {
        tenant: second.id,
        account: "444455556666".into(),
        policy_name: "arn:aws:iam::444455556666:root".into(),
        ..(*test.root()).clone()
    });
    let refused = test.run(&stranger, encrypt(by_name(&key), "text", &[]));
    assert!(matches!(refused, Err(EngineError::Denied(denial)) if denial.cross_account));
    let both = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:root","arn:aws:iam::444455556666:root"]},"Action":"test:*","Resource":"*"}]}"#;
    let replace = Edit::ReplacePolicy { document: both.to_owned(), bypass_lockout: false };
    edit_as(&test, &test.root(), &key, replace).unwrap();
    test.run(&stranger, encrypt(by_name(&key), "text", &[])).unwrap();
}

#[test]
fn operators_manage_and_do_not_use_keys() {
    let test = TestEngine::new();
    let key = test.create_key();
    let ciphertext = sealed(&test, &key, "text");
    let refused = test.run(&operator(), decrypt(&ciphertext, &[])).map(|_| ());
    assert!(matches!(refused, Err(EngineError::Denied(_))), "{refused:?}");
    let inspect = InspectKey { key: by_name(&key), action: Action::DescribeKey };
    assert!(matches!(test.run(&operator(), inspect), Err(EngineError::Denied(_))));
}
