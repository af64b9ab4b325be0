#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What do others wait while one user copies, moves, expunges or renames very much?

usage: TURNSTONE_BUILD=build test/bench/stalls.py [--messages N] [--mailboxes N]

alice has N messages and a parent with N mailboxes.  While she does one command to all of them, eight
others, who are in both lanes, change a flag again and again.  For each command: how long it took, how
long the longest of their changes did meanwhile, the two through each other, and the longest while
nothing else was going on.
"""
import argparse
import os
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
from conftest import Server  # noqa: E402

OTHERS = 8
MESSAGE = b"Subject: one\r\nFrom: a@example.org\r\n\r\ntext\r\n"
LIMITS = """limits { append_messages = 1000; command = 1M }
store.max_mailboxes = 1000000
"""


class Session:
    def __init__(self, server, user):
        self.socket = socket.create_connection(("127.0.0.1", server.port("IMAP")))
        self.lines = self.socket.makefile("rb")
        self.lines.readline()
        self.do(b"LOGIN %s secret" % user.encode())

    def do(self, command):
        self.socket.sendall(b"x " + command + b"\r\n")
        return self.end()

    def end(self):
        while True:
            line = self.lines.readline()
            if not line:
                raise ConnectionError("closed")
            if line.startswith(b"x "):
                if not line.startswith(b"x OK"):
                    raise RuntimeError(line.decode())
                return line

    def fill(self, n):
        while n > 0:
            now = min(n, 1000)
            literal = b" {%d+}\r\n%s" % (len(MESSAGE), MESSAGE)
            self.do(b"APPEND INBOX" + literal * now)
            n -= now


class Other(threading.Thread):
    """Changes a flag until it is told to stop, and notes how long each change took."""

    def __init__(self, server, name):
        super().__init__(daemon=True)
        self.session = Session(server, name)
        self.session.fill(1)
        self.session.do(b"SELECT INBOX")
        self.longest, self.stopped = 0.0, False
        self.start()

    def run(self):
        on = True
        while not self.stopped:
            begin = time.perf_counter()
            self.session.do(b"STORE 1 %sFLAGS.SILENT (\\Flagged)" % (b"+" if on else b"-"))
            self.longest = max(self.longest, time.perf_counter() - begin)
            on = not on


def during(others, fn):
    time.sleep(0.05)
    for other in others:
        other.longest = 0.0
    begin = time.perf_counter()
    fn()
    took = time.perf_counter() - begin
    time.sleep(0.05)
    return took * 1000, max(o.longest for o in others) * 1000


def make_mailboxes(alice, n):
    for first in range(0, n, 500):
        now = range(first, min(first + 500, n))
        alice.socket.sendall(b"".join(b"x CREATE P/%06d\r\n" % i for i in now))
        for _ in now:
            alice.end()


def measure(server, args):
    alice = Session(server, "alice")
    alice.fill(args.messages)
    make_mailboxes(alice, args.mailboxes)
    for name in (b"Copies", b"Moved"):
        alice.do(b"CREATE " + name)
    alice.do(b"SELECT INBOX")
    others = [Other(server, f"other{i}") for i in range(OTHERS)]
    _, idle = during(others, lambda: time.sleep(2))
    print(f"{'nothing':20} {'':10}    others at most {idle:9.2f} ms")
    rows = (("COPY", b"COPY 1:* Copies"), ("MOVE", b"MOVE 1:* Moved"), ("STORE \\Deleted", b"STORE 1:* +FLAGS.SILENT (\\Deleted)"),
            ("EXPUNGE", b"EXPUNGE"), ("RENAME", b"RENAME P Q"))
    for name, command in rows:
        if name.startswith("STORE"):
            alice.do(b"SELECT Moved")
        took, longest = during(others, lambda text=command: alice.do(text))
        print(f"{name:20} {took:10.1f} ms others at most {longest:9.2f} ms  ratio {longest / took:.3f}  "
              f"through idle {longest / idle:.1f}", flush=True)
    for other in others:
        other.stopped = True
        other.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--mailboxes", type=int, default=20_000)
    args = parser.parse_args()
    server = Server(LIMITS)
    try:
        for name in ["alice"] + [f"other{i}" for i in range(OTHERS)]:
            server.add(name, "secret")
        server.start()
        print(f"{args.messages} messages, {args.mailboxes} mailboxes; load {os.getloadavg()[0]:.1f}")
        measure(server, args)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
