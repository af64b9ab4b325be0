// SPDX-License-Identifier: Apache-2.0
// A login with a token by ImapFlow: argv: host, imaps port, CA file, user, token.  Prints JSON.
'use strict';
const fs = require('fs');
const { ImapFlow } = require('imapflow');

const [host, port, ca, user, accessToken] = process.argv.slice(2);

async function main() {
  const sent = [];
  const log = (entry) => {
    if (entry && entry.src === 'c') sent.push(entry.msg);
  };
  const client = new ImapFlow({
    host, port: Number(port), secure: true, auth: { user, accessToken }, tls: { ca: fs.readFileSync(ca) },
    logger: { trace: log, debug: log, info: log, warn: log, error: log },
  });
  const result = {};
  try {
    await client.connect();
    result.list = (await client.list()).map((m) => m.path).sort();
    await client.logout();
  } catch (err) {
    result.failed = Boolean(err.authenticationFailed);
    result.code = err.serverResponseCode;
    result.told = err.oauthError;
    client.close();
  }
  result.mechanisms = sent.filter((line) => / AUTHENTICATE /.test(line)).map((line) => line.split(' ')[2]);
  console.log(JSON.stringify(result));
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
