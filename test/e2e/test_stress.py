# SPDX-License-Identifier: Apache-2.0
"""Many badly behaved clients at once: nothing may hang, crash or be lost.

Each client does random things by a seed: commands from a small grammar, right and wrong, cut into
random segments, pipelined, in clear, over TLS, over STARTTLS; it reads slowly, half-closes, resets.
A well-behaved client that must always get on is the watchdog.  The program may be one built with
a sanitizer (TURNSTONE_BUILD=build-asan, build-tsan): its reports end in the log, which is searched.
"""
import os
import random
import select
import socket
import ssl
import struct
import threading
import time

import peer

from imap import plain
from server import wait_for

SEED = int(os.environ.get("TURNSTONE_SEED", "1"))
SECONDS = int(os.environ.get("TURNSTONE_STRESS_SECONDS", "120" if os.environ.get("TURNSTONE_LONG") else "12"))
CLIENTS = 24
WAIT = 45  # a reply that takes longer means a hang
MORE = """
limits { failed_logins = 3; out_high = 32K; out_low = 8K; pipeline = 16K; bad_commands = 50 }
timeouts { failed_login = 5ms; failed_login_max = 20ms; output = 20s; handshake = 20s }
"""
MESSAGE = b"From: a@example.net\r\nSubject: stress %d\r\n\r\nline\r\n"


class Gone(Exception):
    """The server closed, as it may."""


class Wild:
    def __init__(self, server, number):
        self.server, self.number = server, number
        self.rnd = random.Random(f"{SEED}-{number}")
        self.sessions = self.commands = self.replies = 0
        self.hung = self.sock = None

    def run(self, until):
        while time.monotonic() < until and self.hung is None:
            try:
                self.session(until)
            except (Gone, OSError, EOFError):
                pass
            finally:
                if self.sock is not None:
                    self.sock.close()

    def connect(self):
        kind = self.rnd.choice(["clear", "clear", "imaps", "starttls", "junk"])
        raw = peer.connect(self.server.port("IMAPS" if kind == "imaps" else "IMAP"), timeout=WAIT,
                           receive=4096 if self.rnd.random() < 0.2 else 0)
        context = peer.insecure()
        self.raw, self.sock, self.buf, self.out, self.piece, self.slow = raw, raw, b"", b"", b"", False
        self.deadline = time.monotonic() + WAIT
        if kind == "imaps":
            self.raw = self.sock = context.wrap_socket(raw)
        elif kind == "starttls":
            self.line()
            raw.sendall(b"s STARTTLS\r\n")
            self.until(b"s")
            self.sock = context.wrap_socket(raw)
            self.raw = self.sock
            self.sock.setblocking(False)
            return
        elif kind == "junk":
            # Invalid handshakes, bytes after STARTTLS, noise.
            raw.sendall(self.rnd.choice([b"s STARTTLS\r\nx NOOP\r\n", b"\x16\x03\x01" + self.rnd.randbytes(200),
                                         self.rnd.randbytes(500), b"s STARTTLS\r\n" + self.rnd.randbytes(300),
                                         b"a LOGIN {5+}\r\nali", b"a AUTHENTICATE PLAIN\r\n*\r\n", b""]))
            if self.rnd.random() < 0.5:
                self.reset()
            raise Gone
        self.sock.setblocking(False)
        self.line()

    def reset(self):
        self.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def pump(self):
        """Sends a piece of what is waiting, or reads one."""
        if time.monotonic() > self.deadline:
            raise TimeoutError
        writers = [self.raw] if self.out else []
        pending = isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0
        if not pending:
            select.select([self.raw], writers, [], 0.2)
        if self.out:
            # TLS needs the same bytes again if it could not send them.
            self.piece = self.piece or self.out[:self.rnd.choice([1, 7, 1000]) if self.slow else len(self.out)]
            try:
                n = self.sock.send(self.piece)
                self.out, self.piece = self.out[n:], b""
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
            except OSError:
                self.out = self.piece = b""  # the server has closed; its last output may still be readable
        try:
            got = self.sock.recv(self.rnd.choice([1, 100]) if self.rnd.random() < 0.1 else 65536)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return
        if not got:
            raise Gone
        self.buf += got

    def line(self):
        while b"\r\n" not in self.buf:
            self.pump()
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def until(self, tag):
        while True:
            line = self.line()
            if line.split(b" ")[0] == tag:
                self.replies += 1
                return line

    def command(self):
        r = self.rnd
        box = r.choice(["INBOX", "Shared", f"Box{r.randrange(4)}", '"Bo x"', "nowhere", "{3+}\r\nabc"])
        numbers = r.choice(["1", "1:*", "*", "2:4,7", "1:3", "999999", "0", "4294967295", "$"])
        message = MESSAGE % r.randrange(1000) + b"x" * r.choice([0, 10, 5000, 300000])
        return r.choice([
            "NOOP", "CAPABILITY", "CHECK", "NAMESPACE", f"SELECT {box}", f"EXAMINE {box}", "CLOSE", "UNSELECT",
            f"CREATE {box}", f"DELETE {box}", f"RENAME {box} Box{r.randrange(4)}", 'LIST "" *', 'LSUB "" "%"',
            f"STATUS {box} (MESSAGES UNSEEN UIDNEXT)", f"SUBSCRIBE {box}", f"FETCH {numbers} (FLAGS UID)",
            f"FETCH {numbers} BODY[]", f"UID FETCH {numbers} (ENVELOPE BODYSTRUCTURE)", f"STORE {numbers} +FLAGS (\\Seen k)",
            f"UID STORE {numbers} FLAGS.SILENT (\\Deleted)", "EXPUNGE", f"COPY {numbers} {box}", f"MOVE {numbers} {box}",
            f"SEARCH TEXT {r.choice(['stress', 'nothing'])}", f"UID SEARCH RETURN (SAVE) {numbers}", "ENABLE IMAP4rev2",
            'ID ("name" "stress")', "FOO", "", " ", "FETCH", f"FETCH {numbers} (((((", "LOGIN a b", "UNAUTHENTICATE",
            f"APPEND {box} {{{len(message)}+}}\r\n".encode() + message,
            f"APPEND {box} (\\Seen) {{{len(message)}+}}\r\n".encode() + message,
            f"APPEND {box} {{99999999+}}\r\nshort", "LOGIN x {5+}\r\n\0\0\0\0\0", "IDLE\r\nDONE", "IDLE\r\nNOT",
            "CAPABILITY\r\nx NOOP" * r.choice([1, 300]),
        ])

    def login(self):
        user = self.rnd.choice(["alice", "bob"])
        word = self.rnd.choice(["secret", "secret", "secret", "secret", "wrong"])
        how = self.rnd.randrange(3)
        if how == 0:
            return f"LOGIN {user} {word}"
        if how == 1:
            return f"AUTHENTICATE PLAIN\r\n{plain('', user, word)}"
        return f"AUTHENTICATE PLAIN {plain(user, 'gateway', word)}"

    def session(self, until):
        self.connect()
        self.sessions += 1
        tags = 0
        while time.monotonic() < until:
            batch, tag = b"", b""
            for _ in range(self.rnd.choice([1, 1, 3, 20])):
                command = self.login() if self.rnd.random() < 0.25 else self.command()
                tag = b"t%d" % tags
                tags += 1
                self.commands += 1
                batch += tag + b" " + (command if isinstance(command, bytes) else command.encode()) + b"\r\n"
            # One that is certainly read as a command, whatever came before.
            batch += b"e%d NOOP\r\n" % tags
            how = self.rnd.random()
            # A literal that never arrives: nor will a reply.
            endless = b"99999999" in batch or b"\0" in batch
            self.out, self.slow = batch, len(batch) < 20000 and self.rnd.random() < 0.4
            self.deadline = time.monotonic() + (0.3 if endless else WAIT)
            if how < 0.05:
                self.deadline = time.monotonic() + 5
                while self.out:
                    self.pump()
                self.raw.shutdown(socket.SHUT_WR)
            elif how < 0.1:
                self.pump()
                self.reset()
                return
            elif how < 0.15:
                self.pump()
                time.sleep(self.rnd.random())
            try:
                self.until(b"e%d" % tags)
            except TimeoutError:
                if not endless and how >= 0.05:
                    self.hung = (self.number, batch[:300], self.out[:300], self.buf[-300:])
                self.reset()
                return
            if how < 0.05 or self.rnd.random() < 0.05:
                self.sock.close()
                return


def watchdog(server, until, slowest):
    while time.monotonic() < until:
        start = time.monotonic()
        with server.client(timeout=WAIT) as client:
            client.all_ok("LOGIN calm secret", "SELECT INBOX", "LOGOUT")
            client.rest()
        slowest.append(time.monotonic() - start)
        time.sleep(0.05)


def test_wild_clients_do_no_harm(server):
    print(f"TURNSTONE_SEED={SEED}")
    server.write(MORE)
    for name in ("alice", "bob", "calm"):
        server.add(name, "secret")
    server.add("gateway", "secret", "--acts-for", "*")
    server.start()
    until = time.monotonic() + SECONDS
    wild = [Wild(server, n) for n in range(CLIENTS)]
    threads = [threading.Thread(target=w.run, args=(until,), daemon=True) for w in wild]
    for t in threads:
        t.start()
    calm = []
    watchdog(server, until, calm)
    for t in threads:
        t.join(3 * WAIT)
    print("sessions", sum(w.sessions for w in wild), "commands", sum(w.commands for w in wild),
          "replies", sum(w.replies for w in wild), "slowest calm session %.2f s" % max(calm))
    assert not [t for t in threads if t.is_alive()]
    assert not [w.hung for w in wild if w.hung]
    assert sum(w.replies for w in wild) > 0
    # All connections are gone: nothing holds one.
    wait_for(lambda: server.status()["connections"] == "0", 60, server.status)
    assert server.status()["changes_pending"] == "0"
    code = server.stop()
    at = server.log().find("Sanitizer")
    assert at < 0, server.log()[max(at - 500, 0):at + 8000]
    assert code == 0, server.log()[-4000:]
    for word in ("Sanitizer", "runtime error", "panic", "assert"):
        assert word not in server.log(), server.log()[-8000:]


def test_stopping_with_work_under_way(server):
    """Clients that disconnect with a change in progress, and a SIGTERM at that moment."""
    server.write(MORE)
    server.add("alice", "secret")
    for n in range(3 if SECONDS < 60 else 20):
        server.start()
        socks = []
        for _ in range(16):
            s = peer.connect(server.port("IMAP"), timeout=WAIT)
            s.sendall(b"a LOGIN alice secret\r\n" + b"".join(
                b"b APPEND INBOX {%d+}\r\n" % size + b"y" * size + b"\r\n" for size in (100, 600000, 100)))
            socks.append(s)
        for s in socks[::2]:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()
        time.sleep(0.02 * n)
        assert server.stop() == 0, server.log()[-4000:]
        assert "Sanitizer" not in server.log(), server.log()[-8000:]
        for s in socks[1::2]:
            s.close()
