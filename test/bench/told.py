#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Can a stranger tell by the time of the answer who has an account?

usage: TURNSTONE_BUILD=build test/bench/told.py [--count N] [--delay MS]

Logs in with wrong credentials, in random order: as users who do not exist, as users who do (each only
once after the server's start, so that nothing is in a cache), as disabled users with the wrong and with the right
password, as users of a password file whose hash is of another kind, or who have none.  With PLAIN, LOGIN and SCRAM-SHA-256;
of SCRAM also the first answer (the salt).  For each kind: median and quartiles in milliseconds, and
the chance that one of its answers comes later than one for a user who does not exist: 0.50 is what nobody can
use, 0 or 1 tells them apart at the first try.

--delay is timeouts.failed_login: 0 shows how long the checks themselves take, which the delay has to hide.
"""
import argparse
import crypt
import os
import random
import statistics
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
from imap import plain  # noqa: E402
from server import Site  # noqa: E402
from test_sasl import Scram, b64  # noqa: E402

KINDS = ("unknown", "wrong", "disabled, wrong", "disabled, right", "file, SHA-512", "file, no hash")
PASSWORD = "the right one"


def prepare(count, ways, delay):
    server = Site()
    users = {kind: [f"{kind.translate({32: None, 44: None, 45: None})}{i}" for i in range(count * ways)] for kind in KINDS}
    with open(f"{server.dir}/users", "w", encoding="ascii") as f:
        hashed = crypt.crypt("another", "$6$rounds=5000$saltsaltsalt")
        f.writelines(f"{name}@localhost:{hashed}\n" for name in users["file, SHA-512"])
        f.writelines(f"{name}@localhost:\n" for name in users["file, no hash"])
    server.write(f"timeouts {{ failed_login = {delay}ms; failed_login_max = {delay}ms }}\n"
                 "limits { failed_logins = 100000; failed_logins_per_address = 1000000 }\ntimeouts.login = 1h\n"
                 "auth.databases = [store, file]\n"
                 f"database file {{ type = passwd; file = {server.dir}/users }}\n")
    for kind in KINDS[1:4]:
        for name in users[kind]:
            server.add(name, PASSWORD)
            if kind.startswith("disabled"):
                server.cli("user", "disable", name)
    return server, users


def asked(client, text, want):
    begin = time.perf_counter()
    client.send(text)
    line = client.read_line()
    assert line.startswith(want), line
    return (time.perf_counter() - begin) * 1000, line


def by_plain(client, name, password):
    return {"PLAIN": asked(client, f"a AUTHENTICATE PLAIN {plain('', name, password)}\r\n", b"a NO [AUTHENTICATIONFAILED]")}


def by_login(client, name, password):
    return {"LOGIN": asked(client, f'a LOGIN {name} "{password}"\r\n', b"a NO [AUTHENTICATIONFAILED]")}


def by_scram(client, name, password):
    import base64
    scram = Scram("SCRAM-SHA-256", name, password)
    first = asked(client, b"a AUTHENTICATE SCRAM-SHA-256 " + b64(scram.first()) + b"\r\n", b"+ ")
    final = scram.final(base64.b64decode(first[1][2:]))
    return {"SCRAM, salt": first, "SCRAM, proof": asked(client, b64(final) + b"\r\n", b"a NO [AUTHENTICATIONFAILED]")}


def later(a, b):
    """The probability that one of a is above one of b."""
    return sum((x > y) + (x == y) / 2 for x in a for y in b) / (len(a) * len(b))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--delay", type=int, default=100)
    args = parser.parse_args()
    ways = (by_plain, by_login, by_scram)
    server, users = prepare(args.count, len(ways), args.delay)
    try:
        server.start()
        client = server.client()
        times, texts = {}, set()
        turns = [(way, kind, users[kind][i * len(ways) + w]) for w, way in enumerate(ways) for kind in KINDS
                 for i in range(args.count)]
        random.shuffle(turns)
        for way, kind, name in turns:
            password = PASSWORD if kind.endswith("right") else "the wrong one"
            for what, (ms, line) in way(client, name, password).items():
                times.setdefault(what, {}).setdefault(kind, []).append(ms)
                if b" NO " in line:
                    texts.add(line)
        assert len(texts) == 1, texts
        for what, kinds in times.items():
            print(what)
            for kind in KINDS:
                low, middle, high = statistics.quantiles(kinds[kind], n=4)
                print(f"  {kind:16} {middle:9.3f} ms  ({low:.3f} to {high:.3f})   later than unknown: "
                      f"{later(kinds[kind], kinds['unknown']):.2f}")
    finally:
        server.remove()


if __name__ == "__main__":
    main()
