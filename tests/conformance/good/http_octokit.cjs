// Bare http and @octokit/webhooks.
const { serve } = require("./bare.cjs");
const { handler } = require("./octokit.cjs");

handler().then(serve);
