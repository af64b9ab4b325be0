# SPDX-License-Identifier: Apache-2.0
"""A demo site made by `./dev up`, and a small raw IMAP client that shows every byte."""
import base64
import os
import re
import shutil
import socket
import ssl
import subprocess
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# As in conftest.py: servers are shut in.
SHUT_IN = ["--as", "nobody"] if os.environ.get("TURNSTONE_SANDBOX") == "1" else []


class Demo:
    """A server of its own in a folder of its own, through `./dev up --background`."""

    def __init__(self, *options):
        self.dir = tempfile.mkdtemp(prefix="turnstone-e2e-", dir="/tmp")
        os.chmod(self.dir, 0o755)  # another user may have to pass
        self.site = os.path.join(self.dir, "site")
        self.options = list(options)
        self.env = {}

    def up(self, *options):
        done = subprocess.run([os.path.join(TOP, "dev"), "up", "--dir", self.site, "--background",
                               *SHUT_IN, *self.options, *options],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout
        self.output = done.stdout
        self.read_env()
        return self

    def read_env(self):
        with open(os.path.join(self.site, "demo.env"), encoding="ascii") as f:
            self.env = dict(line.rstrip("\n").split("=", 1) for line in f)

    def down(self):
        done = subprocess.run([os.path.join(TOP, "dev"), "down", "--dir", self.site],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120,
                              stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout
        return done.stdout

    def kill(self):
        os.kill(self.pid, 9)
        while os.path.exists(f"/proc/{self.pid}") and self._state() != "Z":
            pass

    def _state(self):
        try:
            with open(f"/proc/{self.pid}/stat", encoding="ascii") as f:
                return f.read().rsplit(")", 1)[1].split()[0]
        except OSError:
            return "Z"

    def remove(self):
        try:
            self.down()
        finally:
            shutil.rmtree(self.dir, ignore_errors=True)

    def password(self, user):
        return self.env[("USER" if user.startswith("user") else user.upper()) + "_PASSWORD"]

    @property
    def pid(self):
        return int(self.env["PID"])

    @property
    def imap(self):
        return int(self.env["IMAP_PORT"])

    @property
    def imaps(self):
        return int(self.env["IMAPS_PORT"])

    @property
    def lmtp(self):
        """Where mail is delivered: a port, and a path."""
        return [int(self.env["LMTP_PORT"]), self.env["LMTP_SOCKET"]]

    @property
    def ca(self):
        return self.env["CA_FILE"]

    def context(self):
        return ssl.create_default_context(cafile=self.ca)

    def client(self, tls=False):
        return Client(self, tls)

    def login(self, user, tls=False):
        client = self.client(tls)
        client.ok(f"LOGIN {user} {self.password(user)}")
        return client


def plain(authzid, authcid, password):
    return base64.b64encode(f"{authzid}\0{authcid}\0{password}".encode()).decode()


class Client:
    """Sends lines, reads responses; literals in responses are kept inside them."""

    def __init__(self, demo, tls=False):
        self.demo = demo
        raw = socket.create_connection(("127.0.0.1", demo.imaps if tls else demo.imap), timeout=60)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock = demo.context().wrap_socket(raw, server_hostname="127.0.0.1") if tls else raw
        self.buf = b""
        self.count = 0
        self.greeting = self.read_response()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def fill(self):
        got = self.sock.recv(65536)
        if not got:
            raise EOFError(f"the server closed the connection; left over: {self.buf!r}")
        self.buf += got

    def read_line(self):
        while b"\r\n" not in self.buf:
            self.fill()
        line, self.buf = self.buf.split(b"\r\n", 1)
        return line

    def read_response(self):
        """One response, with the literals it holds, as bytes without the last CRLF."""
        whole = b""
        while True:
            line = self.read_line()
            whole += line
            literal = re.search(rb"\{(\d+)\}$", line)
            if literal is None:
                return whole
            size = int(literal.group(1))
            while len(self.buf) < size:
                self.fill()
            whole += b"\r\n" + self.buf[:size]
            self.buf = self.buf[size:]

    def until(self, tag):
        """All responses up to the tagged one, which is the last."""
        responses = []
        while True:
            responses.append(self.read_response())
            if responses[-1].split(b" ", 1)[0] == tag.encode():
                return responses

    def run(self, command):
        self.count += 1
        tag = f"t{self.count}"
        self.send(tag.encode() + b" " + (command if isinstance(command, bytes) else command.encode()) + b"\r\n")
        return self.until(tag)

    def ok(self, command):
        responses = self.run(command)
        assert responses[-1].split(b" ")[1] == b"OK", (command, responses)
        return responses

    def no(self, command, code=""):
        return self.refused(command, "NO", code)

    def bad(self, command, code=""):
        return self.refused(command, "BAD", code)

    def refused(self, command, word, code):
        responses = self.run(command)
        assert responses[-1].split(b" ")[1] == word.encode(), (command, responses)
        assert code.encode() in responses[-1], (command, responses)
        return responses

    def append(self, mailbox, message, extra=""):
        data = message if isinstance(message, bytes) else message.encode()
        return self.ok(f"APPEND {mailbox} {extra}{{{len(data)}+}}\r\n".encode() + data)

    def capabilities(self):
        line = [r for r in self.ok("CAPABILITY") if r.startswith(b"* CAPABILITY")][0]
        return line.decode().split()[2:]

    def close(self):
        try:
            self.sock.close()
        except OSError:
            pass
