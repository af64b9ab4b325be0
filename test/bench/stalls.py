#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What do others wait while one user copies, moves, expunges, renames or lists very much?

usage: TURNSTONE_BUILD=build test/bench/stalls.py [--messages N] [--mailboxes N]

alice has N messages and a parent with N mailboxes.  While she does one command to all of them, eight
others, who are in both lanes, change a flag again and again, and four, who are on all loops, say NOOP.
For each command: how long it took, how long the longest of their changes and of their NOOPs did
meanwhile, and beforehand the longest while nothing else was going on.  The median of all of them is
printed with it: when it grows too, the machine was busy, and nobody was kept waiting.
"""
import argparse
import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
from server import Site  # noqa: E402

OTHERS, IDLERS, MAKERS = 8, 4, 50
MESSAGE = b"Subject: one\r\nFrom: a@example.org\r\n\r\ntext\r\n"
LIMITS = """limits { append_messages = 1000; command = 1M }
store.max_mailboxes = 1000000
"""


def fill(client, n):
    while n > 0:
        now = min(n, 1000)
        client.ok(b"APPEND INBOX" + b" {%d+}\r\n%s" % (len(MESSAGE), MESSAGE) * now)
        n -= now


class Other(threading.Thread):
    """Does its commands in turn until told to stop, and records how long each took."""

    def __init__(self, server, name, commands):
        super().__init__(daemon=True)
        self.commands = commands
        self.session = server.login(name)
        fill(self.session, 1)
        self.session.ok("SELECT INBOX")
        self.times, self.stopped = [], False
        self.start()

    def run(self):
        n = 0
        while not self.stopped:
            begin = time.perf_counter()
            self.session.ok(self.commands[n % len(self.commands)])
            self.times.append(time.perf_counter() - begin)
            n += 1
            if self.commands == NOOP:
                time.sleep(0.001)


NOOP = (b"NOOP",)
FLAGS = (b"STORE 1 +FLAGS.SILENT (\\Flagged)", b"STORE 1 -FLAGS.SILENT (\\Flagged)")


def figures(others, commands):
    """The longest and the median, in ms."""
    times = sorted(t for o in others if o.commands == commands for t in o.times)
    return times[-1] * 1000, times[len(times) // 2] * 1000


def during(others, fn):
    time.sleep(0.05)
    for other in others:
        other.times = []
    begin = time.perf_counter()
    fn()
    took = time.perf_counter() - begin
    time.sleep(0.05)
    return took * 1000, figures(others, FLAGS), figures(others, NOOP)


def show(name, took, flags, noop):
    print(f"{name:20} {took:10.1f} ms   others' changes {flags[0]:8.2f} ms (median {flags[1]:6.2f})   "
          f"NOOPs {noop[0]:8.2f} ms (median {noop[1]:6.2f})   load {os.getloadavg()[0]:.1f}", flush=True)


def make_mailboxes(server, n):
    """By many sessions at once, which share flushes."""
    sessions = [server.login("alice") for _ in range(MAKERS)]
    for first in range(0, n, 100 * MAKERS):
        for at, session in enumerate(sessions):
            numbers = range(first + 100 * at, min(first + 100 * at + 100, n))
            session.tags = session.put(*(b"CREATE P/%06d" % i for i in numbers))
        for session in sessions:
            for tag in session.tags:
                session.done(tag)
    for session in sessions:
        session.close()


def measure(server, args):
    alice = server.login("alice", timeout=None)
    fill(alice, args.messages)
    make_mailboxes(server, args.mailboxes)
    for name in (b"Copies", b"Moved"):
        alice.ok(b"CREATE " + name)
    alice.ok(b"SELECT INBOX")
    others = [Other(server, f"other{i}", FLAGS) for i in range(OTHERS)]
    others += [Other(server, f"idler{i}", NOOP) for i in range(IDLERS)]
    show("nothing", *during(others, lambda: time.sleep(2)))
    rows = (("LIST of one name", b'LIST "" P/000001'), ("LIST of all", b'LIST "" *'), ("LIST P/%", b'LIST "" P/%'),
            ("COPY", b"COPY 1:* Copies"), ("MOVE", b"MOVE 1:* Moved"),
            ("STORE \\Deleted", b"STORE 1:* +FLAGS.SILENT (\\Deleted)"),
            ("EXPUNGE", b"EXPUNGE"), ("RENAME", b"RENAME P Q"), ("RENAME back", b"RENAME Q P"))
    for name, command in rows:
        if name.startswith("STORE"):
            alice.ok(b"SELECT Moved")
        show(name, *during(others, lambda text=command: alice.ok(text)))
    for other in others:
        other.stopped = True
        other.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--mailboxes", type=int, default=20_000)
    args = parser.parse_args()
    server = Site(LIMITS)
    try:
        for name in (["alice"] + [f"other{i}" for i in range(OTHERS)] + [f"idler{i}" for i in range(IDLERS)]):
            server.add(name, "secret")
        server.start()
        print(f"{args.messages} messages, {args.mailboxes} mailboxes; load {os.getloadavg()[0]:.1f}")
        measure(server, args)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
