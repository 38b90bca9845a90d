// What a receiver did, in a file: an event takes effect once, and that survives restarts.
const fs = require("node:fs");
const http = require("node:http");

const seen = new Set(fs.existsSync(process.env.LEDGER) ? fs.readFileSync(process.env.LEDGER, "utf8").split("\n").filter(Boolean) : []);

exports.take = (id) => {
  if (seen.has(id)) return;
  fs.appendFileSync(process.env.LEDGER, `${id}\n`);
  seen.add(id);
};

exports.report = () => ({ effects: Object.fromEntries([...seen].map((id) => [id, 1])), total: seen.size });

// Listens on the socket that was handed over.
exports.open = (handler) => http.createServer(handler).listen({ fd: Number(process.argv[2]) });

// A package of the interoperation tests.
exports.load = (name) => require(require.resolve(name, { paths: [process.env.MODULES] }));
exports.find = (name) => require.resolve(name, { paths: [process.env.MODULES] });
