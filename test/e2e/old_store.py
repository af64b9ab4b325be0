# SPDX-License-Identifier: Apache-2.0
"""Stores that older programs made, for test_migrate.py.

	python3 test/e2e/old_store.py PROGRAM OUT.tar.xz [DELETED]

runs that `turnstone` in a folder of its own, fills its store over IMAP and LMTP, kills it in the
middle of what it has to remove, and packs the data folder together with what IMAP showed before.
DELETED mailboxes (600 for format 1, which kept a tombstone of each) come and go.  A format is a
program of its time: 1 is d7e768c^, 2 is cdfb17f^, 3 is 3327e64^, 4 is d98c64b.
"""
import hashlib
import imaplib
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import time

USERS = ("alice", "bob", "carol")
PASSWORD = "pw"
CONF = """\
server {{ data = {0}/data; loops = 1 }}
store {{ free_space = 1M; write_buffer = 1M; blob_threshold = 64K }}
plaintext_login = loopback
listener imap {{ address = 127.0.0.1; port = 0; tls = starttls }}
listener lmtp {{ protocol = lmtp; path = {0}/lmtp.sock; mode = 0600 }}
"""
LITERAL = re.compile(rb"\{(\d+)\}$")


def message(number, size=200):
    text = random.Random(number).choice("abcdefgh") * size
    return (f"From: {number}@example.net\r\nSubject: message {number}\r\nMessage-ID: <{number}@x>\r\n\r\n"
            f"{text}\r\n").encode()


def connect(port, user):
    client = imaplib.IMAP4("127.0.0.1", port, timeout=60)
    client.login(user, PASSWORD)
    return client


def show_mailbox(client, name):
    _, data = client.select(f'"{name}"', readonly=True)
    _, found = client.fetch("1:*", "(UID FLAGS INTERNALDATE BODY.PEEK[])") if int(data[0]) > 0 else (None, [])
    shown = []
    for item in found:
        if not isinstance(item, tuple):
            continue
        head = item[0].decode()
        flags = sorted(f for f in re.search(r"FLAGS \(([^)]*)\)", head).group(1).split() if f != "\\Recent")
        shown.append([int(re.search(r"UID (\d+)", head).group(1)), flags,
                      re.search(r'INTERNALDATE "([^"]*)"', head).group(1),
                      hashlib.sha256(item[1]).hexdigest()])
    _, status = client.status(f'"{name}"', "(UIDVALIDITY UIDNEXT)")
    return [re.search(rb"\(([^)]*)\)", status[0]).group(1).decode(), shown]


def show(port):
    """Everything that IMAP shows of all users: mailboxes, subscriptions, messages, flags."""
    everything = {}
    for user in USERS:
        client = connect(port, user)
        names = sorted(line.decode().split(' "/" ')[1].strip('"') for line in client.list()[1])
        subscribed = sorted(line.decode().split(' "/" ')[1].strip('"') for line in client.lsub()[1] if line)
        everything[user] = {"mailboxes": {name: show_mailbox(client, name) for name in names},
                            "subscribed": subscribed}
        client.logout()
    return everything


class Program:
    def __init__(self, program):
        self.program, self.dir = program, tempfile.mkdtemp(prefix="ts-", dir="/tmp")
        self.conf, self.ready = self.dir + "/t.conf", self.dir + "/ports"
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(CONF.format(self.dir))
        self.process = None

    def cli(self, *args, stdin=""):
        return subprocess.run([self.program, *args, "--config", self.conf], input=stdin, text=True, check=True,
                              capture_output=True, timeout=60)

    def start(self):
        self.process = subprocess.Popen([self.program, "serve", "--config", self.conf, "--ready-file", self.ready],
                                        stdin=subprocess.DEVNULL)
        while not os.path.exists(self.ready):
            assert self.process.poll() is None
            time.sleep(0.01)
        with open(self.ready, encoding="ascii") as f:
            return int(dict(line.strip().split("=", 1) for line in f)["IMAP_PORT"])


def deliver(path, recipients, data):
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(60)
        s.connect(path)
        f = s.makefile("rb")
        lines = ["LHLO x", "MAIL FROM:<a@example.net>", *[f"RCPT TO:<{r}>" for r in recipients], "DATA"]
        for line in [None, *lines]:
            if line is not None:
                s.sendall(line.encode() + b"\r\n")
            reply = f.readline()
            while reply[3:4] == b"-":
                reply = f.readline()
            assert reply[:1] in b"23", reply
        s.sendall(data + b".\r\n")
        for _ in recipients:
            reply = f.readline()
            assert reply.startswith(b"250"), reply


def fill(site, port, deleted):
    alice, bob = connect(port, "alice"), connect(port, "bob")
    connect(port, "carol").logout()
    for name in ("Work", "Work/Done", "Old", "Sent"):
        alice.create(name)
        alice.subscribe(name)
    for i in range(40):
        flags = ["", "(\\Seen)", "(\\Flagged work)", "(\\Answered $Label1)"][i % 4]
        assert alice.append(["INBOX", "Work"][i % 2], flags, None, message(i))[0] == "OK"
        if i % 8 == 0:
            bob.append("INBOX", flags, None, message(100 + i))
    alice.append("Work", None, None, message(50, 200000))
    deliver(site.dir + "/lmtp.sock", USERS, message(60))
    deliver(site.dir + "/lmtp.sock", ["bob", "carol"], message(61, 200000))
    alice.select("INBOX")
    for i in range(520):  # enough to be folded
        alice.store(str(i % 9 + 1), "+-"[i // 9 % 2] + "FLAGS.SILENT", "(\\Draft)")
    alice.copy("1:5", "Work/Done")
    alice.append("Old", None, None, message(70))
    alice.append("Old", None, None, message(71))
    for i in range(deleted):
        bob.create(f"t{i}")
        bob.delete(f"t{i}")
    alice.copy("1:3", "Old")
    alice.uid("STORE", "2,4", "+FLAGS", "(\\Deleted)")
    alice.expunge()
    alice.delete("Sent")
    bob.create("a/b")
    bob.rename("a", "c")
    return alice


def make(program, out, deleted="3"):
    site = Program(program)
    try:
        for user in USERS:
            site.cli("user", "add", user, "--password-stdin", stdin=PASSWORD + "\n")
        port = site.start()
        alice = fill(site, port, int(deleted))
        alice.delete("Old")
        expected = show(port)
        bob = connect(port, "bob")
        bob.select("INBOX")
        bob.store("1", "+FLAGS", "(\\Deleted)")
        expected["bob"]["mailboxes"]["INBOX"][1].pop(0)
        bob.expunge()
        site.process.send_signal(signal.SIGKILL)  # what was removed is in the queue yet
        site.process.wait()
        with open(site.dir + "/data/expected.json", "w", encoding="ascii") as f:
            json.dump(expected, f, sort_keys=True)
        with tarfile.open(out, "w:xz") as tar:
            tar.add(site.dir + "/data/store", "data/store")
            tar.add(site.dir + "/data/expected.json", "data/expected.json")
    finally:
        if site.process is not None and site.process.poll() is None:
            site.process.kill()
        shutil.rmtree(site.dir)


if __name__ == "__main__":
    make(*sys.argv[1:])
