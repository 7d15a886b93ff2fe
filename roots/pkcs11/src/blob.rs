//! A wrapped domain key, format `SRP` version 1. Described byte by byte in docs/formats/pkcs11-root.md.

use strongroom_model::id::RootId;

use crate::protocol::Wrapping;

/// Bytes before the IV: magic, version, mechanism, root id.
pub(crate) const HEADER_BYTES: usize = 21;

/// How every blob of a root begins.
pub(crate) fn header(wrapping: Wrapping, root: RootId) -> [u8; HEADER_BYTES] {
    let mechanism = match wrapping {
        Wrapping::AesGcm => 1,
        Wrapping::KeyWrapPad => 2,
    };
    let mut header = [0; HEADER_BYTES];
    let fields = b"SRP\x01".iter().chain([&mechanism]).chain(root.as_bytes());
    header.iter_mut().zip(fields).for_each(|(byte, field)| *byte = *field);
    header
}

/// IV and ciphertext of a blob that begins with `header`; `None` for any other.
pub(crate) fn parse<'a>(wrapping: Wrapping, header: &[u8], blob: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let (iv_bytes, text_bytes) = wrapping.lengths();
    let rest = blob.strip_prefix(header).filter(|rest| rest.len() == iv_bytes + text_bytes)?;
    rest.split_at_checked(iv_bytes)
}
