#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What does a backup cost?

usage: test/bench/backup.py [USERS ...]

For each number of users, 1,000, 20,000 and 100,000 unless told, a demo site is made in which each of
them has one message.  Beside its server: a full backup, one with nothing changed, one with a message
more for each hundredth user, a check of the folder, and a prune to one run.  Of each: seconds, the
command's peak of resident memory, the server's, files and folders flushed, and what the folder takes
on disk beside the bytes of mail.  The server is started anew before each step, and the peak is what it
reached in that step.
"""
import json
import os
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "test", "e2e"))
# pylint: disable=wrong-import-position
from demo import Demo  # noqa: E402
from server import TURNSTONE, kib  # noqa: E402

MIB = 1 << 20


def peak(pid):
    return kib(pid, "VmHWM") * 1024


def on_disk(folder):
    return int(subprocess.run(["du", "-s", "--block-size=1", folder], capture_output=True, text=True, check=True)
               .stdout.split()[0])


def files(folder):
    return sum(len(names) for _, _, names in os.walk(folder))


def step(demo, name, folder, *words):
    demo.down()
    demo.up()
    before = peak(demo.pid)
    config = [] if len(words) > 1 else ["--config", demo.conf]
    begin = time.monotonic()
    process = subprocess.Popen([TURNSTONE, *words, folder, *config, "--json", *(["--keep", "1"] if "prune" in words else [])],
                               stdout=subprocess.PIPE, text=True)
    done = json.loads(process.stdout.read())
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - begin
    assert process.returncode == 0, done
    print(f"{demo.users:>8} {name:<18}{seconds:>8.1f} s {used.ru_maxrss * 1024 / MIB:>8.1f} MiB command "
          f"{before / MIB:>7.1f} to {peak(demo.pid) / MIB:>6.1f} MiB server {done.get('flushes', '-'):>6} flushes "
          f"{files(folder):>7} files {on_disk(folder) / MIB:>8.1f} MiB on disk", flush=True)
    return done


def deliver(demo):
    """A message more for each hundredth user."""
    with demo.lmtp() as lmtp:
        for i in range(1, demo.users + 1, 100):
            user = f"user{i:04}"
            assert lmtp.deliver(b"Subject: one more\r\n\r\nfor user %d" % i, user)[user].startswith("250")


def measure(users):
    demo = Demo("--users", str(users))
    demo.users = users
    folder = os.path.join(demo.dir, "saved")
    try:
        demo.up()
        step(demo, "full", folder, "backup")
        step(demo, "nothing changed", folder, "backup")
        deliver(demo)
        step(demo, "one in a hundred", folder, "backup")
        step(demo, "verify", folder, "backup", "verify")
        step(demo, "prune", folder, "backup", "prune")
        done = demo.asked("backup", "list", folder, config=False)
        print(f"{users:>8} mail: {sum(u['bytes'] for u in done[-1]['users']) / MIB:.1f} MiB", flush=True)
    finally:
        demo.remove()


def main():
    print(subprocess.run(["uptime"], capture_output=True, text=True, check=True).stdout, end="")
    for users in [int(word) for word in sys.argv[1:]] or [1_000, 20_000, 100_000]:
        measure(users)
    print(subprocess.run(["uptime"], capture_output=True, text=True, check=True).stdout, end="")


if __name__ == "__main__":
    main()
