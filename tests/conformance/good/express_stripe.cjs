// express and stripe.
const { load, take } = require("./ledger.cjs");
const { serve } = require("./expressed.cjs");

const Stripe = load("stripe");
const stripe = new Stripe("sk_test_not_used");

serve((request, body) => {
  try {
    const event = stripe.webhooks.constructEvent(body, request.get("stripe-signature"), process.env.SECRET);
    if (typeof event?.id !== "string") return 400;
    take(event.id);
    return 200;
  } catch {
    return 400;
  }
});
