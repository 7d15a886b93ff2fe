// Clients of the server that `run` started, and what every test asks of them.
"use strict";

const assert = require("node:assert/strict");
const crypto = require("node:crypto");
const kms = require("@aws-sdk/client-kms");

// Region, endpoint and credentials come from the environment, as they do for every program that uses the SDK.
const here = new kms.KMSClient({ maxAttempts: 1 });
const there = new kms.KMSClient({ maxAttempts: 1, region: process.env.STRONGROOM_OTHER_REGION });
const used = new Set();

/** `ask("Encrypt", {...})`: sends the command of that name. */
function ask(operation, input = {}, client = here) {
  used.add(operation);
  return client.send(new kms[`${operation}Command`](input));
}

/** Makes a key and returns its metadata. */
async function makeKey(KeySpec = "SYMMETRIC_DEFAULT", KeyUsage = "ENCRYPT_DECRYPT", more = {}) {
  return (await ask("CreateKey", { KeySpec, KeyUsage, ...more })).KeyMetadata;
}

/** That a request is refused by an error of this class, which is thrown as one. */
async function refused(name, request, message) {
  await assert.rejects(request, (error) => {
    assert.equal(error.name, name);
    if (kms[name]) assert.ok(error instanceof kms[name], `${error} is no ${name}`);
    assert.ok(error instanceof kms.KMSServiceException);
    assert.equal(error.$metadata.httpStatusCode, 400);
    assert.match(error.$metadata.requestId, /^[0-9a-f-]{36}$/);
    if (message) assert.equal(error.message, message);
    return true;
  });
}

/** The public half of a key, as node's own cryptography has it. */
async function publicKey(KeyId) {
  const { PublicKey } = await ask("GetPublicKey", { KeyId });
  return crypto.createPublicKey({ key: Buffer.from(PublicKey), format: "der", type: "spki" });
}

const text = (string) => Buffer.from(string);
const bytes = (array) => Buffer.from(array);

module.exports = { ask, bytes, here, kms, makeKey, publicKey, refused, text, there, used };
