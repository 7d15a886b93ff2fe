//! Requests to the front ends.

use super::{Seed, seed};

/// (operation, body): every operation of AWS KMS at least once.
const KMS: &[(&str, &str)] = &[
    ("CancelKeyDeletion", r#"{"KeyId":"alias/dev"}"#),
    ("CreateAlias", r#"{"AliasName":"alias/other","TargetKeyId":"alias/dev"}"#),
    (
        "CreateGrant",
        r#"{"KeyId":"alias/dev","GranteePrincipal":"arn:aws:iam::111122223333:user/alice","Operations":["Decrypt","CreateGrant"],
"Constraints":{"EncryptionContextSubset":{"a":"b"}},"Name":"n","RetiringPrincipal":"arn:aws:iam::111122223333:root"}"#,
    ),
    (
        "CreateKey",
        r#"{"Description":"d","KeySpec":"SYMMETRIC_DEFAULT","KeyUsage":"ENCRYPT_DECRYPT","Origin":"AWS_KMS","MultiRegion":false,
"Tags":[{"TagKey":"k","TagValue":"v"}],"BypassPolicyLockoutSafetyCheck":true,"Policy":"{\"Version\":\"2012-10-17\",\"Statement\":[]}"}"#,
    ),
    (
        "Decrypt",
        r#"{"CiphertextBlob":"U1JDAQEB","EncryptionContext":{"a":"b"},"GrantTokens":["t"],"EncryptionAlgorithm":"SYMMETRIC_DEFAULT"}"#,
    ),
    ("DeleteAlias", r#"{"AliasName":"alias/none"}"#),
    ("DescribeKey", r#"{"KeyId":"arn:aws:kms:eu-test-1:111122223333:alias/dev"}"#),
    ("DisableKey", r#"{"KeyId":"alias/none"}"#),
    ("DisableKeyRotation", r#"{"KeyId":"alias/sign"}"#),
    ("EnableKey", r#"{"KeyId":"12345678-1234-1234-1234-123456789012"}"#),
    ("EnableKeyRotation", r#"{"KeyId":"alias/sign","RotationPeriodInDays":90}"#),
    ("Encrypt", r#"{"KeyId":"alias/dev","Plaintext":"aGVsbG8=","EncryptionContext":{"a":"\u0062"},"DryRun":true}"#),
    ("GenerateDataKey", r#"{"KeyId":"alias/dev","NumberOfBytes":1024}"#),
    ("GenerateDataKeyPair", r#"{"KeyId":"alias/dev","KeyPairSpec":"ECC_NIST_P256"}"#),
    ("GenerateDataKeyPairWithoutPlaintext", r#"{"KeyId":"alias/dev","KeyPairSpec":"ECC_SECG_P256K1"}"#),
    ("GenerateDataKeyWithoutPlaintext", r#"{"KeyId":"alias/dev","KeySpec":"AES_128"}"#),
    ("GenerateMac", r#"{"KeyId":"alias/mac","Message":"aGVsbG8=","MacAlgorithm":"HMAC_SHA_256"}"#),
    ("GenerateRandom", r#"{"NumberOfBytes":1}"#),
    ("GetKeyLastUsage", r#"{"KeyId":"alias/dev"}"#),
    ("GetKeyPolicy", r#"{"KeyId":"alias/dev","PolicyName":"default"}"#),
    ("GetKeyRotationStatus", r#"{"KeyId":"alias/dev"}"#),
    ("GetPublicKey", r#"{"KeyId":"alias/sign"}"#),
    ("ListAliases", r#"{"Limit":1,"KeyId":"alias/dev"}"#),
    ("ListGrants", r#"{"KeyId":"alias/dev","Limit":100,"Marker":"AAAA","GrantId":"g","GranteePrincipal":"p"}"#),
    ("ListKeyPolicies", r#"{"KeyId":"alias/dev","Limit":1000}"#),
    ("ListKeyRotations", r#"{"KeyId":"alias/dev","IncludeKeyMaterial":"ALL_KEY_MATERIAL"}"#),
    ("ListKeys", r#"{"Limit":1000,"Marker":"x"}"#),
    ("ListResourceTags", r#"{"KeyId":"alias/dev","Limit":50}"#),
    ("ListRetirableGrants", r#"{"RetiringPrincipal":"arn:aws:iam::111122223333:root"}"#),
    ("PutKeyPolicy", r#"{"KeyId":"alias/dev","PolicyName":"default","Policy":"{\"Statement\":{}}"}"#),
    (
        "ReEncrypt",
        r#"{"CiphertextBlob":"AA==","SourceEncryptionContext":{},"SourceKeyId":"alias/dev","DestinationKeyId":"alias/dev"}"#,
    ),
    ("RetireGrant", r#"{"GrantToken":"AAAA","KeyId":"alias/dev","GrantId":"g"}"#),
    ("RevokeGrant", r#"{"KeyId":"alias/dev","GrantId":"0000"}"#),
    ("RotateKeyOnDemand", r#"{"KeyId":"alias/dev"}"#),
    ("ScheduleKeyDeletion", r#"{"KeyId":"alias/none","PendingWindowInDays":7}"#),
    ("Sign", r#"{"KeyId":"alias/sign","Message":"aGVsbG8=","MessageType":"RAW","SigningAlgorithm":"ECDSA_SHA_256"}"#),
    ("TagResource", r#"{"KeyId":"alias/dev","Tags":[{"TagKey":"k","TagValue":"v"}]}"#),
    ("UntagResource", r#"{"KeyId":"alias/dev","TagKeys":["k"]}"#),
    ("UpdateAlias", r#"{"AliasName":"alias/other","TargetKeyId":"alias/dev"}"#),
    ("UpdateKeyDescription", r#"{"KeyId":"alias/dev","Description":"\ud83d\ude00"}"#),
    (
        "Verify",
        r#"{"KeyId":"alias/sign","Message":"AAAA","MessageType":"DIGEST","Signature":"MAA=","SigningAlgorithm":"ECDSA_SHA_256"}"#,
    ),
    ("VerifyMac", r#"{"KeyId":"alias/mac","Message":"aGVsbG8=","MacAlgorithm":"HMAC_SHA_256","Mac":"AAAA"}"#),
    (
        "DeriveSharedSecret",
        r#"{"KeyId":"alias/agree","KeyAgreementAlgorithm":"ECDH","PublicKey":"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE"}"#,
    ),
    ("Encapsulate", r#"{"KeyId":"alias/kem","EncapsulationAlgorithm":"ML_KEM"}"#),
    ("Decapsulate", r#"{"KeyId":"alias/kem","EncapsulationAlgorithm":"ML_KEM","SharedSecretCiphertextBlob":"AAAA"}"#),
    ("DescribeCustomKeyStores", r#"{"Limit":1}"#),
    ("ImportKeyMaterial", "{}"),
];

/// Bodies that are no request of any operation.
const BROKEN: &[(&str, &str)] = &[
    ("empty", ""),
    ("array", "[]"),
    ("number", r#"{"KeyId":1}"#),
    ("null", r#"{"KeyId":null}"#),
    ("repeated", r#"{"KeyId":"alias/dev","KeyId":"alias/sign"}"#),
    ("lone-surrogate", r#"{"KeyId":"\ud800"}"#),
    ("bad-base64", r#"{"KeyId":"alias/dev","Plaintext":"a"}"#),
    ("trailing", r#"{"KeyId":"alias/dev"}}"#),
    ("nested", r#"{"KeyId":[[[[[[[[[[[[[[[["#),
];

const ADMIN: &[(&str, &str)] = &[
    ("health", "GET /v1/health\n"),
    ("identity", "GET /v1/whoami\n"),
    ("tenants", "GET /v1/tenants?limit=1\n"),
    ("create-tenant", "POST /v1/tenants\n{\"account\":\"444455556666\",\"name\":\"other\"}"),
    ("tenant", "GET /v1/tenants/111122223333\n"),
    ("principals", "GET /v1/tenants/111122223333/principals?limit=500&after=x\n"),
    ("create-principal", "POST /v1/tenants/111122223333/principals\n{\"name\":\"bob\"}"),
    ("policy", "PUT /v1/tenants/111122223333/principals/bob/policies/p%20q\n{\"document\":\"{\\\"Statement\\\":[]}\"}"),
    ("create-key", "POST /v1/tenants/111122223333/access-keys\n{\"principal\":\"bob\",\"lifetime_seconds\":1}"),
    ("access-keys", "GET /v1/tenants/111122223333/access-keys?principal=alice\n"),
    ("keys", "GET /v1/tenants/111122223333/keys\n"),
    ("key", "GET /v1/keys/00000000000000000000000000000000\n"),
    ("suspend-version", "POST /v1/keys/00000000000000000000000000000000/versions/1/suspend\n"),
    ("bindings", "GET /v1/tenants/111122223333/bindings\n"),
    ("explain", "POST /v1/tenants/111122223333/explain\n{\"action\":\"kms:Decrypt\",\"principal\":\"alice\"}"),
    ("audit", "GET /v1/audit/records?since=2026-01-31T09:30:00Z&outcome=denied&limit=5\n"),
    ("roots", "GET /v1/roots\n"),
    ("suspend", "POST /v1/tenants/111122223333/principals/bob/suspend\n"),
    ("other-method", "PATCH /v1/tenants\n"),
    ("dots", "GET /v1/../v1/tenants/%2e%2e\n"),
    ("not-utf-8", "GET /v1/tenants/%ff\n"),
];

const TAGGING: &[(&str, &str)] = &[
    ("everything", "{}"),
    ("nothing", ""),
    ("filters", r#"{"TagFilters":[{"Key":"a","Values":["b",""]},{"Key":"c"}],"ResourceTypeFilters":["kms:key","s3"]}"#),
    ("page", r#"{"ResourcesPerPage":1,"PaginationToken":"AAAA"}"#),
    ("tags-a-page", r#"{"TagsPerPage":100,"IncludeComplianceDetails":false}"#),
    (
        "named",
        r#"{"ResourceARNList":["arn:aws:kms:eu-test-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab","/",":"]}"#,
    ),
    ("both", r#"{"ResourceARNList":["arn"],"TagFilters":[]}"#),
    ("broken", r#"{"TagFilters":[{"Key":"#),
];

pub(crate) fn seeds() -> Vec<Seed> {
    let kms = KMS.iter().map(|(operation, body)| seed("aws_kms_request", operation, format!("{operation}\n{body}")));
    let broken = BROKEN.iter().map(|(name, body)| seed("aws_kms_request", name, format!("Encrypt\n{body}")));
    let admin = ADMIN.iter().map(|(name, request)| seed("admin_request", name, *request));
    let sts = [
        ("form", "\nAction=GetCallerIdentity&Version=2011-06-15"),
        ("query", "Action=GetCallerIdentity&Version=2011-06-15\n"),
        ("other-action", "\nAction=AssumeRole&Version=2011-06-15"),
        ("other-version", "\nAction=GetCallerIdentity&Version=2011-06-16"),
        ("twice", "Action=GetCallerIdentity\nAction=GetCallerIdentity&Action=%47"),
        ("broken-escape", "\nAction=%4&Version=%zz+&&=&%ff=%ff"),
    ];
    let sts = sts.map(|(name, text)| seed("aws_sts_request", name, text));
    let tagging = TAGGING.iter().map(|(name, body)| seed("aws_tagging_request", name, format!("GetResources\n{body}")));
    kms.chain(broken).chain(admin).chain(sts).chain(tagging).collect()
}
