//! One test for each refusal.

use strongroom_sigv4::{Expectation, ParsedAuthorization, Part, Request, ScopeField, SigV4Error, SigningTime, limits};

use crate::sent::{ACCESS_KEY_ID, NOON, REGION, SERVICE, Sent, expectation, presigned_expectation};

fn presigned(parameters: &str) -> Sent {
    Sent { query: parameters.to_owned(), ..Sent::unsigned() }.without("x-amz-target")
}

const PARAMETERS: &str = "X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=AKIDEXAMPLE%2F20150830%2Fus-east-1%2Fservice%2Faws4_request\
    &X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=content-type%3Bhost\
    &X-Amz-Signature=0000000000000000000000000000000000000000000000000000000000000000";

fn malformed(part: Part) -> Result<[u8; 32], SigV4Error> {
    Err(SigV4Error::Malformed { part })
}

#[test]
fn a_signed_request_is_accepted_and_hands_out_the_hash_of_its_body() {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &Sent::signed().body);
    assert_eq!(Sent::signed().verify().unwrap(), hash.as_ref());
}

#[test]
fn no_signature_is_missing_authorization() {
    assert_eq!(Sent::unsigned().verify(), Err(SigV4Error::MissingAuthorization));
}

#[test]
fn two_signatures_are_refused() {
    let twice = Sent::signed().with("authorization", "AWS4-HMAC-SHA256");
    assert_eq!(twice.verify(), Err(SigV4Error::SeveralAuthorizations));
    let both = Sent { query: PARAMETERS.to_owned(), ..Sent::signed() };
    assert_eq!(both.verify(), Err(SigV4Error::SeveralAuthorizations));
}

#[test]
fn other_algorithms_are_refused_by_name() {
    for (header, name) in [
        ("Bearer c2VjcmV0", "Bearer"),
        ("AWS4-ECDSA-P256-SHA256 Credential=a", "AWS4-ECDSA-P256-SHA256"),
        ("aws4-hmac-sha256 Credential=a", "aws4-hmac-sha256"),
        ("", ""),
    ] {
        let sent = Sent::unsigned().with("Authorization", header);
        assert_eq!(sent.verify(), Err(SigV4Error::UnsupportedAlgorithm { algorithm: name.to_owned() }));
    }
    let long = Sent::unsigned().with("Authorization", &"x".repeat(5000));
    let Err(SigV4Error::UnsupportedAlgorithm { algorithm }) = long.verify() else { panic!() };
    assert_eq!(algorithm.len(), limits::MAX_QUOTED);
}

#[test]
fn a_missing_part_is_named() {
    for (part, text) in
        [(Part::Credential, "Credential="), (Part::SignedHeaders, "SignedHeaders="), (Part::Signature, "Signature=")]
    {
        let signed = Sent::signed();
        let kept = signed.header("authorization").split_once(' ').unwrap().1.to_owned();
        let kept: Vec<_> = kept.split(", ").filter(|field| !field.starts_with(text)).collect();
        let sent =
            signed.without("authorization").with("Authorization", &format!("AWS4-HMAC-SHA256 {}", kept.join(", ")));
        assert_eq!(sent.verify(), Err(SigV4Error::Missing { part }));
    }
    assert_eq!(Sent::signed().without("x-amz-date").verify(), Err(SigV4Error::Missing { part: Part::Date }));
}

#[test]
fn a_missing_presigning_parameter_is_named() {
    for (part, name) in [
        (Part::Authorization, "X-Amz-Algorithm"),
        (Part::Credential, "X-Amz-Credential"),
        (Part::Date, "X-Amz-Date"),
        (Part::Expires, "X-Amz-Expires"),
        (Part::SignedHeaders, "X-Amz-SignedHeaders"),
        (Part::Signature, "X-Amz-Signature"),
    ] {
        let kept: Vec<_> = PARAMETERS.split('&').filter(|pair| !pair.starts_with(&format!("{name}="))).collect();
        let sent = presigned(&kept.join("&"));
        assert_eq!(sent.verify_with(&presigned_expectation(), NOON), Err(SigV4Error::Missing { part }));
    }
}

#[test]
fn a_malformed_or_repeated_field_is_named() {
    for (from, to, part) in [
        ("Credential=AKIDEXAMPLE/", "Credential=", Part::Credential),
        ("Credential=AKIDEXAMPLE/", "Credential=/", Part::Credential),
        ("Credential=AKIDEXAMPLE/", "Credential=AKID/EXAMPLE/", Part::Credential),
        ("Credential=AKIDEXAMPLE/", "Credential=AKID EXAMPLE/", Part::Credential),
        ("/20150830/", "/2015-8-30/", Part::Credential),
        ("/us-east-1/", "//", Part::Credential),
        ("Signature=", "Signature=0", Part::Signature),
        ("Signature=", "Signature=X", Part::Signature),
        ("Signature=", "Signature=00, Signature=", Part::Signature),
        ("SignedHeaders=", "SignedHeaders=;", Part::SignedHeaders),
        ("content-type;host", "Content-Type;host", Part::SignedHeaders),
        ("content-type;host", "host;content-type", Part::SignedHeaders),
        ("content-type;host", "content-type;host;host", Part::SignedHeaders),
        ("content-type;host", "content-type;;host", Part::SignedHeaders),
        ("content-type;host", "content type;host", Part::SignedHeaders),
        ("Signature=", "Extra=1, Signature=", Part::Authorization),
        ("Signature=", "Signature", Part::Authorization),
    ] {
        assert_eq!(Sent::signed().edit("authorization", from, to).verify(), malformed(part), "{to}");
    }
    let long = format!("Credential={}", "A".repeat(limits::MAX_ACCESS_KEY_ID));
    assert_eq!(Sent::signed().edit("authorization", "Credential=", &long).verify(), malformed(Part::Credential));
    assert_eq!(Sent::signed().with("x-amz-date", "20150830T123600Z").verify(), malformed(Part::Date));
}

#[test]
fn other_date_formats_are_refused() {
    for date in ["2015-08-30T12:36:00Z", "Sun, 30 Aug 2015 12:36:00 GMT", "20150830T1236Z", "1440938160", ""] {
        let sent = Sent::signed().without("x-amz-date").with("X-Amz-Date", date);
        assert_eq!(sent.verify(), malformed(Part::Date), "{date}");
    }
}

#[test]
fn the_date_header_stands_in_for_x_amz_date_but_must_then_be_signed() {
    let sent = Sent::signed().without("x-amz-date").with("Date", "20150830T123600Z");
    assert_eq!(sent.verify(), Err(SigV4Error::HeaderNotSigned { name: "date".to_owned() }));
    let claimed = sent.edit("authorization", "x-amz-date", "date");
    let sorted = claimed.edit("authorization", "content-type;host;date;", "content-type;date;host;");
    assert_eq!(sorted.verify(), Err(SigV4Error::SignatureMismatch));
}

#[test]
fn a_malformed_session_token_is_refused() {
    for token in ["", "a b", "\u{e9}"] {
        let sent = Sent::signed().with("X-Amz-Security-Token", token);
        assert_eq!(sent.verify(), malformed(Part::SecurityToken));
    }
    let long = Sent::signed().with("X-Amz-Security-Token", &"a".repeat(limits::MAX_SESSION_TOKEN + 1));
    assert_eq!(long.verify(), malformed(Part::SecurityToken));
}

#[test]
fn a_path_that_is_not_absolute_is_refused() {
    assert_eq!(Sent { path: "*".to_owned(), ..Sent::signed() }.verify(), malformed(Part::Path));
}

#[test]
fn a_broken_escape_in_the_query_is_refused() {
    assert_eq!(Sent { query: "a=%g0".to_owned(), ..Sent::signed() }.verify(), malformed(Part::Query));
}

#[test]
fn more_parameters_or_signed_headers_than_the_limit_are_refused() {
    let query = "a&".repeat(limits::MAX_QUERY_PARAMETERS + 1);
    let limit = limits::MAX_QUERY_PARAMETERS;
    assert_eq!(Sent { query, ..Sent::signed() }.verify(), Err(SigV4Error::TooMany { part: Part::Query, limit }));

    let limit = limits::MAX_SIGNED_HEADERS;
    let too_many = Err(SigV4Error::TooMany { part: Part::SignedHeaders, limit });
    let names: String = (0..=limit).map(|number| format!(";x-b{number:03}")).collect();
    assert_eq!(Sent::signed().edit("authorization", ";x-amz-target", &names).verify(), too_many);
    let repeated = (0..limit).fold(Sent::signed(), |sent, _| sent.with("content-type", "a"));
    assert_eq!(repeated.verify(), too_many);
}

#[test]
fn a_scope_for_something_else_is_refused_and_says_what_was_expected() {
    let mismatch = |field, expected: Option<&str>, actual: &str| {
        Err(SigV4Error::ScopeMismatch { field, expected: expected.map(str::to_owned), actual: actual.to_owned() })
    };
    let edited = |from, to| Sent::signed().edit("authorization", from, to).verify();
    assert_eq!(edited("/service/", "/kms/"), mismatch(ScopeField::Service, Some(SERVICE), "kms"));
    assert_eq!(edited(REGION, "us-east-2"), mismatch(ScopeField::Region, None, "us-east-2"));
    assert_eq!(edited("/20150830/", "/20150829/"), mismatch(ScopeField::Date, Some("20150830"), "20150829"));
    assert_eq!(edited("aws4_request", "aws4"), mismatch(ScopeField::Terminator, Some("aws4_request"), "aws4"));
}

#[test]
fn five_minutes_of_skew_are_allowed_either_way_and_no_more() {
    let (sent, strict) = (Sent::signed(), expectation());
    for now in [NOON - 300, NOON + 300] {
        assert!(sent.verify_with(&strict, now).is_ok());
    }
    let signed_at = SigningTime::from_unix_seconds(NOON);
    let late = sent.verify_with(&strict, NOON + 301);
    assert_eq!(late, Err(SigV4Error::Expired { signed_at, now: signed_at.offset(301), allowed_seconds: 300 }));
    let early = sent.verify_with(&strict, NOON - 301);
    assert_eq!(early, Err(SigV4Error::NotYetValid { signed_at, now: signed_at.offset(-301), allowed_seconds: 300 }));
}

#[test]
fn presigned_requests_are_refused_unless_allowed_and_their_life_is_bounded() {
    let sent = presigned(PARAMETERS);
    assert_eq!(sent.verify(), Err(SigV4Error::PresignedRefused));
    let allowed = presigned_expectation();
    assert_eq!(sent.verify_with(&allowed, NOON + 60), Err(SigV4Error::SignatureMismatch));
    let (signed_at, now) = (SigningTime::from_unix_seconds(NOON), SigningTime::from_unix_seconds(NOON + 61));
    let late = sent.verify_with(&allowed, NOON + 61);
    assert_eq!(late, Err(SigV4Error::Expired { signed_at, now, allowed_seconds: 60 }));

    let long = presigned(&PARAMETERS.replace("Expires=60", "Expires=3601"));
    let refused = SigV4Error::ExpiresTooLong { seconds: 3601, limit: 3600 };
    assert_eq!(long.verify_with(&allowed, NOON), Err(refused));
    for expires in ["0", "-1", "+5", "", "x", "99999999999"] {
        let sent = presigned(&PARAMETERS.replace("Expires=60", &format!("Expires={}", expires.replace('+', "%2B"))));
        assert_eq!(sent.verify_with(&allowed, NOON), malformed(Part::Expires), "{expires}");
    }
    let twice = presigned(&format!("{PARAMETERS}&X-Amz-Expires=60"));
    assert_eq!(twice.verify_with(&allowed, NOON), malformed(Part::Expires));
}

#[test]
fn host_must_be_signed() {
    let sent = Sent::signed().edit("authorization", "content-type;host;", "content-type;");
    assert_eq!(sent.verify(), Err(SigV4Error::HeaderNotSigned { name: "host".to_owned() }));
}

#[test]
fn every_amz_header_must_be_signed() {
    for name in ["X-Amz-Target", "x-amz-anything"] {
        let sent = Sent::signed().edit("authorization", ";x-amz-target", "").with(name, "1");
        let refused = sent.verify();
        assert!(matches!(refused, Err(SigV4Error::HeaderNotSigned { name }) if name.starts_with("x-amz-")));
    }
    assert!(Sent::signed().with("X-Amzn-Trace-Id", "added on the way").verify().is_ok());
}

#[test]
fn a_header_that_the_receiver_requires_must_be_signed() {
    let expectation = Expectation { required_headers: &["content-length"], ..expectation() };
    let refused = Sent::signed().verify_with(&expectation, NOON);
    assert_eq!(refused, Err(SigV4Error::HeaderNotSigned { name: "content-length".to_owned() }));
}

#[test]
fn a_signed_header_that_is_absent_is_named() {
    let refused = Sent::signed().without("content-type").verify();
    assert_eq!(refused, Err(SigV4Error::SignedHeaderAbsent { name: "content-type".to_owned() }));
}

#[test]
fn a_host_header_must_be_the_authority_and_occur_once() {
    let signed = Sent::signed();
    let authority = signed.authority.clone();
    assert!(signed.clone().with("Host", &authority).verify().is_ok());
    let other = signed.clone().with("Host", "elsewhere.example");
    assert_eq!(other.verify(), Err(SigV4Error::AuthorityConflict));
    let twice = signed.with("Host", &authority).with("host", &authority);
    assert_eq!(twice.verify(), Err(SigV4Error::AuthorityConflict));
}

const EMPTY_BODY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_payload_hash_that_is_given_must_be_that_of_the_body() {
    let sent = Sent { body: Vec::new(), ..Sent::unsigned() }.with("X-Amz-Content-SHA256", EMPTY_BODY).sign(None);
    assert!(sent.verify().is_ok());
    assert_eq!(Sent { body: b"x".to_vec(), ..sent.clone() }.verify(), Err(SigV4Error::PayloadHashMismatch));
    assert_eq!(sent.with("X-Amz-Content-SHA256", EMPTY_BODY).verify(), malformed(Part::ContentSha256));
    for other in ["STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "00", ""] {
        let sent = Sent::unsigned().with("X-Amz-Content-SHA256", other).sign(None);
        assert_eq!(sent.verify(), malformed(Part::ContentSha256));
    }
}

#[test]
fn an_unsigned_payload_is_refused_unless_allowed() {
    let sent = Sent::unsigned().with("X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD").sign(None);
    assert_eq!(sent.verify(), Err(SigV4Error::UnsignedPayload));
}

#[test]
fn another_secret_does_not_match() {
    let sent = Sent::signed();
    let request = sent.request();
    let parsed = ParsedAuthorization::parse(&request).unwrap();
    let secret = strongroom_secret::SecretBytes::copy_from(b"another");
    let key = strongroom_sigv4::SigningKey::derive(&secret, &parsed.scope());
    let now = SigningTime::from_unix_seconds(NOON);
    let refused = parsed.verify(&key, &request, &sent.body, &expectation(), now).err();
    assert_eq!(refused, Some(SigV4Error::SignatureMismatch));
}

#[test]
fn nothing_that_is_printed_holds_a_signature_or_a_token() {
    let sent = Sent::unsigned().sign(Some("TheSessionToken"));
    let signature = sent.header("authorization").rsplit_once('=').unwrap().1.to_owned();
    let request = sent.request();
    let parsed = ParsedAuthorization::parse(&request).unwrap();
    let checked = parsed.check(&request, &expectation(), SigningTime::from_unix_seconds(NOON)).unwrap();
    assert_eq!(checked.session_token(), Some("TheSessionToken"));
    let tampered = Sent { body: b"x".to_vec(), ..sent.clone() };
    for text in [format!("{parsed:?}"), format!("{:?}", tampered.verify()), tampered.verify().unwrap_err().to_string()]
    {
        assert!(!text.contains(&signature) && !text.contains("TheSessionToken"), "{text}");
    }
}

#[test]
fn a_request_that_is_signed_already_is_not_signed_again() {
    let secret_access_key = &strongroom_secret::SecretBytes::copy_from(b"secret");
    let credentials = strongroom_sigv4::Credentials { access_key_id: "AKID", secret_access_key, session_token: None };
    let now = SigningTime::from_unix_seconds(NOON);
    let refusal = |sent: &Sent, credentials, service: &str| {
        let request: Request<'_, _> = sent.request();
        strongroom_sigv4::sign(&request, &sent.body, credentials, REGION, service, now).err()
    };
    assert_eq!(refusal(&Sent::signed(), &credentials, SERVICE), Some(SigV4Error::SeveralAuthorizations));
    let bad_name = Some(SigV4Error::Malformed { part: Part::Credential });
    assert_eq!(refusal(&Sent::unsigned(), &credentials, "a/b"), bad_name);
    let access_key_id = "a b";
    assert_eq!(
        refusal(&Sent::unsigned(), &strongroom_sigv4::Credentials { access_key_id, ..credentials }, SERVICE),
        bad_name
    );
}

/// Signed by another program: in HTTP/2 the authority has a name of its own, alone or beside that of HTTP/1.1.
#[test]
fn the_authority_may_be_signed_by_its_name_in_http_2_and_is_bound_by_it() {
    let signed = |names: &str, signature: &str| {
        let scope = format!("{ACCESS_KEY_ID}/20150830/{REGION}/{SERVICE}/aws4_request");
        let authorization =
            format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}, Signature={signature}");
        Sent::unsigned().with("x-amz-date", "20150830T123600Z").with("authorization", &authorization)
    };
    let alone = "aaa6298f1a00eb3f0dde450459e327b321686c16385360945fadc43cadef181d";
    let both = "c45fc400aead236cfec3a5574c1a12da355f14d6e42edbe0df589a6c5bf45f44";
    let (of_alone, of_both) =
        (":authority;content-type;x-amz-date;x-amz-target", ":authority;content-type;host;x-amz-date;x-amz-target");
    for (names, signature) in [(of_alone, alone), (of_both, both)] {
        let sent = signed(names, signature);
        assert!(sent.verify().is_ok(), "{names}: {:?}", sent.verify());
        let elsewhere = Sent { authority: "kms.us-west-2.amazonaws.com".to_owned(), ..sent };
        assert_eq!(elsewhere.verify(), Err(SigV4Error::SignatureMismatch), "{names}");
    }
    // No other pseudo-header, nor a colon anywhere else.
    let malformed = Err(SigV4Error::Malformed { part: Part::SignedHeaders });
    for names in [":path;host;x-amz-date", "content-type;:authority;x-amz-date", ":authority:;x-amz-date"] {
        assert_eq!(signed(names, alone).verify(), malformed, "{names}");
    }
}
