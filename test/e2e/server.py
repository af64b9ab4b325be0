# SPDX-License-Identifier: Apache-2.0
"""Site: a server of its own for a test, in a temporary folder, on free ports of loopback.

The program is taken from the build folder named by TURNSTONE_BUILD (default: build/ of the
source tree).  With TURNSTONE_SANDBOX=1, for root: every server becomes the user SANDBOX_USER and
shuts itself in (server.sandbox = require), and what a server leaves in its data folder must be
that user's.
"""
import json
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

from imap import Imap
from lmtp import Lmtp
from peer import Peer, insecure

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("TURNSTONE_BUILD", os.path.join(TOP, "build"))
TURNSTONE = os.path.join(BUILD, "turnstone")
SANITIZED = os.path.exists(TURNSTONE) and b"__asan_init" in pathlib.Path(TURNSTONE).read_bytes()
SANDBOX_USER = "nobody"
SANDBOX = os.environ.get("TURNSTONE_SANDBOX") == "1"
SHUT_IN = f"server {{ user = {SANDBOX_USER}; sandbox = require }}\n"
CONF = """\
server {{ data = {dir}/data; loops = 2 }}
store.free_space = 1M
plaintext_login = loopback
listener imap {{ address = 127.0.0.1; port = 0; tls = starttls }}
listener imaps {{ address = 127.0.0.1; port = 0; tls = imaps }}
{more}
"""


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


def wait_for(what, seconds=30, why=lambda: "did not happen in time"):
    """Until it is so; the result.  why: what is said when it is not."""
    end = time.monotonic() + seconds
    while not (got := what()):
        assert time.monotonic() < end, why()
        time.sleep(0.02)
    return got


def status_of(pid):
    """What the kernel says of a process or thread."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def ended(pid):
    """Whoever inherited it may not have collected it yet."""
    try:
        return status_of(pid)["State"].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


def kib(pid, what="VmRSS"):
    return int(status_of(pid)[what].split()[0])


class Site:
    """The server's files and its process; users, commands, clients.  `remove` ends all that it started."""

    program = TURNSTONE

    def __init__(self, more=""):
        self.make_folder()
        self.write(more)
        give(self.dir)

    def make_folder(self, folder=None):
        self.dir = folder or tempfile.mkdtemp(prefix="ts-", dir="/tmp")  # short, for the path of the control socket
        self.conf = os.path.join(self.dir, "t.conf")
        self.ready = os.path.join(self.dir, "ports")
        self.logfile = os.path.join(self.dir, "log")
        self.process, self.traced = None, False
        self.passwords = {}
        self.shut_in = SANDBOX

    def write(self, more=""):
        """The configuration: CONF, and more."""
        if re.search(r"\b(user|sandbox) *=", more):
            self.shut_in = False  # the test has an idea of its own
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(CONF.format(dir=self.dir, more=more) + (SHUT_IN if self.shut_in else ""))

    def edit(self, old, new):
        """In the configuration as it is: the new words for the old."""
        with open(self.conf, encoding="utf-8") as f:
            text = f.read()
        assert old in text, text
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(text.replace(old, new))

    # ---- commands

    def command(self, *args):
        """The words of a subcommand, for this site's configuration."""
        return [self.program, *args, "--config", self.conf]

    def cli(self, *args, stdin="", config=True, ok=True, code=None, timeout=120):
        """Runs a subcommand with --config; checks that it did (or did not) succeed, or how it ended.  ok None: whatever."""
        words = self.command(*args) if config else [self.program, *args]
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, errors="replace", timeout=timeout,
                              check=False)
        if code is not None:
            assert done.returncode == code, (args, done)
        elif ok is not None:
            assert (done.returncode == 0) == ok, (args, done)
        return done

    def asked(self, *args, **more):
        """The answer in JSON."""
        return json.loads(self.cli(*args, "--json", **more).stdout)

    def status(self):
        return dict(line.split(": ", 1) for line in self.cli("status", "--all").stdout.splitlines())

    def add(self, name, password, *more):
        self.passwords[name] = password
        return self.cli("user", "add", name, "--password-stdin", *more, stdin=password + "\n")

    # ---- the process

    def start(self, wait=True, front=(), traced=False, **more):
        """front: words before the command; traced: they stay as the server's parent (strace).  more: Popen's."""
        self.launch([*front, *self.command("serve", "--ready-file", self.ready)], **more)
        self.traced = traced
        return self.wait_ready() if wait else self

    def launch(self, words, **more):
        if os.path.exists(self.ready):
            os.unlink(self.ready)
        with open(self.logfile, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, **more)

    def wait_ready(self, seconds=300):
        end = time.monotonic() + seconds
        while not os.path.exists(self.ready):
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < end, "not ready: " + self.log()
            time.sleep(0.01)
        return self

    @property
    def pid(self):
        if not self.traced:
            return self.process.pid
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            return int(f.read().split()[0])

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def send_signal(self, signo):
        if self.traced:
            os.kill(self.pid, signo)
        else:
            self.process.send_signal(signo)

    def gone(self, seconds=60):
        """Waits for its end; the code."""
        code = self.process.wait(seconds)
        self.process, self.traced = None, False
        return code

    def stop(self, signo=signal.SIGTERM, seconds=60):
        if self.alive():
            self.send_signal(signo)
        return self.gone(seconds)

    def kill(self):
        return self.stop(signal.SIGKILL, None)

    def reload(self):
        """By SIGHUP, until it is done."""
        before = self.log().count("were read again")
        self.send_signal(signal.SIGHUP)
        wait_for(lambda: self.log().count("were read again") > before, 60, self.log)

    def remove(self):
        if self.process is not None:
            self.kill()
        found = strangers(self.dir + "/data") if self.shut_in else []
        shutil.rmtree(self.dir, ignore_errors=True)
        assert not found

    # ---- the log

    def log(self):
        with open(self.logfile, encoding="utf-8", errors="replace") as f:
            return f.read()

    def logged(self, *words, since=0, seconds=60):
        """Waits for a line that has all the words.  since: len(log()) of an earlier moment."""
        def found():
            return next((line for line in self.log()[since:].splitlines() if all(w in line for w in words)), None)
        return wait_for(found, seconds, lambda: (words, self.log()))

    def protocol(self, user, so=lambda text: True):
        """That user's protocol log when it is so (a thread of the server writes it); '' where there is none."""
        path = pathlib.Path(self.dir, "data", "protocol", user + ".log")

        def read():
            return path.read_text("utf-8", "surrogateescape") if path.exists() else ""
        return wait_for(lambda: [text for text in [read()] if so(text)], 60, read)[0]

    # ---- clients

    def port(self, name):
        with open(self.ready, encoding="ascii") as f:
            return int(dict(line.strip().split("=", 1) for line in f)[name + "_PORT"])

    def context(self):
        return insecure()

    def client(self, tls=False, listener=None, kind=Imap, **more):
        """On the imap port; with TLS, on the imaps port; or on a listener's.  tls: True, or a context."""
        context = self.context() if tls is True else tls or None
        return kind(self.port(listener or ("IMAPS" if tls else "IMAP")), context, **more)

    def login(self, user, password=None, tls=False, **more):
        client = self.client(tls, **more)
        client.ok(f'LOGIN {user} "{self.password(user) if password is None else password}"')
        return client

    def password(self, user):
        return self.passwords[user]

    def lets_in(self, user, password):
        """True or False, by the imap port."""
        with self.client() as client:
            word = client.run(f'LOGIN {user} "{password}"')[-1].split(b" ")[1]
            assert word in (b"OK", b"NO"), word
            return word == b"OK"

    def lmtp(self, listener="LMTP", **more):
        return Lmtp(self.port(listener), **more)

    def deliveries(self):
        """Where mail is taken, by a listener that has both: a port, and a path."""
        return [self.port("LMTP"), self.dir + "/lmtp.sock"]

    def certificate(self):
        """What the imaps port shows, as bytes."""
        with Peer(self.port("IMAPS"), insecure()) as peer:
            return peer.sock.getpeercert(binary_form=True)
