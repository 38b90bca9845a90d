// A bridge for the conformance suite, and a sender of webhooks small enough to stand beside it.
//
//     node bridge.js [port]        prints the port it listens on
//
// Put calls of your own sender in the place of `Sender`.
"use strict";

const crypto = require("node:crypto");
const http = require("node:http");
const path = require("node:path");
const grpc = require("@grpc/grpc-js");
const loader = require("@grpc/proto-loader");

class Sender {
  constructor() {
    this.targets = new Map();
  }

  configure(target) {
    if (!/^https?:$/.test(new URL(target.url).protocol)) throw new Error(`url: ${target.url} is neither http nor https`);
    const id = crypto.randomUUID();
    this.targets.set(id, target);
    return id;
  }

  remove(id) {
    this.targets.delete(id);
  }

  emit(event) {
    const id = `evt_${crypto.randomUUID()}`;
    const head = Buffer.from(
      `{"type":${JSON.stringify(event.type)},"timestamp":"${new Date().toISOString()}","data":`,
    );
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(event.data)); // throws on what is no JSON
    const body = Buffer.concat([head, event.data, Buffer.from("}")]);
    for (const [name, target] of this.targets) {
      if (!target.eventTypes.length || target.eventTypes.includes(event.type)) this.attempt(name, id, body, 0);
    }
    return id;
  }

  async attempt(name, id, body, number) {
    const target = this.targets.get(name);
    if (!target) return;
    const status = await this.post(target, id, body);
    if (status >= 200 && status < 300) return;
    if (number < target.delays.length) {
      const delay = target.delays[number] * (0.9 + 0.2 * Math.random());
      setTimeout(() => this.attempt(name, id, body, number + 1), delay);
    }
  }

  post(target, id, body) {
    const timestamp = String(Math.floor(Date.now() / 1000));
    const key = Buffer.from(target.secret.replace(/^whsec_/, ""), "base64");
    const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
    const signature = crypto.createHmac("sha256", key).update(signed).digest("base64");
    const headers = {
      "content-type": "application/json",
      "content-length": body.length,
      "user-agent": "bridge-example/1.0",
      "webhook-id": id,
      "webhook-timestamp": timestamp,
      "webhook-signature": `v1,${signature}`,
    };
    return new Promise((resolve) => {
      const signal = AbortSignal.timeout(target.timeout);
      const request = http.request(target.url, { method: "POST", headers, signal }, (answer) => {
        let left = 16 * 1024;
        answer.on("data", (piece) => {
          left -= piece.length;
          if (left < 0) answer.destroy();
        });
        answer.on("close", () => resolve(answer.complete || left < 0 ? answer.statusCode : 0));
        answer.on("error", () => resolve(0));
      });
      request.on("error", () => resolve(0));
      request.end(body);
    });
  }
}

const sender = new Sender();
const seconds = (duration) => Number(duration.seconds) + duration.nanos / 1e9;

// What the sender says no to is a refusal; anything else that is thrown would be a fault of the bridge.
function answering(work) {
  return (call, done) => {
    try {
      done(null, work(call.request));
    } catch (error) {
      done({ code: grpc.status.INVALID_ARGUMENT, details: String(error.message) });
    }
  };
}

const bridge = {
  describe: answering(() => ({
    name: "bridge example",
    version: "1.0",
    features: ["FEATURE_SCHEDULE", "FEATURE_TIMEOUT", "FEATURE_EVENT_TYPES", "FEATURE_DELETE", "FEATURE_EXACT"],
    jitter: 0.1,
    shortestTimeout: { seconds: 0, nanos: 500e6 },
  })),
  configure: answering(({ target }) => ({
    targetId: sender.configure({
      url: target.url,
      secret: target.secret,
      eventTypes: target.eventTypes,
      delays: target.schedule ? target.schedule.delays.map((delay) => seconds(delay) * 1000) : [5000, 300000],
      timeout: target.timeout ? seconds(target.timeout) * 1000 : 15000,
    }),
  })),
  emit: answering((event) => ({ eventId: sender.emit(event) })),
  deleteTarget: answering(({ targetId }) => {
    sender.remove(targetId);
    return {};
  }),
};

const root = path.resolve(__dirname, "../../../proto");
const file = "hookline/conformance/v1/sender_bridge.proto";
const loaded = grpc.loadPackageDefinition(loader.loadSync(file, { includeDirs: [root], enums: String, longs: String, defaults: true }));
const server = new grpc.Server();
server.addService(loaded.hookline.conformance.v1.SenderBridge.service, bridge);
server.bindAsync(`127.0.0.1:${process.argv[2] ?? 0}`, grpc.ServerCredentials.createInsecure(), (error, port) => {
  if (error) throw error;
  console.log(port);
});
