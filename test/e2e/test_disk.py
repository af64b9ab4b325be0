# SPDX-License-Identifier: Apache-2.0
"""A disk that is full, read-only or broken: writes are refused with the right words, reading continues, and
when the disk works again, so do writes."""
import errno
import os
import subprocess
import threading
import time

import pytest

from server import TOP, Site, give, wait_for

MESSAGE = b"Subject: %s\r\n\r\n" + b"sea " * 500 + b"\r\n"
MORE = """store.free_space = 1M
listener lmtp { protocol = lmtp; address = 127.0.0.1; port = 0 }
unauthenticate = everyone
"""


class Mail:
    """What was acknowledged, and a reading client."""

    def __init__(self, server):
        self.server, self.count, self.kept, self.unknown = server, 0, [], []
        for user in ("anna", "bo"):
            server.add(user, "pw")
            # The first login makes an account, which is a write.
            server.cli("mailbox", "create", "Work", "--user", user)

    def login(self, user="anna"):
        return self.server.login(user)

    def append(self, client):
        """The tagged answer."""
        self.count += 1
        subject = b"m%d" % self.count
        message = MESSAGE % subject
        try:
            client.send(b"p1 APPEND INBOX {%d+}\r\n%s\r\n" % (len(message), message))
            line = client.until("p1")[-1]
        except (EOFError, ConnectionError):
            # What was in progress when the disk failed is neither acknowledged nor refused.
            self.unknown.append(subject)
            return b"* BYE"
        if line.startswith(b"p1 OK"):
            self.kept.append(subject)
        return line

    def deliver(self):
        with self.server.lmtp() as lmtp:
            lmtp.cmd("MAIL FROM:<f@x.example>")
            reply = lmtp.cmd("RCPT TO:<anna>")
            if reply[0] != "2":
                return reply
            assert lmtp.cmd("DATA")[0] == "3"
            self.count += 1
            subject = b"m%d" % self.count
            lmtp.send(MESSAGE % subject + b".\r\n")
            reply = lmtp.reply()
            if reply[0] == "2":
                self.kept.append(subject)
            return reply

    def all_is_there(self):
        """Reads on a new connection, and after a switch of users; nothing refused may be partly there."""
        client = self.login("bo")
        client.ok("UNAUTHENTICATE")
        client.ok("LOGIN anna pw")
        client.ok("SELECT INBOX")
        got = b"".join(client.ok("UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (SUBJECT)] RFC822.SIZE)"))
        for subject in self.kept:
            assert b"Subject: " + subject + b"\r\n" in got, subject
        client.ok("UID SEARCH BODY sea")
        client.close()

    def works_again(self):
        client = self.login()
        wait_for(lambda: self.append(client).startswith(b"p1 OK"), 60)
        client.ok("SELECT INBOX")
        wait_for(lambda: client.run("STORE 1 +FLAGS (\\Flagged)")[-1].split()[1] == b"OK", 60)
        client.close()
        wait_for(lambda: self.deliver().startswith("250"), 60)
        self.all_is_there()


def refused(mail, client, codes, lmtp):
    """Several attempts: each is answered, none is partly done."""
    # There may be room in preallocated files.
    wait_for(lambda: mail.append(client).split(b" ")[1] in (b"NO", b"BYE"), 60)
    client = mail.login()
    for _ in range(3):
        line = mail.append(client)
        assert line.split(b" ")[1] == b"NO" and any(code in line for code in codes), line
        reply = mail.deliver()
        assert reply.startswith(lmtp), reply
        mail.all_is_there()


def ended_well(mail):
    mail.all_is_there()
    assert mail.server.stop() == 0
    done = mail.server.cli("check")
    assert done.returncode == 0, done
    mail.server.start()
    mail.all_is_there()


# ---- a small file system ----


@pytest.fixture(name="small")
def small_():
    server = Site()
    data = os.path.join(server.dir, "data")
    os.mkdir(data, 0o700)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m,mode=0700", "tmpfs", data], capture_output=True,
                          text=True, check=False)
    if done.returncode != 0:
        server.remove()
        pytest.skip("tmpfs cannot be mounted: " + done.stderr.strip())
    give(data)
    server.write(MORE.replace("store.free_space = 1M\n", ""))
    try:
        mail = Mail(server)
        server.start()
        mail.data = data
        yield mail
    finally:
        server.stop()
        subprocess.run(["umount", data], check=True)
        server.remove()


def fill(path):
    """Fills it to the last byte."""
    with open(path, "ab", buffering=0) as f:
        for size in (1 << 20, 4096, 1):
            try:
                while f.write(b"x" * size) == size:
                    pass
            except OSError as e:
                assert e.errno == errno.ENOSPC
    return path


@pytest.mark.parametrize("room", ["none", "below the mark"])
def test_full(small, room):
    client = small.login()
    for _ in range(5):
        assert small.append(client).startswith(b"p1 OK")
    assert small.deliver().startswith("250")
    filler = fill(os.path.join(small.data, "filler"))
    if room != "none":
        os.truncate(filler, os.path.getsize(filler) - 600000)
    refused(small, client, [b"[OVERQUOTA]", b"[UNAVAILABLE]"], "4")
    client.ok("NOOP")
    os.unlink(filler)
    small.works_again()
    client.close()
    ended_well(small)


def test_filled_while_many_write(small):
    """The last byte is used in the middle of a batch."""
    answers, stop = [], threading.Event()

    def write():
        client = small.login("bo")
        message = MESSAGE % b"x" * 20
        while not stop.is_set():
            client.send(b"p1 APPEND INBOX {%d+}\r\n%s\r\n" % (len(message), message))
            answers.append(client.until("p1")[-1])
        client.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answers) > 20)
    filler = fill(os.path.join(small.data, "filler"))
    wait_for(lambda: any(b" NO " in line for line in answers))
    time.sleep(0.3)
    os.unlink(filler)
    full = len(answers)
    wait_for(lambda: any(b" OK " in line for line in answers[full:]), 60)
    stop.set()
    for thread in threads:
        thread.join(60)
    assert all(line.split(b" ")[1] in (b"OK", b"NO") for line in answers)
    client = small.login("bo")
    there = int(client.ok("STATUS INBOX (MESSAGES)")[0].split(b"MESSAGES ")[1].rstrip(b")"))
    assert there == sum(b" OK " in line for line in answers)
    client.close()
    ended_well(small)


def test_read_only(small):
    client = small.login()
    assert small.append(client).startswith(b"p1 OK")
    # A file open for writing prevents this; on an error the kernel does it regardless.
    done = subprocess.run(["mount", "-o", "remount,ro", small.data], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        refused(small, client, [b"[UNAVAILABLE]", b"[OVERQUOTA]", b"[SERVERBUG]"], "4")
        subprocess.run(["mount", "-o", "remount,rw", small.data], check=True)
    small.server.stop()
    subprocess.run(["mount", "-o", "remount,ro", small.data], check=True)
    # The server says so and does not start; commands that only read work.
    done = small.server.cli("serve", ok=False)
    assert "ead-only file system" in done.stderr, done
    subprocess.run(["mount", "-o", "remount,rw", small.data], check=True)
    small.server.start()
    small.works_again()
    client.close()
    ended_well(small)


# ---- a disk that refuses ----


@pytest.fixture(name="bad")
def bad_(tmp_path):
    server = Site(MORE.replace("store.free_space = 1M\n", ""))
    library = str(tmp_path / "badio.so")
    subprocess.run(["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-O1", "-shared", "-fPIC", "-o", library, os.path.join(TOP, "test", "fault", "badio.c")],
                   check=True)
    switch = os.path.join(server.dir, "switch")  # where the sandbox allows access
    mail = Mail(server)
    mail.switch = switch
    server.start(env=dict(os.environ, BADIO_DIR=os.path.join(server.dir, "data", "store"), BADIO_SWITCH=switch,
                          LD_PRELOAD=library))
    yield mail
    if os.path.exists(switch):
        os.unlink(switch)
    server.remove()


@pytest.mark.parametrize("word", ["EIO", "EROFS", "ENOSPC", "EDQUOT"])
def test_writes_fail(bad, word):
    client = bad.login()
    for _ in range(3):
        assert bad.append(client).startswith(b"p1 OK")
    with open(bad.switch + ".new", "w", encoding="ascii") as f:
        f.write(word)
    os.rename(bad.switch + ".new", bad.switch)
    refused(bad, client, [b"[OVERQUOTA]", b"[UNAVAILABLE]", b"[SERVERBUG]"], "4")
    os.unlink(bad.switch)
    bad.works_again()
    client.close()
    ended_well(bad)
