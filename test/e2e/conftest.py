# SPDX-License-Identifier: Apache-2.0
"""A server of its own for a test: temporary folder, free ports on loopback, no ./dev.

The program is taken from the build folder named by TURNSTONE_BUILD (default: build/ of the
source tree).  With TURNSTONE_SANDBOX=1, for root: every server becomes the user SANDBOX_USER and
shuts itself in (server.sandbox = require), and what a server leaves in its data folder must be
that user's.
"""
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TURNSTONE_BUILD", os.path.join(TOP, "build"))
TURNSTONE = os.path.join(BUILD, "turnstone")

with open(TURNSTONE, "rb") as program:
    SANITIZED = b"__asan_init" in program.read()

os.environ.pop("TURNSTONE_CONFIG", None)
os.environ["TURNSTONE_WATCH_BLOCKING"] = "1"  # a server aborts when a loop of it may block

SANDBOX_USER = "nobody"
SANDBOX = os.environ.get("TURNSTONE_SANDBOX") == "1"
if SANDBOX and (os.geteuid() != 0 or SANITIZED):
    pytest.exit("TURNSTONE_SANDBOX=1 needs root, and a program without sanitizers", returncode=2)
SHUT_IN = f"server {{ user = {SANDBOX_USER}; sandbox = require }}\n"


def give(path):
    """In the sandbox run: the file, or the folder with all that is in it, becomes the server's."""
    if SANDBOX:
        user = pwd.getpwnam(SANDBOX_USER)
        for folder, _, files in os.walk(path):
            for name in [folder] + [os.path.join(folder, f) for f in files]:
                os.chown(name, user.pw_uid, user.pw_gid, follow_symlinks=False)
        if not os.path.isdir(path):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def strangers(path):
    """Files of a data folder that the server could not have made: in the sandbox run there are none."""
    uid = pwd.getpwnam(SANDBOX_USER).pw_uid
    return [os.path.join(d, f) for d, _, files in os.walk(path) for f in files
            if os.lstat(os.path.join(d, f)).st_uid != uid]

CONF = """\
server {{ data = {dir}/data; loops = 2 }}
store.free_space = 1M
plaintext_login = loopback
listener imap {{ address = 127.0.0.1; port = 0; tls = starttls }}
listener imaps {{ address = 127.0.0.1; port = 0; tls = imaps }}
{more}
"""


class Server:
    def __init__(self, more=""):
        # Short, for the path of the control socket.
        self.dir = tempfile.mkdtemp(prefix="ts-", dir="/tmp")
        self.conf = os.path.join(self.dir, "t.conf")
        self.ready = os.path.join(self.dir, "ports")
        self.logfile = os.path.join(self.dir, "log")
        self.process = None
        self.shut_in = SANDBOX
        self.write(more)
        give(self.dir)

    def write(self, more=""):
        if re.search(r"\b(user|sandbox) *=", more):
            self.shut_in = False  # the test has an idea of its own
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(CONF.format(dir=self.dir, more=more) + (SHUT_IN if self.shut_in else ""))

    def cli(self, *args, stdin="", config=True, ok=True):
        """Runs a subcommand with --config; checks that it did (or did not) succeed."""
        cmd = [TURNSTONE, *args] + (["--config", self.conf] if config else [])
        done = subprocess.run(cmd, input=stdin, capture_output=True, text=True, timeout=120, check=False)
        if ok is not None:
            assert (done.returncode == 0) == ok, (args, done)
        return done

    def add(self, name, password, *more):
        return self.cli("user", "add", name, "--password-stdin", *more, stdin=password + "\n")

    def start(self, wait=True):
        if os.path.exists(self.ready):
            os.unlink(self.ready)
        with open(self.logfile, "ab") as log:
            self.process = subprocess.Popen([TURNSTONE, "serve", "--config", self.conf, "--ready-file", self.ready],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while wait and not os.path.exists(self.ready):
            assert self.process.poll() is None, self.log()
            time.sleep(0.01)
        return self

    def log(self):
        with open(self.logfile, encoding="utf-8", errors="replace") as f:
            return f.read()

    def port(self, name):
        with open(self.ready, encoding="ascii") as f:
            return int(dict(line.strip().split("=", 1) for line in f)[name + "_PORT"])

    def stop(self, signo=signal.SIGTERM):
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signo)
        code = self.process.wait(60)
        self.process = None
        return code

    def certificate(self):
        """What the imaps port shows, as bytes."""
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with socket.create_connection(("127.0.0.1", self.port("IMAPS")), timeout=30) as raw:
            with context.wrap_socket(raw) as tls:
                return tls.getpeercert(binary_form=True)

    def login(self, user, password):
        """True or False, by the imap port."""
        with socket.create_connection(("127.0.0.1", self.port("IMAP")), timeout=60) as s:
            f = s.makefile("rb")
            assert f.readline().startswith(b"* OK")
            s.sendall(f"a LOGIN {user} {password}\r\n".encode())
            line = f.readline()
            assert line.startswith((b"a OK", b"a NO")), line
            return line.startswith(b"a OK")

    def remove(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        found = strangers(self.dir + "/data") if self.shut_in else []
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not found


@pytest.fixture
def server():
    s = Server()
    yield s
    s.remove()
