# SPDX-License-Identifier: Apache-2.0
"""Backups of a server at work: killed at any instant, and everything that IMAP can show of what is restored."""
import itertools
import json
import os
import random
import re
import signal
import subprocess
import threading
import time

import pytest

from conftest import TURNSTONE, Server
from demo import Client
from test_service import Site

LONG = bool(os.environ.get("TURNSTONE_LONG"))
SEED = int(os.environ.get("TURNSTONE_SEED") or 1)
USERS = ("anna", "bo", "carl@two.example")
BOXES = ("INBOX", "Work/Größe", "Lists.old")


def utf7(name):
    return name.replace("öß", "&APYA3w-")


def decoded(name):
    return name.strip('"').replace("&APYA3w-", "öß")


def in_order(flags):
    return b" ".join(sorted(set(flags[1].split()) - {b"\\Recent"}))


class Writer(threading.Thread):
    """Appends, flags, moves and expunges until told to stop."""

    def __init__(self, server, user, rng):
        super().__init__(daemon=True)
        self.server, self.user, self.rng, self.failure, self.changes = server, user, rng, None, 0
        self.ended = threading.Event()

    def client(self):
        client = Client(Site(self.server))
        client.ok(f"LOGIN {self.user} pw")
        return client

    def append(self, client, box, number):
        size = self.rng.choice([10, 3000, 150000]) if number % 7 == 0 else 200
        text = f"Subject: {self.user} {number}\r\n\r\n" + self.rng.randbytes(size).hex() + "\r\n"
        flags = self.rng.choice(["", "(\\Seen) ", "(\\Flagged $Work) ", "(blue \\Draft) "])
        date = f'"{1 + number % 28:2d}-Mar-20{10 + number % 10} 0{number % 10}:00:01 +0{number % 10}30" '
        client.ok(f'APPEND "{utf7(box)}" {flags}{date}{{{len(text)}+}}\r\n{text}')

    def fill(self, count):
        client = self.client()
        for box in BOXES[1:]:
            client.ok(f'CREATE "{utf7(box)}"')
        client.ok('CREATE "Sent things" (USE (\\Sent))')
        client.ok(f'SUBSCRIBE "{utf7(BOXES[1])}"')
        client.ok("SUBSCRIBE gone")
        for number in range(count):
            self.append(client, self.rng.choice(BOXES), number)
        client.close()

    def run(self):
        try:
            client, number = self.client(), 1000
            while not self.ended.is_set():
                box = utf7(self.rng.choice(BOXES))
                number += 1
                self.append(client, self.rng.choice(BOXES), number)
                client.ok(f'SELECT "{box}"')
                what = self.rng.choice(["UID STORE * +FLAGS (\\Deleted)", "EXPUNGE", "STORE 1:* +FLAGS (moved)",
                                        f'UID MOVE * "{utf7(self.rng.choice(BOXES))}"'])
                if client.run(what)[-1].split()[1] == b"OK":
                    self.changes += 1
                time.sleep(0.01)
            client.close()
        except Exception as err:  # pylint: disable=broad-except
            self.failure = err


def everything(server, user):
    """All that a client can see of a user."""
    client = Client(Site(server))
    client.ok(f"LOGIN {user} pw")
    shown = {"list": sorted(client.ok('LIST (SPECIAL-USE) "" *')[:-1]) + sorted(client.ok('LIST "" * RETURN (SPECIAL-USE)')[:-1]),
             "lsub": sorted(client.ok('LSUB "" *')[:-1])}
    for line in client.ok('LIST "" *')[:-1]:
        name = line.split(b'"/" ')[1].decode()
        status = client.ok(f"STATUS {name} (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)")[0]
        state = json.loads(server.cli("mailbox", "status", decoded(name), "--user", user, "--json").stdout)
        client.ok(f"EXAMINE {name}")
        mail = client.ok("UID FETCH 1:* (UID FLAGS INTERNALDATE BODY.PEEK[])")[:-1]
        shown[name] = [status, state["highestmodseq"]] + [re.sub(rb"FLAGS \(([^)]*)\)", in_order, m, count=1) for m in mail]
    client.close()
    return shown


@pytest.fixture(name="site")
def _site():
    server = Server("store.blob_threshold = 64K\n")
    for user in USERS:
        server.add(user, "pw")
    server.start()
    server.writers = [Writer(server, user, random.Random(SEED + i)) for i, user in enumerate(USERS)]
    for writer in server.writers:
        writer.fill(60)
    yield server
    for writer in server.writers:
        writer.ended.set()
    server.remove()


def backup(server, folder, *words, code=0):
    done = subprocess.run([TURNSTONE, "backup", folder, *words, "--config", server.conf], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == code, done
    return done


def verify(folder):
    done = subprocess.run([TURNSTONE, "backup", "verify", folder, "--json"], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=300, check=False)
    assert done.returncode == 0, done


def restored(server, folder):
    """A new server with what the backup holds."""
    other = Server("store.blob_threshold = 64K\n")
    done = other.cli("restore", folder)
    assert done.returncode == 0, done
    other.start()
    return other


def assert_same(server, other):
    for user in USERS:
        ours, theirs = everything(server, user), everything(other, user)
        assert ours.keys() == theirs.keys()
        for name, what in ours.items():
            if isinstance(what[1], int):  # a MODSEQ may be skipped, and must never come again
                assert what.pop(1) <= theirs[name].pop(1), (user, name)
            for mine, yours in itertools.zip_longest(what, theirs[name]):
                assert mine == yours, (user, name)


def test_all_that_imap_can_show(site, tmp_path):
    folder = str(tmp_path / "saved")
    client = site.writers[0].client()
    client.ok("SELECT INBOX")  # holes in the UIDs, an expunge as the last change
    client.ok("STORE 2:3 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.close()
    backup(site, folder)
    other = restored(site, folder)
    try:
        assert_same(site, other)
        # The comparison sees what matters: one flag less and it says so.
        client = Client(Site(other))
        client.ok("LOGIN anna pw")
        client.ok("SELECT INBOX")
        client.ok("STORE 1 FLAGS (other)")
        client.close()
        with pytest.raises(AssertionError):
            assert_same(site, other)
    finally:
        other.remove()


def test_killed_at_any_instant(site, tmp_path):
    folder, rng, killed = str(tmp_path / "saved"), random.Random(SEED), 0
    for writer in site.writers:
        writer.start()
    for i in range(60 if LONG else 8):
        process = subprocess.Popen([TURNSTONE, "backup", folder, "--config", site.conf], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.005, 0.3))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        if i % 4 == 3:
            backup(site, folder)
            verify(folder)
    assert killed > 0
    # While all goes on: whole messages only, and what was there before the run.
    backup(site, folder)
    verify(folder)
    for writer in site.writers:
        writer.ended.set()
    for writer in site.writers:
        writer.join(60)
        assert writer.failure is None, writer.failure
    print(f"{killed} backups killed, {sum(w.changes for w in site.writers)} changes meanwhile")
    backup(site, folder)
    verify(folder)
    other = restored(site, folder)
    try:
        assert_same(site, other)
    finally:
        other.remove()
    # Nobody holds what was expunged any more: the store gives it up.
    assert site.stop() == 0
    done = site.cli("check")
    assert done.returncode == 0, done


def test_the_server_is_killed(site, tmp_path):
    folder = str(tmp_path / "saved")
    process = subprocess.Popen([TURNSTONE, "backup", folder, "--config", site.conf], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    time.sleep(random.Random(SEED).uniform(0.02, 0.1))
    site.stop(signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0 or len(err) > 20, (out, err)  # it had ended before, or says why
    site.start()
    backup(site, folder)
    verify(folder)
    assert json.loads(subprocess.run([TURNSTONE, "backup", "list", folder, "--json"], capture_output=True, text=True,
                                     check=True).stdout)[-1]["users"]
