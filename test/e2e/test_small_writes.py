# SPDX-License-Identifier: Apache-2.0
"""Clients that send a command in several small writes, with Nagle's algorithm on, are acknowledged at once;
those that send it whole cost no further system call."""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

import pytest

from conftest import TURNSTONE, Server
from test_service import Site

COUNT = 10
MESSAGE = b"Subject: x\r\n\r\n" + b"y" * 200 + b"\r\n"


def start_traced(server):
    server.trace = os.path.join(server.dir, "trace")
    with open(server.logfile, "ab") as log:
        server.process = subprocess.Popen(
            ["strace", "-f", "-qq", "-e", "trace=setsockopt", "-o", server.trace, TURNSTONE, "serve", "--config",
             server.conf, "--ready-file", server.ready], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    while not os.path.exists(server.ready):
        assert server.process.poll() is None, server.log()
        time.sleep(0.01)


def stop_traced(server):
    """The server first: it would outlive strace."""
    if server.process is not None:
        with open(f"/proc/{server.process.pid}/task/{server.process.pid}/children", encoding="ascii") as f:
            for child in f.read().split():
                os.kill(int(child), signal.SIGTERM)
        server.process.wait(60)
        server.process = None


def acks(server):
    with open(server.trace, encoding="ascii", errors="replace") as f:
        return len(re.findall(r"TCP_QUICKACK, \[1\]", f.read()))


class Raw:
    def __init__(self, port, context=None):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=60)
        if context:
            self.sock = context.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")
        self.file.readline()

    def say(self, text, until):
        self.sock.sendall(text)
        while not (line := self.file.readline()).startswith(until):
            assert line

    def close(self):
        self.sock.close()


def append(peer, pieces, settled):
    """The server must see each piece by itself: the next is sent when it has answered for the last."""
    for _ in range(COUNT):
        for piece in pieces[:-1]:
            before = settled()
            peer.sock.sendall(piece)
            end = time.monotonic() + 20
            while settled() == before:
                assert time.monotonic() < end, "not acknowledged"
                time.sleep(0.001)
        peer.say(pieces[-1], b"b OK")


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
@pytest.mark.parametrize("tls", [False, True])
def test_a_part_of_a_command_is_acknowledged_and_a_whole_one_costs_nothing(tls):
    server = Server()
    try:
        server.add("alice", "secret")
        start_traced(server)
        peer = Raw(server.port("IMAPS" if tls else "IMAP"), Site(server).context() if tls else None)
        peer.say(b"a LOGIN alice secret\r\n", b"a OK")
        peer.say(b"b NOOP\r\n", b"b OK")
        shaken = acks(server)  # a handshake may have some
        for _ in range(COUNT):
            peer.say(b"b NOOP\r\n", b"b OK")
            peer.say(b"b APPEND INBOX {%d+}\r\n%s\r\n" % (len(MESSAGE), MESSAGE), b"b OK")
        assert acks(server) == shaken
        append(peer, [b"b APPEND INBOX {%d+}\r\n" % len(MESSAGE), MESSAGE, b"\r\n"], lambda: acks(server))
        assert acks(server) >= shaken + 2 * COUNT
        peer.close()
    finally:
        stop_traced(server)
        server.remove()
