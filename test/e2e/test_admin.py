# SPDX-License-Identifier: Apache-2.0
"""Commands for administrators, with the server running and stopped."""
import json
import os
import socket
import subprocess

import pytest

from conftest import TURNSTONE

RUNNING = pytest.mark.parametrize("running", [False, True], ids=["stopped", "running"])


class Imap:
    """A raw client on the imap port."""

    def __init__(self, server):
        self.sock = socket.create_connection(("127.0.0.1", server.port("IMAP")), timeout=60)
        self.file = self.sock.makefile("rb")
        self.count = 0
        assert self.file.readline().startswith(b"* OK")

    def run(self, command):
        self.count += 1
        tag = f"t{self.count}".encode()
        self.sock.sendall(tag + b" " + command.encode() + b"\r\n")
        lines = []
        while not lines or not lines[-1].startswith(tag + b" "):
            lines.append(self.file.readline())
            assert lines[-1] != b"", (command, lines)
        assert lines[-1].startswith(tag + b" OK"), lines
        return lines

    def act_for(self, user, gateway, password):
        import base64
        response = base64.b64encode(f"{user}\0{gateway}\0{password}".encode()).decode()
        self.run(f"AUTHENTICATE PLAIN {response}")

    def ended(self):
        """The BYE that comes unasked, and then the end."""
        line = self.file.readline()
        while line != b"" and not line.startswith(b"* BYE"):
            line = self.file.readline()
        assert line.startswith(b"* BYE")
        assert self.file.readline() == b""
        return line


def asked(server, *args, **more):
    return json.loads(server.cli(*args, "--json", **more).stdout)


@RUNNING
def test_users_as_json(server, running):
    if running:
        server.start()
    server.add("anna", "blue")
    server.add("gäte", "gold", "--acts-for", "b*", "--acts-for", "carl", "--admin")
    server.cli("user", "disable", "anna")
    users = asked(server, "user", "list")
    assert [u["name"] for u in users] == ["anna", "gäte"]
    assert users[0]["disabled"] is True and users[0]["acts_for"] == []
    assert users[1]["admin"] is True and users[1]["acts_for"] == ["b*", "carl"]
    shown = asked(server, "user", "show", "gäte")
    assert shown == users[1] and isinstance(shown["created"], int)
    assert sorted(shown["verifiers"]) == ["SCRAM-SHA-1", "SCRAM-SHA-256", "yescrypt"]
    server.cli("user", "enable", "anna")
    assert asked(server, "user", "show", "anna")["disabled"] is False


@RUNNING
def test_mailboxes(server, running):
    server.add("anna", "blue")
    if running:
        server.start()
    who = ("--user", "anna")
    assert "no mailboxes yet" in server.cli("mailbox", "list", *who, ok=False).stderr
    server.cli("mailbox", "create", "Lists/Größe \"1\"", *who, "--subscribe")
    server.cli("mailbox", "create", "inbox/below", *who)
    names = [m["name"] for m in asked(server, "mailbox", "list", *who)]
    assert sorted(names) == sorted(["INBOX", "INBOX/below", "Lists/Größe \"1\""])
    assert "Größe" in server.cli("mailbox", "list", *who).stdout
    state = asked(server, "mailbox", "status", "Lists/Größe \"1\"", *who)
    assert state["messages"] == 0 and state["uidnext"] == 1 and state["subscribed"] is True
    assert "messages: 0\n" in server.cli("mailbox", "status", "inbox", *who).stdout
    assert "already" in server.cli("mailbox", "create", "inbox", *who, ok=False).stderr
    assert "no mailbox nothing" in server.cli("mailbox", "delete", "nothing", *who, ok=False).stderr
    assert "INBOX" in server.cli("mailbox", "delete", "Inbox", *who, ok=False).stderr
    assert server.cli("mailbox", "create", "a*", *who, ok=False).returncode == 1
    assert "no user nobody" in server.cli("mailbox", "create", "x", "--user", "nobody", ok=False).stderr
    server.cli("mailbox", "delete", "INBOX/below", *who)
    assert len([m for m in asked(server, "mailbox", "list", *who) if m["exists"]]) == 2
    done = server.cli("mailbox", "list", ok=False)
    assert done.returncode == 2 and "--user" in done.stderr


def test_mailbox_is_seen_by_clients(server):
    server.add("anna", "blue")
    server.start()
    server.cli("mailbox", "create", "Post", "--user", "anna")
    client = Imap(server)
    client.run("LOGIN anna blue")
    assert any(b"Post" in line for line in client.run('LIST "" *'))
    client.run("SELECT Post")
    client.run("APPEND Post {5+}\r\na: b\n")
    assert asked(server, "mailbox", "status", "Post", "--user", "anna")["messages"] == 1
    server.cli("mailbox", "delete", "Post", "--user", "anna")
    client.sock.sendall(b"x NOOP\r\n")
    client.ended()


def site(server):
    server.add("anna", "blue")
    server.add("bert", "red")
    server.add("gate", "gold", "--acts-for", "*")
    server.start()
    anna, gate, idle = Imap(server), Imap(server), Imap(server)
    anna.run("LOGIN anna blue")
    anna.run("SELECT INBOX")
    gate.act_for("bert", "gate", "gold")
    return anna, gate, idle


def test_who(server):
    _anna, gate, _idle = site(server)
    rows = asked(server, "who")
    assert len(rows) == 3
    by_user = {row["user"]: row for row in rows}
    assert by_user["anna"]["login"] == "anna" and by_user["anna"]["mailbox"] == "INBOX"
    assert by_user["anna"]["state"] == "selected" and by_user["anna"]["tls"] is False
    assert by_user["anna"]["commands"] == 2
    assert by_user["bert"]["login"] == "gate" and by_user["bert"]["state"] == "authenticated"
    assert by_user[""]["state"] == "not authenticated"
    port = gate.sock.getsockname()[1]
    assert str(port) in by_user["bert"]["address"] or "127.0.0.1" in by_user["bert"]["address"]
    assert [row["user"] for row in asked(server, "who", "Gate")] == ["bert"]
    table = server.cli("who").stdout.splitlines()
    assert len(table) == 4 and table[0].split()[:4] == ["ID", "ADDRESS", "USER", "LOGIN"]
    assert asked(server, "who", "nobody") == []
    gate.run("UNAUTHENTICATE")
    assert sorted(row["user"] for row in asked(server, "who")) == ["", "", "anna"]


def test_kick(server):
    anna, gate, idle = site(server)
    assert server.cli("kick", "gate").stdout == "1 connection ended\n"
    assert b"administrator" in gate.ended()
    number = [row["id"] for row in asked(server, "who") if row["user"] == "anna"][0]
    assert asked(server, "kick", "--conn", str(number)) == {"ended": 1}
    anna.ended()
    for nobody in (("--conn", str(number)), ("--address", "127.0.0.2"), ("zoe",)):
        done = server.cli("kick", *nobody, ok=False)
        assert done.returncode == 1 and done.stdout == "" and "nothing was ended" in done.stderr
        done = server.cli("kick", *nobody, "--json", ok=False)
        assert done.returncode == 1 and json.loads(done.stdout) == {"ended": 0}
    assert asked(server, "kick", "--address", "127.0.0.1") == {"ended": 1}
    idle.ended()
    assert asked(server, "who") == [] and server.cli("who").stdout == ""
    assert server.cli("kick", ok=False).returncode == 2
    assert server.cli("kick", "--conn", "x", ok=False).returncode == 2


@pytest.mark.parametrize("verb", ["disable", "delete"])
@pytest.mark.parametrize("name", ["bert", "gate"])
def test_who_may_not_log_in_does_not_stay(server, verb, name):
    """Whose mail it is, and who logged in to act for them: both ends are cut."""
    anna, gate, _idle = site(server)
    assert "1 connection ended" in server.cli("user", verb, name).stdout
    gate.ended()
    anna.run("NOOP")
    assert [row["user"] for row in asked(server, "who", "anna")] == ["anna"]


@pytest.mark.parametrize("args", [("status",), ("stop",), ("reload",), ("who",), ("kick", "anna")])
def test_no_server(server, args):
    done = server.cli(*args, ok=False)
    assert done.returncode == 4 and "no server runs" in done.stderr and done.stdout == ""


def test_stop_asked_twice(server):
    server.start()
    both = [subprocess.Popen([TURNSTONE, "stop", "--config", server.conf], stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    codes = [(p.communicate(timeout=60)[0], p.returncode) for p in both]
    assert server.process.wait(60) == 0
    server.process = None
    assert ("stopped\n", 0) in codes
    # The other one may have come too late.
    assert all(code in (0, 4) for _, code in codes), codes
    assert "second signal" not in server.log()


def test_too_many_commands(server):
    server.write("server.control_connections = 2\n")
    server.start()
    path = os.path.join(server.dir, "data", "control.sock")
    held = []
    for _ in range(2):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(path)
        held.append(s)
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
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.connect(path)
        s.sendall(b"r\0\0")  # a request that does not come to its end
        assert asked(server, "status")["connections"] == 0
        assert server.stop() == 0  # nor the end


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_stopped_server_keeps_its_files(server):
    """A command of root works on the store as server.user."""
    os.chmod(server.dir, 0o755)
    server.write("server.user = nobody\n")
    server.add("anna", "blue")
    server.cli("mailbox", "create", "Post", "--user", "anna")
    import pwd
    uid = pwd.getpwnam("nobody").pw_uid
    for folder, _, files in os.walk(os.path.join(server.dir, "data")):
        for name in [folder, *[os.path.join(folder, f) for f in files]]:
            assert os.stat(name).st_uid == uid, name
    assert [u["name"] for u in asked(server, "user", "list")] == ["anna"]


def test_a_faulty_file_beside_a_running_server(server):
    """The server has a sound configuration in force: it can be asked, and says what it thinks of the new one."""
    server.write()
    server.add("anna", "blue")
    server.start()
    server.write("limits.connections = lots\nnosuch = 1\n")
    done = server.cli("reload", ok=False)
    assert done.returncode == 1 and "nothing was changed" in done.stderr and 'not "lots"' in done.stderr
    assert asked(server, "status")["connections"] == 0
    assert [u["name"] for u in asked(server, "user", "list")] == ["anna"]
    with open(server.conf, encoding="utf-8") as f:
        text = f.read()
    # A file that does not say which server is meant leads to none: not to that of the default, either.
    with open(server.conf, "w", encoding="utf-8") as f:
        f.write(text.replace(f"data = {server.dir}/data", "data = [1, 2]"))
    done = server.cli("stop", ok=False)
    assert done.returncode == 1 and "data" in done.stderr and 'not "lots"' in done.stderr
    with open(server.conf, "w", encoding="utf-8") as f:
        f.write(text)
    assert server.cli("stop").stdout == "stopped\n"
    assert server.process.wait(60) == 0
    server.process = None
    assert 'not "lots"' in server.cli("user", "list", ok=False).stderr  # no server: the file has to be sound


def test_restart_needed(server):
    """Told by what runs, not by what was read last."""
    server.write()
    server.start()
    server.write("server.workers = 7\n")
    assert "server.workers" in server.cli("reload").stdout
    assert "server.workers" in server.cli("reload").stdout
    server.write()
    assert "restart" not in server.cli("reload").stdout
