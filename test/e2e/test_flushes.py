# SPDX-License-Identifier: Apache-2.0
"""Counts the flushes of single changes with strace: each OK to a change comes after one."""
import os
import re
import shutil

import pytest


COUNT = 20


def events(trace):
    """In order: 'F' for a successful flush, the tag for a tagged OK."""
    out = []
    with open(trace, encoding="ascii", errors="replace") as f:
        for line in f:
            if re.search(r"(fsync|fdatasync)(\(| resumed).*= 0$", line):
                out.append("F")
            else:
                out += re.findall(r'(?:"|\\n)(n\d+) OK', line)
    return out


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
def test_each_change_is_flushed_before_its_ok(server):
    server.add("alice", "secret")
    trace = os.path.join(server.dir, "trace")
    server.start(front=["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,sendto,sendmsg,write,writev", "-s", "40",
                        "-o", trace], traced=True)
    client = server.login("alice")
    message = "Subject: x\r\n\r\n" + "y" * 3000 + "\r\n"
    numbers = {"append": range(0, COUNT), "store": range(COUNT, 2 * COUNT)}
    for n in numbers["append"]:
        client.send(f"n{n} APPEND INBOX {{{len(message)}+}}\r\n{message}\r\n")
        client.done(f"n{n}")
    client.ok("SELECT INBOX")
    for n in numbers["store"]:
        client.send(f"n{n} UID STORE {n - COUNT + 1} +FLAGS.SILENT (\\Flagged)\r\n")
        client.done(f"n{n}")
    client.close()
    seen = events(trace)
    for what, tags in numbers.items():
        at = [seen.index(f"n{n}") for n in tags]
        flushes = [seen[a:b].count("F") for a, b in zip(at, at[1:])]
        print(f"{COUNT} single {what} commands: {sum(flushes)} flushes in the {COUNT - 1} gaps between OKs")
        assert min(flushes) >= 1, (what, flushes)
        assert sum(flushes) <= 2 * COUNT, (what, flushes)   # and no more than necessary
    assert "F" in seen[:seen.index("n0")]
