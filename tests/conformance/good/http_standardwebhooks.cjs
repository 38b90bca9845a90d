// Bare http and standardwebhooks.
const { load, take } = require("./ledger.cjs");
const { serve } = require("./bare.cjs");

const { Webhook } = load("standardwebhooks");
const webhook = new Webhook(process.env.SECRET);

serve((request, body) => {
  try {
    webhook.verify(body, request.headers);
  } catch {
    return 400;
  }
  take(request.headers["webhook-id"]);
  return 204;
});
