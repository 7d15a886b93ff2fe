//! Versions, groups, certificates, and their reload.

use rcgen::{KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize};
use rustls::{NamedGroup, ProtocolVersion, crypto::aws_lc_rs::kx_group};
use strongroom_http::{ClientCertificates, Error, Floor, ListenerConfig, TlsHandle};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Authority, Client, Files, Requests, Served, openssl, tcp, tls};

async fn group(client: Client, served: &Served) -> NamedGroup {
    let stream = client.connect(served.address).await.unwrap();
    let (_, session) = stream.get_ref();
    assert_eq!(session.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    session.negotiated_key_exchange_group().unwrap().name()
}

#[tokio::test]
async fn a_client_with_every_group_gets_the_hybrid_one() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    let mut client = authority.client();
    client.groups = vec![kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];
    assert_eq!(group(client, &served).await, NamedGroup::X25519MLKEM768);
}

#[tokio::test]
async fn a_client_with_one_group_gets_it_if_it_is_ours() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    for ours in [kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1] {
        let mut client = authority.client();
        client.groups = vec![ours];
        assert_eq!(group(client, &served).await, ours.name());
    }
    let mut client = authority.client();
    client.groups = vec![kx_group::MLKEM1024];
    client.connect(served.address).await.unwrap_err();
    served.until(|counts| counts.handshakes_incompatible == 1).await;
}

#[tokio::test]
async fn older_versions_are_refused_to_openssl_and_1_3_is_not() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    let address = served.address.to_string();
    let handshake = async |version: &'static str| {
        let arguments = ["s_client", "-connect", &address, "-CAfile", "ca.pem", "-cipher", "ALL:@SECLEVEL=0", version];
        openssl(&arguments, authority.directory.path()).await
    };
    let agreed = handshake("-tls1_3").await;
    assert!(agreed.contains("Cipher is TLS_AES_256_GCM_SHA384") && agreed.contains("Verification: OK"), "{agreed}");
    // To what is older than 1.2 rustls says handshake_failure, since it offers no signature algorithms that we know.
    for (version, alert) in [("-tls1_2", "protocol version"), ("-tls1_1", "alert"), ("-tls1", "alert")] {
        let refused = handshake(version).await;
        assert!(refused.contains(alert) && refused.contains("Cipher is (NONE)"), "{version}: {refused}");
    }
    served.until(|counts| counts.handshakes_incompatible == 3).await;
}

#[tokio::test]
async fn http_2_and_http_1_1_are_both_spoken() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    let peer = authority.client().h2().ask(served.address, "/peer").await.unwrap();
    assert!(peer.contains("application_protocol: Some(Http2)"), "{peer}");
    let mut client = authority.client();
    client.protocol = Some(b"http/1.1");
    let peer = client.ask(served.address, "/peer").await.unwrap();
    assert!(peer.contains("application_protocol: Some(Http1)"), "{peer}");
    assert!(peer.contains("group: Some(X25519MLKEM768)") || peer.contains("group: Some(X25519)"), "{peer}");
    assert!(peer.contains("server_name: Some(\"localhost\")"), "{peer}");
}

#[tokio::test]
async fn rsa_and_both_curves_serve() {
    let authority = Authority::new();
    let keys = [
        KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap(),
        KeyPair::generate().unwrap(),
        KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap(),
    ];
    for key in keys {
        let mut config = tcp();
        config.tls = Some(authority.issue("server", 1, &key).profile());
        let served = Served::new(config).await;
        assert_eq!(authority.client().ask(served.address, "/").await.unwrap(), "");
    }
}

#[tokio::test]
async fn an_rsa_key_of_1024_bits_is_refused() {
    let authority = Authority::new();
    let arguments = "req -x509 -newkey rsa:1024 -nodes -subj /CN=weak -keyout weak.key -out weak.pem";
    let printed = openssl(&arguments.split(' ').collect::<Vec<_>>(), authority.directory.path()).await;
    let files = Files { chain: authority.path("weak.pem"), key: authority.path("weak.key") };
    let error = TlsHandle::load(files.profile()).unwrap_err();
    assert!(matches!(&error, Error::WeakRsa { position: 1, bits: 1024, .. }), "{error} {printed}");
    assert!(error.to_string().contains("weak.pem"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_an_authority_is_told_from_a_servers_own() {
    let authority = Authority::new();
    let arguments = "req -x509 -newkey rsa:2048 -nodes -subj /CN=plain -keyout plain.key -out plain.pem";
    let printed = openssl(&arguments.split(' ').collect::<Vec<_>>(), authority.directory.path()).await;
    let files = Files { chain: authority.path("plain.pem"), key: authority.path("plain.key") };
    assert!(TlsHandle::load(files.profile()).unwrap().is_authority(), "{printed}");
    assert!(!TlsHandle::load(authority.issue_p256("one", 1).profile()).unwrap().is_authority());
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused() {
    let authority = Authority::new();
    let (one, other) = (authority.issue_p256("one", 1), authority.issue_p256("other", 2));
    let error = TlsHandle::load(Files { chain: one.chain, key: other.key }.profile()).unwrap_err();
    assert!(matches!(&error, Error::KeyMismatch { .. }), "{error}");
    assert!(error.to_string().contains("other.key") && error.to_string().contains("one.pem"), "{error}");
}

#[tokio::test]
async fn unfit_files_are_refused_by_name() {
    let authority = Authority::new();
    let good = authority.issue_p256("good", 1);
    let refused = |chain: &str, key: &str| {
        let files = Files { chain: authority.path(chain), key: authority.path(key) };
        TlsHandle::load(files.profile()).unwrap_err()
    };
    std::fs::write(authority.path("empty.pem"), "").unwrap();
    std::fs::write(authority.path("torn.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    std::fs::write(authority.path("noise.pem"), "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
        .unwrap();
    authority.issue("edwards", 2, &KeyPair::generate_for(&PKCS_ED25519).unwrap());

    assert!(matches!(refused("absent.pem", "good.key"), Error::Pem { wanted: "certificate", .. }));
    assert!(matches!(refused("empty.pem", "good.key"), Error::Pem { wanted: "certificate", .. }));
    assert!(matches!(refused("torn.pem", "good.key"), Error::Pem { wanted: "certificate", .. }));
    assert!(matches!(refused("noise.pem", "good.key"), Error::MalformedCertificate { position: 1, .. }));
    assert!(matches!(refused("edwards.pem", "edwards.key"), Error::UnsupportedKey { position: 1, .. }));
    assert!(matches!(refused("good.pem", "empty.pem"), Error::Pem { wanted: "private key", .. }));
    let mut profile = good.profile();
    profile.clients = Some(ClientCertificates {
        roots: good.key,
        required: true,
        revocation_lists: Vec::new(),
        subject_names: Vec::new(),
    });
    assert!(matches!(TlsHandle::load(profile).unwrap_err(), Error::Pem { wanted: "certificate", .. }));
}

fn mutual(authority: &Authority, required: bool, revoked: &[u64], until: i32) -> ListenerConfig {
    let mut config = tls(authority);
    let revocation_lists = vec![authority.revoke(revoked, until)];
    let roots = authority.path("ca.pem");
    if let Some(profile) = &mut config.tls {
        profile.clients = Some(ClientCertificates { roots, required, revocation_lists, subject_names: Vec::new() });
    }
    config
}

#[tokio::test]
async fn a_client_certificate_is_handed_to_the_app() {
    let authority = Authority::new();
    let served = Served::new(mutual(&authority, true, &[99], 2100)).await;
    let identity = authority.issue_p256("client", 7);
    let peer = authority.client().with(&identity).ask(served.address, "/peer").await.unwrap();
    assert!(peer.contains(&format!("{:?}", identity.der())), "{peer}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_refused_where_one_is_required() {
    let authority = Authority::new();
    let served = Served::new(mutual(&authority, true, &[], 2100)).await;
    authority.client().ask(served.address, "/").await.unwrap_err();
    served.until(|counts| counts.handshakes_without_certificate == 1).await;

    let lenient = Served::new(mutual(&authority, false, &[], 2100)).await;
    let peer = authority.client().ask(lenient.address, "/peer").await.unwrap();
    assert!(peer.contains("client_certificates: []"), "{peer}");
}

#[tokio::test]
async fn a_client_certificate_of_another_authority_is_refused() {
    let authority = Authority::new();
    let other = Authority::new();
    let stranger = other.issue_p256("stranger", 7);
    for required in [true, false] {
        let served = Served::new(mutual(&authority, required, &[], 2100)).await;
        authority.client().with(&stranger).ask(served.address, "/").await.unwrap_err();
        served.until(|counts| counts.handshakes_certificate_refused == 1).await;
    }
}

#[tokio::test]
async fn a_revoked_client_certificate_is_refused() {
    let authority = Authority::new();
    let served = Served::new(mutual(&authority, true, &[7], 2100)).await;
    let (revoked, good) = (authority.issue_p256("revoked", 7), authority.issue_p256("good", 8));
    authority.client().with(&revoked).ask(served.address, "/").await.unwrap_err();
    served.until(|counts| counts.handshakes_certificate_refused == 1).await;
    authority.client().with(&good).ask(served.address, "/").await.unwrap();
}

#[tokio::test]
async fn an_expired_revocation_list_trusts_nobody() {
    let authority = Authority::new();
    let served = Served::new(mutual(&authority, true, &[], 2021)).await;
    let identity = authority.issue_p256("client", 7);
    authority.client().with(&identity).ask(served.address, "/").await.unwrap_err();
    served.until(|counts| counts.handshakes_certificate_refused == 1).await;
}

#[tokio::test]
async fn a_reload_brings_the_new_certificate_and_keeps_open_connections() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    let client = authority.client();
    let old = client.connect(served.address).await.unwrap();
    let old_certificate = old.get_ref().1.peer_certificates().unwrap()[0].clone();
    let mut requests = Requests::over(old, false).await.unwrap();
    requests.post("/", "before").await.unwrap();

    let new_files = authority.issue_p256("server", 2);
    served.tls.as_ref().unwrap().reload().unwrap();

    assert_eq!(requests.post("/", "after").await.unwrap().1, "after");
    let new = client.connect(served.address).await.unwrap();
    let new_certificate = new.get_ref().1.peer_certificates().unwrap()[0].clone();
    assert_ne!(new_certificate, old_certificate);
    assert_eq!(new_certificate, new_files.der());
}

#[tokio::test]
async fn a_profile_can_be_exchanged_for_another() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    let other = authority.issue_p256("other", 2);
    served.tls.as_ref().unwrap().replace(other.profile()).unwrap();
    let stream = authority.client().connect(served.address).await.unwrap();
    assert_eq!(stream.get_ref().1.peer_certificates().unwrap()[0], other.der());
}

#[tokio::test]
async fn a_reload_that_fails_leaves_the_last_good_configuration() {
    let authority = Authority::new();
    let served = Served::new(tls(&authority)).await;
    let handle = served.tls.clone().unwrap();
    std::fs::write(authority.path("server.key"), "no key").unwrap();
    handle.reload().unwrap_err();
    authority.client().ask(served.address, "/").await.unwrap();
}

#[tokio::test]
async fn a_reload_that_revokes_a_client_ends_its_open_connection_at_once() {
    let authority = Authority::new();
    let mut config = mutual(&authority, true, &[], 2100);
    // Streams of HTTP/2 are refused at once, their connection at the next look at it.
    config.limits.header_time = std::time::Duration::from_secs(3);
    let served = Served::new(config).await;
    let (revoked, good) = (authority.issue_p256("revoked", 7), authority.issue_p256("good", 8));
    let mut connections = Vec::new();
    for (identity, h2) in [(&revoked, false), (&revoked, true), (&good, false), (&good, true)] {
        let mut client = authority.client().with(identity);
        client.protocol = h2.then_some(b"h2");
        let mut requests = Requests::over(client.connect(served.address).await.unwrap(), h2).await.unwrap();
        requests.post("/", "before").await.unwrap();
        connections.push((requests, identity.chain == good.chain));
    }
    authority.revoke(&[7], 2100);
    served.tls.as_ref().unwrap().reload().unwrap();
    for (requests, trusted) in &mut connections {
        assert_eq!(requests.post("/", "after").await.is_ok(), *trusted);
    }
    served.until(|counts| counts.connections_distrusted == 2 && counts.connections_open == 2).await;
}

#[tokio::test]
async fn sessions_are_resumed_only_where_clients_show_no_certificate() {
    use rustls::HandshakeKind;

    let authority = Authority::new();
    let identity = authority.issue_p256("client", 7);
    let open = Served::new(tls(&authority)).await;
    let closed = Served::new(mutual(&authority, true, &[], 2100)).await;
    let kinds = async |client: Client, served: &Served| {
        let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client.config()));
        let mut kinds = Vec::new();
        for reload in [false, false, true] {
            if reload {
                served.tls.as_ref().unwrap().reload().unwrap();
            }
            let stream = tokio::net::TcpStream::connect(served.address).await.unwrap();
            let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
            // The reply brings the tickets along.
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            stream.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        }
        kinds
    };
    // The reload brings new ticket keys.
    assert_eq!(
        kinds(authority.client(), &open).await,
        [HandshakeKind::Full, HandshakeKind::Resumed, HandshakeKind::Full]
    );
    assert_eq!(kinds(authority.client().with(&identity), &closed).await, [HandshakeKind::Full; 3]);
}

#[tokio::test]
async fn where_the_floor_is_1_2_openssl_gets_these_suites_and_no_other() {
    let authority = Authority::new();
    let mut elliptic = tls(&authority);
    if let Some(profile) = &mut elliptic.tls {
        profile.floor = Floor::Tls12;
    }
    let mut rsa = tcp();
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    rsa.tls = Some(authority.issue("rsa", 3, &key).profile());
    if let Some(profile) = &mut rsa.tls {
        profile.floor = Floor::Tls12;
    }
    let (elliptic, rsa) = (Served::new(elliptic).await, Served::new(rsa).await);
    let handshake = async |served: &Served, arguments: &[&str]| {
        let address = served.address.to_string();
        let all = [&["s_client", "-connect", &address, "-CAfile", "ca.pem"], arguments].concat();
        openssl(&all, authority.directory.path()).await
    };
    for (served, arguments, suite) in [
        (&elliptic, ["-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384"], "TLS_AES_256_GCM_SHA384"),
        (&elliptic, ["-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"], "TLS_CHACHA20_POLY1305_SHA256"),
        (&elliptic, ["-tls1_2", "-cipher", "ALL:@SECLEVEL=0"], "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (&rsa, ["-tls1_2", "-cipher", "ALL:@SECLEVEL=0"], "ECDHE-RSA-AES256-GCM-SHA384"),
    ] {
        let agreed = handshake(served, &arguments).await;
        assert!(agreed.contains(&format!("Cipher is {suite}")) && agreed.contains("Verification: OK"), "{agreed}");
    }
    for (served, arguments) in [
        (&elliptic, ["-tls1_3", "-ciphersuites", "TLS_AES_128_GCM_SHA256"]),
        (&elliptic, ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]),
        (&rsa, ["-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305"]),
        (&rsa, ["-tls1_2", "-cipher", "AES256-GCM-SHA384:DHE-RSA-AES256-GCM-SHA384:@SECLEVEL=0"]),
        (&rsa, ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]),
    ] {
        let refused = handshake(served, &arguments).await;
        assert!(refused.contains("Cipher is (NONE)"), "{arguments:?}: {refused}");
    }
}

#[tokio::test]
async fn a_client_certificate_must_have_the_name_and_what_is_refused_is_told_handshake_failure() {
    let authority = Authority::new();
    let other = Authority::new();
    let named = authority.issue_p256("cks.kms.us-east-1.amazonaws.com", 7);
    let alternative = authority.issue_p256("other", 8);
    let stranger = other.issue_p256("cks.kms.us-east-1.amazonaws.com", 9);
    let config = |name: &str| {
        let mut config = tls(&authority);
        if let Some(profile) = &mut config.tls {
            profile.floor = Floor::Tls12;
            let (roots, subject_names) = (authority.path("ca.pem"), vec![name.to_owned()]);
            let revocation_lists = Vec::new();
            profile.clients = Some(ClientCertificates { roots, required: true, revocation_lists, subject_names });
        }
        config
    };
    let by_common_name = Served::new(config("CKS.kms.us-east-1.amazonaws.com")).await;
    authority.client().with(&named).ask(by_common_name.address, "/peer").await.unwrap();
    // Its common name is another; a DNS name of it is this.
    let by_alternative = Served::new(config("localhost")).await;
    authority.client().with(&alternative).ask(by_alternative.address, "/peer").await.unwrap();

    let address = by_common_name.address.to_string();
    for version in ["-tls1_3", "-tls1_2"] {
        for refused in [&alternative, &stranger] {
            let (chain, key) = (refused.chain.to_str().unwrap(), refused.key.to_str().unwrap());
            let arguments =
                ["s_client", "-connect", &address, "-cert", chain, "-key", key, "-CAfile", "ca.pem", version];
            let arguments = [arguments.as_slice(), &["-ign_eof"]].concat();
            let told = openssl(&arguments, authority.directory.path()).await;
            assert!(told.contains("alert handshake failure"), "{version} {chain}: {told}");
        }
    }
    by_common_name.until(|counts| counts.handshakes_certificate_refused == 4).await;
    // A client that sends its request before it is refused reads the alert all the same.
    for _ in 0..10 {
        let stream = authority.client().with(&stranger).connect(by_common_name.address).await;
        let Ok(mut stream) = stream else { continue };
        let _ = stream.write_all(&[b'x'; 60_000]).await;
        let mut answer = Vec::new();
        let error = stream.read_to_end(&mut answer).await.unwrap_err();
        assert!(error.to_string().contains("HandshakeFailure"), "{error}");
    }
}

/// A listener's certificate that holds from the first of January of one year to that of another.
fn dated(authority: &Authority, from: i32, until: i32) -> Result<TlsHandle, Error> {
    let key = KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    (params.not_before, params.not_after) = (rcgen::date_time_ymd(from, 1, 1), rcgen::date_time_ymd(until, 1, 1));
    let own = params.signed_by(&key, &authority.issuer).unwrap();
    std::fs::write(authority.path("dated.pem"), own.pem()).unwrap();
    std::fs::write(authority.path("dated.key"), key.serialize_pem()).unwrap();
    let mut profile = Files { chain: authority.path("dated.pem"), key: authority.path("dated.key") }.profile();
    let handle = TlsHandle::load(profile.clone())?;
    profile.authorities = Some(authority.path("ca.pem"));
    let with_authorities = TlsHandle::load(profile);
    if with_authorities.is_ok() {
        return with_authorities;
    }
    // What is told without authorities, with them is told, too.
    #[expect(clippy::disallowed_methods, reason = "certificates are held against the real clock")]
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let alone = handle.holds_for(i64::try_from(now).unwrap()).unwrap_err();
    assert_eq!(alone.to_string(), with_authorities.as_ref().unwrap_err().to_string());
    with_authorities
}

#[test]
fn a_certificate_that_holds_no_more_or_not_yet_is_told_by_its_date_with_authorities_and_without() {
    let authority = Authority::new();
    let expired = dated(&authority, 2020, 2021).unwrap_err();
    assert!(matches!(expired, Error::Expired { position: 1, .. }), "{expired:?}");
    let told = expired.to_string();
    assert!(told.contains("expired on Jan  1 00:00:00 2021") && !told.contains("intermediate"), "{told}");
    let early = dated(&authority, 3000, 3001).unwrap_err();
    assert!(matches!(early, Error::NotYetValid { position: 1, .. }), "{early:?}");
    let good = dated(&authority, 2020, 3000).unwrap();
    // The first of December 2999.
    assert_eq!(good.holds_for(32_501_001_600).unwrap(), 31 * 24 * 60 * 60);
}

#[tokio::test]
async fn a_chain_with_a_gap_is_refused_at_the_start() {
    let (authority, other) = (Authority::new(), Authority::new());
    let good = authority.issue_p256("good", 1);
    let own = std::fs::read_to_string(&good.chain).unwrap();
    let ca = std::fs::read_to_string(authority.path("ca.pem")).unwrap();
    std::fs::write(authority.path("whole.pem"), own.clone() + &ca).unwrap();
    let sibling = std::fs::read_to_string(&authority.issue_p256("sibling", 2).chain).unwrap();
    std::fs::write(authority.path("disordered.pem"), own + &sibling).unwrap();
    let load = |chain: &str, authorities: Option<&Authority>| {
        let mut profile = Files { chain: authority.path(chain), key: good.key.clone() }.profile();
        profile.authorities = authorities.map(|authorities| authorities.path("ca.pem"));
        TlsHandle::load(profile)
    };
    load("whole.pem", Some(&authority)).unwrap();
    load("good.pem", Some(&authority)).unwrap();
    assert!(matches!(load("disordered.pem", None).unwrap_err(), Error::ChainOrder { position: 1, .. }));
    assert!(matches!(load("good.pem", Some(&other)).unwrap_err(), Error::ChainIncomplete { .. }));
}
