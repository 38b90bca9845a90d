// Verifies webhooks with npm's `standardwebhooks`: a request a line of JSON on standard input, a verdict a line on standard output.
"use strict";
const readline = require("node:readline");
const { Webhook } = require("standardwebhooks");

const lines = readline.createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const { secret, headers, body } = JSON.parse(line);
  let verdict;
  try {
    new Webhook(secret).verify(Buffer.from(body, "base64"), headers);
    verdict = { verified: true };
  } catch (error) {
    verdict = { verified: false, error: String(error) };
  }
  process.stdout.write(JSON.stringify(verdict) + "\n");
});
