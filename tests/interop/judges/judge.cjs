// Judges with npm's libraries: a question a line of JSON on standard input, a verdict a line on standard output (see foreign.py).
"use strict";
const crypto = require("node:crypto");
const querystring = require("node:querystring");
const readline = require("node:readline");

const MINUTES_5 = 300;
// What comes before the 32 bytes of a seed in PKCS #8 (RFC 8410, section 7).
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

const isForm = (asked) => (asked.headers["content-type"] ?? "").startsWith("application/x-www-form-urlencoded");

function webhooks(Webhook, prefix) {
  return {
    verify({ secret, body, headers }) {
      new Webhook(secret).verify(body, headers, { jsonParse: false });
      return true;
    },
    sign({ secret, body, id, now }) {
      const signature = new Webhook(secret).sign(id, new Date(now * 1000), body.toString());
      return { [`${prefix}-id`]: id, [`${prefix}-timestamp`]: String(now), [`${prefix}-signature`]: signature };
    },
  };
}

function messageKeys({ createSigner, createVerifier }, algorithm, secret) {
  if (algorithm === "hmac-sha256") {
    const key = Buffer.from(secret, "base64");
    return { signer: createSigner(key, algorithm, "k1"), verifier: createVerifier(key, algorithm) };
  }
  const seed = Buffer.from(secret.replace(/^whsk_/, ""), "base64").subarray(0, 32);
  const key = crypto.createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: "der", type: "pkcs8" });
  return { signer: createSigner(key, algorithm, "k1"), verifier: createVerifier(crypto.createPublicKey(key), algorithm) };
}

function message(library, algorithm) {
  const digest = (body) => `sha-256=:${crypto.createHash("sha256").update(body).digest("base64")}:`;
  const fields = ["@method", "@target-uri", "content-type", "content-digest"];
  return {
    async verify({ method, url, headers, body, secret }) {
      const { verifier } = messageKeys(library, algorithm, secret);
      const keyLookup = async ({ keyid }) => (keyid === "k1" ? { id: keyid, algs: [algorithm], verify: verifier } : null);
      const settings = { keyLookup, maxAge: MINUTES_5, requiredFields: fields };
      // The library leaves the digest to who calls it.
      return (await library.httpbis.verifyMessage(settings, { method, url, headers })) && headers["content-digest"] === digest(body);
    },
    async sign({ method, url, headers, body, secret, now }) {
      const { signer } = messageKeys(library, algorithm, secret);
      const settings = { key: signer, name: "theirs", fields, params: ["created", "keyid", "alg"], paramValues: { created: new Date(now * 1000) } };
      const unsigned = { method, url, headers: { ...headers, "content-digest": digest(body) } };
      const signed = (await library.httpbis.signMessage(settings, unsigned)).headers;
      return Object.fromEntries(Object.entries(signed).filter(([name]) => !(name in headers)));
    },
  };
}

const libraries = {
  standardwebhooks: () => webhooks(require("standardwebhooks").Webhook, "webhook"),
  svix: () => webhooks(require("svix").Webhook, "svix"),
  "http-message-signatures": () => message(require("http-message-signatures"), "hmac-sha256"),
  "http-message-signatures ed25519": () => message(require("http-message-signatures"), "ed25519"),
  stripe() {
    const { webhooks } = require("stripe");
    return {
      verify: ({ secret, body, headers }) => webhooks.signature.verifyHeader(body, headers["stripe-signature"], secret, MINUTES_5),
      sign: ({ secret, body, now }) => ({
        "stripe-signature": webhooks.generateTestHeaderString({ payload: body.toString(), secret, timestamp: now }),
      }),
    };
  },
  async "@octokit/webhooks"() {
    const { Webhooks } = await import("@octokit/webhooks");
    return {
      verify: ({ secret, body, headers }) => new Webhooks({ secret }).verify(body.toString(), headers["x-hub-signature-256"]),
      sign: async ({ secret, body }) => ({ "x-hub-signature-256": await new Webhooks({ secret }).sign(body.toString()) }),
    };
  },
  "@slack/bolt"() {
    const { isValidSlackRequest } = require("@slack/bolt");
    return {
      verify: ({ secret, body, headers }) => isValidSlackRequest({ signingSecret: secret, body: body.toString(), headers }),
    };
  },
  twilio() {
    const { webhook, validateRequest, validateRequestWithBody, getExpectedTwilioSignature, getExpectedBodyHash } = require("twilio");
    return {
      verify(asked) {
        const { secret, url, headers, body } = asked;
        const signature = headers["x-twilio-signature"];
        if (isForm(asked)) return validateRequest(secret, signature, url, querystring.parse(body.toString()));
        return validateRequestWithBody(secret, signature, url, body.toString());
      },
      sign(asked) {
        const { secret, url, body } = asked;
        const form = isForm(asked);
        const parameters = form ? querystring.parse(body.toString()) : {};
        const signed = form ? url : `${url}&bodySHA256=${getExpectedBodyHash(body.toString())}`;
        return { "x-twilio-signature": getExpectedTwilioSignature(secret, signed, parameters) };
      },
    };
  },
  "@shopify/shopify-api"() {
    require("@shopify/shopify-api/adapters/node");
    const { shopifyApi, ApiVersion } = require("@shopify/shopify-api");
    return {
      async verify({ secret, body, headers, method, url }) {
        const settings = { apiKey: "k", apiSecretKey: secret, hostName: "example.com", isEmbeddedApp: false, isTesting: true };
        const shopify = shopifyApi({ ...settings, apiVersion: Object.values(ApiVersion).at(-1), logger: { level: 0 } });
        const verdict = await shopify.webhooks.validate({ rawBody: body.toString(), rawRequest: { headers, method, url }, rawResponse: {} });
        if (!verdict.valid) throw new Error(`${verdict.reason} ${verdict.missingHeaders ?? ""}`);
        return true;
      },
    };
  },
  "@hubspot/api-client"() {
    const { Signature } = require("@hubspot/api-client");
    return {
      verify: ({ secret, body, headers, method, url }) =>
        Signature.isValid({
          signature: headers["x-hubspot-signature-v3"],
          timestamp: headers["x-hubspot-request-timestamp"],
          signatureVersion: "v3",
          clientSecret: secret,
          requestBody: body.toString(),
          method,
          url,
        }),
      sign({ secret, body, method, url, now }) {
        const timestamp = String(now * 1000 + 7);
        const asked = { clientSecret: secret, requestBody: body.toString(), url, timestamp };
        return { "x-hubspot-signature-v3": Signature.getSignature(method, "v3", asked), "x-hubspot-request-timestamp": timestamp };
      },
    };
  },
};
const loaded = {};

async function answer(line) {
  const asked = JSON.parse(line);
  asked.body = Buffer.from(asked.body, "base64");
  const library = (loaded[asked.library] ??= await libraries[asked.library]());
  if (asked.operation === "sign") return { headers: await library.sign(asked) };
  try {
    return { accepted: (await library.verify(asked)) === true };
  } catch (error) {
    return { accepted: false, reason: String(error) };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const verdict = await answer(line).catch((error) => ({ failure: error.stack }));
    process.stdout.write(JSON.stringify(verdict) + "\n");
  }
}

main();
