# SPDX-License-Identifier: Apache-2.0
"""The command line: configuration, users with and without a running server, start and end."""
import os
import signal
import socket
import stat
import subprocess

import pytest

from ca import self_signed
from peer import connect
from server import TURNSTONE, give, wait_for


def run(*args):
    return subprocess.run([TURNSTONE, *args], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("args", [(), ("nonsense",), ("user",), ("user", "nonsense"), ("user", "add"),
                                  ("user", "add", "a", "b"), ("user", "list", "--nonsense"),
                                  ("serve", "--config"), ("version", "--json"), ("demo-site",),
                                  ("demo-site", "/tmp/x", "--users", "many")])
def test_wrong_usage(args):
    done = run(*args)
    assert done.returncode == 2
    assert done.stdout == "" and "turnstone" in done.stderr


@pytest.mark.parametrize("args, says", [(("help",), "usage: turnstone COMMAND"), (("--help",), "usage: turnstone COMMAND"),
                                        (("help", "serve"), "turnstone serve [OPTIONS]"),
                                        (("help", "user"), "  user add         add a user"),
                                        (("help", "user", "add"), "turnstone user add NAME [OPTIONS]"),
                                        (("user", "add", "--help"), "turnstone user add NAME [OPTIONS]")])
def test_help(args, says):
    done = run(*args)
    assert done.returncode == 0 and done.stderr == ""
    assert says in done.stdout.splitlines() or done.stdout.startswith(says)


def test_config_faults_all_at_once(server):
    with open(server.conf, "w", encoding="utf-8") as f:
        f.write("server.loops = many\n"
                "nonsense = 1\n"
                "\n"
                "tls { certificate = /nonexistent/cert.pem }\n"
                "listener imap { port = 70000 }\n"
                "limits.line = 64K\n")
    done = server.cli("config", "check", ok=False)
    lines = done.stderr.splitlines()
    for number, option in [(1, "server.loops"), (2, "nonsense"), (4, "tls.certificate"), (5, "port")]:
        assert any(line.startswith(f"{server.conf}:{number}:") and option in line for line in lines), (option, lines)
    assert len(lines) == 4
    assert server.cli("serve", ok=False).stderr == done.stderr
    assert server.cli("user", "list", ok=False).stderr == done.stderr


def test_bad_certificate_names_its_line(server):
    bad = os.path.join(server.dir, "bad.pem")
    with open(bad, "w", encoding="ascii") as f:
        f.write("no certificate\n")
    server.write(f"tls.certificate = {bad}\n")
    done = server.cli("config", "check", ok=False)
    assert done.stderr.startswith(f"{server.conf}:6: tls.certificate"), done.stderr


def test_config_show_and_defaults(server):
    assert "loops = 2" in server.cli("config", "show").stdout
    defaults = run("config", "defaults").stdout
    assert "unauthenticate" in defaults and "server" in defaults
    sample = os.path.join(server.dir, "sample.conf")
    with open(sample, "w", encoding="utf-8") as f:
        f.write(defaults)
    assert run("config", "check", "--config", sample).returncode == 0


@pytest.mark.parametrize("running", [False, True], ids=["offline", "running"])
def test_users(server, running):
    if running:
        server.start()
    server.add("Anna", "blue sea")
    server.add("gate", "gold", "--acts-for", "*", "--admin")
    assert "exists already" in server.cli("user", "add", "anna", "--password-stdin", stdin="x\n", ok=False).stderr
    assert server.cli("user", "list").stdout == "anna\ngate admin acts-for=*\n"
    shown = server.cli("user", "show", "gate").stdout
    assert "acts for: *" in shown and "yescrypt" in shown and "SCRAM-SHA-256" in shown
    if running:
        assert server.lets_in("anna", "blue sea")
        assert not server.lets_in("anna", "wrong")
    server.cli("user", "passwd", "anna", "--password-stdin", stdin="green\n")
    if not running:
        server.start()
    assert not server.lets_in("anna", "blue sea")
    assert server.lets_in("anna", "green")
    server.cli("user", "disable", "anna")
    assert not server.lets_in("anna", "green")
    server.cli("user", "enable", "anna")
    assert server.lets_in("anna", "green")
    if not running:
        assert server.stop() == 0
    server.cli("user", "delete", "anna", "--purge")
    assert server.cli("user", "list").stdout == "gate admin acts-for=*\n"
    assert "no user anna" in server.cli("user", "delete", "anna", ok=False).stderr
    if running:
        assert not server.lets_in("anna", "green")
        assert server.stop() == 0


def test_password_file_and_hash(server):
    secret = os.path.join(server.dir, "secret")
    with open(secret, "w", encoding="utf-8") as f:
        f.write("from a file\n")
    server.cli("user", "add", "anna", "--password-file", secret)
    made = server.cli("passwd", "--password-file", secret, config=False).stdout.strip()
    assert made.startswith("$y$")
    server.cli("user", "add", "bert", "--hash", made)
    assert "crypt(3)" in server.cli("user", "add", "carl", "--hash", "rubbish", ok=False).stderr
    assert server.cli("user", "add", "carl", ok=False).stderr  # no terminal to ask
    server.start()
    assert server.lets_in("anna", "from a file")
    assert server.lets_in("bert", "from a file")


def test_bulk(server):
    done = server.cli("user", "bulk", "--prefix", "user", "--from", "1", "--to", "3000", "--password-stdin",
                      stdin="crowd\n")
    assert done.stdout == "3000 users added\n"
    server.start()
    assert "9 users added" in server.cli("user", "bulk", "--prefix", "user", "--from", "2992", "--to", "3009",
                                        "--password-stdin", stdin="other\n").stdout
    assert server.lets_in("user0001", "crowd")
    assert server.lets_in("user3000", "crowd")
    assert server.lets_in("user3009", "other")
    assert len(server.cli("user", "list").stdout.splitlines()) == 3009


def test_double_start_is_refused(server):
    server.start()
    done = server.cli("serve", ok=False)
    assert done.returncode == 1
    assert "data/store" in done.stderr, done.stderr
    server.add("anna", "blue")
    assert server.lets_in("anna", "blue")


def test_tool_beside_a_server_without_control_socket(server):
    """The store's lock holds even when the server cannot be asked."""
    server.start()
    os.unlink(os.path.join(server.dir, "data", "control.sock"))
    assert "data/store" in server.cli("user", "list", ok=False).stderr


@pytest.mark.parametrize("signo", [signal.SIGTERM, signal.SIGINT])
def test_clean_end(server, signo):
    server.add("anna", "blue")
    server.start()
    client = server.login("anna")
    assert server.stop(signo) == 0
    assert client.read_line().startswith(b"* BYE") and client.rest() == b""
    assert not os.path.exists(os.path.join(server.dir, "data", "control.sock"))
    assert server.log().rstrip().endswith("stopped")
    server.start()
    assert server.lets_in("anna", "blue")


def test_starts_after_sigkill(server):
    server.add("anna", "blue")
    server.start()
    server.stop(signal.SIGKILL)
    assert server.cli("user", "list").stdout == "anna\n"
    server.start()
    assert server.lets_in("anna", "blue")


def test_status_stop_and_socket_mode(server):
    assert "no server is running" in server.cli("status", ok=False).stderr
    server.start()
    mode = os.stat(os.path.join(server.dir, "data", "control.sock")).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o600
    pid = server.pid
    assert f"pid: {pid}\n" in server.cli("status", "--all").stdout
    status = server.asked("status")
    assert status["pid"] == pid and status["connections"] == 0 and status["loops"] == 2
    assert status["listener_imap"] == server.port("IMAP")
    assert server.cli("stop").stdout == "stopped\n"
    assert server.process.wait(10) == 0


def make_certificate(server, name):
    self_signed(server.dir + "/cert.pem", server.dir + "/key.pem", name)
    for name in ("key.pem", "cert.pem"):  # a reload reads them as the server's user
        give(os.path.join(server.dir, name))


@pytest.mark.parametrize("how", ["signal", "command"])
def test_certificate_reload(server, how):
    make_certificate(server, "one")
    server.write(f"tls {{ certificate = {server.dir}/cert.pem; key = {server.dir}/key.pem }}\n")
    server.start()
    first = server.certificate()
    make_certificate(server, "two")
    assert server.certificate() == first
    if how == "signal":
        server.send_signal(signal.SIGHUP)
        wait_for(lambda: "read again" in server.log())
    else:
        assert "read again" in server.cli("reload").stdout
    second = server.certificate()
    assert second != first
    with open(os.path.join(server.dir, "cert.pem"), "w", encoding="ascii") as f:
        f.write("broken\n")
    done = server.cli("reload", ok=False)
    assert "cert.pem" in done.stderr and "nothing was changed" in done.stderr
    assert server.certificate() == second


def test_reload_of_options(server):
    server.start()
    server.write("server.workers = 7\nlimits.line = 32K\n")
    assert "server.workers" in server.cli("reload").stdout
    server.write("limits.line = 1\n")
    done = server.cli("reload", ok=False)
    assert f"{server.conf}:6:" in done.stderr


def test_self_signed_without_configuration(server):
    server.start()
    ca = os.path.join(server.dir, "data", "tls", "ca.pem")
    done = subprocess.run(["openssl", "s_client", "-CAfile", ca, "-verify_return_error", "-connect",
                           f"127.0.0.1:{server.port('IMAPS')}", "-verify_ip", "127.0.0.1"],
                          input="", capture_output=True, text=True, timeout=60, check=False)
    assert "Verify return code: 0" in done.stdout


def test_foreign_bytes_on_the_control_socket(server):
    server.start()
    path = os.path.join(server.dir, "data", "control.sock")
    for data in [b"\n\n", b"user-add\nname\n\n", b"user-add\nname %zz\n\n", b"x\n" * 100000, b"no-such-verb\n\n",
                 b"user-add\n" + b"acts-for x\n" * 600 + b"\n"]:
        with connect(path) as s:
            try:
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                assert not s.recv(100).startswith(b"ok")
            except (BrokenPipeError, ConnectionResetError):
                pass
    assert server.cli("status", "--all").stdout


def test_demo_site(server):
    site = os.path.join(server.dir, "site")
    assert run("demo-site", site, "--users", "70").returncode == 0
    names = ["turnstone.conf", "ca.pem", "cert.pem", "key.pem", "passwords.env"]
    before = [open(os.path.join(site, n), encoding="utf-8").read() for n in names]
    passwords = dict(line.split("=", 1) for line in before[4].split())
    assert sorted(passwords) == ["ALICE_PASSWORD", "BOB_PASSWORD", "GATEWAY_PASSWORD", "USER_PASSWORD"]
    assert all(p.isalnum() and p.isascii() for p in passwords.values())
    server.conf = os.path.join(site, "turnstone.conf")

    def messages(user, name):
        with server.login(user, passwords[name]) as client:
            return int(client.ok("STATUS INBOX (MESSAGES)")[0].split(b"MESSAGES ")[1].split(b")")[0])

    server.start()
    assert messages("alice", "ALICE_PASSWORD") > 40
    assert messages("bob", "BOB_PASSWORD") > 40
    assert messages("user0001", "USER_PASSWORD") == 1
    assert messages("user0070", "USER_PASSWORD") == 1
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    assert run("demo-site", site, "--users", "80").returncode == 0
    assert before == [open(os.path.join(site, n), encoding="utf-8").read() for n in names]
    server.start()
    assert messages("alice", "ALICE_PASSWORD") > 40
    assert messages("user0070", "USER_PASSWORD") == 1
    assert messages("user0080", "USER_PASSWORD") == 1


def test_the_control_socket_takes_no_other_files_place(server):
    path = os.path.join(server.dir, "precious")
    with open(path, "w", encoding="ascii") as f:
        f.write("kept")
    server.write(f"server.control = {path}")
    server.start(wait=False)
    assert server.gone() != 0
    with open(path, encoding="ascii") as f:
        assert f.read() == "kept"
