# SPDX-License-Identifier: Apache-2.0
"""Front ends: load balancers with the PROXY protocol, webmails that pass addresses in ID."""
import contextlib
import os
import socket
import struct

import pytest

from peer import Peer
from server import Site, wait_for

PASSWORD = "blue sea"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CONF = """\
timeouts.failed_login = 0
timeouts.handshake = 2s
unauthenticate = everyone
trusted_fronts = [203.0.113.50]
listener imap_proxied {{ address = 127.0.0.1; port = 0; tls = starttls; proxy_protocol = yes
  proxy_from = [127.0.0.1, "10.0.0.0/8"] }}
listener imaps_proxied {{ address = 127.0.0.1; port = 0; tls = imaps; proxy_protocol = yes
  proxy_from = 127.0.0.0/8 }}
listener imap_closed {{ address = 127.0.0.1; port = 0; tls = starttls; proxy_protocol = yes
  proxy_from = 10.0.0.0/8 }}
listener lmtp_proxied {{ protocol = lmtp; address = 127.0.0.1; port = 0; tls = none; proxy_protocol = yes
  proxy_from = 127.0.0.1; path = {path}; }}
"""


@pytest.fixture(name="site", scope="module")
def fixture_site():
    s = Site()
    s.write(CONF.format(path=os.path.join(s.dir, "lmtp.sock")))
    s.start()
    s.add("anna", PASSWORD)
    yield s
    s.remove()


def v2(source, port=50000, command=0x21, fields=b""):
    if source is None:
        return SIGNATURE + bytes([command, 0]) + struct.pack(">H", len(fields)) + fields
    family = socket.AF_INET6 if ":" in source else socket.AF_INET
    where = socket.inet_pton(family, source) + socket.inet_pton(family, "::1" if ":" in source else "127.0.0.1")
    body = where + struct.pack(">HH", port, 143) + fields
    return SIGNATURE + bytes([command, 0x21 if ":" in source else 0x11]) + struct.pack(">H", len(body)) + body


def proxied(site, listener, header, tls=False, pieces=False):
    """A client after a header."""
    parts = [header[i:i + 1] for i in range(len(header))] if pieces else [header]
    return site.client(tls, listener, first=parts)


HEADERS = {
    "1, IPv4": (b"PROXY TCP4 203.0.113.5 127.0.0.1 50000 143\r\n", "203.0.113.5"),
    "1, IPv6": (b"PROXY TCP6 2001:db8::5 ::1 50000 143\r\n", "2001:db8::5"),
    "1, unknown": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "2, IPv4": (v2("203.0.113.6"), "203.0.113.6"),
    "2, IPv6": (v2("2001:db8::6", fields=b"\x02\x00\x01z"), "2001:db8::6"),
    "2, IPv4 in IPv6": (v2("::ffff:203.0.113.7"), "203.0.113.7"),
    "2, local": (v2(None, command=0x20, fields=b"xyz"), "127.0.0.1"),
}


@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("kind", sorted(HEADERS))
def test_the_client_is_where_the_header_says(site, kind, tls, pieces):
    header, address = HEADERS[kind]
    since = len(site.log())
    c = proxied(site, "IMAPS_PROXIED" if tls else "IMAP_PROXIED", header, tls, pieces)
    assert c.greeting.startswith(b"* OK")
    site.logged("msg=connection", f"address={address} ", "front=127.0.0.1", since=since)
    if not tls:
        # Only loopback clients are on this machine: passwords in clear are for them.
        assert (b"LOGINDISABLED" in c.greeting) == (address != "127.0.0.1")
        if address != "127.0.0.1":
            c.no("LOGIN anna x", "PRIVACYREQUIRED")
            c.close()
            return
    c.no("LOGIN anna wrong", "AUTHENTICATIONFAILED")
    site.logged('msg="login failed"', f"address={address} ", since=since)
    c.ok(f'LOGIN anna "{PASSWORD}"')
    site.logged("msg=login", f"address={address} ", since=since)
    assert address in site.cli("who").stdout
    c.close()


def closed(site, listener, data, why):
    """Closed without a byte, with one line in the log."""
    said = f"connection from 127.0.0.1 closed: {why}"
    before = site.log().count(said)
    with Peer(site.port(listener)) as peer:
        if data is not None:
            peer.send(data)
        with contextlib.suppress(ConnectionResetError, EOFError):
            peer.fill()
        assert not peer.buf
    wait_for(lambda: site.log().count(said) == before + 1)


@pytest.mark.parametrize("listener", ["IMAP_PROXIED", "IMAPS_PROXIED"])
def test_without_a_header_nobody_comes_in(site, listener):
    for data, why in ((b"a LOGIN anna x\r\n", "no PROXY header"),
                      (b"\x16\x03\x01\x02\x00", "no PROXY header"),
                      (b"PROXY TCP4 here there 1 2\r\n", "a line of version 1 that is malformed"),
                      (b"PROXY UNKNOWN " + b"x" * 200, "a line longer than 107 bytes"),
                      (v2("203.0.113.5", command=0x22), "a version or command that does not exist"),
                      (v2("203.0.113.5", fields=b"\x02\xff\xff"), "a field that is cut off"),
                      (v2("203.0.113.5", fields=b"x" * 2048), "a header that is too long"),
                      (b"PROXY ", "no PROXY header in time"),
                      (None, "no PROXY header in time")):
        closed(site, listener, data, why)


def test_only_from_there(site):
    closed(site, "IMAP_CLOSED", None, "its address is not in proxy_from")


def test_who_goes_away_before_it(site):
    for data in (b"", b"PROXY TCP4 2"):
        since = len(site.log())
        with Peer(site.port("IMAP_PROXIED")) as peer:
            peer.send(data)
        site.logged("it ended before a PROXY header came", since=since)


def test_what_follows_is_not_taken(site):
    """A command in the same segment as the header, and TLS after one."""
    c = proxied(site, "IMAP_PROXIED", HEADERS["2, IPv4"][0] + b"a1 NOOP\r\na2 LOGOUT\r\n")
    assert c.until("a1")[-1].startswith(b"a1 OK")
    assert c.until("a2")[-1].startswith(b"a2 OK")
    c.close()


def test_lmtp(site):
    since = len(site.log())
    with site.lmtp("LMTP_PROXIED", first=[HEADERS["1, IPv4"][0]]) as client:
        assert client.greeting.startswith("220")
    site.logged("203.0.113.5", since=since)


def test_a_webmail_behind_a_balancer(site):
    """The balancer passes the webmail's address; the webmail is trusted to pass its users'."""
    c = proxied(site, "IMAPS_PROXIED", b"PROXY TCP4 203.0.113.50 127.0.0.1 50000 993\r\n", tls=True)
    c.ok('ID ("name" "Webmail" "x-originating-ip" "198.51.100.9" "x-session-id" "s1")')
    site.logged("msg=id", "address=198.51.100.9", "front=203.0.113.50", "session=s1")
    c.ok(f'LOGIN anna "{PASSWORD}"')
    site.logged("msg=login", "address=198.51.100.9 ", "Webmail")
    assert "198.51.100.9" in site.cli("who").stdout
    c.ok("UNAUTHENTICATE")
    c.no("LOGIN anna wrong", "AUTHENTICATIONFAILED")
    site.logged('msg="login failed"', "address=203.0.113.50 ")
    c.close()
    other = proxied(site, "IMAPS_PROXIED", b"PROXY TCP4 203.0.113.51 127.0.0.1 50000 993\r\n", tls=True)
    other.ok('ID ("x-originating-ip" "198.51.100.10")')
    other.ok(f'LOGIN anna "{PASSWORD}"')
    site.logged("msg=login", "address=203.0.113.51 ")
    assert "address=198.51.100.10" not in site.log()


def test_faults_are_told(server):
    for block, words in (("listener p { port = 0; proxy_protocol = yes }", "proxy_from"),
                         ("listener p { port = 0; proxy_from = 127.0.0.1 }", "proxy_protocol"),
                         ("listener p { port = 0; proxy_protocol = yes; proxy_from = 10.0.0.1/8 }", "proxy_from"),
                         ("trusted_fronts = here", "trusted_fronts")):
        server.write(block)
        done = server.cli("config", "check", ok=False)
        assert words in done.stderr and "t.conf:" in done.stderr, done


def test_the_server_stops_while_headers_are_waited_for(site):
    with Peer(site.port("IMAP_PROXIED")) as peer:
        peer.send(b"PROXY ")
        assert site.stop() == 0
        assert peer.rest() == b""
