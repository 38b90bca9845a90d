// express and @octokit/webhooks.
const { serve } = require("./expressed.cjs");
const { handler } = require("./octokit.cjs");

handler().then(serve);
