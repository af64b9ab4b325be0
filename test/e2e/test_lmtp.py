# SPDX-License-Identifier: Apache-2.0
"""Delivery by LMTP: recipients of all kinds, one blob for many, bodies, limits, a kill after the 250, swaks."""
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from lmtp import Lmtp
from peer import insecure
from server import SANITIZED, kib, wait_for
from test_service import ROOT, boxed, nobody, start_as_service

LISTENER = "listener lmtp { protocol = lmtp; address = 127.0.0.1; port = 0; tls = starttls; path = %s/lmtp.sock; mode = 0640 }\n"
CONF = """
default_domain = one.example
lmtp.domains = [one.example, two.example]
lmtp.limits { message = 4M; errors = 5; line = 2048; recipients = 100 }
"""
MESSAGE = b"From: <f@x.example>\r\nMessage-ID: <m1@x.example>\r\nSubject: delivered\r\n\r\n..dot\r\nbody"
USERS = ("alice", "bob", "carol@two.example")


def start(server, more=CONF):
    server.write(LISTENER % server.dir + more)
    for user in USERS:
        server.add(user, "pw")
    return server.start()


@pytest.fixture(name="mail", params=["port", "socket"])
def both_ways(server, request):
    start(server)
    server.where = server.port("LMTP") if request.param == "port" else server.dir + "/lmtp.sock"
    yield server


@pytest.fixture(name="site")
def one_way(server):
    start(server)
    server.where = server.port("LMTP")
    yield server


def imap(server, user="alice", mailbox=None):
    client = server.login(user, "pw")
    if mailbox:
        client.ok(f"SELECT {mailbox}")
    return client


def count(server, user="alice", mailbox="INBOX"):
    client = imap(server, user)
    got = client.ok(f"STATUS {mailbox} (MESSAGES)")[0]
    client.close()
    return int(got.split(b"MESSAGES ")[1].split(b")")[0])


def body(server, user="alice", n=1, mailbox="INBOX"):
    client = imap(server, user, mailbox)
    client.ok("ENABLE UTF8=ACCEPT")  # or surrogates may come
    got = client.ok(f"FETCH {n} BODY.PEEK[]")[0]
    client.close()
    return got[got.index(b"\r\n") + 2:-1]


def codes(replies):
    return {r: " ".join(text.split()[:2]) for r, text in replies.items()}


def test_recipients(mail):
    imap(mail).ok("CREATE lists")
    with Lmtp(mail.where) as client:
        assert codes(client.deliver(
            MESSAGE, "alice", "bob@one.example", "carol@two.example", "who@one.example", "alice@three.example",
            "ALICE+lists@One.Example", "carol", "bob+none@one.example", '"bob"@one.example')) == {
                "alice": "250 2.0.0", "bob@one.example": "250 2.0.0", "carol@two.example": "250 2.0.0",
                "who@one.example": "550 5.1.1", "alice@three.example": "550 5.1.2",
                "ALICE+lists@One.Example": "250 2.0.0", "carol": "550 5.1.1",
                "bob+none@one.example": "250 2.0.0", '"bob"@one.example': "250 2.0.0"}
        mail.cli("user", "disable", "bob")
        assert codes(client.deliver(MESSAGE, "bob", "alice")) == {"bob": "550 5.2.1", "alice": "250 2.0.0"}
        mail.cli("user", "enable", "bob")
        assert codes(client.deliver(MESSAGE, "bob")) == {"bob": "250 2.0.0"}
    # Three addresses of bob's in one message: one message.
    assert [count(mail, u) for u in USERS] == [2, 2, 1] and count(mail, "alice", "lists") == 1


def test_aliases(site):
    for name, *targets in (("team", "alice", "bob"), ("loop", "pool"), ("pool", "loop"), ("@two.example", "bob"),
                           ("carol@one.example", "carol@two.example"), ("sub", "alice+lists"),
                           ("carol@two.example", "carol@two.example", "alice"), ("gone", "who", "bob"), ("ghost", "who")):
        site.cli("alias", "add", name, *targets)
    imap(site).ok("CREATE lists")
    with Lmtp(site.where) as client:
        def to(*recipients):
            before = [count(site, u) for u in USERS] + [count(site, "alice", "lists")]
            replies = {r.split()[0] for r in client.deliver(MESSAGE, *recipients).values()}
            after = [count(site, u) for u in USERS] + [count(site, "alice", "lists")]
            return replies, [b - a for a, b in zip(before, after)]

        assert to("team") == ({"250"}, [1, 1, 0, 0])
        assert to("team", "bob", "alice") == ({"250"}, [1, 1, 0, 0])
        assert to("loop") == ({"550"}, [0, 0, 0, 0])
        assert to("any.thing@two.example") == ({"250"}, [0, 1, 0, 0])
        assert to("carol@two.example") == ({"250"}, [1, 0, 1, 0])
        assert to("carol") == ({"250"}, [1, 0, 1, 0])
        assert to("sub") == ({"250"}, [0, 0, 0, 1])
        assert to("gone") == ({"250"}, [0, 1, 0, 0])
        assert to("ghost") == ({"550"}, [0, 0, 0, 0])
    listed = {row["name"]: row["targets"] for row in site.asked("alias", "list")}
    assert listed["team@one.example"] == ["alice@one.example", "bob@one.example"] and len(listed) == 9
    assert listed["@two.example"] == ["bob@one.example"]
    assert "team@one.example alice@one.example bob@one.example\n" in site.cli("alias", "list").stdout
    site.cli("alias", "remove", "team")
    assert "no alias team" in site.cli("alias", "remove", "team", ok=False).stderr
    with Lmtp(site.where) as client:
        assert codes(client.deliver(MESSAGE, "team")) == {"team": "550 5.1.1"}


def test_aliases_of_aliases_end(server):
    """Ten for one, six deep: a million names if all were looked up."""
    start(server)
    for level in range(6):
        server.cli("alias", "add", f"a{level}", *[f"a{level + 1}"] * 10)
    with server.lmtp() as client:
        assert client.envelope("a0")["a0"].startswith("452 4.5.3")


def test_create_a_missing_mailbox(server):
    start(server, CONF + "lmtp.missing_mailbox = create\nlmtp.separator = \"-\"\n")
    with server.lmtp() as client:
        assert codes(client.deliver(MESSAGE, "alice-new.box", "alice+x")) == {
            "alice-new.box": "250 2.0.0", "alice+x": "550 5.1.1"}
    assert count(server, "alice", "new.box") == 1 and count(server) == 0


def test_case_of_a_mailbox(server):
    """As spelled, or else the one that differs only in case; a new one is spelled as given."""
    start(server, CONF + "lmtp.missing_mailbox = create\n")
    server.cli("alias", "add", "news", "alice+News")
    client = imap(server)
    for name in ("Lists", "lists", "Travel", "News"):
        client.ok(f"CREATE {name}")
    with server.lmtp() as lmtp:
        lmtp.deliver(MESSAGE, "alice+Lists", "Alice+TRAVEL", "alice+New.One@one.example", "news")
        lmtp.deliver(MESSAGE, "alice+lists")
        lmtp.deliver(MESSAGE, "alice+LISTS")
        lmtp.deliver(MESSAGE, "alice+inbox")
    got = {name: count(server, "alice", name) for name in ("Lists", "lists", "Travel", "New.One", "News", "INBOX")}
    assert got == {"Lists": 2, "lists": 1, "Travel": 1, "New.One": 1, "News": 1, "INBOX": 1}


def test_spelling_of_a_mailbox(server):
    """A sub-address with decomposed letters (e and U+0301) means the mailbox that clients see."""
    start(server, CONF + "lmtp.missing_mailbox = create\n")
    with server.lmtp() as lmtp:
        for sub in ("cafe\u0301", "caf\u00e9"):
            lmtp.ok("MAIL FROM:<f@x.example> SMTPUTF8")
            lmtp.ok(f"RCPT TO:<alice+{sub}@one.example>")
            lmtp.ok("DATA")
            lmtp.send(MESSAGE + b"\r\n.\r\n")
            assert lmtp.reply().startswith("250")
    assert count(server, "alice", "caf&AOk-") == 2


def test_names_that_cannot_be_made(server):
    """A sub-address does not create what CREATE refuses either: the message goes to INBOX."""
    start(server, CONF + "lmtp.missing_mailbox = create\n")
    subs = ("a*b", "a%b", "#news", "a//b", "/a", "a/", "/".join("x" * 51), "a\u0085", "fine")
    with server.lmtp() as lmtp:
        for sub in subs:
            lmtp.ok("MAIL FROM:<f@x.example> SMTPUTF8")
            lmtp.ok(f'RCPT TO:<"alice+{sub}"@one.example>')
            lmtp.ok("DATA")
            lmtp.send(MESSAGE + b"\r\n.\r\n")
            assert lmtp.reply().startswith("250"), sub
    client = imap(server)
    got = {line.rsplit(b" ", 1)[1] for line in client.ok('LIST "" "*"') if b"LIST" in line}
    assert got == {b"INBOX", b"fine"}
    assert count(server) == len(subs) - 1 and count(server, "alice", "fine") == 1


def test_ids_of_deliveries(mail):
    """The id in Received is random: it reveals neither a count nor the host's clock."""
    with Lmtp(mail.where) as client:
        for _ in range(8):
            client.deliver(MESSAGE, "alice")
    ids = [int(re.search(rb"with LMTP id ([0-9a-f]{16})", body(mail, n=i + 1)).group(1), 16) for i in range(8)]
    # Whatever counts or tells the time has the same high bits for a long while; of random ones that are all
    # alike by chance in one of 2^168 runs.
    assert len({i >> 40 for i in ids}) > 1 and len({i & 0xffffff for i in ids}) > 1


def test_quoted_sub_address(mail):
    """A mailbox with spaces, or with anything else that a user name cannot have (RFC 5321 section 4.1.2)."""
    client = imap(mail)
    for name in ('"My lists"', '"a@b"', '"INBOX/deep"', '"two\\\\bits"'):
        client.ok(f"CREATE {name}")
    with Lmtp(mail.where) as lmtp:
        rcpts = ('"alice+My lists"@one.example', '"Alice+MY LISTS"', '"alice+a@b"@one.example', '"alice+inbox/Deep"',
                 '"alice+two\\\\bits"', '"alice+none of these"@one.example', '"bob+my lists"')
        assert codes(lmtp.deliver(MESSAGE, *rcpts)) == dict.fromkeys(rcpts, "250 2.0.0")
        refused = ('"carol+my lists"@one.example', '"my lists"@one.example', '"+my lists"', '"alice "@one.example',
                   '"ali ce+my lists"', '"alice@one.example+x y"@one.example')
        assert codes(lmtp.deliver(MESSAGE, *refused)) == dict.fromkeys(refused, "550 5.1.1")
    got = [count(mail, "alice", name) for name in ('"My lists"', '"a@b"', '"INBOX/deep"', '"two\\\\bits"', "INBOX")]
    assert got == [1, 1, 1, 1, 1]  # several names of one mailbox: one copy
    assert count(mail, "bob") == 1


def test_trace_lines_tell_nobody_of_the_others(mail):
    with Lmtp(mail.where) as client:
        client.deliver(MESSAGE, "alice@one.example")
        client.deliver(MESSAGE, "alice@one.example", "bob@one.example", sender="")
    one, two = body(mail), body(mail, n=2)
    assert one.startswith(b"Return-Path: <f@x.example>\r\nDelivered-To: alice@one.example\r\nReceived: from me.example")
    assert b"\r\n\tfor <alice@one.example>;\r\n" in one and one.endswith(b"\r\n\r\n.dot\r\nbody\r\n")
    assert two.startswith(b"Return-Path: <>\r\nReceived: ") and b"alice@" not in two and b"bob" not in two
    assert b"with LMTP id" in one and (b"([127.0.0.1])" in one) == isinstance(mail.where, int)


def used(server):
    return sum(os.stat(os.path.join(d, f)).st_blocks * 512 for d, _, files in os.walk(server.dir) for f in files)


@pytest.mark.parametrize("size", [100_000, 2_000_000], ids=["small", "large"])
def test_one_blob_for_many(site, size):
    site.cli("user", "bulk", "--prefix", "m", "--to", "60", "--password-stdin", stdin="pw\n")
    users = [f"m{n:04}" for n in range(1, 61)]
    text = b"Subject: big\r\n\r\n" + os.urandom(size // 2).hex().encode()
    with Lmtp(site.where) as client:
        client.deliver(MESSAGE, *users)  # makes the accounts
        before = used(site)
        assert set(codes(client.deliver(text, *users)).values()) == {"250 2.0.0"}
    assert used(site) - before < 3 * size + 1_000_000 < 6 * size + 1_000_000
    # The first recipient expunges it: the others still have it, also after a restart.
    first = imap(site, users[0], "INBOX")
    first.ok("STORE 1:* FLAGS (\\Deleted)")
    first.ok("EXPUNGE")
    site.stop()
    site.cli("check")
    site.start()
    assert [body(site, u, 2).endswith(text + b"\r\n") for u in (users[1], users[59])] == [True, True]


def test_kill_after_the_250(mail):
    with Lmtp(mail.where) as client:
        assert set(codes(client.deliver(MESSAGE, "alice", "bob", "carol@two.example")).values()) == {"250 2.0.0"}
        mail.stop(signal.SIGKILL)
    mail.start()
    assert [count(mail, u) for u in USERS] == [1, 1, 1]
    with Lmtp(mail.port("LMTP") if isinstance(mail.where, int) else mail.where) as client:
        client.deliver(MESSAGE, "alice")
    assert count(mail) == 2


@pytest.mark.parametrize("rounds", [int(os.environ.get("TURNSTONE_LONG") is not None) * 20 + 3])
def test_killed_while_many_deliver(site, rounds):
    """Whatever got a 250 is there, at least once; what is there is complete."""
    told, stop = {}, False

    def work(k):
        n = 0
        while not stop:
            try:
                with Lmtp(site.port("LMTP")) as client:
                    while not stop:
                        key, n = f"{k}-{n}", n + 1
                        text = f"Subject: {key}\r\n\r\n{key} ".encode() + b"x" * 3000 + b"end"
                        if codes(client.deliver(text, "alice", "bob")) == {"alice": "250 2.0.0", "bob": "250 2.0.0"}:
                            told[key] = True
            except (OSError, AssertionError, ValueError):
                time.sleep(0.05)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for n in range(rounds):
        seen = len(told)
        wait_for(lambda: len(told) > seen + 20)  # pylint: disable=cell-var-from-loop
        site.stop(signal.SIGKILL)
        site.start()
    stop = True
    for t in threads:
        t.join()
    for user in ("alice", "bob"):
        client = imap(site, user, "INBOX")
        got = client.ok("FETCH 1:* BODY.PEEK[]")[:-1]
        client.close()
        bodies = [g for g in got if b"BODY[]" in g]
        assert all(b"xend\r\n" in g for g in bodies)
        have = {g.split(b"Subject: ")[1].split(b"\r\n")[0].decode() for g in bodies}
        assert set(told) <= have, sorted(set(told) - have)[:5]


def test_what_lhlo_says(mail):
    with Lmtp(mail.where) as client:
        words = {line.split()[0] for line in client.extensions[1:]}
        want = {"PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8", "CHUNKING", "SIZE"}
        assert words == want | ({"STARTTLS"} if isinstance(mail.where, int) else set())
        assert client.greeting.startswith("220 ") and "SIZE 4194304" in client.extensions
        assert client.cmd("EHLO x").startswith("500") and client.cmd("HELO x").startswith("500")
        assert client.cmd("RCPT TO:<alice>").startswith("503") and client.cmd("DATA").startswith("503")
        assert client.cmd("VRFY alice").startswith("252")
        assert client.cmd("QUIT").startswith("221") and client.reply() == ""


def test_all_in_one_segment(mail):
    with Lmtp(mail.where, lhlo=False) as client:
        client.send(b"LHLO me\r\nMAIL FROM:<>\r\nRCPT TO:<alice>\r\nRCPT TO:<who>\r\nRCPT TO:<bob>\r\nDATA\r\n"
                    b"Subject: one\r\n\r\n...\r\n.\r\nRSET\r\nMAIL FROM:<>\r\nRCPT TO:<bob>\r\n"
                    b"BDAT 16\r\nSubject: two\r\n\r\nBDAT 0\r\nBDAT 3 LAST\r\n.\r\nQUIT\r\n")
        got = [client.reply()[:3] for _ in range(17)]
        assert got == ["250", "250", "250", "550", "250", "354", "250", "250", "250", "250", "250", "250", "250",
                       "250", "221", "", ""], got
    assert body(mail).endswith(b"\r\n\r\n..\r\n") and body(mail, "bob", 2).endswith(b"two\r\n\r\n.\r\n")


def test_chunks(site):
    with Lmtp(site.where) as client:
        client.send(b"BDAT 5\r\nQUIT\r")  # no transaction: the chunk is skipped, and is not a command
        assert client.reply().startswith("503")
        client.envelope("alice", "bob")
        for text in (b"Subject: b", b"dat\r\n\r\n", b""):
            client.send(b"BDAT %d\r\n" % len(text) + text)
            assert client.reply().startswith("250")
        assert client.cmd("DATA").startswith("503") and client.cmd("RCPT TO:<bob>").startswith("503")
        client.send(b"BDAT 0 LAST\r\n")
        assert [client.reply()[:3] for _ in range(2)] == ["250", "250"]
        client.envelope("alice")
        client.send(b"BDAT 4 LAST\r\na\nb\n")
        assert client.reply().startswith("554 5.6.0")
        client.envelope("alice")
        client.send(b"BDAT 5000000 LAST\r\n" + b"x" * 5_000_000)
        assert client.reply().startswith("552 5.3.4")
        assert client.cmd("BDAT many").startswith("421") and client.reply() == ""
    assert count(site) == 1 and body(site).endswith(b"Subject: bdat\r\n\r\n")


INNER = b"\r\nMAIL FROM:<evil@x.example>\r\nRCPT TO:<bob>\r\nDATA\r\nSubject: smuggled\r\n\r\n"


@pytest.mark.parametrize("keep", [False, True], ids=["refuse", "keep"])
def test_smuggling(server, keep):
    """Only CRLF.CRLF ends a message; anything else around the dot is text, or refused."""
    start(server, CONF + ("lmtp.stray_newlines = keep\n" if keep else ""))
    ends = [b"\n.\n", b"\n.\r\n", b"\r.\r", b"\r\n.\n", b"\r\n.\r", b"\r.\r\n", b"\r\n\0.\r\n", b"\n\r.\r\n"]
    with server.lmtp() as client:
        for n, end in enumerate(ends):
            replies = client.deliver(b"Subject: outer\r\n\r\nx" + end + INNER, "alice")
            want = "554 5.6.0" if not keep or b"\0" in end else "250 2.0.0"
            assert codes(replies) == {"alice": want}, (n, end)
        assert client.cmd("NOOP").startswith("250")
    assert count(server, "bob") == 0 and count(server) == (len(ends) - 1 if keep else 0)


def test_nul_utf8_and_eight_bits(site):
    with Lmtp(site.where) as client:
        assert codes(client.deliver(b"a\0b", "alice")) == {"alice": "554 5.6.0"}
        assert client.cmd(b"NOOP \0").startswith("500")
        assert client.cmd("MAIL FROM:<jörg@x.example>").startswith("550 5.6.7")
        client.ok("MAIL FROM:<jörg@x.example> SMTPUTF8 BODY=8BITMIME SIZE=100")
        client.ok("RCPT TO:<alice>")
        client.ok("DATA")
        client.send("Subject: grüße\r\n\r\nü\r\n.\r\n")
        assert client.reply().startswith("250")
    assert "grüße\r\n\r\nü".encode() in body(site) and b"with UTF8LMTP" in body(site)


def test_starttls(site):
    with Lmtp(site.where) as client:
        client.starttls()
        assert client.cmd("MAIL FROM:<>").startswith("503")  # what was said in clear is discarded
        assert "STARTTLS" not in client.ok("LHLO me")
        assert codes(client.deliver(MESSAGE, "alice")) == {"alice": "250 2.0.0"}
    assert b"with LMTPS" in body(site)
    with Lmtp(site.where) as client:  # commands after it, in clear, are never used
        client.send(b"STARTTLS\r\nMAIL FROM:<>\r\n")
        assert client.reply().startswith("220")
        client.secure(insecure())
        client.ok("LHLO me")
        assert client.cmd("RCPT TO:<alice>").startswith("503")


def test_limits(site):
    with Lmtp(site.where) as client:
        assert client.cmd("MAIL FROM:<> SIZE=5000000").startswith("552 5.3.4")
        assert client.cmd("MAIL FROM:<> SIZE=x").startswith("501")
        assert client.cmd("MAIL FROM:<> AUTH=<>").startswith("555")
        assert codes(client.deliver(b"x" * 5_000_000, "alice")) == {"alice": "552 5.3.4"}
        assert client.cmd("NOOP " + "x" * 3000).startswith("500 5.5.2")
        assert client.cmd("NOOP").startswith("250")
    site.cli("user", "bulk", "--prefix", "m", "--to", "101", "--password-stdin", stdin="pw\n")
    with Lmtp(site.where) as client:
        got = list(client.envelope(*(f"m{n:04}" for n in range(1, 102))).values())
        assert got[99].startswith("250") and got[100].startswith("452 4.5.3")
    with Lmtp(site.where) as client:
        for _ in range(5):
            assert client.cmd("XYZ").startswith("500 5.5.1")
        assert client.reply().startswith("421 4.7.0") and client.reply() == ""


def test_connections_and_times(server):
    start(server, "lmtp.limits { connections = 6; connections_per_address = 4; command_time = 1s; data_time = 1s }\n")
    port, path = server.port("LMTP"), server.dir + "/lmtp.sock"
    conns = [Lmtp(port) for _ in range(4)]
    assert Lmtp(port, lhlo=False).greeting.startswith("421 4.7.0")
    conns += [Lmtp(path) for _ in range(2)]
    assert Lmtp(path, lhlo=False).greeting.startswith("421 4.3.2")
    conns[1].envelope("alice")
    conns[1].ok("DATA")
    conns[2].send("NOO")
    assert [c.reply()[:9] for c in conns] == ["421 4.4.2"] * 6
    wait_for(lambda: "lmtp_connections: 0" in server.cli("status", "--all").stdout)
    with Lmtp(port) as client:
        assert codes(client.deliver(MESSAGE, "alice")) == {"alice": "250 2.0.0"}


def test_a_pipelined_flood(mail):
    """A client that sends commands and reads no replies fills only its own buffers; others are served."""
    with Lmtp(mail.where) as flood, Lmtp(mail.where) as other:
        before, sent = kib(mail.pid), 0
        flood.sock.settimeout(1)
        piece = b"NOOP\r\nVRFY <alice>\r\n" * 10000
        try:
            while sent < 200_000_000:
                sent += flood.sock.send(piece[sent % 20:])
        except TimeoutError:
            pass  # all buffers on the way are full
        assert 0 < sent < 200_000_000
        assert codes(other.deliver(MESSAGE, "alice")) == {"alice": "250 2.0.0"}
        # The sanitizers keep freed memory for a while.
        assert kib(mail.pid) - before < (100_000 if SANITIZED else 20_000)
        flood.sock.settimeout(60)
        for _ in range(1000):
            assert flood.reply()[:3] == "250" and flood.reply()[:3] == "252"
    assert count(mail) == 1


def test_full_disk(server):
    """4xx for messages, and for users without mail yet."""
    start(server)
    with server.lmtp() as client:
        client.deliver(MESSAGE, "alice")
    server.stop()
    server.edit("free_space = 1M", "free_space = 16T")
    server.start()
    with server.lmtp() as client:
        for size in (100, 1_000_000):
            assert codes(client.deliver(b"x" * size, "alice")) == {"alice": "452 4.3.1"}
        assert client.deliver(MESSAGE, "bob")["bob"].startswith("45")
        assert client.cmd("NOOP").startswith("250")
    assert count(server) == 1
    server.stop()
    server.edit("free_space = 16T", "free_space = 1M")
    server.start()
    with server.lmtp() as client:
        assert codes(client.deliver(MESSAGE, "alice", "bob")) == {"alice": "250 2.0.0", "bob": "250 2.0.0"}


def test_exists_while_idle(mail):
    session = imap(mail, "alice", "INBOX")
    session.send("i IDLE\r\n")
    assert session.read_response().startswith(b"+")
    with Lmtp(mail.where) as client:
        client.deliver(MESSAGE, "bob", "alice")
    assert session.read_response() == b"* 1 EXISTS"
    session.send("DONE\r\n")
    assert session.until("i")[-1].startswith(b"i OK")


def test_many_at_once(mail):
    def one(_):
        with Lmtp(mail.where) as client:
            return set(codes(client.deliver(MESSAGE, "alice", "bob")).values())

    with ThreadPoolExecutor(16) as pool:
        assert all(got == {"250 2.0.0"} for got in pool.map(one, range(64)))
    assert count(mail) == 64 and count(mail, "bob") == 64
    status = mail.cli("status", "--all").stdout
    assert "lmtp_messages: 64\n" in status and "lmtp_delivered: 128\n" in status


def lines_of(server, message):
    """The fields of each line of that message."""
    found = (json.loads(line) for line in server.log().splitlines() if f'"msg":"{message}"' in line)
    return [line for line in found if line.get("source") == "lmtp"]


def test_log(server):
    """A line for each mailbox, whatever the result, that identifies the message."""
    start(server, CONF.replace("message = 4M", "message = 64K") + "log.format = json\n")
    server.cli("alias", "add", "team", "alice+lists", "bob")
    imap(server).ok("CREATE lists")
    with server.lmtp() as client:
        told = client.deliver(MESSAGE, "team", "alice@one.example", "who@one.example", "x@three.example")
        client.deliver(b"Subject: too large\r\n\r\n" + b"x" * 70000, "bob")
        client.deliver(b"Subject: a NUL \0\r\n\r\n", "bob")
        assert client.cmd("MAIL FROM:<f@x.example> SIZE=1000000").startswith("552")
        client.envelope("bob", "alice")
        client.ok("DATA")
        client.send(b"Subject: half\r\n")
    wait_for(lambda: len(lines_of(server, "end")) == 1)
    got = lines_of(server, "delivery")
    conn, = {line["conn"] for line in got}
    assert [(d["rcpt"], d["user"], d["mailbox"], d["result"], d["level"]) for d in got] == [
        ("team", "alice@one.example", "lists", "delivered", "info"),
        ("team", "bob@one.example", "INBOX", "delivered", "info"),
        ("alice@one.example", "alice@one.example", "INBOX", "delivered", "info"),
        ("bob", "bob@one.example", "INBOX", "refused", "warning"),
        ("bob", "bob@one.example", "INBOX", "refused", "warning"),
        ("bob", "bob@one.example", "INBOX", "abandoned", "warning"),
        ("alice", "alice@one.example", "INBOX", "abandoned", "warning")]
    first = got[0]
    assert first["uid"] == 1 and first["from"] == "f@x.example" and first["msgid"] == "<m1@x.example>"
    assert first["bytes"] == len(MESSAGE) + 1 and first["reply"].startswith("250 ") and first["ms"] >= 0
    assert len({d["id"] for d in got[:3]}) == 1 and len({d["id"] for d in got}) == 4
    assert told["team"] == told["alice@one.example"] == "250 2.0.0 Delivered as " + first["id"]
    assert f"with LMTP id {first['id']};".encode() in body(server, mailbox="lists")
    assert got[3]["reply"].startswith("552 ") and got[4]["reply"].startswith("554 ") and got[5]["reply"] == "closed"
    assert "uid" not in got[3]
    refused = [(line["id"], line["rcpt"], line["reply"][:9]) for line in lines_of(server, "recipient refused")]
    assert refused == [(first["id"], "who@one.example", "550 5.1.1"), (first["id"], "x@three.example", "550 5.1.2")]
    assert [line["reply"][:9] for line in lines_of(server, "sender refused")] == ["552 5.3.4"]
    assert [(line["conn"], line["address"], line["tls"]) for line in lines_of(server, "connection")] == [(conn, "127.0.0.1", "no")]
    end, = lines_of(server, "end")
    assert end["how"] == "closed" and end["messages"] == 3 and end["conn"] == conn
    assert end["bytes_in"] > end["bytes"] > 70000 and end["bytes_out"] > 500
    status = server.status()
    assert {k: status["lmtp_" + k] for k in (
        "connections_total", "messages", "delivered", "refused", "deferred", "abandoned", "unknown", "rcpt_refused",
        "rcpt_deferred")} == {"connections_total": "1", "messages": "3", "delivered": "2", "refused": "2", "deferred": "0",
                              "abandoned": "2", "unknown": "0", "rcpt_refused": "2", "rcpt_deferred": "0"}
    assert int(status["lmtp_bytes"]) > 70000 and float(status["lmtp_messages_per_second_1m"]) > 0


def test_stop_waits_for_what_is_under_way(site):
    """A stop between DATA and the replies: 421, or all of them; never an unjustified 250."""
    with Lmtp(site.where) as client:
        client.envelope("alice")
        client.ok("DATA")
        client.send(b"Subject: half\r\n")
        site.send_signal(signal.SIGTERM)
        assert client.reply().startswith("421 4.3.2") and client.reply() == ""
    assert site.gone() == 0, site.log()
    assert not os.path.exists(site.dir + "/lmtp.sock")
    site.start()
    assert count(site) == 0


def test_mode_of_the_socket(server):
    start(server)
    st = os.stat(server.dir + "/lmtp.sock")
    assert stat.S_ISSOCK(st.st_mode) and stat.S_IMODE(st.st_mode) == 0o640
    server.stop(signal.SIGKILL)  # a leftover one does not matter
    server.start()
    Lmtp(server.dir + "/lmtp.sock").close()


@pytest.mark.parametrize("line, why", [("mode = 0999", "must be octal digits"), ("tls = imaps", "a UNIX socket has no TLS"),
                                       ("path = ''", "needs a port or a path"),
                                       ("owner = nobody-of-that-name", "there is no user nobody-of-that-name")])
def test_bad_listeners(server, line, why):
    port = "" if "path" in line else f"path = {server.dir}/lmtp.sock; "
    server.write(f"listener lmtp {{ protocol = lmtp; {port}{line} }}\n")
    server.start(wait=False)
    assert server.gone() == 1
    assert any("listener lmtp: " in text and why in text for text in server.log().splitlines())


@ROOT
def test_as_another_user_in_the_sandbox(server):
    boxed(server, LISTENER % server.dir)
    server.start()
    server.add("alice", "pw")
    st = os.stat(server.dir + "/lmtp.sock")
    assert (st.st_uid, st.st_gid) == nobody()
    with Lmtp(server.dir + "/lmtp.sock") as client:
        assert codes(client.deliver(b"x" * 200_000, "alice")) == {"alice": "250 2.0.0"}
        assert codes(client.deliver(MESSAGE, "alice")) == {"alice": "250 2.0.0"}
    assert count(server) == 2
    assert server.stop() == 0
    assert not os.path.exists(server.dir + "/lmtp.sock")


def test_sockets_handed_over(server):
    server.write(LISTENER % server.dir)
    tcp, path = socket.create_server(("127.0.0.1", 0)), server.dir + "/given.sock"
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(path)
    unix.listen()
    start_as_service(server, {}, [tcp.fileno(), unix.fileno()], "lmtp:lmtp")
    server.wait_ready()
    server.add("alice", "pw")
    for where in (tcp.getsockname()[1], path):
        with Lmtp(where) as client:
            assert codes(client.deliver(MESSAGE, "alice")) == {"alice": "250 2.0.0"}
    assert not os.path.exists(server.dir + "/lmtp.sock")  # the inherited one replaces it
    assert server.stop() == 0 and os.path.exists(path)
    tcp.close()
    unix.close()


@pytest.mark.skipif(shutil.which("swaks") is None, reason="no swaks")
@pytest.mark.parametrize("way", ["port", "socket", "tls", "pipeline"])
def test_swaks(site, way):
    to = ["--socket", site.dir + "/lmtp.sock"] if way == "socket" else ["--server", "127.0.0.1", "--port", str(site.where)]
    done = subprocess.run(["swaks", "--protocol", "LMTP", *to, *{"tls": ["--tls"], "pipeline": ["--pipeline"]}.get(way, []),
                           "--from", "f@x.example", "--to", "alice@one.example,bob@one.example"],
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert count(site) == 1 and count(site, "bob") == 1
