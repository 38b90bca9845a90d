// Bare http: reads a body of at most 4 MiB, and answers with the status that the handler gives.
const { open, report } = require("./ledger.cjs");

exports.serve = (handler) =>
  open((request, response) => {
    const answer = (status, text = "") => response.writeHead(status, { "Content-Length": Buffer.byteLength(text) }).end(text);
    if (request.url === "/effects") return answer(200, JSON.stringify(report()));
    if (request.method !== "POST") return answer(405);
    const chunks = [];
    let size = 0;
    request.on("data", (chunk) => {
      size += chunk.length;
      if (size <= 4 * 1024 * 1024) chunks.push(chunk);
    });
    request.on("end", async () => answer(size > 4 * 1024 * 1024 ? 413 : await handler(request, Buffer.concat(chunks))));
    request.on("error", () => response.destroy());
  });
