//! Whom names in policies and grants mean: whoever had them when they were written, and nobody who has them later.

use std::sync::Arc;

use strongroom_engine::operations::encrypt::Encrypt;
use strongroom_engine::operations::grant::{CreateGrant, EndGrant, ListGrants, ListRetirableGrants};
use strongroom_engine::operations::inspect::InspectPolicy;
use strongroom_engine::operations::key::{Edit, EditKey};
use strongroom_engine::operations::lineage::ReplicateKey;
use strongroom_engine::operations::principal::{CreatePrincipal, DeletePrincipal, FindPrincipal};
use strongroom_engine::operations::role::{AssumeRole, CreateRole, UpdateRole};
use strongroom_engine::operations::tenant::CreateTenant;
use strongroom_engine::{
    EngineError, GrantRow, InputFault, KeyEntry, KeyReference, Mode, PolicyError, RoleName, RoleRow, role_reference,
};
use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, Principal, Session};
use strongroom_model::id::TenantId;
use strongroom_model::name::Name;
use strongroom_model::spec::Origin;
use strongroom_model::store::Table;
use strongroom_secret::SecretBytes;
use strongroom_testkit::engine::{ACCOUNT, REGION, TestEngine, allow, by_name, call, operator};

use crate::gate::Point;
use crate::races::overtaken;
use crate::replicas::{ELSEWHERE, create};
use crate::tools::{edit, edit_as, encrypt};

mod late;

const OTHER: &str = "444455556666";

fn user_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:user/{name}")
}

fn role_arn(name: &str) -> String {
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

/// The unique id of the user or role that was made so many'th under its name.
fn unique_id(kind: &str, number: u32) -> String {
    format!("{kind}{number:016}")
}

/// Makes a user of the first tenant, the `number`th of its name.
fn user(test: &TestEngine, name: &str, number: u32) -> Arc<Caller> {
    user_of(test, test.tenant.id, ACCOUNT, name, number)
}

fn user_of(test: &TestEngine, tenant: TenantId, account: &str, name: &str, number: u32) -> Arc<Caller> {
    let (policy_name, unique_id) = (format!("arn:aws:iam::{account}:user/{name}"), unique_id("AIDA", number));
    let row = test.run(&operator(), CreatePrincipal { tenant, name: name.to_owned(), policy_name, unique_id }).unwrap();
    Arc::new(Caller {
        tenant,
        account: account.into(),
        policy_name: row.policy_name.as_str().into(),
        principal: Principal::User {
            id: row.id,
            unique_id: row.unique_id.as_str().into(),
            name: row.name.as_str().into(),
        },
        credential: None,
    })
}

/// Makes a role, the `number`th of its name, that trusts whom `trusted` names; answers a session of it.
fn role(test: &TestEngine, name: &str, number: u32, trusted: &str) -> Arc<Caller> {
    let create = CreateRole {
        tenant: test.tenant.id,
        name: name.to_owned(),
        policy_name: role_arn(name),
        unique_id: unique_id("AROA", number),
        role: RoleRow::new(trusting(trusted), 3600),
    };
    let row = test.run(&operator(), create).unwrap();
    Arc::new(Caller {
        tenant: test.tenant.id,
        account: ACCOUNT.into(),
        policy_name: session_arn(name).into(),
        principal: Principal::Session(Box::new(Session {
            role: row.id,
            role_name: name.into(),
            role_policy_name: role_arn(name).into(),
            unique_id: format!("{}:me", row.unique_id).into(),
            issued: test.engine.clock().now(),
            tags: Vec::new(),
            transitive_tag_keys: Vec::new(),
            federated_provider: None,
            source_identity: None,
            policies: Vec::new(),
        })),
        credential: None,
    })
}

fn session_arn(role: &str) -> String {
    format!("arn:aws:sts::{ACCOUNT}:assumed-role/{role}/me")
}

fn trusting(arn: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"{arn}"}},"Action":"sts:AssumeRole"}}]}}"#
    )
}

fn assume(test: &TestEngine, caller: &Arc<Caller>, role: &str) -> Result<(), EngineError> {
    let ask = AssumeRole {
        role: RoleName { tenant: test.tenant.id, name: role.to_owned(), policy_name: role_arn(role).into() },
        session_name: "me".to_owned(),
        session_policy_name: session_arn(role),
        seconds: None,
        external_id: None,
        source_identity: None,
        tags: Vec::new(),
        transitive_tag_keys: Vec::new(),
        policies: Vec::new(),
        token: None,
        shown: "ASIAEXAMPLE".to_owned(),
        secret: SecretBytes::copy_from(b"secret"),
    };
    test.run(caller, ask).map(|_| ())
}

fn remove(test: &TestEngine, name: &str) {
    remove_of(test, test.tenant.id, name);
}

fn remove_of(test: &TestEngine, tenant: TenantId, name: &str) {
    test.run(&operator(), DeletePrincipal { tenant, name: name.to_owned() }).unwrap();
}

/// A key policy that leaves the key to the account's root, and its use to `arn`.
fn naming(arn: &str) -> String {
    format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:root"}},"Action":"test:*","Resource":"*"}},
            {{"Sid":"{arn}","Effect":"Allow","Principal":{{"AWS":["{arn}"]}},"Action":"test:Encrypt","Resource":"*"}}]}}"#
    )
}

fn put(document: String) -> Edit {
    Edit::ReplacePolicy { document, bypass_lockout: false }
}

/// A key that `arn` may use by its policy.
fn key_for(test: &TestEngine, arn: &str) -> Arc<KeyEntry> {
    let key = test.create_key();
    edit(test, &key, put(naming(arn))).unwrap();
    key
}

fn policy(test: &TestEngine, key: &KeyEntry) -> String {
    test.run(&test.root(), InspectPolicy { key: by_name(key) }).unwrap()
}

fn uses(key: &KeyEntry) -> Encrypt {
    encrypt(by_name(key), "text", &[])
}

#[track_caller]
fn may(test: &TestEngine, caller: &Arc<Caller>, key: &KeyEntry) {
    test.run(caller, uses(key)).unwrap();
}

#[track_caller]
fn may_not(test: &TestEngine, caller: &Arc<Caller>, key: &KeyEntry) {
    let answer = test.run(caller, uses(key));
    assert!(matches!(answer, Err(EngineError::Denied(_))), "{:?}", answer.map(|_| ()));
}

fn is_unknown<T>(answer: &Result<T, EngineError>) -> bool {
    matches!(answer, Err(EngineError::InvalidPolicy(PolicyError::UnknownPrincipal { .. })))
}

fn grant(key: &KeyEntry, grantee: &str, retiring: Option<&str>) -> CreateGrant {
    CreateGrant {
        key: by_name(key),
        grantee: grantee.to_owned(),
        retiring: retiring.map(str::to_owned),
        actions: vec![Action::Encrypt, Action::RetireGrant],
        context_equals: None,
        context_subset: None,
        source_resource: None,
        name: Some("name".to_owned()),
    }
}

fn grants(test: &TestEngine, key: &KeyEntry, grantee: Option<&str>) -> Vec<GrantRow> {
    let grantee = grantee.map(str::to_owned);
    let list = ListGrants { key: by_name(key), id: None, grantee, after: None, limit: 10 };
    test.run(&test.root(), list).unwrap().1.items
}

fn retirable(test: &TestEngine, arn: &str) -> usize {
    let list = ListRetirableGrants {
        tenant: test.tenant.id,
        region: REGION.into(),
        retiring: arn.to_owned(),
        after: None,
        limit: 1,
    };
    test.run(&test.root(), list).unwrap().items.len()
}

#[test]
fn whoever_is_made_anew_under_a_deleted_users_name_has_nothing_of_a_key_policy() {
    let test = TestEngine::new();
    let first = user(&test, "anna", 1);
    let key = key_for(&test, &user_arn("anna"));
    may(&test, &first, &key);
    remove(&test, "anna");
    let second = user(&test, "anna", 2);
    may_not(&test, &second, &key);
    let test = test.restarted();
    may_not(&test, &second, &key);
    edit(&test, &key, put(naming(&user_arn("anna")))).unwrap();
    may(&test, &second, &key);
}

#[test]
fn whoever_is_made_anew_is_not_denied_what_the_former_was_denied() {
    let test = TestEngine::new();
    let _ = user(&test, "anna", 1);
    let key = test.create_key();
    let deny = r#"{"Effect":"Deny","Principal":{"AWS":"ARN"},"Action":"test:Encrypt","Resource":"*"}"#;
    let everyone = r#"{"Effect":"Allow","Principal":"*","Action":"test:*","Resource":"*"}"#;
    let document = format!(r#"{{"Statement":[{everyone},{}]}}"#, deny.replace("ARN", &user_arn("anna")));
    edit(&test, &key, put(document)).unwrap();
    remove(&test, "anna");
    may(&test, &user(&test, "anna", 2), &key);
}

#[test]
fn whoever_is_gone_is_shown_by_the_unique_id_and_everyone_else_as_the_policy_came() {
    let test = TestEngine::new();
    let _ = user(&test, "anna", 1);
    let key = key_for(&test, &user_arn("anna"));
    assert_eq!(policy(&test, &key), naming(&user_arn("anna")));
    remove(&test, "anna");
    let arn = user_arn("anna");
    let shown = naming(&arn).replace(&format!(r#"["{arn}"]"#), &format!(r#"["{}"]"#, unique_id("AIDA", 1)));
    assert_eq!(policy(&test, &key), shown);
    let _ = user(&test, "anna", 2);
    assert_eq!(policy(&test, &key), shown, "the next of the name is somebody else");
}

#[test]
fn a_policy_that_names_somebody_gone_by_name_or_id_is_refused() {
    let test = TestEngine::new();
    let _ = user(&test, "anna", 1);
    let key = key_for(&test, &user_arn("anna"));
    edit(&test, &key, put(naming(&unique_id("AIDA", 1)))).unwrap();
    edit(&test, &key, put(naming(&user_arn("anna")))).unwrap();
    remove(&test, "anna");
    assert!(is_unknown(&edit(&test, &key, put(policy(&test, &key)))));
    assert!(is_unknown(&edit(&test, &key, put(naming(&user_arn("anna"))))));
}

#[test]
fn whom_a_key_policy_names_still_may_after_a_restart() {
    let test = TestEngine::new();
    let anna = user(&test, "anna", 1);
    let session = role(&test, "app", 1, &user_arn("anna"));
    let keys = [user_arn("anna"), role_arn("app"), session_arn("app")].map(|arn| (key_for(&test, &arn), arn));
    let granted = test.create_key();
    test.run(&test.root(), grant(&granted, &user_arn("anna"), None)).unwrap();
    let test = test.restarted();
    for (key, arn) in &keys {
        let (named, other) = if *arn == user_arn("anna") { (&anna, &session) } else { (&session, &anna) };
        may(&test, named, key);
        may_not(&test, other, key);
        assert_eq!(policy(&test, key), naming(arn));
    }
    may(&test, &anna, &granted);
    assume(&test, &anna, "app").unwrap();
}

#[test]
fn sessions_of_a_role_made_anew_have_nothing_of_what_the_former_or_its_sessions_were_given() {
    let test = TestEngine::new();
    let _ = user(&test, "anna", 1);
    let first = role(&test, "app", 1, &user_arn("anna"));
    let keys = [role_arn("app"), session_arn("app")].map(|arn| {
        let granted = test.create_key();
        test.run(&test.root(), grant(&granted, &arn, None)).unwrap();
        [key_for(&test, &arn), granted]
    });
    for key in keys.as_flattened() {
        may(&test, &first, key);
    }
    remove(&test, &role_reference("app"));
    let second = role(&test, "app", 2, &user_arn("anna"));
    for key in keys.as_flattened() {
        may_not(&test, &second, key);
    }
    let [[by_role, _], [by_session, granted]] = &keys;
    assert!(policy(&test, by_role).contains(&format!(r#"["{}"]"#, unique_id("AROA", 1))));
    let session = format!("{}:me", unique_id("AROA", 1));
    assert!(policy(&test, by_session).contains(&format!(r#"["{session}"]"#)));
    assert_eq!(grants(&test, granted, None)[0].grantee, session);
}

#[test]
fn whoever_is_made_anew_has_nothing_of_a_grant_to_the_former() {
    let test = TestEngine::new();
    let (anna, berta) = (user_arn("anna"), user_arn("berta"));
    let (first, _) = (user(&test, "anna", 1), user(&test, "berta", 2));
    let key = test.create_key();
    let made = test.run(&test.root(), grant(&key, &anna, Some(&berta))).unwrap();
    may(&test, &first, &key);
    assert_eq!((grants(&test, &key, Some(&anna)).len(), retirable(&test, &berta)), (1, 1));
    remove(&test, "anna");
    remove(&test, "berta");
    let seconds = [user(&test, "anna", 3), user(&test, "berta", 4)];
    for second in &seconds {
        may_not(&test, second, &key);
        let retired = test.run(second, EndGrant { key: by_name(&key), id: made.id, retire: true });
        assert!(matches!(retired, Err(EngineError::Denied(_))));
    }
    assert_eq!((grants(&test, &key, Some(&anna)).len(), retirable(&test, &berta)), (0, 0));
    let shown = grants(&test, &key, Some(&unique_id("AIDA", 1)));
    assert_eq!(shown.len(), 1, "listed by the id that is shown");
    assert_eq!(shown[0].retiring, Some(unique_id("AIDA", 2)));
    // The same words mean another grant now.
    let other = test.run(&test.root(), grant(&key, &anna, Some(&berta))).unwrap();
    assert_ne!(other.id, made.id);
    let [anna, berta] = &seconds;
    may(&test, anna, &key);
    assert_eq!(retirable(&test, &user_arn("berta")), 1);
    test.run(berta, EndGrant { key: by_name(&key), id: other.id, retire: true }).unwrap();
    may_not(&test, anna, &key);
}

#[test]
fn a_session_retires_what_its_role_may_retire() {
    let test = TestEngine::new();
    let _ = user(&test, "anna", 1);
    let key = test.create_key();
    let session = role(&test, "app", 2, &user_arn("anna"));
    let other = role(&test, "other", 3, &user_arn("anna"));
    let made = test.run(&test.root(), grant(&key, &user_arn("anna"), Some(&role_arn("app")))).unwrap();
    let end = || EndGrant { key: by_name(&key), id: made.id, retire: true };
    assert!(matches!(test.run(&other, end()), Err(EngineError::Denied(_))));
    test.run(&session, end()).unwrap();
}

#[test]
fn a_grant_to_or_retired_by_nobody_is_refused() {
    let test = TestEngine::new();
    let key = test.create_key();
    let _ = user(&test, "anna", 1);
    let nobody = [user_arn("nobody"), role_arn("anna"), format!("arn:aws:iam::{OTHER}:root")];
    for nobody in &nobody {
        for grant in [grant(&key, nobody, None), grant(&key, &user_arn("anna"), Some(nobody))] {
            let answer = test.run(&test.root(), grant).map(|_| ());
            let Err(EngineError::InvalidInput(InputFault::UnknownPrincipal { .. })) = answer else {
                panic!("{answer:?}")
            };
        }
    }
    test.run(&test.root(), grant(&key, &test.root().policy_name, None)).unwrap();
}

#[test]
fn whoever_is_made_anew_has_nothing_of_a_trust_policy() {
    let test = TestEngine::new();
    let first = user(&test, "anna", 1);
    let _ = role(&test, "app", 2, &user_arn("anna"));
    assume(&test, &first, "app").unwrap();
    remove(&test, "anna");
    let second = user(&test, "anna", 3);
    let tenant = test.tenant.id;
    let denied = || matches!(assume(&test, &second, "app"), Err(EngineError::Denied(_)));
    assert!(denied());
    let update =
        |trust_policy, session_seconds| UpdateRole { tenant, name: "app".to_owned(), trust_policy, session_seconds };
    test.run(&operator(), update(None, Some(7200))).unwrap();
    assert!(denied(), "what is not written again means whom it meant");
    let found = test.run(&operator(), FindPrincipal { tenant, name: role_reference("app") }).unwrap().0;
    assert_eq!(found.role.unwrap().trust_policy, trusting(&unique_id("AIDA", 1)));
    test.run(&operator(), update(Some(trusting(&user_arn("anna"))), None)).unwrap();
    assume(&test, &second, "app").unwrap();
}

#[test]
fn a_condition_on_a_principals_arn_means_whoever_has_it() {
    let test = TestEngine::new();
    let _ = user(&test, "anna", 1);
    let key = test.create_key();
    let arn = user_arn("anna");
    let document = naming(&arn).replace(&format!(r#"{{"AWS":["{arn}"]}}"#), r#""*""#).replace(
        r#""Action":"test:Encrypt""#,
        &format!(r#""Action":"test:Encrypt","Condition":{{"ArnEquals":{{"aws:PrincipalArn":"{arn}"}}}}"#),
    );
    edit(&test, &key, put(document.clone())).unwrap();
    remove(&test, "anna");
    may(&test, &user(&test, "anna", 2), &key);
    may_not(&test, &user(&test, "berta", 3), &key);
    assert_eq!(policy(&test, &key), document);
}

#[test]
fn a_principal_of_another_tenant_is_looked_up_there() {
    let test = TestEngine::new();
    let root_name = format!("arn:aws:iam::{OTHER}:root");
    let create = CreateTenant { account: OTHER.to_owned(), name: "second".to_owned(), root_name };
    let tenant = test.run(&operator(), create).unwrap().id;
    let arn = format!("arn:aws:iam::{OTHER}:user/anna");
    let key = test.create_key();
    let _ = user(&test, "anna", 1);
    assert!(is_unknown(&edit(&test, &key, put(naming(&arn)))), "the key's own tenant has an anna, that one has none");
    let allow_all = |name: &str| strongroom_engine::operations::principal::PutIdentityPolicy {
        tenant,
        principal: name.to_owned(),
        name: "all".to_owned(),
        document: Some(allow(None, &["test:*"])),
    };
    let first = user_of(&test, tenant, OTHER, "anna", 2);
    test.run(&operator(), allow_all("anna")).unwrap();
    edit(&test, &key, put(naming(&arn))).unwrap();
    let granted = test.create_key();
    test.run(&test.root(), grant(&granted, &arn, None)).unwrap();
    for key in [&key, &granted] {
        may(&test, &first, key);
    }
    remove_of(&test, tenant, "anna");
    let second = user_of(&test, tenant, OTHER, "anna", 3);
    test.run(&operator(), allow_all("anna")).unwrap();
    for key in [&key, &granted] {
        may_not(&test, &second, key);
    }
    assert!(policy(&test, &key).contains(&unique_id("AIDA", 2)));
}

#[test]
fn a_replicas_policy_means_whom_it_named_itself() {
    let test = TestEngine::new();
    let (anna, berta) = (user(&test, "anna", 1), user(&test, "berta", 2));
    let primary = create(&test, Origin::Generated).unwrap();
    edit(&test, &primary, put(naming(&user_arn("anna")))).unwrap();
    let KeyReference::Name(name) = by_name(&primary) else { panic!("a name") };
    let replicate = ReplicateKey {
        key: by_name(&primary),
        name: Name { region: ELSEWHERE.into(), ..name },
        description: String::new(),
        policy: naming(&user_arn("berta")),
        bypass_lockout: false,
        tags: Vec::new(),
    };
    let (replica, _) = test.run(&test.root(), replicate).unwrap();
    let there = |caller: &Arc<Caller>| {
        let call = strongroom_engine::Call { region: ELSEWHERE.into(), ..call(caller) };
        let name = Name { region: ELSEWHERE.into(), text: replica.names[0].text.as_str().into(), ..test.key_name() };
        let encrypt = encrypt(KeyReference::Name(name), "text", &[]);
        test.engine.perform_blocking(call, encrypt, Mode::Run).is_ok()
    };
    assert_eq!((there(&anna), there(&berta)), (false, true));
    remove(&test, "berta");
    assert!(!there(&user(&test, "berta", 3)));
}

#[test]
fn a_caller_who_is_named_may_write_a_policy_that_leaves_it_in_charge() {
    let test = TestEngine::new();
    let anna = user(&test, "anna", 1);
    let key = key_for(&test, &user_arn("anna"));
    edit(&test, &key, put(allow(Some(&user_arn("anna")), &["test:*"]))).unwrap_err();
    let bypass = Edit::ReplacePolicy { document: allow(Some(&user_arn("anna")), &["test:*"]), bypass_lockout: true };
    edit(&test, &key, bypass).unwrap();
    edit_as(&test, &anna, &key, put(allow(Some(&user_arn("anna")), &["test:PutKeyPolicy"]))).unwrap();
}

#[test]
fn a_principal_that_is_removed_while_it_is_named_is_not_named() {
    let delete = |test: &TestEngine| DeletePrincipal { tenant: test.tenant.id, name: "anna".to_owned() };
    for table in [Table::Key, Table::Grant, Table::Principal] {
        let test = TestEngine::new();
        let key = test.create_key();
        let _ = user(&test, "anna", 1);
        let (root, name) = (test.root(), "app".to_owned());
        let (named, removed, _) = overtaken(
            &test,
            Point::Commit(table),
            |engine| match table {
                Table::Key => {
                    let write = EditKey { key: by_name(&key), edit: put(naming(&user_arn("anna"))) };
                    engine.perform_blocking(call(&root), write, Mode::Run).map(|_| ())
                }
                Table::Grant => {
                    let write = grant(&key, &user_arn("anna"), None);
                    engine.perform_blocking(call(&root), write, Mode::Run).map(|_| ())
                }
                _ => {
                    let role = RoleRow::new(trusting(&user_arn("anna")), 3600);
                    let (policy_name, unique_id) = (role_arn("app"), unique_id("AROA", 1));
                    let write = CreateRole { tenant: test.tenant.id, name, policy_name, unique_id, role };
                    engine.perform_blocking(call(&operator()), write, Mode::Run).map(|_| ())
                }
            },
            |engine| engine.perform_blocking(call(&operator()), delete(&test), Mode::Run),
        );
        removed.unwrap();
        let refused = match table {
            Table::Grant => matches!(named, Err(EngineError::InvalidInput(InputFault::UnknownPrincipal { .. }))),
            _ => is_unknown(&named),
        };
        assert!(refused, "{table:?}: {named:?}");
    }
}
