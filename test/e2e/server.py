# SPDX-License-Identifier: Apache-2.0
"""Site: a server of its own for a test, in a temporary folder, on free ports of loopback.

The program is in the build folder named by TURNSTONE_BUILD (default: build/ in the source tree).  With
TURNSTONE_SANDBOX=1, for root: every server becomes the user SANDBOX_USER and
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
    """In the sandbox run: gives the file, or the folder with everything in it, to the server's user."""
    if SANDBOX:
        user = pwd.getpwnam(SANDBOX_USER)
        for folder, _, files in os.walk(path):
            for name in [folder] + [os.path.join(folder, f) for f in files]:
                os.chown(name, user.pw_uid, user.pw_gid, follow_symlinks=False)
        if not os.path.isdir(path):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def strangers(path):
    """Files in a data folder that the server cannot have made; in the sandbox run there must be none."""
    uid = pwd.getpwnam(SANDBOX_USER).pw_uid
    return [os.path.join(d, f) for d, _, files in os.walk(path) for f in files
            if os.lstat(os.path.join(d, f)).st_uid != uid]


def wait_for(what, seconds=30, why=lambda: "did not happen in time"):
    """Waits until it is true; returns the result.  why: the message if it never is."""
    end = time.monotonic() + seconds
    while not (got := what()):
        assert time.monotonic() < end, why()
        time.sleep(0.02)
    return got


def status_of(pid):
    """The kernel's status of a process or thread."""
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def ended(pid):
    """Its new parent may not have collected it yet."""
    try:
        return status_of(pid)["State"].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return True


def kib(pid, what="VmRSS"):
    return int(status_of(pid)[what].split()[0])


class Site:
    """The server's files and process; users, commands, clients.  `remove` ends everything that it started."""

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
            self.shut_in = False  # the test sets its own
        with open(self.conf, "w", encoding="utf-8") as f:
            f.write(CONF.format(dir=self.dir, more=more) + (SHUT_IN if self.shut_in else ""))

    def edit(self, old, new):
        """Replaces the old words in the current configuration with the new ones."""
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
        """Runs a subcommand with --config; checks that it succeeded (or failed), or how it ended.  ok None:
        anything."""
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
        """Waits for its end; returns the exit code."""
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
        """Reloads with SIGHUP, and waits until it is done."""
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
        """Waits for a line with all the words.  since: an earlier len(log())."""
        def found():
            return next((line for line in self.log()[since:].splitlines() if all(w in line for w in words)), None)
        return wait_for(found, seconds, lambda: (words, self.log()))

    def protocol(self, user, so=lambda text: True):
        """That user's protocol log, once the condition is true (a server thread writes it); '' if there is
        none."""
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
        """Connects to the imap port, with TLS to the imaps port, or to a listener's.  tls: True, or a
        context."""
        context = self.context() if tls is True else tls or None
        return kind(self.port(listener or ("IMAPS" if tls else "IMAP")), context, **more)

    def login(self, user, password=None, tls=False, **more):
        client = self.client(tls, **more)
        client.ok(f'LOGIN {user} "{self.password(user) if password is None else password}"')
        return client

    def password(self, user):
        return self.passwords[user]

    def lets_in(self, user, password):
        """Whether a login succeeds on the imap port."""
        with self.client() as client:
            word = client.run(f'LOGIN {user} "{password}"')[-1].split(b" ")[1]
            assert word in (b"OK", b"NO"), word
            return word == b"OK"

    def lmtp(self, listener="LMTP", **more):
        return Lmtp(self.port(listener), **more)

    def deliveries(self):
        """Where a listener with both accepts mail: a port, and a path."""
        return [self.port("LMTP"), self.dir + "/lmtp.sock"]

    def certificate(self):
        """The imaps port's certificate, as bytes."""
        with Peer(self.port("IMAPS"), insecure()) as peer:
            return peer.sock.getpeercert(binary_form=True)
