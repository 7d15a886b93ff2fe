//! What every root of trust promises, whatever holds its keys: run over each of them.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test's assertions")]

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey, VerificationAlgorithm};
use strongroom_model::limits::ROOT_WRAPPED_BYTES;
use strongroom_model::root::{CheckpointAlgorithm, RootError, RootOfTrust};
use strongroom_secret::Secret;

const CONTEXT: &[u8] = b"tenant 000000000001, domain key 1";

/// Runs the whole suite; `stranger` is another root of the same kind.
///
/// # Panics
/// When a promise is broken.
pub fn holds(root: &dyn RootOfTrust, stranger: &dyn RootOfTrust) {
    wrapped_keys_open_again_and_differ_each_time(root);
    another_context_is_refused(root);
    every_changed_byte_is_refused(root);
    every_other_length_is_refused(root);
    another_roots_blob_is_refused(root, stranger);
    an_overlong_context_is_refused(root);
    checkpoints_verify_with_the_public_key_alone(root);
    random_bytes_differ(root);
    assert_ne!(root.describe().id, stranger.describe().id);
}

/// A key that a test wraps; its bytes are `0, 1, .. 31`.
#[must_use]
pub fn sample_key() -> Secret<32> {
    Secret::init_with(|key| (0..).zip(key).for_each(|(number, byte)| *byte = number))
}

fn wrapped_keys_open_again_and_differ_each_time(root: &dyn RootOfTrust) {
    let wrapped = root.wrap(CONTEXT, &sample_key()).unwrap();
    assert!(wrapped.len() <= ROOT_WRAPPED_BYTES);
    assert!(!wrapped.windows(8).any(|window| sample_key().expose().starts_with(window)));
    assert!(root.unwrap(CONTEXT, &wrapped).unwrap().equals(sample_key().expose()));
    let empty_context = root.wrap(b"", &sample_key()).unwrap();
    assert!(root.unwrap(b"", &empty_context).unwrap().equals(sample_key().expose()));
}

fn another_context_is_refused(root: &dyn RootOfTrust) {
    let wrapped = root.wrap(CONTEXT, &sample_key()).unwrap();
    for context in [b"".as_slice(), b"tenant 000000000002, domain key 1", &CONTEXT[1..], &[CONTEXT, b"\0"].concat()] {
        assert_eq!(root.unwrap(context, &wrapped).err(), Some(RootError::Refused), "{context:?}");
    }
}

fn every_changed_byte_is_refused(root: &dyn RootOfTrust) {
    let wrapped = root.wrap(CONTEXT, &sample_key()).unwrap();
    for position in 0..wrapped.len() {
        let mut changed = wrapped.clone();
        changed[position] ^= 1;
        assert_eq!(root.unwrap(CONTEXT, &changed).err(), Some(RootError::Refused), "byte {position}");
    }
}

fn every_other_length_is_refused(root: &dyn RootOfTrust) {
    let wrapped = root.wrap(CONTEXT, &sample_key()).unwrap();
    for length in 0..wrapped.len() {
        assert_eq!(root.unwrap(CONTEXT, &wrapped[..length]).err(), Some(RootError::Refused), "length {length}");
    }
    for extra in [1, ROOT_WRAPPED_BYTES, 1 << 20] {
        let longer = [wrapped.as_slice(), &vec![0; extra]].concat();
        assert_eq!(root.unwrap(CONTEXT, &longer).err(), Some(RootError::Refused), "{extra} more");
    }
}

fn another_roots_blob_is_refused(root: &dyn RootOfTrust, stranger: &dyn RootOfTrust) {
    let wrapped = stranger.wrap(CONTEXT, &sample_key()).unwrap();
    assert_eq!(root.unwrap(CONTEXT, &wrapped).err(), Some(RootError::Refused));
    // Relabelled as ours, it must still fail on the key.
    let ours = root.wrap(CONTEXT, &sample_key()).unwrap();
    let relabelled = replace(&wrapped, stranger.describe().id.as_bytes(), root.describe().id.as_bytes());
    assert_eq!(relabelled.len(), ours.len());
    assert_eq!(root.unwrap(CONTEXT, &relabelled).err(), Some(RootError::Refused));
}

fn an_overlong_context_is_refused(root: &dyn RootOfTrust) {
    let context = vec![0; 1 << 20];
    assert!(root.wrap(&context, &sample_key()).is_err());
    let wrapped = root.wrap(CONTEXT, &sample_key()).unwrap();
    assert_eq!(root.unwrap(&context, &wrapped).err(), Some(RootError::Refused));
}

fn checkpoints_verify_with_the_public_key_alone(root: &dyn RootOfTrust) {
    let key = root.checkpoint_key().unwrap();
    assert_eq!(root.checkpoint_key().unwrap(), key);
    let (algorithm, length): (&'static dyn VerificationAlgorithm, usize) = match key.algorithm {
        CheckpointAlgorithm::Ed25519 => (&ED25519, 32),
        CheckpointAlgorithm::EcdsaP256 => (&ECDSA_P256_SHA256_FIXED, 65),
    };
    assert_eq!(key.public.len(), length);
    let public = UnparsedPublicKey::new(algorithm, &key.public);
    for message in [b"".as_slice(), b"origin\n17\nroot hash\n", &[7; 4096]] {
        let signature = root.sign_checkpoint(message).unwrap();
        public.verify(message, &signature).unwrap();
        assert!(public.verify(b"another message", &signature).is_err());
    }
}

fn random_bytes_differ(root: &dyn RootOfTrust) {
    let mut draws = [[0_u8; 32]; 2];
    draws.iter_mut().for_each(|draw| root.random(draw).unwrap());
    assert_ne!(draws[0], draws[1]);
    assert!(!draws.contains(&[0; 32]));
    let mut many = vec![0; 5000];
    root.random(&mut many).unwrap();
    assert!(many.chunks(32).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    root.random(&mut []).unwrap();
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let position = bytes.windows(from.len()).position(|window| window == from).unwrap();
    [&bytes[..position], to, &bytes[position + from.len()..]].concat()
}
