# SPDX-License-Identifier: Apache-2.0
"""Postfix delivers: an instance of its own (folder, queue, port on loopback); the system's is never touched."""
import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import tempfile
import time

import pytest

from conftest import Server
from test_lmtp import LISTENER, count, imap
from test_service import wait_for

PROGRAMS = "/usr/lib/postfix/sbin"


def why_not():
    if os.geteuid() != 0:
        return "Postfix needs root"
    if shutil.which("postfix", path="/usr/sbin") is None or not os.path.isdir(PROGRAMS):
        return "no postfix"
    try:
        pwd.getpwnam("postfix")
    except KeyError:
        return "no user postfix"
    return ""


pytestmark = pytest.mark.skipif(why_not() != "", reason=why_not() or "-")

MAIN = """\
compatibility_level = 3.6
command_directory = /usr/sbin
daemon_directory = {programs}
queue_directory = {dir}/queue
data_directory = {dir}/data
maillog_file = {dir}/log/mail.log
maillog_file_prefixes = {dir}
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mx.invalid
mydomain = invalid
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = one.example
virtual_transport = {transport}
lmtp_destination_recipient_limit = 50
smtpd_reject_unlisted_recipient = no
smtpd_relay_restrictions = permit_mynetworks, reject
default_transport = error:no mail leaves this test
relay_transport = error:no mail leaves this test
disable_dns_lookups = yes
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
"""
MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


class Postfix:
    def __init__(self, transport):
        self.dir = tempfile.mkdtemp(prefix="ts-postfix-", dir="/tmp")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        os.chmod(self.dir, 0o755)
        for name in ("conf", "queue", "data", "log"):
            os.mkdir(os.path.join(self.dir, name))
        shutil.chown(self.dir + "/data", "postfix")
        for name, text in (("main.cf", MAIN), ("master.cf", MASTER)):
            with open(os.path.join(self.dir, "conf", name), "w", encoding="ascii") as f:
                f.write(text.format(dir=self.dir, port=self.port, transport=transport, programs=PROGRAMS))

    def command(self, *args):
        return subprocess.run(["/usr/sbin/postfix", "-c", self.dir + "/conf", *args], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=60, check=False)

    def log(self):
        try:
            with open(self.dir + "/log/mail.log", encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def start(self):
        done = self.command("start")
        if done.returncode != 0:
            pytest.skip("postfix does not start here: " + (done.stdout + done.stderr + self.log()).strip()[-400:])
        wait_for(self.listens)
        return self

    def listens(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=10):
                return True
        except OSError:
            return False

    def send(self, text, *recipients, sender="alice@one.example"):
        with smtplib.SMTP("127.0.0.1", self.port, timeout=60) as client:
            assert not client.sendmail(sender, recipients, text)

    def stop(self):
        self.command("stop")
        end = time.monotonic() + 30
        while self.command("status").returncode == 0 and time.monotonic() < end:
            time.sleep(0.1)
        shutil.rmtree(self.dir, ignore_errors=True)


@pytest.mark.parametrize("way", ["port", "socket"])
def test_postfix_delivers(way):
    server = Server()
    postfix = None
    try:
        os.chmod(server.dir, 0o755)  # Postfix's client is the user postfix
        conf = (LISTENER % server.dir).replace("0640", "0666") + "default_domain = one.example\n"
        server.write(conf)
        server.add("alice", "pw")
        server.add("bob", "pw")
        server.start()
        port = server.port("LMTP")
        server.write(conf.replace("protocol = lmtp; address = 127.0.0.1; port = 0",
                                  f"protocol = lmtp; address = 127.0.0.1; port = {port}"))
        postfix = Postfix(f"lmtp:inet:127.0.0.1:{port}" if way == "port" else f"lmtp:unix:{server.dir}/lmtp.sock")
        postfix.start()
        for n in range(20):
            postfix.send(f"Subject: n{n}\r\n\r\n.dot\r\nb\u00e4r\r\n".encode(), "alice@one.example", "bob@one.example")
        wait_for(lambda: count(server) == 20 and count(server, "bob") == 20, 60)
        got = imap(server, "bob", "INBOX").ok("FETCH 1 BODY.PEEK[]")[0]
        assert b"\r\n\r\n.dot\r\nb\xc3\xa4r\r\n" in got and b"Return-Path: <alice@one.example>" in got
        # Who is not here bounces, and the bounce is delivered, too.
        postfix.send(b"Subject: lost\r\n\r\n", "nobody@one.example")
        wait_for(lambda: count(server) == 21, 60)
        assert b"550 5.1.1" in imap(server, "alice", "INBOX").ok("FETCH 21 BODY.PEEK[]")[0]
        # A server that is down: it waits in the queue, and comes later.
        server.stop()
        postfix.send(b"Subject: later\r\n\r\n", "bob@one.example")
        wait_for(lambda: "status=deferred" in postfix.log())
        server.start()
        wait_for(lambda: count(server, "bob") == 21, 60)
    except AssertionError:
        print(postfix.log() if postfix else "", server.log())
        raise
    finally:
        if postfix is not None:
            postfix.stop()
        server.remove()
