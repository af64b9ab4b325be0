# SPDX-License-Identifier: Apache-2.0
"""Power cuts: unflushed data is lost, kept or torn; whatever was acknowledged is there.

SIGKILL alone proves nothing about flushing, since the page cache survives it. Here a preloaded
library writes down what the server does to the files of its store, and when; the server is
killed; and the folder is made anew from what had been flushed, with the rest dropped, kept or
torn at random, several times for each kill. The last test checks the test: with flushes that
do nothing it must find losses.
"""
import os
import random
import shutil
import sys
import time

import pytest

from server import TOP, Site, give
from test_crash import Bob, Session, consistent, differences, end, explain, read, seed

sys.path.insert(0, os.path.join(TOP, "test", "fault"))
import powercut  # noqa: E402  pylint: disable=wrong-import-position

LONG = bool(os.environ.get("TURNSTONE_LONG"))
SESSIONS = 4


class Recorded(Site):
    """A server whose file operations are recorded."""

    def __init__(self):
        super().__init__()
        self.write("store.blob_threshold = 64k\nlistener lmtp { protocol = lmtp; address = 127.0.0.1; port = 0; "
                   f"path = {self.dir}/lmtp.sock }}\n")
        self.bob = Bob()
        self.library = powercut.build(self.dir)
        self.journal = os.path.join(self.dir, "journal")
        self.base = os.path.join(self.dir, "base")
        self.store = os.path.join(self.dir, "data", "store")

    def start_recorded(self, lie=False):
        """The current store becomes the base for the cut."""
        shutil.rmtree(self.base, ignore_errors=True)
        if os.path.isdir(self.store):
            shutil.copytree(self.store, self.base)
        if os.path.exists(self.journal):
            os.unlink(self.journal)
        env = dict(os.environ, LD_PRELOAD=self.library, POWERCUT_DIR=self.store, POWERCUT_JOURNAL=self.journal)
        return self.start(env={**env, "POWERCUT_LIE": "1"} if lie else env)


def compare(site, sessions, uidnext, where, settle=True):
    """Each session's mailboxes are as it was told, give or take the command in progress."""
    client = site.login("alice")
    found = []
    for i, s in enumerate(sessions):
        seen = {}
        s.names = dict(s.names_at_kill)
        s.renaming = s.renaming_at_kill
        s.settle_names(client)
        for box in s.model:
            name = s.names[box]
            known = b" OK " in client.run(f"EXAMINE {name}")[-1]
            assert known or (not s.model[box] and box not in s.created), (where, box)
            seen[box] = read(client, name) if known else {}
            if not known:
                continue
            now = consistent(client, name, seen[box], uidnext.get(box, 1), where)
            if settle:
                uidnext[box] = now
        assert explain(s, seen), (where, i, differences(s, seen))
        found.append(seen)
    client.close()
    client = site.login("bob")
    site.bob.check(client, settle)
    client.close()
    return found


def one_kill(site, rng, models, ids, names, lie=False):
    site.start_recorded(lie)
    sessions = [Session(site, f"s{i}", random.Random(rng.random()), m, ids[i], dict(names[i]))
                for i, m in enumerate(models)]
    for s in sessions:
        s.start()
    time.sleep(rng.uniform(0.2, 1.0))
    end(sessions, site.kill)
    for s in sessions:
        s.names_at_kill, s.renaming_at_kill = dict(s.names), s.renaming
    return sessions, powercut.Disk(site.base).replay(site.journal)


def new_site():
    site = Recorded()
    for user in ("alice", "bob"):
        site.add(user, "secret")
    models = [{f"cut{i}a": {}, f"cut{i}b": {}} for i in range(SESSIONS)]
    return site, models, [[0] for _ in models], [{box: box for box in m} for m in models]


@pytest.mark.parametrize("kills,cuts", [(60, 10) if LONG else (4, 4)])
def test_power_cut_loses_nothing(kills, cuts):
    start = seed()
    rng = random.Random(start)
    site, models, ids, names = new_site()
    uidnext, acknowledged, flushes, unflushed = {}, 0, 0, 0
    try:
        for kill in range(kills):
            sessions, disk = one_kill(site, rng, models, ids, names)
            flushes, unflushed = flushes + disk.flushes, unflushed + disk.unflushed()
            for cut in range(cuts):
                disk.cut(rng, site.store)
                give(site.store)
                site.start()
                found = compare(site, sessions, uidnext, (start, kill, cut), cut == cuts - 1)
                if cut == cuts - 1:
                    site.cli("check")
                site.kill()
            # The test continues with the last of them, which must not go back either.
            models, names = found, [dict(s.names) for s in sessions]
            acknowledged += sum(s.acknowledged for s in sessions)
        print(f"seed {start}: {kills} kills, {kills * cuts} power cuts, {acknowledged} acknowledged changes, "
              f"{site.bob.deliveries} deliveries to a mailbox, {flushes} flushes, {unflushed} operations not flushed at the cuts")
        assert acknowledged > kills * SESSIONS
    finally:
        site.remove()


def test_flushes_that_do_nothing_are_found():
    """A planted bug: a disk, or a server, that only claims to have flushed."""
    start = seed()
    rng = random.Random(start)
    site, models, ids, names = new_site()
    try:
        for kill in range(5):
            sessions, disk = one_kill(site, rng, models, ids, names, lie=True)
            disk.cut(rng, site.store)
            give(site.store)
            try:
                site.start()
                models = compare(site, sessions, {}, (start, kill))
                names = [dict(s.names) for s in sessions]
            except (AssertionError, EOFError, OSError):
                return
            finally:
                if site.process is not None:
                    site.kill()
        pytest.fail(f"five power cuts without any flush, and nothing was missed (seed {start})")
    finally:
        site.remove()
