# SPDX-License-Identifier: Apache-2.0
"""What commands say, when, and to whom."""
import grp
import json
import os
import pty
import pwd
import re
import select
import shutil
import subprocess
import time
from xml.etree import ElementTree

import pytest

from ca import self_signed
from imap import plain
from server import TOP, TURNSTONE, give, wait_for

RUNNING = pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])


def at_terminal(server, *args, answer=""):
    """Runs a command on a terminal of its own; each prompt gets the same answer.  Returns exit code and
    screen."""
    return typed([TURNSTONE, *args, "--config", server.conf], answer)


def typed(command, answer, **more):
    master, slave = pty.openpty()
    process = subprocess.Popen(command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, **more)
    os.close(slave)
    screen, answered = "", 0
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if not select.select([master], [], [], 1)[0]:
            continue
        try:
            got = os.read(master, 65536)
        except OSError:  # the other side is closed
            break
        screen += got.decode()
        while answered < len(re.findall(r"(?:Password|Again): ", screen)):
            answered += 1
            os.write(master, (answer + "\n").encode())
    os.close(master)
    try:
        return process.wait(60), screen
    except subprocess.TimeoutExpired:
        process.kill()
        raise


# ---- where the configuration is ----


def bare(*args, **env):
    return subprocess.run([TURNSTONE, *args], capture_output=True, text=True, timeout=120, check=False,
                          stdin=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], **env})


def commands_with_config():
    """Each command that has --config, with enough words for its operands."""
    names = re.findall(r"^  (\S+(?: \S+)?) +\S", bare("help").stdout.split("Topics:")[0], re.M)
    for name in names:
        text = bare("help", *name.split()).stdout
        if "--config FILE" in text:
            yield name.split() + [w for w in re.findall(r"[A-Z]\w*", text.splitlines()[0]) if w != "OPTIONS"]


def test_the_environment_names_the_configuration(server):
    server.add("anna", "blue")
    assert bare("user", "list", TURNSTONE_CONFIG=server.conf).stdout == "anna\n"
    server.start()
    assert f"pid: {server.pid}\n" in bare("status", "--all", TURNSTONE_CONFIG=server.conf).stdout
    other = os.path.join(server.dir, "other.conf")
    with open(other, "w", encoding="utf-8") as f:
        f.write(f"server.data = {server.dir}/elsewhere\n")
    assert server.cli("user", "list").stdout == "anna\n"
    assert bare("config", "check", "--config", server.conf, TURNSTONE_CONFIG=other).stdout.startswith(server.conf)
    assert bare("config", "check", TURNSTONE_CONFIG=other).stdout.startswith(other)
    done = bare("status", TURNSTONE_CONFIG=other)
    assert done.returncode == 4 and f"{server.dir}/elsewhere/control.sock" in done.stderr
    assert "TURNSTONE_CONFIG" in bare("help", "config").stdout


def test_every_command_says_what_it_looked_for(server):
    nowhere = os.path.join(server.dir, "nowhere.conf")
    count, seen = 0, set()
    # Commands that change nothing come first: they expose a program that looks elsewhere.
    for words in sorted(commands_with_config(), key=lambda words: words[0] != "config"):
        args = [word if not word.isupper() else "x" for word in words]
        if words[:2] in (["user", "bulk"], ["grant", "add"]) or words[0] in ("demo-site",):
            continue  # they want options first
        done = bare(*args, TURNSTONE_CONFIG=nowhere)
        if done.returncode == 2 or "PATH" in words or "DIR" in words:
            continue  # likewise, or they open that first
        count += 1
        assert done.returncode != 0 and f"{nowhere}: cannot read the file" in done.stderr, (args, done)
        assert done.stderr.count("TURNSTONE_CONFIG names it") == 1, (args, done)
        seen.add(words[0] if words[0] == "serve" else " ".join(words[:2]))
    assert count > 15 and {"serve", "config check", "user list"} <= seen


def test_a_file_without_a_name():
    for args in (("serve", "--config", ""), ("config", "check", "--config="), ("user", "list", "--config", ""),
                 ("serve", "--ready-file", "")):
        done = bare(*args)
        assert done.returncode == 2 and "a file must be named after --" in done.stderr, (args, done)


@pytest.mark.skipif(os.path.exists("/etc/turnstone") or os.path.exists("/var/lib/turnstone"),
                    reason="Turnstone is installed here")
def test_no_configuration_at_all():
    done = bare("status")
    assert done.returncode == 4 and "/var/lib/turnstone/control.sock" in done.stderr
    assert "neither --config nor the environment's TURNSTONE_CONFIG" in done.stderr
    assert "no /etc/turnstone/turnstone.conf" in done.stderr
    done = bare("user", "add", "anna", "--hash", "$y$x", TURNSTONE_CONFIG="")
    assert done.returncode == 1 and "no data folder /var/lib/turnstone" in done.stderr
    assert "no /etc/turnstone/turnstone.conf" in done.stderr and not os.path.exists("/var/lib/turnstone")


def can_mount():
    return os.geteuid() == 0 and subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace")
def test_the_default_place(server):
    """In a mount namespace, where /etc is a copy."""
    server.add("anna", "blue")
    etc = os.path.join(server.dir, "etc")
    shutil.copytree("/etc", etc, symlinks=True, ignore=shutil.ignore_patterns("ssl", "alternatives"))
    os.makedirs(os.path.join(etc, "turnstone"), exist_ok=True)
    shutil.copy(server.conf, os.path.join(etc, "turnstone", "turnstone.conf"))
    done = subprocess.run(["unshare", "-m", "sh", "-c", f"mount --bind {etc} /etc && exec {TURNSTONE} user list"],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout == "anna\n", done


# ---- users and aliases ----


@RUNNING
def test_a_name_is_checked_before_a_password_is_asked_for(server, running):
    server.add("anna", "blue")
    if running:
        server.start()
    for args, says in [(("user", "add", "two words"), "a user name is"),
                       (("user", "add", "a*"), "'*'"),
                       (("user", "add", "Anna"), "exists already"),
                       (("user", "add", "new", "--acts-for", "x y"), "a pattern to act for"),
                       (("user", "add", "Anna", "--password-stdin"), "exists already"),
                       (("user", "bulk", "--prefix", "a b", "--to", "3"), "a user name is"),
                       (("user", "passwd", "nobody"), "no user nobody")]:
        code, screen = at_terminal(server, *args, answer="secret")
        assert code == 1 and says in screen and "Password" not in screen, (args, screen)
        if "--password-stdin" not in args:
            assert says in server.cli(*args, ok=False).stderr  # without a terminal, too
    code, screen = at_terminal(server, "user", "add", "Bert", answer="secret")
    assert code == 0 and screen.count("Password:") == 1 and screen.count("Again:") == 1
    code, screen = at_terminal(server, "user", "passwd", "bert", answer="other")
    assert code == 0 and screen.count("Password:") == 1
    assert server.cli("user", "list").stdout == "anna\nbert\n"


@RUNNING
def test_alias_targets_that_are_not_there(server, running):
    server.write("lmtp.separator = -\n")
    server.add("anna", "blue")
    server.add("carl-otto", "red")
    server.add("gone", "red")
    server.cli("user", "disable", "gone")
    if running:
        server.start()
    done = server.cli("alias", "add", "team", "anna", "nobody", "anna-lists", "carl-otto", "gone")
    lines = done.stderr.splitlines()
    assert done.stdout == "" and len(lines) == 2, done
    assert "warning: there is no user, group mailbox or alias nobody" in lines[0] and "gone is disabled" in lines[1]
    assert server.cli("alias", "add", "all", "team").stderr == ""
    assert "no user, group mailbox or alias self" in server.cli("alias", "add", "self", "self").stderr
    assert server.cli("alias", "add", "anna", "anna").stderr == ""
    assert "no user, group mailbox or alias zoe-lists" in server.cli("alias", "add", "z", "zoe-lists").stderr
    listed = {row["name"]: row["targets"] for row in server.asked("alias", "list")}
    assert listed["team"] == ["anna", "nobody", "anna-lists", "carl-otto", "gone"] and listed["self"] == ["self"]


@RUNNING
def test_an_alias_of_a_users_name_and_one_that_leads_back(server, running):
    for name in ("anna", "bert", "cleo"):
        server.add(name, "blue")
    if running:
        server.start()
    done = server.cli("alias", "add", "Anna", "bert")
    assert done.stderr.count("\n") == 1 and "warning: there is a user anna, who gets no mail" in done.stderr, done
    assert server.cli("alias", "add", "anna", "anna", "bert").stderr == ""
    assert server.cli("alias", "add", "anna", "anna+lists", "bert").stderr == ""
    assert server.cli("alias", "add", "team", "cleo", "bert").stderr == ""
    assert server.cli("alias", "add", "cleo", "team").stderr == "", "it comes round to the user"
    assert "no user, group mailbox or alias two" in server.cli("alias", "add", "one", "two").stderr
    assert server.cli("alias", "add", "two", "three", "anna").stderr.count("warning: ") == 1
    done = server.cli("alias", "add", "three", "one+x")
    assert done.stderr.count("\n") == 1 and "leads back to itself through others" in done.stderr, done
    assert "no user three" in done.stderr
    assert server.cli("alias", "add", "four", "three").stderr == "", "it is in no loop itself"


@RUNNING
def test_mail_of_an_earlier_user(server, running):
    assert server.add("anna", "blue").stderr == ""
    assert server.cli("mailbox", "create", "Work", "--user", "anna").stderr == ""
    count = len(server.asked("mailbox", "list", "--user", "anna"))
    if running:
        server.start()
    server.cli("user", "delete", "anna")
    done = server.add("Anna", "red")
    assert f"warning: mail of an earlier anna still exists and is now theirs: {count} mailboxes, 0 mess" in done.stderr
    assert "turnstone user delete anna --purge" in done.stderr and done.stdout == ""
    server.cli("user", "delete", "anna")
    assert "there is no user anna" in server.cli("user", "delete", "anna", ok=False).stderr
    assert "there was no user anna; the mail is removed" in server.cli("user", "delete", "Anna", "--purge").stdout
    done = server.cli("user", "delete", "anna", "--purge", ok=False)
    assert done.returncode == 1 and "there is no user anna" in done.stderr
    assert "no user anna" in server.cli("mailbox", "list", "--user", "anna", ok=False).stderr
    assert server.add("anna", "blue").stderr == ""


@RUNNING
def test_acts_for_somebody_who_is_not_there(server, running):
    server.add("anna", "blue")
    if running:
        server.start()
    done = server.add("gate", "blue", "--acts-for", "nosuch", "--acts-for", "anna", "--acts-for", "*@no.example")
    assert done.stderr == "turnstone user add: note: --acts-for names a user that does not exist: nosuch\n", done


@RUNNING
def test_fsck_of_no_mailbox(server, running):
    server.add("anna", "blue")
    server.cli("mailbox", "create", "Work", "--user", "anna")
    if running:
        server.start()
    done = server.cli("mailbox", "fsck", "Nix", "--user", "anna", ok=False)
    assert done.returncode == 1 and done.stdout == "" and "anna has no mailbox Nix" in done.stderr, done
    for name in ("Work", "INBOX", "inbox"):
        assert "mailboxes: 1\n" in server.cli("mailbox", "fsck", name, "--user", "anna").stdout


@RUNNING
def test_a_name_that_is_none_is_named(server, running):
    server.add("anna", "blue")
    if running:
        server.start()
    for args, name, says in [(("alias", "add", "a b", "anna"), "a b", "an alias is local"),
                             (("alias", "add", "x", "anna", "a b"), "a b", "the target of an alias"),
                             (("alias", "add", "x", "anna", "@b"), "@b", "an alias stands for users, not for a domain"),
                             (("alias", "add", "@", "anna"), "@", "an alias is local"),
                             (("alias", "remove", "a b"), "a b", "an alias is local"),
                             (("user", "show", "a b"), "a b", "a user name is local")]:
        done = server.cli(*args, ok=False)
        assert done.returncode == 1 and f"'{name}': {says}" in done.stderr, (args, done)
        assert "invalid" not in done.stderr
    done = server.cli("grant", "explain", "a b", "anna", ok=None)
    assert done.stdout.startswith("a b is not a user name\nanna is enabled"), done
    done = server.cli("grant", "explain", "anna", "x@", "--json", ok=None)
    assert json.loads(done.stdout)["verdict"]["for"] == "x@"
    saved = os.path.join(server.dir, "saved")
    server.cli("mailbox", "create", "Work", "--user", "anna")
    server.cli("backup", saved)
    for into in ("a//b", "/a", "a\tb"):
        done = server.cli("restore", saved, "--user", "anna", "--into", into, ok=False)
        assert f"'{into}" in done.stderr and "the name of a mailbox is" in done.stderr, (into, done)
        assert "invalid" not in done.stderr


@RUNNING
def test_no_user_is_called_like_a_group(server, running):
    server.add("group", "blue")
    if running:
        server.start()
    for args in (("user", "add", "group:x"), ("user", "add", "GROUP:x@y.example"),
                 ("user", "bulk", "--prefix", "group:", "--to", "3"), ("user", "add", "\uff47roup:x")):
        done = server.cli(*args, "--password-stdin", stdin="secret\n", ok=False)
        assert done.returncode == 1 and 'begin with "group:"' in done.stderr, (args, done)
    assert server.cli("user", "list").stdout == "group\n"


# ---- files ----


@pytest.mark.parametrize("what", ["maildir", "mbox"])
def test_a_path_is_named_once(server, what):
    server.add("anna", "blue")
    folder = os.path.join(server.dir, "in")
    os.makedirs(os.path.join(folder, "cur"))
    bad = os.path.join(folder, "bad.mbox")
    with open(bad, "w", encoding="ascii") as f:
        f.write("no message\n")
    os.symlink(bad, os.path.join(folder, "cur", "link"))
    os.makedirs(os.path.join(folder, ".Sub", "new"))
    os.mkdir(os.path.join(folder, ".Sub", "cur"))
    os.symlink(bad, os.path.join(folder, ".Sub", "new", "another"))
    os.symlink(bad, os.path.join(server.dir, "link"))
    for path in ("/no/such/file", bad, folder, os.path.join(server.dir, "link"), os.path.join(folder, "cur")):
        done = server.cli("import", what, path, "--user", "anna", ok=False)
        for line in done.stderr.splitlines():
            assert line.count(path) == 1 and line.startswith(f"turnstone import {what}: {path}"), line
        assert done.stderr != ""
        if path == folder and what == "maildir":
            assert f"{folder}/cur/link: a symbolic link" in done.stderr
            assert f"{folder}/.Sub/new/another: a symbolic link" in done.stderr


# ---- the help ----


def test_commands_come_before_options_of_their_name():
    text = subprocess.run([TURNSTONE, "help", "user"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert text.startswith("turnstone user ...\n  user add ")
    assert text.index("user bulk") < text.index("certificate_map")


def test_the_usage_line_has_what_must_be_given():
    for command in ("list", "status", "create", "delete", "fsck"):
        done = bare("help", "mailbox", command)
        assert "--user USER" in done.stdout.splitlines()[0], done


def test_dev_help_does_nothing(tmp_path):
    """Neither apt-get nor a compiler may be called: they do not exist here."""
    tools = ["bash", "dirname", "sed", "expand", "env", "cat", "grep", "awk", "id"]
    for tool in tools:
        os.symlink(subprocess.run(["which", tool], capture_output=True, text=True, check=True).stdout.strip(),
                   tmp_path / tool)
    env = {"PATH": str(tmp_path), "HOME": str(tmp_path)}
    dev = os.path.join(TOP, "dev")
    with open(dev, encoding="utf-8") as f:
        verbs = dict(re.findall(r"^verb_(\w+)\(\) \{ # (.*)$", f.read(), re.M))
    assert len(verbs) >= 10
    for verb, line in verbs.items():
        for args in ([verb, "--help"], [verb, "-h"], ["help", verb], [verb, "x", "--help"]):
            done = subprocess.run([dev, *args], capture_output=True, text=True, env=env, timeout=60, check=False)
            assert done.returncode == 0 and done.stderr == "", (args, done)
            assert f"usage: ./dev {verb}" in done.stdout and line in done.stdout
    for verb in ("build", "lint", "deb", "clean", "fmt"):
        done = subprocess.run([dev, verb, "--nonsense"], capture_output=True, text=True, env=env, timeout=60, check=False)
        assert done.returncode == 1 and "--nonsense" in done.stderr and "installing" not in done.stdout


# ---- who ----


@pytest.mark.parametrize("command", ["who", "kick"])
def test_an_address_is_one(server, command):
    server.start()
    for address in ("foo", "", "10.0.0", "10.0.0.0/8", "10.0.0.1:x", "10.0.0.1:70000", "[::1", "[]", "[foo]:1", ":1"):
        done = server.cli(command, "--address", address, ok=False)
        assert done.returncode == 2 and f"not '{address}'" in done.stderr, (address, done)
    for address in ("10.0.0.1", "10.0.0.1:4711", "::1", "[::1]", "[::1]:4711", "unix"):
        done = server.cli(command, "--address", address, ok=None)
        assert done.returncode == (1 if command == "kick" else 0), (address, done)


def people(server):
    """anna three times, once through a gateway, with two programs; and one connection without a login."""
    server.add("anna", "blue")
    server.add("gate", "gold", "--acts-for", "*")
    server.start()
    clients = [server.client() for _ in range(4)]
    clients[0].ok('ID ("name" "Sparrow" "version" "3")')
    clients[0].ok("LOGIN anna blue")
    clients[1].ok("LOGIN anna blue")
    clients[2].ok('ID ("name" "Proxy")')
    clients[2].ok(f"AUTHENTICATE PLAIN {plain('anna', 'gate', 'gold')}")
    return clients


def test_who_tells_the_client_and_idle_time(server):
    clients = people(server)
    rows = sorted(server.asked("who", "anna"), key=lambda row: row["id"])
    assert sorted(row["client"] for row in rows) == ["", "Proxy", "Sparrow/3"]
    assert all(0 <= row["idle_seconds"] <= row["seconds"] + 1 and row["host"] == "127.0.0.1" for row in rows)
    table = server.cli("who").stdout.splitlines()
    assert table[0].split()[-4:] == ["IDLE", "TLS", "COMMANDS", "CLIENT"] and any("Sparrow/3" in x for x in table)

    def idle():
        return {row["id"]: row["idle_seconds"] for row in server.asked("who", "anna")}

    wait_for(lambda: all(seconds >= 2 for seconds in idle().values()), 30)
    busy = [row["id"] for row in rows if row["client"] == ""][0]
    clients[1].ok("NOOP")
    after = idle()
    assert all(after[n] > after[busy] for n in after if n != busy), after


def test_who_by_user_and_by_address(server):
    clients = people(server)
    groups = server.asked("who", "--by", "user")
    assert [g["user"] for g in groups] == ["", "anna"]
    assert groups[1]["connections"] == 3 and groups[1]["addresses"] == ["127.0.0.1"]
    assert groups[1]["clients"] == ["Proxy", "Sparrow/3"] and groups[1]["idle_seconds"] >= 0
    groups = server.asked("who", "--by", "address")
    assert len(groups) == 1 and groups[0]["address"] == "127.0.0.1" and groups[0]["connections"] == 4
    assert groups[0]["users"] == ["anna"]
    assert server.asked("who", "gate", "--by", "user")[0]["connections"] == 1
    table = server.cli("who", "--by", "user").stdout.splitlines()
    assert table[0].split() == ["USER", "CONNECTIONS", "IDLE", "ADDRESSES", "CLIENTS"]
    assert table[1].startswith("(not logged in)") and table[2].split()[:2] == ["anna", "3"]
    assert server.cli("who", "--by", "address").stdout.splitlines()[1].split()[:2] == ["127.0.0.1", "4"]
    done = server.cli("who", "--by", "name", ok=False)
    assert done.returncode == 2 and "user or address" in done.stderr
    assert server.asked("who", "nobody", "--by", "user") == []
    for client in clients:
        client.ok("NOOP")


# ---- status ----


def lying_there(folder):
    return sum(os.lstat(os.path.join(d, f)).st_blocks * 512 for d, _, files in os.walk(folder) for f in files
               if not os.path.islink(os.path.join(d, f)) and os.path.isfile(os.path.join(d, f)))


def test_status_counts_everything_on_the_disk(server):
    server.write("store.blob_threshold = 1M\n")
    server.add("anna", "blue")
    server.start()
    client = server.login("anna")
    large = "x" * 2_000_000
    for text in ("small", large):
        client.append("INBOX", f"\r\n{text}\r\n")
    salvaged = os.path.join(server.dir, "data", "store", "salvaged-20260101")
    os.mkdir(salvaged)
    with open(os.path.join(salvaged, "000001.sst"), "wb") as f:
        f.write(b"x" * 5_000_000)
    with open(os.path.join(salvaged, "000002.log"), "wb") as f:
        os.posix_fallocate(f.fileno(), 0, 3_000_000)
        f.truncate(10)  # a hole counts as a hole, preallocated space as space
        f.truncate(90_000_000)
    give(salvaged)

    def same():
        before = lying_there(server.dir + "/data")
        said = server.asked("status")["disk_used_bytes"]
        return before == lying_there(server.dir + "/data") and 7_000_000 < before == said < 90_000_000

    wait_for(same)
    status = server.asked("status")
    assert status["mail_messages"] == 2 and status["mail_accounts"] == 1 and status["mail_mailboxes"] == 1
    assert status["mail_bytes"] == len("small") + len(large) + 8
    assert status["logged_in"] == 1 and status["users_logged_in"] == 1 and status["connections"] == 1


def test_status_is_for_people(server):
    clients = people(server)
    text = server.cli("status").stdout
    lines = {line[2:14].strip(): line[15:] for line in text.splitlines() if line.startswith("  ")}
    assert re.match(rf"Turnstone \S+, running for \d+ \w+( \d+ \w+)? \(process {server.pid}\)\n", text)
    assert lines["Connections"] == "4 open, 3 logged in, of 1 user; from mail servers 0"
    assert f"imap port {server.port('IMAP')}" in lines["Listeners"]
    assert lines["Mail"].startswith("0 messages in 1 mailbox of 1 account")
    assert re.match(r"[\d.]+ \w+ used, [\d.]+ \w+ free$", lines["Disk"])
    assert lines["Warnings"] == "none" and len(text.splitlines()) < 15
    every = server.cli("status", "--all").stdout
    assert "state_bytes: " in every and len(every.splitlines()) > 60
    assert set(server.asked("status")) == {line.split(":")[0] for line in every.splitlines()}
    server.stop()
    server.edit("free_space = 1M", "free_space = 16T")
    server.start()
    assert re.search(r"the disk is full: [\d.]+ \wiB free, 16\.0 TiB to be left free \(store\.free_space\); "
                     r"no messages are accepted until there is room for [\d.]+ TiB more\n", server.cli("status").stdout)
    with open(os.path.join(server.dir, "in.mbox"), "w", encoding="ascii") as f:
        f.write("From a@b.example Mon Nov 23 12:00:00 2026\nSubject: x\n\ny\n")
    done = server.cli("import", "mbox", os.path.join(server.dir, "in.mbox"), "--user", "anna", ok=False)
    assert re.search(r"the disk of the store is full: .* free, .*16\.0 TiB to be left free \(store\.free_space\): "
                     r"make room for [\d.]+ TiB at least", done.stderr), done
    del clients


# ---- backup ----


@RUNNING
def test_backup_counts_every_kind(server, running):
    for name in ("anna", "bert", "carl"):  # bert and carl have no mail
        server.add(name, "blue")
    server.cli("alias", "add", "team", "anna", "bert")
    server.cli("grant", "add", "bert", "--for", "carl")
    server.cli("grant", "add", "bert", "--for", "a*")
    server.cli("mailbox", "create", "Lists/One", "--user", "anna", "--subscribe")
    server.start()
    client = server.login("anna")
    client.ok("SUBSCRIBE Elsewhere")
    for _ in range(2):
        client.append("Lists/One", "a: b\n")
    if not running:
        server.stop()
    folder = os.path.join(server.dir, "saved")
    first = server.asked("backup", folder)
    second = server.asked("backup", folder)  # nobody is read
    assert first["read_users"] == 1 and second["read_users"] == 0
    boxes = len([m for m in server.asked("mailbox", "list", "--user", "anna") if m["exists"]])
    for done in (first, second):
        assert done["users"] == 1 and done["mailboxes"] == boxes and done["subscriptions"] == 2
        assert done["messages"] == 2
        assert {k: done["records"][k] for k in ("users", "grants", "aliases")} == {"users": 3, "grants": 2, "aliases": 1}
    assert re.match(rf"\S+: 3 users, 2 grants, 1 alias, \d+ other records?; mail of 1 account: {boxes} mailbox\w*, "
                    r"2 subscriptions, 2 messages \(0 read, ", server.cli("backup", folder).stdout)


# ---- the manual's examples ----


def examples():
    with open(os.path.join(os.path.dirname(TURNSTONE), "src", "cli", "turnstone.1"), encoding="utf-8") as f:
        section = re.search(r"^\.Sh EXAMPLES\n(.*?)^\.Sh ", f.read(), re.M | re.S)[1]
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", section, re.M | re.S):
        yield block.strip().removeprefix("\\&").replace("\\-", "-").replace("\\e", "\\")


def commands():
    return [name for name in re.findall(r"^  (\S+(?: \S+)?) +\S", bare("help").stdout.split("Topics:")[0], re.M)]


def test_every_command_has_examples():
    lines = list(examples())
    names = commands()
    for name in names:
        mine = [line for line in lines if re.match(rf"turnstone {name}( |$)", line)
                and not any(line.startswith(f"turnstone {more}") for more in names if more.startswith(name + " "))]
        assert mine, name
        text = bare("help", *name.split()).stdout
        assert "\nExamples:\n" in text and all(f"\n  {line}\n" in text for line in mine), name


def test_the_examples_work(server):
    """One after another, on a machine of their own."""
    home = os.path.join(server.dir, "home")
    os.mkdir(home)
    os.symlink(TURNSTONE, os.path.join(server.dir, "turnstone"))
    with open(os.path.join(home, "password.txt"), "w", encoding="ascii") as f:
        f.write("blue sea\n")
    env = {"PATH": server.dir + ":" + os.environ["PATH"], "TURNSTONE_CONFIG": server.conf, "TERM": "dumb",
           "TURNSTONE_WATCH_BLOCKING": "1"}
    server.ready = os.path.join(home, "ports.env")
    reader = None
    for line in examples():
        if line.startswith("turnstone serve "):
            server.launch(["sh", "-c", "exec " + line], cwd=home, env=env)
            reader = server.wait_ready().login("alice", "green")
            reader.append("INBOX", "a: b\n")
            continue
        code, screen = typed(["sh", "-c", line], "green", cwd=home, env=env)
        assert code == 0, (line, screen)
    assert reader.ended() and server.gone() == 0
    assert sorted(os.listdir(home)) == ["Maildir", "config-v1.1.xml", "mbox", "password.txt", "ports.env", "saved",
                                        "site", "turnstone.conf.sample"]


# ---- what to publish ----

PUBLIC = """\
server.data = {dir}/data
default_domain = first.example
lmtp.domains = [first.example, other.example]
listener plain {{ port = 1143; tls = starttls }}
listener secure {{ port = 1993; tls = imaps }}
listener more {{ address = "::"; port = 2993; tls = imaps }}
listener inside {{ address = 127.0.0.1; port = 3143 }}
listener mail {{ protocol = lmtp; port = 24; address = 127.0.0.1; tls = none }}
listener behind {{ port = 4993; tls = imaps; proxy_protocol = yes; proxy_from = [10.0.0.7] }}
"""


def domain_help(server, *args, code=0):
    path = os.path.join(server.dir, "public.conf")
    with open(path, "w", encoding="utf-8") as f:
        f.write(PUBLIC.format(dir=server.dir))
    done = bare("domain-help", *args, TURNSTONE_CONFIG=path)
    assert done.returncode == code, done
    return done.stdout if code == 0 else done.stderr


def zone(text):
    """The lines of a zone file without comments: (name, type, value)."""
    found = [re.fullmatch(r"(\S+) +3600 IN (\S+) +(\S.*)", line).groups() for line in text.splitlines()
             if line and not line.startswith(";")]
    assert all(name.endswith(".") for name, _, _ in found)
    return found


def test_domain_help_prints_records_to_paste(server):
    text = domain_help(server, "Other.Example.", "--host", "IMAP.other.example", "--mx", "mx.other.example",
                       "--address", "203.0.113.5", "--address", "2001:db8::5")
    assert zone(text) == [
        ("imap.other.example.", "A", "203.0.113.5"),
        ("imap.other.example.", "AAAA", "2001:db8::5"),
        ("other.example.", "MX", "10 mx.other.example."),
        ("other.example.", "TXT", '"v=spf1 mx -all"'),
        ("_dmarc.other.example.", "TXT", '"v=DMARC1; p=none; rua=mailto:postmaster@other.example"'),
        ("_imaps._tcp.other.example.", "SRV", "0 1 1993 imap.other.example."),
        ("_imaps._tcp.other.example.", "SRV", "0 1 2993 imap.other.example."),
        ("_imap._tcp.other.example.", "SRV", "0 1 1143 imap.other.example."),
        ("_pop3s._tcp.other.example.", "SRV", "0 0 0 ."),
        ("_pop3._tcp.other.example.", "SRV", "0 0 0 .")]
    for part in ("DKIM", "_domainkey.other.example.", "_submissions._tcp", "autoconfig.other.example.", "IN CAA",
                 "port 1993, SSL/TLS", "port 1143, STARTTLS", "alice@other.example", "listener inside", "listener behind"):
        assert re.search(rf"^;.*{re.escape(part)}", text, re.M), part
    text = domain_help(server, "third.example", "--host", "imap.other.example", "--address", "203.0.113.5")
    assert "lmtp.domains does not include third.example" in text
    assert not [row for row in zone(text) if row[1] == "A"]  # not in this zone


def test_domain_help_for_programs(server):
    said = json.loads(domain_help(server, "first.example", "--host", "m.first.example", "--json"))
    assert said["domain"] == "first.example" and said["mx"] == said["host"] == "m.first.example"
    assert [(c["port"], c["security"]) for c in said["clients"]] == [(1993, "SSL/TLS"), (2993, "SSL/TLS"), (1143, "STARTTLS")]
    assert {"name": "first.example.", "ttl": 3600, "type": "MX", "value": "10 m.first.example.",
            "to_decide": False} in said["records"]
    assert len(said["notes"]) == 2
    tree = ElementTree.fromstring(domain_help(server, "first.example", "--host", "m.first.example", "--autoconfig"))
    assert [(s.find("port").text, s.find("socketType").text) for s in tree.iter("incomingServer")] == [
        ("1993", "SSL"), ("2993", "SSL"), ("1143", "STARTTLS")]
    assert tree.find("emailProvider/domain").text == "first.example"


@pytest.mark.parametrize("name", ["two words.example", "under_score.example", "alone", "10.0.0.1", "-a.example",
                                  "a-.example", "a..example", ".example", "a.example..", "", "bücher.example",
                                  "x" * 64 + ".example", "a." * 127 + "example", "a;b.example", 'a"b.example'])
def test_domain_help_wants_a_domain(server, name):
    err = domain_help(server, name, code=2)
    assert err.startswith(f"turnstone domain-help: '{name}': ") and len(err.splitlines()) == 1
    assert f"'{name}'" in domain_help(server, "good.example", "--host", name, code=2)
    assert f"'{name}'" in domain_help(server, "good.example", "--mx", name, code=2)
    assert "not an IP address" in domain_help(server, "good.example", "--address", "1.2.3", code=2)


# ---- a certificate that is renewed ----


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_the_hook_of_the_document(server):
    """Only root can read Certbot's files; the server, another user, reads what the hook makes of them."""
    with open(os.path.join(TOP, "doc", "admin.md"), encoding="utf-8") as f:
        hook = re.search(r"^    #!/bin/sh -e\n(?:    .*\n)+", f.read(), re.M)[0].replace("\n    ", "\n").lstrip()
    os.symlink(TURNSTONE, os.path.join(server.dir, "turnstone"))
    etc, live = os.path.join(server.dir, "etc"), os.path.join(server.dir, "live")
    os.chmod(server.dir, 0o755)
    shutil.chown(server.dir, "nobody")
    os.mkdir(etc)
    os.mkdir(live, 0o700)
    group = grp.getgrgid(pwd.getpwnam("nobody").pw_gid).gr_name
    hook = hook.replace("/etc/turnstone/", etc + "/").replace("-g turnstone", f"-g {group}")
    env = {"PATH": server.dir + ":" + os.environ["PATH"], "TURNSTONE_CONFIG": server.conf, "RENEWED_LINEAGE": live}

    def renew():
        self_signed(live + "/fullchain.pem", live + "/privkey.pem")
        return subprocess.run(["sh", "-c", hook], env=env, capture_output=True, text=True, timeout=60, check=False)

    server.write(f"server.user = nobody\ntls {{ certificate = {etc}/cert.pem; key = {etc}/key.pem }}\n")
    assert renew().returncode != 0  # no server is running yet
    assert os.stat(etc + "/key.pem").st_mode & 0o777 == 0o640
    server.start()
    first = server.certificate()
    done = renew()
    assert done.returncode == 0, done
    assert server.certificate() != first
