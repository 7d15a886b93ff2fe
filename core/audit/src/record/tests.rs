use std::net::SocketAddr;

use proptest::prelude::*;
use strongroom_model::purpose::Purpose;

use super::*;
use crate::limits;
use strongroom_model::action::Action;

pub(crate) fn sample() -> Record<'static> {
    Record {
        duration_micros: 184,
        tenant: Some(TenantId::from_bytes([2; 16])),
        account: "111122223333".into(),
        policy_name: "arn:aws:iam::111122223333:user/ada".into(),
        principal: Principal::User {
            id: PrincipalId::from_bytes([3; 16]),
            unique_id: "AIDAEXAMPLE".into(),
            name: "ada".into(),
        },
        credential: Credential { id: Some(CredentialId::from_bytes([4; 16])), shown: "AKIDEXAMPLE".into() },
        source: Source {
            address: Some("192.0.2.7:4431".parse::<SocketAddr>().unwrap()),
            listener: "public".into(),
            tls: "TLSv1.3 TLS_AES_256_GCM_SHA384".into(),
            user_agent: "aws-cli/2.15".into(),
        },
        request: Request {
            id: "7a5f".into(),
            front_end: "aws-kms".into(),
            event_source: "kms.amazonaws.com".into(),
            operation: "Encrypt".into(),
            region: "us-east-1".into(),
        },
        demands: List::Owned(vec![Demand {
            action: Action::Encrypt,
            resource: "arn:aws:kms:us-east-1:111122223333:key/05".into(),
            key: Some(KeyId::from_bytes([5; 16])),
            material: Some(MaterialId::from_bytes([6; 16])),
            ordinal: Some(1),
            purpose: Some(Purpose::ApplyProtection),
        }]),
        decision: Some(Decision {
            allowed: true,
            statements: List::Owned(vec!["key policy: Enable IAM User Permissions".into()]),
            missing: Text::default(),
        }),
        algorithm: "SYMMETRIC_DEFAULT".into(),
        details: List::Owned(vec![Detail {
            group: "encryptionContext".into(),
            name: "project".into(),
            value: "apollo".into(),
        }]),
        ..Record::new(RecordId::from_bytes([1; 16]), Timestamp(1_700_000_000_000), Action::Encrypt)
    }
}

fn encoded(record: &Record<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    record.encode_into(&mut bytes);
    bytes
}

#[test]
fn a_record_reads_back_as_it_was_and_is_small() {
    let bytes = encoded(&sample());
    assert_eq!(Record::decode(&bytes), Ok(sample()));
    assert_eq!(peek_id(&bytes), Some(sample().id));
    assert!(bytes.len() < 500, "{}", bytes.len());
}

#[test]
fn every_purpose_has_a_number_of_its_own() {
    for code in 0..=u8::MAX {
        assert!(purpose_from_code(code).is_none_or(|purpose| purpose_code(purpose) == code));
    }
    assert_eq!(purpose_from_code(purpose_code(Purpose::CancelDestruction)), Some(Purpose::CancelDestruction));
}

#[test]
fn fields_that_say_nothing_are_left_out() {
    let bare = Record::new(RecordId::from_bytes([1; 16]), Timestamp(0), Action::Authenticate);
    assert_eq!(encoded(&bare).len(), 1 + 2 + 18 + 2 + 2 + 3);
    assert_eq!(encoded(&bare).first(), Some(&0xa5));
}

#[test]
fn the_largest_record_is_within_the_limit_and_tells_what_it_left_out() {
    let long: Text<'_> = "x".repeat(40_000).into();
    let detail = Detail { group: long.clone(), name: long.clone(), value: long.clone() };
    let mut record = sample();
    record.account = long.clone();
    record.policy_name = long.clone();
    record.principal =
        Principal::User { id: PrincipalId::from_bytes([3; 16]), unique_id: long.clone(), name: long.clone() };
    record.credential.shown = long.clone();
    record.source.listener = long.clone();
    record.source.tls = long.clone();
    record.source.user_agent = long.clone();
    let Request { id, front_end, event_source, operation, region } = &mut record.request;
    for text in [id, front_end, event_source, operation, region, &mut record.algorithm] {
        *text = long.clone();
    }
    let mut demand = record.demands[0].clone();
    demand.resource = long.clone();
    demand.ordinal = Some(u64::MAX);
    record.demands = vec![demand; 1000].into();
    record.decision =
        Some(Decision { allowed: false, statements: vec![long.clone(); 1000].into(), missing: long.clone() });
    record.outcome = Outcome::Failed { code: long.clone(), message: long.clone(), engine: u16::MAX };
    record.details = vec![detail.clone(); 1000].into();
    record.results = vec![detail; 1000].into();
    record.changes = vec![long; 1000].into();
    record.revision = Some(Revision(u64::MAX));
    record.count = u64::MAX;
    record.mode = Mode::Internal;
    let bytes = encoded(&record);
    assert!(bytes.len() <= limits::RECORD_BYTES, "{}", bytes.len());
    let read = Record::decode(&bytes).unwrap();
    let kept = limits::DEMANDS + limits::STATEMENTS + limits::DETAILS + limits::RESULTS + limits::CHANGES;
    assert_eq!(read.left_out.unwrap().items, 5000 - kept as u64);
    assert_eq!(
        read.account,
        Text::Digest(TextDigest { bytes: 40_000, sha256: Hash::of([b"x".repeat(40_000).as_slice()]) })
    );
}

#[test]
fn a_client_with_much_to_say_does_not_push_out_what_the_product_says_of_it() {
    let mut record = sample();
    record.details = vec![Detail { value: "v".repeat(1000).into(), ..Detail::default() }; 30].into();
    let bytes = encoded(&record);
    let read = Record::decode(&bytes).unwrap();
    assert_eq!(read.demands, sample().demands);
    assert!(matches!(read.details[0].value, Text::Digest(_)));
}

#[test]
fn what_a_newer_program_wrote_is_told_from_what_is_damaged() {
    let mut bytes = encoded(&sample());
    bytes[2] = 2;
    assert_eq!(Record::decode(&bytes), Err(DecodeError::Version(2)));
    assert!(SealedRecord::from_bytes(bytes).is_err());
}

#[test]
fn only_the_canonical_form_is_taken() {
    let mut longer = encoded(&sample());
    longer.push(0);
    assert_eq!(Record::decode(&longer), Err(DecodeError::NotCanonical));
    // The start written with a longer head than it needs.
    let bare = Record::new(RecordId::from_bytes([1; 16]), Timestamp(1), Action::Encrypt);
    let mut wide = encoded(&bare);
    wide.splice(22..23, [0x18, 1]);
    assert_eq!(Record::decode(&wide), Err(DecodeError::NotCanonical));
    assert_eq!(Record::decode(&vec![0; limits::RECORD_BYTES + 1]), Err(DecodeError::TooLong(limits::RECORD_BYTES + 1)));
}

#[test]
fn unknown_fields_and_numbers_are_refused() {
    let bare = Record::new(RecordId::from_bytes([1; 16]), Timestamp(1), Action::Encrypt);
    let mut field = encoded(&bare);
    field[0] = 0xa6;
    field.extend([23, 0]);
    assert_eq!(Record::decode(&field), Err(DecodeError::UnknownField(23)));
    let mut action = encoded(&bare);
    *action.last_mut().unwrap() = 0;
    assert_eq!(Record::decode(&action), Err(DecodeError::UnknownCode { what: "action", code: 0 }));
}

fn text() -> impl Strategy<Value = Text<'static>> {
    prop_oneof![
        "\\PC{0,40}".prop_map(Text::from),
        (any::<u64>(), any::<[u8; 32]>())
            .prop_map(|(bytes, hash)| Text::Digest(TextDigest { bytes, sha256: Hash::from_bytes(hash) })),
    ]
}

proptest! {
    #[test]
    fn any_bytes_are_refused_or_read_back_exactly(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(encoded(&record), bytes);
        }
    }

    #[test]
    fn a_record_with_any_byte_changed_is_refused_or_reads_back_exactly(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = encoded(&sample());
        let at = at.index(bytes.len());
        bytes[at] = to;
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(encoded(&record), bytes);
        }
    }

    #[test]
    fn any_texts_read_back(account in text(), missing in text(), change in text(), value in text(), revision: u64, count: u64) {
        let mut record = sample();
        record.account = account;
        record.decision = Some(Decision { allowed: false, statements: List::default(), missing });
        record.changes = vec![change].into();
        record.results = vec![Detail { value, ..Detail::default() }].into();
        record.revision = Some(Revision(revision));
        record.count = count;
        let bytes = encoded(&record);
        prop_assert_eq!(Record::decode(&bytes).unwrap(), record);
    }
}
