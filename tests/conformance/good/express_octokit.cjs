// express and @octokit/webhooks.
const { pathToFileURL } = require("node:url");
const { find, load, open, report, take } = require("./ledger.cjs");

const express = load("express");

async function main() {
  const { Webhooks } = await import(pathToFileURL(find("@octokit/webhooks")));
  const webhooks = new Webhooks({ secret: process.env.SECRET });
  const app = express();
  app.post("/hooks", express.raw({ type: () => true, limit: "4mb" }), async (request, response) => {
    const signature = request.get("x-hub-signature-256");
    const id = request.get("x-github-delivery");
    const body = Buffer.isBuffer(request.body) ? request.body.toString("utf8") : "";
    let genuine = false;
    try {
      genuine = Boolean(signature && id && body) && (await webhooks.verify(body, signature));
    } catch {
      genuine = false; // what cannot be verified is not genuine
    }
    if (genuine) take(id);
    response.sendStatus(genuine ? 204 : 401);
  });
  app.get("/effects", (_request, response) => response.json(report()));
  app.use((error, _request, response, _next) => response.sendStatus(error.status ?? 500));
  open(app);
}

main();
