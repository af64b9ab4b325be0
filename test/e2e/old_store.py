# SPDX-License-Identifier: Apache-2.0
"""Stores that older programs made, for test_migrate.py.

	python3 test/e2e/old_store.py PROGRAM OUT.tar.xz [DELETED]

runs that `turnstone` in a folder of its own, fills its store over IMAP and LMTP, kills it in the
middle of what it has to remove, and packs the data folder together with what IMAP showed before.
DELETED mailboxes (600 for format 1, which kept a tombstone of each) come and go.  A format is a
program of its time: 1 is d7e768c^, 2 is cdfb17f^, 3 is 3327e64^, 4 is d98c64b.
"""
import hashlib
import json
import random
import re
import sys
import tarfile

from imap import literals
from lmtp import Lmtp
from server import Site

USERS = ("alice", "bob", "carol")
PASSWORD = "pw"
MORE = """\
store {{ write_buffer = 1M; blob_threshold = 64K }}
listener lmtp {{ protocol = lmtp; path = {0}/lmtp.sock; mode = 0600 }}
"""


def message(number, size=200):
    text = random.Random(number).choice("abcdefgh") * size
    return (f"From: {number}@example.net\r\nSubject: message {number}\r\nMessage-ID: <{number}@x>\r\n\r\n"
            f"{text}\r\n").encode()


def show_mailbox(client, name):
    empty = b"* 0 EXISTS" in client.ok(f'EXAMINE "{name}"')
    shown = []
    for r in [] if empty else client.ok("FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])")[:-1]:
        head = r.split(b"{", 1)[0].decode()
        flags = sorted(f for f in re.search(r"FLAGS \(([^)]*)\)", head).group(1).split() if f != "\\Recent")
        shown.append([int(re.search(r"UID (\d+)", head).group(1)), flags,
                      re.search(r'INTERNALDATE "([^"]*)"', head).group(1),
                      hashlib.sha256(literals(r)[0]).hexdigest()])
    status = client.ok(f'STATUS "{name}" (UIDVALIDITY UIDNEXT)')[0]
    return [re.search(rb"\(([^)]*)\)", status).group(1).decode(), shown]


def names(responses):
    return sorted(r.decode().split(' "/" ')[1].strip('"') for r in responses[:-1])


def show(site):
    """Everything that IMAP shows of all users: mailboxes, subscriptions, messages, flags."""
    everything = {}
    for user in USERS:
        with site.login(user, PASSWORD) as client:
            mailboxes = names(client.ok('LIST "" *'))
            everything[user] = {"mailboxes": {name: show_mailbox(client, name) for name in mailboxes},
                                "subscribed": names(client.ok('LSUB "" *'))}
    return everything


def deliver(site, recipients, data):
    with Lmtp(site.dir + "/lmtp.sock") as client:
        replies = client.deliver(data[:-2], *recipients)
        assert all(reply.startswith("250") for reply in replies.values()), replies


def fill(site, deleted):
    alice, bob = site.login("alice"), site.login("bob")
    site.login("carol").close()
    for name in ("Work", "Work/Done", "Old", "Sent"):
        alice.ok(f"CREATE {name}")
        alice.ok(f"SUBSCRIBE {name}")
    for i in range(40):
        flags = ["", "(\\Seen) ", "(\\Flagged work) ", "(\\Answered $Label1) "][i % 4]
        alice.append(["INBOX", "Work"][i % 2], message(i), flags)
        if i % 8 == 0:
            bob.append("INBOX", message(100 + i), flags)
    alice.append("Work", message(50, 200000))
    deliver(site, USERS, message(60))
    deliver(site, ["bob", "carol"], message(61, 200000))
    alice.ok("SELECT INBOX")
    for i in range(520):  # enough to be folded
        alice.ok(f"STORE {i % 9 + 1} {'+-'[i // 9 % 2]}FLAGS.SILENT (\\Draft)")
    alice.ok("COPY 1:5 Work/Done")
    alice.append("Old", message(70))
    alice.append("Old", message(71))
    for i in range(deleted):
        bob.ok(f"CREATE t{i}")
        bob.ok(f"DELETE t{i}")
    for command in ("COPY 1:3 Old", "UID STORE 2,4 +FLAGS (\\Deleted)", "EXPUNGE", "DELETE Sent"):
        alice.ok(command)
    bob.ok("CREATE a/b")
    bob.ok("RENAME a c")
    return alice


def make(program, out, deleted="3"):
    site = Site()
    try:
        site.program = program
        site.write(MORE.format(site.dir))
        for user in USERS:
            site.add(user, PASSWORD)
        site.start()
        alice = fill(site, int(deleted))
        alice.ok("DELETE Old")
        expected = show(site)
        bob = site.login("bob")
        bob.ok("SELECT INBOX")
        bob.ok("STORE 1 +FLAGS (\\Deleted)")
        expected["bob"]["mailboxes"]["INBOX"][1].pop(0)
        bob.ok("EXPUNGE")
        site.kill()  # what was removed is still in the queue
        with open(site.dir + "/data/expected.json", "w", encoding="ascii") as f:
            json.dump(expected, f, sort_keys=True)
        with tarfile.open(out, "w:xz") as tar:
            tar.add(site.dir + "/data/store", "data/store")
            tar.add(site.dir + "/data/expected.json", "data/expected.json")
    finally:
        site.remove()


if __name__ == "__main__":
    make(*sys.argv[1:])
