# SPDX-License-Identifier: Apache-2.0
"""Clients written in JavaScript, installed once with npm."""
import fcntl
import os
import shutil
import subprocess

import pytest

from server import TOP

HERE = os.path.dirname(os.path.abspath(__file__))


def imapflow():
    """The folder to run test/e2e/npm/*.js in; skips the test if ImapFlow cannot be installed."""
    home = os.path.join(TOP, "var", "npm")
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    os.makedirs(home, exist_ok=True)
    with open(os.path.join(home, "lock"), "w", encoding="ascii") as lock:  # tests run in parallel
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name in os.listdir(os.path.join(HERE, "npm")):
            copy = os.path.join(home, name)
            shutil.copy(os.path.join(HERE, "npm", name), copy + ".new")
            os.rename(copy + ".new", copy)
        if not os.path.isdir(os.path.join(home, "node_modules", "imapflow")):
            done = subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"],
                                  cwd=home, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  stdin=subprocess.DEVNULL)
            if done.returncode != 0:
                pytest.skip("npm cannot install imapflow here (is the registry reachable?)")
    return home
