# SPDX-License-Identifier: Apache-2.0
"""Views never lie: sessions on two mailboxes, each with a model of what it may believe.

The clients and the model are test/views, in C, so that they keep the server's threads busy.  A
round that found a contradiction prints it, with the last hundred lines and its seed; most of it
comes again with TURNSTONE_SEED, but for what the threads decided.  TURNSTONE_VIEWS_SECONDS says
how long it goes on: an hour with --long.
"""
import os
import subprocess

from server import BUILD

LONG = os.environ.get("TURNSTONE_LONG")
# The default run has a fixed seed, so that it always does the same.
SEED = os.environ.get("TURNSTONE_SEED", "1") if LONG else "8437"
SECONDS = os.environ.get("TURNSTONE_VIEWS_SECONDS", "3600" if LONG else "8")
MORE = """
limits { out_high = 64K; out_low = 16K; logins_per_user = 100; append = 64M }
"""


def test_views_on_threads(server):
    server.write()
    server.add("alice", "secret")
    server.start()
    done = subprocess.run([os.path.join(BUILD, "test/views/views"), str(server.port("IMAP")), "alice", "secret",
                           SECONDS, SEED], capture_output=True, text=True, errors="replace", check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stderr[-30000:]
    assert server.stop() == 0, server.log()[-3000:]
