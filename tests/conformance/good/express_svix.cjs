// express and svix.
const { load, take } = require("./ledger.cjs");
const { serve } = require("./expressed.cjs");

const { Webhook } = load("svix");
const webhook = new Webhook(process.env.SECRET);

serve((request, body) => {
  try {
    webhook.verify(body, request.headers);
  } catch {
    return 400;
  }
  take(request.get("svix-id"));
  return 204;
});
