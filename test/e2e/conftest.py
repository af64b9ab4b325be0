# SPDX-License-Identifier: Apache-2.0
"""Sites that are removed after the test, or the module.  How to write a test: CONTRIBUTING.md."""
import os

import pytest

from demo import Demo
from server import SANDBOX, SANITIZED, Site

os.environ.pop("TURNSTONE_CONFIG", None)
os.environ["TURNSTONE_WATCH_BLOCKING"] = "1"  # a server aborts when a loop of it may block

if SANDBOX and (os.geteuid() != 0 or SANITIZED):
    pytest.exit("TURNSTONE_SANDBOX=1 needs root, and a program without sanitizers", returncode=2)


@pytest.fixture(name="server")
def _server():
    site = Site()
    yield site
    site.remove()


@pytest.fixture(name="demo", scope="module")
def _demo():
    site = Demo().up()
    yield site
    site.remove()
