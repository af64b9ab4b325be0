# SPDX-License-Identifier: Apache-2.0
"""Counts the flushes of single changes with strace: each OK to a change has one before it."""
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

from conftest import TURNSTONE, Server
from demo import Client

COUNT = 20


class Traced(Server):
    @property
    def imap(self):
        return self.port("IMAP")

    def start_traced(self):
        self.trace = os.path.join(self.dir, "trace")
        with open(self.logfile, "ab") as log:
            self.process = subprocess.Popen(
                ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync,sendto,sendmsg,write,writev", "-s", "40",
                 "-o", self.trace, TURNSTONE, "serve", "--config", self.conf, "--ready-file", self.ready],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while not os.path.exists(self.ready):
            assert self.process.poll() is None, self.log()
            time.sleep(0.01)

    def remove(self):
        """The server first: it would outlive strace."""
        if self.process is not None:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
                for child in f.read().split():
                    os.kill(int(child), signal.SIGKILL)
            self.process.wait(60)
        super().remove()


def events(trace):
    """In order: 'F' for a flush that has ended well, the tag for a tagged OK that is sent."""
    out = []
    with open(trace, encoding="ascii", errors="replace") as f:
        for line in f:
            if re.search(r"(fsync|fdatasync)(\(| resumed).*= 0$", line):
                out.append("F")
            else:
                out += re.findall(r'(?:"|\\n)(n\d+) OK', line)
    return out


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
def test_each_change_is_flushed_before_its_ok():
    server = Traced()
    try:
        server.add("alice", "secret")
        server.start_traced()
        client = Client(server)
        client.ok("LOGIN alice secret")
        message = "Subject: x\r\n\r\n" + "y" * 3000 + "\r\n"
        numbers = {"append": range(0, COUNT), "store": range(COUNT, 2 * COUNT)}
        for n in numbers["append"]:
            client.send(f"n{n} APPEND INBOX {{{len(message)}+}}\r\n{message}\r\n")
            assert b" OK " in client.until(f"n{n}")[-1]
        client.ok("SELECT INBOX")
        for n in numbers["store"]:
            client.send(f"n{n} UID STORE {n - COUNT + 1} +FLAGS.SILENT (\\Flagged)\r\n")
            assert b" OK " in client.until(f"n{n}")[-1]
        client.close()
        seen = events(server.trace)
        for what, tags in numbers.items():
            at = [seen.index(f"n{n}") for n in tags]
            flushes = [seen[a:b].count("F") for a, b in zip(at, at[1:])]
            print(f"{COUNT} single {what} commands: {sum(flushes)} flushes in the {COUNT - 1} gaps between OKs")
            assert min(flushes) >= 1, (what, flushes)
            assert sum(flushes) <= 2 * COUNT, (what, flushes)   # and no more than it needs
        assert "F" in seen[:seen.index("n0")]
    finally:
        server.remove()
