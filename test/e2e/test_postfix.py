# SPDX-License-Identifier: Apache-2.0
"""Postfix delivers: an instance of its own (folder, queue, port on loopback); the system's is never touched."""
import os
import pwd
import re
import shutil
import smtplib
import subprocess
import tempfile
import time

import pytest

from peer import connect, free_port
from server import TOP, Site, wait_for
from test_lmtp import LISTENER, count, imap

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


def documented():
    """The settings for whole domains, as in doc/admin.md."""
    with open(os.path.join(TOP, "doc", "admin.md"), encoding="utf-8") as f:
        section = f.read().split("### Whole domains, and unknown recipients\n")[1].split("\n### ")[0]
    return re.search(r"^    # /etc/postfix/main\.cf\n((?:    .*\n)+)", section, re.M)[1].replace("\n    ", "\n").strip()


class Postfix:
    def __init__(self, transport, settings=""):
        self.dir = tempfile.mkdtemp(prefix="ts-postfix-", dir="/tmp")
        self.port = free_port()
        os.chmod(self.dir, 0o755)
        for name in ("conf", "queue", "data", "log"):
            os.mkdir(os.path.join(self.dir, name))
        shutil.chown(self.dir + "/data", "postfix")
        for name, text in (("main.cf", MAIN), ("master.cf", MASTER)):
            with open(os.path.join(self.dir, "conf", name), "w", encoding="ascii") as f:
                text = text.format(dir=self.dir, port=self.port, transport=transport, programs=PROGRAMS)
                if name == "main.cf" and settings != "":
                    given = re.findall(r"^(\w+) =", settings, re.M)
                    text = "".join(line for line in text.splitlines(True) if line.split(" =")[0] not in given) + settings
                f.write(text)

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
        assert done.returncode == 0, done.stdout + done.stderr + self.log()
        wait_for(self.listens)
        return self

    def listens(self):
        try:
            with connect(self.port):
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


@pytest.fixture(name="mx", params=["port", "socket"])
def server_behind_postfix(request):
    """A server with alice and bob, and a Postfix that delivers to it."""
    server = Site()
    postfix = None
    try:
        os.chmod(server.dir, 0o755)  # Postfix's client is the user postfix
        conf = LISTENER.replace("0640", "0666") % server.dir + "default_domain = one.example\n"
        server.write(conf)
        for user in ("alice", "bob"):
            server.add(user, "pw")
        server.start()
        port = server.port("LMTP")  # the same after a restart
        conf = conf.replace("lmtp; address = 127.0.0.1; port = 0", f"lmtp; address = 127.0.0.1; port = {port}")
        server.write(conf)
        server.postfix = postfix = Postfix(f"lmtp:inet:127.0.0.1:{port}" if request.param == "port"
                                           else f"lmtp:unix:{server.dir}/lmtp.sock")
        postfix.start()
        yield server
    finally:
        if postfix is not None:
            print(postfix.log())
            postfix.stop()
        server.remove()


def test_postfix_delivers(mx):
    for n in range(20):
        mx.postfix.send(f"Subject: n{n}\r\n\r\n.dot\r\nb\u00e4r\r\n".encode(), "alice@one.example", "bob@one.example")
    wait_for(lambda: count(mx) == 20 and count(mx, "bob") == 20, 60)
    got = imap(mx, "bob", "INBOX").ok("FETCH 1 BODY.PEEK[]")[0]
    assert b"\r\n\r\n.dot\r\nb\xc3\xa4r\r\n" in got and b"Return-Path: <alice@one.example>" in got
    assert mx.postfix.log().count("status=sent (250 2.0.0") == 40


def test_mailboxes_of_others(mx):
    """Their names come through Postfix as they are, quoted or not."""
    with imap(mx, "bob") as client:
        client.ok("CREATE Plans")
        client.ok("SETACL Plans alice p")
    mx.postfix.send(b"Subject: shared\r\n\r\n", '"alice+Other Users/bob/Plans"@one.example')
    mx.postfix.send(b"Subject: shared\r\n\r\n", "alice+shared/none/plans@one.example")
    wait_for(lambda: count(mx, "bob", "Plans") == 1 and count(mx) == 1, 60)
    assert count(mx, "bob") == 0


def test_each_recipient_has_a_result(mx):
    """Two of four get it, the others bounce, and the bounce is delivered, too."""
    mx.postfix.send(b"Subject: to four\r\n\r\n", "bob@one.example", "nobody@one.example", "alice@one.example",
                    "none@one.example")
    wait_for(lambda: count(mx) == 2 and count(mx, "bob") == 1, 60)
    log = mx.postfix.log()
    assert log.count("status=sent") == 3 and log.count("status=bounced") == 2 and "status=deferred" not in log
    both = b"".join(imap(mx, "alice", "INBOX").ok("FETCH 1:2 BODY.PEEK[]"))
    assert b"550 5.1.1" in both and b"<nobody@one.example>" in both and b"<none@one.example>" in both


def test_what_is_deferred_comes_later(mx):
    mx.postfix.send(b"Subject: before\r\n\r\n", "alice@one.example", "bob@one.example")
    wait_for(lambda: count(mx, "bob") == 1, 60)
    # A full disk, to the server: 452, then 250.
    mx.stop()
    mx.edit("free_space = 1M", "free_space = 16T")
    mx.start()
    mx.postfix.send(b"Subject: full\r\n\r\n", "alice@one.example", "bob@one.example")
    wait_for(lambda: mx.postfix.log().count("status=deferred") >= 2)
    assert "452 4.3.1" in mx.postfix.log() and count(mx, "bob") == 1
    # The server is down: the queue keeps both.
    mx.stop()
    mx.postfix.send(b"Subject: down\r\n\r\n", "bob@one.example")
    wait_for(lambda: "onnection refused" in mx.postfix.log() or "No such file" in mx.postfix.log())
    mx.edit("free_space = 16T", "free_space = 1M")
    mx.start()
    # A message that was still being delivered when its next turn came waits for a new queue manager.
    assert mx.postfix.command("reload").returncode == 0
    wait_for(lambda: count(mx) == 2 and count(mx, "bob") == 3, 60)
    assert "status=bounced" not in mx.postfix.log()


def refused(postfix, recipient, code):
    """What a stranger gets at RCPT."""
    with smtplib.SMTP("127.0.0.1", postfix.port, timeout=60) as client:
        client.ehlo("client.example")
        client.mail("stranger@elsewhere.example")
        got, text = client.rcpt(recipient)
        return got == code and f"{got} {text.decode()}"


def test_unknown_recipients_are_refused_at_once():
    """With the settings in the document, for the domains one.example and two.example."""
    server, postfix = Site(), None
    try:
        os.chmod(server.dir, 0o755)
        server.write(LISTENER.replace("0640", "0666") % server.dir + "default_domain = one.example\n")
        for user in ("alice", "bob@two.example"):
            server.add(user, "pw")
        server.cli("alias", "add", "team@two.example", "alice")
        server.start()
        settings = documented().replace("example.org, example.net", "one.example, two.example")
        settings = settings.replace("/run/turnstone-lmtp.sock", server.dir + "/lmtp.sock")
        assert "reject_unverified_recipient" in settings and "lmtp.sock" in settings
        # This client is a stranger; the first probe's result is waited for, as Postfix does for six seconds.
        postfix = Postfix("unused", settings + "\nmynetworks = 192.0.2.1/32\naddress_verify_poll_count = 30\n").start()
        for unknown in ("nobody@one.example", "alice@two.example", "bob@one.example"):
            assert "550" in wait_for(lambda to=unknown: refused(postfix, to, 550), 60)
        assert refused(postfix, "someone@elsewhere.example", 554)  # not a relay
        assert refused(postfix, '"alice+shared/bob@two.example/x"@one.example', 554)  # nor for an @ in quotes
        for known in ("alice@one.example", "alice+lists@one.example", "bob@two.example", "team@two.example"):
            wait_for(lambda to=known: refused(postfix, to, 250), 60)
        assert count(server) == 0  # a query is not a message
        postfix.send(b"Subject: hello\r\n\r\n", "alice@one.example", "team@two.example",
                     sender="stranger@elsewhere.example")
        wait_for(lambda: postfix.log().count("status=sent") == 2, 60)
        assert count(server) == 1  # both are alice
        server.stop()
        assert "450" in wait_for(lambda: refused(postfix, "later@one.example", 450), 60)
    finally:
        if postfix is not None:
            print(postfix.log())
            postfix.stop()
        server.remove()
