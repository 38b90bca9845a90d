// Knows of hookline its .proto files alone: creates a subscription, watches, emits, and says what became of the delivery.
// Arguments: the folder of the .proto files, the server's address, the receiver's URL.
"use strict";
const grpc = require("@grpc/grpc-js");
const protoLoader = require("@grpc/proto-loader");

const [protos, address, url] = process.argv.slice(2);
const files = ["subscription_service", "event_service", "delivery_service"].map((name) => `hookline/v1/${name}.proto`);
const definition = protoLoader.loadSync([...files, "google/rpc/error_details.proto"], {
  includeDirs: [protos],
  keepCase: true,
  enums: String,
  longs: String,
  bytes: Buffer,
  oneofs: true,
});
const { v1 } = grpc.loadPackageDefinition(definition).hookline;
const credentials = grpc.credentials.createInsecure();

function call(client, method, request) {
  return new Promise((resolve, reject) => {
    client[method](request, { deadline: Date.now() + 60_000 }, (error, response) => (error ? reject(error) : resolve(response)));
  });
}

async function main() {
  const subscriptions = new v1.SubscriptionService(address, credentials);
  const events = new v1.EventService(address, credentials);
  const deliveries = new v1.DeliveryService(address, credentials);

  const { subscription } = await call(subscriptions, "CreateSubscription", {
    subscription: { url, event_types: ["invoice.*"], body_format: "BODY_FORMAT_STANDARD" },
  });
  const { secrets } = await call(subscriptions, "GetSubscriptionSecret", { subscription_id: subscription.id });

  const watch = deliveries.WatchDeliveries({ subscription_id: subscription.id }, { deadline: Date.now() + 60_000 });
  const change = await new Promise((resolve, reject) => {
    let eventId = null;
    watch.on("error", reject);
    watch.on("data", (item) => {
      if (item.checkpoint && eventId === null) {
        eventId = "";
        call(events, "EmitEvent", {
          event: { type: "invoice.paid", data: Buffer.from('{"amount":12345678901234567890.10}'), idempotency_key: "node-1" },
        }).then(({ result }) => (eventId = result.event_id), reject);
      } else if (item.change && item.change.delivery.state === "DELIVERY_STATE_DELIVERED") {
        resolve(item.change);
      }
    });
  });
  watch.cancel();

  const refusal = await call(events, "EmitEvent", { event: { type: "no type", data: Buffer.from("{}") } }).then(
    () => null,
    (error) => ({ code: error.code, details: error.details, rich: error.metadata.get("grpc-status-details-bin").length }),
  );
  const { result: again } = await call(events, "EmitEvent", {
    event: { type: "invoice.paid", data: Buffer.from('{"amount":12345678901234567890.10}'), idempotency_key: "node-1" },
  });
  process.stdout.write(
    JSON.stringify({
      secret: secrets[0].value,
      event: again.event_id,
      duplicate: again.duplicate,
      state: change.delivery.state,
      webhook: change.delivery.webhook_id,
      status: change.attempt.status,
      refusal,
    }) + "\n",
  );
}

main().then(
  () => process.exit(0),
  (error) => {
    process.stderr.write(`${error.stack}\n`);
    process.exit(1);
  },
);
