# SPDX-License-Identifier: Apache-2.0
"""Far too many clients at once: memory stays bounded, and a probe is always served.

Prints its latencies and the memory; asserts only a generous time for the end.
1,000 connections for some seconds; 10,000 with TURNSTONE_LONG (or TURNSTONE_OVERLOAD=N).
"""
import multiprocessing
import os
import resource
import selectors
import threading
import time

from imap import Imap
from peer import connect
from server import kib, wait_for

LONG = bool(os.environ.get("TURNSTONE_LONG"))
TOTAL = int(os.environ.get("TURNSTONE_OVERLOAD", "10000" if LONG else "1000"))
SECONDS = 20 if LONG else 2
FRESH = 8  # logins of users whose passwords nobody has checked yet, in each phase
RIGHT = 30
USERS = max(1, TOTAL // 2 // 150)  # so that nobody exceeds limits.logins_per_user
MEMORY = 1 << 30 if TOTAL <= 2000 else 3 << 29  # the server's maximum
MESSAGES, SIZE = 100, 20000
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"  # the beginning of a ClientHello


def place(server, number, name="IMAP", small=False):
    """How to connect; each hundred has its own address."""
    source = f"127.0.{1 + number // 25600}.{1 + number // 100 % 250}"
    return {"where": server.port(name), "source": source, "receive": 4096 if small else 0, "timeout": 30}


def login(server, number, user, more=b"", small=False):
    client = Imap(**place(server, number, small=small))
    client.ok(f"LOGIN {user} secret")
    client.send(more)
    return client


def crowd(server, total, ready, leave):
    """Standing connections, most of them badly behaved."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    n = total // 20
    there, drip = [], []
    for i in range(10 * n):  # logged in, half of them in IDLE
        there.append(login(server, i, f"u{i % USERS}", b"b SELECT INBOX\r\nc IDLE\r\n" if i % 2 else b""))
    there += [login(server, 20000 + i, "many", b"b SELECT INBOX\r\nc IDLE\r\n") for i in range(200)]
    for i in range(n):  # slow readers: they request much and read nothing
        there.append(login(server, 30000 + i, f"reader{i % 5}",
                           b"b SELECT INBOX\r\n" + b"c FETCH 1:* BODY.PEEK[]\r\n" * 50, small=True))
    drip += [connect(**place(server, 40000 + i)) for i in range(3 * n)]
    for i in range(2 * n):  # an unfinished TLS handshake, or not even that
        s = connect(**place(server, 50000 + i, "IMAPS"))
        if i % 2:
            s.sendall(HELLO)
        there.append(s)
    there += [connect(**place(server, 60000 + i)) for i in range(4 * n)]
    ready.set()
    at = 0
    while not leave.wait(1):  # slow writers: a byte per second
        for s in drip:
            try:
                s.send(b"d LOGIN alice secret and on and on and on"[at % 40:at % 40 + 1])
            except OSError:
                pass
        at += 1


def storm(server, number, leave, name, password):
    """As many logins as possible, waiting for none: fifty, a moment, then they disconnect."""
    count = 0
    while not leave.is_set():
        try:
            socks = [connect(**place(server, 70000 + number * 100 + i)) for i in range(50)]
            for s in socks:
                s.sendall(b"a LOGIN %s %s\r\n" % (name(count), password(count)))
                count += 1
            time.sleep(0.2)
            for s in socks:
                s.close()
        except OSError:
            time.sleep(0.01)


def siege(server, number, leave):
    """Wrong passwords again and again, on connections that stay and wait for each reply."""
    select = selectors.DefaultSelector()
    count = 0

    def begin():
        nonlocal count
        count += 1
        s = connect(**place(server, 75000 + number * 100 + count % 50))
        s.sendall(b"a LOGIN u0 wrong\r\n" * 10)
        s.setblocking(False)
        select.register(s, selectors.EVENT_READ)

    try:
        for _ in range(150):
            begin()
        while not leave.is_set():
            for key, _ in select.select(0.1):
                try:
                    if key.fileobj.recv(65536):
                        continue
                except OSError:
                    pass
                select.unregister(key.fileobj)
                key.fileobj.close()
                begin()
    except ConnectionRefusedError:
        pass  # the server has stopped


def wrong(server, number, leave):
    storm(server, number, leave, lambda n: b"u0", lambda n: b"wrong%d" % n)


def right(server, number, leave):
    storm(server, number, leave, lambda n: b"right%d" % (n % RIGHT), lambda n: b"secret")


def flood(server, number, leave):
    """Pipelines as fast as possible, and reads everything, or nothing."""
    select = selectors.DefaultSelector()
    for i in range(10):
        s = login(server, 80000 + number * 100 + i, f"u{i % USERS}").sock
        s.setblocking(False)
        select.register(s, selectors.EVENT_WRITE | (selectors.EVENT_READ if i % 2 else 0))
    bytes_out = b"a NOOP\r\nb STATUS INBOX (MESSAGES)\r\n" * 1000
    while not leave.is_set():
        for key, events in select.select(0.1):
            try:
                if events & selectors.EVENT_READ:
                    key.fileobj.recv(1 << 18)
                if events & selectors.EVENT_WRITE:
                    key.fileobj.send(bytes_out)
            except BlockingIOError:
                pass
            except OSError:
                select.unregister(key.fileobj)


def memory(server):
    """The server's resident bytes now, and their maximum so far."""
    return kib(server.pid) << 10, kib(server.pid, "VmHWM") << 10


def timed(times, what, *args):
    start = time.monotonic()
    got = what(*args)
    times.append(time.monotonic() - start)
    return got


def fresh_logins(server, phase, seconds, times):
    for i in range(FRESH):
        time.sleep(seconds / FRESH / 2)
        timed(times, login, server, 91000, f"fresh-{phase}-{i}").close()


def probe(server, phase, seconds=SECONDS):
    """Sessions of a well-behaved client, from its own address: prints how long everything took."""
    logins, others, fresh = [], [], []
    beside = threading.Thread(target=fresh_logins, args=(server, phase, seconds, fresh))
    beside.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until or beside.is_alive():
        client = timed(logins, login, server, 90000, "calm")
        for command in ("SELECT INBOX", "APPEND INBOX {5+}\r\na: b\n", "UID FETCH 1:* (FLAGS)", "SEARCH BODY xyz"):
            timed(others, client.ok, command)
        client.close()
        time.sleep(0.01)
    beside.join()
    assert len(fresh) == FRESH
    show(f"{phase}, first logins", fresh)
    show(f"{phase}, logins", logins)
    show(f"{phase}, commands", others)


def show(what, times):
    times = sorted(times)
    print("%s: %d, p50 %.1f ms, p99 %.1f ms, max %.1f ms" % (
        what, len(times), times[len(times) // 2] * 1e3, times[len(times) * 99 // 100] * 1e3, times[-1] * 1e3))


def fill(server):
    body = b"Subject: x\r\n\r\n" + b"y" * SIZE
    for i in range(5):
        client = login(server, 0, f"reader{i}")
        client.ok(b"APPEND INBOX" + (b" {%d+}\r\n" % len(body) + body) * MESSAGES)
        client.close()


def attack_with(server, fork, attack):
    """Attacks from two processes, which end with the reply."""
    leave = fork.Event()
    some = [fork.Process(target=attack, args=(server, n, leave), daemon=True) for n in range(2)]
    for p in some:
        p.start()

    def end():
        leave.set()
        for p in some:
            p.join(60)
            if p.is_alive():
                p.kill()
    return end


def stop(server, what):
    start = time.monotonic()
    assert server.stop() == 0  # within a minute
    print("%s: stopped after %.1f s" % (what, time.monotonic() - start))


def test_overload(server):
    phases = ("quiet", "crowd", "right", "wrong", "siege", "flood")
    for prefix, count in [("u", USERS), ("reader", 5), ("right", RIGHT)] + [(f"fresh-{p}-", FRESH) for p in phases]:
        server.cli("user", "bulk", "--prefix", prefix, "--from", "0", "--to", str(count - 1), "--digits", "1",
                   "--password-stdin", stdin="secret\n")
    for name in ("calm", "many"):
        server.add(name, "secret")
    server.start()
    fill(server)
    probe(server, "quiet", 1)
    fork = multiprocessing.get_context("fork")
    ready, leave = fork.Event(), fork.Event()
    people = fork.Process(target=crowd, args=(server, TOTAL, ready, leave), daemon=True)
    people.start()
    end = None
    try:
        while not ready.wait(1):
            assert people.is_alive() and server.alive(), server.log()[-3000:]
        print("%d connections: %d MiB" % (TOTAL + 200, memory(server)[0] >> 20))
        probe(server, "crowd")
        for attack in (right, wrong, siege, flood):
            end = attack_with(server, fork, attack)
            probe(server, attack.__name__)
            end()
        most = memory(server)[1]
        print("at the most %d MiB" % (most >> 20))
        assert most < MEMORY
    finally:
        leave.set()
        people.join(60)
        if people.is_alive():
            people.kill()
        if end is not None:
            end()
    # The waiting wrong passwords are checked first.
    wait_for(lambda: server.status()["connections"] == "0", 300, server.status)
    print("after they left %d MiB" % (memory(server)[0] >> 20))
    stop(server, "quiet")
    server.start()
    end = attack_with(server, fork, siege)
    time.sleep(1)
    stop(server, "besieged")
    end()
    assert "Sanitizer" not in server.log()
