//! Grants: what they allow, who may pass them on, and who may end them.

use std::sync::Arc;

use strongroom_engine::operations::encrypt::{Decrypt, Encrypt};
use strongroom_engine::operations::explain::ExplainRequest;
use strongroom_engine::operations::grant::{CreateGrant, EndGrant, ListGrants, ListRetirableGrants};
use strongroom_engine::operations::key::Edit;
use strongroom_engine::{
    Attributes, Call, ConditionKey, DeniedBy, EngineError, InputFault, KeyEntry, Missing, Mode, NoAttributes, Noun,
    Operation, PolicyOutcome, Value,
};
use strongroom_model::action::Action;
use strongroom_model::caller::Caller;
use strongroom_model::id::GrantId;
use strongroom_model::spec::KeySpec;
use strongroom_model::usage::Usage;
use strongroom_testkit::engine::{REGION, TestDialect, TestEngine, allow, block_on, by_name, call};

use crate::tools::{decrypt, edit_as, encrypt, pairs};

fn grant(key: &KeyEntry, grantee: &Caller, actions: &[Action]) -> CreateGrant {
    CreateGrant {
        key: by_name(key),
        grantee: grantee.policy_name.to_string(),
        retiring: None,
        actions: actions.to_vec(),
        context_equals: None,
        context_subset: None,
        source_resource: None,
        name: None,
    }
}

/// What a request says of its encryption context.
struct Context(Vec<(String, String)>);

impl Attributes for Context {
    fn value(&self, _: &ConditionKey, _: usize) -> Option<Value<'_>> {
        None
    }

    fn context_pair(&self, index: usize) -> Option<(&str, &str)> {
        self.0.get(index).map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

fn run<O: Operation>(
    test: &TestEngine,
    caller: &Arc<Caller>,
    operation: O,
    context: &[(&str, &str)],
) -> Result<O::Output, EngineError> {
    let call = Call { attributes: Arc::new(Context(pairs(context))), ..call(caller) };
    block_on(test.engine.perform(call, operation, Mode::Run))
}

fn denied<T>(result: &Result<T, EngineError>) -> bool {
    matches!(result, Err(EngineError::Denied(_)))
}

#[test]
fn a_grant_allows_what_it_names_until_it_is_revoked() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", None);
    assert!(denied(&test.run(&anna, encrypt(by_name(&key), "text", &[]))));
    let made = test.run(&test.root(), grant(&key, &anna, &[Action::Encrypt])).unwrap();
    let ciphertext = test.run(&anna, encrypt(by_name(&key), "text", &[])).unwrap().ciphertext;
    assert!(denied(&test.run(&anna, decrypt(&ciphertext, &[]))));
    let records = test.records();
    let record = records[records.len() - 2].record().unwrap();
    let statement = format!("grant {}", made.id);
    assert_eq!(record.decision.unwrap().statements[0].as_full(), Some(statement.as_str()));
    test.run(&test.root(), EndGrant { key: by_name(&key), id: made.id, retire: false }).unwrap();
    assert!(denied(&test.run(&anna, encrypt(by_name(&key), "text", &[]))));
    let again = test.run(&test.root(), EndGrant { key: by_name(&key), id: made.id, retire: false });
    assert!(matches!(again, Err(EngineError::NotFound(Noun::Grant))));
}

#[test]
fn a_constrained_grant_holds_only_under_its_context() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", None);
    let constrained =
        CreateGrant { context_subset: Some(pairs(&[("app", "payroll")])), ..grant(&key, &anna, &[Action::Encrypt]) };
    test.run(&test.root(), constrained).unwrap();
    let with = |context: &[(&str, &str)]| run(&test, &anna, encrypt(by_name(&key), "text", context), context);
    assert!(with(&[("app", "payroll"), ("more", "said")]).is_ok());
    assert!(denied(&with(&[("app", "other")])));
    assert!(denied(&with(&[])));
    let signer = test.create(KeySpec::EcP256, Usage::Sign);
    let unfit = CreateGrant { context_equals: Some(pairs(&[])), ..grant(&signer, &anna, &[Action::Sign]) };
    let refused = test.run(&test.root(), unfit);
    assert!(matches!(refused, Err(EngineError::InvalidInput(InputFault::ConstraintsUnsupported))));
}

#[test]
fn whoever_holds_a_grant_alone_passes_on_no_more_than_it_gives() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (anna, berta) = (test.user("anna", None), test.user("berta", None));
    let given = CreateGrant {
        context_equals: Some(pairs(&[("app", "payroll")])),
        ..grant(&key, &anna, &[Action::Encrypt, Action::CreateGrant])
    };
    test.run(&test.root(), given).unwrap();
    let app = [("app", "payroll")];
    let pass = |actions: &[Action], context: Option<&[(&str, &str)]>| {
        let passed = CreateGrant { context_equals: context.map(pairs), ..grant(&key, &berta, actions) };
        run(&test, &anna, passed, &app)
    };
    assert!(denied(&pass(&[Action::Encrypt, Action::Decrypt], Some(&app))), "more actions");
    assert!(denied(&pass(&[Action::Encrypt], None)), "no constraint");
    assert!(denied(&pass(&[Action::Encrypt], Some(&[("app", "other")]))), "another constraint");
    assert!(denied(&run(&test, &berta, encrypt(by_name(&key), "text", &app), &app)));
    pass(&[Action::Encrypt], Some(&app)).unwrap();
    run(&test, &berta, encrypt(by_name(&key), "text", &app), &app).unwrap();
}

#[test]
fn the_retiring_principal_and_a_grantee_with_leave_may_give_a_grant_up_and_nobody_else() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (anna, berta, carla) = (test.user("anna", None), test.user("berta", None), test.user("carla", None));
    let make = |actions: &[Action]| {
        let with = CreateGrant { retiring: Some(berta.policy_name.to_string()), ..grant(&key, &anna, actions) };
        test.run(&test.root(), with).unwrap().id
    };
    let retire = |caller: &Arc<Caller>, id| test.run(caller, EndGrant { key: by_name(&key), id, retire: true });
    let plain = make(&[Action::Encrypt]);
    assert!(denied(&retire(&carla, plain)));
    assert!(denied(&retire(&anna, plain)), "the grantee without leave");
    let listed = |region: &str| {
        let (tenant, retiring) = (test.tenant.id, berta.policy_name.to_string());
        test.run(&test.root(), ListRetirableGrants { tenant, region: region.into(), retiring, after: None, limit: 10 })
    };
    assert!(listed("eu-elsewhere-1").unwrap().items.is_empty(), "a key of another region");
    let listed = listed(REGION).unwrap();
    assert_eq!(listed.items.iter().map(|(_, grant)| grant.id).collect::<Vec<GrantId>>(), [plain]);
    retire(&berta, plain).unwrap();
    let with_leave = make(&[Action::Encrypt, Action::RetireGrant]);
    retire(&anna, with_leave).unwrap();
    let third = make(&[Action::Encrypt]);
    assert!(retire(&test.root(), third).is_ok(), "whom the key policy allows it");
}

fn explanation(
    test: &TestEngine,
    key: &KeyEntry,
    name: &str,
    action: Action,
    grant: Option<GrantId>,
) -> ExplainRequest {
    ExplainRequest {
        on_principal: None,
        tenant: test.tenant.id,
        principal: Some(name.to_owned()),
        dialect: &TestDialect,
        action,
        key: Some(by_name(key)),
        grant,
        region: None,
        attributes: Arc::new(NoAttributes),
    }
}

#[test]
fn policies_deny_giving_a_grant_up_and_allow_it_only_to_accounts_that_may() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (anna, berta) = (test.user("anna", None), test.user("berta", None));
    let allowed = test.user("carla", Some(&allow(None, &["test:RetireGrant"])));
    let statement = |effect: &str, who: &Caller, action: &str| {
        let who = &who.policy_name;
        format!(r#"{{"Effect":"{effect}","Principal":{{"AWS":"{who}"}},"Action":"{action}","Resource":"*"}}"#)
    };
    let policy = [
        statement("Allow", &test.root(), "test:*"),
        statement("Allow", &anna, "test:RetireGrant"),
        statement("Deny", &berta, "test:RetireGrant"),
    ];
    let document = format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, policy.join(","));
    edit_as(&test, &test.root(), &key, Edit::ReplacePolicy { document, bypass_lockout: false }).unwrap();
    let with = CreateGrant { retiring: Some(berta.policy_name.to_string()), ..grant(&key, &berta, &[Action::Encrypt]) };
    let id = test.run(&test.root(), with).unwrap().id;
    let retire = |caller: &Arc<Caller>| test.run(caller, EndGrant { key: by_name(&key), id, retire: true });
    let explained = |name: &str, grant: Option<GrantId>| {
        let explain = explanation(&test, &key, name, Action::RetireGrant, grant);
        let told = test.run(&test.root(), explain).unwrap();
        let deciding = told.statements.iter().filter(|statement| statement.decided);
        (told.outcome, deciding.map(|statement| statement.place.clone()).collect::<Vec<_>>())
    };
    let by_key_policy = PolicyOutcome::ExplicitDeny(DeniedBy::ResourcePolicy);
    let by_nothing = PolicyOutcome::ImplicitDeny(Missing::IdentityPolicyAllow);
    // What is explained is what is done.
    let cases = [
        ("berta", &berta, by_key_policy, "explicit deny", &["key-policy[2] "][..]),
        ("anna", &anna, by_nothing, "no identity-based policy allows it", &[]),
    ];
    for (name, caller, outcome, missing, statements) in cases {
        let Err(EngineError::Denied(denial)) = retire(caller) else { panic!("{name} retired it") };
        let records = test.records();
        let decision = records.last().unwrap().record().unwrap().decision.unwrap();
        assert_eq!((decision.allowed, decision.missing.as_full()), (false, Some(missing)));
        let named: Vec<_> = decision.statements.iter().filter_map(|text| text.as_full()).collect();
        assert_eq!(named, statements);
        assert_eq!((denial.outcome, explained(name, Some(id)).0), (outcome, outcome));
        assert_eq!(explained(name, None).0, outcome);
    }
    assert_eq!(explained("carla", Some(id)).1, ["identity-policy policy".to_owned(), format!("grant {id}")]);
    assert_eq!(explained("carla", None).1, ["identity-policy policy", "grant *"]);
    retire(&allowed).unwrap();
    let gone = explanation(&test, &key, "carla", Action::RetireGrant, Some(id));
    assert!(matches!(test.run(&test.root(), gone), Err(EngineError::NotFound(Noun::Grant))));
}

#[test]
fn a_grant_that_allows_its_own_retirement_is_not_explained_as_leave_to_retire_others() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", None);
    let made = |actions: &[Action]| test.run(&test.root(), grant(&key, &anna, actions)).unwrap().id;
    let (free, kept) = (made(&[Action::Encrypt, Action::RetireGrant]), made(&[Action::Encrypt]));
    let explained = |action, grant| {
        let explain = explanation(&test, &key, "anna", action, grant);
        test.run(&test.root(), explain).unwrap().outcome
    };
    assert_eq!(explained(Action::Encrypt, None), PolicyOutcome::Allow);
    assert!(matches!(explained(Action::RetireGrant, None), PolicyOutcome::ImplicitDeny(_)));
    assert_eq!(explained(Action::RetireGrant, Some(free)), PolicyOutcome::Allow);
    assert!(matches!(explained(Action::RetireGrant, Some(kept)), PolicyOutcome::ImplicitDeny(_)));
}

#[test]
fn the_same_named_grant_made_again_is_the_same_grant() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", None);
    let named = |actions: &[Action]| CreateGrant { name: Some("backup".to_owned()), ..grant(&key, &anna, actions) };
    let first = test.run(&test.root(), named(&[Action::Encrypt])).unwrap();
    let again = test.run(&test.root(), named(&[Action::Encrypt])).unwrap();
    let other = test.run(&test.root(), named(&[Action::Decrypt])).unwrap();
    assert_eq!(first.id, again.id);
    assert_ne!(first.id, other.id);
    let unnamed = |_| test.run(&test.root(), grant(&key, &anna, &[Action::Encrypt])).unwrap().id;
    assert_ne!(unnamed(1), unnamed(2));
    let list = ListGrants { key: by_name(&key), id: None, grantee: None, after: None, limit: 3 };
    let (_, page) = test.run(&test.root(), list).unwrap();
    assert_eq!((page.items.len(), page.more), (3, true));
    let after = page.items.last().map(|grant| grant.id);
    let rest = ListGrants { key: by_name(&key), id: None, grantee: None, after, limit: 3 };
    let (_, page) = test.run(&test.root(), rest).unwrap();
    assert_eq!((page.items.len(), page.more), (1, false));
}

#[test]
fn tokens_of_grants_open_here_alone() {
    let (test, other) = (TestEngine::new(), TestEngine::new());
    let key = test.create_key();
    let made = test.run(&test.root(), grant(&key, &test.root(), &[Action::Encrypt])).unwrap();
    assert_eq!(test.engine.open_grant_token(&made.token).unwrap(), (key.row.id, made.id));
    assert!(matches!(other.engine.open_grant_token(&made.token), Err(EngineError::InvalidGrantToken)));
    let cursor = test.engine.seal_cursor(b"listing", b"position").unwrap();
    assert_eq!(test.engine.open_cursor(b"listing", &cursor).unwrap(), b"position");
    assert!(matches!(test.engine.open_cursor(b"another", &cursor), Err(EngineError::InvalidCursor)));
    assert!(matches!(test.engine.open_grant_token(&cursor), Err(EngineError::InvalidGrantToken)));
}

#[test]
fn a_grant_ends_with_its_key_suspended_but_stays_for_when_it_is_resumed() {
    let test = TestEngine::new();
    let key = test.create_key();
    let anna = test.user("anna", None);
    test.run(&test.root(), grant(&key, &anna, &[Action::Encrypt, Action::Decrypt])).unwrap();
    let text: Encrypt = encrypt(by_name(&key), "text", &[]);
    let ciphertext = test.run(&anna, text).unwrap().ciphertext;
    crate::tools::edit(&test, &key, Edit::Suspend).unwrap();
    let open = || -> Decrypt { decrypt(&ciphertext, &[]) };
    assert!(matches!(test.run(&anna, open()), Err(EngineError::StateForbids { .. })));
    crate::tools::edit(&test, &key, Edit::Resume).unwrap();
    test.run(&anna, open()).unwrap();
}
