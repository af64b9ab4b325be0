# SPDX-License-Identifier: Apache-2.0
"""What clients ask for of very large messages takes little memory: a server that may hardly have more
than it has serves many of them, also those that do not read what they asked for."""
import re
import resource
import socket

import pytest

from conftest import SANITIZED

CLIENTS = 12
SIZE = 12 << 20
ROOM = 400 << 20  # of addresses: most of it is what threads reserve and never touch
LINE = b"X-Fill: " + b"x" * 900 + b"\r\n"
HEADER = b"Subject: large\r\n" + LINE * (SIZE // len(LINE)) + b"X-Long: " + b"word " * (SIZE // 5) + b"\r\n"


class Client:
    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port("IMAP")), timeout=120)
        self.file = self.socket.makefile("rb")
        assert self.file.readline().startswith(b"* OK")
        self.run("LOGIN alice secret")

    def send(self, text):
        self.socket.sendall(b"a " + text.encode() + b"\r\n")

    def read(self):
        """The untagged lines and, of literals, what they hold; then the tagged line."""
        out = []
        while True:
            line = self.file.readline()
            assert line, "the server is gone"
            if m := re.search(rb"\{(\d+)\}\r\n$", line):
                out.append(self.file.read(int(m.group(1))))
            elif line.startswith(b"a "):
                assert line.startswith(b"a OK"), line
                return out
            else:
                out.append(line)

    def run(self, text):
        self.send(text)
        return self.read()

    def append(self, data):
        self.socket.sendall(b"a APPEND INBOX {%d+}\r\n" % len(data) + data + b"\r\n")
        self.read()


@pytest.fixture(name="site")
def site_(server):
    server.add("alice", "secret")
    server.start()
    yield server
    server.stop()


def limit(server, room):
    """No more addresses than it has now, and some."""
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as f:
        now = int(re.search(r"VmSize:\s+(\d+) kB", f.read()).group(1)) << 10
    resource.prlimit(server.process.pid, resource.RLIMIT_AS, (now + room, now + room))


@pytest.mark.skipif(SANITIZED, reason="sanitizers have memory of their own")
def test_large_header_of_many_clients(site):
    first = Client(site)
    first.append(HEADER + b"\r\nbody\r\n")
    clients = [Client(site) for _ in range(CLIENTS)]
    for c in clients:
        c.run("EXAMINE INBOX")
    limit(site, ROOM)
    # Large literals that nobody takes, all at the same time.
    for c in clients:
        c.send("FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (Subject)]")
    # Others go on.
    first.run("EXAMINE INBOX")
    assert first.run("FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject)]")[0] == b"Subject: large\r\n\r\n"
    assert len(first.run(f"FETCH 1 BODY.PEEK[HEADER.FIELDS (X-Long)]<{SIZE}.100000>")[0]) < 100000
    for c in clients:
        got = c.read()
        assert got[0] == HEADER[len(b"Subject: large\r\n"):] + b"\r\n"
    assert site.process.poll() is None, site.log()


@pytest.mark.skipif(SANITIZED, reason="sanitizers have memory of their own")
def test_searches_of_many_clients(site):
    first = Client(site)
    body = LINE * (SIZE // len(LINE)) + b"word " * (SIZE // 5) + b"the end\r\n"
    first.append(HEADER + b"\r\n" + body)
    clients = [Client(site) for _ in range(CLIENTS)]
    for c in clients:
        c.run("EXAMINE INBOX")
    limit(site, ROOM // 4)
    for c in clients:
        c.send('SEARCH BODY "word the end" TEXT "word x-fill" NOT HEADER X-Long "no such word"')
    for c in clients:
        assert c.read() == [b"* SEARCH\r\n"]
    for c in clients:
        c.send('SEARCH BODY "word the end" HEADER X-Long "word word"')
    for c in clients:
        assert c.read() == [b"* SEARCH 1\r\n"]
    assert site.process.poll() is None, site.log()
