#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What does it cost the server to resync one change in a large mailbox (RFC 7162 section 3.2.5)?

usage: TURNSTONE_BUILD=build test/bench/resync.py [--messages N] [--times N]

A mailbox of --messages messages (a million), in which the flags of one changed since the client was there.  The
client opens it --times times, by SELECT alone and by SELECT with QRESYNC: processor time of the server for each.  Exit
code 1: with QRESYNC it is a millisecond or more.
"""
import argparse
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
from server import Site  # noqa: E402

SEED = 1000  # messages that are appended; the others are copies
MOST = 1.0  # milliseconds


def cpu_ms(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def fill(client, messages):
    client.ok("CREATE Large")
    for first in range(0, SEED, 50):
        client.all_ok(*[f"APPEND Large {{{len(text)}+}}\r\n{text}" for text in (
            f"Subject: message {i}\r\n\r\nHello\r\n" for i in range(first, first + 50))])
    client.ok("SELECT Large")
    have = SEED
    while have < messages:
        more = min(have, messages - have, 50000)
        client.ok(f"COPY 1:{more} Large")
        have += more
    client.ok("UNSELECT")


def measure(server, client, select, times):
    client.all_ok("UNSELECT", select)
    before = cpu_ms(server.pid)
    for _ in range(times // 20):
        client.all_ok(*["UNSELECT", select] * 20)
    return (cpu_ms(server.pid) - before) / (times // 20 * 20)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=2000)
    options = parser.parse_args()
    server = Site("log.level = error\n")
    try:
        server.add("anna", "secret")
        server.start()
        client = server.login("anna", "secret", timeout=600)
        fill(client, options.messages)
        known = re.search(rb"UIDVALIDITY (\d+) HIGHESTMODSEQ (\d+)",
                          b"".join(client.ok("STATUS Large (UIDVALIDITY HIGHESTMODSEQ)")))
        client.ok("SELECT Large")
        client.ok(f"UID STORE {options.messages // 2} +FLAGS.SILENT (\\Flagged)")
        client.ok("UNSELECT")
        client.ok("ENABLE QRESYNC")
        with_change = f"SELECT Large (QRESYNC ({int(known[1])} {int(known[2])}))"
        told = [line for line in client.ok(with_change) if b" FETCH (" in line]
        assert len(told) == 1 and b"\\Flagged" in told[0], told
        plain = measure(server, client, "SELECT Large", options.times)
        resync = measure(server, client, with_change, options.times)
        print(f"{options.messages} messages: SELECT {plain:.3f} ms, with QRESYNC {resync:.3f} ms, for the resync "
              f"{resync - plain:.3f} ms")
        return resync >= MOST
    finally:
        server.remove()


if __name__ == "__main__":
    sys.exit(main())
