# SPDX-License-Identifier: Apache-2.0
"""Clients that send a command in several small writes, with Nagle's algorithm on, are acknowledged at once;
those that send it whole cost no further system call."""
import re
import shutil
import socket

import pytest

from server import wait_for

COUNT = 10
MESSAGE = b"Subject: x\r\n\r\n" + b"y" * 200 + b"\r\n"


def acks(server):
    with open(server.dir + "/trace", encoding="ascii", errors="replace") as f:
        return len(re.findall(r"TCP_QUICKACK, \[1\]", f.read()))


def send_part(server, peer, piece):
    """The server must see each piece separately: the next is sent after it has handled this one."""
    before = acks(server)
    peer.send(piece)
    wait_for(lambda: acks(server) > before, 20)


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
@pytest.mark.parametrize("tls", [False, True])
def test_a_part_of_a_command_is_acknowledged_and_a_whole_one_costs_nothing(server, tls):
    server.add("alice", "secret")
    server.start(front=["strace", "-f", "-qq", "-e", "trace=setsockopt", "-o", server.dir + "/trace"], traced=True)
    peer = server.login("alice", tls=tls)
    peer.say("b NOOP\r\n", "b OK")
    shaken = acks(server)  # a handshake may have some
    for _ in range(COUNT):
        peer.say("b NOOP\r\n", "b OK")
        peer.say(b"b APPEND INBOX {%d+}\r\n%s\r\n" % (len(MESSAGE), MESSAGE), "b OK")
    assert acks(server) == shaken
    # With Nagle's algorithm, as in those clients.
    peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    for _ in range(COUNT):
        for piece in (b"b APPEND INBOX {%d+}\r\n" % len(MESSAGE), MESSAGE):
            send_part(server, peer, piece)
        peer.say("\r\n", "b OK")
    assert acks(server) >= shaken + 2 * COUNT
    peer.close()
    assert server.stop() == 0


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
def test_a_part_of_a_message_is_acknowledged(server):
    server.write("default_domain = one.example\nlistener lmtp { protocol = lmtp; address = 127.0.0.1; port = 0 }\n")
    server.add("alice", "secret")
    server.start(front=["strace", "-f", "-qq", "-e", "trace=setsockopt", "-o", server.dir + "/trace"], traced=True)
    peer = server.lmtp()
    peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    for _ in range(COUNT):
        peer.say("MAIL FROM:<bob@one.example>\r\nRCPT TO:<alice@one.example>\r\nDATA\r\n", b"354")
        for piece in (MESSAGE, b"more\r\n"):
            send_part(server, peer, piece)
        peer.say(".\r\n", b"250 2.0.0")
    peer.close()
    assert server.stop() == 0
