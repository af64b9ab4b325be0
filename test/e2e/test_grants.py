# SPDX-License-Identifier: Apache-2.0
"""Grants over real sockets: each rule with the request that it must refuse, what `explain` says about it, and
logins that end with what permitted them."""
import datetime
import json
import os
import signal

import pytest

from imap import Imap, plain
from server import give

DOMAIN = "default_domain = voice.example\n"
WHERE = [False, True]
RUNNING = pytest.mark.parametrize("running", WHERE, ids=["stopped", "running"])


def act(client, who, target):
    """The reply to acting for the target."""
    return client.run(f"AUTHENTICATE PLAIN {plain(target, who, 'gold')}")[-1]


def may(server, who, target, source="127.0.0.1"):
    client = server.client(source=source)
    reply = act(client, who, target)
    client.close()
    assert reply.split(b" ")[1] == b"OK" or b"[AUTHORIZATIONFAILED]" in reply, reply
    return reply.split(b" ")[1] == b"OK"


def acting(server, who, target, source="127.0.0.1"):
    client = server.client(source=source)
    reply = act(client, who, target)
    assert reply.split(b" ")[1] == b"OK", reply
    return client


def explained(server, *args):
    """The verdict, and the reason for each grant; the exit code agrees."""
    done = server.cli("grant", "explain", *args, "--json", ok=None)
    answer = json.loads(done.stdout)
    assert done.returncode == (0 if answer["verdict"]["permitted"] else 5), done
    return answer["verdict"], {g["name"]: g["reason"] for g in answer["grants"]}


def users(server, more="", running=True):
    """All with the same password; made by the running server, which is faster."""
    server.write(DOMAIN + more)
    hashed = server.cli("passwd", "--password-stdin", stdin="gold\n", config=False).stdout.strip()
    server.start()
    for name in ["gateway", "spare", "alice", "bob", "carla@other.example"]:
        server.cli("user", "add", name, "--hash", hashed)
    if not running:
        server.stop()


def groups(server, text):
    """Replaces the file, as an administrator should."""
    path = os.path.join(server.dir, "groups")
    with open(path + ".new", "w", encoding="utf-8") as f:
        f.write(text)
    give(path + ".new")
    os.rename(path + ".new", path)
    return path


def test_nobody_acts_without_a_grant(server):
    users(server)
    assert not may(server, "gateway", "alice")
    verdict, reasons = explained(server, "gateway", "alice")
    assert verdict["why"] == "no grant matches" and reasons == {}
    client = server.login("gateway", "gold")
    assert b"UNAUTHENTICATE" not in b"".join(client.ok("CAPABILITY"))
    verdict, _ = explained(server, "alice", "alice")
    assert verdict["permitted"] and "needs no grant" in verdict["why"]


RULES = [
    # id, options of the grant, (who, for, source) that it permits, the one that it refuses, and why
    ("who", ["gateway", "--for", "*"], ("gateway", "alice"), ("spare", "alice"),
     "who: gateway@voice.example, not spare@voice.example"),
    ("who-pattern", ["g*", "--for", "*"], ("gateway", "alice"), ("spare", "alice"),
     "who: g*, not spare@voice.example"),
    ("who-group", ["group:gateways", "--for", "*"], ("gateway", "alice"), ("spare", "alice"),
     "who: group:gateways, of which spare@voice.example is not a member"),
    ("for", ["gateway", "--for", "alice"], ("gateway", "alice"), ("gateway", "bob"),
     "for: alice@voice.example, not bob@voice.example"),
    ("for-domain", ["gateway", "--for", "*@voice.example"], ("gateway", "bob"),
     ("gateway", "carla@other.example"), "for: *@voice.example, not carla@other.example"),
    ("for-pattern", ["gateway", "--for", "a*"], ("gateway", "alice"), ("gateway", "bob"),
     "for: a*, not bob@voice.example"),
    ("for-group", ["gateway", "--for", "group:staff"], ("gateway", "carla@other.example"),
     ("gateway", "bob"), "for: group:staff, of which bob@voice.example is not a member"),
    ("no-group", ["gateway", "--for", "group:nothing", "--name", "second"], None,
     ("gateway", "bob"), "for: group:nothing, a group that does not exist"),
    ("from", ["gateway", "--for", "*", "--from", "127.0.0.2"], ("gateway", "bob", "127.0.0.2"),
     ("gateway", "bob", "127.0.0.1"), "from: 127.0.0.2, not 127.0.0.1"),
    ("from-networks", ["gateway", "--for", "*", "--from", "10.0.0.0/8", "--from", "127.0.0.2/31"],
     ("gateway", "bob", "127.0.0.3"), ("gateway", "bob", "127.0.0.4"),
     "from: 10.0.0.0/8 127.0.0.2/31, not 127.0.0.4"),
    ("from-unix", ["gateway", "--for", "*", "--from", "unix"], None,
     ("gateway", "bob", "127.0.0.1"), "from: unix, not 127.0.0.1"),
    ("until", ["gateway", "--for", "*", "--until", "2001-01-01"], None, ("gateway", "bob"),
     "until: ended at 2001-01-02T00:00:00Z"),
    ("not-yet-over", ["gateway", "--for", "*", "--until", "2999-01-01T12:00+02:00"],
     ("gateway", "bob"), None, None),
]


@pytest.mark.parametrize("options, good, bad, reason", [r[1:] for r in RULES], ids=[r[0] for r in RULES])
def test_each_rule_and_what_it_refuses(server, options, good, bad, reason):
    path = groups(server, "gateways:x:1:gateway\nstaff:x:2:alice,carla@other.example\n")
    users(server, f"auth.group_file = {path}\n")
    name = server.cli("grant", "add", *options).stdout.splitlines()[0]
    if good is not None:
        assert may(server, *good)
        where = ["--from", good[2]] if len(good) > 2 else []
        verdict, reasons = explained(server, *good[:2], *where)
        assert verdict["grant"] == name and reasons == {name: "decides"}
    if bad is not None:
        assert not may(server, *bad)
        where = ["--from", bad[2]] if len(bad) > 2 else []
        verdict, reasons = explained(server, *bad[:2], *where)
        assert verdict["why"] == "no grant matches" and reasons == {name: reason}


def test_unix_socket_is_an_address(server):
    users(server, f"listener local {{ path = {server.dir}/imap.sock }}\n")
    server.cli("grant", "add", "gateway", "--for", "*", "--from", "unix")
    assert not may(server, "gateway", "alice")
    with Imap(f"{server.dir}/imap.sock") as client:
        assert b" OK" in act(client, "gateway", "alice")
    verdict, _ = explained(server, "gateway", "alice", "--from", "unix")
    assert verdict["permitted"]


def test_the_address_is_the_one_that_a_trusted_front_tells(server):
    """It is passed again for each user of the connection; others are not trusted to pass it."""
    users(server, "trusted_fronts = 127.0.0.2\n")
    server.cli("grant", "add", "gateway", "--for", "alice", "--from", "203.0.113.0/24")
    server.cli("grant", "add", "gateway", "--for", "bob", "--from", "127.0.0.2")
    front = server.client(source="127.0.0.2")
    refused = b"[AUTHORIZATIONFAILED]"
    assert refused in act(front, "gateway", "alice")
    front.ok('ID ("x-originating-ip" "203.0.113.7")')
    assert b" OK" in act(front, "gateway", "alice")
    front.ok("UNAUTHENTICATE")
    assert refused in act(front, "gateway", "alice")  # nobody has passed this one's address
    assert b" OK" in act(front, "gateway", "bob")
    front.ok("UNAUTHENTICATE")
    front.ok('ID ("x-originating-ip" "203.0.113.8")')
    assert refused in act(front, "gateway", "bob")
    front.ok('ID ("x-originating-ip" "203.0.114.8")')
    assert refused in act(front, "gateway", "alice")
    front.ok('ID ("x-originating-ip" "203.0.113.8")')
    assert b" OK" in act(front, "gateway", "alice")
    stranger = server.client(source="127.0.0.3")
    stranger.ok('ID ("x-originating-ip" "203.0.113.7")')
    assert refused in act(stranger, "gateway", "alice")


def test_first_that_fits_decides(server):
    """Blocks in order, then the store's by age, then the user's own patterns."""
    users(server)
    server.add("patron", "gold", "--acts-for", "*")
    server.cli("grant", "add", "patron", "--for", "alice", "--name", "zz-older", "--rights", "lrs")
    server.cli("grant", "add", "patron", "--for", "*@voice.example", "--name", "aa-newer")
    server.write(DOMAIN + "grant second { who = patron; for = bob; until = 2001-01-01 }\n"
                          "grant first { who = patron; for = \"*@voice.example\"; from = 127.0.0.9; rights = lr }\n")
    server.cli("reload")
    decides = {}
    for target in ["alice", "bob", "carla@other.example"]:
        verdict, _ = explained(server, "patron", target, "--from", "127.0.0.1")
        decides[target] = verdict["grant"]
    assert decides == {"alice": "zz-older", "bob": "aa-newer", "carla@other.example": "acts-for"}
    verdict, reasons = explained(server, "patron", "bob", "--from", "127.0.0.9")
    assert verdict["grant"] == "first" and verdict["rights"] == "lr"
    assert reasons["second"] == "until: ended at 2001-01-02T00:00:00Z"
    assert reasons["aa-newer"] == reasons["acts-for"] == "matches, but an earlier one decides"
    assert [g["name"] for g in server.asked("grant", "list")] == [
        "second", "first", "zz-older", "aa-newer", "acts-for"]
    for target in decides:
        assert may(server, "patron", target)


@RUNNING
def test_add_list_remove(server, running):
    users(server, running=running)
    assert server.cli("grant", "list").stdout == ""
    assert server.cli("grant", "add", "gateway", "--for", "*@voice.example", "--mailboxes", "Voicemail",
                      "--mailboxes", "Größe/%", "--rights", "lrswit", "--from", "10.0.0.0/8", "--from", "unix",
                      "--until", "2127-01-01").stdout == "gateway-1\n"
    made = server.cli("grant", "add", "nobody", "--for", "group:none", "--read-only", "--name", "odd",
                      "--until", "2001-01-01").stdout
    assert made == ("odd\nnote: WHO names a user that does not exist: nobody@voice.example\n"
                    "note: --for names a group that does not exist: none\nnote: it has expired already\n")
    rows = server.asked("grant", "list")
    assert rows == [
        {"name": "gateway-1", "source": "store", "who": "gateway@voice.example", "for": "*@voice.example",
         "mailboxes": ["Voicemail", "Größe/%"], "rights": "lrswit", "from": ["10.0.0.0/8", "unix"],
         "until": "2127-01-02T00:00:00Z", "expired": False},
        {"name": "odd", "source": "store", "who": "nobody@voice.example", "for": "group:none", "mailboxes": [],
         "rights": "lr", "from": [], "until": "2001-01-02T00:00:00Z", "expired": True}]
    assert server.cli("grant", "list").stdout == (
        "gateway-1 (store): gateway@voice.example for *@voice.example, mailboxes Voicemail, Größe/%, "
        "rights lrswit, from 10.0.0.0/8, unix, until 2127-01-02T00:00:00Z\n"
        "odd (store): nobody@voice.example for group:none, rights lr, until 2001-01-02T00:00:00Z (expired)\n")
    assert "exists already" in server.cli("grant", "add", "x", "--for", "y", "--name", "odd", ok=False).stderr
    server.cli("grant", "remove", "odd")
    assert "no grant odd" in server.cli("grant", "remove", "odd", ok=False).stderr
    if running:
        server.stop()
        server.start()
    assert [g["name"] for g in server.asked("grant", "list")] == ["gateway-1"]


@pytest.mark.parametrize("options, text", [
    (["a b", "--for", "x"], "who: must be a user"),
    (["x", "--for", "group:a b"], "for: must be a user"),
    (["x", "--for", "y", "--rights", "lrq"], "rights: must be letters"),
    (["x", "--for", "y", "--from", "10.0.0.1/8"], "from: the address of a network has bits set after its prefix"),
    (["x", "--for", "y", "--from", "localhost"], "from: must be an address"),
    (["x", "--for", "y", "--until", "soon"], "until: must be a day"),
    (["x", "--for", "y", "--until", "2027-02-29"], "until: must be a day"),
    (["x", "--for", "y", "--mailboxes", ""], "mailboxes: must be names"),
    (["x", "--for", "y", "--name", "a/b"], "name: the name of a grant"),
    (["x"], "--for is needed"),
    (["x", "--for", "y", "--read-only", "--rights", "lr"], "--read-only means"),
    (["x", "--for", "y", "--rights", ""], "--rights needs letters"),
])
def test_add_says_what_is_wrong(server, options, text):
    assert text in server.cli("grant", "add", *options, ok=False).stderr
    assert server.cli("grant", "list").stdout == ""


def test_config_check_tells_all_of_a_block(server):
    server.write(DOMAIN + "grant g {\n who = \"a b\"\n for = \"group:a b\"\n rights = lrq\n until = never\n"
                 " mailboxes = [\"\"]\n from = localhost\n}\n")
    lines = server.cli("config", "check", ok=False).stderr.splitlines()
    for text in ("who: must be a user", "for: must be a user", "rights: must be letters", "until: must be a day",
                 "mailboxes: \"\": must be names", "from: localhost: must be an address"):
        assert sum(text in line for line in lines) == 1, (text, lines)
    assert len(lines) == 6 and len({line.split(":")[1] for line in lines}) == 6, lines
    server.write("default_domain = \"a b\"\ngrant g { who = a; for = b; until = never }\n")
    assert "until: must be a day" in server.cli("config", "check", ok=False).stderr


@RUNNING
def test_explain_says_who_they_are(server, running):
    users(server, running=running)
    server.cli("grant", "add", "gateway", "--for", "*", "--mailboxes", "Voicemail", "--rights", "lrd")
    done = server.cli("grant", "explain", "gateway", "alice")
    assert done.stdout == (
        "gateway@voice.example is enabled, in the database store\n"
        "alice@voice.example is enabled, in the database store\n"
        "  gateway-1 (store): gateway@voice.example for *, mailboxes Voicemail, rights lrte\n"
        "    decides\n"
        "permitted by gateway-1, mailboxes Voicemail, rights lrte\n")
    server.cli("user", "disable", "alice")
    done = server.cli("grant", "explain", "gateway", "alice", ok=False)
    assert done.returncode == 5
    assert "alice@voice.example is disabled, in the database store\n" in done.stdout
    assert done.stdout.endswith("not permitted: the user to act for is disabled\n")
    verdict, _ = explained(server, "gateway", "nobody")
    assert verdict["for_is"] == "missing" and verdict["why"] == "the user to act for is in no database"
    server.cli("user", "disable", "gateway")
    verdict, _ = explained(server, "gateway", "bob")
    assert verdict["who_is"] == "disabled" and verdict["why"] == "the acting user is disabled"
    assert server.cli("grant", "explain", "gateway", "bob", "--at", "soon", ok=False).returncode == 1
    assert server.cli("grant", "explain", "gateway", "bob", "--from", "here", ok=False).returncode == 1
    assert server.cli("grant", "explain", "gateway", ok=False).returncode == 2


def test_explain_at_another_time(server):
    users(server)
    server.cli("grant", "add", "gateway", "--for", "*", "--until", "2999-05-05", "--name", "g")
    assert explained(server, "gateway", "bob", "--at", "2999-05-05T23:59:59Z")[0]["permitted"]
    assert explained(server, "gateway", "bob", "--at", "2999-05-05")[0]["permitted"]
    for when in ["2999-05-06", "2999-05-06T00:00Z"]:
        verdict, reasons = explained(server, "gateway", "bob", "--at", when)
        assert not verdict["permitted"] and reasons == {"g": "until: ended at 2999-05-06T00:00:00Z"}


def test_many_grants_of_others(server):
    users(server)
    for i in range(105):
        server.cli("grant", "add", "spare", "--for", f"u{i}", "--name", f"n{i}")
    server.cli("grant", "add", "gateway", "--for", "bob", "--name", "mine")
    verdict, reasons = explained(server, "gateway", "bob")
    assert verdict["others"] == 105 and len(reasons) == 101 and reasons["mine"] == "decides"
    assert "  and 5 more by which others may act\n" in server.cli("grant", "explain", "gateway", "bob").stdout


# ---- the configuration


@pytest.mark.parametrize("block, text", [
    ("grant a { for = b }", ":6: grant a: who: must be given"),
    ("grant a {\n who = b\n for = b\n rights = lrq\n}", ":9: grant a: rights: must be letters"),
    ("grant a {\n who = b\n for = b\n from = [10.0.0.0/8, 10.0.0.1/8]\n}",
     ":9: grant a: from: 10.0.0.1/8: the address of a network has bits set after its prefix"),
    ("grant a {\n who = b\n for = b\n until = never\n}", ":9: grant a: until: must be a day"),
    ("grant a {\n who = b\n for = \"x y\"\n}", ":8: grant a: for: must be a user"),
    ("grant \"a b\" {\n who = b\n for = c\n}", ":6: grant a b: the name of a grant"),
    ("grant a { who = b; for = c; mailbox = x }", "did you mean mailboxes?"),
    ("auth.group_file = /nonexistent/groups", "auth.group_file: cannot read"),
])
def test_faults_in_the_configuration_have_their_line(server, block, text):
    server.write(block + "\n")
    done = server.cli("config", "check", ok=False)
    assert text in done.stderr + done.stdout, done


BLOCK = 'grant voice {{ who = gateway; for = "*@voice.example"; {more} }}\n'


@pytest.mark.parametrize("how", ["command", "signal"])
def test_reload_ends_what_it_takes_away(server, how):
    users(server, BLOCK.format(more="rights = lrs") + "grant other { who = spare; for = bob }\n")
    alice, other = acting(server, "gateway", "alice"), acting(server, "spare", "bob")
    own = server.login("bob", "gold")

    def reload():
        if how == "command":
            server.cli("reload")
        else:
            server.send_signal(signal.SIGHUP)

    server.write(DOMAIN + BLOCK.format(more="rights = lrs") + "grant added { who = spare; for = alice }\n"
                 + "grant other { who = spare; for = bob }\n")
    server.cli("reload")
    for client in [alice, other, own]:  # an unchanged grant keeps its logins
        client.ok("NOOP")
    server.write(DOMAIN + BLOCK.format(more="rights = lr") + "grant other { who = spare; for = bob }\n")
    reload()
    assert b"withdrawn" in alice.ended()
    other.ok("NOOP")
    own.ok("NOOP")
    alice = acting(server, "gateway", "alice")
    server.write(DOMAIN + "grant other { who = spare; for = bob }\n")
    reload()
    assert b"withdrawn" in alice.ended()
    assert not may(server, "gateway", "alice")
    other.ok("NOOP")
    own.ok("NOOP")
    assert [g["name"] for g in server.asked("grant", "list")] == ["other"]


def test_of_the_configuration_is_not_removed_by_command(server):
    users(server, BLOCK.format(more=""))
    assert "is in the configuration" in server.cli("grant", "remove", "voice", ok=False).stderr
    assert "exists already" in server.cli("grant", "add", "a", "--for", "b", "--name", "voice", ok=False).stderr
    assert may(server, "gateway", "alice")


def test_bad_reload_changes_nothing(server):
    users(server, BLOCK.format(more=""))
    alice = acting(server, "gateway", "alice")
    server.write(DOMAIN + BLOCK.format(more="rights = q"))
    done = server.cli("reload", ok=False)
    assert "rights: must be letters" in done.stderr and "nothing was changed" in done.stderr
    alice.ok("NOOP")
    assert may(server, "gateway", "bob")


# ---- logins that end


def test_removal_ends_the_login(server):
    users(server)
    server.cli("grant", "add", "gateway", "--for", "alice", "--name", "a")
    server.cli("grant", "add", "gateway", "--for", "bob", "--name", "b")
    alice, bob, own = acting(server, "gateway", "alice"), acting(server, "gateway", "bob"), server.client()
    alice.ok("SELECT INBOX")
    own.ok("LOGIN alice gold")
    assert server.cli("grant", "remove", "a").stdout == "1 connections ended\n"
    assert b"withdrawn" in alice.ended()
    bob.ok("NOOP")
    own.ok("NOOP")
    assert not may(server, "gateway", "alice")
    assert 'how="no longer permitted"' in server.log()


def test_what_another_grant_would_permit_ends_as_well(server):
    """The login ends, since its limits were the grant's; the next one uses the other grant."""
    users(server)
    server.cli("grant", "add", "gateway", "--for", "*", "--name", "narrow", "--read-only")
    server.cli("grant", "add", "gateway", "--for", "*", "--name", "wide")
    alice = acting(server, "gateway", "alice")
    server.cli("grant", "remove", "narrow")
    alice.ended()
    assert explained(server, "gateway", "alice")[0]["grant"] == "wide"
    assert may(server, "gateway", "alice")


def test_between_users_a_connection_stays(server):
    """A connection that waits for its next user uses no grant."""
    users(server)
    server.cli("grant", "add", "gateway", "--for", "alice", "--name", "a")
    server.cli("grant", "add", "gateway", "--for", "bob", "--name", "b")
    client = acting(server, "gateway", "alice")
    client.ok("UNAUTHENTICATE")
    server.cli("grant", "remove", "a")
    assert b"[AUTHORIZATIONFAILED]" in act(client, "gateway", "alice")
    assert b" OK" in act(client, "gateway", "bob")
    client.ok("SELECT INBOX")


def test_who_acts_for_others_was_disabled(server):
    users(server)
    server.cli("grant", "add", "gateway", "--for", "*")
    alice, own = acting(server, "gateway", "alice"), server.client()
    own.ok("LOGIN alice gold")
    server.cli("user", "disable", "gateway")
    assert b"disabled" in alice.ended()
    own.ok("NOOP")
    server.cli("user", "enable", "gateway")
    alice = acting(server, "gateway", "alice")
    server.cli("user", "disable", "alice")
    assert b"disabled" in alice.ended() and b"disabled" in own.ended()


@pytest.mark.parametrize("line, word", [("dora:!{PLAIN}gold\n", "disabled"), ("", "removed")],
                         ids=["locked", "removed"])
def test_users_of_a_file_who_are_gone_lose_their_logins(server, line, word):
    """As the user acted for, as the one who acts, and as themselves; the file is watched."""
    path = os.path.join(server.dir, "passwd")

    def passwd(text):
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        give(path + ".new")
        os.rename(path + ".new", path)

    passwd("dora:{PLAIN}gold\nemil:{PLAIN}gold\n")
    users(server, f"database file {{ type = passwd; file = {path}; plain = yes }}\n"
                  "auth.databases = [store, file]\n")
    server.cli("grant", "add", "*", "--for", "*")
    own, whose, who, emil = server.client(), acting(server, "gateway", "dora"), acting(server, "dora", "bob"), server.client()
    own.ok("LOGIN dora gold")
    emil.ok("LOGIN emil gold")
    assert explained(server, "gateway", "dora")[0]["for_database"] == "file"
    passwd(line + "emil:{PLAIN}gold\n")
    for client in [own, whose, who]:
        assert word.encode() in client.ended()
    emil.ok("NOOP")
    verdict, _ = explained(server, "gateway", "dora")
    assert verdict["for_is"] == ("disabled" if line else "missing")


def test_expiry_ends_the_login_without_a_command(server):
    users(server)
    until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=5)
    server.cli("grant", "add", "gateway", "--for", "alice", "--until", until.strftime("%Y-%m-%dT%H:%M:%SZ"))
    server.cli("grant", "add", "gateway", "--for", "bob")
    alice, bob = acting(server, "gateway", "alice"), acting(server, "gateway", "bob")
    assert b"expired" in alice.ended()
    assert datetime.datetime.now(datetime.timezone.utc) >= until.replace(microsecond=0)
    bob.ok("NOOP")
    assert not may(server, "gateway", "alice")
    assert may(server, "gateway", "bob")


@pytest.mark.parametrize("by", ["reload", "removal"])
def test_unauthenticate_shown_is_honoured(server, by):
    """What was advertised holds until the login ends; the next one, on the same connection, is told anew."""
    users(server)
    server.cli("grant", "add", "gateway", "--for", "alice", "--name", "a")
    client = server.login("gateway", "gold")
    assert b"UNAUTHENTICATE" in b"".join(client.ok("CAPABILITY"))
    if by == "reload":
        server.write(DOMAIN + "unauthenticate = off\n")
        server.cli("reload")
    else:
        server.cli("grant", "remove", "a")
    assert b"UNAUTHENTICATE" in b"".join(client.ok("CAPABILITY"))
    client.ok("UNAUTHENTICATE")
    client.ok("LOGIN gateway gold")
    assert b"UNAUTHENTICATE" not in b"".join(client.ok("CAPABILITY"))
    assert b" BAD" in client.run("UNAUTHENTICATE")[-1]


# ---- groups


def group_site(server):
    path = groups(server, "gateways:x:1:gateway,spare\nstaff:x:2:alice,bob\n")
    users(server, f"auth.group_file = {path}\n"
                  "grant crew { who = group:gateways; for = group:staff }\n")


@pytest.mark.parametrize("how", ["watched", "reload"])
def test_who_leaves_a_group_loses_the_login(server, how):
    group_site(server)
    alice, bob = acting(server, "gateway", "alice"), acting(server, "gateway", "bob")
    spare = acting(server, "spare", "bob")
    groups(server, "gateways:x:1:gateway\nstaff:x:2:alice,bob,carla@other.example\n")
    if how == "reload":
        server.cli("reload")
    assert b"withdrawn" in spare.ended()
    assert may(server, "gateway", "carla@other.example") and not may(server, "spare", "alice")
    alice.ok("NOOP")
    groups(server, "gateways:x:1:gateway\nstaff:x:2:bob\n")
    if how == "reload":
        server.cli("reload")
    assert b"withdrawn" in alice.ended()
    bob.ok("NOOP")
    verdict, reasons = explained(server, "gateway", "alice")
    assert reasons == {"crew": "for: group:staff, of which alice@voice.example is not a member"}
    assert not may(server, "gateway", "alice")


def test_bad_group_file_leaves_the_old_in_force(server):
    group_site(server)
    alice = acting(server, "gateway", "alice")
    path = groups(server, "gateways:x:1:spare\nstaff\n")
    server.logged("stay in force")
    assert f"{path}:2: must be NAME:PASSWORD:NUMBER:MEMBERS" in server.log()
    done = server.cli("reload", ok=False)
    assert f"{path}:2: must be" in done.stderr and "nothing was changed" in done.stderr
    alice.ok("NOOP")
    assert may(server, "gateway", "bob")
    os.unlink(path)
    groups(server, "gateways:x:1:spare\nstaff:x:2:alice\n")
    assert b"withdrawn" in alice.ended()
    assert may(server, "spare", "alice")


def test_a_server_does_not_start_with_a_bad_group_file(server):
    path = groups(server, "staff\n")
    server.write(f"auth.group_file = {path}\n")
    server.start(wait=False)
    assert server.gone() == 1
    assert f"{path}:1: must be NAME:PASSWORD:NUMBER:MEMBERS" in server.log()


# ---- a change at the moment of a login


def test_no_login_slips_through(server):
    """While a grant comes and goes, logins that it permitted have ended when it is gone."""
    users(server)
    for _ in range(8):
        server.cli("grant", "add", "gateway", "--for", "*", "--name", "g")
        clients = []
        for target in ["alice", "bob"] * 8:
            clients.append(server.client())
            clients[-1].put(f"AUTHENTICATE PLAIN {plain(target, 'gateway', 'gold')}")
        server.cli("grant", "remove", "g")
        rows = server.asked("who", "gateway")
        assert rows == [], rows
        for client in clients:
            client.close()
