# SPDX-License-Identifier: Apache-2.0
"""Mixed load for a long time, including deliveries; memory must be flat at the end.

An hour with TURNSTONE_LONG, or TURNSTONE_SOAK seconds; some seconds otherwise. It runs on the
program of TURNSTONE_BUILD: give it one with a sanitizer (./dev test --long does).
"""
import os
import random
import threading
import time

from imap import plain
from server import Site, kib
from test_crash import Bob, Session, seed

SECONDS = int(os.environ.get("TURNSTONE_SOAK") or (3600 if os.environ.get("TURNSTONE_LONG") else 12))
KEPT = 150  # messages per mailbox; beyond that the oldest are removed


class Worker(Session):
    """Does what the crash test's sessions do, and keeps its mailboxes small; ends when told to."""

    def run(self):
        try:
            client = self.demo.login("alice")
            for box in self.model:
                client.ok(f"CREATE {box}")
            while not self.demo.ended.is_set():
                self.one(client)
                self.shrink(client)
                self.look(client)
            client.ok("LOGOUT")
            client.close()
        except Exception as err:  # pylint: disable=broad-except
            self.failure = err

    def shrink(self, client):
        for box, messages in self.model.items():
            if len(messages) > KEPT:
                client.ok(f"SELECT {self.names[box]}")
                chosen = sorted(messages)[:100]
                self.expunge(client, box, chosen, ",".join(map(str, chosen)))
        if self.box == "s0" and self.ids[0] % 20 == 0:
            self.shrink_bob()

    def shrink_bob(self):
        client = self.demo.login("bob")
        if int(client.ok("STATUS INBOX (MESSAGES)")[0].split(b"MESSAGES ")[1].split(b")")[0]) > KEPT:
            client.ok("SELECT INBOX")
            client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
            client.ok("EXPUNGE")
        client.ok("LOGOUT")
        client.close()

    def look(self, client):
        box = self.rng.choice(sorted(self.model))
        what = self.rng.choice(["UID FETCH 1:* (FLAGS ENVELOPE BODYSTRUCTURE)", "SEARCH SUBJECT 7 NOT SEEN",
                                "FETCH * BODY.PEEK[]", "SEARCH TEXT xx", "NOOP"])
        client.ok(f"EXAMINE {self.names[box]}")
        if self.model[box] or what == "NOOP":
            client.ok(what)


class Gateway(threading.Thread):
    """Switches between users on one connection, and sometimes on a new one."""

    def __init__(self, site, rng):
        super().__init__(daemon=True)
        self.site, self.rng, self.failure, self.switches = site, rng, None, 0

    def run(self):
        try:
            while not self.site.ended.is_set():
                client = self.site.client()
                for _ in range(200):
                    user = self.rng.choice(["alice", "bob", "carol"])
                    client.ok(f"AUTHENTICATE PLAIN {plain(user, 'gateway', 'secret')}")
                    client.ok("SELECT INBOX")
                    client.ok("STATUS INBOX (MESSAGES UNSEEN)")
                    client.ok("UNAUTHENTICATE")
                    self.switches += 1
                    if self.site.ended.is_set():
                        break
                client.close()
        except Exception as err:  # pylint: disable=broad-except
            self.failure = err


def test_soak():
    start = seed()
    rng = random.Random(start)
    os.environ["ASAN_OPTIONS"] = "quarantine_size_mb=8:" + os.environ.get("ASAN_OPTIONS", "")
    site = Site()
    site.write("store.write_buffer = 4M\nstore.cache = 8M\nstore.state_budget = 4M\n"
               f"listener lmtp {{ protocol = lmtp; address = 127.0.0.1; port = 0; path = {site.dir}/lmtp.sock }}\n")
    site.bob = Bob()
    site.ended = threading.Event()
    try:
        for user in ("alice", "bob", "carol"):
            site.add(user, "secret")
        site.add("gateway", "secret", "--acts-for", "*")
        site.start()
        workers = []
        for i in range(4):
            boxes = [f"soak{i}a", f"soak{i}b"]
            workers.append(Worker(site, f"s{i}", random.Random(rng.random()), {b: {} for b in boxes}, [0],
                                  {b: b for b in boxes}))
        workers.append(Gateway(site, random.Random(rng.random())))
        for w in workers:
            w.start()
        samples, until = [], time.monotonic() + SECONDS
        while time.monotonic() < until and all(w.failure is None for w in workers):
            time.sleep(min(5, SECONDS / 10))
            samples.append(kib(site.pid) / 1024)
        site.ended.set()
        for w in workers:
            w.join(60)
            assert w.failure is None, (start, w.failure)
            assert not w.is_alive()
        third = len(samples) // 3
        middle, last = max(samples[third:2 * third]), max(samples[2 * third:])
        print(f"seed {start}: {SECONDS} s, {sum(w.acknowledged for w in workers[:-1])} changes, "
              f"{site.bob.deliveries} deliveries to a mailbox, "
              f"{workers[-1].switches} switches; RSS MiB at the start {samples[0]:.0f}, most in the middle third "
              f"{middle:.0f}, most in the last third {last:.0f}")
        if SECONDS >= 600:
            assert last <= middle * 1.05, [round(s) for s in samples]
        assert site.stop() == 0, site.log()[-3000:]
    finally:
        site.ended.set()
        site.remove()
