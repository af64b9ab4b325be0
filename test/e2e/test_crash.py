# SPDX-License-Identifier: Apache-2.0
"""SIGKILL at random while sessions append, flag, copy, move, rename, expunge and deliver; then everything
acknowledged must be there, nothing incomplete, UIDs and MODSEQs must never go back, and `turnstone check`
must find nothing.

Each session owns two mailboxes and keeps a model of them: what was acknowledged, and the one command in
progress, which may or may not have happened.

Deliveries go over LMTP to the sessions' mailboxes and to one of bob's that they share, often
one message to several of them. What got its 250 is there exactly once after each restart; a
recipient that got no reply has the message at most once, since nobody sends it again here.
"""
import collections
import os
import random
import re
import threading
import time

import pytest

from demo import Demo
from lmtp import Lmtp

MOST = 200  # messages per mailbox, because of the time it takes to read them all
FLAGS = ["\\Seen", "\\Flagged", "\\Answered", "\\Draft", "work", "$Forwarded"]


def seed():
    return int(os.environ.get("TURNSTONE_SEED") or random.SystemRandom().randrange(2**31))


class Bob:
    """A mailbox to which all sessions deliver; sites have one as `bob`."""

    def __init__(self, mailbox="INBOX"):
        self.mailbox = mailbox
        self.told, self.sent = set(), set()  # message ids with a 250, and all that were sent to him
        self.deliveries = 0

    def check(self, client, settle):
        """settle: the current contents become the model; empties a full mailbox."""
        found = read(client, self.mailbox)
        have = collections.Counter(ident for ident, _ in found.values())
        assert not [ident for ident, n in have.items() if n > 1]
        assert self.told <= set(have), ("lost", sorted(self.told - set(have))[:10])
        assert set(have) <= self.sent, sorted(set(have) - self.sent)[:10]
        if not settle:
            return
        self.told, self.sent = set(have), set(have)
        if len(have) > 200:
            client.ok(f"SELECT {self.mailbox}")
            client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            client.ok("EXPUNGE")
            self.told, self.sent = set(), set()


class Session(threading.Thread):
    """Works until the server dies.  model: mailbox -> uid -> (message id, flags)."""

    def __init__(self, demo, name, rng, model, ids, names):
        super().__init__(daemon=True)
        self.demo, self.box, self.rng, self.ids = demo, name, rng, ids
        self.names = names          # {box: the mailbox's current name}
        self.renaming = None        # (box, new name) under way
        self.model = model          # {box: {uid: (id, frozenset(flags))}}
        self.created = set()        # the boxes known to exist
        self.after = None           # the model if the command in progress happened
        self.delivering = {}        # {box: ((id, flags), told)}: deliveries whose UIDs are not known yet
        self.lmtp = None
        self.acknowledged = 0
        self.failure = None

    def run(self):
        try:
            client = self.demo.login("alice")
            for box in self.model:
                client.run(f"CREATE {self.names[box]}")
                self.created.add(box)
            while True:
                self.one(client)
        except (EOFError, OSError):
            pass
        except Exception as err:  # pylint: disable=broad-except
            self.failure = err

    def commit(self):
        self.model, self.after = self.after, None
        self.acknowledged += 1

    def copy(self):
        return {box: dict(messages) for box, messages in self.model.items()}

    def one(self, client):
        box, other = self.rng.sample(sorted(self.model), 2)
        uids = sorted(self.model[box])
        action = self.rng.choice(["append"] * 4 + ["deliver"] * 4 + ["flag"] * 3 + ["move", "copy", "expunge", "multi", "rename"])
        if action == "rename":
            return self.rename(client, box)
        if action == "deliver":
            return self.deliver(client, self.rng.choice([[box], [box], [box, other]]), self.rng.random() < 0.5)
        if action in ("append", "multi") or not uids:
            return self.append(client, box, 1 if action != "multi" else self.rng.randint(2, 9))
        client.ok(f"SELECT {self.names[box]}")
        if len(uids) > MOST:
            return self.expunge(client, box, uids[:MOST // 2], ",".join(map(str, uids[:MOST // 2])))
        chosen = sorted(self.rng.sample(uids, min(len(uids), self.rng.randint(1, 6))))
        text = ",".join(map(str, chosen))
        if action == "flag":
            return self.flag(client, box, chosen, text)
        if action == "expunge":
            return self.expunge(client, box, chosen, text)
        return self.transfer(client, action, box, other, chosen, text)

    def append(self, client, box, n):
        parts, added = [], []
        for _ in range(n):
            self.ids[0] += 1
            ident = f"{self.box}-{self.ids[0]}"
            size = self.rng.choice([10, 300, 5000, 5000, 200000])
            flags = frozenset(self.rng.sample(FLAGS, self.rng.randint(0, 2)))
            body = f"Subject: {ident}\r\n\r\n{'x' * size}\r\n".encode()
            parts.append(f" ({' '.join(flags)}) {{{len(body)}+}}\r\n".encode() + body)
            added.append((ident, flags))
        self.pending = (box, added)
        replies = client.ok(f"APPEND {self.names[box]}".encode() + b"".join(parts))
        first, last = re.search(rb"APPENDUID \d+ (\d+)(?::(\d+))?", replies[-1]).groups()
        first = int(first)
        assert int(last or first) == first + n - 1
        self.after = self.copy()
        for i, entry in enumerate(added):
            self.after[box][first + i] = entry
        self.pending = None
        self.commit()

    def lmtp_reply(self, line=None):
        got = self.lmtp.cmd(line) if line is not None else self.lmtp.reply()
        if not got:
            raise EOFError
        assert got[:1] in "23", (line, got)

    def deliver(self, client, boxes, to_bob):
        """Delivers one message over LMTP to some mailboxes; then asks for its UIDs, which a 250 does not
        give."""
        if self.lmtp is None:
            self.lmtp = Lmtp(self.rng.choice(self.demo.deliveries()), lhlo=False)
            self.lmtp_reply("LHLO crash")
        self.ids[0] += 1
        ident = f"{self.box}-{self.ids[0]}"
        bob = self.demo.bob
        self.lmtp_reply("MAIL FROM:<>")
        for box in boxes:
            self.lmtp_reply(f"RCPT TO:<alice+{self.names[box]}>")
        if to_bob:
            self.lmtp_reply(f"RCPT TO:<bob{'+' + bob.mailbox if bob.mailbox != 'INBOX' else ''}>")
            bob.sent.add(ident)
        self.lmtp_reply("DATA")
        entry = (ident, frozenset())
        self.delivering = {box: (entry, False) for box in boxes}
        size = self.rng.choice([10, 300, 5000, 5000, 200000])
        self.lmtp.send(f"Subject: {ident}\r\n\r\n{'x' * size}\r\n.\r\n")
        for box in boxes:
            self.lmtp_reply()
            self.delivering[box] = (entry, True)
        if to_bob:
            self.lmtp_reply()
            bob.told.add(ident)
        bob.deliveries += len(boxes) + to_bob
        after = self.copy()
        for box in boxes:
            client.ok(f"EXAMINE {self.names[box]}")
            found = client.ok(f"UID SEARCH SUBJECT {ident}")[0].split()[2:]
            assert len(found) == 1, (ident, box, found)
            after[box][int(found[0])] = entry
        self.after, self.delivering = after, {}
        self.commit()

    def flag(self, client, box, chosen, text):
        sign, flags = self.rng.choice("+-"), set(self.rng.sample(FLAGS, self.rng.randint(1, 3)))
        self.after = self.copy()
        for uid in chosen:
            ident, old = self.model[box][uid]
            self.after[box][uid] = (ident, old | flags if sign == "+" else old - flags)
        client.ok(f"UID STORE {text} {sign}FLAGS.SILENT ({' '.join(flags)})")
        self.commit()

    def expunge(self, client, box, chosen, text):
        self.after = self.copy()
        for uid in chosen:
            ident, old = self.model[box][uid]
            self.after[box][uid] = (ident, old | {"\\Deleted"})
        client.ok(f"UID STORE {text} +FLAGS.SILENT (\\Deleted)")
        self.commit()
        self.after = self.copy()
        for uid in chosen:
            del self.after[box][uid]
        client.ok(f"UID EXPUNGE {text}")
        self.commit()

    def transfer(self, client, action, box, other, chosen, text):
        self.unknown_target = (other, [self.model[box][uid] for uid in chosen])
        self.after = self.copy()
        if action == "move":
            for uid in chosen:
                del self.after[box][uid]
        replies = client.ok(f"UID {action.upper()} {text} {self.names[other]}")
        code = next(re.search(rb"COPYUID \d+ (\S+) ([0-9:,]+)", r) for r in replies if b"COPYUID" in r)
        targets = expand(code.group(2).decode())
        assert expand(code.group(1).decode()) == chosen and len(targets) == len(chosen)
        for uid, target in zip(chosen, targets):
            self.after[other][target] = self.model[box][uid]
        self.unknown_target = None
        self.commit()

    def rename(self, client, box):
        self.ids[0] += 1
        self.renaming = (box, f"{box}-{self.ids[0]}")
        client.ok(f"RENAME {self.names[box]} {self.renaming[1]}")
        self.names[box], self.renaming = self.renaming[1], None
        self.acknowledged += 1

    def settle_names(self, client):
        """After an interrupted RENAME exactly one of the names exists."""
        if self.renaming is None:
            return
        box, new = self.renaming
        there = [b" OK " in client.run(f"STATUS {name} (MESSAGES)")[-1] for name in (self.names[box], new)]
        assert there.count(True) == 1, (self.names[box], new, there)
        if there[1]:
            self.names[box] = new
        self.renaming = None

    pending = None
    unknown_target = None


def expand(text):
    out = []
    for part in text.split(","):
        lo, _, hi = part.partition(":")
        out += range(int(lo), int(hi or lo) + 1)
    return out


def read(client, box):
    client.ok(f"EXAMINE {box}")
    found = {}
    for r in client.ok("UID FETCH 1:* (FLAGS RFC822.SIZE BODY.PEEK[])"):
        m = re.match(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) RFC822.SIZE (\d+) BODY\[\] \{(\d+)\}\r\n(.*)\)$", r,
                     re.S)
        if m is None:
            continue
        uid, flags, size, length, body = m.groups()
        assert int(size) == int(length) == len(body), r[:200]
        text = body[body.index(b"\r\nSubject: ") + 2:] if body.startswith(b"Return-Path: <>\r\n") else body
        ident = re.match(rb"Subject: (\S+)\r\n\r\nx+\r\n$", text).group(1).decode()
        found[int(uid)] = (ident, frozenset(flags.decode().split()) - {"\\Recent"})
    return found


def consistent(client, box, messages, least, where):
    """STATUS agrees with the contents; returns UIDNEXT, which is at least this."""
    r = client.ok(f"STATUS {box} (MESSAGES UIDNEXT UNSEEN SIZE)")[0]
    now = {k.decode(): int(v) for k, v in re.findall(rb"([A-Z]+) (\d+)", r.split(b"(", 1)[1])}
    assert now["MESSAGES"] == len(messages), (where, box, now)
    assert now["UNSEEN"] == sum("\\Seen" not in f for _, f in messages.values()), (where, box, now)
    assert now["UIDNEXT"] > max(list(messages) + [0]), (where, box, now)
    assert now["UIDNEXT"] >= least, (where, box, now)
    return now["UIDNEXT"]


def end(sessions, kill):
    """No session may have ended before the server."""
    assert all(s.is_alive() for s in sessions), [s.failure for s in sessions]
    kill()
    for s in sessions:
        s.join(30)
        assert s.failure is None and not s.is_alive(), s.failure


def explain(session, seen):
    """Whether the contents are the model before or after the command in progress."""
    if seen == session.model or (session.after is not None and seen == session.after):
        return True
    base = session.after if session.after is not None else session.model
    if session.delivering:
        return explain_delivery(session, seen)
    if session.pending is not None or session.unknown_target is not None:
        box, added = session.pending or session.unknown_target
        want = {b: dict(m) for b, m in base.items()}
        extra = sorted(set(seen[box]) - set(want[box]))
        if extra and extra[0] <= max(list(want[box]) + [0]):
            return False
        for uid, entry in zip(extra, added):
            want[box][uid] = entry
        return len(extra) == len(added) and seen == want
    return False


def explain_delivery(session, seen):
    """A mailbox with a 250 has one more message, other recipients' mailboxes may have."""
    want = {b: dict(m) for b, m in session.model.items()}
    for box, (entry, told) in session.delivering.items():
        extra = sorted(set(seen[box]) - set(want[box]))
        if len(extra) > 1 or (told and not extra) or (extra and extra[0] <= max(list(want[box]) + [0])):
            return False
        want[box].update((uid, entry) for uid in extra)
    return seen == want


def modseq(demo, name):
    """A mailbox's MODSEQ, from the server's own command."""
    answer = demo.asked("mailbox", "status", name, "--user", "alice")
    return (answer[0] if isinstance(answer, list) else answer)["highestmodseq"]


@pytest.mark.parametrize("rounds", [8 if not os.environ.get("TURNSTONE_LONG") else 300])
def test_sigkill_loses_nothing(rounds):
    start = seed()
    print(f"seed {start}")
    rng = random.Random(start)
    demo = Demo().up()
    demo.bob = Bob("crash")
    try:
        demo.login("bob").ok("CREATE crash")
        models = [{f"crash{i}a": {}, f"crash{i}b": {}} for i in range(4)]
        names = [{box: box for box in m} for m in models]
        ids = [[0] for _ in models]
        uidnext, modseqs, total = {}, {}, 0
        for number in range(rounds):
            sessions = [Session(demo, f"s{i}", random.Random(rng.random()), models[i], ids[i], names[i])
                        for i in range(len(models))]
            for s in sessions:
                s.start()
            time.sleep(rng.uniform(0.3, 1.2))
            end(sessions, demo.kill)
            demo.up()
            client = demo.login("alice")
            for i, s in enumerate(sessions):
                if s.acknowledged == 0 and b" OK " not in client.run(f"EXAMINE {names[i][f'crash{i}a']}")[-1]:
                    continue
                s.settle_names(client)
                for box in s.model:
                    client.run(f"CREATE {names[i][box]}")
                seen = {box: read(client, names[i][box]) for box in s.model}
                assert explain(s, seen), (start, number, i, differences(s, seen))
                for box, messages in seen.items():
                    uidnext[box] = consistent(client, names[i][box], messages, uidnext.get(box, 1), (start, number))
                    higher = modseq(demo, names[i][box])
                    assert higher >= modseqs.get(box, 0), (start, number, box)
                    modseqs[box] = higher
                models[i] = seen
                total += s.acknowledged
            client.close()
            client = demo.login("bob")
            demo.bob.check(client, settle=True)
            client.close()
            if number % 4 == 3:
                demo.cli("check")
        print(f"{rounds} kills, {total} acknowledged changes, {demo.bob.deliveries} deliveries to a mailbox, all there")
        assert total > rounds * 4, "the sessions hardly did anything"
    finally:
        demo.remove()


def differences(s, seen):
    out = []
    for box in seen:
        for uid in sorted(set(seen[box]) | set(s.model[box])):
            if seen[box].get(uid) != s.model[box].get(uid):
                out.append((box, uid, "model", s.model[box].get(uid), "seen", seen[box].get(uid)))
    return out[:20], s.pending and s.pending[0], s.unknown_target and s.unknown_target[0], s.delivering
