#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What one login costs the server by its mechanism: processor time of its process, and time as the client sees it.

One connection in clear on loopback logs in and says UNAUTHENTICATE, over and over.  The native mechanisms
stand beside DIGEST-MD5 and, where a KDC is installed, GSSAPI through libsasl2, which takes a thread's turn
for each of its moves.

    /usr/bin/python3 test/bench/sasl.py [switches [repetitions]]
"""
import os
import statistics
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
# pylint: disable=wrong-import-position
from imap import plain  # noqa: E402
from saslmech import Digest, Gssapi, LayerClient  # noqa: E402
from server import Site  # noqa: E402
from test_layers import KDC, Kdc, gssapi, service  # noqa: E402
from test_sasl import Scram, authenticate  # noqa: E402

PASSWORD = "blue sea"


def by_plain(client):
    client.ok("AUTHENTICATE PLAIN " + plain("", "anna", PASSWORD))
    client.ok("UNAUTHENTICATE")


def by_scram(client):
    assert authenticate(client, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", "anna", PASSWORD)).startswith(b"s1 OK")
    client.ok("UNAUTHENTICATE")


def by_digest(qop):
    def run(client):
        assert client.authenticate(Digest("anna", PASSWORD, qop=qop)).startswith(b"s1 OK")
        client.unauthenticate()
    return run


def by_gssapi(creds, choice):
    def run(client):
        assert client.authenticate(Gssapi(credentials=creds, **service(choice)), True).startswith(b"s1 OK")
        client.unauthenticate()
    return run


ROWS = [("PLAIN, native, in the cache", by_plain), ("SCRAM-SHA-256, native", by_scram),
        ("DIGEST-MD5, libsasl2, no layer", by_digest("auth")),
        ("DIGEST-MD5, libsasl2, integrity layer", by_digest("auth-int")),
        ("DIGEST-MD5, libsasl2, confidentiality layer", by_digest("auth-conf"))]


def processor_seconds(pid):
    with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
        f.read()
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat", encoding="ascii") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def measure(server, what, count):
    client = server.client(kind=LayerClient)
    for _ in range(20):
        what(client)
    cpu, wall = processor_seconds(server.pid), time.monotonic()
    for _ in range(count):
        what(client)
    cpu, wall = processor_seconds(server.pid) - cpu, time.monotonic() - wall
    client.close()
    return cpu / count * 1e6, wall / count * 1e6


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    reps = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    with tempfile.TemporaryDirectory(prefix="ts-kdc-", dir="/tmp") as folder:
        kdc = Kdc(folder) if KDC and gssapi else None
        try:
            compare(count, reps, kdc)
        finally:
            if kdc:
                kdc.stop()


def compare(count, reps, kdc):
    rows, more, mechs = list(ROWS), "", "DIGEST-MD5"
    if kdc:
        os.environ["KRB5_CONFIG"] = kdc.env["KRB5_CONFIG"]
        kdc.admin("addprinc -randkey imap/localhost")
        kdc.admin(f"ktadd -k {kdc.dir}/keytab imap/localhost")
        kdc.add("anna", "kanna")
        kdc.start()
        _, creds = kdc.ticket("anna", "kanna")
        mechs += ", GSSAPI"
        more = f"auth.sasl_host = localhost\nauth.kerberos_keytab = {kdc.dir}/keytab\n"
        rows += [("GSSAPI, libsasl2, no layer", by_gssapi(creds, 1)),
                 ("GSSAPI, libsasl2, confidentiality layer", by_gssapi(creds, 4))]
    server = Site("default_domain = example.test\nunauthenticate = everyone\nlog.level = warning\n"
                  f"auth.sasl_mechanisms = [{mechs}]\nauth.digest_md5_encryption = yes\n"
                  f"mechanisms = [{mechs}, SCRAM-SHA-256, PLAIN]\n" + more)
    try:
        server.start()
        server.add("anna", PASSWORD, "--digest-md5")
        print(f"{count} switches, {reps} times; us of the server's processors, and as the client sees it (median)")
        for name, what in rows:
            got = [measure(server, what, count) for _ in range(reps)]
            cpu, wall = (statistics.median(column) for column in zip(*got))
            print(f"{name:45} {cpu:8.1f} {wall:8.1f}", flush=True)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
