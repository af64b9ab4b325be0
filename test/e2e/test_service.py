# SPDX-License-Identifier: Apache-2.0
"""The server as a service: its user, its sandbox, reload, signals, descriptors, systemd's protocol."""
import ctypes
import os
import pwd
import re
import resource
import signal
import socket
import time

import pytest

from ca import self_signed
from imap import Imap
from lmtp import Lmtp
from peer import connect
from server import SANITIZED, status_of, wait_for


ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
BOX = pytest.mark.skipif(SANITIZED, reason="a sanitizer needs what the sandbox takes away")
PASSWORD = "blue sea"


def login(server, tls=False):
    return server.login("anna", PASSWORD, tls)


def make_pair(folder, name):
    """A self-signed certificate and its key."""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    self_signed(cert + ".new", key + ".new", name)
    os.chmod(key + ".new", 0o644)
    os.rename(key + ".new", key)
    os.rename(cert + ".new", cert)


# ---- user and sandbox ----


def boxed(server, more=""):
    """Gives the server's folder to nobody and writes a configuration with server.user."""
    os.chown(server.dir, *nobody())
    server.write("server.user = nobody\nstore.blob_threshold = 64K\n" + more)
    return server


def nobody():
    pw = pwd.getpwnam("nobody")
    return pw.pw_uid, pw.pw_gid


@ROOT
@BOX
def test_user_and_sandbox(server):
    certs = os.path.join(server.dir, "certs")
    os.mkdir(certs)
    make_pair(certs, "first.example")
    boxed(server, f"tls {{ certificate = {certs}/cert.pem; key = {certs}/key.pem }}\n").start()
    server.add("anna", PASSWORD)
    uid, gid = nobody()
    for task in os.listdir(f"/proc/{server.pid}/task"):
        try:
            status = status_of(task)
        except FileNotFoundError:  # that thread had a connection, which is over
            continue
        assert status["Uid"].split() == [str(uid)] * 4
        assert status["Gid"].split() == [str(gid)] * 4
        assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2"
        assert all(int(status[cap], 16) == 0 for cap in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"))
    shown = server.cli("status", "--all").stdout
    assert "sandbox_seccomp: yes" in shown
    client = login(server)
    for i in range(4):  # beyond the threshold: files of their own
        client.append("INBOX", f"Subject: {i}\r\n\r\n" + "x" * 78 * 4000)
    client.ok("SELECT INBOX")
    assert len(client.ok("FETCH 1:4 BODY[]")) == 5
    old = server.certificate()
    make_pair(certs, "second.example")
    assert "read again" in server.cli("reload").stdout
    assert server.certificate() != old
    client.ok("NOOP")
    client.close()
    assert server.stop() == 0
    server.start()
    client = login(server, tls=True)
    assert b"* 4 EXISTS" in client.ok("SELECT INBOX")
    client.close()
    assert server.stop() == 0
    owners = {os.stat(os.path.join(d, f)).st_uid for d, _, files in os.walk(server.dir + "/data") for f in files}
    assert owners == {uid}


@ROOT
def test_user_that_is_missing_or_root(server):
    server.write("server.user = no-such-user\n")
    assert "there is no user no-such-user" in server.cli("serve", ok=False).stderr
    server.write("server.user = root\n")
    assert "is root" in server.cli("serve", ok=False).stderr
    assert not os.path.exists(server.dir + "/data/store")


@BOX
def test_sandbox_without_a_user(server):
    server.write("server.sandbox = require\n")
    server.start()
    server.add("anna", PASSWORD)
    status = status_of(server.pid)
    assert status["Seccomp"] == "2" and status["NoNewPrivs"] == "1"
    login(server).append("INBOX", "Subject: x\r\n\r\nx\r\n")
    assert server.stop() == 0


# ---- reload, signals ----


def test_reload_with_open_connections(server):
    certs = os.path.join(server.dir, "certs")
    os.mkdir(certs)
    make_pair(certs, "first.example")
    tls = f"tls {{ certificate = {certs}/cert.pem; key = {certs}/key.pem }}\n"
    server.write(tls)
    server.start()
    server.add("anna", PASSWORD)
    old = login(server, tls=True)
    before = server.certificate()
    make_pair(certs, "second.example")
    server.write(tls + "limits.connections = 1\n")
    server.reload()
    old.ok("NOOP")  # goes on
    refused = server.client()
    assert refused.greeting.startswith(b"* BYE"), refused.greeting
    server.write(tls)
    assert server.cli("reload").returncode == 0
    current = server.certificate()
    assert current != before
    # Invalid files: what is in force stays.
    server.write("limits.connections = many\n")
    done = server.cli("reload", ok=False)
    assert done.returncode == 1
    assert f"{server.conf}:6: limits.connections" in done.stdout + done.stderr
    assert server.certificate() == current
    server.write(tls)
    with open(certs + "/cert.pem", "w", encoding="ascii") as f:
        f.write("no certificate\n")
    count = server.log().count("nothing was changed")
    server.send_signal(signal.SIGHUP)
    wait_for(lambda: server.log().count("nothing was changed") > count)
    assert f"{server.conf}:6: tls.certificate" in server.log()
    assert server.certificate() == current
    old.ok("NOOP")
    old.close()
    assert server.stop() == 0


def test_second_signal_quits_at_once(server):
    server.start()
    # The second arrives before the end, or after it: either way the server ends without a crash.
    server.send_signal(signal.SIGTERM)
    server.send_signal(signal.SIGTERM)
    assert server.gone() in (0, 1)


# ---- descriptors ----


def start_with_few(server, soft, hard):
    # As another user, root could raise its limit; a hard limit without CAP_SYS_RESOURCE holds.
    server.start(front=["setpriv", "--bounding-set", "-sys_resource", "--inh-caps", "-sys_resource"],
                 preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)))


@pytest.mark.parametrize("soft", [120, 4000])
def test_defaults_warn_of_no_descriptors(server, soft):
    """Nobody asked for 20,000 connections: the process's limit must suffice."""
    start_with_few(server, soft, 4000)
    with open(f"/proc/{server.pid}/limits", encoding="ascii") as f:
        assert re.search(r"^Max open files +4000 +4000 ", f.read(), re.M)
    assert "limits.connections" not in server.log() and "warning" not in server.log()


def test_out_of_descriptors(server):
    server.write("limits.connections = 20000\n")
    few = 120
    start_with_few(server, few, few)
    assert (f"limits.connections is 20000 and lmtp.limits.connections 1000, which needs 22024 open files, "
            f"but the process may have {few}: ") in server.log()
    assert "LimitNOFILE" in server.log()
    socks = [connect(server.port("IMAP")) for _ in range(few)]
    wait_for(lambda: "connections wait: cannot accept" in server.log())

    def ticks():
        with open(f"/proc/{server.pid}/stat", encoding="ascii") as f:
            return sum(map(int, f.read().rsplit(")", 1)[1].split()[11:13]))

    start = ticks()
    time.sleep(1)
    assert ticks() - start < 50  # of 100: it pauses, it does not spin
    assert server.log().count("cannot accept") <= 2
    for s in socks[:-1]:
        s.close()
    assert socks[-1].recv(10).startswith(b"* OK")  # the last had waited
    socks[-1].close()
    # Logged again if it still applies after a reload; with a limit that fits, not any more.
    server.write("limits.connections = 21000\n")
    server.cli("reload")
    wait_for(lambda: "limits.connections is 21000 and" in server.log())
    assert server.stop() == 0


# ---- systemd's protocol ----


class Manager:
    """systemd's end of NOTIFY_SOCKET."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "notify")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(self.path)
        os.chmod(self.path, 0o777)
        self.sock.settimeout(30)

    def wait(self, word):
        while True:
            lines = self.sock.recv(4096).decode().split("\n")
            if word in lines:
                return lines

    def drain(self):
        """What has arrived so far."""
        said = []
        self.sock.setblocking(False)
        try:
            while True:
                said.append(self.sock.recv(4096).decode())
        except BlockingIOError:
            return said
        finally:
            self.sock.settimeout(30)


LAUNCHER = """\
import os, sys
fds = [os.dup2(int(f), 100 + i) for i, f in enumerate(sys.argv[1].split(","))] if sys.argv[1] else []
for i, f in enumerate(fds):
    os.dup2(f, 3 + i)
if fds:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=sys.argv[2])
os.execv(sys.argv[3], sys.argv[3:])
"""


def start_as_service(server, env, fds=(), names=""):
    """As systemd does: the sockets from descriptor 3 on, LISTEN_PID the process itself."""
    return server.start(wait=False, front=["/usr/bin/python3", "-c", LAUNCHER, ",".join(str(f) for f in fds), names],
                        pass_fds=fds, env={**os.environ, **env})


@pytest.mark.parametrize("user", [pytest.param(True, marks=ROOT, id="boxed"), pytest.param(False, id="plain")])
def test_sockets_handed_over_and_notifications(server, user):
    if user:
        boxed(server)
    manager = Manager(server.dir)
    socks = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    start_as_service(server, {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "300000"},
                     [s.fileno() for s in socks], "imap:imaps:imap")
    manager.wait("READY=1")
    server.add("anna", PASSWORD)
    assert server.port("IMAPS") == socks[1].getsockname()[1]
    for s in (socks[0], socks[2]):
        with Imap(s.getsockname()[1]) as c:
            assert c.greeting.startswith(b"* OK")
    assert server.certificate()
    for _ in range(3):
        manager.wait("WATCHDOG=1")
    server.send_signal(signal.SIGHUP)
    assert any(line.startswith("MONOTONIC_USEC=") for line in manager.wait("RELOADING=1"))
    manager.wait("READY=1")
    for s in socks:
        s.close()
    server.send_signal(signal.SIGTERM)
    manager.wait("STOPPING=1")
    assert server.gone() == 0


def test_unix_socket_handed_over(server):
    """Like turnstone-lmtp.socket: the socket is systemd's, with its owner and mode, and stays."""
    path = os.path.join(server.dir, "lmtp.sock")
    server.write(f"listener lmtp {{ protocol = lmtp; path = {path}; group = no-such-group }}\nlmtp.domains = [x.example]\n")
    server.add("anna", PASSWORD)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
        sock.listen()
        os.chmod(path, 0o660)
        start_as_service(server, {}, [sock.fileno()], "lmtp")
        server.wait_ready()
        with Lmtp(path) as lmtp:
            assert lmtp.deliver(b"Subject: x\r\n\r\nx\r\n", "anna")["anna"].startswith("250 ")
        assert f"listener_lmtp_socket: {path}" in server.cli("status", "--all").stdout
        assert server.stop() == 0
        assert os.stat(path).st_mode & 0o777 == 0o660


class Held:
    """The threads of a process that wait in epoll, its loops, stopped one by one (ptrace); all others go on."""

    # epoll_wait and its variants
    EPOLL = ("232", "281", "441") if os.uname().machine == "x86_64" else ("22", "441")
    SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

    def __init__(self, pid):
        self.libc = ctypes.CDLL(None, use_errno=True)
        self.libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        self.libc.ptrace.restype = ctypes.c_long
        self.tids = []
        for tid in sorted(int(t) for t in os.listdir(f"/proc/{pid}/task")):
            with open(f"/proc/{pid}/task/{tid}/syscall", encoding="ascii") as f:
                call = f.read().split()[0]
            if tid != pid and call in self.EPOLL:
                if self.libc.ptrace(self.SEIZE, tid, None, None) != 0:
                    self.release()
                    pytest.skip(f"ptrace: {os.strerror(ctypes.get_errno())}")
                self.libc.ptrace(self.INTERRUPT, tid, None, None)
                os.waitpid(tid, self.WALL)
                self.tids.append(tid)
        if not self.tids:
            pytest.skip("the kernel does not tell which threads wait in epoll")

    def release(self):
        for tid in self.tids:
            self.libc.ptrace(self.DETACH, tid, None, None)


def test_watchdog_is_not_fed_when_loops_are_stuck(server):
    manager = Manager(server.dir)
    start_as_service(server, {"NOTIFY_SOCKET": manager.path, "WATCHDOG_USEC": "300000"})
    manager.wait("READY=1")
    manager.wait("WATCHDOG=1")
    held = Held(server.pid)
    try:
        stuck = "a loop is not responding"
        wait_for(lambda: server.log().count(stuck) >= 1)
        manager.drain()
        wait_for(lambda: server.log().count(stuck) >= 2)
        assert not any("WATCHDOG=1" in said for said in manager.drain())
    finally:
        held.release()
    manager.wait("WATCHDOG=1")
    assert server.stop() == 0


def test_socket_that_no_listener_wants(server):
    sock = socket.create_server(("127.0.0.1", 0))
    start_as_service(server, {}, [sock.fileno()], "pop3")
    assert server.gone() == 1
    assert "there is no listener pop3" in server.log()
