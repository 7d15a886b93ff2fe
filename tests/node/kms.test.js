// AWS's SDK for JavaScript: every operation, and what it makes of our answers and refusals.
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const { after, test } = require("node:test");
const { ask, bytes, here, kms, makeKey, publicKey, refused, text, there, used } = require("./world.js");

const ALL = Object.keys(kms).flatMap((name) => name.match(/^([A-Z]\w+)Command$/)?.[1] ?? []);

after(() => {
  here.destroy();
  there.destroy();
});

test("a key is made, described, changed, and goes", async () => {
  const key = await makeKey(undefined, undefined, { Description: "first", Tags: [{ TagKey: "team", TagValue: "red" }] });
  const { KeyId } = key;
  assert.ok(key.CreationDate instanceof Date && Math.abs(Date.now() - key.CreationDate) < 60_000);
  await ask("UpdateKeyDescription", { KeyId, Description: "second" });
  await ask("DisableKey", { KeyId });
  const described = (await ask("DescribeKey", { KeyId: key.Arn })).KeyMetadata;
  assert.deepEqual([described.Description, described.KeyState, described.Enabled], ["second", "Disabled", false]);
  await refused("DisabledException", ask("Encrypt", { KeyId, Plaintext: text("m") }), `${key.Arn} is disabled.`);
  await ask("EnableKey", { KeyId });
  const { DeletionDate, KeyState } = await ask("ScheduleKeyDeletion", { KeyId, PendingWindowInDays: 7 });
  assert.equal(KeyState, "PendingDeletion");
  assert.ok(DeletionDate - Date.now() > 6 * 86_400_000);
  await refused("KMSInvalidStateException", ask("EnableKey", { KeyId }), `${key.Arn} is pending deletion.`);
  assert.equal((await ask("CancelKeyDeletion", { KeyId })).KeyId, key.Arn);
});

test("what is encrypted is decrypted in its context, and under another key after ReEncrypt", async () => {
  const [one, other] = [await makeKey(), await makeKey()];
  const EncryptionContext = { app: "tests", "ключ": "значение" };
  const sealed = await ask("Encrypt", { KeyId: one.KeyId, Plaintext: text("hello"), EncryptionContext });
  const opened = await ask("Decrypt", { CiphertextBlob: sealed.CiphertextBlob, EncryptionContext });
  assert.deepEqual([bytes(opened.Plaintext).toString(), opened.KeyId], ["hello", one.Arn]);
  const moved = await ask("ReEncrypt", {
    CiphertextBlob: sealed.CiphertextBlob,
    SourceEncryptionContext: EncryptionContext,
    DestinationKeyId: other.KeyId,
  });
  assert.deepEqual([moved.SourceKeyId, moved.KeyId], [one.Arn, other.Arn]);
  assert.equal(bytes((await ask("Decrypt", { CiphertextBlob: moved.CiphertextBlob })).Plaintext).toString(), "hello");
  await refused("InvalidCiphertextException", ask("Decrypt", { CiphertextBlob: sealed.CiphertextBlob }));
  const wrong = { CiphertextBlob: moved.CiphertextBlob, KeyId: one.KeyId };
  await refused("IncorrectKeyException", ask("Decrypt", wrong));
  const { KeyLastUsage } = await ask("GetKeyLastUsage", { KeyId: one.KeyId });
  assert.ok(KeyLastUsage.Operation);
});

test("data keys are given out in the clear and sealed alike", async () => {
  const { KeyId } = await makeKey();
  const { Plaintext, CiphertextBlob } = await ask("GenerateDataKey", { KeyId, KeySpec: "AES_256" });
  assert.equal(Plaintext.length, 32);
  assert.deepEqual((await ask("Decrypt", { CiphertextBlob })).Plaintext, Plaintext);
  const sealed = await ask("GenerateDataKeyWithoutPlaintext", { KeyId, NumberOfBytes: 24 });
  assert.equal((await ask("Decrypt", { CiphertextBlob: sealed.CiphertextBlob })).Plaintext.length, 24);
  const pair = await ask("GenerateDataKeyPair", { KeyId, KeyPairSpec: "ECC_NIST_P256" });
  const key = crypto.createPrivateKey({ key: bytes(pair.PrivateKeyPlaintext), format: "der", type: "pkcs8" });
  const spki = crypto.createPublicKey(key).export({ format: "der", type: "spki" });
  assert.deepEqual(bytes(pair.PublicKey), spki);
  const quiet = await ask("GenerateDataKeyPairWithoutPlaintext", { KeyId, KeyPairSpec: "ECC_NIST_EDWARDS25519" });
  const opened = await ask("Decrypt", { CiphertextBlob: quiet.PrivateKeyCiphertextBlob });
  crypto.createPrivateKey({ key: bytes(opened.Plaintext), format: "der", type: "pkcs8" });
  assert.equal((await ask("GenerateRandom", { NumberOfBytes: 33 })).Plaintext.length, 33);
});

for (const [spec, algorithm, options] of [
  ["ECC_NIST_P256", "ECDSA_SHA_256", {}],
  ["ECC_NIST_P384", "ECDSA_SHA_384", {}],
  ["ECC_SECG_P256K1", "ECDSA_SHA_256", {}],
  ["RSA_2048", "RSASSA_PKCS1_V1_5_SHA_512", {}],
  ["RSA_2048", "RSASSA_PSS_SHA_256", { padding: crypto.constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }],
  ["ECC_NIST_EDWARDS25519", "ED25519_SHA_512", {}],
]) {
  test(`what ${spec} signs by ${algorithm} is verified here and by node`, async () => {
    const { KeyId } = await makeKey(spec, "SIGN_VERIFY");
    const Message = text("a message");
    const { Signature } = await ask("Sign", { KeyId, Message, SigningAlgorithm: algorithm });
    const hash = algorithm.startsWith("ED25519") ? null : `sha${algorithm.slice(-3)}`;
    const key = await publicKey(KeyId);
    assert.ok(crypto.verify(hash, Message, { key, ...options }, Signature));
    assert.ok(!crypto.verify(hash, text("another"), { key, ...options }, Signature));
    const verify = { KeyId, Message, Signature, SigningAlgorithm: algorithm };
    assert.equal((await ask("Verify", verify)).SignatureValid, true);
    await refused("KMSInvalidSignatureException", ask("Verify", { ...verify, Message: text("another") }));
  });
}

test("a digest that the caller made is signed", async () => {
  const { KeyId } = await makeKey("ECC_NIST_P256", "SIGN_VERIFY");
  const Message = crypto.createHash("sha256").update("artefact").digest();
  const { Signature } = await ask("Sign", { KeyId, Message, MessageType: "DIGEST", SigningAlgorithm: "ECDSA_SHA_256" });
  assert.ok(crypto.verify("sha256", text("artefact"), await publicKey(KeyId), Signature));
});

test("what node encrypts under a public key is decrypted", async () => {
  const { KeyId } = await makeKey("RSA_2048", "ENCRYPT_DECRYPT");
  const key = await publicKey(KeyId);
  const padded = { key, padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
  const CiphertextBlob = crypto.publicEncrypt(padded, text("m"));
  const opened = await ask("Decrypt", { KeyId, CiphertextBlob, EncryptionAlgorithm: "RSAES_OAEP_SHA_256" });
  assert.equal(bytes(opened.Plaintext).toString(), "m");
});

test("codes are verified", async () => {
  const { KeyId } = await makeKey("HMAC_256", "GENERATE_VERIFY_MAC");
  const asked = { KeyId, Message: text("m"), MacAlgorithm: "HMAC_SHA_256" };
  const { Mac } = await ask("GenerateMac", asked);
  assert.equal((await ask("VerifyMac", { ...asked, Mac })).MacValid, true);
  await refused("KMSInvalidMacException", ask("VerifyMac", { ...asked, Mac, Message: text("n") }));
});

test("a secret is agreed on with node", async () => {
  const { KeyId } = await makeKey("ECC_NIST_P256", "KEY_AGREEMENT");
  const peer = crypto.generateKeyPairSync("ec", { namedCurve: "P-256" });
  const PublicKey = peer.publicKey.export({ format: "der", type: "spki" });
  const { SharedSecret } = await ask("DeriveSharedSecret", { KeyId, PublicKey, KeyAgreementAlgorithm: "ECDH" });
  const own = crypto.diffieHellman({ privateKey: peer.privateKey, publicKey: await publicKey(KeyId) });
  assert.deepEqual(bytes(SharedSecret), own);
});

test("a secret is encapsulated and recovered", async () => {
  const { KeyId } = await makeKey("ML_KEM_768", "ENCAPSULATE_DECAPSULATE");
  const sealed = await ask("Encapsulate", { KeyId, EncapsulationAlgorithm: "ML_KEM" });
  const Ciphertext = sealed.SharedSecretCiphertextBlob;
  const opened = await ask("Decapsulate", { KeyId, EncapsulationAlgorithm: "ML_KEM", SharedSecretCiphertextBlob: Ciphertext });
  assert.deepEqual(opened.SharedSecret, sealed.SharedSecret);
});

test("material that node wraps is imported, and is deleted", async () => {
  const { KeyId, KeyState, Arn } = await makeKey(undefined, undefined, { Origin: "EXTERNAL" });
  assert.equal(KeyState, "PendingImport");
  const given = await ask("GetParametersForImport", { KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048" });
  assert.ok(given.ParametersValidTo > new Date());
  const key = crypto.createPublicKey({ key: bytes(given.PublicKey), format: "der", type: "spki" });
  const padded = { key, padding: crypto.constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha256" };
  const EncryptedKeyMaterial = crypto.publicEncrypt(padded, crypto.randomBytes(32));
  const brought = { KeyId, ImportToken: given.ImportToken, EncryptedKeyMaterial, ValidTo: new Date(Date.now() + 3_600_000) };
  const { KeyMaterialId } = await ask("ImportKeyMaterial", { ...brought, ExpirationModel: "KEY_MATERIAL_EXPIRES" });
  const { CiphertextBlob } = await ask("Encrypt", { KeyId, Plaintext: text("m") });
  assert.equal((await ask("Decrypt", { CiphertextBlob })).KeyMaterialId, KeyMaterialId);
  await ask("DeleteImportedKeyMaterial", { KeyId });
  await refused("KMSInvalidStateException", ask("Decrypt", { CiphertextBlob }), `${Arn} is pending import.`);
});

test("an alias leads where it was last pointed", async () => {
  const [one, other] = [await makeKey(), await makeKey()];
  const AliasName = `alias/node-${one.KeyId}`;
  await ask("CreateAlias", { AliasName, TargetKeyId: one.KeyId });
  await refused("AlreadyExistsException", ask("CreateAlias", { AliasName, TargetKeyId: other.KeyId }));
  await ask("UpdateAlias", { AliasName, TargetKeyId: other.KeyId });
  assert.equal((await ask("DescribeKey", { KeyId: AliasName })).KeyMetadata.KeyId, other.KeyId);
  const [alias] = (await ask("ListAliases", { KeyId: other.KeyId })).Aliases;
  assert.deepEqual([alias.AliasName, alias.TargetKeyId], [AliasName, other.KeyId]);
  await ask("DeleteAlias", { AliasName });
  await refused("NotFoundException", ask("DescribeKey", { KeyId: AliasName }));
});

test("tags come and go", async () => {
  const { KeyId } = await makeKey();
  await ask("TagResource", { KeyId, Tags: [{ TagKey: "a", TagValue: "1" }, { TagKey: "b", TagValue: "" }] });
  await ask("UntagResource", { KeyId, TagKeys: ["a"] });
  assert.deepEqual((await ask("ListResourceTags", { KeyId })).Tags, [{ TagKey: "b", TagValue: "" }]);
  await refused("TagException", ask("TagResource", { KeyId, Tags: [{ TagKey: "aws:x", TagValue: "" }] }));
});

test("grants are given, listed, retired and revoked", async () => {
  const { KeyId, Arn, AWSAccountId } = await makeKey();
  const RetiringPrincipal = `arn:aws:iam::${AWSAccountId}:root`;
  const GranteePrincipal = RetiringPrincipal;
  const Constraints = { EncryptionContextSubset: { app: "tests" } };
  const asked = { KeyId, GranteePrincipal, RetiringPrincipal, Operations: ["Decrypt", "Encrypt"], Constraints };
  const { GrantId } = await ask("CreateGrant", asked);
  const [grant] = (await ask("ListGrants", { KeyId })).Grants;
  assert.deepEqual([grant.GrantId, grant.KeyId, grant.Constraints], [GrantId, Arn, Constraints]);
  const { Grants } = await ask("ListRetirableGrants", { RetiringPrincipal });
  assert.ok(Grants.some((one) => one.GrantId === GrantId));
  await ask("RetireGrant", { KeyId: Arn, GrantId });
  const second = await ask("CreateGrant", asked);
  await ask("RevokeGrant", { KeyId, GrantId: second.GrantId });
  assert.deepEqual((await ask("ListGrants", { KeyId })).Grants, []);
});

test("a policy is read and replaced", async () => {
  const { KeyId } = await makeKey();
  assert.deepEqual((await ask("ListKeyPolicies", { KeyId })).PolicyNames, ["default"]);
  const { Policy } = await ask("GetKeyPolicy", { KeyId });
  await ask("PutKeyPolicy", { KeyId, Policy: JSON.stringify({ ...JSON.parse(Policy), Id: "another" }) });
  assert.equal(JSON.parse((await ask("GetKeyPolicy", { KeyId })).Policy).Id, "another");
  await refused("MalformedPolicyDocumentException", ask("PutKeyPolicy", { KeyId, Policy: "{}" }));
});

test("a key is rotated, and its rotations are told", async () => {
  const { KeyId } = await makeKey();
  const { CiphertextBlob } = await ask("Encrypt", { KeyId, Plaintext: text("before") });
  await ask("EnableKeyRotation", { KeyId, RotationPeriodInDays: 100 });
  assert.equal((await ask("GetKeyRotationStatus", { KeyId })).RotationPeriodInDays, 100);
  await ask("RotateKeyOnDemand", { KeyId });
  const { Rotations } = await ask("ListKeyRotations", { KeyId });
  assert.ok(Rotations.some((rotation) => rotation.RotationType === "ON_DEMAND"));
  assert.equal(bytes((await ask("Decrypt", { CiphertextBlob })).Plaintext).toString(), "before");
  await ask("DisableKeyRotation", { KeyId });
  assert.equal((await ask("GetKeyRotationStatus", { KeyId })).KeyRotationEnabled, false);
});

test("a key in two regions is one key, whose primary moves", async () => {
  const { KeyId } = await makeKey(undefined, undefined, { MultiRegion: true });
  const region = await there.config.region();
  const { ReplicaKeyMetadata } = await ask("ReplicateKey", { KeyId, ReplicaRegion: region });
  assert.equal(ReplicaKeyMetadata.MultiRegionConfiguration.MultiRegionKeyType, "REPLICA");
  const { CiphertextBlob } = await ask("Encrypt", { KeyId, Plaintext: text("m") });
  assert.equal(bytes((await ask("Decrypt", { CiphertextBlob }, there)).Plaintext).toString(), "m");
  await ask("UpdatePrimaryRegion", { KeyId, PrimaryRegion: region });
  const { MultiRegionConfiguration } = (await ask("DescribeKey", { KeyId })).KeyMetadata;
  assert.equal(MultiRegionConfiguration.PrimaryKey.Region, region);
});

test("the paginators walk to the end", async () => {
  const { KeyId } = await makeKey();
  const names = Array.from({ length: 5 }, (_, number) => `alias/page-${KeyId}-${number}`);
  for (const AliasName of names) await ask("CreateAlias", { AliasName, TargetKeyId: KeyId });
  const found = [];
  for await (const page of kms.paginateListAliases({ client: here, pageSize: 2 }, { KeyId })) {
    assert.ok(page.Aliases.length <= 2);
    found.push(...page.Aliases.map((alias) => alias.AliasName));
  }
  assert.deepEqual(found, names);
  const keys = new Set();
  for await (const page of kms.paginateListKeys({ client: here, pageSize: 3 }, {})) page.Keys.forEach((key) => keys.add(key.KeyId));
  assert.ok(keys.has(KeyId));
  await refused("InvalidMarkerException", ask("ListKeys", { Marker: "made-up" }));
});

test("refusals are errors of their own classes", async () => {
  await refused("NotFoundException", ask("DescribeKey", { KeyId: "alias/not-there" }));
  const { KeyId, Arn } = await makeKey("HMAC_256", "GENERATE_VERIFY_MAC");
  await refused("InvalidArnException", ask("EnableKey", { KeyId: Arn.replace(`key/${KeyId}`, "alias/dev") }));
  const usage = `${Arn} key usage is GENERATE_VERIFY_MAC which is not valid for Encrypt.`;
  await refused("InvalidKeyUsageException", ask("Encrypt", { KeyId, Plaintext: text("m") }), usage);
  const dry = { KeyId, Message: text("m"), MacAlgorithm: "HMAC_SHA_256", DryRun: true };
  await refused("DryRunOperationException", ask("GenerateMac", dry));
  await refused("ValidationException", ask("CreateKey", { KeySpec: "NONE" }));
  const stranger = new kms.KMSClient({ maxAttempts: 1, credentials: { accessKeyId: "AKIDUNKNOWN", secretAccessKey: "s" } });
  await refused("UnrecognizedClientException", ask("ListKeys", {}, stranger));
  stranger.destroy();
});

const KEY_STORES = ["ConnectCustomKeyStore", "DeleteCustomKeyStore", "DisconnectCustomKeyStore", "UpdateCustomKeyStore"];
for (const operation of [...KEY_STORES, "DescribeCustomKeyStores"]) {
  test(`${operation} knows no key store that was not made`, async () => {
    await refused("CustomKeyStoreNotFoundException", ask(operation, { CustomKeyStoreId: "cks-1234" }));
  });
}

test("an external key store needs a proxy", async () => {
  const outside = { CustomKeyStoreName: "n", CustomKeyStoreType: "EXTERNAL_KEY_STORE" };
  await refused("ValidationException", ask("CreateCustomKeyStore", outside));
});

test("every operation of the SDK was asked for", () => {
  assert.ok(ALL.length >= 56);
  assert.deepEqual(ALL.filter((operation) => !used.has(operation)), []);
});
