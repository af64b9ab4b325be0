# SPDX-License-Identifier: Apache-2.0
"""Requests for very large messages take little memory: a server with hardly any memory left serves many
clients, including those that do not read the replies."""
import resource

import pytest

from imap import literals
from server import SANITIZED, kib

CLIENTS = 12
SIZE = 12 << 20
ROOM = 400 << 20  # address space: mostly reserved by threads and never touched
LINE = b"X-Fill: " + b"x" * 900 + b"\r\n"
HEADER = b"Subject: large\r\n" + LINE * (SIZE // len(LINE)) + b"X-Long: " + b"word " * (SIZE // 5) + b"\r\n"


@pytest.fixture(name="site")
def site_(server):
    server.add("alice", "secret")
    server.start()
    yield server
    server.stop()


def limit(server, room):
    """Limits the address space to its present size and a little more."""
    now = kib(server.pid, "VmSize") << 10
    resource.prlimit(server.pid, resource.RLIMIT_AS, (now + room, now + room))


@pytest.mark.skipif(SANITIZED, reason="sanitizers have memory of their own")
def test_large_header_of_many_clients(site):
    first = site.login("alice", timeout=120)
    first.append("INBOX", HEADER + b"\r\nbody\r\n")
    clients = [site.login("alice", timeout=120) for _ in range(CLIENTS)]
    for c in clients:
        c.ok("EXAMINE INBOX")
    limit(site, ROOM)
    # Large literals that nobody reads, all at the same time.
    for c in clients:
        c.send("a FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (Subject)]\r\n")
    # Others still work.
    first.ok("EXAMINE INBOX")
    assert literals(first.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]")[0]) == [b"Subject: large\r\n\r\n"]
    assert len(literals(first.ok(f"FETCH 1 BODY.PEEK[HEADER.FIELDS (X-Long)]<{SIZE}.100000>")[0])[0]) < 100000
    for c in clients:
        assert literals(c.done("a")[0]) == [HEADER[len(b"Subject: large\r\n"):] + b"\r\n"]
    assert site.alive(), site.log()


@pytest.mark.skipif(SANITIZED, reason="sanitizers have memory of their own")
def test_searches_of_many_clients(site):
    first = site.login("alice", timeout=120)
    body = LINE * (SIZE // len(LINE)) + b"word " * (SIZE // 5) + b"the end\r\n"
    first.append("INBOX", HEADER + b"\r\n" + body)
    clients = [site.login("alice", timeout=120) for _ in range(CLIENTS)]
    for c in clients:
        c.ok("EXAMINE INBOX")
    limit(site, ROOM // 4)
    for c in clients:
        c.send('a SEARCH BODY "word the end" TEXT "word x-fill" NOT HEADER X-Long "no such word"\r\n')
    for c in clients:
        assert c.done("a")[:-1] == [b"* SEARCH"]
    for c in clients:
        c.send('a SEARCH BODY "word the end" HEADER X-Long "word word"\r\n')
    for c in clients:
        assert c.done("a")[:-1] == [b"* SEARCH 1"]
    assert site.alive(), site.log()
