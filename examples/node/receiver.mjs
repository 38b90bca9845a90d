// A receiver of webhooks signed as Standard Webhooks says, with nothing but Node: verify, then act once per event id.
// `hookline-conformance receiver` holds it to the published requirements (docs/conformance/README.md).
//
//     WEBHOOK_SECRET=whsec_… node receiver.mjs 8932
//
// Several secrets, with spaces between them, are all accepted: that is how one is rotated.

import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";

const TOLERANCE_SECONDS = 300;
const LONGEST_BODY = 4 * 1024 * 1024;
const KEY = /^whsec_([A-Za-z0-9+/]+={0,2})$/;

const keys = (process.env.WEBHOOK_SECRET ?? "").split(" ").filter(Boolean).map((secret) => {
  const found = KEY.exec(secret);
  if (!found) throw new Error("WEBHOOK_SECRET: a secret is whsec_ and base64");
  return Buffer.from(found[1], "base64");
});
if (keys.length === 0) throw new Error("WEBHOOK_SECRET is not set");

// What the events did; a real receiver writes this in the same transaction as the effect itself.
const effects = new Map();

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function bodyOf(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > LONGEST_BODY) throw new Refused(413, "the body is too long");
    parts.push(part);
  }
  return Buffer.concat(parts);
}

// A header that stands there twice is not one that anybody signed.
function only(request, name) {
  const values = request.headersDistinct[name] ?? [];
  if (values.length !== 1 || values[0] === "") throw new Refused(400, `${name}: needed once`);
  return values[0];
}

function verify(request, body) {
  const id = only(request, "webhook-id");
  const timestamp = only(request, "webhook-timestamp");
  const signatures = only(request, "webhook-signature").split(" ");
  if (!/^[1-9][0-9]{0,11}$/.test(timestamp)) throw new Refused(400, "webhook-timestamp: not a number of seconds");
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) throw new Refused(400, "webhook-timestamp: too far off");
  const expected = keys.map((key) => {
    const mac = createHmac("sha256", key).update(`${id}.${timestamp}.`, "latin1").update(body).digest("base64");
    return Buffer.from(`v1,${mac}`);
  });
  const given = signatures.map((signature) => Buffer.from(signature, "latin1"));
  const right = expected.some((one) => given.some((other) => one.length === other.length && timingSafeEqual(one, other)));
  if (!right) throw new Refused(401, "webhook-signature: none is right");
  return id;
}

async function handle(request) {
  const { pathname } = new URL(request.url, "http://localhost");
  if (request.method === "GET" && pathname === "/effects") {
    const total = [...effects.values()].reduce((sum, count) => sum + count, 0);
    return [200, JSON.stringify({ effects: Object.fromEntries(effects), total })];
  }
  if (pathname !== "/hooks") throw new Refused(404, "there is nothing here");
  if (request.method !== "POST") throw new Refused(405, "POST only");
  const body = await bodyOf(request);
  const id = verify(request, body);
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    throw new Refused(400, "the body is not JSON");
  }
  if (!effects.has(id)) effects.set(id, 1);
  return [200, "{}"];
}

const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000, connectionsCheckingInterval: 1_000 }, (request, response) => {
  handle(request)
    .catch((error) => {
      if (error instanceof Refused) return [error.status, JSON.stringify({ error: error.message })];
      return [400, JSON.stringify({ error: "the request is malformed" })];
    })
    .then(([status, text]) => {
      if (!request.complete) response.setHeader("Connection", "close");
      response.writeHead(status, { "Content-Type": "application/json" }).end(text);
    });
});
server.listen(Number(process.argv[2] ?? 8932), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}/hooks`));
