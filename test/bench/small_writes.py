#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What it costs a client to send a command in several small writes, with Nagle's algorithm on.

usage: ./dev bench small-writes [--count N]

Each APPEND goes out as a line, a literal and a line's end, each in a write of its own, as Python's
imaplib, Ruby's net-imap and JavaMail send it.  One client leaves Nagle's algorithm on (RFC 896), so its
kernel keeps a small write back until the one before is acknowledged; the other sets TCP_NODELAY.  They take
turns on one server, in clear and under TLS, by IMAP and LMTP.  Prints medians in milliseconds and their
ratio: about 1 is what a server can do, 40 and more one whose ACKs are delayed.
"""
import argparse
import os
import socket
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
from demo import Demo  # noqa: E402

import ssl  # noqa: E402

MESSAGE = b"Subject: small\r\n\r\n" + b"x" * 300 + b"\r\n"


class Peer:
    def __init__(self, demo, protocol, tls, delay):
        port = demo.env["LMTP_PORT" if protocol == "lmtp" else "IMAPS_PORT" if tls else "IMAP_PORT"]
        self.sock = socket.create_connection(("127.0.0.1", int(port)), timeout=60)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not delay)
        if tls:
            context = ssl.create_default_context(cafile=demo.env["CA_FILE"])
            context.check_hostname = False
            self.sock = context.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")
        self.file.readline()
        if protocol == "lmtp":
            self.say(b"LHLO bench\r\n", b"250 ")
        else:
            self.say(b"a LOGIN alice " + demo.env["ALICE_PASSWORD"].encode() + b"\r\n", b"a OK")

    def say(self, text, until):
        self.sock.sendall(text)
        while not (line := self.file.readline()).startswith(until):
            assert line, "the server closed"

    def append(self):
        self.sock.sendall(b"b APPEND INBOX {%d+}\r\n" % len(MESSAGE))
        self.sock.sendall(MESSAGE)
        self.say(b"\r\n", b"b OK")

    def deliver(self):
        self.say(b"MAIL FROM:<bob@turnstone.example>\r\n", b"250")
        self.say(b"RCPT TO:<alice@turnstone.example>\r\n", b"250")
        self.say(b"DATA\r\n", b"354")
        self.sock.sendall(MESSAGE)
        self.sock.sendall(b"more\r\n")
        self.say(b".\r\n", b"250")


def median(step, count):
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        step()
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def row(demo, name, protocol, tls, count):
    peers = [Peer(demo, protocol, tls, delay) for delay in (True, False)]
    steps = [p.deliver if protocol == "lmtp" else p.append for p in peers]
    times = [[], []]
    for _ in range(6):
        for i, step in enumerate(steps):
            times[i].append(median(step, count))
    slow, fast = (statistics.median(t) for t in times)
    print(f"{name:12} {slow:8.3f} {fast:8.3f} {slow / fast:7.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=50, help="operations in a turn (six turns each)")
    count = parser.parse_args().count
    demo = Demo().up()
    try:
        print(f"{'':12} {'Nagle':>8} {'NODELAY':>8} {'ratio':>7}")
        row(demo, "imap", "imap", False, count)
        row(demo, "imaps", "imap", True, count)
        row(demo, "lmtp", "lmtp", False, count)
    finally:
        demo.remove()


if __name__ == "__main__":
    main()
