#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What one user can do to another: see README.md beside this file.

usage: ./dev bench fairness [ATTACK…] [--attackers 1,2,8] [--conns N] [--seconds S] [--program PATH]

For each attack, attackers (users, each on --conns connections of an address of their own) repeat it as fast as they are
answered, and a victim measures the worst time of a NOOP, of a FETCH of one body, of a LOGIN that no cache knows, and of
a delivery by LMTP to a user whose mail was not opened yet.  Aim: NOOP 50 ms, the others 1 s.
"""
import argparse
import multiprocessing
import os
import shutil
import socket
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
COLD = 800  # users of whom the server knows nothing yet
CONF = """listener lmtp {{ protocol = lmtp; address = 127.0.0.1; port = 0; tls = none }}
log.level = error
server.workers = {workers}
limits.failed_logins_per_address = 1000000
timeouts {{ failed_login = 0s }}
"""
LINE = b"The quick brown fox jumps over the lazy dog, said Mr. Mueller today.\r\n"


class Conn:
    """One connection, from an address of loopback."""

    def __init__(self, port, source="127.0.0.1", user=None):
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=300, source_address=(source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb", 1 << 16)
        self.file.readline()
        if user:
            assert b" OK" in self.cmd(b"LOGIN %s secret" % user.encode()), user

    def cmd(self, text):
        """The tagged reply; what comes before it is thrown away, literals too."""
        self.sock.sendall(b"t " + text + b"\r\n")
        while True:
            line = self.file.readline()
            if line.startswith(b"t ") or not line:
                return line
            while line.endswith(b"}\r\n"):
                left = int(line[line.rindex(b"{") + 1:-3])
                while left > 0:
                    left -= len(self.file.read(min(left, 1 << 20)))
                line = self.file.readline()

    def append(self, box, text):
        return self.cmd(b"APPEND %s {%d+}\r\n" % (box, len(text)) + text)


# ---- attacks: what a user has at the beginning, and what is said again and again

def keywords(size):
    names = [b"STORE 1 +FLAGS (k%03d" % i + b"x" * 60000 + b")" for i in range(200)]
    return lambda c: c.append(b"INBOX", LINE), names


def message(size, text, *commands):
    def prepare(c):
        return c.append(b"INBOX", text)
    return prepare, list(commands)


def header(size):
    return message(size, (b"A: " + b"x" * 900 + b"\r\n") * (size // 905) + b"\r\n",
                   b"FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (X)]", b"FETCH 1 BODY.PEEK[HEADER.FIELDS (B C)]")


def search(size):
    keys = b" ".join(b"NOT TEXT zq%dzq" % i for i in range(80))
    return message(size, b"Subject: s\r\n\r\n" + LINE * (size // len(LINE)), b"SEARCH " + keys)


def bodies(size):
    return message(size, b"Subject: s\r\n\r\n" + LINE * (size // len(LINE)), b"FETCH 1 BODY.PEEK[]")


def patterns(size):
    pattern = b"{60000+}\r\n" + b"%*" * 30000
    return lambda c: c.cmd(b"CREATE " + b"a" * 900), [b'LIST "" (' + b" ".join([pattern] * 4) + b")"]


def tree(size):
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (i, i) for i in range(99))
    text = deep + b"Content-Type: text/plain\r\n\r\n" + LINE * (size // 8 // len(LINE))
    return message(size, text, b"FETCH 1 (ENVELOPE BODYSTRUCTURE BODY.PEEK[" + b"1." * 90 + b"MIME])",
                   b"APPEND INBOX {%d+}\r\n" % len(text) + text)


def parameters(size):
    one = b"Content-Type: text/plain" + b"".join(b";\r\n n%d*%d*=x" % (i % 32, i // 32) for i in range(size // 8 // 14))
    text = one + b"\r\n\r\nx\r\n"
    return message(size, LINE, b"APPEND INBOX {%d+}\r\n" % len(text) + text)


def copy(size):
    def prepare(c):
        for _ in range(100):
            c.append(b"INBOX", LINE)
        c.cmd(b"CREATE there")
        for _ in range(7):
            c.cmd(b"SELECT INBOX")
            c.cmd(b"COPY 1:* INBOX")
    return prepare, [b"COPY 1:* there", b"STORE 1:* FLAGS (\\Seen)", b"STORE 1:* FLAGS ()"]


def appends(size):
    text = b"Subject: s\r\n\r\n" + LINE * (size // len(LINE))
    return message(size, LINE, b"APPEND INBOX {%d+}\r\n" % len(text) + text)


def selects(size):
    def prepare(c):
        for i in range(100):
            c.cmd(b"CREATE m%d" % i)
    return prepare, [b"SELECT m%d" % (i % 100) for i in range(100)]


def logins(size):
    return None, None  # connections that log in with a wrong password


ATTACKS = {f.__name__: f for f in (keywords, header, search, bodies, patterns, tree, parameters, copy, appends, selects,
                                   logins)}


def login_flood(port, source, user, stop):
    while not stop.is_set():
        try:
            Conn(port, source).cmd(b"LOGIN %s wrong" % user.encode())
        except OSError:
            time.sleep(0.01)


def repeat(port, source, user, commands, stop):
    try:
        c = Conn(port, source, user)
        c.cmd(b"SELECT INBOX")
        while not stop.is_set():
            for text in commands:
                if not c.cmd(text) or stop.is_set():
                    return
    except OSError:
        pass


def attacker(name, size, port, number, conns, stop):
    """A process: one user."""
    os.nice(5)
    user, source = f"a{number}", f"127.0.1.{number + 1}"
    commands = ATTACKS[name](size)[1]
    one = (lambda: login_flood(port, source, user, stop)) if commands is None else (
        lambda: repeat(port, source, user, commands, stop))
    for t in [threading.Thread(target=one, daemon=True) for _ in range(conns)]:
        t.start()
    stop.wait()
    os._exit(0)


# ---- the victim

class Victim:
    def __init__(self, ports):
        self.ports = ports
        self.worst = {"NOOP": 0, "FETCH": 0, "LOGIN": 0, "LMTP": 0}
        self.conns = [Conn(ports["IMAP"], user="vera") for _ in range(2)]
        for c in self.conns:
            c.append(b"INBOX", LINE)
            c.cmd(b"SELECT INBOX")
        self.stop = threading.Event()
        self.cold = iter(range(COLD))

    def timed(self, what, pause, fn):
        while not self.stop.is_set():
            begin = time.perf_counter()
            fn()
            self.worst[what] = max(self.worst[what], time.perf_counter() - begin)
            time.sleep(pause)

    def login(self):
        c = Conn(self.ports["IMAP"], user=f"u{next(self.cold):04}")
        c.sock.close()

    def deliver(self):
        with socket.create_connection(("127.0.0.1", self.ports["LMTP"]), timeout=300) as sock:
            f = sock.makefile("rb")
            for text, want in ((b"LHLO me\r\n", b"250 "), (b"MAIL FROM:<>\r\n", b"250"),
                               (b"RCPT TO:<u%04d>\r\n" % next(self.cold), b"250"), (b"DATA\r\n", b"354"),
                               (LINE + b".\r\n", b"250")):
                if text[:4] == b"LHLO":
                    f.readline()
                sock.sendall(text)
                line = f.readline()
                while line[3:4] == b"-":
                    line = f.readline()
                assert line.startswith(want), line

    def measure(self, seconds):
        ways = (("NOOP", 0.005, lambda: self.conns[0].cmd(b"NOOP")),
                ("FETCH", 0.02, lambda: self.conns[1].cmd(b"FETCH 1 BODY.PEEK[TEXT]")),
                ("LOGIN", 0.1, self.login), ("LMTP", 0.1, self.deliver))
        threads = [threading.Thread(target=self.timed, args=way) for way in ways]
        for t in threads:
            t.start()
        time.sleep(seconds)
        self.stop.set()
        for t in threads:
            t.join()
        return self.worst


def peak(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith("VmHWM"))


def run(site, name, count, options):
    """Worst times and peak memory under an attack, on a server of its own."""
    server = site(CONF.format(workers=options.workers))
    for user in ["vera"] + [f"a{i}" for i in range(count)]:
        server.add(user, "secret")
    server.cli("user", "bulk", "--prefix", "u", "--from", "0", "--to", str(COLD), "--password-stdin", stdin="secret\n")
    stop = multiprocessing.Event()
    attackers = []
    try:
        server.start()
        ports = {kind: server.port(kind) for kind in ("IMAP", "LMTP")}
        prepare = ATTACKS[name](options.size << 20)[0]
        for i in range(count):
            if prepare:
                prepare(Conn(ports["IMAP"], user=f"a{i}"))
        victim = Victim(ports)
        for i in range(count):
            args = (name, options.size << 20, ports["IMAP"], i, options.conns, stop)
            attackers.append(multiprocessing.Process(target=attacker, args=args))
            attackers[-1].start()
        time.sleep(1)
        return victim.measure(options.seconds), peak(server.process.pid)
    finally:
        stop.set()
        for p in attackers:
            p.join(5)
            if p.is_alive():
                p.kill()
        server.process.kill()
        server.process.wait()
        shutil.rmtree(server.dir, ignore_errors=True)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench fairness", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("attacks", nargs="*", help="all: " + " ".join(ATTACKS))
    parser.add_argument("--attackers", default="1,2,8")
    parser.add_argument("--conns", type=int, default=8, help="connections of each; up to limits.logins_per_user")
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--size", type=int, default=32, help="MiB of a large message")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--program", help="another turnstone, to compare with")
    options = parser.parse_args()
    for name in options.attacks:
        if name not in ATTACKS:
            sys.exit(f"no attack '{name}'; there are: " + " ".join(ATTACKS))
    import conftest  # pylint: disable=import-outside-toplevel
    if options.program:
        conftest.TURNSTONE = os.path.abspath(options.program)
    print(f"{'attack':<12}{'users':>6}{'conns':>6}{'NOOP':>9}{'FETCH':>9}{'LOGIN':>9}{'LMTP':>9}   ms, the worst"
          f"{'peak':>8} MiB")
    missed = 0
    for name in options.attacks or ATTACKS:
        for count in map(int, options.attackers.split(",")):
            worst, memory = run(conftest.Server, name, count, options)
            late = worst["NOOP"] > 0.05 or max(worst.values()) > 1
            missed += late
            print(f"{name:<12}{count:>6}{count * options.conns:>6}" + "".join(f"{1000 * t:>9.1f}" for t in worst.values())
                  + f"{'   missed' if late else '':<16}{memory:>8}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
