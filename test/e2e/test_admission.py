# SPDX-License-Identifier: Apache-2.0
"""Admission, on both protocols: how many connections, from where, and when a place is returned."""
import signal
import socket
import struct
import time

import pytest

from peer import Peer
from server import wait_for

CONF = """\
limits {{ connections = 6; connections_per_address = {0} }}
lmtp.limits {{ connections = 6; connections_per_address = {0} }}
listener imap_in {{ address = 127.0.0.1; port = 0; tls = starttls; proxy_protocol = yes; proxy_from = 127.0.0.1 }}
listener imap_in_tls {{ address = 127.0.0.1; port = 0; tls = imaps; proxy_protocol = yes; proxy_from = 127.0.0.1 }}
listener lmtp_in {{ protocol = lmtp; address = 127.0.0.1; port = 0; tls = starttls; proxy_protocol = yes
  proxy_from = 127.0.0.1 }}
listener lmtp_in_tls {{ protocol = lmtp; address = 127.0.0.1; port = 0; tls = imaps; proxy_protocol = yes
  proxy_from = 127.0.0.1 }}
"""
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # how a ClientHello begins


class Door:
    def __init__(self, server, protocol):
        lmtp = protocol == "lmtp"
        self.server = server
        self.name = "LMTP_IN" if lmtp else "IMAP_IN"
        self.greeting = b"220 " if lmtp else b"* OK "
        self.too_many = b"421 4.3.2 " if lmtp else b"* BYE [UNAVAILABLE] "
        self.too_many_of_address = b"421 4.7.0 " if lmtp else b"* BYE [LIMIT] "
        self.noop = (b"NOOP\r\n", b"250 ") if lmtp else (b"a NOOP\r\n", b"a OK ")
        self.figure = ("lmtp_" if lmtp else "") + "connections"
        self.option = ("lmtp." if lmtp else "") + "limits.connections_per_address"

    def knock(self, address, data=b"", tls=True):
        """A connection that sends no more than this; with TLS the handshake stays unfinished."""
        header = f"PROXY TCP4 {address} 127.0.0.1 50000 993\r\n" if address else "PROXY UNKNOWN\r\n"
        return Peer(self.server.port(self.name + ("_TLS" if tls else "")), first=[header.encode() + data])

    def admitted(self, address):
        peer = self.knock(address, tls=False)
        said = peer.read_line()
        assert said.startswith(self.greeting), said
        return peer

    def refused(self, address, how):
        with self.knock(address, tls=False) as peer:
            said = peer.read_line()
            assert said.startswith(how), said

    def lives(self, peer):
        peer.send(self.noop[0])
        return peer.read_line().startswith(self.noop[1])

    def open(self, n):
        wait_for(lambda: self.server.status()[self.figure] == str(n))


@pytest.fixture(name="door", params=["imap", "lmtp"])
def fixture_door(server, request):
    server.write(CONF.format(2))
    server.start()
    return Door(server, request.param)


def test_handshakes_that_are_broken_off(door):
    """A place is returned once, however a handshake ends."""
    for i in range(24):
        s = door.knock("192.0.2.1", (b"", HELLO, b"GET / HTTP/1.0\r\n\r\n")[i % 3])
        if i % 2:
            s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset
        s.close()
    door.open(0)
    two = [door.admitted("192.0.2.1") for _ in range(2)]
    door.refused("192.0.2.1", door.too_many_of_address)
    assert all(door.lives(s) for s in two)
    two.pop().close()
    door.open(1)
    two.append(door.admitted("192.0.2.1"))
    for s in two:
        s.close()
    door.open(0)


def test_no_handshake_for_who_is_refused(door):
    """Where TLS comes first the connection is closed without a word; the log tells why."""
    two = [door.admitted("192.0.2.1") for _ in range(2)]
    with door.knock("192.0.2.1") as peer:
        assert peer.rest() == b""
    door.server.logged(f"more than {door.option}: closed")
    for s in two:
        s.close()


def test_who_is_refused_keeps_nobody_out(door):
    """An address uses all its places and keeps connecting; it never disconnects by itself."""
    waiting = [door.knock("192.0.2.1", b"NOOP\r\n", tls=False) for _ in range(12)]
    wait_for(lambda: door.server.log().count(f"more than {door.option}: closed") == 10)
    others = [door.admitted(a) for a in ("192.0.2.2", "192.0.2.2", "192.0.2.3", "192.0.2.3")]
    door.refused("192.0.2.4", door.too_many)
    assert all(door.lives(s) for s in others)
    for s in waiting + others:
        s.close()
    door.open(0)
    door.admitted("192.0.2.4").close()


def test_a_balancer_that_does_not_tell(door):
    """All its clients then share one address, its own."""
    two = [door.admitted(None) for _ in range(2)]
    door.refused(None, door.too_many_of_address)
    door.admitted("192.0.2.1").close()
    for s in two:
        s.close()


def test_reload(door):
    """Existing connections stay; the new limit is for new ones."""
    two = [door.admitted("192.0.2.1") for _ in range(2)]
    door.server.write(CONF.format(1))
    door.server.cli("reload")
    assert all(door.lives(s) for s in two)
    door.refused("192.0.2.1", door.too_many_of_address)
    two.pop().close()
    door.open(1)
    door.refused("192.0.2.1", door.too_many_of_address)
    two.pop().close()
    door.open(0)
    s = door.admitted("192.0.2.1")
    door.refused("192.0.2.1", door.too_many_of_address)
    s.close()


def test_stop_while_hands_are_shaken(door):
    """A stop does not wait for handshakes, and says goodbye to connections."""
    inside = door.admitted("192.0.2.1")
    half = [door.knock("192.0.2.2", HELLO), door.knock("192.0.2.2")]
    no_header = Peer(door.server.port(door.name))
    door.open(3)
    began = time.monotonic()
    assert door.server.stop(signal.SIGTERM) == 0
    assert time.monotonic() - began < 60
    assert inside.read_line().startswith((b"* BYE ", b"421 4.3.2 "))
    for s in half + [no_header, inside]:
        s.close()
    assert door.server.log().count("msg=end") == 3
