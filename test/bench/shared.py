#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What does LIST cost for a user with whom many accounts share mailboxes?

usage: TURNSTONE_BUILD=build test/bench/shared.py [--accounts N] [--mailboxes N]

Each of --accounts accounts (1,000) shares --mailboxes mailboxes (10) with reader; another user has as many of their own.
After a restart each of the two lists them, the first time and again, without and with STATUS: time, and the resident
memory of the server before and after.  Reader's own \\Seen is counted for each: that reads every mailbox.
"""
import argparse
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
from server import Site, kib  # noqa: E402

LISTS = ('LIST "" "*"', 'LIST "" "*" RETURN (STATUS (MESSAGES))', 'LIST "" "*" RETURN (STATUS (UNSEEN))')


def fill(server, accounts, mailboxes):
    server.cli("user", "bulk", "--prefix", "u", "--from", "1", "--to", str(accounts), "--password-stdin",
               stdin="secret\n", timeout=600)
    for i in range(1, accounts + 1):
        with server.login(f"u{i:04}", "secret", timeout=120) as client:
            for k in range(mailboxes):
                client.all_ok(f"CREATE m{k}", f"SETACL m{k} reader lrs")
    with server.login("owner", "secret", timeout=600) as client:
        for i in range(accounts):
            client.all_ok(*[f"CREATE b{i}/m{k}" for k in range(mailboxes)])


def measure(server, user, want):
    server.stop()
    server.start()
    with server.login(user, "secret", timeout=600) as client:
        before = kib(server.pid)
        for command in LISTS:
            times = []
            for _ in range(3):
                began = time.perf_counter()
                rows = sum(line.startswith(b"* LIST") for line in client.ok(command))
                times.append((time.perf_counter() - began) * 1000)
                assert rows >= want, (rows, want)
            print(f"{user:7} {command:42} first {times[0]:8.1f} ms, again {min(times[1:]):8.1f} ms", flush=True)
        print(f"{user:7} resident {before / 1024:.0f} MiB before, {kib(server.pid) / 1024:.0f} MiB after", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accounts", type=int, default=1000)
    parser.add_argument("--mailboxes", type=int, default=10)
    options = parser.parse_args()
    server = Site("log.level = error\nlimits.connection_memory = 64M\n")
    try:
        for user in ("reader", "owner"):
            server.add(user, "secret")
        server.start()
        fill(server, options.accounts, options.mailboxes)
        for user in ("owner", "reader"):
            measure(server, user, options.accounts * options.mailboxes)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
