// express: reads a body of at most 4 MiB, and answers with the status that the handler gives.
const { load, open, report } = require("./ledger.cjs");

const express = load("express");

exports.serve = (handler) => {
  const app = express();
  app.post("/hooks", express.raw({ type: () => true, limit: "4mb" }), async (request, response) => {
    response.sendStatus(await handler(request, Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0)));
  });
  app.get("/effects", (_request, response) => response.json(report()));
  app.use((error, _request, response, _next) => response.sendStatus(error.status ?? 500));
  open(app);
};
