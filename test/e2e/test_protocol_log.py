# SPDX-License-Identifier: Apache-2.0
"""log.protocol_for: one user's transcript, exactly that user's, without secrets."""
import base64
import os
import re
import stat
import time

import pytest

from peer import Peer
from server import Site

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (\d+) ([CS-]) (.*)$")
SECRETS = {"alice": "wonderland-7", "bob": "builder-8", "gateway": "heaven-9"}
BODY = b"From: bob@example.net\r\nSubject: bobs-subject\r\n\r\n" + b"private-words\r\n" * 200


@pytest.fixture(name="site")
def _site():
    s = Site("unauthenticate = everyone\nlog.protocol_for = alice\n")
    for name, password in SECRETS.items():
        s.add(name, password, *(["--acts-for", "*"] if name == "gateway" else []))
    s.start()
    yield s
    s.remove()


def plain(user, authcid):
    return base64.b64encode(f"{user}\0{authcid}\0{SECRETS[authcid]}".encode())


def talk(site, *pieces, pause=0.0):
    """Sends the pieces, each at once, and reads to the end (the last one has LOGOUT)."""
    with Peer(site.port("IMAP")) as client:
        for piece in pieces:
            client.send(piece)
            time.sleep(pause)
        return client.rest()


def path(site, user="alice"):
    return os.path.join(site.dir, "data", "protocol", user + ".log")


def lines(site, user="alice", last=None, times=1):
    """(side, text) of each line; waits until the last is one with `last`, and there are as many of them."""
    text = site.protocol(user, lambda text: last is None or (
        text.endswith("\n") and last in text.rstrip("\n").split("\n")[-1] and text.count(last) >= times))
    found = [LINE.match(line) for line in text.split("\n")[:-1]]
    assert all(found), text
    return text, [(m[2], m[3]) for m in found]


def no_secrets(text):
    for name, password in SECRETS.items():
        assert password not in text
        for who in SECRETS:
            coded = plain(who, name).decode()
            assert coded not in text and coded.rstrip("=")[:20] not in text
        assert base64.b64encode(password.encode()).decode().rstrip("=") not in text


def gateway_session():
    append = b"b3 APPEND INBOX {%d+}\r\n" % len(BODY) + BODY + b"\r\n"
    return (b"a1 AUTHENTICATE PLAIN " + plain("alice", "gateway") + b"\r\na2 SELECT INBOX\r\na3 STATUS INBOX (UIDNEXT)\r\n"
            b"a4 UNAUTHENTICATE\r\nbetween NOOP\r\n"
            b"b1 AUTHENTICATE PLAIN " + plain("bob", "gateway") + b"\r\nb2 CREATE bobs-box\r\n" + append +
            b"b4 SELECT INBOX\r\nb5 FETCH 1 (ENVELOPE BODY[])\r\nb6 UNAUTHENTICATE\r\nbetween2 NOOP\r\n"
            b"c1 LOGIN alice " + SECRETS["alice"].encode() + b"\r\nc2 CREATE wonder\r\nc3 LOGOUT\r\n")


def check_gateway(site):
    text, said = lines(site, last="end: LOGOUT")
    no_secrets(text)
    text = re.sub(r"MAILBOXID \(\w+\)", "", text)  # random: any two characters may be in it
    for foreign in ("bob", "private", "between", "b1 ", "b2 ", "b3", "b4", "b5", "b6"):
        assert foreign not in text, text
    assert [t for side, t in said if side == "C"] == [
        "a1 AUTHENTICATE [not shown]", "a2 SELECT INBOX", "a3 STATUS INBOX (UIDNEXT)", "a4 UNAUTHENTICATE",
        "c1 LOGIN [not shown]", "c2 CREATE wonder", "c3 LOGOUT"]
    assert [t for side, t in said if side == "-"] == [
        "login as alice, authenticated as gateway, from 127.0.0.1", "end: UNAUTHENTICATE",
        "login as alice, authenticated as alice, from 127.0.0.1", "end: LOGOUT"]
    replies = [t.split(" ")[0:2] for side, t in said if side == "S" and not t.startswith("*")]
    assert replies == [[tag, "OK"] for tag in ("a1", "a2", "a3", "a4", "c1", "c2", "c3")]
    order = [t for _, t in said]
    assert order[order.index("end: UNAUTHENTICATE") - 1].startswith("a4 OK ")
    assert order.index("a3 STATUS INBOX (UIDNEXT)") > next(i for i, t in enumerate(order) if t.startswith("a2 OK"))
    assert not os.path.exists(path(site, "bob")) and not os.path.exists(path(site, "gateway"))


def test_pipelined_switches_in_one_segment(site):
    assert b"c3 OK" in talk(site, gateway_session())
    check_gateway(site)
    assert stat.S_IMODE(os.stat(path(site)).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path(site))).st_mode) == 0o700
    assert site.stop() == 0


def test_the_same_in_many_pieces(site):
    whole = gateway_session()
    assert b"c3 OK" in talk(site, *[whole[i:i + 211] for i in range(0, len(whole), 211)], pause=0.003)
    check_gateway(site)


def test_messages_and_literals_are_sizes(site):
    mail = b"Subject: x\r\n\r\n" + b"secret-text\r\n" * 5000
    big = b"Subject: big\r\n\r\n" + b"0123456789abcdef\r\n" * 60000
    out = talk(site, b"a LOGIN {5+}\r\nalice {%d+}\r\n%s\r\n" % (len(SECRETS["alice"]), SECRETS["alice"].encode()),
               b"b APPEND INBOX (\\Seen) {%d+}\r\n%s\r\n" % (len(mail), mail),
               b"b2 APPEND INBOX {%d+}\r\n%s\r\n" % (len(big), big),
               b"c SELECT INBOX\r\nd FETCH 1 (BODY[TEXT] UID)\r\nd2 FETCH 2 BODY.PEEK[]\r\n"
               b"e SEARCH SUBJECT {10+}\r\nsearched-w TEXT {3+}\r\nabc\r\nz LOGOUT\r\n")
    assert b"secret-text" in out and b"z OK" in out
    text, said = lines(site, last="end: LOGOUT")
    no_secrets(text)
    for word in ("secret-text", "searched-w", "abcdef"):
        assert word not in text
    assert ("C", "b APPEND INBOX (\\Seen) {%d+}[%d bytes]" % (len(mail), len(mail))) in said
    assert ("C", "e SEARCH SUBJECT {10+}[10 bytes] TEXT {3+}[3 bytes]") in said
    body = len(mail) - len(b"Subject: x\r\n\r\n")
    assert any(side == "S" and f"BODY[TEXT] {{{body}}}[{body} bytes]" in t and t.endswith(")") for side, t in said)
    assert ("S", "* 2 FETCH (BODY[] {%d}[%d bytes])" % (len(big), len(big))) in said
    assert len(text) < 20000


def test_lines_are_in_the_order_of_the_wire(site):
    with site.client() as client:
        say = client.say
        say(b"a LOGIN alice " + SECRETS["alice"].encode() + b"\r\n", b"a OK")
        say(b"b APPEND nope {3}\r\n", b"b NO")
        say(b"c APPEND INBOX {3}\r\n", b"+ ")
        say(b"abc\r\n", b"c OK")
        say(b"d APPEND {5}\r\n", b"+ ")
        say(b"INBOX {3}\r\n", b"+ ")
        say(b"abc\r\n", b"d OK")
        say(b"e CREATE {4}\r\n", b"+ ")
        say(b"name\r\n", b"e OK")
        say(b"f RENAME {4}\r\n", b"+ ")
        say(b"name {5}\r\n", b"+ ")
        say(b"other\r\n", b"f OK")
        say(b"g LOST {3}\r\n", b"+ ")
        say(b"abc {3}\r\n", b"+ ")
        say(b"def\r\n", b"g BAD")
        say(b"h APPEND nope {3+}\r\nabc\r\n", b"h NO")
        say(b"z LOGOUT\r\n", b"z OK")
    _, said = lines(site, last="end: LOGOUT")
    short = [(side, " ".join(t.split(" ")[:4 if side == "C" else 2])) for side, t in said if not t.startswith("*")]
    assert short[3:-1] == [
        ("C", "b APPEND nope {3}"), ("S", "b NO"),
        ("C", "c APPEND INBOX {3}"), ("S", "+ Go"), ("C", "[3 bytes]"), ("S", "c OK"),
        ("C", "d APPEND {5}"), ("S", "+ Go"), ("C", "[5 bytes] {3}"), ("S", "+ Go"), ("C", "[3 bytes]"), ("S", "d OK"),
        ("C", "e CREATE {4}"), ("S", "+ Go"), ("C", "[4 bytes]"), ("S", "e OK"),
        ("C", "f RENAME {4}"), ("S", "+ Go"), ("C", "[4 bytes] {5}"), ("S", "+ Go"), ("C", "[5 bytes]"), ("S", "f OK"),
        ("C", "[no command that is"), ("S", "+ Go"), ("S", "+ Go"), ("S", "[tag] BAD"),
        ("C", "h APPEND nope {3+}"), ("S", "h NO"),
        ("C", "z LOGOUT"), ("S", "z OK")]


def test_a_client_that_lost_track_tells_no_password(site):
    coded = plain("alice", "alice")
    out = talk(site, b"a LOGIN alice " + SECRETS["alice"].encode() + b"\r\n",
               b"b AUTHENTICATE PLAIN\r\n" + coded + b"\r\nLOGIN alice " + SECRETS["alice"].encode() + b"\r\n"
               b"c LOGIN bob " + SECRETS["bob"].encode() + b"\r\nd AUTHENTICATE PLAIN " + coded + b"\r\n"
               b"alice " + SECRETS["alice"].encode() + b"\r\n" + SECRETS["alice"].encode() + b" alice\r\n"
               b"x UID LOGIN alice " + SECRETS["alice"].encode() + b"\r\n" + coded + b"\n",
               b"s SETMETADATA INBOX " + SECRETS["alice"].encode() + b" (x)\r\n",
               b"i IDLE\r\n", b"y LOGIN alice " + SECRETS["alice"].encode() + b"\r\n", b"z LOGOUT\r\n", pause=0.05)
    assert b"z OK" in out
    text, said = lines(site, last="end: LOGOUT")
    no_secrets(text)
    assert text.count("[no command that is known]") >= 5 and ("C", "i IDLE") in said
    assert ("C", "s SETMETADATA [not shown]") in said  # its name is known, if nothing else
    assert ("C", "[a line that is not DONE]") in said and ("C", "z LOGOUT") in said


def test_idle_tells_what_others_do(site):
    with site.client() as client:
        client.say(f"a LOGIN alice {SECRETS['alice']}\r\nb SELECT INBOX\r\nc IDLE\r\n", "+ ")
        talk(site, b"a LOGIN alice " + SECRETS["alice"].encode() + b"\r\nb APPEND INBOX {3+}\r\nabc\r\nc LOGOUT\r\n")
        assert b"EXISTS" in client.read_line()
        client.say("DONE\r\nd LOGOUT\r\n", "d OK")
    _, said = lines(site, last="end: LOGOUT", times=2)
    assert ("C", "DONE") in said and ("S", "* 1 EXISTS") in said


def test_a_terminal_takes_no_orders_from_the_file(site):
    talk(site, b"a LOGIN alice " + SECRETS["alice"].encode() + b"\r\nb NOOP \xc2\x9b2J\x9b \xc3\xa9 \xe2\x80\xae\r\nz LOGOUT\r\n")
    text, _ = lines(site, last="end: LOGOUT")
    assert "\\xc2\\x9b2J\\x9b \u00e9 \\xe2\\x80\\xae" in text
    assert not [c for c in text if 0x80 <= ord(c) < 0xa0 or 0xdc80 <= ord(c) < 0xdd00]


def test_reload_begins_and_ends(site):
    site.write("unauthenticate = everyone\nlog { protocol_for = [bob, gateway]; protocol_literal = 4 }\n")
    with site.client() as client:
        def say(tag, what):
            client.say(tag + b" " + what + b"\r\n", tag + b" OK")

        say(b"a", b"LOGIN alice " + SECRETS["alice"].encode())
        say(b"b", b"SELECT INBOX")
        assert "a LOGIN" in lines(site, last="b OK")[0]
        site.cli("reload")
        text, _ = lines(site, last="end: no longer asked for")
        say(b"c", b"NOOP")
        say(b"d", b"UNAUTHENTICATE")
        # The same connection, another user: the new list applies.
        say(b"e", b"AUTHENTICATE PLAIN " + plain("bob", "gateway"))
        say(b"f", b"APPEND INBOX {10+}\r\n1234567890")
        say(b"g", b"UNAUTHENTICATE")
        say(b"h", b"AUTHENTICATE PLAIN " + plain("alice", "gateway"))
        say(b"i", b"LOGOUT")
    assert ("C", "f APPEND INBOX {10+}1234[6 bytes]") in lines(site, "bob", last="end: UNAUTHENTICATE")[1]
    assert site.stop() == 0
    assert lines(site)[0] == text
    assert not os.path.exists(path(site, "gateway"))


def test_size_and_names(site):
    name = "dot.o'brien"
    site.add(name, "pw")
    site.write(f"log {{ protocol_for = \"{name}\"; protocol_size = 64K }}\n")
    site.cli("reload")
    many = b"".join(b"n%d NOOP\r\n" % i for i in range(1500))
    for _ in range(3):
        talk(site, b"a LOGIN \"" + name.encode() + b"\" pw\r\n" + many + b"z LOGOUT\r\n")
    assert site.stop() == 0
    folder = os.path.dirname(path(site))
    assert sorted(os.listdir(folder)) == ["dot.o%27brien.log", "dot.o%27brien.log.1"]
    new, old = (os.path.join(folder, n) for n in sorted(os.listdir(folder)))
    assert 0 < os.path.getsize(new) <= 65536 and 60000 < os.path.getsize(old) <= 65536
    for p in (old, new):
        with open(p, encoding="utf-8") as f:
            assert all(LINE.match(line) for line in f.read()[:-1].split("\n"))


def test_what_is_no_name_is_refused(site):
    site.write('log.protocol_for = "a b"\n')
    done = site.cli("reload", ok=False)
    assert "log.protocol_for: a b: is not a user name" in done.stderr
