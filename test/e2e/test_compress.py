# SPDX-License-Identifier: Apache-2.0
"""COMPRESS=DEFLATE over real sockets, in clear and under TLS, against Python's zlib: large mail both
ways, IDLE, switches that are pipelined behind the end of the stream, what is left in memory afterwards."""
import base64
import random
import zlib

import pytest

import memory
from imap import plain
from peer import octets
from saslmech import Digest
from zipclient import WAYS, ZipClient

PASSWORD = "green-hat-27"
tls_or_not = pytest.mark.parametrize("tls", (False, True), ids=("clear", "tls"))


@pytest.fixture(name="site")
def _site(server):
    server.write("unauthenticate = everyone\ntimeouts.failed_login = 0\nlimits.failed_switches = 1000\n"
                 "log.protocol_for = [anna]\nauth.sasl_mechanisms = [DIGEST-MD5]\n"
                 "mechanisms = [PLAIN, LOGIN, DIGEST-MD5]\n")
    for name in ("anna", "bo"):
        server.add(name, PASSWORD, "--digest-md5")
    server.add("gateway", PASSWORD, "--acts-for", "*")
    server.start()
    for name in ("anna", "bo"):
        with server.login(name, PASSWORD) as client:
            client.append("INBOX", f"Subject: for {name}\r\n\r\nText\r\n")
    return server


def zipped(site, user, tls=False):
    client = site.login(user, PASSWORD, tls, kind=ZipClient)
    client.compress()
    return client


def large():
    """Some of it can be compressed, some cannot."""
    rand = random.Random(4978)
    text = "".join(f"Line {i} of a text that is not over soon.\r\n" for i in range(40000))
    noise = base64.encodebytes(rand.randbytes(1 << 20)).decode().replace("\n", "\r\n")
    return f"Subject: large\r\n\r\n{text}{noise}"


@tls_or_not
def test_work(site, tls):
    client = site.login("anna", PASSWORD, tls, kind=ZipClient)
    assert "COMPRESS=DEFLATE" in client.capabilities()
    client.compress()
    client.bad("COMPRESS DEFLATE", "already active")
    client.ok("SELECT INBOX")
    mail = large()
    client.append("INBOX", mail)
    client.record, client.wire = True, b""
    got = client.ok("FETCH 2 BODY.PEEK[]")[0]
    assert mail.encode() in got
    assert len(client.wire) < 0.7 * len(mail)
    client.record = False
    # A literal that waits for its continuation.
    client.send("x APPEND INBOX {5}\r\n")
    assert client.read_line().startswith(b"+")
    client.send("hello\r\n")
    assert client.until("x")[-1].startswith(b"x OK")
    # Told by another connection while it idles.
    client.send("y IDLE\r\n")
    while not client.read_line().startswith(b"+"):
        pass
    with zipped(site, "anna", tls) as other:
        other.append("INBOX", "Subject: told\r\n\r\n")
    while client.read_line() != b"* 4 EXISTS":
        pass
    client.send("DONE\r\n")
    assert client.until("y")[-1].startswith(b"y OK")
    client.all_ok(*["NOOP", "UID FETCH 1:* (FLAGS UID)", "NOOP"] * 100)
    client.ok("LOGOUT")
    client.close()


def who(subject):
    return subject.rsplit(b"for ", 1)[1].split(b"\r\n")[0].decode()


@tls_or_not
def test_switches(site, tls):
    """The line, the end of the stream by each way, and the next user's login, all in one write; byte by byte, too."""
    client = site.client(tls, kind=ZipClient)
    client.ok("AUTHENTICATE PLAIN " + plain("anna", "gateway", PASSWORD))
    for i in range(24):
        user, other = (("anna", "bo"), ("bo", "anna"))[i % 2]
        client.compress(i % 10)
        client.ok("SELECT INBOX")
        assert who(client.ok("FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]")[0]) == user
        client.bad("UNAUTHENTICATE now")
        login = f"v AUTHENTICATE PLAIN {plain(other, 'gateway', PASSWORD)}\r\nw EXAMINE INBOX\r\n"
        client.end("u UNAUTHENTICATE\r\n", list(WAYS)[i % 4], login)
        assert client.until("u")[-1].startswith(b"u OK [CAPABILITY")
        assert client.unzip is None
        assert client.until("v")[-1].startswith(b"v OK")
        assert client.until("w")[-1].startswith(b"w OK")
        client.ok("CLOSE")
    client.close()


@tls_or_not
@pytest.mark.parametrize("how", ["same block", "next block", "later"])
def test_goes_on(site, tls, how):
    """What is compressed behind UNAUTHENTICATE is nobody's."""
    client = zipped(site, "anna", tls)
    client.ok("NOOP")
    line, more = "u UNAUTHENTICATE\r\n", f'e LOGIN bo "{PASSWORD}"\r\nf CREATE mark\r\n'
    if how == "same block":
        client.send(line + more)
    elif how == "next block":
        z = client.zip
        data = b"".join(z.compress(octets(s)) + z.flush(zlib.Z_SYNC_FLUSH) for s in (line, more))
        client.zip = None
        client.send(data)
    else:
        client.send(line)
        assert client.until("u")[-1].startswith(b"u OK")
        client.send(more)
    assert client.ended().startswith(b"* BYE")
    client.close()
    with site.login("bo", PASSWORD) as bo:
        assert bo.ok('LIST "" mark')[:-1] == []


def test_broken(site):
    client = zipped(site, "anna")
    client.send_raw(b"\xff" * 100)
    assert client.ended() == b"* BYE What you sent cannot be decompressed"
    client.close()
    site.logged("compression failed")
    site.logged('how="layer failed"')


def test_proxyauth(site):
    """The layer goes on; what is sent for the next user does not refer to what was sent for the last one."""
    client = zipped(site, "gateway")
    for user in ("anna", "bo", "anna"):
        client.ok(f"PROXYAUTH {user}")
        client.unzip = zlib.decompressobj(-15)  # knows nothing of it
        client.ok("EXAMINE INBOX")
        assert who(client.ok("FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]")[0]) == user
        client.ok("CLOSE")
    client.close()


def test_in_layer(site):
    """Above a SASL security layer: compressed first, then protected (RFC 4978 section 3)."""
    client = site.client(kind=ZipClient)
    for _ in range(3):
        assert client.authenticate(Digest("anna", PASSWORD)).startswith(b"s1 OK")
        client.compress()
        client.ok("SELECT INBOX")
        assert who(client.ok("FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]")[0]) == "anna"
        client.end("u UNAUTHENTICATE\r\n", "finish")
        assert client.until("u")[-1].startswith(b"u OK")
        client.layer = None
        client.ok("AUTHENTICATE PLAIN " + plain("bo", "gateway", PASSWORD))
        client.ok("UNAUTHENTICATE")
    client.close()


def test_protocol_log(site):
    with zipped(site, "anna") as client:
        client.ok("CREATE under-the-layer")
        client.ok("LOGOUT")
    log = site.protocol("anna", lambda text: "under-the-layer" in text and "LOGOUT" in text)
    lines = log[log.index("COMPRESS DEFLATE"):]
    assert " C t3 CREATE under-the-layer\n" in lines and " S t3 OK " in lines


@tls_or_not
def test_memory(site, tls):
    """What was sent within the layer is not in zlib's memory, or anywhere else, when the next user is there."""
    secret = "".join(random.SystemRandom().choices("abcdefghijklmnopqrstuvwxyz0123456789", k=64))
    needles = memory.pieces("secret", secret.encode())
    client = zipped(site, "anna", tls)
    client.bad(f"LOGIN anna {secret}")  # of all commands this one is wiped elsewhere
    assert memory.look(site.pid, needles), "the client may refer to it yet"
    client.end("u UNAUTHENTICATE\r\n", "sync", "v AUTHENTICATE PLAIN " + plain("bo", "gateway", PASSWORD) + "\r\n")
    client.until("v")
    memory.assert_gone(site.pid, needles)
    client.close()


def test_many_small_commands(site):
    """More than a window of them."""
    client = zipped(site, "anna")
    client.ok("SELECT INBOX")
    for i in range(3):
        client.all_ok(*[f"UID FETCH {i * n % 977 + 1} (FLAGS BODY.PEEK[HEADER])" for n in range(1, 700)])
    client.ok("LOGOUT")
    client.close()
