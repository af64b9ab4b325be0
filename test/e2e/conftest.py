# SPDX-License-Identifier: Apache-2.0
"""Sites that are removed after the test, or after the module.  CONTRIBUTING.md says how to write a test."""
import os

import pytest

from demo import Demo
from server import SANDBOX, SANITIZED, Site

os.environ.pop("TURNSTONE_CONFIG", None)
os.environ["TURNSTONE_WATCH_BLOCKING"] = "1"  # a server aborts if one of its loops may block

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
