# SPDX-License-Identifier: Apache-2.0
"""Capabilities that are hidden from groups and programs, and clients that are put off while the server is busy."""
import imaplib
import os

import pytest

from conftest import Server, give

PASSWORD = "wonderland-7"


@pytest.fixture(name="site")
def _site():
    s = Server()
    groups = os.path.join(s.dir, "groups")
    with open(groups, "w", encoding="ascii") as f:
        f.write("staff:x:1:alice,carol\n")
    give(groups)
    s.write(f"""\
unauthenticate = everyone
auth.group_file = {groups}
hide staff {{ capabilities = [MOVE]; for = ["group:staff"] }}
hide fetcher {{ capabilities = [UIDPLUS, UNSELECT]; clients = ["Microsoft*"] }}
""")
    for name in ("alice", "bob"):
        s.add(name, PASSWORD)
    s.start()
    yield s
    s.remove()


def log_in(site, user):
    c = imaplib.IMAP4("127.0.0.1", site.port("IMAP"))
    c.login(user, PASSWORD)
    return c


def words(client):
    return client.capability()[1][0].decode().split()


def test_by_group_and_program(site):
    alice, bob = log_in(site, "alice"), log_in(site, "bob")
    assert "MOVE" not in words(alice) and "MOVE" in words(bob)
    assert "UIDPLUS" in words(alice) and "UIDPLUS" in words(bob)
    for c in (alice, bob):
        c.select("INBOX")
    with pytest.raises(imaplib.IMAP4.error, match="BAD.*Unknown command"):
        alice.uid("MOVE", "1", "Work")
    assert bob.uid("MOVE", "1", "INBOX")[0] == "OK"
    bob.untagged_responses.clear()
    assert bob.xatom("ID", '("name" "Microsoft.Exchange.Imap4.Imap4Server" "version" "15")')[0] == "OK"
    told = bob.untagged_responses["CAPABILITY"][-1].decode().split()
    assert "UIDPLUS" not in told and "UNSELECT" not in told and "MOVE" in told
    assert told == words(bob)
    with pytest.raises(imaplib.IMAP4.error, match="BAD.*Unknown command"):
        bob.uid("EXPUNGE", "1")
    for c in (alice, bob):
        c.logout()


def test_who_joins_or_leaves_has_it_from_the_next_login_on(site):
    bob = log_in(site, "bob")
    groups = os.path.join(site.dir, "groups")
    with open(groups + ".new", "w", encoding="ascii") as f:
        f.write("staff:x:1:bob\n")
    give(groups + ".new")
    os.rename(groups + ".new", groups)
    site.cli("reload")
    assert "MOVE" in words(bob)
    assert bob.xatom("UNAUTHENTICATE")[0] == "OK"
    bob.state = "NONAUTH"
    bob.login("bob", PASSWORD)
    assert "MOVE" not in words(bob)
    assert "MOVE" in words(log_in(site, "alice"))


def test_faults(site):
    for more, what in (("hide h { capabilities = [IDLE] }", "from whom?"),
                       ("hide h { for = anna }", "capabilities"),
                       ('hide h { capabilities = [IDLE]; for = ["a b"] }', "is neither a user name"),
                       ('hide h { capabilities = [IDLE]; clients = [""] }', "is no name")):
        site.write(more + "\n")
        said = site.cli("config", "check", ok=False)
        assert what in said.stdout + said.stderr, said
