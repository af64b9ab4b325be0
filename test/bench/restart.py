#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""From SIGKILL to the first command served: restart.py [MESSAGES] [ROUNDS]

A mailbox is filled, and 16 connections append to other mailboxes when the server is killed, so
that there is a log to recover.  The clock runs from the signal to the tagged OK of a FETCH in the
big mailbox; the server is started anew at once, as a supervisor would.
"""
import os
import select
import signal
import subprocess
import sys
import tempfile
import time

import bench


def fill(site, count):
    bench.BIG = count
    site.need_box("Big")


def first_served(site, server, started):
    """Seconds until login, and until a FETCH is answered."""
    while True:
        if server.poll() is not None:
            sys.exit(f"the server did not start: see {site.folder}/server.log")
        try:
            with site.client() as client:
                if not client.greeting.startswith(b"* OK"):
                    continue
                client.ok(f"LOGIN alice {site.password('alice')}")
                login = time.monotonic() - started
                client.ok("EXAMINE Big")
                client.ok("FETCH * (FLAGS ENVELOPE)")
                return login, time.monotonic() - started
        except (OSError, EOFError):
            time.sleep(0.002)


def one(site, load):
    pid = int(site.env["PID"])
    writer = subprocess.Popen([str(a) for a in load], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    started = time.monotonic()
    end = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([end], [], [])  # a supervisor sees the end of its child
    os.close(end)
    with open(site.folder / "server.log", "ab") as log:
        server = subprocess.Popen([bench.TOP / "build" / "turnstone", "serve", "--config",
                                   site.folder / "turnstone.conf", "--set", f"imap.port={site.env['IMAP_PORT']}",
                                   "--set", f"imaps.port={site.env['IMAPS_PORT']}"], stdout=log, stderr=log)
    result = first_served(site, server, started)
    writer.wait()
    site.env["PID"] = str(server.pid)
    return result, server


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    bench.VAR.mkdir(parents=True, exist_ok=True)
    subprocess.run(["ninja", "-C", bench.TOP / "build", "test/bench/imap_load"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="site-", dir=bench.VAR) as folder:
        site = bench.Site(bench.pathlib.Path(folder))
        site.up()
        fill(site, count)
        site.need_load_boxes()
        load = [bench.TOOLS / "imap_load", "--password", site.env["USER_PASSWORD"], *bench.APPEND, "--conns", 16,
                "--seconds", 60, *site.load_args(False), "append"]
        server, times = None, []
        for _ in range(rounds):
            result, server = one(site, load)
            times.append(result)
        server.terminate()
        server.wait()
    for what, values in (("login", [t[0] for t in times]), ("FETCH", [t[1] for t in times])):
        print(f"{count} messages, SIGKILL to {what}: median {sorted(values)[len(values) // 2] * 1000:.0f} ms, "
              f"worst {max(values) * 1000:.0f} ms, {rounds} rounds")


if __name__ == "__main__":
    main()
