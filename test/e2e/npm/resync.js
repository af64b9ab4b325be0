// SPDX-License-Identifier: Apache-2.0
// A client that was away, with ImapFlow: argv: host, imaps port, CA file, user, password.  Prints JSON.
'use strict';
const fs = require('fs');
const { ImapFlow } = require('imapflow');

const [host, port, ca, user, pass] = process.argv.slice(2);

function flow() {
  return new ImapFlow({
    host, port: Number(port), secure: true, qresync: true, auth: { user, pass }, logger: false,
    tls: { ca: fs.readFileSync(ca) },
  });
}

async function main() {
  const first = flow();
  await first.connect();
  await first.mailboxCreate('Away');
  for (let i = 1; i <= 12; i++) await first.append('Away', `Subject: number ${i}\r\n\r\nText\r\n`);
  const before = await first.mailboxOpen('Away');
  const known = { changedSince: before.highestModseq, uidValidity: before.uidValidity };
  const result = { enabled: [...first.enabled].sort(), exists: before.exists };
  await first.logout();

  const other = flow();
  await other.connect();
  await other.mailboxOpen('Away');
  await other.messageFlagsAdd('3', ['\\Flagged', 'Seen-elsewhere'], { uid: true });
  await other.messageDelete('5,7:8', { uid: true });
  await other.append('Away', 'Subject: new\r\n\r\nx\r\n');

  const back = flow();
  const vanished = [], flags = [];
  back.on('expunge', (e) => vanished.push([e.uid, e.vanished, e.earlier]));
  back.on('flags', (e) => flags.push([e.uid, [...e.flags].sort(), e.modseq > known.changedSince]));
  await back.connect();
  const now = await back.mailboxOpen('Away', known);
  Object.assign(result, { qresync: now.qresync, vanished: [...vanished], flags: [...flags], left: now.exists });

  // and while it is there
  const live = new Promise((resolve) => back.once('expunge', resolve));
  back.idle();
  await other.messageDelete('1', { uid: true });
  const gone = await live;
  result.live = [gone.uid, gone.vanished, gone.earlier];
  await other.logout();
  await back.logout();
  console.log(JSON.stringify(result));
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
