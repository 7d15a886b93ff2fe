//! What operations are called in records: those of the admin API, and those of the other front ends.

use strongroom_admin_api::routes;

/// Of AWS KMS, STS and the tagging API, of external key stores of AWS and Azure, and the product's own acts.
const OTHERS: &[&str] = &[
    "AcceptRollback",
    "AssumeRole",
    "AssumeRoleWithWebIdentity",
    "Authenticate",
    "CancelKeyDeletion",
    "ConnectCustomKeyStore",
    "CreateAlias",
    "CreateCustomKeyStore",
    "CreateGrant",
    "CreateKey",
    "Decapsulate",
    "Decrypt",
    "DeleteAlias",
    "DeleteCustomKeyStore",
    "DeleteImportedKeyMaterial",
    "DeriveSharedSecret",
    "DescribeCustomKeyStores",
    "DescribeKey",
    "DestroyKey",
    "DestroyObject",
    "DisableKey",
    "DisableKeyRotation",
    "DisconnectCustomKeyStore",
    "EnableKey",
    "EnableKeyRotation",
    "Encapsulate",
    "Encrypt",
    "ExpireMaterial",
    "GenerateDataKey",
    "GenerateDataKeyPair",
    "GenerateDataKeyPairWithoutPlaintext",
    "GenerateDataKeyWithoutPlaintext",
    "GenerateMac",
    "GenerateRandom",
    "GetCallerIdentity",
    "GetHealthStatus",
    "GetKeyLastUsage",
    "GetKeyMetadata",
    "GetKeyPolicy",
    "GetKeyRotationStatus",
    "GetParametersForImport",
    "GetPublicKey",
    "GetResources",
    "ImportKeyMaterial",
    "ListAliases",
    "ListGrants",
    "ListKeyPolicies",
    "ListKeyRotations",
    "ListKeys",
    "ListResourceTags",
    "ListRetirableGrants",
    "PruneAuditLog",
    "PutKeyPolicy",
    "ReEncrypt",
    "ReplicateKey",
    "RetireGrant",
    "RevokeGrant",
    "RotateKey",
    "RotateKeyOnDemand",
    "ScheduleKeyDeletion",
    "Setup",
    "Sign",
    "SkipRotation",
    "TagResource",
    "Unseal",
    "UntagResource",
    "UnwrapKey",
    "UpdateAlias",
    "UpdateCustomKeyStore",
    "UpdateKeyDescription",
    "UpdatePrimaryRegion",
    "Verify",
    "VerifyMac",
    "WrapKey",
];

/// Those that are told as near at most.
const NEAR: usize = 3;

fn all() -> impl Iterator<Item = &'static str> {
    routes::ROUTES.iter().map(|route| route.endpoint.name()).chain(OTHERS.iter().copied())
}

/// Whether an operation is called so, in any case.
pub(crate) fn is_known(name: &str) -> bool {
    all().any(|known| known.eq_ignore_ascii_case(name))
}

/// The operations whose names are nearest to a text, if any are near.
pub(crate) fn near(text: &str) -> Vec<&'static str> {
    let text: String = text.rsplit(':').next().unwrap_or(text).chars().take(64).collect::<String>().to_lowercase();
    let mut near: Vec<(usize, &'static str)> = all()
        .map(|known| match known.to_lowercase() {
            lower if lower == text => (0, known),
            lower if text.len() > 3 && (lower.contains(&text) || text.contains(&lower)) => (1, known),
            lower => (distance(&lower, &text), known),
        })
        .filter(|(distance, known)| distance * 3 <= known.len())
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, known)| known).take(NEAR).collect()
}

/// Characters to add, to remove and to exchange (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, character) in one.chars().enumerate() {
        let mut left = index + 1;
        let mut next = vec![left];
        for ((above_left, above), wanted) in row.iter().zip(row.iter().skip(1)).zip(&other) {
            left = (above + 1).min(left + 1).min(above_left + usize::from(character != *wanted));
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_near_and_nonsense_is_not() {
        assert!(is_known("decrypt") && is_known("CreatePrincipal") && !is_known("bogus"));
        assert_eq!(near("Decrpyt").first(), Some(&"Decrypt"));
        assert_eq!(near("kms:Encrypt").first(), Some(&"Encrypt"));
        assert!(near("Alias").contains(&"CreateAlias"));
        assert_eq!(near("bogus"), Vec::<&str>::new());
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
