//! Where a request goes: `[/<prefix>]/info` and `[/<prefix>]/<key>/<call>`.
//!
//! Absent on purpose: percent decoding. No prefix and no external key id needs it, so a path with it leads nowhere.

use strongroom_services::Named;

use crate::limits;

/// The calls of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Info,
    Metadata,
    Wrap,
    Unwrap,
}

impl Named for Operation {
    const ALL: &[Self] = &[Self::Info, Self::Metadata, Self::Wrap, Self::Unwrap];

    /// The call as policies, records and metrics name it.
    fn name(self) -> &'static str {
        match self {
            Self::Info => "GetProxyInfo",
            Self::Metadata => "GetKeyMetadata",
            Self::Wrap => "WrapKey",
            Self::Unwrap => "UnwrapKey",
        }
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'p> {
    /// Whose; empty for none.
    pub(crate) prefix: &'p str,
    pub(crate) operation: Operation,
    /// The external key; empty for info.
    pub(crate) key: &'p str,
}

/// What a path leads to, if it leads anywhere.
pub(crate) fn target(path: &str) -> Option<Target<'_>> {
    let (before, call) = path.strip_prefix('/').map(last)?;
    let (before, operation) = match call {
        "info" => return Some(Target { prefix: checked(before)?, operation: Operation::Info, key: "" }),
        "metadata" => (before, Operation::Metadata),
        "wrapkey" => (before, Operation::Wrap),
        "unwrapkey" => (before, Operation::Unwrap),
        _ => return None,
    };
    let (prefix, key) = last(before?);
    is_external_key_id(key).then_some(Target { prefix: checked(prefix)?, operation, key })
}

/// A path without its last part, if more than that is there, and that part.
fn last(path: &str) -> (Option<&str>, &str) {
    path.rsplit_once('/').map_or((None, path), |(before, part)| (Some(before), part))
}

/// A prefix that may be one; that there is none is as good as an empty one.
fn checked(prefix: Option<&str>) -> Option<&str> {
    match prefix {
        None => Some(""),
        Some(prefix) => (!prefix.is_empty() && is_prefix(prefix)).then_some(prefix),
    }
}

/// Whether a key store can have a prefix: at most 64 letters, digits and hyphens in parts between single slashes, or none.
pub(crate) fn is_prefix(prefix: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(fits);
    prefix.is_empty() || (prefix.len() <= limits::PREFIX_BYTES && prefix.split('/').all(part))
}

/// Whether a text can be an external key id: 1 to 64 letters, digits and hyphens.
pub(crate) fn is_external_key_id(text: &str) -> bool {
    (1..=limits::EXTERNAL_KEY_ID_BYTES).contains(&text.len()) && text.bytes().all(fits)
}

const fn fits(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_calls_are_found_with_and_without_a_prefix() {
        for prefix in ["", "one", "cloud/store-1/info", "wrapkey"] {
            let base = if prefix.is_empty() { String::new() } else { format!("/{prefix}") };
            for (rest, operation, key) in [
                ("info", Operation::Info, ""),
                ("foo/metadata", Operation::Metadata, "foo"),
                ("a-b-C/wrapkey", Operation::Wrap, "a-b-C"),
                ("info/unwrapkey", Operation::Unwrap, "info"),
            ] {
                assert_eq!(target(&format!("{base}/{rest}")), Some(Target { prefix, operation, key }), "{rest}");
            }
        }
    }

    #[test]
    fn any_other_path_leads_nowhere() {
        let (long, far) = (format!("/{}/wrapkey", "k".repeat(65)), format!("/{}/info", "p".repeat(65)));
        for path in [
            "",
            "/",
            "info",
            "//info",
            "/info/",
            "/wrapkey",
            "//wrapkey",
            "/foo/sign",
            "/foo/WrapKey",
            "/foo//metadata",
            "/f%6fo/metadata",
            "/a.b/metadata",
            "/a_b/info",
            "/~test/wrapkey",
            &long,
            &far,
        ] {
            assert_eq!(target(path), None, "{path}");
        }
    }
}
