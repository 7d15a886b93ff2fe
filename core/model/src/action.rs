//! What can be asked of the engine, for deciding and for the record. Front ends give each its name in their language.

use crate::spec::coded;

coded! {
    /// One thing that a caller can be permitted to do. The codes stand in audit records.
    Action {
        /// Make a key.
        CreateKey = 1,
        /// Read a key's metadata.
        DescribeKey = 2,
        /// List a tenant's keys.
        ListKeys = 3,
        /// Resume a key's use.
        EnableKey = 4,
        /// Suspend a key's use.
        DisableKey = 5,
        /// Schedule a key's destruction.
        ScheduleKeyDestruction = 6,
        /// Call a key's destruction off.
        CancelKeyDestruction = 7,
        /// Change a key's description.
        UpdateKeyDescription = 8,
        /// Read when a key was last used.
        GetKeyLastUsage = 9,
        /// Encrypt.
        Encrypt = 10,
        /// Decrypt.
        Decrypt = 11,
        /// Decrypt, to encrypt under another key at once.
        ReEncryptFrom = 12,
        /// Encrypt what was decrypted under another key at once.
        ReEncryptTo = 13,
        /// Make a data key, given out in the clear and encrypted.
        GenerateDataKey = 14,
        /// Make a data key, given out encrypted only.
        GenerateDataKeyWithoutPlaintext = 15,
        /// Make a data key pair, its private half given out in the clear and encrypted.
        GenerateDataKeyPair = 16,
        /// Make a data key pair, its private half given out encrypted only.
        GenerateDataKeyPairWithoutPlaintext = 17,
        /// Give out random bytes.
        GenerateRandom = 18,
        /// Compute a message authentication code.
        GenerateMac = 19,
        /// Verify a message authentication code.
        VerifyMac = 20,
        /// Sign.
        Sign = 21,
        /// Verify a signature.
        Verify = 22,
        /// Give out a public key.
        GetPublicKey = 23,
        /// Bind a name to a key.
        CreateAlias = 24,
        /// Bind a name to another key.
        UpdateAlias = 25,
        /// Remove a name.
        DeleteAlias = 26,
        /// List names.
        ListAliases = 27,
        /// Add tags.
        TagKey = 28,
        /// Remove tags.
        UntagKey = 29,
        /// List tags.
        ListKeyTags = 30,
        /// Read a key's policy.
        GetKeyPolicy = 31,
        /// Replace a key's policy.
        PutKeyPolicy = 32,
        /// List a key's policies.
        ListKeyPolicies = 33,
        /// Grant a part of a key's use.
        CreateGrant = 34,
        /// List a key's grants.
        ListGrants = 35,
        /// List the grants that someone may retire.
        ListRetirableGrants = 36,
        /// Give a grant up.
        RetireGrant = 37,
        /// Take a grant back.
        RevokeGrant = 38,
        /// Rotate a key at intervals.
        EnableKeyRotation = 39,
        /// Stop rotating a key at intervals.
        DisableKeyRotation = 40,
        /// Read how a key is rotated.
        GetKeyRotationStatus = 41,
        /// List a key's rotations.
        ListKeyRotations = 42,
        /// Rotate a key now.
        RotateKeyOnDemand = 43,
        /// Ask who one is.
        GetCallerIdentity = 44,
        /// Agree on a secret with the holder of another key.
        DeriveSharedSecret = 45,
        /// Draw a secret and encapsulate it.
        Encapsulate = 46,
        /// Recover a secret that was encapsulated.
        Decapsulate = 47,
        /// Ask for what is needed to bring material from outside.
        GetParametersForImport = 48,
        /// Bring material from outside.
        ImportKeyMaterial = 49,
        /// Take imported material away.
        DeleteImportedKeyMaterial = 50,
        /// Make a replica of a key in another region.
        ReplicateKey = 51,
        /// Make a replica the primary of its lineage.
        UpdatePrimaryRegion = 52,
        /// Encrypt, with the ciphertext's parts given out apart.
        SealDetached = 53,
        /// Decrypt what came in parts.
        OpenDetached = 54,
        /// Wrap a key.
        WrapKey = 55,
        /// Unwrap a key.
        UnwrapKey = 62,
        /// List a tenant's keys by their tags.
        ListTaggedKeys = 63,
        /// Make a key store.
        CreateKeyStore = 56,
        /// Read key stores.
        DescribeKeyStores = 57,
        /// Change a key store.
        UpdateKeyStore = 58,
        /// Remove a key store.
        DeleteKeyStore = 59,
        /// Connect a key store.
        ConnectKeyStore = 60,
        /// Disconnect a key store.
        DisconnectKeyStore = 61,
        /// Begin a session of a role.
        AssumeRole = 90,
        /// Begin a session of a role, proved by a token of an issuer.
        AssumeRoleWithWebIdentity = 91,
        /// Give a session tags.
        TagSession = 92,
        /// Say on whose behalf a session is begun.
        SetSourceIdentity = 93,
        /// Make, change, list or remove tenants.
        ManageTenants = 64,
        /// Read tenants.
        ReadTenants = 65,
        /// Make, change or remove principals and what they may do.
        ManagePrincipals = 66,
        /// Read principals and what they may do.
        ReadPrincipals = 67,
        /// Make, disable or remove credentials.
        ManageCredentials = 68,
        /// Read credentials, never their secrets.
        ReadCredentials = 69,
        /// Add, verify, rotate or remove roots of trust.
        ManageRoots = 70,
        /// Read which roots of trust there are.
        ReadRoots = 71,
        /// Read the audit log.
        ReadAudit = 72,
        /// Make backups.
        ManageBackups = 73,
        /// Throw or lift the kill switch of a tenant, key or key version.
        Suspend = 74,
        /// Rotate a domain key.
        RotateDomainKey = 75,
        /// Read bindings.
        ReadBindings = 76,
        /// Make or remove bindings.
        ManageBindings = 77,
        /// Unseal a root.
        Unseal = 78,
        /// What the scheduler does: rotation, expiry and destruction that fall due.
        Scheduled = 96,
        /// What the installation does by itself: start, stop, repair.
        Installation = 97,
        /// Authentication that failed.
        Authenticate = 98,
    }
}

impl Action {
    /// Whether policies can allow it to callers of other tenants: using a key, and the few things about it that AWS KMS
    /// answers across accounts ("Cross-account use" of each operation in its API reference). Everything else about a key
    /// is for callers of its own tenant, whatever its policy says.
    #[must_use]
    pub const fn crosses_tenants(self) -> bool {
        !matches!(
            self,
            Self::CreateKey
                | Self::ListKeys
                | Self::EnableKey
                | Self::DisableKey
                | Self::ScheduleKeyDestruction
                | Self::CancelKeyDestruction
                | Self::UpdateKeyDescription
                | Self::GetKeyLastUsage
                | Self::CreateAlias
                | Self::UpdateAlias
                | Self::DeleteAlias
                | Self::ListAliases
                | Self::TagKey
                | Self::UntagKey
                | Self::ListKeyTags
                | Self::GetKeyPolicy
                | Self::PutKeyPolicy
                | Self::ListKeyPolicies
                | Self::EnableKeyRotation
                | Self::DisableKeyRotation
                | Self::ListKeyRotations
                | Self::RotateKeyOnDemand
                | Self::GetParametersForImport
                | Self::ImportKeyMaterial
                | Self::DeleteImportedKeyMaterial
                | Self::ReplicateKey
                | Self::UpdatePrimaryRegion
                | Self::ListTaggedKeys
                | Self::Suspend
                | Self::ReadBindings
                | Self::ManageBindings
        )
    }
}
