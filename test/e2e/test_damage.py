# SPDX-License-Identifier: Apache-2.0
"""Files of a store taken away, cut, flipped, one by one; a log given up; a disk without room.

For each damage: the commands and the server say what is hurt, or go on with what is not; nothing
they do makes it worse; `check --repair` brings back all that the files still hold, and a second
check finds nothing. What the files still hold is found here without the server's code: class Held.
TURNSTONE_SEED chooses the places.
"""
import collections
import os
import random
import re
import shutil
import signal
import time

import pytest

from imap import literals
from server import Site, give

LONG = bool(os.environ.get("TURNSTONE_LONG"))
SEED = int(os.environ.get("TURNSTONE_SEED") or 1)
ENGINE = re.compile(r"CURRENT|MANIFEST-\d+|OPTIONS-\d+|IDENTITY|format|commit\.mark|\d+\.(log|sst|blob)|[0-9a-f]{16}")
USERS = ("alice", "bob")


def body(user, box, number):
    r = random.Random(f"{user} {box} {number}")
    size = 200000 if number % 5 == 4 else r.choice([50, 2000, 9000])
    return f"Subject: {user} {box} {number}\r\n\r\n{r.randbytes(size // 2).hex()}\r\n".encode()


class Stored(Site):
    """A server with a store of known mail, which can be put back."""

    def __init__(self):
        super().__init__("store.blob_threshold = 64k\ntimeouts.failed_login = 0")
        self.store = os.path.join(self.dir, "data", "store")
        self.whole = os.path.join(self.dir, "whole")
        self.mail = {}  # (user, mailbox) -> the bodies by UID

    def fill(self, count):
        for user in USERS:
            client = self.login(user)
            for box in ("INBOX", "Work"):
                if box != "INBOX":
                    client.run(f"CREATE {box}")
                mail = self.mail.setdefault((user, box), [])
                for i in range(len(mail), len(mail) + count):
                    data = body(user, box, i)
                    client.append(box, data, "(\\Seen) " if i % 2 else "")
                    mail.append(data)

    def build(self):
        for user in (*USERS, "lost+found"):
            self.add(user, "pw")
        for _ in range(2):  # each stop writes tables
            self.start()
            self.fill(5)
            self.stop()
        self.start()
        self.fill(5)  # these are in the log
        self.places = self.readable()
        self.stop(signal.SIGKILL)
        shutil.copytree(self.store, self.whole)
        self.held = Held(self)
        return self

    def restore(self):
        shutil.rmtree(self.store)
        shutil.copytree(self.whole, self.store)
        give(self.store)

    def path(self, name):
        return os.path.join(self.store, name)

    def run(self, *args):
        done = self.cli(*args, ok=None, timeout=300)
        assert done.returncode in (0, 1, 3), done
        return done.returncode, done.stdout + done.stderr

    def try_start(self):
        """None: it serves; otherwise its refusal."""
        at = len(self.log())
        self.start(wait=False)
        while not os.path.exists(self.ready):
            if not self.alive():
                code = self.gone()
                assert code > 0, (code, self.log()[at:])
                return self.log()[at:]
            time.sleep(0.01)
        return None

    def enter(self, user):
        """A client, or None if nobody can log in."""
        client = self.client()
        return client if b" OK" in client.run(f"LOGIN {user} pw")[-1] else None

    def read(self, user, box):
        """{body: (user, mailbox, UID, flags)} of what can be read."""
        got = {}
        client = self.enter(user)
        if client is None or b" OK" not in client.run(f'EXAMINE "{box}"')[-1]:
            return got
        found = next(r for r in client.run("UID SEARCH ALL") if r.startswith(b"* SEARCH"))
        for uid in found.split()[2:]:
            responses = client.run(b"UID FETCH %s (FLAGS BODY.PEEK[])" % uid)
            if b" OK" in responses[-1] and literals(responses[0]):
                flags = frozenset(re.search(rb"FLAGS \(([^)]*)\)", responses[0])[1].split()) - {rb"\Recent"}
                got[literals(responses[0])[0]] = (user, box, int(uid), flags)
        client.close()
        return got

    def make_users(self, text):
        """Adds users whose records were lost, and those to whom a repair gave mail."""
        others = sorted(set(re.findall(r"lost\+found-\d+", text)))
        for user in (*USERS, "lost+found", *others):
            if self.run("user", "show", user)[0] != 0:
                self.add(user, "pw")
        return others

    def readable(self, others=()):
        """All bodies of all users, wherever they are now."""
        got = {}
        for user in (*USERS, "lost+found", *others):
            client = self.enter(user)
            for line in client.ok('LIST "" *')[:-1] if client else []:
                box = re.search(rb'"/" "?(.*?)"?$', line)[1].decode()
                # A message in its place is not requested twice.
                got = {**self.read(user, box), **got}
        return got


def pieces_of_log(data):
    """Each record of a log: its pieces (from, to), and its contents."""
    at, pieces, payload = 0, [], b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        size, kind = int.from_bytes(data[at + 4:at + 6], "little"), data[at + 6]
        if kind not in (1, 2, 3, 4):
            return
        pieces.append((at, at + 7 + size))
        payload += data[at + 7:at + 7 + size]
        at += 7 + size
        if kind in (1, 4):
            yield pieces, payload
            pieces, payload = [], b""


Place = collections.namedtuple("Place", "file ranges heads")


class Held:
    """What a damaged store still holds: each body, and the bytes of the files that must be as they
    were for it to be there: a record with its checksums in a file of values, all pieces of a commit
    in the log, a file of its own. Made of a whole copy by looking for the bodies in it."""

    def __init__(self, site):
        self.whole = folder(site.whole)
        self.places = {}
        bodies = [b for mail in site.mail.values() for b in mail]
        for name, data in self.whole.items():
            if name.endswith(".blob"):
                for b in bodies:
                    at = data.find(b)
                    if at >= 0:  # 32 bytes with lengths and checksums, 8 of the key
                        self.add(b, name, [(at - 40, at + len(b))], [])
            elif name.endswith(".log"):
                heads = []
                for pieces, payload in pieces_of_log(data):
                    for b in bodies:
                        if b in payload:
                            self.add(b, name, pieces, list(heads))
                    heads += [(at + 4, at + 7) for at, _ in pieces]
            elif name.startswith("large/"):
                for b in bodies:
                    if b in data:
                        self.add(b, name, [(0, len(data))], [])
        assert set(self.places) == set(bodies)

    def add(self, what, name, ranges, heads):
        self.places.setdefault(what, []).append(Place(name, ranges, heads))

    def same(self, place, name, data):
        """Are these bytes as they were, and can they be found? In a block of the log each piece says
        where the next one is."""
        if place.file != name:
            return True
        whole = self.whole[name]
        if data is None or any(data[a:b] != whole[a:b] for a, b in place.ranges):
            return False
        blocks = {a // 32768 for a, _ in place.ranges}
        return all(data[a:b] == whole[a:b] for a, b in place.heads if a // 32768 in blocks)

    def after(self, name, data):
        """The bodies that remain if this file is damaged in this way."""
        return {b for b, places in self.places.items() if any(self.same(p, name, data) for p in places)}


@pytest.fixture(name="site", scope="module")
def site_():
    site = Stored().build()
    yield site
    site.remove()


def files_of(store):
    return sorted(os.path.relpath(os.path.join(at, name), store)
                  for at, _, names in os.walk(store) for name in names
                  if os.path.getsize(os.path.join(at, name)) > 0 and ENGINE.fullmatch(name))


def damages(data, rnd):
    flipped = bytearray(data)
    flipped[rnd.randrange(len(data))] ^= 1 << rnd.randrange(8)
    return [("removed", None), ("cut", data[:rnd.randrange(len(data))]), ("flipped", bytes(flipped))]


def folder(path):
    out = {}
    for at, _, names in os.walk(path):
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                out[os.path.relpath(os.path.join(at, name), path)] = f.read()
    return out


def touches_keys(name, data):
    """May where messages are, and their flags, be lost with this file? Not with messages' bytes, pointers
    to them, or the list of files."""
    return name.endswith(".log") or name.endswith(".sst") and b"blobs" not in data


def one(site, name, way, data):
    """Damages one file.  Returns (was it noticed, how many messages were lost in the end)."""
    what = f"{name} {way}"
    site.restore()
    if data is None:
        os.remove(site.path(name))
    else:
        with open(site.path(name), "wb") as f:
            f.write(data)
    everything = {b for mail in site.mail.values() for b in mail}
    before = folder(site.store)
    # 1. A refused start says what is hurt and leaves all mail as it is.
    words = site.try_start()
    if words is not None:
        assert "store" in words and len(words) > 40, (what, words)
        again = site.try_start()
        assert again is not None, (what, words)
        after = folder(site.store).values()
        for file, content in before.items():
            # When it opens, the engine writes its list of files anew, and a table of what was in the log.
            if re.search(r"\.(sst|blob)$|^large/", file):
                assert content in after, (what, file)
    else:
        # Whatever it gives is what was put in.
        assert set(site.readable()) <= everything, what
        site.stop()
    # 2. The check notices it, and repairs it.
    code, text = site.run("check")
    seen = code != 0
    if seen:
        assert len(text) > 20, (what, text)
    # Whole tables may be merged by the engine meanwhile; what is damaged must not go.
    kept = {n: d for n, d in folder(site.store).items()
            if re.search(r"\.(sst|blob)$", n) and n == name or n.startswith("large/")}
    code, text = site.run("check", "--repair")
    if name == "format" and seen:
        # What the store is cannot be guessed: one line, and how to get it back.
        assert code == 3 and "restore this file from a backup" in text, (what, text)
        shutil.copy(os.path.join(site.whole, name), site.path(name))
        give(site.path(name))
    else:
        assert code == (3 if seen else 0) and "NOT mended" not in text, (what, text)
    now = folder(site.store)
    for file, content in kept.items():  # nothing is overwritten or discarded
        assert content in now.values(), (what, file, text)
    code, after = site.run("check")
    assert code == 0, (what, text, after)
    # 3. Everything that the damage did not touch is there.
    others = site.make_users(text)
    assert site.try_start() is None, (what, site.log()[-2000:])
    got = site.readable(others)
    site.stop()
    lost = everything - set(got)
    assert set(got) <= everything, what
    missed = site.held.after(name, data) - set(got)
    assert not missed, (what, [m[:40] for m in missed], text)
    if not touches_keys(name, site.held.whole[name]):
        moved = {b[:40] for b in got if got[b] != site.places[b]}
        assert not moved, (what, moved, text)
    if not seen:
        assert not lost, (what, len(lost))
    if name.startswith("large/"):
        assert len(lost) <= 1, (what, len(lost))
    return seen, len(lost), words is not None, text


def test_files_one_by_one(site):
    rnd = random.Random(SEED)
    rows = []
    names = files_of(site.whole)
    large = [n for n in names if n.startswith("large/")]
    chosen = [n for n in names if n not in large]
    if not LONG:  # one of each kind, and some more
        kinds = {re.sub(r"\d+", "", n): n for n in rnd.sample(chosen, len(chosen))}
        chosen = sorted(kinds.values())
    for name in chosen + rnd.sample(large, len(large) if LONG else 1):
        with open(os.path.join(site.whole, name), "rb") as f:
            ways = damages(f.read(), rnd)
        for way, data in ways if LONG else rnd.sample(ways, 1):
            seen, lost, refused, text = one(site, name, way, data)
            rows.append((name, way, seen, lost, refused))
            print(f"{name:24} {way:8} seen {seen!s:5} refused {refused!s:5} lost {lost:3}")
    assert sum(row[2] for row in rows) > len(rows) / 4
