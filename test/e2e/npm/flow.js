// SPDX-License-Identifier: Apache-2.0
// Real work with ImapFlow: argv: host, imaps port, CA file, user, password.  Prints JSON.
'use strict';
const fs = require('fs');
const { ImapFlow } = require('imapflow');

const [host, port, ca, user, pass] = process.argv.slice(2);

async function main() {
  const client = new ImapFlow({
    host, port: Number(port), secure: true, auth: { user, pass }, logger: false,
    tls: { ca: fs.readFileSync(ca) },
  });
  await client.connect();
  const result = { caps: [...client.capabilities.keys()] };
  await client.mailboxCreate('Flow/Arbeit/Überstunden');
  result.list = (await client.list()).map((m) => m.path).sort();
  for (let i = 0; i < 25; i++) {
    await client.append('Flow/Arbeit/Überstunden',
      `From: flow@turnstone.example\r\nTo: you@turnstone.example\r\nSubject: =?utf-8?Q?Gr=C3=BC=C3=9Fe_${i}?=\r\n` +
      `Message-ID: <flow${i}@turnstone.example>\r\n\r\nLine ${i}\r\n`, i % 2 ? ['\\Seen'] : [], new Date(1700000000000 + i * 1000));
  }
  const lock = await client.getMailboxLock('Flow/Arbeit/Überstunden');
  try {
    result.exists = client.mailbox.exists;
    result.unseen = (await client.search({ seen: false })).length;
    result.subject = (await client.search({ subject: 'grüße 7' }, { uid: true })).length;
    const one = await client.fetchOne('7', { envelope: true, bodyStructure: true, source: true, flags: true, internalDate: true });
    result.envelope = one.envelope.subject;
    result.type = one.bodyStructure.type;
    result.source = one.source.toString().includes('Line 6');
    await client.messageFlagsAdd('1:5', ['\\Flagged', 'FlowKeyword']);
    result.flagged = (await client.search({ keyword: 'FlowKeyword' })).length;
    await client.messageMove('1:3', 'INBOX');
    await client.messageDelete({ seen: true });
    result.left = (await client.status('Flow/Arbeit/Überstunden', { messages: true, unseen: true }));
    let n = 0;
    for await (const m of client.fetch('1:*', { uid: true, flags: true, envelope: true })) n += m.uid > 0 ? 1 : 0;
    result.fetched = n;
  } finally {
    lock.release();
  }
  const waiter = new ImapFlow({
    host, port: Number(port), secure: true, auth: { user, pass }, logger: false, tls: { ca: fs.readFileSync(ca) },
  });
  await waiter.connect();
  const lock2 = await waiter.getMailboxLock('Flow/Arbeit/Überstunden');
  const told = new Promise((resolve) => waiter.once('exists', resolve));
  waiter.idle();
  await client.append('Flow/Arbeit/Überstunden', 'Subject: wake up\r\n\r\nx\r\n');
  result.idle = (await told).count;
  lock2.release();
  await waiter.logout();
  await client.mailboxRename('Flow/Arbeit/Überstunden', 'Flow/Fertig');
  await client.mailboxDelete('Flow/Fertig');
  await client.logout();
  console.log(JSON.stringify(result));
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
