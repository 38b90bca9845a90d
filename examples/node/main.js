// hookline from Node, with nothing but the .proto files: subscribe, emit, and watch the delivery.
//
//   hookline serve --dev
//   hookline receive --port 8931
//   hookline protos protos          # writes the .proto files into ./protos
//   npm install && node main.js
//
// Settings: HOOKLINE_SERVER (127.0.0.1:50051), HOOKLINE_PROTOS (protos), RECEIVER_URL (http://127.0.0.1:8931/).

import { promisify } from "node:util";

import grpc from "@grpc/grpc-js";
import protoLoader from "@grpc/proto-loader";

const server = process.env.HOOKLINE_SERVER ?? "127.0.0.1:50051";
const protos = process.env.HOOKLINE_PROTOS ?? "protos";
const url = process.env.RECEIVER_URL ?? "http://127.0.0.1:8931/";

const names = ["subscription", "event", "delivery"].map((name) => `hookline/v1/${name}_service.proto`);
const definition = protoLoader.loadSync(names, { includeDirs: [protos], longs: String, enums: String, oneofs: true });
const { hookline } = grpc.loadPackageDefinition(definition);

function connect(Service) {
  const client = new Service(server, grpc.credentials.createInsecure());
  const call = (method, request) => promisify(client[method].bind(client))(request);
  return { client, call };
}

const subscriptions = connect(hookline.v1.SubscriptionService);
const events = connect(hookline.v1.EventService);
const deliveries = connect(hookline.v1.DeliveryService);

// The request id makes this safe to repeat: it answers with the subscription of the first time.
const { subscription } = await subscriptions.call("CreateSubscription", {
  subscription: { url, eventTypes: ["order.*"] },
  requestId: "example-node",
});
console.log(`subscription ${subscription.id}`);

const watch = deliveries.client.WatchDeliveries({ subscriptionId: subscription.id });
let emitted;
for await (const message of watch) {
  if (!emitted) {
    // The first message is a checkpoint: the watch stands, and nothing is missed from here on.
    const { result } = await events.call("EmitEvent", {
      event: { type: "order.placed", data: Buffer.from(JSON.stringify({ order: 7 })) },
    });
    emitted = result.eventId;
    console.log(`event ${emitted} is on disk`);
  }
  const delivery = message.change?.delivery;
  if (delivery?.eventId === emitted) {
    console.log(`delivery ${delivery.id}: ${delivery.state}, ${delivery.reason}`);
    if (delivery.state === "DELIVERY_STATE_DELIVERED") break;
  }
}
for (const { client } of [subscriptions, events, deliveries]) client.close();
