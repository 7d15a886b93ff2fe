//! The golden rows: one of each kind as version 1 wrote it. They decode for ever, and to the same.

use std::fmt::Debug;
use std::path::PathBuf;

use strongroom_audit::port::Position;
use strongroom_model::action::Action;
use strongroom_model::id::{CredentialId, GrantId, InstallationId, PrincipalId, RecordId};

use super::*;

fn place(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../../vectors/rows", &format!("{name}.bin")].iter().collect()
}

/// Calls `visit` with each kind of row: its file, and the row that is in it.
macro_rules! golden {
    ($visit:ident) => {
        $visit("installation", &installation());
        $visit("clock", &ClockRow { latest: Timestamp(1_800_000_000_000), jumped: true });
        $visit("head", &HeadRow { size: 300, chain: [1; 32], root: [2; 32] });
        $visit("position", &PositionRow { position: Position(70_000) });
        $visit("planned-root", &PlannedRootRow { location: "token \"a\" of module.so".to_owned() });
        $visit("root", &root());
        $visit("tenant", &tenant());
        $visit("domain-key", &domain_key());
        $visit("principal", &principal());
        $visit("principal-role", &role());
        $visit("principal-role-meant", &role_meant());
        $visit("principal-service", &service());
        $visit("principal-service-kind", &service_of_kind());
        $visit("credential", &credential());
        $visit("identity-policy", &IdentityPolicyRow { name: "p".to_owned(), document: "{}".to_owned() });
        $visit("key", &key());
        $visit("key-meant", &KeyRow { meant: meant(), ..key() });
        $visit("key-scheduled", &scheduled());
        $visit("key-resident", &resident());
        $visit(
            "key-version-resident",
            &VersionRow { wrapped: Vec::new(), object: Some(ObjectId::from_bytes([20; 16])), ..version() },
        );
        $visit("key-linked", &KeyRow { link: Some("link-1".to_owned()), ..resident() });
        $visit("key-doubled", &doubled());
        $visit("store-links", &store_links());
        $visit("store-links-external", &external_links());
        $visit("store-links-owner", &owned_links());
        $visit("store-links-connecting", &connecting_links());
        $visit("connecting-link", &connecting());
        $visit("loose-object", &LooseObjectRow { store: store(), since: Some(Timestamp(21)) });
        $visit("use-counter", &UseCounterRow { reserved: 65_536 });
        $visit("key-multi-region", &KeyRow { multi_region: Some(MultiRegion::Replica), ..key() });
        $visit("key-version", &version());
        $visit("key-version-imported", &imported());
        $visit("binding", &binding());
        $visit("binding-serves", &BindingRow { serves: Some(Serves::Applying), ..binding() });
        $visit("grant", &grant());
        $visit("grant-meant", &GrantRow { meant: meant(), ..grant() });
        $visit("token-issuer", &token_issuer());
        $visit("outbox", &OutboxRow { record: vec![0xa1, 0, 1], origin: "kms.example/node".to_owned() });
        $visit("key-usage", &key_usage());
        $visit("usage", &usage());
        $visit("credential-usage", &CredentialUsageRow { last: Timestamp(17) });
    };
}

fn installation() -> InstallationRow {
    InstallationRow {
        id: InstallationId::from_bytes([1; 16]),
        created: Timestamp(1),
        backup_public: vec![3; 32],
        shares: (2, 3),
    }
}

fn root() -> RootRow {
    RootRow {
        id: RootId::from_bytes([2; 16]),
        kind: "software".to_owned(),
        location: "root".to_owned(),
        added: Timestamp(2),
        checkpoint_algorithm: 0,
        checkpoint_public: vec![4; 32],
        replaces: Some(RootId::from_bytes([3; 16])),
        introduced: true,
    }
}

pub(crate) fn tenant() -> TenantRow {
    TenantRow {
        id: TenantId::from_bytes([4; 16]),
        account: "111122223333".to_owned(),
        name: "first".to_owned(),
        suspended: false,
        created: Timestamp(3),
        domain_key: DomainKeyId::from_bytes([5; 16]),
        root_name: "root-name".to_owned(),
    }
}

fn domain_key() -> DomainKeyRow {
    DomainKeyRow {
        id: DomainKeyId::from_bytes([5; 16]),
        tenant: TenantId::from_bytes([4; 16]),
        created: Timestamp(4),
        wraps: vec![RootWrap { root: RootId::from_bytes([2; 16]), wrapped: vec![6; 60] }],
        escrow: vec![7; 10],
    }
}

fn principal() -> PrincipalRow {
    PrincipalRow {
        id: PrincipalId::from_bytes([6; 16]),
        tenant: TenantId::from_bytes([4; 16]),
        name: "anna".to_owned(),
        policy_name: "user/anna".to_owned(),
        created: Timestamp(5),
        suspended: true,
        unique_id: "AIDA".to_owned(),
        role: None,
        service: None,
    }
}

fn service() -> PrincipalRow {
    let service = ServiceRow {
        prefix: "cloud/one".to_owned(),
        home: "eu-test-1".to_owned(),
        regions: vec!["us-test-1".to_owned()],
        policies_tried_out: true,
        opens_digested_data: false,
        test_key: KeyId::from_bytes([18; 16]),
        kind: None,
    };
    PrincipalRow { service: Some(service), ..principal() }
}

fn service_of_kind() -> PrincipalRow {
    let service = service().service.map(|service| ServiceRow { kind: Some(NameKind(4)), ..service });
    PrincipalRow { service, ..principal() }
}

fn role() -> PrincipalRow {
    let role = RoleRow::new("{}".to_owned(), 3600);
    PrincipalRow { role: Some(role), ..principal() }
}

fn token_issuer() -> TokenIssuerRow {
    TokenIssuerRow {
        issuer: "https://issuer.example".to_owned(),
        audiences: vec!["sts.example".to_owned()],
        keys: Some("{}".to_owned()),
        authorities: None,
        created: Timestamp(18),
    }
}

fn credential() -> CredentialRow {
    CredentialRow {
        id: CredentialId::from_bytes([7; 16]),
        tenant: TenantId::from_bytes([4; 16]),
        principal: Some(PrincipalId::from_bytes([6; 16])),
        shown: "AKIA".to_owned(),
        sealed: vec![8; 20],
        created: Timestamp(6),
        expires: None,
        suspended: false,
    }
}

pub(crate) fn key() -> KeyRow {
    KeyRow {
        id: KeyId::from_bytes([8; 16]),
        tenant: TenantId::from_bytes([4; 16]),
        lineage: LineageId::from_bytes([9; 16]),
        spec: KeySpec::Aes256,
        profile: 1,
        exportable: false,
        origin: Origin::Generated,
        state: KeyState::Active,
        created: Timestamp(7),
        description: "for wages".to_owned(),
        policy: "{}".to_owned(),
        tags: vec![("a".to_owned(), "b".to_owned())],
        rotation: Some(RotationRow { period_days: 90, next: Timestamp(8) }),
        current: 2,
        on_demand_rotations: 1,
        region: "eu-test-1".to_owned(),
        accepted_formats: 2,
        multi_region: None,
        store: None,
        link: None,
        external: None,
        meant: None,
    }
}

fn meant() -> Option<Meant> {
    let pair = |name: &str, id: &str| (name.to_owned(), id.to_owned());
    Meant::new(vec![pair("user/berta", ""), pair("user/anna", "AIDA")])
}

fn role_meant() -> PrincipalRow {
    let role = role().role.map(|role| RoleRow { meant: meant(), ..role });
    PrincipalRow { role, ..principal() }
}

fn store() -> KeyStoreName {
    KeyStoreName::new("hsm").unwrap()
}

fn resident() -> KeyRow {
    KeyRow { origin: Origin::Resident, store: Some(store()), accepted_formats: 4, ..key() }
}

fn store_links() -> StoreLinksRow {
    let link = StoreLinkRow {
        id: "link-1".to_owned(),
        name: "payroll".to_owned(),
        store: Some(store()),
        state: LinkState::Failed,
        failure: Some(LinkFailure::Unreachable),
        created: Timestamp(22),
        certificate: "certificate".to_owned(),
        external: None,
    };
    let connected =
        StoreLinkRow { id: "link-2".to_owned(), state: LinkState::Connected, failure: None, ..link.clone() };
    StoreLinksRow { links: vec![link, connected] }
}

fn owned_links() -> StoreLinksRow {
    let mut links = external_links();
    let external = links.links.iter_mut().filter_map(|link| link.external.as_mut());
    external.for_each(|external| external.service_owner = Some("444455556666".to_owned()));
    links
}

fn connecting_links() -> StoreLinksRow {
    let mut links = store_links();
    links.links.iter_mut().for_each(|link| (link.state, link.failure) = (LinkState::Connecting, None));
    links
}

fn connecting() -> ConnectingRow {
    ConnectingRow {
        tenant: TenantId::from_bytes([4; 16]),
        region: "region-1".to_owned(),
        link: "link-1".to_owned(),
        attempt: [26; 16],
        since: Timestamp(27),
        node: "kms.example/node".to_owned(),
        operation: "ConnectCustomKeyStore".to_owned(),
        request: "request-1".to_owned(),
        store: Some(store()),
    }
}

fn doubled() -> KeyRow {
    let (link, external) = (Some("link-3".to_owned()), Some("external-1".to_owned()));
    KeyRow { origin: Origin::Doubled, link, external, accepted_formats: 8, ..key() }
}

fn external_links() -> StoreLinksRow {
    let external = ExternalLinkRow {
        endpoint: "https://xks.example".to_owned(),
        path: "/payroll/kms/xks/v1".to_owned(),
        service: Some("service-1".to_owned()),
        credential: CredentialId::from_bytes([23; 16]),
        shown: "CREDENTIAL".to_owned(),
        sealed: vec![24; 40],
        service_owner: None,
    };
    let link = StoreLinkRow {
        id: "link-3".to_owned(),
        name: "outside".to_owned(),
        store: None,
        state: LinkState::Failed,
        failure: Some(LinkFailure::Tls),
        created: Timestamp(25),
        certificate: String::new(),
        external: Some(external),
    };
    StoreLinksRow { links: vec![link] }
}

fn scheduled() -> KeyRow {
    KeyRow { state: KeyState::DestructionScheduled { at: Timestamp(9) }, rotation: None, tags: Vec::new(), ..key() }
}

pub(crate) fn version() -> VersionRow {
    VersionRow {
        key: KeyId::from_bytes([8; 16]),
        ordinal: 2,
        material: MaterialId::from_bytes([10; 16]),
        published: [11; 32],
        state: VersionState::Active,
        created: Timestamp(10),
        wrapped: vec![12; 40],
        public: Vec::new(),
        cause: RotationCause::OnDemand,
        imported: None,
        object: None,
    }
}

fn imported() -> VersionRow {
    let imported = ImportRow {
        digest: vec![13; 50],
        expires: Some(Timestamp(19)),
        description: "from the vault".to_owned(),
        rotated: None,
    };
    VersionRow { cause: RotationCause::Creation, imported: Some(imported), ..version() }
}

fn binding() -> BindingRow {
    BindingRow {
        key: KeyId::from_bytes([8; 16]),
        kind: NameKind(2),
        region: "eu-test-1".to_owned(),
        text: "payroll".to_owned(),
        created: Timestamp(11),
        updated: Timestamp(12),
        serves: None,
    }
}

fn grant() -> GrantRow {
    GrantRow {
        id: GrantId::from_bytes([13; 16]),
        key: KeyId::from_bytes([8; 16]),
        grantee: "user/anna".to_owned(),
        retiring: None,
        actions: vec![10, 11],
        context_equals: Some(vec![("app".to_owned(), "payroll".to_owned())]),
        context_subset: None,
        name: Some("backup".to_owned()),
        created: Timestamp(13),
        issuer: "root-name".to_owned(),
        source_resource: None,
        meant: None,
    }
}

fn key_usage() -> KeyUsageRow {
    KeyUsageRow {
        count: 1000,
        last: Timestamp(14),
        action: Action::Decrypt,
        material: MaterialId::from_bytes([10; 16]),
        ordinal: 2,
        rows: 3,
        record: RecordId::from_bytes([17; 16]),
        request_id: "request".to_owned(),
    }
}

fn usage() -> UsageRow {
    UsageRow {
        material: MaterialId::from_bytes([10; 16]),
        ordinal: 2,
        action: Action::Decrypt,
        algorithm: "derived-aes-256-gcm".to_owned(),
        caller: Some("user/anna".to_owned()),
        count: 500,
        first: Timestamp(15),
        last: Timestamp(16),
    }
}

fn holds<T: Encode<()> + for<'b> Decode<'b, ()>>(name: &str, row: &T) {
    let golden = std::fs::read(place(name)).unwrap();
    assert_eq!(golden, encode(row), "{name}: written otherwise than version 1 did");
    let read: T = decode("golden", &golden).unwrap();
    assert_eq!(encode(&read), golden, "{name}: read otherwise than it was written");
}

#[test]
fn the_golden_rows_of_version_1_are_read_and_written_as_they_were() {
    golden!(holds);
}

#[test]
#[ignore = "writes golden files that are not there yet"]
fn make_the_golden_rows() {
    fn make<T: Encode<()>>(name: &str, row: &T) {
        if !place(name).exists() {
            std::fs::write(place(name), encode(row)).unwrap();
        }
    }
    golden!(make);
}

#[test]
fn a_row_with_a_field_of_a_newer_program_is_read() {
    let mut newer = vec![VERSION];
    minicbor::Encoder::new(&mut newer)
        .map(2)
        .unwrap()
        .u8(0)
        .unwrap()
        .u64(7)
        .unwrap()
        .u8(9)
        .unwrap()
        .str("new")
        .unwrap();
    let read: PositionRow = decode("positions", &newer).unwrap();
    assert_eq!(read.position, Position(7));
}

#[test]
fn a_row_of_a_newer_version_and_an_empty_one_are_refused() {
    fn refused<T: Debug>(read: &Result<T, EngineError>) {
        assert!(matches!(read, Err(EngineError::Internal(InternalFault::Row { .. }))), "{read:?}");
    }
    refused(&decode::<PositionRow>("positions", &[2, 0xa0]));
    refused(&decode::<PositionRow>("positions", &[]));
    refused(&decode::<PositionRow>("positions", &[VERSION, 0xff]));
}
