// What @octokit/webhooks says of a delivery: a handler for both express and bare http.
const { pathToFileURL } = require("node:url");
const { find, take } = require("./ledger.cjs");

exports.handler = async () => {
  const { Webhooks } = await import(pathToFileURL(find("@octokit/webhooks")));
  const webhooks = new Webhooks({ secret: process.env.SECRET });
  return async (request, body) => {
    const signature = request.headers["x-hub-signature-256"];
    const id = request.headers["x-github-delivery"];
    let genuine = false;
    try {
      genuine = Boolean(signature && id && body.length) && (await webhooks.verify(body.toString("utf8"), signature));
    } catch {
      genuine = false; // what cannot be verified is not genuine
    }
    if (genuine) take(id);
    return genuine ? 204 : 401;
  };
};
