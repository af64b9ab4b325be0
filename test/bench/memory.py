#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Is memory given back after very many connections have gone?

usage: TURNSTONE_BUILD=build test/bench/memory.py [--conns N] [--users N] [--seconds S] [--program PATH]

Resident memory of a server just started, with --conns connections over TLS, each with an INBOX selected, and after
they have closed: at once, and in each second until it has not changed for a while.  Exit code 1: more than a quarter of
what they took has stayed.
"""
import argparse
import os
import resource
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
from peer import insecure  # noqa: E402
from server import Site  # noqa: E402

CONF = """limits { connections = 100000; connections_per_address = 100000; logins_per_user = 100000 }
log.level = error
"""


def mib(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize() / 1048576


def connect(server, context, user):
    client = server.login(f"u{user:04}", "secret", context, timeout=120)
    client.ok("SELECT INBOX")
    return client


def measure(server, options):
    context, pid = insecure(), server.pid
    connect(server, context, 0).close()
    before = mib(pid)
    conns = [connect(server, context, i % options.users) for i in range(options.conns)]
    peak = mib(pid)
    print(f"before {before:.1f} MiB, with {options.conns} connections {peak:.1f} MiB", flush=True)
    for conn in conns:
        conn.close()
    del conns
    left = peak
    for second in range(options.seconds):
        time.sleep(1)
        now = mib(pid)
        if now != left or second == 0:
            print(f"{second + 1:3} s after they closed {now:.1f} MiB", flush=True)
        left = now
    print(f"stayed: {left - before:.1f} of {peak - before:.1f} MiB")
    print("\n".join(line for line in server.cli("status", "--all").stdout.splitlines()
                    if line.split(":")[0] in ("state_bytes", "resident_bytes", "memory_given_back", "store_cache_bytes",
                                              "store_write_buffer_bytes", "store_index_bytes")))
    return left - before <= (peak - before) / 4


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--conns", type=int, default=5000)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=10, help="to wait for after they closed")
    parser.add_argument("--program", help="another turnstone, to compare with")
    options = parser.parse_args()
    soft, hard = options.conns + 200, max(options.conns + 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if options.program:
        Site.program = os.path.abspath(options.program)
    server = Site(CONF)
    try:
        server.cli("user", "bulk", "--prefix", "u", "--from", "0", "--to", str(options.users), "--password-stdin",
                   stdin="secret\n")
        server.start()
        return 0 if measure(server, options) else 1
    finally:
        server.remove()


if __name__ == "__main__":
    sys.exit(main())
