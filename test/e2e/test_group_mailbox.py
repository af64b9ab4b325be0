# SPDX-License-Identifier: Apache-2.0
"""Group mailboxes: accounts that belong to nobody."""
import os
import re

import pytest

from lmtp import Lmtp
from oauth import Issuer, authenticate, bearer
from server import Site, give
from test_acl_admin import RUNNING, entries
from test_oauth import database

PASSWORD = "wonderland-7"
SHARED = '"Shared/support@example.net/INBOX"'
MESSAGE = b"Subject: help\r\n\r\nwhere?\r\n"
LMTP = "listener lmtp { protocol = lmtp; address = 127.0.0.1; port = 0; tls = starttls }\n"


@pytest.fixture(name="site")
def _site(server):
    groups = os.path.join(server.dir, "groups")
    with open(groups, "w", encoding="ascii") as f:
        f.write("desk:x:1:alice,bob\n")
    give(groups)
    server.write(f"default_domain = example.net\nauth.group_file = {groups}\n{LMTP}")
    for name in "alice", "bob", "carol":
        server.add(name, PASSWORD)
    return server


def listed(site):
    return [row["name"] for row in site.asked("group-mailbox", "list")]


@RUNNING
def test_create_list_delete(site, running):
    if running:
        site.start()
    assert not listed(site)
    site.cli("group-mailbox", "create", "Support", "--acl", "alice=lrswipkxtea", "--acl", "group:desk=lrs",
             "--acl=-bob=s")
    site.cli("group-mailbox", "create", "club@other.example")
    assert listed(site) == ["club@other.example", "support@example.net"]
    assert entries(site, "support") == [("INBOX", "-bob@example.net", "s"), ("INBOX", "alice@example.net", "lrswipkxtea"),
                                        ("INBOX", "group:desk", "lrs")]
    # Commands that take a user take it, too; new mailboxes have the rights of the one above.
    site.cli("mailbox", "create", "INBOX/Done", "--user", "support")
    assert [row["name"] for row in site.asked("mailbox", "list", "--user", "support")] == ["INBOX", "INBOX/Done"]
    assert entries(site, "support", "INBOX/Done") == [("INBOX/Done", i, r) for _, i, r in entries(site, "support", "INBOX")]
    site.cli("quota", "set", "support", "--messages", "5")
    assert site.asked("quota", "show", "support")[0]["messages_limit"] == 5
    assert "add --yes" in site.cli("group-mailbox", "delete", "support", code=1).stderr
    assert len(listed(site)) == 2
    site.cli("group-mailbox", "delete", "support", "--yes")
    assert listed(site) == ["club@other.example"]
    assert "there is no group mailbox" in site.cli("group-mailbox", "delete", "support", "--yes", code=1).stderr
    assert "there is no group mailbox" in site.cli("group-mailbox", "delete", "alice", "--yes", code=1).stderr
    site.add("support", PASSWORD)


@RUNNING
def test_names_that_are_taken(site, running):
    site.cli("alias", "add", "sales", "alice")
    site.cli("group-mailbox", "create", "support")
    site.cli("mailbox", "create", "Work", "--user", "carol")
    site.cli("user", "delete", "carol")
    if running:
        site.start()
    for name, why in (("support", "a group mailbox"), ("SUPPORT@example.net", "a group mailbox"), ("alice", "a user"),
                      ("sales", "an alias"), ("carol", "mail of a user who was deleted"), ("a b", "without blanks"),
                      ("a*", "must not contain '*'"), ("group:x", "must not begin"), ("a/b", "'/'"), ("", "without blanks")):
        assert why in site.cli("group-mailbox", "create", name, code=1).stderr, name
    for entry, why in (("alice", "IDENTIFIER=RIGHTS"), ("alice=", "IDENTIFIER=RIGHTS"), ("alice=q", "no right 'q'"),
                       ("a b=l", "an identifier is")):
        assert why in site.cli("group-mailbox", "create", "new", "--acl", entry, code=1).stderr, entry
    assert listed(site) == ["support@example.net"]
    for words in (("user", "add", "support"), ("user", "bulk", "--prefix", "suppor", "--from", "1", "--to", "1"),
                  ("user", "add", "Support@Example.NET")):
        done = site.cli(*words, "--password-stdin", stdin="x\n", ok=None)
        assert (done.returncode == 0) == (words[1] == "bulk"), (words, done)
        assert done.returncode == 0 or "there is a group mailbox of that name" in done.stderr
    site.cli("group-mailbox", "create", "room1")
    done = site.cli("user", "bulk", "--prefix", "room", "--digits", "1", "--to", "2", "--password-stdin", stdin="x\n", ok=False)
    assert "there is a group mailbox of that name" in done.stderr


def test_an_alias_comes_first(site):
    site.cli("group-mailbox", "create", "support")
    said = site.cli("alias", "add", "support", "alice").stderr
    assert "warning: there is a group mailbox support@example.net" in said
    assert site.cli("alias", "add", "support", "alice", "support").stderr == ""
    site.start()
    with Lmtp(site.port("LMTP")) as lmtp:
        assert lmtp.deliver(MESSAGE, "support@example.net")["support@example.net"].startswith("250")
    assert site.asked("mailbox", "status", "INBOX", "--user", "support")["messages"] == 1
    assert site.asked("mailbox", "status", "INBOX", "--user", "alice")["messages"] == 1


def test_step_by_step(site):
    """Created, mail delivered, answered by one, seen as done by the other, put away, charged to its own account."""
    site.start()
    site.cli("group-mailbox", "create", "support", "--acl", "group:desk=lrswipkte")
    with Lmtp(site.port("LMTP")) as lmtp:
        assert lmtp.deliver(MESSAGE, "support@example.net")["support@example.net"].startswith("250")
    alice, bob, carol = (site.login(name) for name in ("alice", "bob", "carol"))
    assert b"Shared/support@example.net/INBOX" in b"".join(alice.ok('LIST "" *'))
    assert b"Shared" not in b"".join(carol.ok('LIST "" *'))
    carol.no(f"SELECT {SHARED}", "NONEXISTENT")
    alice.ok(f"SELECT {SHARED}")
    bob.ok(f"SELECT {SHARED}")
    alice.ok("STORE 1 +FLAGS (\\Answered)")
    assert b"\\Answered" in b"".join(bob.ok("FETCH 1 FLAGS"))
    bob.ok('CREATE "Shared/support@example.net/INBOX/Done"')
    alice.ok('MOVE 1 "Shared/support@example.net/INBOX/Done"')
    rows = {row["name"]: row["messages"] for row in site.asked("mailbox", "list", "--user", "support")}
    assert rows == {"INBOX": 0, "INBOX/Done": 1}
    assert site.asked("quota", "show", "support")[0]["messages"] == 1
    assert site.asked("group-mailbox", "list") == [{"name": "support@example.net", "mailboxes": 2, "messages": 1}]
    # It goes with its mail, and those who have it selected are told.
    bob.ok('SELECT "Shared/support@example.net/INBOX/Done"')
    site.cli("group-mailbox", "delete", "support", "--yes")
    bob.put("NOOP")
    assert b"[NONEXISTENT]" in bob.ended()
    alice.close()
    carol.close()
    with Lmtp(site.port("LMTP")) as lmtp:
        assert lmtp.deliver(MESSAGE, "support@example.net")["support@example.net"].startswith("550 5.1.1")


def test_nobody_logs_in_as_it(server):
    """Not by a grant, and not where a database takes anybody."""
    issuer = Issuer(server.dir).add("e1").publish()
    server.write(database(issuer, "token_users = any; user_claim = email") + "default_domain = example.net\n")
    server.start()
    server.add("gateway", PASSWORD, "--acts-for", "*")
    server.add("desk", PASSWORD)
    server.cli("group-mailbox", "create", "support")

    def tokens(name):
        client = server.client(tls=True)
        token = issuer.token("x", email=name, email_verified=True)
        line, _ = authenticate(client, bearer(token))
        client.close()
        return line.split(" ")[0]
    assert tokens("carla@example.net") == "OK"
    assert tokens("support@example.net") == "NO"
    # Whoever was let in before is not afterwards.
    assert tokens("help@example.net") == "OK"
    server.cli("user", "delete", "help@example.net", "--purge")
    server.cli("group-mailbox", "create", "help")
    assert tokens("help@example.net") == "NO"
    client = server.client(tls=True)
    client.no(f'LOGIN support "{PASSWORD}"', "AUTHENTICATIONFAILED")
    client.close()
    assert not server.lets_in("support", "")
    done = server.asked("grant", "explain", "gateway", "support", ok=None)
    assert done["verdict"]["permitted"] is False and done["verdict"]["for_is"] == "missing"


def test_backup_export_check(site):
    site.cli("group-mailbox", "create", "support", "--acl", "alice=lrs")
    site.start()
    with Lmtp(site.port("LMTP")) as lmtp:
        lmtp.deliver(MESSAGE, "support@example.net")
    site.stop()
    assert re.search(r"^found: 0$", site.cli("check").stdout, re.M)
    saved, out = os.path.join(site.dir, "saved"), os.path.join(site.dir, "out")
    site.cli("backup", saved)
    site.cli("export", "maildir", out, "--user", "support")
    other = Site("default_domain = example.net\n")
    try:
        other.cli("restore", saved)
        assert listed(other) == ["support@example.net"] and entries(other, "support") == entries(site, "support")
        assert other.asked("group-mailbox", "list")[0]["messages"] == 1
        assert re.search(r"^found: 0$", other.cli("check").stdout, re.M)
        # One that was deleted comes back as a group mailbox after it was created again.
        other.cli("group-mailbox", "delete", "support", "--yes")
        other.cli("group-mailbox", "create", "support")
        other.cli("restore", saved, "--user", "support")
        assert other.asked("group-mailbox", "list")[0]["messages"] == 1
        other.cli("group-mailbox", "create", "archive")
        other.cli("import", "maildir", out, "--user", "archive", "--properties")
        assert {row["name"]: row["messages"] for row in other.asked("group-mailbox", "list")} == {
            "archive@example.net": 1, "support@example.net": 1}
    finally:
        other.remove()


def test_a_user_does_not_become_a_group_mailbox(site):
    """Neither by a restore nor by an import: nobody could log in any more."""
    site.cli("group-mailbox", "create", "support", "--acl", "alice=lrs")
    saved, out = os.path.join(site.dir, "saved"), os.path.join(site.dir, "out")
    site.cli("backup", saved)
    site.cli("export", "maildir", out, "--user", "support")
    other = Site("default_domain = example.net\n")
    try:
        other.add("support", PASSWORD)
        done = other.cli("restore", saved, code=None, ok=None)
        assert "the property group-mailbox is left out: the account is that of a user" in done.stderr + done.stdout
        other.add("dora", PASSWORD)
        for dry in ("--dry-run",), ():
            done = other.cli("import", "maildir", out, "--user", "dora", "--properties", *dry, code=3)
            assert "the property group-mailbox: the account is that of a user" in done.stderr + done.stdout
        assert not listed(other)
        other.start()
        assert other.lets_in("support", PASSWORD) and other.lets_in("dora", PASSWORD)
        assert entries(other, "support") == [("INBOX", "alice@example.net", "lrs")] == entries(other, "dora")
    finally:
        other.remove()
