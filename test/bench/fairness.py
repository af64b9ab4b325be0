#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What one user can do to another: see README.md beside this file.

usage: ./dev bench fairness [ATTACK…] [--attackers 1,2,8] [--conns N] [--seconds S] [--program PATH]

For each attack, attackers (users, each on --conns connections of an address of their own) repeat it as fast as they are
answered.  Meanwhile a victim measures a NOOP, a FETCH of one body, a LOGIN that no cache knows, and a delivery by LMTP
to a user whose mail was not opened yet: of each the row has the 99th of a hundred and the worst.  Aim: the worst NOOP
50 ms, the others 1 s.
"""
import argparse
import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
from imap import Imap  # noqa: E402
from lmtp import Lmtp  # noqa: E402
from peer import Peer, insecure  # noqa: E402
from server import Site, kib  # noqa: E402

CONTEXT = insecure()
COLD = 400  # users that the server has not seen yet
ATTACKERS = 8
CONF = """listener lmtp {{ protocol = lmtp; address = 127.0.0.1; port = 0; tls = none }}
log.level = error
server.workers = {workers}
limits {{ failed_logins_per_address = 1000000; connections_per_address = 1000 }}
timeouts {{ failed_login = 0s }}
"""
LINE = b"The quick brown fox jumps over the lazy dog, said Mr. Mueller today.\r\n"
WHAT = ("NOOP", "FETCH", "LOGIN", "LMTP")


class Conn(Imap):
    """A user's connection from a loopback address; discards what comes before tagged replies."""

    def __init__(self, port, source=None, user=None):
        super().__init__(port, source=source, timeout=300)
        if user:
            line = self.cmd(b"LOGIN %s secret" % user.encode())
            if b" OK" not in line:
                raise OSError(user, line)

    def cmd(self, text):
        self.send(b"t " + text + b"\r\n")
        return self.tagged("t")

    def many(self, commands):
        """Sends in one write, or a few."""
        for i in range(0, len(commands), 200):
            for tag in self.put(*commands[i:i + 200]):
                self.tagged(tag)

    def stock(self, box, doublings):
        """A hundred small messages, doubled that many times."""
        self.many([b"APPEND %s {%d+}\r\n%s" % (box, len(LINE), LINE)] * 100)
        for _ in range(doublings):
            self.cmd(b"SELECT " + box)
            self.cmd(b"COPY 1:* " + box)


# ---- attacks: what a user has at the beginning, and what is sent repeatedly

def keywords(size):
    names = [b"STORE 1 +FLAGS (k%03d" % i + b"x" * 60000 + b")" for i in range(200)]
    return lambda c: c.append("INBOX", LINE), names


def message(size, text, *commands):
    def prepare(c):
        return c.append("INBOX", text)
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
        c.cmd(b"CREATE there")
        c.stock(b"INBOX", 7)
    return prepare, [b"COPY 1:* there", b"STORE 1:* FLAGS (\\Seen)", b"STORE 1:* FLAGS ()"]


def appends(size):
    text = b"Subject: s\r\n\r\n" + LINE * (size // len(LINE))
    return message(size, LINE, b"APPEND INBOX {%d+}\r\n" % len(text) + text)


def selects(size):
    def prepare(c):
        for i in range(100):
            c.cmd(b"CREATE m%d" % i)
    return prepare, [b"SELECT m%d" % (i % 100) for i in range(100)]


def small(prepare, *commands):
    return prepare, list(commands)


def moves(size):
    def prepare(c):
        c.cmd(b"CREATE there")
        c.stock(b"INBOX", 7)
    return prepare, [b"MOVE 1:* there", b"SELECT there", b"MOVE 1:* INBOX", b"SELECT INBOX"]


def expunges(size):
    def prepare(c):
        c.cmd(b"CREATE other")
        c.stock(b"other", 7)
    return prepare, [b"SELECT other", b"COPY 1:* INBOX", b"SELECT INBOX", b"STORE 1:* +FLAGS.SILENT (\\Deleted)", b"EXPUNGE"]


def flags(size):
    names = b" ".join(b"key%03d%s" % (i, b"w" * 200) for i in range(100))
    return small(lambda c: c.stock(b"INBOX", 6), b"STORE 1:* FLAGS (" + names + b")", b"FETCH 1:* (FLAGS)", b"STORE 1:* FLAGS ()")


def forgets(size):
    """New keywords each time."""
    names = [b"STORE 1 FLAGS (" + b" ".join(b"k%04d%03d" % (n, i) for i in range(200)) + b")" for n in range(50)]
    return small(lambda c: c.stock(b"INBOX", 0), *names)


def envelopes(size):
    return small(lambda c: c.stock(b"INBOX", 7), b"FETCH 1:* (UID FLAGS INTERNALDATE ENVELOPE BODYSTRUCTURE)", b"FETCH 1:* (FLAGS UID)")


def ranges(size):
    odd = b",".join(b"%d" % i for i in range(1, 12800, 2))
    return small(lambda c: c.stock(b"INBOX", 7), b"FETCH %s (UID)" % odd, b"SEARCH " + b" ".join([odd] * 8),
                 b"STORE %s +FLAGS.SILENT (\\Flagged)" % odd, b"STORE %s -FLAGS.SILENT (\\Flagged)" % odd)


def keys(size):
    """A search with thousands of keys that need no reading."""
    some = b" ".join(b"OR (NOT %d:%d FLAGGED) NOT (UNSEEN UID %d:*)" % (i, i + 500, i) for i in range(1, 1000))
    return small(lambda c: c.stock(b"INBOX", 7), b"SEARCH " + some)


def trees(size):
    names = [b"CREATE " + b"/".join(b"%d" % (i // 7 ** d % 7) for d in range(8)) for i in range(500)]
    return small(lambda c: c.many(names), b'LIST "" "*"', b'LIST "" (%s)' % b" ".join([b"*%*%*/%*0"] * 50),
                 b'LIST "" "*" RETURN (STATUS (MESSAGES UNSEEN UIDNEXT SIZE) CHILDREN SUBSCRIBED)')


def renames(size):
    names = [b"CREATE P/%d/%d" % (i % 30, i) for i in range(1000)]
    return small(lambda c: c.many(names), b"RENAME P Q", b"RENAME Q P")


def creates(size):
    return small(None, *[b"%s x%d/y" % (what, i) for i in range(200) for what in (b"CREATE", b"SUBSCRIBE", b"DELETE")])


def idles(size):
    """All connections but the first of a user wait in IDLE for what that one changes."""
    return small(lambda c: c.stock(b"INBOX", 6), b"STORE 1:* +FLAGS.SILENT (\\Flagged)", b"STORE 1:* -FLAGS.SILENT (\\Flagged)")


def pipelines(size):
    return small(None, b"\r\nt ".join([b"CAPABILITY", b"STATUS INBOX (MESSAGES)", b"NOOP"] * 3000))


def floods(size):
    """Small APPENDs, hundreds in one write."""
    return small(None, b"\r\nt ".join([b"APPEND INBOX {%d+}\r\n%s" % (len(LINE), LINE)] * 200))


def relogins(size):
    return None, "relogins"  # connections that log in, each time with the right password


def handshakes(size):
    return None, "handshakes"  # TLS


def mails(size):
    """Deliveries by LMTP, each to 100 mailboxes of the attacker's."""
    return lambda c: c.many([b"CREATE m%d" % i for i in range(100)]), "mails"


def logins(size):
    return None, "logins"  # connections that log in with a wrong password


ATTACKS = {f.__name__: f for f in (
    keywords, header, search, bodies, patterns, tree, parameters, copy, appends, selects, logins, moves, expunges, flags,
    forgets, envelopes, ranges, keys, trees, renames, creates, idles, pipelines, floods, relogins, handshakes, mails)}


def log_in(ports, source, user, password):
    c = Conn(ports["IMAP"], source)
    c.cmd(b"LOGIN %s %s" % (user.encode(), password))
    c.cmd(b"SELECT INBOX")
    c.close()


def shake_hands(ports, source):
    Peer(ports["IMAPS"], CONTEXT, source=source).close()


def deliver(ports, source, rcpts, text):
    """By LMTP, in two writes."""
    with Lmtp(ports["LMTP"], lhlo=False, source=source, timeout=300) as c:
        c.send(b"LHLO me\r\nMAIL FROM:<>\r\n" + b"".join(b"RCPT TO:<%s>\r\n" % r for r in rcpts) + b"DATA\r\n")
        c.taken(len(rcpts) + 3)
        c.send(text + b".\r\n")
        c.taken(len(rcpts))


def again(fn, stop):
    while not stop.is_set():
        try:
            fn()
        except (OSError, EOFError, AssertionError):
            time.sleep(0.01)


def repeat(ports, source, user, commands, stop):
    c = Conn(ports["IMAP"], source, user)
    c.cmd(b"SELECT INBOX")
    while not stop.is_set():
        for text in commands:
            lines = text.count(b"\r\nt ")
            c.cmd(text)
            if stop.is_set():
                return
            for _ in range(lines):
                c.tagged("t")


def idle(ports, source, user, stop):
    c = Conn(ports["IMAP"], source, user)
    c.cmd(b"SELECT INBOX")
    c.send("t IDLE\r\n")
    while not stop.is_set():
        c.read_line()


def yield_to_others(nice):
    """Attackers would have machines of their own.  Where the kernel groups processes by session, the group yields."""
    os.setsid()
    os.nice(nice)
    try:
        with open("/proc/self/autogroup", "w", encoding="ascii") as f:
            f.write(str(nice))
    except OSError:
        pass


def attacker(name, options, ports, number, stop):
    """A process: one user."""
    parent = os.getppid()
    yield_to_others(options.nice)
    user, source = f"a{number}", f"127.0.1.{number + 1}"
    commands = ATTACKS[name](options.size << 20)[1]
    ways = {"logins": lambda: log_in(ports, source, user, b"wrong"),
            "relogins": lambda: log_in(ports, source, user, b"secret"),
            "handshakes": lambda: shake_hands(ports, source),
            "mails": lambda: deliver(ports, source, [b"%s+m%d" % (user.encode(), i) for i in range(100)], LINE)}
    for i in range(options.conns):
        way = ways[commands] if isinstance(commands, str) else (
            lambda: idle(ports, source, user, stop)) if name == "idles" and i > 0 else (
            lambda: repeat(ports, source, user, commands, stop))
        threading.Thread(target=again, args=(way, stop), daemon=True).start()
    while not stop.wait(1) and os.getppid() == parent:
        pass
    os._exit(0)


# ---- the victim

class Victim:
    def __init__(self, ports):
        self.ports = ports
        self.times = {what: [] for what in WHAT}
        self.conns = [Conn(ports["IMAP"], user="vera") for _ in range(2)]
        for c in self.conns:
            c.append("INBOX", LINE)
            c.cmd(b"SELECT INBOX")
        self.stop = threading.Event()
        self.cold = iter(range(COLD))

    def timed(self, what, pause, fn):
        while not self.stop.is_set():
            begin = time.perf_counter()
            fn()
            self.times[what].append(time.perf_counter() - begin)
            self.stop.wait(pause)

    def login(self):
        Conn(self.ports["IMAP"], user=f"u{next(self.cold):04}").close()

    def measure(self, seconds):
        ways = (("NOOP", 0.005, lambda: self.conns[0].cmd(b"NOOP")),
                ("FETCH", 0.02, lambda: self.conns[1].cmd(b"FETCH 1 BODY.PEEK[TEXT]")),
                ("LOGIN", 0.05, self.login),
                ("LMTP", 0.05, lambda: deliver(self.ports, None, [b"u%04d" % next(self.cold)], LINE)))
        threads = [threading.Thread(target=self.timed, args=way) for way in ways]
        for t in threads:
            t.start()
        time.sleep(seconds)
        self.stop.set()
        for t in threads:
            t.join()
        return {what: (sorted(t)[len(t) * 99 // 100], max(t)) for what, t in self.times.items()}


# ---- servers

class Copies:
    """A server's folder with all its users, and a server of its own for each attack, on a copy."""

    def __init__(self, options):
        self.make = lambda: Site(CONF.format(workers=options.workers))
        self.plain = self.make()
        for user in ["vera"] + [f"a{i}" for i in range(ATTACKERS)]:
            self.plain.add(user, "secret")
        self.plain.cli("user", "bulk", "--prefix", "u", "--from", "0", "--to", str(COLD), "--password-stdin",
                       stdin="secret\n")

    def start(self):
        server = self.make()
        shutil.copytree(self.plain.dir + "/data", server.dir + "/data")
        return server.start()

    def remove(self):
        self.plain.remove()


def run(site, name, count, options):
    """Times and peak memory under an attack, on a server of its own."""
    server = site.start()
    stop = multiprocessing.Event()
    attackers = []
    try:
        ports = {kind: server.port(kind) for kind in ("IMAP", "IMAPS", "LMTP")}
        prepare = ATTACKS[name](options.size << 20)[0] if name else None
        threads = [threading.Thread(target=lambda i=i: prepare(Conn(ports["IMAP"], user=f"a{i}"))) for i in range(count)]
        for t in threads if prepare else []:
            t.start()
        for t in threads if prepare else []:
            t.join()
        victim = Victim(ports)
        for i in range(count):
            attackers.append(multiprocessing.Process(target=attacker, args=(name, options, ports, i, stop)))
            attackers[-1].start()
        time.sleep(0.5)
        return victim.measure(options.seconds), kib(server.pid, "VmHWM") // 1024
    finally:
        stop.set()
        server.kill()
        for p in attackers:
            p.join(2)
            if p.is_alive():
                p.kill()
        if options.log:
            with open(options.log, "a", encoding="utf-8") as f:
                f.write(f"==== {name} {count}\n" + server.log())
        server.remove()


def show(name, count, times, memory, options):
    late = times["NOOP"][1] > 0.05 or max(worst for _, worst in times.values()) > 1
    print(f"{name or 'nothing':<12}{count:>6}{count * options.conns:>6}"
          + "".join(f"{1000 * p99:>8.1f}{1000 * worst:>8.1f}" for p99, worst in times.values())
          + f"{memory:>7}{'  missed' if late else ''}", flush=True)
    return late


def main():
    parser = argparse.ArgumentParser(prog="./dev bench fairness", description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("attacks", nargs="*", help="all: " + " ".join(ATTACKS))
    parser.add_argument("--attackers", default="1,2,8")
    parser.add_argument("--conns", type=int, default=8, help="connections of each; up to limits.logins_per_user")
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--size", type=int, default=32, help="MiB of a large message")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--nice", type=int, default=19, help="how much the attackers, who would have machines of their own, yield")
    parser.add_argument("--log", help="a file for the servers' logs")
    parser.add_argument("--program", help="another turnstone, to compare with")
    options = parser.parse_args()
    for name in options.attacks:
        if name not in ATTACKS:
            sys.exit(f"no attack '{name}'; there are: " + " ".join(ATTACKS))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # with all the cleaning up
    if options.program:
        Site.program = os.path.abspath(options.program)
    site = Copies(options)
    print("ms: the 99th of a hundred, and the worst; MiB: the server's peak\n"
          f"{'attack':<12}{'users':>6}{'conns':>6}" + "".join(f"{what:>16}" for what in WHAT) + f"{'MiB':>7}")
    try:
        show(None, 0, *run(site, None, 0, options), options)
        missed = [show(name, count, *run(site, name, count, options), options)
                  for name in options.attacks or ATTACKS for count in map(int, options.attackers.split(","))]
    finally:
        site.remove()
    return 1 if any(missed) else 0


if __name__ == "__main__":
    sys.exit(main())
