# SPDX-License-Identifier: Apache-2.0
"""Commands for administrators, with the server running and stopped."""
import json
import os
import subprocess

import pytest

from imap import plain
from peer import connect


RUNNING = pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])


@RUNNING
def test_users_as_json(server, running):
    if running:
        server.start()
    server.add("anna", "blue")
    server.add("gäte", "gold", "--acts-for", "b*", "--acts-for", "carl", "--admin")
    server.cli("user", "disable", "anna")
    users = server.asked("user", "list")
    assert [u["name"] for u in users] == ["anna", "gäte"]
    assert users[0]["disabled"] is True and users[0]["acts_for"] == []
    assert users[1]["admin"] is True and users[1]["acts_for"] == ["b*", "carl"]
    shown = server.asked("user", "show", "gäte")
    assert shown == users[1] and isinstance(shown["created"], int)
    assert sorted(shown["verifiers"]) == ["SCRAM-SHA-1", "SCRAM-SHA-256", "yescrypt"]
    server.cli("user", "enable", "anna")
    assert server.asked("user", "show", "anna")["disabled"] is False


@RUNNING
def test_mailboxes(server, running):
    server.add("anna", "blue")
    if running:
        server.start()
    who = ("--user", "anna")
    assert "no mailboxes yet" in server.cli("mailbox", "list", *who, ok=False).stderr
    server.cli("mailbox", "create", "Lists/Größe \"1\"", *who, "--subscribe")
    server.cli("mailbox", "create", "inbox/below", *who)
    names = [m["name"] for m in server.asked("mailbox", "list", *who)]
    assert sorted(names) == sorted(["INBOX", "INBOX/below", "Lists/Größe \"1\""])
    assert "Größe" in server.cli("mailbox", "list", *who).stdout
    state = server.asked("mailbox", "status", "Lists/Größe \"1\"", *who)
    assert state["messages"] == 0 and state["uidnext"] == 1 and state["subscribed"] is True
    assert "messages: 0\n" in server.cli("mailbox", "status", "inbox", *who).stdout
    assert "already" in server.cli("mailbox", "create", "inbox", *who, ok=False).stderr
    assert "no mailbox nothing" in server.cli("mailbox", "delete", "nothing", *who, ok=False).stderr
    assert "INBOX" in server.cli("mailbox", "delete", "Inbox", *who, ok=False).stderr
    assert server.cli("mailbox", "create", "a*", *who, ok=False).returncode == 1
    assert "no user nobody" in server.cli("mailbox", "create", "x", "--user", "nobody", ok=False).stderr
    server.cli("mailbox", "delete", "INBOX/below", *who)
    assert len([m for m in server.asked("mailbox", "list", *who) if m["exists"]]) == 2
    done = server.cli("mailbox", "list", ok=False)
    assert done.returncode == 2 and "--user" in done.stderr


def test_mailbox_is_seen_by_clients(server):
    server.add("anna", "blue")
    server.start()
    server.cli("mailbox", "create", "Post", "--user", "anna")
    client = server.login("anna")
    assert any(b"Post" in line for line in client.ok('LIST "" *'))
    client.ok("SELECT Post")
    client.append("Post", "a: b\n")
    assert server.asked("mailbox", "status", "Post", "--user", "anna")["messages"] == 1
    server.cli("mailbox", "delete", "Post", "--user", "anna")
    client.send("x NOOP\r\n")
    client.ended()


def site(server):
    server.add("anna", "blue")
    server.add("bert", "red")
    server.add("gate", "gold", "--acts-for", "*")
    server.start()
    anna, gate, idle = server.login("anna"), server.client(), server.client()
    anna.ok("SELECT INBOX")
    gate.ok(f"AUTHENTICATE PLAIN {plain('bert', 'gate', 'gold')}")
    return anna, gate, idle


def test_who(server):
    _anna, gate, _idle = site(server)
    rows = server.asked("who")
    assert len(rows) == 3
    by_user = {row["user"]: row for row in rows}
    assert by_user["anna"]["login"] == "anna" and by_user["anna"]["mailbox"] == "INBOX"
    assert by_user["anna"]["state"] == "selected" and by_user["anna"]["tls"] is False
    assert by_user["anna"]["commands"] == 2
    assert by_user["bert"]["login"] == "gate" and by_user["bert"]["state"] == "authenticated"
    assert by_user[""]["state"] == "not authenticated"
    port = gate.sock.getsockname()[1]
    assert str(port) in by_user["bert"]["address"] or "127.0.0.1" in by_user["bert"]["address"]
    assert [row["user"] for row in server.asked("who", "Gate")] == ["bert"]
    table = server.cli("who").stdout.splitlines()
    assert len(table) == 4 and table[0].split()[:4] == ["ID", "ADDRESS", "USER", "LOGIN"]
    assert server.asked("who", "nobody") == []
    gate.ok("UNAUTHENTICATE")
    assert sorted(row["user"] for row in server.asked("who")) == ["", "", "anna"]


def test_kick(server):
    anna, gate, idle = site(server)
    assert server.cli("kick", "gate").stdout == "1 connection ended\n"
    assert b"administrator" in gate.ended()
    number = [row["id"] for row in server.asked("who") if row["user"] == "anna"][0]
    assert server.asked("kick", "--conn", str(number)) == {"ended": 1}
    anna.ended()
    for nobody in (("--conn", str(number)), ("--address", "127.0.0.2"), ("zoe",)):
        done = server.cli("kick", *nobody, ok=False)
        assert done.returncode == 1 and done.stdout == "" and "nothing was ended" in done.stderr
        done = server.cli("kick", *nobody, "--json", ok=False)
        assert done.returncode == 1 and json.loads(done.stdout) == {"ended": 0}
    assert server.asked("kick", "--address", "127.0.0.1") == {"ended": 1}
    idle.ended()
    assert server.asked("who") == [] and server.cli("who").stdout == ""
    assert server.cli("kick", ok=False).returncode == 2
    assert server.cli("kick", "--conn", "x", ok=False).returncode == 2


@pytest.mark.parametrize("verb", ["disable", "delete"])
@pytest.mark.parametrize("name", ["bert", "gate"])
def test_who_may_not_log_in_does_not_stay(server, verb, name):
    """Neither the owner of the mail nor the user who acts for them stays."""
    anna, gate, _idle = site(server)
    assert "1 connection ended" in server.cli("user", verb, name).stdout
    gate.ended()
    anna.ok("NOOP")
    assert [row["user"] for row in server.asked("who", "anna")] == ["anna"]


@pytest.mark.parametrize("args", [("status",), ("stop",), ("reload",), ("who",), ("kick", "anna")])
def test_no_server(server, args):
    done = server.cli(*args, ok=False)
    assert done.returncode == 4 and "no server is running" in done.stderr and done.stdout == ""


def test_stop_asked_twice(server):
    server.start()
    both = [subprocess.Popen(server.command("stop"), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for _ in range(2)]
    codes = [(p.communicate(timeout=60)[0], p.returncode) for p in both]
    assert server.gone() == 0
    assert ("stopped\n", 0) in codes
    # The other one may have been too late.
    assert all(code in (0, 4) for _, code in codes), codes
    assert "second signal" not in server.log()


def test_too_many_commands(server):
    server.write("server.control_connections = 2\n")
    server.start()
    path = os.path.join(server.dir, "data", "control.sock")
    held = [connect(path) for _ in range(2)]
    # Both have to be accepted first: the third waits behind them in the same queue.
    done = server.cli("status", ok=False)
    assert done.returncode == 1 and "server.control_connections" in done.stderr
    for s in held:
        s.close()
    while server.cli("status", ok=None).returncode != 0:
        pass
    assert server.stop() == 0


def test_held_connection_does_not_hold_up_the_rest(server):
    server.start()
    path = os.path.join(server.dir, "data", "control.sock")
    with connect(path) as s:
        s.sendall(b"r\0\0")  # an unfinished request
        assert server.asked("status")["connections"] == 0
        assert server.stop() == 0  # nor its end


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_stopped_server_keeps_its_files(server):
    """A command run by root uses the store as server.user."""
    os.chmod(server.dir, 0o755)
    server.write("server.user = nobody\n")
    server.add("anna", "blue")
    server.cli("mailbox", "create", "Post", "--user", "anna")
    import pwd
    uid = pwd.getpwnam("nobody").pw_uid
    for folder, _, files in os.walk(os.path.join(server.dir, "data")):
        for name in [folder, *[os.path.join(folder, f) for f in files]]:
            assert os.stat(name).st_uid == uid, name
    assert [u["name"] for u in server.asked("user", "list")] == ["anna"]


def test_a_faulty_file_beside_a_running_server(server):
    """The server has a valid configuration in force: it answers, and reports the faults in the new one."""
    server.write()
    server.add("anna", "blue")
    server.start()
    server.write("limits.connections = lots\nnosuch = 1\n")
    done = server.cli("reload", ok=False)
    assert done.returncode == 1 and "nothing was changed" in done.stderr and 'not "lots"' in done.stderr
    assert server.asked("status")["connections"] == 0
    assert [u["name"] for u in server.asked("user", "list")] == ["anna"]
    # A file that does not say which server is meant leads to none: not to that of the default, either.
    server.edit(f"data = {server.dir}/data", "data = [1, 2]")
    done = server.cli("stop", ok=False)
    assert done.returncode == 1 and "data" in done.stderr and 'not "lots"' in done.stderr
    server.edit("data = [1, 2]", f"data = {server.dir}/data")
    assert server.cli("stop").stdout == "stopped\n"
    assert server.gone() == 0
    assert 'not "lots"' in server.cli("user", "list", ok=False).stderr  # no server: the file must be valid


def test_restart_needed(server):
    """Depends on the running server, not on what was read last."""
    server.write()
    server.start()
    server.write("server.workers = 7\n")
    assert "server.workers" in server.cli("reload").stdout
    assert "server.workers" in server.cli("reload").stdout
    server.write()
    assert "restart" not in server.cli("reload").stdout
