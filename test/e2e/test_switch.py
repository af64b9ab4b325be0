# SPDX-License-Identifier: Apache-2.0
"""RFC 8437 over real sockets: each rule of doc/unauthenticate.md, in clear and over TLS."""
import socket

import pytest

from imap import plain


@pytest.fixture(params=["clear", "tls"])
def tls(request):
    return request.param == "tls"


def auth(demo, user):
    return f"AUTHENTICATE PLAIN {plain(user, 'gateway', demo.password('gateway'))}"


def gateway(demo, user, tls=False):
    c = demo.client(tls)
    c.ok(auth(demo, user))
    return c


def test_switch_leads_to_not_authenticated_state_with_its_capabilities(demo, tls):
    c = gateway(demo, "alice", tls)
    c.ok("SELECT INBOX")
    reply = c.ok("UNAUTHENTICATE")[-1]
    assert b"OK [CAPABILITY " in reply
    shown = reply.split(b"[CAPABILITY ")[1].split(b"]")[0].split()
    assert b"UNAUTHENTICATE" not in shown and b"AUTH=PLAIN" in shown
    assert (b"STARTTLS" in shown) == (not tls)
    assert sorted(shown) == sorted(w.encode() for w in c.capabilities())
    c.bad("SELECT INBOX")
    c.bad("FETCH 1 FLAGS")
    c.bad("UNAUTHENTICATE")
    c.ok(auth(demo, "bob"))
    c.ok("SELECT INBOX")
    c.close()


def test_it_is_shown_after_login_only(demo, tls):
    c = demo.client(tls)
    assert "UNAUTHENTICATE" not in c.capabilities()
    c.ok(auth(demo, "alice"))
    assert "UNAUTHENTICATE" in c.capabilities()
    c.close()


def test_it_hangs_on_who_authenticated(demo):
    c = demo.login("alice")
    assert "UNAUTHENTICATE" not in c.capabilities()
    c.bad("UNAUTHENTICATE")
    c.ok("SELECT INBOX")  # the login is unchanged
    c.close()
    g = gateway(demo, "alice")
    for user in ("bob", "alice", "bob"):
        g.ok("UNAUTHENTICATE")
        g.ok(auth(demo, user))
        assert "UNAUTHENTICATE" in g.capabilities()
    g.close()


def test_arguments_are_bad_and_change_nothing(demo):
    c = gateway(demo, "alice")
    c.ok("CREATE Own")
    c.append("Own", "Subject: alice's\r\n\r\nhere\r\n")
    c.ok("SELECT Own")
    for arguments in ("now", "alice", "(NOW)", "{3+}\r\nnow"):
        c.bad("UNAUTHENTICATE " + arguments)
        # Still logged in as the same user, in the same mailbox.
        assert any(b"alice's" in r for r in c.ok("FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]"))
    c.ok("CLOSE")
    c.ok("DELETE Own")
    c.close()


def test_deleted_messages_stay(demo, tls):
    c = gateway(demo, "alice", tls)
    c.ok("CREATE Kept")
    c.append("Kept", "Subject: stays\r\n\r\nhere\r\n")
    c.ok("SELECT Kept")
    c.ok("STORE 1 +FLAGS (\\Deleted)")
    replies = c.ok("UNAUTHENTICATE")
    assert len(replies) == 1, replies  # no EXPUNGE, nothing untagged
    other = demo.login("alice")
    responses = other.ok("SELECT Kept")
    assert b"* 1 EXISTS" in responses
    assert any(b"\\Deleted" in r for r in other.ok("FETCH 1 FLAGS"))
    other.ok("CLOSE")
    other.ok("DELETE Kept")
    c.close()
    other.close()


def pipeline(demo):
    return "".join([
        "p1 SELECT INBOX\r\n",
        "p2 UNAUTHENTICATE\r\n",
        f"p3 {auth(demo, 'bob')}\r\n",
        "p4 SELECT INBOX\r\n",
        "p5 FETCH 1 (UID FLAGS)\r\n",
        "p6 UNAUTHENTICATE\r\n",
        f"p7 {auth(demo, 'alice')}\r\n",
        "p8 STATUS INBOX (MESSAGES UIDNEXT)\r\n",
        "p9 UNAUTHENTICATE\r\n",
    ]).encode()


@pytest.mark.parametrize("size", [0, 1, 2, 7])
def test_pipelined_in_one_write_and_in_small_segments(demo, tls, size):
    c = gateway(demo, "alice", tls)
    data = pipeline(demo)
    if size == 0:
        c.send(data)
    else:
        for i in range(0, len(data), size):
            c.send(data[i:i + size])
    tags = []
    while not tags or tags[-1] != b"p9":
        r = c.read_response()
        if not r.startswith(b"*"):
            assert r.split(b" ")[1] == b"OK", r
            tags.append(r.split(b" ")[0])
    assert tags == [f"p{i}".encode() for i in range(1, 10)]
    c.close()


def test_split_inside_a_line_end(demo):
    c = gateway(demo, "alice")
    for part in ("q1 UNAUTHENTICATE\r", "\nq2 CAPABILITY\r", "\n"):
        c.send(part)
    assert c.until("q1")[-1].startswith(b"q1 OK")
    assert c.until("q2")[-1].startswith(b"q2 OK")
    c.close()


def test_nothing_of_one_user_is_seen_by_the_next(demo, tls):
    c = gateway(demo, "alice", tls)
    c.ok("CREATE Secrets")
    c.append("Secrets", "Subject: only for alice\r\n\r\nx\r\n", "(\\Flagged alicekeyword) ")
    c.ok("SELECT Secrets")
    c.ok("SEARCH RETURN (SAVE) ALL")
    c.ok("UNAUTHENTICATE")
    c.ok(auth(demo, "bob"))
    c.no("SELECT Secrets", "NONEXISTENT")
    c.bad("FETCH 1 FLAGS")
    assert not any(b"Secrets" in r for r in c.ok('LIST "" "*"'))
    select = c.ok("SELECT INBOX")
    assert not any(b"alicekeyword" in r for r in select), select
    assert c.ok("FETCH $ UID")[:-1] == []
    c.ok("UNAUTHENTICATE")
    c.ok(auth(demo, "alice"))
    c.ok("DELETE Secrets")
    c.close()


def test_enable_ends_with_the_login(demo):
    c = gateway(demo, "alice")
    c.ok("ENABLE IMAP4rev2")
    assert not any(b"RECENT" in r for r in c.ok("SELECT INBOX"))
    assert any(b"ESEARCH" in r for r in c.ok("SEARCH ALL"))
    c.ok("UNAUTHENTICATE")
    c.ok(auth(demo, "bob"))
    assert any(b"RECENT" in r for r in c.ok("SELECT INBOX"))
    assert any(r.startswith(b"* SEARCH") for r in c.ok("SEARCH ALL"))
    c.close()


def test_a_watch_of_the_last_user_is_silent(demo):
    """Alice's mailbox keeps changing while her connection continues as bob."""
    c, other = gateway(demo, "alice"), demo.login("alice")
    other.ok("CREATE Busy")
    c.ok("SELECT Busy")
    for i in range(20):
        other.append("Busy", f"Subject: {i}\r\n\r\nx\r\n")
        other.send(f"w{i} APPEND Busy {{22+}}\r\nSubject: late\r\n\r\nxyz\r\n\r\n")
        replies = c.ok("UNAUTHENTICATE")
        assert len(replies) <= 3, replies
        other.until(f"w{i}")
        for line in c.ok(auth(demo, "bob"))[:-1] + c.ok("NOOP")[:-1]:
            pytest.fail(f"bob saw {line!r}")
        c.ok("SELECT INBOX")
        c.ok("UNAUTHENTICATE")
        c.ok(auth(demo, "alice"))
        c.ok("SELECT Busy")
    c.ok("UNSELECT")
    other.ok("DELETE Busy")
    c.close()
    other.close()


def test_tls_stays_over_many_switches(demo):
    c = gateway(demo, "alice", tls=True)
    session = c.sock.session.id if c.sock.session else None
    cipher = c.sock.cipher()
    for i in range(200):
        c.send(f"u{i} UNAUTHENTICATE\r\na{i} {auth(demo, ('alice', 'bob')[i % 2])}\r\n")
        assert b" OK " in c.until(f"u{i}")[-1] + b" "
        assert c.until(f"a{i}")[-1].startswith(f"a{i} OK".encode())
    assert c.sock.cipher() == cipher
    assert (c.sock.session.id if c.sock.session else None) == session or session == b""
    c.bad("STARTTLS")
    c.close()


def test_a_failed_login_after_a_switch_is_refused_like_any_other(demo):
    c = gateway(demo, "alice")
    c.ok("UNAUTHENTICATE")
    c.no(f"AUTHENTICATE PLAIN {plain('bob', 'gateway', 'wrong')}", "AUTHENTICATIONFAILED")
    c.bad("SELECT INBOX")
    c.no(f"AUTHENTICATE PLAIN {plain('bob', 'alice', demo.password('alice'))}", "AUTHORIZATIONFAILED")
    c.bad("SELECT INBOX")
    c.ok(auth(demo, "bob"))
    c.close()


def test_what_is_pipelined_behind_a_bad_switch_runs_as_the_old_user(demo):
    """The rule that clients must know: BAD changes nothing."""
    c = demo.login("alice")
    c.send("x1 UNAUTHENTICATE\r\nx2 STATUS INBOX (MESSAGES)\r\n")
    assert c.until("x1")[-1].startswith(b"x1 BAD")
    assert c.until("x2")[-1].startswith(b"x2 OK")
    c.close()


def test_half_a_literal_and_a_closed_connection_leave_nothing(demo):
    before = demo.login("alice").ok("STATUS INBOX (MESSAGES)")[0]
    c = gateway(demo, "alice")
    c.send("h1 APPEND INBOX {1000+}\r\nSubject: half")
    c.sock.shutdown(socket.SHUT_WR)
    c.close()
    assert demo.login("alice").ok("STATUS INBOX (MESSAGES)")[0] == before
