# SPDX-License-Identifier: Apache-2.0
"""`turnstone acl`: the lists of rights, with and without a server, and why somebody has a right."""
import os
import re
import shlex
import subprocess

import pytest

from server import BUILD, TOP, give

PASSWORD = "wonderland-7"
RUNNING = pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])


@pytest.fixture(name="site")
def _site(server):
    groups = os.path.join(server.dir, "groups")
    with open(groups, "w", encoding="ascii") as f:
        f.write("staff:x:1:bob,carol\nempty:x:2:\n")
    give(groups)
    server.write(f"default_domain = example.net\nauth.group_file = {groups}\n")
    for name in "alice", "bob", "carol", "dora":
        server.add(name, PASSWORD)
    server.cli("mailbox", "create", "Work", "--user", "alice")
    return server


def entries(site, *words):
    return [(row["mailbox"], row["identifier"], row["rights"]) for row in site.asked("acl", "list", *words)]


def rights(site, who, box="Work"):
    """By letter: who gives the right, and who takes it."""
    done = site.asked("acl", "explain", "alice", box, who, ok=None)
    assert len(done["rights"]) == 11
    return done["verdict"], {row["right"]: (row["given_by"], row["taken_by"]) for row in done["rights"]}


@RUNNING
def test_list_set_remove(site, running):
    if running:
        site.start()
    assert not entries(site, "alice")
    for identifier, letters in (("bob", "lrs"), ("GROUP:staff", "rl"), ("-bob", "s"), ("Anyone", "l"),
                                ("bob@elsewhere.example", "cd")):
        site.cli("acl", "set", "alice", "Work", identifier, letters)
    want = [("Work", "-bob@example.net", "s"), ("Work", "anyone", "l"),
            ("Work", "bob@elsewhere.example", "kxte"), ("Work", "bob@example.net", "lrs"),
            ("Work", "group:staff", "lr")]
    assert entries(site, "alice") == want == entries(site, "alice@example.net", "Work")
    assert not entries(site, "alice", "INBOX")
    site.cli("acl", "set", "alice", "Work", "bob", "+wi")
    site.cli("acl", "set", "alice", "Work", "bob", "-ls")
    assert ("Work", "bob@example.net", "rwi") in entries(site, "alice", "Work")
    site.cli("acl", "set", "alice", "inbox", "bob", "r")
    assert entries(site, "alice", "InBox") == [("INBOX", "bob@example.net", "r")]
    site.cli("acl", "set", "alice", "INBOX", "bob", "-r")
    assert not entries(site, "alice", "INBOX")
    for _, identifier, _ in want:
        site.cli("acl", "remove", "alice", "Work", identifier)
    assert not entries(site, "alice")
    assert "note: there was no entry bob@example.net" in site.cli("acl", "remove", "alice", "Work", "bob").stderr
    # What may be a mistake is said, and done.
    for identifier, note in (("group:nobody", "there is no group nobody"), ("zoe", "there is no user zoe@example.net"),
                             ("-zoe", "there is no user zoe@example.net"), ("group:empty", ""), ("dora", "")):
        said = site.cli("acl", "set", "alice", "Work", identifier, "l").stderr
        assert (note in said) if note else said == "", (identifier, said)
    assert len(entries(site, "alice")) == 5


@RUNNING
def test_what_is_refused(site, running):
    site.edit("auth.group_file", "sharing.anyone = no\nauth.group_file")
    if running:
        site.start()
    for words, why in (
            (("alice", "Work", "bob", "lq"), "there is no right 'q'"),
            (("alice", "Work", "bob", "+"), "which rights?"),
            (("alice", "Work", "bob", ""), "turnstone acl remove"),
            (("alice", "Nowhere", "bob", "l"), "alice@example.net has no mailbox Nowhere"),
            (("zoe", "INBOX", "bob", "l"), "there is no user zoe"),
            (("alice", "Work", "alice", "l"), "is the owner"),
            (("alice", "Work", "-ALICE", "l"), "is the owner"),
            (("alice", "Work", "b ob", "l"), "an identifier is a user"),
            (("alice", "Work", "group:", "l"), "not the name of a group"),
            (("alice", "Work", "anyone", "l"), "sharing.anyone = no"),
            (("alice", "Work", "Authenticated", "+l"), "sharing.anyone = no")):
        assert why in site.cli("acl", "set", *words, code=1).stderr, words
    assert not entries(site, "alice")
    site.cli("acl", "set", "alice", "Work", "-anyone", "w")
    site.cli("acl", "remove", "alice", "Work", "anyone")
    assert "no mailbox Nowhere" in site.cli("acl", "list", "alice", "Nowhere", code=1).stderr
    assert "no mailbox Nowhere" in site.cli("acl", "explain", "alice", "Nowhere", "bob", code=1).stderr
    assert "not the name of a user" in site.cli("acl", "explain", "alice", "Work", "b ob", code=1).stderr


@RUNNING
def test_explain(site, running):
    for identifier, letters in (("bob", "lrs"), ("group:staff", "lrw"), ("-bob", "s"), ("-group:staff", "x"),
                                ("anyone", "p"), ("group:nobody", "a")):
        site.cli("acl", "set", "alice", "Work", identifier, letters)
    if running:
        site.start()
    verdict, by = rights(site, "bob")
    assert verdict["rights"] == "lrwp" and verdict["who_is"] == "enabled" and verdict["groups"] == ["staff"]
    assert verdict["name"] == "Other Users/alice@example.net/Work" and not verdict["is_owner"]
    assert by["r"] == (["bob@example.net", "group:staff"], []) and by["s"] == (["bob@example.net"], ["-bob@example.net"])
    assert by["x"] == ([], ["-group:staff"]) and by["p"] == (["anyone"], []) and by["a"] == ([], [])
    text = site.cli("acl", "explain", "alice", "Work", "bob").stdout
    assert "a member of staff" in text and "rights: lrwp\n" in text
    assert "given by bob@example.net, but taken by -bob@example.net\n" in text
    assert "entry group:nobody a: there is no such group" in text
    # Nobody in particular, the owner, and who is disabled.
    verdict, _ = rights(site, "zoe")
    assert verdict["rights"] == "p" and verdict["who_is"] == "missing"
    verdict, by = rights(site, "alice")
    assert verdict["rights"] == "lrswipkxtea" and verdict["is_owner"] and by["a"] == (["owner"], [])
    site.cli("user", "disable", "bob")
    assert "bob@example.net is disabled" in site.cli("acl", "explain", "alice", "Work", "bob").stdout
    # None at all has an exit code of its own.
    site.cli("acl", "remove", "alice", "Work", "anyone")
    assert "rights: none" in site.cli("acl", "explain", "alice", "Work", "dora", code=5).stdout


def test_anyone_gives_nothing_if_that_is_off(site):
    site.cli("acl", "set", "alice", "Work", "anyone", "lr")
    site.cli("acl", "set", "alice", "Work", "-authenticated", "w")
    site.edit("auth.group_file", "sharing.anyone = no\nauth.group_file")
    done = site.asked("acl", "explain", "alice", "Work", "bob", code=5)
    assert {e["identifier"]: (e["applies"], e["reason"]) for e in done["entries"]} == {
        "anyone": (False, "gives nothing: sharing.anyone = no"), "-authenticated": (True, "applies")}
    site.start()
    client = site.login("bob")
    client.no('SELECT "Other Users/alice@example.net/Work"', "NONEXISTENT")
    client.close()
    # Neither do users add such entries; they take rights away and remove them.
    client = site.login("alice")
    for word in "anyone", "Authenticated":
        client.no(f"SETACL Work {word} lr", "CANNOT")
        client.no(f"SETACL Nowhere {word} +l", "CANNOT")
        client.ok(f"SETACL Work -{word} w")
        client.ok(f"SETACL Work {word} -l")
        client.ok(f"DELETEACL Work {word}")
    assert entries(site, "alice") == [("Work", "-anyone", "w"), ("Work", "-authenticated", "w")]
    client.close()


def test_it_is_what_users_see(site):
    """The commands and SETACL write the same; whoever has the mailbox selected notices at once."""
    site.start()
    alice, bob = site.login("alice"), site.login("bob")
    name = '"Other Users/alice@example.net/Work"'
    bob.no(f"SELECT {name}", "NONEXISTENT")
    site.cli("acl", "set", "alice", "Work", "bob", "lrs")
    bob.ok(f"SELECT {name}")
    assert b"* MYRIGHTS " + name.encode() + b" lrs" in bob.ok(f"MYRIGHTS {name}")
    alice.ok("SETACL Work bob +w")
    assert entries(site, "alice") == [("Work", "bob@example.net", "lrsw")]
    site.cli("acl", "set", "alice", "Work", "group:staff", "i")
    got = b"".join(alice.ok("GETACL Work"))
    assert b"bob@example.net lrsw" in got and b"group:staff i" in got
    site.logged("msg=acl", "source=control", "mailbox=Work", "owner=alice@example.net", "identifier=bob@example.net",
                'before=""', "after=lrs")
    site.cli("acl", "remove", "alice", "Work", "bob")
    site.logged("msg=acl", "source=control", "identifier=bob@example.net", "before=lrsw", 'after=""')
    assert b"[NOPERM]" in bob.ended()
    alice.close()
    # The server's index is right after a start, too.
    site.cli("acl", "set", "alice", "Work", "bob", "lr")
    site.stop()
    site.cli("acl", "set", "alice", "INBOX", "carol", "lr")
    site.start()
    for user, box in (("bob", "Work"), ("carol", "INBOX")):
        client = site.login(user)
        assert f"Other Users/alice@example.net/{box}".encode() in b"".join(client.ok('LIST "" *'))
        client.close()


def test_damaged_entries_are_named(site):
    tool = os.path.join(BUILD, "test", "e2e", "properties")
    site.cli("acl", "set", "alice", "Work", "bob", "lr")
    subprocess.run([tool, os.path.join(site.dir, "data", "store"), "put", "alice@example.net", "Work", "acl/dora",
                    "zz".encode().hex()], check=True, timeout=120)
    done = site.cli("acl", "list", "alice", code=3)
    assert "entry acl/dora of Work: the record has an unknown form" in done.stderr and "bob@example.net" in done.stdout
    site.cli("acl", "set", "alice", "Work", "bob", "lrs")


@RUNNING
def test_the_commands_of_the_manual(site, running):
    """The section on sharing in doc/admin.md, line by line."""
    if running:
        site.start()
    with open(os.path.join(TOP, "doc", "admin.md"), encoding="utf-8") as f:
        section = re.search(r"^## Sharing mailboxes\n(.*?)^## ", f.read(), re.M | re.S)[1]
    lines = re.findall(r"^    turnstone (.*)$", section, re.M)
    assert len(lines) >= 10
    for line in lines:
        done = site.cli(*shlex.split(line, comments=True))
        assert "note:" not in done.stderr, done
    assert entries(site, "alice", "Projects") == [
        ("Projects", "-dora@example.net", "w"), ("Projects", "bob@example.net", "lrs"), ("Projects", "group:staff", "lrswite")]
    assert entries(site, "support", "INBOX/Done") == [
        ("INBOX/Done", "alice@example.net", "lrswipkxtea"), ("INBOX/Done", "group:staff", "lrswite")]


@RUNNING
def test_forget(site, running):
    """What was shared with a deleted user, or a group that is no more, is not there for the next of that name."""
    for owner, box in (("alice", "Work"), ("alice", "INBOX"), ("carol", "INBOX")):
        for identifier in "bob", "-bob", "group:staff", "-group:staff", "anyone", "dora":
            site.cli("acl", "set", owner, box, identifier, "lr")
    left = [("group:staff", "lr"), ("-group:staff", "lr"), ("anyone", "lr"), ("dora@example.net", "lr")]
    if running:
        site.start()
    assert site.cli("acl", "forget", "group:nobody").stdout == "0 entries removed\n"
    assert "without '-'" in site.cli("acl", "forget", "-dora", code=1).stderr
    assert "not the name" in site.cli("acl", "forget", "b b", code=1).stderr
    site.cli("user", "delete", "bob")
    for owner, boxes in (("alice", ["INBOX", "Work"]), ("carol", ["INBOX"])):
        assert sorted(entries(site, owner)) == sorted((box, i, r) for box in boxes for i, r in left)
    site.add("bob", PASSWORD)
    assert site.cli("acl", "forget", "GROUP:staff").stdout == "6 entries removed\n"
    assert site.cli("acl", "forget", "anyone").stdout == "3 entries removed\n"
    assert entries(site, "carol") == [("INBOX", "dora@example.net", "lr")]
    if running:
        assert len(re.findall(r"msg=acl .*identifier=-?bob@example.net", site.log())) >= 6
        client = site.login("bob")
        assert b"Other Users" not in b"".join(client.ok('LIST "" *'))
        client.close()


def test_a_purged_account_is_gone_for_those_who_used_it(site):
    """A session that has reached an account reaches neither what was purged nor, by old rights, what comes after it."""
    name = "Other Users/alice@example.net/Work"
    site.start()
    site.cli("acl", "set", "alice", "Work", "bob", "lrsi")
    with site.login("bob", PASSWORD) as bob:
        bob.ok(f'STATUS "{name}" (MESSAGES)')
        site.cli("user", "delete", "alice", "--purge")
        bob.no(f'STATUS "{name}" (MESSAGES)', "NONEXISTENT")
        bob.no(f'MYRIGHTS "{name}"', "NONEXISTENT")
        bob.no(f'SUBSCRIBE "{name}"', "NONEXISTENT")
        site.add("alice", PASSWORD)
        site.cli("mailbox", "create", "Work", "--user", "alice")
        bob.no(f'STATUS "{name}" (MESSAGES)', "NONEXISTENT")
        site.cli("acl", "set", "alice", "Work", "bob", "lr")
        assert bob.ok(f'MYRIGHTS "{name}"')[0].split(b" ")[-1] == b"lr"
        bob.ok(f'SELECT "{name}"')
