#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What does an idle connection that compresses hold, beside one that does not, in clear and under TLS?

usage: TURNSTONE_BUILD=build test/bench/memory_compress.py [--conns N] [--commands N] [--program PATH]

Four servers in turn, each with --conns connections that have an INBOX selected, gave --commands ordinary commands and
are in IDLE: resident memory for each connection, seconds after they gave the last.  Exit code 1: COMPRESS costs more than
8 KiB.
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
from zipclient import ZipClient  # noqa: E402

CONF = """limits { connections = 100000; connections_per_address = 100000; logins_per_user = 100000 }
log.level = error
"""
MOST = 8  # KiB


def kib(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize() / 1024


def connect(server, context, compress, commands):
    client = server.login("user0000", "secret", context, kind=ZipClient, timeout=120)
    if compress:
        client.compress()
    client.ok("SELECT INBOX")
    client.all_ok(*[f"UID FETCH {i * 37 % 991 + 1} (UID FLAGS BODY.PEEK[HEADER])" for i in range(commands)])
    client.send("idle IDLE\r\n")
    while not client.read_line().startswith(b"+"):
        pass
    return client


def measure(options, tls, compress):
    server = Site(CONF)
    try:
        server.cli("user", "bulk", "--prefix", "user", "--from", "0", "--to", "1", "--password-stdin", stdin="secret\n")
        server.start()
        context = insecure() if tls else None
        warm = [connect(server, context, compress, options.commands) for _ in range(20)]
        time.sleep(4)
        before = kib(server.pid)
        conns = [connect(server, context, compress, options.commands) for _ in range(options.conns)]
        time.sleep(4)
        each = (kib(server.pid) - before) / options.conns
        print(f"{'TLS' if tls else 'clear'}{', COMPRESS' if compress else ''}: {each:.1f} KiB", flush=True)
        for conn in warm + conns:
            conn.close()
        return each
    finally:
        server.remove()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--conns", type=int, default=1000)
    parser.add_argument("--commands", type=int, default=50)
    parser.add_argument("--program", help="another turnstone")
    options = parser.parse_args()
    soft, hard = options.conns + 200, max(options.conns + 200, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if options.program:
        Site.program = os.path.abspath(options.program)
    good = True
    for tls in (False, True):
        without = measure(options, tls, False)
        more = measure(options, tls, True) - without
        print(f"COMPRESS costs {more:.1f} KiB more", flush=True)
        good = good and more <= MOST
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
