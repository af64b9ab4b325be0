// SPDX-License-Identifier: Apache-2.0
// Two users of one shared mailbox, each with a cache that is kept by QRESYNC.  argv: host, imap port, then user,
// password, mailbox of each.  Prints JSON.
'use strict';
const { ImapFlow } = require('imapflow');

const [host, port, ...rest] = process.argv.slice(2);
const users = [0, 1].map((i) => ({ user: rest[3 * i], pass: rest[3 * i + 1], path: rest[3 * i + 2] }));

function flow({ user, pass }) {
  return new ImapFlow({
    host, port: Number(port), secure: false, doSTARTTLS: false, qresync: true, auth: { user, pass }, logger: false,
  });
}

// Brings the user's cache up to date: what the server says changed is all that is looked at.
async function resync(u) {
  const client = flow(u);
  const told = [];
  client.on('flags', (e) => { u.cache.set(e.uid, e.flags.has('\\Seen')); told.push(e.uid); });
  client.on('expunge', (e) => { u.cache.delete(e.uid); told.push(-e.uid); });
  await client.connect();
  const box = await client.mailboxOpen(u.path, u.known || {});
  if (!u.known)
    for await (const m of client.fetch('1:*', { flags: true, uid: true })) u.cache.set(m.uid, m.flags.has('\\Seen'));
  u.known = { changedSince: box.highestModseq, uidValidity: box.uidValidity };
  const truth = new Map();
  for await (const m of client.fetch('1:*', { flags: true, uid: true })) truth.set(m.uid, m.flags.has('\\Seen'));
  const same = JSON.stringify([...truth].sort()) === JSON.stringify([...u.cache].sort());
  return { client, told: told.sort((a, b) => a - b), same, seen: [...truth].filter((x) => x[1]).map((x) => x[0]) };
}

async function main() {
  const [a, b] = users;
  for (const u of users) u.cache = new Map();
  const result = [];
  for (const act of [null, [a, ['2', '3']], [b, ['4']], [a, ['1']], [b, ['2']]]) {
    if (act) {
      const { client } = await resync(act[0]);
      await client.messageFlagsAdd(act[1].join(','), ['\\Seen'], { uid: true });
      await client.logout();
    }
    const row = {};
    for (const [name, u] of [['a', a], ['b', b]]) {
      const { client, told, same, seen } = await resync(u);
      row[name] = { told, same, seen };
      await client.logout();
    }
    result.push(row);
  }
  console.log(JSON.stringify(result));
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
