# SPDX-License-Identifier: Apache-2.0
"""Quota: limits from the configuration and from commands, what they refuse by IMAP, LMTP, import and
restore, and the messages that warn of them."""
import json
import os
import re
import shutil
import threading

import pytest

from lmtp import Lmtp
from server import Site, ended, give, status_of, wait_for

PASSWORD = "wonderland-7"
LISTENER = "listener lmtp { protocol = lmtp; address = 127.0.0.1; port = 0; tls = starttls }\n"


def text(octets, subject="s"):
    """A message of exactly so many octets."""
    head = f"Subject: {subject}\r\n\r\n".encode()
    return head + b"x" * (octets - len(head))


@pytest.fixture(name="make")
def _make():
    sites = []

    def make(conf="", users=("alice", "bob")):
        s = Site()
        sites.append(s)
        groups = os.path.join(s.dir, "groups")
        with open(groups, "w", encoding="ascii") as f:
            f.write("staff:x:1:bob\n")
        give(groups)
        s.groups = groups
        s.write(LISTENER + f"auth.group_file = {groups}\n" + conf)
        for name in users:
            s.add(name, PASSWORD)
        s.start()
        return s
    yield make
    for s in sites:
        s.remove()


def usage(site, user, *options):
    rows = json.loads(site.cli("quota", "show", user, "--json", *options).stdout)
    return rows[0]


def subjects(site, user, mailbox="INBOX"):
    client = site.login(user)
    client.ok(f"EXAMINE {mailbox}")
    said = b"".join(client.ok("FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]")
                    if b" 0 EXISTS" not in b"".join(client.ok(f"EXAMINE {mailbox}")) else [])
    client.close()
    return re.findall(rb"Subject: ([^\r\n]*)", said)


def test_limits_of_the_configuration(make):
    site = make("""\
quota { messages = 1; warn = [] }
allowance staff { for = ["group:staff"]; messages = 2 }
allowance carol { for = [carol]; messages = 0 }
""", users=("alice", "bob", "carol"))
    alice, bob, carol = (site.login(u) for u in ("alice", "bob", "carol"))
    for client, most in (alice, 1), (bob, 2), (carol, 4):
        for _ in range(most):
            client.append("INBOX", text(100))
    alice.no("APPEND INBOX {4+}\r\n\r\n\r\n", "OVERQUOTA")
    bob.no("APPEND INBOX {4+}\r\n\r\n\r\n", "OVERQUOTA")
    carol.append("INBOX", text(100))
    # Who leaves the group has the default from then on, without a new login.
    with open(site.groups + ".new", "w", encoding="ascii") as f:
        f.write("staff:x:1:alice\n")
    give(site.groups + ".new")
    os.rename(site.groups + ".new", site.groups)
    wait_for(lambda: usage(site, "alice")["messages_limit"] == 2)
    alice.append("INBOX", text(100))
    assert usage(site, "bob")["messages_limit"] == 1
    site.edit("messages = 1;", "messages = 3;")
    site.reload()
    bob.append("INBOX", text(100))
    bob.no("APPEND INBOX {4+}\r\n\r\n\r\n", "OVERQUOTA")
    assert site.status()["quota_refused"] == "3"


def test_which_limit_applies(make):
    """By resource: who is named, then groups, then patterns, then the default; of a rank the first."""
    site = make("""\
quota { messages = 1; storage = 1M; mailboxes = 9; warn = [] }
allowance pattern { for = ["b*", "c*"]; messages = 2; storage = 2M }
allowance second { for = ["b*"]; messages = 22; mailboxes = 22 }
allowance staff { for = ["group:staff"]; messages = 3 }
allowance bob { for = [bob]; storage = 0 }
""", users=("alice", "bob", "carol"))
    want = {"alice": (1, 1 << 20, 9), "bob": (3, "none", 22), "carol": (2, 2 << 20, 9)}
    for user in want:
        site.login(user).ok("NOOP")
    for running in True, False:
        if not running:
            site.stop()
        for user, limits in want.items():
            row = usage(site, user)
            assert (row["messages_limit"], row["storage_limit"], row["mailboxes_limit"]) == limits, user


def test_limits_of_mailboxes(make):
    """By user, group and for all, as those of accounts; their own come before them."""
    site = make("""\
quota { messages = 9; warn = [] }
allowance all { for = ["*"]; mailbox = inbox; messages = 1; storage = 1M }
allowance staff { for = ["group:staff"]; mailbox = INBOX; messages = 2 }
allowance carol { for = [carol]; mailbox = INBOX; messages = 0; storage = 0 }
allowance lists { for = ["*"]; mailbox = "Listen/Entwürfe"; messages = 1 }
""", users=("alice", "bob", "carol"))
    clients = {u: site.login(u) for u in ("alice", "bob", "carol")}
    for user, most in (("alice", 1), ("bob", 2), ("carol", 3)):
        for _ in range(most):
            clients[user].append("INBOX", text(100))
    for user in "alice", "bob":
        clients[user].no("APPEND INBOX {4+}\r\n\r\n\r\n", "OVERQUOTA")
    clients["carol"].append("INBOX", text(100))
    alice = clients["alice"]
    said = b"".join(alice.ok("GETQUOTAROOT INBOX"))
    assert b'* QUOTAROOT INBOX "" mailbox/INBOX' in said
    assert b'* QUOTA "" (MESSAGE 1 9)' in said and b"* QUOTA mailbox/INBOX (STORAGE 1 1024 MESSAGE 1 1)" in said
    assert b"mailbox/INBOX" not in b"".join(clients["carol"].ok("GETQUOTAROOT INBOX"))
    with Lmtp(site.port("LMTP")) as client:
        got = client.deliver(text(100), "alice", "carol")
        assert got["alice"].startswith("452") and got["carol"].startswith("250"), got
    alice.all_ok("CREATE Listen/Entw&APw-rfe", "CREATE other")
    alice.append("Listen/Entw&APw-rfe", text(100))
    alice.no("APPEND Listen/Entw&APw-rfe {4+}\r\n\r\n\r\n", "OVERQUOTA")
    # The name has them: another mailbox that gets it, and not the one that leaves it.
    alice.all_ok("RENAME Listen/Entw&APw-rfe Listen/old", "RENAME other Listen/Entw&APw-rfe")
    alice.append("Listen/old", text(100))
    alice.append("Listen/Entw&APw-rfe", text(100))
    alice.no("APPEND Listen/Entw&APw-rfe {4+}\r\n\r\n\r\n", "OVERQUOTA")
    # What was set comes first, and is gone when it is removed; with and without a server.
    site.cli("quota", "set", "alice", "--mailbox", "INBOX", "--messages", "2")
    alice.append("INBOX", text(100))
    alice.no("APPEND INBOX {4+}\r\n\r\n\r\n", "OVERQUOTA")
    for running in True, False:
        if not running:
            site.stop()
        rows = {r["mailbox"]: r for r in json.loads(site.cli("quota", "show", "alice", "--json").stdout)}
        assert set(rows) == {"", "INBOX", "Listen/Entwürfe"}
        row = rows["INBOX"]
        assert (row["messages_limit"], row["messages_from"], row["storage_limit"], row["storage_from"]) == (
            2, "set", 1 << 20, "configuration")
        assert rows["Listen/Entwürfe"]["messages_from"] == "configuration"
        assert rows["Listen/Entwürfe"]["storage_from"] == "none"
    site.cli("quota", "remove", "alice", "--mailbox", "INBOX")
    site.start()
    site.login("alice").no("APPEND INBOX {4+}\r\n\r\n\r\n", "OVERQUOTA")
    # SETQUOTA names all limits that there are then.
    site.add("root", PASSWORD, "--admin")
    boss = site.login("root")
    assert b"* QUOTA mailbox/INBOX (STORAGE 0 5)" in b"".join(boss.ok("SETQUOTA mailbox/INBOX (STORAGE 5)"))
    site.edit("mailbox = INBOX; messages = 2", "mailbox = INBOX; messages = 3")
    site.reload()
    bob = site.login("bob")
    bob.append("INBOX", text(100))
    bob.no("APPEND INBOX {4+}\r\n\r\n\r\n", "OVERQUOTA")


def test_configuration_is_checked():
    site = Site()
    try:
        site.write("""\
quota.warn = [80%, 70%, 0%, 101%, much]
allowance a { for = ["group:staff"] }
allowance b { for = ["@"]; storage = 1G }
allowance c { storage = 1G }
lmtp.over_quota = 550
quota.storage = 1023
allowance d { for = [x]; storage = 1 }
allowance e { for = [x]; mailbox = Sent; mailboxes = 1 }
""")
        said = site.cli("config", "check", ok=False).stderr
        for what in (r"quota.warn: 70%: .*ascending", r"quota.warn: 0%:", r"quota.warn: 101%:", r"quota.warn: much:",
                     r"allowance b: for: @", r"allowance c", r"lmtp.over_quota.*452", r"quota.storage: .*1K",
                     r"allowance d: storage: .*1K", r"allowance e: .*a mailbox has no mailboxes"):
            assert re.search(what, said), (what, said)
        site.write("allowance a { for = [\"group:staff\"] }\nquota.mailboxes = 1\n"
                   "store.default_mailboxes = [Sent]\n")
        got = site.cli("config", "check")
        for what in r"no groups", r"allowance a: it says no limit", r"quota.mailboxes: new accounts begin with more":
            assert re.search(what, got.stdout + got.stderr), got
    finally:
        site.remove()


def test_commands(make):
    site = make("quota { storage = 1M; warn = [] }\n")
    client = site.login("alice")
    client.ok("CREATE box")
    client.append("INBOX", text(1000))
    site.cli("quota", "set", "alice", "--storage", "2K", "--mailboxes", "none")
    site.cli("quota", "set", "alice", "--mailbox", "box", "--messages", "0")
    row = usage(site, "alice")
    assert (row["storage"], row["storage_limit"], row["storage_from"]) == (1000, 2048, "set")
    assert row["mailboxes_limit"] == "none" and row["percent"] == 48
    client.no("APPEND box {4+}\r\n\r\n\r\n", "OVERQUOTA")
    client.no("APPEND INBOX {1049+}\r\n" + text(1049).decode() + "\r\n", "OVERQUOTA")
    assert [r["user"] for r in json.loads(site.cli("quota", "list", "--over", "49", "--json").stdout)] == []
    client.append("INBOX", text(1048))
    assert [r["user"] for r in json.loads(site.cli("quota", "list", "--over", "100", "--json").stdout)] == ["alice"]
    # The same without a server, and after a start.
    site.stop()
    assert usage(site, "alice")["percent"] == 100
    site.cli("quota", "remove", "alice")
    row = usage(site, "alice")
    assert (row["storage_limit"], row["storage_from"]) == (1 << 20, "configuration")
    site.start()
    site.login("alice").append("INBOX", text(5000))
    site.login("alice").no("APPEND box {4+}\r\n\r\n\r\n", "OVERQUOTA")
    for wrong in ("--storage", "1023"), ("--mailbox", "", "--messages", "1"):
        assert "--" + wrong[0][2:] in site.cli("quota", "set", "alice", *wrong, ok=False).stderr
    site.cli("quota", "remove", "alice", "--mailbox", "", ok=False)
    assert usage(site, "alice")["messages_limit"] == "none"
    for wrong in ("--storage", "1X"), ("--messages", "-1"), ("--mailbox", "nobox", "--messages", "1"), ():
        site.cli("quota", "set", "alice", *wrong, ok=False)


@pytest.mark.parametrize("code", ["452", "552"])
def test_delivery(make, code):
    site = make(f"quota {{ storage = 4K; warn = [] }}\nlmtp.over_quota = {code}\n")
    with Lmtp(site.port("LMTP")) as client:
        got = client.deliver(text(3000), "alice", "bob")
        assert all(r.startswith("250") for r in got.values()), got
        # Alice has no room for it, and bob has.
        bob = site.login("bob")
        bob.ok("SELECT INBOX")
        bob.ok("STORE 1 +FLAGS (\\Deleted)")
        bob.ok("EXPUNGE")
        got = client.deliver(text(1500, "two"), "alice", "bob")
        assert got["alice"].startswith(f"{code} {code[0]}.2.2"), got
        assert got["bob"].startswith("250"), got
        # What is announced is refused before it is sent.
        client.ok("MAIL FROM:<f@x.example> SIZE=2500")
        assert client.cmd("RCPT TO:<alice>").startswith(code)
        assert client.cmd("RCPT TO:<bob>").startswith("250") or client.cmd("RSET")
    assert subjects(site, "alice") == [b"s"] and subjects(site, "bob") == [b"two"]


def test_many_at_once(make):
    """As many as there is room for, no matter over how many connections and ways they come."""
    site = make("quota { messages = 40; warn = [] }\n")
    taken = []

    def deliver():
        with Lmtp(site.port("LMTP")) as client:
            for _ in range(20):
                taken.append(client.deliver(text(500), "alice")["alice"][:3] == "250")

    def append():
        client = site.login("alice")
        for _ in range(20):
            taken.append(b" OK " in client.run(b"APPEND INBOX {100+}\r\n" + text(100))[-1])
        client.close()
    threads = [threading.Thread(target=t) for t in (deliver, append) * 3]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert len(taken) == 120 and sum(taken) == 40
    assert usage(site, "alice")["messages"] == 40
    site.kill()
    site.start()
    assert usage(site, "alice")["messages"] == 40
    site.login("alice").no("APPEND INBOX {4+}\r\n\r\n\r\n", "OVERQUOTA")


def test_killed_while_it_fills(make):
    """Whatever was under way: three at a time or one, by APPEND, COPY and LMTP.  What was acknowledged is there, no
    more than is allowed, and no room is lost."""
    site = make("quota { messages = 150; warn = [] }\n")
    site.login("alice").append("INBOX", text(100))
    taken = []

    def until_it_dies(step):
        try:
            while True:
                taken.append(step())
        except (EOFError, OSError, AssertionError):
            pass

    def several(client):
        bytes_of = text(100)
        return 3 * (b" OK " in client.run(b"APPEND INBOX" + 3 * (b" {100+}\r\n" + bytes_of))[-1])

    def copy(client):
        return int(b" OK " in client.run("COPY 1 INBOX")[-1])

    def deliver(client):
        return int(client.deliver(text(500), "alice")["alice"].startswith("250"))
    clients = [site.login("alice") for _ in range(4)]
    for client in clients[2:]:
        client.ok("SELECT INBOX")
    lmtp = [Lmtp(site.port("LMTP")) for _ in range(2)]
    threads = [threading.Thread(target=until_it_dies, args=(lambda s=step, c=client: s(c),))
               for step, client in zip((several, several, copy, copy, deliver, deliver), clients + lmtp)]
    for t in threads:
        t.start()
    wait_for(lambda: sum(taken) >= 30)
    site.kill()
    for t in threads:
        t.join()
    for client in clients + lmtp:
        client.close()
    site.start()
    there = usage(site, "alice")["messages"]
    assert 1 + sum(taken) <= there <= 150
    client = site.login("alice")
    assert f"(MESSAGES {there})".encode() in b"".join(client.ok("STATUS INBOX (MESSAGES)"))
    for _ in range(150 - there):
        client.append("INBOX", text(10 + len("Subject: s")))
    client.no("APPEND INBOX {4+}\r\n\r\n\r\n", "OVERQUOTA")
    site.cli("check")


def test_warnings(make):
    """One message for each crossing, whatever happens in between."""
    site = make("quota { storage = 100K; warn = [50%, 90%]; warn_slack = 10 }\n")
    client = site.login("alice")
    client.append("INBOX", text(40 << 10))
    client.append("INBOX", text(12 << 10))
    wait_for(lambda: len(subjects(site, "alice")) == 3)
    assert subjects(site, "alice")[2] == b"Your mail has reached 50% of its limit"
    # That she was told is no property that an export would have to carry.
    site.cli("export", "mbox", os.path.join(site.dir, "out"), "--user", "alice")
    site.kill()
    site.start()
    client = site.login("alice")
    client.append("INBOX", text(1000))
    client.ok("SELECT INBOX")
    # Not far enough below the level to count as below it.
    client.all_ok("STORE 2 +FLAGS (\\Deleted)", "EXPUNGE")
    client.append("INBOX", text(12 << 10))
    client.append("INBOX", text(38 << 10))
    wait_for(lambda: len(subjects(site, "alice")) == 6)
    assert [s for s in subjects(site, "alice") if s != b"s"] == [
        b"Your mail has reached 50% of its limit", b"Your mail has reached 90% of its limit"]
    # All of it goes, and comes again.
    client.ok("SELECT INBOX")
    client.all_ok("STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE")
    client.append("INBOX", text(95 << 10))
    wait_for(lambda: b"Your mail has reached 90% of its limit" in subjects(site, "alice"))
    # It needs no room, and never comes in place of mail.
    site.cli("quota", "set", "alice", "--storage", "96K")
    client.no("APPEND INBOX {2000+}\r\n" + text(2000).decode(), "OVERQUOTA")
    assert len(subjects(site, "alice")) == 2


def test_backup_carries_limits_and_restore_keeps_them(make):
    site = make("quota.warn = []\n")
    site.cli("quota", "set", "alice", "--messages", "3")
    client = site.login("alice")
    for _ in range(3):
        client.append("INBOX", text(100))
    folder = os.path.join(site.dir, "backup")
    site.cli("backup", folder)
    client.ok("SELECT INBOX")
    client.all_ok("STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE")
    site.cli("quota", "remove", "alice")
    site.cli("restore", folder, "--user", "alice")
    row = usage(site, "alice")
    assert (row["messages"], row["messages_limit"]) == (3, 3)
    # To somebody with less room: as far as it goes, and it says so.
    site.cli("quota", "set", "bob", "--messages", "1")
    got = site.cli("restore", folder, "--user", "alice", "--as-user", "bob", ok=False)
    assert "user bob, mailbox INBOX: 2 messages left out: the quota has no room" in got.stdout + got.stderr
    assert (got.returncode, usage(site, "bob")["messages"]) == (3, 1)


def test_restore_goes_on(make):
    """Of a full store everything comes back, also what is more than its limits; what a limit that is in force
    excludes is named, and everything else comes."""
    users = ("alice", "bob", "carol")
    site = make("quota.warn = []\n", users)
    for user in users:
        client = site.login(user)
        client.all_ok("CREATE box", "CREATE last")
        for n, mailbox in enumerate(("INBOX", "box", "last"), 1):
            for size in range(n):
                client.append(mailbox, text(100 + size, mailbox))
        client.close()
    site.cli("quota", "set", "alice", "--messages", "4")
    site.cli("quota", "set", "alice", "--mailbox", "last", "--messages", "2")
    site.cli("quota", "set", "bob", "--mailboxes", "2")
    folder = os.path.join(site.dir, "backup")
    site.cli("backup", folder)

    def counts(user):
        client = site.login(user)
        said = [b"".join(client.run(f"STATUS {name} (MESSAGES)")) for name in ("INBOX", "box", "last")]
        client.close()
        return [int(m.group(1)) if (m := re.search(rb"MESSAGES (\d+)", s)) else None for s in said]

    def begin_anew():
        site.stop()
        shutil.rmtree(os.path.join(site.dir, "data", "store"))
        site.start()
    begin_anew()
    got = site.asked("restore", folder)
    assert (got["added"], got["damaged"], got["users"]) == (18, 0, 3), got
    assert [counts(u) for u in users] == [[1, 2, 3]] * 3
    assert usage(site, "alice")["messages_limit"] == 4 and usage(site, "bob")["mailboxes_limit"] == 2
    site.login("alice").no("APPEND INBOX {4+}\r\n\r\n\r\n", "OVERQUOTA")
    # Limits of the configuration are in force before: as far as they go, mailbox by mailbox, user by user.
    site.edit("quota.warn = []", "quota { storage = 1K; warn = []; mailboxes = 2 }\n"
              "allowance bob { for = [bob]; messages = 2 }")
    begin_anew()
    got = site.cli("restore", folder, code=3)
    said = got.stdout + got.stderr
    for user in users:
        assert f"user {user}: the mailbox last is left out: the quota allows no more mailboxes" in said, said
    assert "user bob, mailbox box: 1 message left out: the quota has no room for more" in said, said
    assert [counts(u) for u in users] == [[1, 2, None], [1, 1, None], [1, 2, None]]
    # With room, the next run brings the rest.
    site.edit("mailboxes = 2", "mailboxes = 0")
    site.edit("messages = 2 }", "messages = 0 }")
    site.reload()
    site.cli("quota", "remove", "alice")
    site.cli("quota", "remove", "bob")
    got = site.asked("restore", folder)
    assert (got["added"], got["there"]) == (10, 8), got
    assert [counts(u) for u in users] == [[1, 2, 3]] * 3
    # What came since and cannot be set aside stays where it is.
    site.login("carol").append("box", text(100, "since"))
    site.edit("mailboxes = 0", "mailboxes = 3")
    site.reload()
    got = site.cli("restore", folder, "--user", "carol", "--exact", code=3)
    said = got.stdout + got.stderr
    assert "user carol, mailbox box: 1 message not set aside: the quota has no room for more" in said, said
    assert counts("carol") == [1, 3, 3]


def test_import(make):
    site = make("quota { storage = 8K; warn = [] }\n")
    folder = os.path.join(site.dir, "mbox")
    with open(folder, "wb") as f:
        for n in range(4):
            f.write(b"From x Thu Jan  1 00:00:00 2026\n" + text(3000, str(n)).replace(b"\r", b"") + b"\n\n")
    give(folder)
    got = site.cli("import", "mbox", folder, "--user", "alice", ok=False)
    assert "quota" in got.stdout + got.stderr
    assert usage(site, "alice")["storage"] <= 8 << 10


# ---- the command of warnings

def script(folder, text):
    """A program of that folder; returns its path."""
    path = os.path.join(folder, "warn")
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write("#!/bin/sh\n" + text)
    os.chmod(path + ".new", 0o755)
    give(path + ".new")
    os.rename(path + ".new", path)
    return path


@pytest.fixture(name="commands")
def _commands(make):
    """commands(options, lines of the program, users): a site; the program's first argument is a folder for it."""
    class Commands:
        def __init__(self, options, lines, users=("alice", "bob")):
            self.site = make(f"quota {{ storage = 100K; warn = [50%, 90%]; warn_command = [/bin/true]; {options} }}\n",
                             users)
            self.out = os.path.join(self.site.dir, "out")
            os.mkdir(self.out)
            give(self.out)
            self.path = script(self.site.dir, lines)
            self.site.edit("[/bin/true]", f'[{self.path}, {self.out}, "$(id) `id`; x"]')
            self.site.reload()

        def fill(self, user, octets):
            client = self.site.login(user)
            client.append("INBOX", text(octets))
            client.close()

        def files(self):
            return sorted(f for f in os.listdir(self.out) if not f.endswith(".new"))

        def read(self, name):
            with open(os.path.join(self.out, name), encoding="utf-8") as f:
                return f.read()

        def log_line(self, *words):
            return self.site.logged("quota: command", self.path, *words)
    return Commands


SAY = """\
tr '\\0' '\\n' </proc/$$/environ | sort >"$1/$QUOTA_USER.$QUOTA_LEVEL.new"
{ echo "arguments=$#"; echo "second=$2"; echo "input=$(cat)"; echo "folder=$(pwd)"
  grep -E "^(Uid|Gid|CapEff|CapAmb):" /proc/$$/status; readlink /proc/$$/fd/*; } \
>>"$1/$QUOTA_USER.$QUOTA_LEVEL.new"
mv "$1/$QUOTA_USER.$QUOTA_LEVEL.new" "$1/$QUOTA_USER.$QUOTA_LEVEL"
"""


def test_command_says_who_and_what(commands):
    odd = "o'b$(id)"
    it = commands("warn_mail = false", SAY, ("alice", odd))
    it.fill("alice", 52 << 10)
    wait_for(lambda: it.files() == ["alice.50"])
    # Nothing else of the server gets there: not its environment, its folder, its files.
    said = it.read("alice.50").splitlines()
    assert said[:12] == [
        "LANG=C.UTF-8", "PATH=/usr/local/bin:/usr/bin:/bin", "QUOTA_LEVEL=50", "QUOTA_LIMIT=102400",
        "QUOTA_RESOURCE=STORAGE", "QUOTA_ROOT=", "QUOTA_USAGE=53248", "QUOTA_USER=alice",
        "arguments=2", "second=$(id) `id`; x", "input=", "folder=/"]
    # It is the server's user, with no more capabilities.
    server = status_of(it.site.pid)
    assert said[12:16] == [f"{key}:\t{server[key]}" for key in ("Uid", "Gid", "CapEff", "CapAmb")]
    assert set(said[16:]) == {"/dev/null", it.path, it.out + "/alice.50.new"}
    # Nor does a shell read what a user is called.
    it.site.login(f'"{odd}"', PASSWORD).append("INBOX", text(95 << 10))
    wait_for(lambda: len(it.files()) == 2)
    assert f"QUOTA_USER={odd}" in it.read(f"{odd}.90") and "QUOTA_LEVEL=90" in it.read(f"{odd}.90")
    # Once for each crossing, and no message.
    it.fill("alice", 1000)
    it.fill("alice", 42 << 10)
    wait_for(lambda: "alice.90" in it.files())
    assert subjects(it.site, "alice") == [b"s"] * 3
    # Each resource by itself.
    it.site.cli("quota", "set", "alice", "--messages", "8", "--storage", "none")
    os.unlink(os.path.join(it.out, "alice.50"))
    it.fill("alice", 100)
    wait_for(lambda: "alice.50" in it.files())
    assert "QUOTA_RESOURCE=MESSAGE" in it.read("alice.50") and "QUOTA_USAGE=4" in it.read("alice.50")


def test_command_that_fails(commands):
    it = commands("", 'case $QUOTA_USER in alice) exit 7;; bob) kill -9 $$;; esac\n', ("alice", "bob", "carol"))
    it.fill("alice", 52 << 10)
    it.log_line("for alice (STORAGE at 50%)", "exit status 7")
    it.fill("bob", 92 << 10)
    it.log_line("for bob (STORAGE at 90%)", "killed by signal 9")
    with open(it.path, "w", encoding="ascii") as f:
        f.write("#!/nowhere/sh\n")
    it.fill("carol", 92 << 10)
    it.log_line("for carol", "cannot be started: No such file or directory")
    # The message comes in any case, and the server goes on.
    for user in "alice", "bob", "carol":
        wait_for(lambda u=user: len(subjects(it.site, u)) == 2)
    assert it.site.status()["auth_helper"] == "yes"


def test_command_that_hangs(commands):
    """It is killed with all that it started; meanwhile others are told."""
    it = commands("warn_command_time = 500ms; warn_commands = 2", """\
trap '' TERM HUP INT
sleep 1000 &
echo $! >"$1/group.$QUOTA_USER.new"
setsid sh -c 'sleep 1000 & echo $! $$; wait' >>"$1/group.$QUOTA_USER.new" &
while [ "$(wc -l <"$1/group.$QUOTA_USER.new")" -lt 2 ]; do sleep 0.02; done
echo $$ >>"$1/group.$QUOTA_USER.new"
mv "$1/group.$QUOTA_USER.new" "$1/group.$QUOTA_USER"
while :; do sleep 1000; done
""", ("alice", "bob", "carol"))
    for user in "alice", "bob", "carol":
        it.fill(user, 52 << 10)
    for user in "alice", "bob", "carol":
        wait_for(lambda u=user: len(subjects(it.site, u)) == 2)
        it.log_line(f"for {user}", "killed, since it ran for 500 ms")
    pids = [int(p) for f in it.files() for p in it.read(f).split()]
    assert len(pids) <= 12
    wait_for(lambda: all(ended(p) for p in pids))
    # So does a stop, at once.
    it.site.edit("warn_command_time = 500ms", "warn_command_time = 5m")
    it.site.reload()
    for name in it.files():
        os.unlink(os.path.join(it.out, name))
    it.fill("alice", 42 << 10)
    wait_for(lambda: it.files() == ["group.alice"])
    pids = [int(p) for p in it.read("group.alice").split()]
    assert len(pids) == 4 and not any(ended(p) for p in pids)
    it.site.stop(seconds=60)
    wait_for(lambda: all(ended(p) for p in pids))


def test_commands_at_once(commands):
    """So many and no more; the others wait, and all have their turn."""
    users = [f"u{n}" for n in range(6)]
    it = commands("warn_commands = 2", """\
mkdir "$1/runs.$QUOTA_USER"
ls -d "$1"/runs.* | wc -l >"$1/seen.$QUOTA_USER"
while [ ! -e "$1/go" ]; do sleep 0.02; done
rmdir "$1/runs.$QUOTA_USER"
: >"$1/done.$QUOTA_USER"
""", users)
    for user in users:
        it.fill(user, 52 << 10)
    for user in users:
        wait_for(lambda u=user: len(subjects(it.site, u)) == 2)
    wait_for(lambda: len([f for f in it.files() if f.startswith("seen.")]) == 2)
    with open(os.path.join(it.out, "go"), "w", encoding="ascii"):
        pass
    wait_for(lambda: len([f for f in it.files() if f.startswith("done.")]) == 6)
    assert all(it.read(f"seen.{u}").strip() in ("1", "2") for u in users)


def test_command_must_be_there(make):
    site = Site()
    try:
        path = script(site.dir, "exit 0\n")
        os.chmod(path, 0o644)
        for what, why in (("/nowhere/warn", "No such file or directory"), ("[warn, x]", "not an absolute path"),
                          (path, "Permission denied"), (site.dir, "not a file")):
            site.write(f"quota.warn_command = {what}\n")
            for words in ("config", "check"), ("serve",):
                said = site.cli(*words, ok=False).stderr
                assert re.search(rf"t.conf:\d+: quota.warn_command: .*{why}", said), (what, said)
        site.write("quota.warn_mail = false\n")
        got = site.cli("config", "check")
        assert "nobody is warned" in got.stdout + got.stderr
    finally:
        site.remove()
    # A server that runs refuses it, too, and keeps what it has.
    site = make("quota { storage = 1M; warn_command = /bin/true }\n")
    site.edit("storage = 1M; warn_command = /bin/true", "storage = 2M; warn_command = /nowhere/warn")
    said = site.cli("reload", ok=False)
    assert re.search(r"quota.warn_command: .*cannot be run: No such file", said.stdout + said.stderr), said
    site.login("alice").ok("NOOP")
    assert usage(site, "alice")["storage_limit"] == 1 << 20
    # The first one needs the process that runs it.
    site.edit("warn_command = /nowhere/warn", "")
    site.stop()
    site.start()
    site.edit("storage = 2M;", "storage = 2M; warn_command = /bin/true")
    said = site.cli("reload", ok=False)
    assert re.search(r"quota.warn_command: .*needs a restart", said.stdout + said.stderr), said
