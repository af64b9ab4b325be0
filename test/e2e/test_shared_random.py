# SPDX-License-Identifier: Apache-2.0
"""Three users of different rights do anything at once with one mailbox; each has \\Seen of their own.

Each user has a session that changes things, of which a model knows what the user has read, and one that comes back
by QRESYNC again and again and keeps a cache.  At the end model, cache and server must agree, whatever the order was.
TURNSTONE_SHARED="SEED SECONDS" runs another seed for longer.
"""
import os
import random
import re
import threading
import time

import pytest

OWNER = "alice"
NAMES = {OWNER: "Work", "bob": "Other Users/alice/Work", "carol": "Other Users/alice/Work"}
RIGHTS = {"bob": "lrswite", "carol": "lrs"}
SEED, SECONDS = (int(x) for x in os.environ.get("TURNSTONE_SHARED", "20261201 6").split())


def numbers(text):
    found = set()
    for part in text.split(","):
        low, _, high = part.partition(":")
        found |= set(range(int(low), int(high or low) + 1))
    return found


class Writer:
    """Changes the mailbox, and knows what this user has read."""

    def __init__(self, server, user, seed):
        self.client = server.login(user, "pw")
        self.user, self.rng, self.seen = user, random.Random(seed), set()
        self.client.ok("ENABLE CONDSTORE")
        self.client.ok(f'SELECT "{NAMES[user]}"')
        self.count = 0

    def found(self, what):
        """Others' changes may be told with it."""
        [line] = [x for x in self.client.ok(f"UID SEARCH {what}") if x.startswith(b"* SEARCH")]
        return [int(n) for n in line.split()[2:]]

    def uids(self):
        self.client.ok("NOOP")
        return self.found("ALL")

    def mark(self, some):
        on = self.rng.random() < 0.6
        sign = "+" if on else "-"
        self.client.ok(f"UID STORE {','.join(map(str, some))} {sign}FLAGS{self.rng.choice(['', '.SILENT'])} (\\Seen)")
        self.seen = self.seen | set(some) if on else self.seen - set(some)

    def mark_unchanged(self, some):
        since = int(re.search(rb"HIGHESTMODSEQ (\d+)", b"".join(
            self.client.ok(f'STATUS "{NAMES[self.user]}" (HIGHESTMODSEQ)')))[1]) - self.rng.randrange(4)
        lines = self.client.run(f"UID STORE {','.join(map(str, some))} (UNCHANGEDSINCE {max(since, 1)}) +FLAGS (\\Seen)")
        refused = re.search(rb"\[MODIFIED ([0-9,:]+)\]", lines[-1])
        self.seen |= set(some) - (numbers(refused[1].decode()) if refused else set())

    def read(self, some):
        self.client.ok(f"UID FETCH {some[0]} BODY[TEXT]")
        self.seen.add(some[0])

    def flag(self, some):
        self.client.run(f"UID STORE {some[0]} {self.rng.choice('+-')}FLAGS.SILENT (\\Flagged)")

    def replace(self, some):
        """Both at once."""
        seen = self.rng.random() < 0.5
        flags = "\\Seen \\Answered" if seen else "\\Answered"
        self.client.ok(f"UID STORE {some[0]} FLAGS.SILENT ({flags})")
        (self.seen.add if seen else self.seen.discard)(some[0])

    def append(self):
        seen = self.rng.random() < 0.5
        text = f"Subject: {self.user} {self.count}\r\n\r\nText\r\n"
        self.count += 1
        flags = "(\\Seen) " if seen else ""
        done = self.client.ok(f'APPEND "{NAMES[self.user]}" {flags}{{{len(text)}+}}\r\n{text}')
        if seen:
            self.seen.add(int(re.search(rb"APPENDUID \d+ (\d+)", done[-1])[1]))

    def expunge(self, some):
        self.client.ok(f"UID STORE {some[0]} +FLAGS.SILENT (\\Deleted)")
        self.client.ok(f"UID EXPUNGE {some[0]}")

    def step(self):
        may = RIGHTS.get(self.user, "lrswite")
        uids = self.uids()
        if "i" in may and (len(uids) < 10 or self.rng.random() < 0.15):
            self.append()
            return
        if not uids:
            return
        some = self.rng.sample(uids, min(len(uids), self.rng.randint(1, 4)))
        acts = [self.mark] * 4 + [self.mark_unchanged, self.read]
        if "w" in may:
            acts += [self.flag, self.replace]
        if "e" in may and len(uids) > 12:
            acts += [self.expunge]
        self.rng.choice(acts)(some)


class Cache:
    """Comes back by QRESYNC and keeps what it was told."""

    def __init__(self, server, user):
        self.client = server.login(user, "pw")
        self.user, self.flags, self.known, self.times = user, {}, None, 0
        self.client.ok("ENABLE QRESYNC")

    def take(self, lines):
        for line in lines:
            gone = re.match(rb"\* VANISHED (?:\(EARLIER\) )?([0-9,:]+)", line)
            if gone:
                for uid in numbers(gone[1].decode()):
                    self.flags.pop(uid, None)
            told = re.search(rb"UID (\d+).*FLAGS \(([^)]*)\)", line) if b" FETCH (" in line else None
            if told:
                self.flags[int(told[1])] = set(told[2].split()) - {b"\\Recent"}

    def resync(self):
        how = f" (QRESYNC ({self.known[0]} {self.known[1]}))" if self.known else ""
        lines = self.client.ok(f'SELECT "{NAMES[self.user]}"{how}')
        text = b"".join(lines)
        highest = int(re.search(rb"HIGHESTMODSEQ (\d+)", text)[1])
        assert self.known is None or highest >= self.known[1], (self.user, highest, self.known)
        if self.known is None:
            lines = self.client.ok("UID FETCH 1:* (FLAGS)")
        self.take(lines)
        self.known = (int(re.search(rb"UIDVALIDITY (\d+)", text)[1]), highest)
        self.take(self.client.ok("UNSELECT"))
        self.times += 1

    def truth(self):
        self.client.ok(f'SELECT "{NAMES[self.user]}"')
        have, self.flags = self.flags, {}
        self.take(self.client.ok("UID FETCH 1:* (FLAGS)"))
        self.client.ok("UNSELECT")
        return have, self.flags


@pytest.fixture(name="site")
def _site(server):
    for user in (OWNER, "bob", "carol", "dora"):
        server.add(user, "pw")
    server.start()
    with server.login(OWNER, "pw") as client:
        client.ok("CREATE Work")
        for i in range(12):
            client.append("Work", f"Subject: {i}\r\n\r\nText\r\n")
        for user, rights in (*RIGHTS.items(), ("dora", "lr")):
            client.ok(f"SETACL Work {user} {rights}")
    yield server


def test_they_agree(site):
    until = time.monotonic() + SECONDS
    writers = [Writer(site, user, SEED + i) for i, user in enumerate(NAMES)]
    caches = [Cache(site, user) for user in NAMES]
    faults = []

    def run(step):
        try:
            while time.monotonic() < until and not faults:
                step()
        except Exception as err:  # pylint: disable=broad-except
            faults.append(repr(err))
    threads = [threading.Thread(target=run, args=(step,)) for step in [w.step for w in writers] + [c.resync for c in caches]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults, (SEED, faults)
    for writer, cache in zip(writers, caches):
        there = set(writer.uids())
        got = set(writer.found("SEEN"))
        assert got == writer.seen & there, (SEED, writer.user, sorted(got ^ (writer.seen & there)))
        cache.resync()
        have, truth = cache.truth()
        assert have == truth, (SEED, cache.user, {u: (have.get(u), truth.get(u)) for u in have.keys() | truth.keys()
                                                  if have.get(u) != truth.get(u)})
        assert cache.times > 5


def test_nobody_hears_who_reads(site):
    with site.login("dora", "pw") as client:
        client.ok("ENABLE QRESYNC")
        before = client.ok('SELECT "Other Users/alice/Work"')
        highest = re.search(rb"HIGHESTMODSEQ (\d+)", b"".join(before))[1]
        for user in NAMES:
            with site.login(user, "pw") as other:
                other.ok(f'SELECT "{NAMES[user]}"')
                other.ok("STORE 1:4 +FLAGS (\\Seen)")
                other.ok("FETCH 5 BODY[]")
                other.ok("STORE 2 -FLAGS (\\Seen)")
        assert client.ok("NOOP")[:-1] == []
        status = client.ok('STATUS "Other Users/alice/Work" (HIGHESTMODSEQ UNSEEN)')[0]
        assert b"HIGHESTMODSEQ " + highest in status and b"UNSEEN 12" in status
