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

MESSAGE = b"Subject: small\r\n\r\n" + b"x" * 300 + b"\r\n"


def connect(demo, protocol, tls, delay):
    client = demo.lmtp() if protocol == "lmtp" else demo.login("alice", tls=tls)
    client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, not delay)
    return client


def append(client):
    client.send(b"b APPEND INBOX {%d+}\r\n" % len(MESSAGE))
    client.send(MESSAGE)
    client.say("\r\n", "b OK")


def deliver(client):
    client.say("MAIL FROM:<bob@turnstone.example>\r\n", "250")
    client.say("RCPT TO:<alice@turnstone.example>\r\n", "250")
    client.say("DATA\r\n", "354")
    client.send(MESSAGE)
    client.send("more\r\n")
    client.say(".\r\n", "250")


def median(step, count):
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        step()
        times.append((time.perf_counter() - begin) * 1000)
    return statistics.median(times)


def row(demo, name, protocol, tls, count):
    clients = [connect(demo, protocol, tls, delay) for delay in (True, False)]
    step = deliver if protocol == "lmtp" else append
    times = [[], []]
    for _ in range(6):
        for i, client in enumerate(clients):
            times[i].append(median(lambda c=client: step(c), count))
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
