//! The condition keys that are known: what each one holds and who answers it (IAM User Guide, "AWS global condition
//! context keys"; KMS Developer Guide, "Condition keys for AWS KMS"; IAM User Guide, "Available keys for AWS STS").
//!
//! Keys that are not listed, such as an identity provider's `ISSUER:sub`, are asked of the request's attributes.

use self::Holds::{Address, Arn, Bool, Date, Number, Text};
use self::Supplier::{Nobody, Proof, Request, Surroundings};

/// What a condition key holds, and so which operators suit it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Text.
    Text,
    /// An ARN.
    Arn,
    /// `true` or `false`.
    Bool,
    /// A number.
    Number,
    /// A date.
    Date,
    /// An IP address.
    Address,
}

/// How many values a key can have in one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One.
    One,
    /// One for each qualifier, as `aws:RequestTag/team` has. Two qualifiers that differ in case alone are the same key, so there
    /// may be more.
    ByQualifier,
    /// Several; policies ask with `ForAllValues` or `ForAnyValue`.
    Many,
}

/// Who answers a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Supplier {
    /// The evaluator, from what was proved: [`crate::Principal`], [`crate::Proved`] and the resource's account. The request's
    /// attributes are never asked.
    Proof,
    /// The engine and its dialect: the key (for one that is yet to be made, the request in its place), the connection, the
    /// clock.
    Surroundings,
    /// The front end, from what the request itself says.
    Request,
    /// Nobody: always absent, whatever a request claims. There is no such thing here.
    Nobody,
}

/// One known condition key.
#[derive(Debug, PartialEq, Eq)]
pub struct KnownKey {
    /// Its name as AWS writes it, without a qualifier.
    pub name: &'static str,
    /// What it holds.
    pub holds: Holds,
    /// How many values it can have.
    pub values: Values,
    /// Who answers it.
    pub supplier: Supplier,
}

const fn one(name: &'static str, holds: Holds, supplier: Supplier) -> KnownKey {
    KnownKey { name, holds, values: Values::One, supplier }
}

const fn by_qualifier(name: &'static str, supplier: Supplier) -> KnownKey {
    KnownKey { name, holds: Text, values: Values::ByQualifier, supplier }
}

const fn many(name: &'static str, holds: Holds, supplier: Supplier) -> KnownKey {
    KnownKey { name, holds, values: Values::Many, supplier }
}

/// Every known condition key.
pub static CONDITION_KEYS: &[KnownKey] = &[
    // Who asks.
    one("aws:PrincipalArn", Arn, Proof),
    one("aws:PrincipalAccount", Text, Proof),
    one("aws:PrincipalType", Text, Proof),
    by_qualifier("aws:PrincipalTag", Proof),
    one("aws:PrincipalIsAWSService", Bool, Proof),
    one("aws:PrincipalServiceName", Text, Proof),
    many("aws:PrincipalServiceNamesList", Text, Proof),
    one("aws:PrincipalOrgID", Text, Nobody),
    many("aws:PrincipalOrgPaths", Text, Nobody),
    one("aws:userid", Text, Proof),
    one("aws:username", Text, Proof),
    one("aws:TokenIssueTime", Date, Proof),
    one("aws:FederatedProvider", Text, Proof),
    one("aws:SourceIdentity", Text, Proof),
    one("aws:MultiFactorAuthPresent", Bool, Nobody),
    one("aws:MultiFactorAuthAge", Number, Nobody),
    one("aws:AssumedRoot", Bool, Nobody),
    // On whose behalf: never what a request claims.
    one("aws:SourceArn", Arn, Proof),
    one("aws:SourceAccount", Text, Proof),
    one("aws:SourceOrgID", Text, Nobody),
    many("aws:SourceOrgPaths", Text, Nobody),
    one("aws:ViaAWSService", Bool, Proof),
    many("aws:CalledVia", Text, Nobody),
    one("aws:CalledViaFirst", Text, Nobody),
    one("aws:CalledViaLast", Text, Nobody),
    // From where, when and how.
    one("aws:SourceIp", Address, Surroundings),
    one("aws:SourceVpc", Text, Nobody),
    one("aws:SourceVpce", Text, Nobody),
    one("aws:VpcSourceIp", Address, Nobody),
    one("aws:SecureTransport", Bool, Surroundings),
    one("aws:CurrentTime", Date, Surroundings),
    one("aws:EpochTime", Date, Surroundings),
    one("aws:UserAgent", Text, Surroundings),
    one("aws:referer", Text, Nobody),
    one("aws:RequestedRegion", Text, Surroundings),
    // What is asked for.
    by_qualifier("aws:RequestTag", Request),
    many("aws:TagKeys", Text, Request),
    by_qualifier("aws:ResourceTag", Surroundings),
    one("aws:ResourceAccount", Text, Proof),
    one("aws:ResourceOrgID", Text, Nobody),
    many("aws:ResourceOrgPaths", Text, Nobody),
    // KMS: the caller.
    one("kms:CallerAccount", Text, Proof),
    one("kms:ViaService", Text, Proof),
    one("kms:GrantIsForAWSResource", Bool, Proof),
    by_qualifier("kms:RecipientAttestation", Nobody),
    // KMS: the key.
    one("kms:CustomerMasterKeySpec", Text, Surroundings),
    one("kms:CustomerMasterKeyUsage", Text, Surroundings),
    one("kms:KeyOrigin", Text, Surroundings),
    one("kms:KeySpec", Text, Surroundings),
    one("kms:KeyUsage", Text, Surroundings),
    one("kms:MultiRegion", Bool, Surroundings),
    one("kms:MultiRegionKeyType", Text, Surroundings),
    one("kms:ReEncryptOnSameKey", Bool, Surroundings),
    one("kms:RequestAlias", Text, Surroundings),
    many("kms:ResourceAliases", Text, Surroundings),
    one("kms:TrailingDaysWithoutKeyUsage", Number, Surroundings),
    // KMS: the request.
    one("kms:BypassPolicyLockoutSafetyCheck", Bool, Request),
    one("kms:DataKeyPairSpec", Text, Request),
    one("kms:EncryptionAlgorithm", Text, Request),
    by_qualifier("kms:EncryptionContext", Request),
    many("kms:EncryptionContextKeys", Text, Request),
    one("kms:ExpirationModel", Text, Request),
    one("kms:GrantConstraintSourceArn", Arn, Request),
    many("kms:GrantConstraintType", Text, Request),
    one("kms:GranteePrincipal", Text, Request),
    one("kms:GranteeServicePrincipal", Text, Request),
    many("kms:GrantOperations", Text, Request),
    one("kms:KeyAgreementAlgorithm", Text, Request),
    one("kms:MacAlgorithm", Text, Request),
    one("kms:MessageType", Text, Request),
    one("kms:PrimaryRegion", Text, Request),
    one("kms:ReplicaRegion", Text, Request),
    one("kms:RetiringPrincipal", Text, Request),
    one("kms:RetiringServicePrincipal", Text, Request),
    one("kms:RotationPeriodInDays", Number, Request),
    one("kms:ScheduleKeyDeletionPendingWindowInDays", Number, Request),
    one("kms:SigningAlgorithm", Text, Request),
    one("kms:ValidTo", Date, Request),
    one("kms:WrappingAlgorithm", Text, Request),
    one("kms:WrappingKeySpec", Text, Request),
    // The XKS proxy: what the asking KMS says of its own caller, trusted as the key store that brought it.
    one("xks-proxy:AwsPrincipalAccount", Text, Request),
    one("xks-proxy:AwsPrincipalArn", Arn, Request),
    one("xks-proxy:AwsSourceVpc", Text, Request),
    one("xks-proxy:AwsSourceVpce", Text, Request),
    one("xks-proxy:KmsKeyArn", Arn, Request),
    one("xks-proxy:KmsOperation", Text, Request),
    one("xks-proxy:KmsViaService", Text, Request),
    // The external key proxy of Azure: what the asking pool says of itself.
    one("ekm-proxy:PoolName", Text, Request),
    // STS: the session asked for.
    one("sts:DurationSeconds", Number, Request),
    one("sts:ExternalId", Text, Request),
    one("sts:RoleSessionName", Text, Request),
    one("sts:SourceIdentity", Text, Request),
    many("sts:TransitiveTagKeys", Text, Request),
];

/// The known key of this name, whatever its case.
pub(crate) fn find(name: &str) -> Option<&'static KnownKey> {
    CONDITION_KEYS.iter().find(|key| key.name.eq_ignore_ascii_case(name))
}
