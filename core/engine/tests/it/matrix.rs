//! Who may do what: every action against every kind of caller, as a table that people can read.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use strongroom_engine::operations::credential::CreateCredential;
use strongroom_engine::operations::grant::{CreateGrant, EndGrant};
use strongroom_engine::operations::key::Edit;
use strongroom_engine::operations::principal::{
    CreatePrincipal, DeletePrincipal, FindPrincipal, PutIdentityPolicy, SuspendPrincipal,
};
use strongroom_engine::operations::role::CreateRole;
use strongroom_engine::operations::tenant::CreateTenant;
use strongroom_engine::{
    Authorized, Demand, EngineError, Halt, KeyEntry, Missing, Operation, Outcome, PolicyOutcome, PrincipalRow, RoleRow,
    SecretBytes, Target,
};
use strongroom_model::action::Action;
use strongroom_model::caller::{Caller, OnBehalf, Principal, Session};
use strongroom_model::clock::Clock as _;
use strongroom_model::id::{PrincipalId, TenantId};
use strongroom_model::purpose::Purpose;
use strongroom_testkit::engine::{ACCOUNT, TestEngine, allow, by_name, operator};

use crate::tools::edit_as;

/// Asks to do something and does nothing.
struct Ask {
    action: Action,
    target: Target,
}

impl Operation for Ask {
    type Output = ();

    fn demands(&self) -> Result<Vec<Demand>, EngineError> {
        Ok(vec![Demand { action: self.action, target: self.target.clone(), purpose: Purpose::Inspect }])
    }

    fn run(&self, _: &Authorized<'_>) -> Result<Outcome<()>, Halt> {
        Ok(Outcome::Answer(()))
    }
}

const OTHER: &str = "444455556666";
const PHOTOS: &str = "arn:aws:s3:::photos";

/// What is asked of the installation as a whole.
const OF_THE_INSTALLATION: [Action; 6] = [
    Action::ManageTenants,
    Action::ReadTenants,
    Action::ManageRoots,
    Action::ReadRoots,
    Action::ManageBackups,
    Action::Unseal,
];

/// What is asked of the key; everything else is asked of the tenant or the installation.
fn is_about_a_key(action: Action) -> bool {
    use Action::{
        CreateKey, GenerateRandom, GetCallerIdentity, ListAliases, ListKeys, ListRetirableGrants, ListTaggedKeys,
    };
    let tenant =
        [CreateKey, ListKeys, ListAliases, ListRetirableGrants, ListTaggedKeys, GenerateRandom, GetCallerIdentity];
    let key_stores = Action::CreateKeyStore.code()..=Action::DisconnectKeyStore.code();
    action.code() < Action::ManageTenants.code() && !tenant.contains(&action) && !key_stores.contains(&action.code())
}

fn verdict(answer: Result<(), EngineError>) -> &'static str {
    match answer {
        Ok(()) => "yes",
        Err(EngineError::TenantSuspended | EngineError::PrincipalSuspended) => "suspended",
        Err(EngineError::Denied(denial)) => match denial.outcome {
            PolicyOutcome::ExplicitDeny(_) => "denied",
            PolicyOutcome::ImplicitDeny(Missing::IdentityPolicyAllow) => "-identity",
            PolicyOutcome::ImplicitDeny(Missing::ResourcePolicyAllow) => "-key",
            PolicyOutcome::ImplicitDeny(Missing::SessionPolicyAllow) => "-session",
            outcome => panic!("{outcome:?}"),
        },
        Err(error) => panic!("{error}"),
    }
}

/// A user of `tenant`.
fn user(test: &TestEngine, tenant: TenantId, account: &str, name: &str, policy: Option<&str>) -> Arc<Caller> {
    let create = CreatePrincipal {
        tenant,
        name: name.to_owned(),
        policy_name: format!("arn:aws:iam::{account}:user/{name}"),
        unique_id: format!("AIDA{name}"),
    };
    let row = test.run(&operator(), create).unwrap();
    if let Some(policy) = policy {
        let (principal, document) = (name.to_owned(), Some(policy.to_owned()));
        let put = PutIdentityPolicy { tenant, principal, name: "policy".to_owned(), document };
        test.run(&operator(), put).unwrap();
    }
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

/// A session of the role that has a principal's row.
fn session(test: &TestEngine, role: &Caller, policies: &[&str]) -> Arc<Caller> {
    let Principal::User { id, name, .. } = &role.principal else { panic!("no row") };
    Arc::new(Caller {
        policy_name: format!("arn:aws:sts::{ACCOUNT}:assumed-role/{name}/pod-1").into(),
        principal: Principal::Session(Box::new(session_of(*id, name, test, policies))),
        ..role.clone()
    })
}

fn session_of(role: PrincipalId, name: &str, test: &TestEngine, policies: &[&str]) -> Session {
    Session {
        role,
        role_name: name.into(),
        role_policy_name: format!("arn:aws:iam::{ACCOUNT}:role/{name}").into(),
        unique_id: format!("AROA{name}:pod-1").into(),
        issued: test.clock.now(),
        tags: vec![("team".to_owned(), "red".to_owned())],
        transitive_tag_keys: Vec::new(),
        federated_provider: None,
        source_identity: None,
        policies: policies.iter().map(|policy| Arc::from(*policy)).collect(),
    }
}

/// A service of the installation, asking for a resource if one is named.
fn service(test: &TestEngine, name: &str, resource: Option<&str>) -> Arc<Caller> {
    let found = test.run(&operator(), FindPrincipal { tenant: TenantId::INSTALLATION, name: name.to_owned() });
    let row = found.map_or_else(|_| make_service(test, name), |(row, _)| row);
    let on_behalf = resource.map(|resource| Box::new(OnBehalf { resource: resource.into(), account: None }));
    Arc::new(Caller {
        tenant: TenantId::INSTALLATION,
        account: "".into(),
        policy_name: name.into(),
        principal: Principal::Service { id: row.id, on_behalf },
        credential: None,
    })
}

fn make_service(test: &TestEngine, name: &str) -> PrincipalRow {
    let (name, policy_name) = (name.to_owned(), name.to_owned());
    let create =
        CreatePrincipal { tenant: TenantId::INSTALLATION, unique_id: format!("AIDA{name}"), name, policy_name };
    test.run(&operator(), create).unwrap()
}

/// The kinds of callers, and a key that knows them.
fn callers(test: &TestEngine) -> (Arc<KeyEntry>, Vec<(&'static str, Arc<Caller>)>) {
    let key = test.create_key();
    let own = |name: &str, policy: Option<&str>| user(test, test.tenant.id, ACCOUNT, name, policy);
    let all = allow(None, &["test:*"]);
    let using = allow(None, &["test:Encrypt", "test:Decrypt", "test:GenerateDataKey*", "test:DescribeKey"]);
    let (admin, by_identity) = (own("admin", Some(&all)), own("delegated", Some(&using)));
    let (by_key, granted, nobody) = (own("by-key", None), own("granted", None), own("nobody", None));
    let (role, suspended) = (own("app", Some(&all)), own("suspended", Some(&all)));
    let create = CreateTenant {
        account: OTHER.to_owned(),
        name: "second".to_owned(),
        root_name: format!("arn:aws:iam::{OTHER}:root"),
    };
    let second = test.run(&operator(), create).unwrap().id;
    let both = user(test, second, OTHER, "both", Some(&all));
    let key_side = user(test, second, OTHER, "key-side", None);
    let own_side = user(test, second, OTHER, "own-side", Some(&all));
    let named = [&by_key, &both, &key_side].map(|caller| format!("\"{}\"", caller.policy_name)).join(",");
    let document = format!(
        r#"{{"Version":"2012-10-17","Statement":[
            {{"Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:root"}},"Action":"test:*","Resource":"*"}},
            {{"Effect":"Allow","Principal":{{"AWS":[{named}]}},"Action":"test:*","Resource":"*"}},
            {{"Effect":"Allow","Principal":{{"Service":"secrets.example.internal"}},"Resource":"*",
              "Action":["test:GenerateDataKey","test:Decrypt"]}},
            {{"Effect":"Deny","Principal":"*","Action":"test:UpdateKeyDescription","Resource":"*"}}]}}"#
    );
    edit_as(test, &test.root(), &key, Edit::ReplacePolicy { document, bypass_lockout: false }).unwrap();
    let grant = CreateGrant {
        key: by_name(&key),
        grantee: granted.policy_name.to_string(),
        retiring: None,
        actions: vec![Action::Encrypt, Action::Decrypt, Action::DescribeKey],
        context_equals: None,
        context_subset: None,
        source_resource: None,
        name: None,
    };
    test.run(&test.root(), grant).unwrap();
    let to_service = CreateGrant {
        key: by_name(&key),
        grantee: "s3.example.internal".to_owned(),
        retiring: Some(admin.policy_name.to_string()),
        actions: vec![Action::Encrypt, Action::Decrypt, Action::DescribeKey],
        context_equals: None,
        context_subset: None,
        source_resource: Some(PHOTOS.to_owned()),
        name: None,
    };
    test.run(&test.root(), to_service).unwrap();
    let suspend = SuspendPrincipal { tenant: test.tenant.id, name: "suspended".to_owned(), suspended: true };
    test.run(&operator(), suspend).unwrap();
    let callers = vec![
        ("root", test.root()),
        ("admin", admin),
        ("by key", by_key),
        ("delegated", by_identity),
        ("granted", granted),
        ("nobody", nobody),
        ("session", session(test, &role, &[])),
        ("limited", session(test, &role, &[&allow(None, &["test:Encrypt", "test:List*"])])),
        ("2 both", both),
        ("2 key's", key_side),
        ("2 own", own_side),
        ("service", service(test, "secrets.example.internal", None)),
        ("service 2", service(test, "other.example.internal", None)),
        ("for photos", service(test, "s3.example.internal", Some(PHOTOS))),
        ("for others", service(test, "s3.example.internal", Some("arn:aws:s3:::others"))),
        ("suspended", suspended),
        ("operator", operator()),
    ];
    (key, callers)
}

/// "-SIDE" says which side did not allow it. Callers "2 ..." are of another account: allowed by both sides, by the key's alone,
/// by their own alone. "limited" is a session with a session policy. "for photos" is a service that has a grant for that bucket,
/// asking for it; "for others" the same, asking for another.
#[test]
fn who_may_do_what_is_as_was_last_looked_at() {
    let test = TestEngine::new();
    let (key, callers) = callers(&test);
    let mut table = format!("{:<36}", "");
    callers.iter().for_each(|(name, _)| write!(table, "{name:<11}").unwrap());
    let mut seen = BTreeSet::new();
    // Sessions are asked of roles, by trust policies that sessions.rs tells of.
    let sessions = Action::AssumeRole.code()..=Action::SetSourceIdentity.code();
    let asked = |action: &&Action| action.code() < Action::Scheduled.code() && !sessions.contains(&action.code());
    for action in Action::ALL.iter().filter(asked) {
        let target = match is_about_a_key(*action) {
            true => Target::Key(by_name(&key)),
            false if OF_THE_INSTALLATION.contains(action) => Target::Installation,
            false => Target::Tenant(test.tenant.id),
        };
        write!(table, "\n{:<36}", format!("{action:?}")).unwrap();
        for (_, caller) in &callers {
            let asked = Ask { action: *action, target: target.clone() };
            let verdict = verdict(test.run(caller, asked));
            seen.insert(verdict);
            write!(table, "{verdict:<11}").unwrap();
        }
    }
    let every = ["-identity", "-key", "-session", "denied", "suspended", "yes"];
    assert_eq!(seen, every.into(), "a verdict that never occurs is not tested");
    let lines: Vec<_> = table.lines().map(str::trim_end).collect();
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_session_policy_that_does_not_parse_allows_nothing() {
    let test = TestEngine::new();
    let key = test.create_key();
    let role = user(&test, test.tenant.id, ACCOUNT, "app", Some(&allow(None, &["test:*"])));
    let ask = || Ask { action: Action::DescribeKey, target: Target::Key(by_name(&key)) };
    test.run(&session(&test, &role, &[]), ask()).unwrap();
    let refused = test.run(&session(&test, &role, &["{"]), ask());
    assert!(matches!(refused, Err(EngineError::Internal(_))), "{refused:?}");
}

#[test]
fn policies_see_what_was_proved_of_a_session() {
    let test = TestEngine::new();
    let key = test.create_key();
    let policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"test:*","Resource":"*","Condition":{
        "StringEquals":{"aws:PrincipalTag/team":"red","aws:userid":"AROAapp:pod-1"},
        "DateGreaterThan":{"aws:TokenIssueTime":"2020-01-01T00:00:00Z"},
        "ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/app"}}}]}"#;
    let role = user(&test, test.tenant.id, ACCOUNT, "app", Some(policy));
    let ask = || Ask { action: Action::DescribeKey, target: Target::Key(by_name(&key)) };
    test.run(&session(&test, &role, &[]), ask()).unwrap();
    assert!(matches!(test.run(&role, ask()), Err(EngineError::Denied(_))), "the role itself is no session");
}

#[test]
fn a_grant_to_a_role_serves_its_sessions() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (tenant, name, arn) = (test.tenant.id, "app".to_owned(), format!("arn:aws:iam::{ACCOUNT}:role/app"));
    let trust = allow(Some(&test.root().policy_name), &["sts:AssumeRole"]).replace(r#","Resource":"*""#, "");
    let (role, unique_id) = (RoleRow::new(trust, 3600), "AROAapp".to_owned());
    let row = test.run(&operator(), CreateRole { tenant, name, policy_name: arn, unique_id, role }).unwrap();
    let session = |policies: &[&str]| {
        Arc::new(Caller {
            policy_name: format!("arn:aws:sts::{ACCOUNT}:assumed-role/app/pod-1").into(),
            principal: Principal::Session(Box::new(session_of(row.id, "app", &test, policies))),
            ..(*test.root()).clone()
        })
    };
    let ask = || Ask { action: Action::DescribeKey, target: Target::Key(by_name(&key)) };
    assert!(matches!(test.run(&session(&[]), ask()), Err(EngineError::Denied(_))));
    let grant = CreateGrant {
        key: by_name(&key),
        grantee: format!("arn:aws:iam::{ACCOUNT}:role/app"),
        retiring: None,
        actions: vec![Action::DescribeKey],
        context_equals: None,
        context_subset: None,
        source_resource: None,
        name: None,
    };
    test.run(&test.root(), grant).unwrap();
    test.run(&session(&[]), ask()).unwrap();
    let limited = session(&[&allow(None, &["test:Encrypt"])]);
    assert!(matches!(test.run(&limited, ask()), Err(EngineError::Denied(_))));
}

#[test]
fn a_role_that_may_retire_a_grant_does_so_by_its_sessions() {
    let test = TestEngine::new();
    let key = test.create_key();
    let (tenant, name, arn) = (test.tenant.id, "app".to_owned(), format!("arn:aws:iam::{ACCOUNT}:role/app"));
    let trust = allow(Some(&test.root().policy_name), &["sts:AssumeRole"]).replace(r#","Resource":"*""#, "");
    let (role, unique_id) = (RoleRow::new(trust, 3600), "AROAapp".to_owned());
    let create = CreateRole { tenant, name, policy_name: arn.clone(), unique_id, role };
    let row = test.run(&operator(), create).unwrap();
    let session = |policies: &[&str]| {
        Arc::new(Caller {
            policy_name: format!("arn:aws:sts::{ACCOUNT}:assumed-role/app/pod-1").into(),
            principal: Principal::Session(Box::new(session_of(row.id, "app", &test, policies))),
            ..(*test.root()).clone()
        })
    };
    let root = test.root().policy_name.to_string();
    let grants =
        [(root, Some(arn.clone()), vec![Action::Encrypt]), (arn, None, vec![Action::Encrypt, Action::RetireGrant])];
    for (grantee, retiring, actions) in grants {
        let grant = CreateGrant {
            key: by_name(&key),
            grantee,
            retiring,
            actions,
            context_equals: None,
            context_subset: None,
            source_resource: None,
            name: None,
        };
        let id = test.run(&test.root(), grant).unwrap().id;
        let retire = |caller: &Arc<Caller>| test.run(caller, EndGrant { key: by_name(&key), id, retire: true });
        let limited = session(&[&allow(None, &["test:Encrypt"])]);
        assert!(matches!(retire(&limited), Err(EngineError::Denied(_))), "whose session policy lacks it");
        retire(&session(&[])).unwrap();
    }
}

#[test]
fn a_key_policy_names_nobody_who_does_not_exist() {
    let test = TestEngine::new();
    let key = test.create_key();
    let _anna = test.user("anna", None);
    let put = |principal: &str| {
        let document = format!(
            r#"{{"Version":"2012-10-17","Statement":[
                {{"Effect":"Allow","Principal":{{"AWS":"{ACCOUNT}"}},"Action":"test:*","Resource":"*"}},
                {{"Effect":"Allow","Principal":{{{principal}}},"Action":"test:Encrypt","Resource":"*"}}]}}"#
        );
        edit_as(&test, &test.root(), &key, Edit::ReplacePolicy { document, bypass_lockout: true })
    };
    for known in [
        r#""AWS":"*""#.to_owned(),
        format!(r#""AWS":"arn:aws:iam::{ACCOUNT}:user/anna""#),
        format!(r#""AWS":"arn:aws:iam::{ACCOUNT}:root""#),
        r#""Service":"logs.internal""#.to_owned(),
    ] {
        put(&known).unwrap_or_else(|error| panic!("{known}: {error}"));
    }
    for unknown in [
        format!("arn:aws:iam::{ACCOUNT}:user/berta"),
        format!("arn:aws:iam::{ACCOUNT}:user/path/anna"),
        format!("arn:aws:iam::{ACCOUNT}:role/anna"),
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/app/pod-1"),
        format!("arn:aws:sts::{ACCOUNT}:federated-user/anna"),
        format!("arn:aws:iam::{OTHER}:root"),
        OTHER.to_owned(),
        "AIDAEXAMPLEEXAMPLE12".to_owned(),
    ] {
        let refused = put(&format!(r#""AWS":"{unknown}""#));
        let Err(EngineError::InvalidPolicy(fault)) = refused else { panic!("{unknown}: {refused:?}") };
        let told = fault.aws_message(strongroom_engine::Kind::Resource);
        assert_eq!(told, "Policy contains a statement with one or more invalid principals.");
    }
}

#[test]
fn a_service_is_suspended_and_removed_like_anyone() {
    let test = TestEngine::new();
    let (key, callers) = callers(&test);
    let caller = callers.iter().find(|(name, _)| *name == "service").unwrap().1.clone();
    let ask = || test.run(&caller, Ask { action: Action::Decrypt, target: Target::Key(by_name(&key)) });
    ask().unwrap();
    let name = "secrets.example.internal".to_owned();
    let tenant = TenantId::INSTALLATION;
    test.run(&operator(), SuspendPrincipal { tenant, name: name.clone(), suspended: true }).unwrap();
    assert!(matches!(ask(), Err(EngineError::PrincipalSuspended)));
    test.run(&operator(), SuspendPrincipal { tenant, name: name.clone(), suspended: false }).unwrap();
    ask().unwrap();
    test.run(&operator(), DeletePrincipal { tenant, name }).unwrap();
    assert!(matches!(ask(), Err(EngineError::NotFound(_))));
}

#[test]
fn services_are_the_operators_to_make_under_names_that_policies_can_hold() {
    let test = TestEngine::new();
    let make = |caller: &Arc<Caller>, name: &str| {
        let (name, policy_name, unique_id) = (name.to_owned(), name.to_owned(), "AIDAEXAMPLE".to_owned());
        test.run(caller, CreatePrincipal { tenant: TenantId::INSTALLATION, name, policy_name, unique_id })
    };
    for name in ["s3", "s3.internal", "s3..internal", "s3.example.inter_nal", ".s3.example"] {
        assert!(matches!(make(&operator(), name), Err(EngineError::InvalidInput(_))), "{name}");
    }
    for caller in [test.root(), test.user("admin", Some(&allow(None, &["test:*"])))] {
        assert!(matches!(make(&caller, "s3.example.internal"), Err(EngineError::Denied(_))));
    }
    make(&operator(), "s3.example.internal").unwrap();
    let (tenant, principal) = (TenantId::INSTALLATION, "s3.example.internal".to_owned());
    let put = PutIdentityPolicy { tenant, principal, name: "all".to_owned(), document: Some(allow(None, &["test:*"])) };
    assert!(matches!(test.run(&operator(), put), Err(EngineError::Unsupported(_))));
    let create = CreateCredential {
        tenant,
        principal: None,
        shown: "AKIAROOT".to_owned(),
        secret: SecretBytes::copy_from(b"secret"),
        expires: None,
    };
    assert!(matches!(test.run(&operator(), create), Err(EngineError::Unsupported(_))));
}
