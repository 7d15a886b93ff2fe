//! The formats of what is sealed, shared out and brought in.

use strongroom_crypto::ciphertext::{self, AcceptedFormats, Header};
use strongroom_crypto::detached::{self, Metadata};
use strongroom_crypto::shares::{Share, combine};
use strongroom_crypto::wrapped::{self, Kind};
use strongroom_crypto::{CryptoError, EncryptionContext, KeyMaterial, PublicKey, backup};
use strongroom_model::algorithm::ImportWrapping;
use strongroom_model::spec::KeySpec;

use crate::{fixture, nothing_near_opens};

const KINDS: [Kind; 6] =
    [Kind::Material, Kind::Credential, Kind::ImportToken, Kind::GrantToken, Kind::PageCursor, Kind::MaterialDigest];

/// A ciphertext: its header, then opening it.
pub fn ciphertext(data: &[u8]) {
    let material = fixture::material();
    let open = |accepted, context: &EncryptionContext<'_>, data: &[u8]| {
        ciphertext::open(&material, &fixture::subject(), accepted, context, data)
    };
    let opened = open(AcceptedFormats::NEWEST, &fixture::context(), data);
    let Ok(header) = Header::parse(data) else {
        assert!(opened.is_err(), "opens without a header");
        return;
    };
    let subject = header.subject;
    // Each version has one algorithm, of the same number.
    let algorithm = header.format as u8;
    let front = [b"SRC".as_slice(), &[header.format as u8, algorithm, subject.purpose as u8]].concat();
    let front = [&front, subject.lineage.as_bytes().as_slice(), subject.material.as_bytes()].concat();
    assert_eq!(data[..front.len()], front, "the header is not what was read");
    if let Ok(plaintext) = opened {
        assert_eq!(plaintext.len() + ciphertext::OVERHEAD_BYTES, data.len());
        assert!(open(AcceptedFormats::of(&[]), &fixture::context(), data).is_err(), "opens in a format not accepted");
        assert!(open(AcceptedFormats::NEWEST, &EncryptionContext::default(), data).is_err(), "opens without a context");
        nothing_near_opens(data, |data| open(AcceptedFormats::NEWEST, &fixture::context(), data).is_ok());
    }
}

/// A detached ciphertext: its metadata, then opening it, as what is made here and as what others make.
pub fn detached(data: &[u8]) {
    if let Ok(metadata) = Metadata::parse(data) {
        assert_eq!(metadata.encode(), data);
    }
    let (material, subject) = (fixture::material(), fixture::detached_subject());
    let open = |data: &[u8]| {
        let (parts, associated) = fixture::detached_parts(data)?;
        let opened = detached::open(&material, &subject, associated, &parts).ok()?;
        Some((opened, parts.ciphertext.len()))
    };
    let Some((parts, associated)) = fixture::detached_parts(data) else { return };
    assert!(detached::open_bare(&material, Some(associated), &parts).is_err(), "nothing was sealed like that");
    if let Some((plaintext, length)) = open(data) {
        assert_eq!(plaintext.len(), length);
        nothing_near_opens(data, |data| open(data).is_some());
    }
}

/// Something sealed under a wrapping key: which key, of which kind, then opening it as each.
pub fn wrapped(data: &[u8]) {
    let key = fixture::wrapping_key();
    let claims = KINDS.into_iter().filter(|kind| wrapped::wrapping_key_id(*kind, data).is_some()).count();
    assert!(claims <= 1, "of more than one kind");
    for kind in KINDS {
        let Ok(plaintext) = key.open(kind, fixture::BOUND, data) else { continue };
        assert_eq!(plaintext.len() + wrapped::OVERHEAD_BYTES, data.len());
        nothing_near_opens(data, |data| key.open(kind, fixture::BOUND, data).is_ok());
    }
    let unwraps = |spec: &&KeySpec| key.unwrap(&fixture::binding(**spec), data, None).is_ok();
    assert!(KeySpec::ALL.iter().filter(unwraps).count() <= 1, "material of more than one spec");
}

/// Key material as it is wrapped or brought by a caller, private or public, behind the number of its spec.
pub fn key_material(data: &[u8]) {
    let Some((code, encoded)) = data.split_first() else { return };
    let Some(spec) = KeySpec::from_code(*code) else { return };
    if let Ok(public) = PublicKey::parse(spec, encoded) {
        assert_eq!(public.der(), encoded);
    }
    let Ok(material) = KeyMaterial::parse(spec, encoded, None) else { return };
    let once = material.encode().unwrap();
    let again = KeyMaterial::parse(spec, once.expose(), None).unwrap();
    assert!(again.encode().unwrap().equals(once.expose()), "does not read back what it wrote");
    match material.public_key() {
        Ok(public) => assert_eq!(PublicKey::parse(spec, public.der()).unwrap().spec(), spec),
        Err(_) => assert!(spec.is_symmetric()),
    }
}

/// Material as a caller brings it, wrapped to a key made for that, behind the numbers of the wrapping and of the spec.
pub fn import(data: &[u8]) {
    let [wrapping, spec, wrapped @ ..] = data else { return };
    let (Some(wrapping), Some(spec)) = (ImportWrapping::from_code(*wrapping), KeySpec::from_code(*spec)) else {
        return;
    };
    let to = fixture::import_key();
    match to.import(wrapping, wrapped, spec, None) {
        Ok(material) => {
            let once = material.encode().unwrap();
            let again = KeyMaterial::parse(spec, once.expose(), None).unwrap();
            let digest = |material: &KeyMaterial| material.digest(fixture::subject().lineage).unwrap();
            assert!(digest(&material).equals(&digest(&again)), "is not the same material once it was stored");
            assert!(to.import(wrapping, &wrapped[1..], spec, None).is_err(), "opens though cut");
        }
        Err(error) => assert_eq!(error, CryptoError::ImportRejected, "tells one fault from another"),
    }
}

/// Recovery shares, one a line, as somebody typed them.
pub fn share_text(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let mut shares: Vec<Share> = text.lines().filter_map(|line| Share::parse(line).ok()).collect();
    for share in &shares {
        let text = share.to_text();
        let again = Share::parse(str::from_utf8(text.expose()).unwrap()).unwrap();
        assert!(again.to_text().equals(text.expose()), "does not read back what it wrote");
    }
    let one = combine(&shares);
    shares.reverse();
    match (one, combine(&shares)) {
        (Ok(one), Ok(other)) => assert!(one.equals(other.expose()), "the order of shares matters"),
        (one, other) => assert_eq!(one.is_ok(), other.is_ok(), "the order of shares matters"),
    }
}

/// A backup as it is restored.
pub fn backup_stream(data: &[u8]) {
    let mut plain = Vec::new();
    let opened = backup::open_stream(&fixture::secret(7), &mut &*data, &mut plain);
    if let Ok(bytes) = opened {
        assert_eq!(bytes, plain.len() as u64);
        let ends = [data, &[0]].concat();
        assert!(backup::open_stream(&fixture::secret(7), &mut &*ends, &mut Vec::new()).is_err(), "opens lengthened");
        assert!(backup::open_stream(&fixture::secret(8), &mut &*data, &mut Vec::new()).is_err(), "opens to another");
    }
}
