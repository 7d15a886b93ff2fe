//! Where a request goes: `[/<prefix>]/kms/xks/v1/...`.
//!
//! Absent on purpose: percent decoding. No prefix and no external key id needs it, so a path with it leads nowhere.

use strongroom_services::Named;

use crate::limits;

const BASE: &str = "/kms/xks/v1/";

/// The calls of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Health,
    Metadata,
    Encrypt,
    Decrypt,
}

impl Named for Operation {
    const ALL: &[Self] = &[Self::Health, Self::Metadata, Self::Encrypt, Self::Decrypt];

    /// The call as the specification names it, for records and metrics.
    fn name(self) -> &'static str {
        match self {
            Self::Health => "GetHealthStatus",
            Self::Metadata => "GetKeyMetadata",
            Self::Encrypt => "Encrypt",
            Self::Decrypt => "Decrypt",
        }
    }
}

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'p> {
    /// Whose; empty for none.
    pub(crate) prefix: &'p str,
    pub(crate) operation: Operation,
    /// The external key; empty for health.
    pub(crate) key: &'p str,
}

/// Whether a path is this API's as far as its stem tells.
pub(crate) fn is_ours(path: &str) -> bool {
    path.contains("/kms/xks/")
}

/// What a path leads to, if it leads anywhere.
pub(crate) fn target(path: &str) -> Option<Target<'_>> {
    let at = path.rfind(BASE)?;
    let (before, rest) = (path.get(..at)?, path.get(at + BASE.len()..)?);
    let prefix = match before {
        "" => "",
        before => before.strip_prefix('/').filter(|prefix| !prefix.is_empty())?,
    };
    if rest == "health" {
        return Some(Target { prefix, operation: Operation::Health, key: "" });
    }
    let (key, operation) = rest.strip_prefix("keys/")?.split_once('/')?;
    let operation = match operation {
        "metadata" => Operation::Metadata,
        "encrypt" => Operation::Encrypt,
        "decrypt" => Operation::Decrypt,
        _ => return None,
    };
    is_external_key_id(key).then_some(Target { prefix, operation, key })
}

/// Whether a text can be an external key id: 1 to 128 letters, digits, dots, hyphens and underscores.
pub(crate) fn is_external_key_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    (1..=limits::EXTERNAL_KEY_ID_BYTES).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_calls_are_found_with_and_without_a_prefix() {
        for prefix in ["", "one", "cloud/store-1/a_b", "kms/xks/v1/odd"] {
            let base = if prefix.is_empty() { "/kms/xks/v1".to_owned() } else { format!("/{prefix}/kms/xks/v1") };
            for (rest, operation, key) in [
                ("health", Operation::Health, ""),
                ("keys/foo/metadata", Operation::Metadata, "foo"),
                ("keys/a.b_c-d/encrypt", Operation::Encrypt, "a.b_c-d"),
                ("keys/0/decrypt", Operation::Decrypt, "0"),
            ] {
                assert_eq!(target(&format!("{base}/{rest}")), Some(Target { prefix, operation, key }), "{rest}");
            }
        }
    }

    #[test]
    fn any_other_path_leads_nowhere() {
        let long = format!("/kms/xks/v1/keys/{}/encrypt", "k".repeat(129));
        for path in [
            "",
            "/",
            "/kms/xks/v1",
            "/kms/xks/v1/",
            "/kms/xks/v2/health",
            "//kms/xks/v1/health",
            "/kms/xks/v1/health/",
            "/kms/xks/v1/keys//encrypt",
            "/kms/xks/v1/keys/foo",
            "/kms/xks/v1/keys/foo/sign",
            "/kms/xks/v1/keys/foo/encrypt/",
            "/kms/xks/v1/keys/f%6fo/encrypt",
            "/kms/xks/v1/keys/~test/encrypt",
            &long,
        ] {
            assert_eq!(target(path), None, "{path}");
        }
    }
}
