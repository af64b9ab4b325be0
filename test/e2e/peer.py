# SPDX-License-Identifier: Apache-2.0
"""One connection to a server, byte for byte: in clear or under TLS, by TCP or a UNIX socket.

imap.py and lmtp.py build on it.  Nothing is guessed: unread bytes stay in `buf`, and if the server is silent
for too long, the test fails and shows what it said before.
"""
import collections
import contextlib
import socket
import ssl

TIMEOUT = 60


def insecure():
    """A TLS context for servers whose certificate nobody has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(where, source=None, receive=0, timeout=TIMEOUT):
    """A socket to a port on loopback, from that loopback address, or to a path; receive: the size of its
    buffer."""
    sock = socket.socket(socket.AF_INET if isinstance(where, int) else socket.AF_UNIX)
    try:
        sock.settimeout(timeout)
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        if isinstance(where, int):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if source:
                sock.bind((source, 0))
            sock.connect(("127.0.0.1", where))
        else:
            sock.connect(where)
    except BaseException:
        sock.close()
        raise
    return sock


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def octets(text):
    return text if isinstance(text, bytes) else text.encode()


class Peer:
    """Sends bytes, reads lines."""

    def __init__(self, where, tls=None, host="127.0.0.1", session=None, first=(), **more):
        """tls: a context, for implicit TLS; first: pieces to send before, each in a write of its own."""
        self.seen = collections.deque(maxlen=10)  # the last lines, for debugging
        self.buf = bytearray()
        self.sock = connect(where, **more)
        try:
            for piece in first:
                self.sock.sendall(piece)
            if tls:
                self.secure(tls, host, session)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.close()

    def secure(self, context, host="127.0.0.1", session=None):
        """Starts TLS."""
        assert not self.buf, self.story()
        self.sock = context.wrap_socket(self.sock, server_hostname=host, session=session)

    def send(self, data):
        self.sock.sendall(octets(data))

    def story(self):
        said = [bytes(line[:300]) for line in self.seen]
        return f"the last lines: {said}, and after them {bytes(self.buf[:300])!r} ({len(self.buf)} bytes)"

    def receive(self):
        """Reads what arrives next."""
        try:
            got = self.sock.recv(1 << 17)
        except TimeoutError:
            raise AssertionError(f"nothing came for {self.sock.gettimeout():g} s; {self.story()}") from None
        if not got:
            raise EOFError(f"the server closed the connection; {self.story()}")
        return got

    def fill(self):
        self.buf += self.receive()

    def take(self, size):
        data = bytes(memoryview(self.buf)[:size])
        del self.buf[:size]
        return data

    def read(self, size):
        while len(self.buf) < size:
            self.fill()
        return self.take(size)

    def skip(self, size):
        """Reads and discards any amount."""
        while size > len(self.buf):
            size -= len(self.buf)
            self.buf.clear()
            self.fill()
        del self.buf[:size]

    def read_line(self):
        """Without its CRLF."""
        at = 0
        while (end := self.buf.find(b"\r\n", at)) < 0:
            at = max(len(self.buf) - 1, 0)
            self.fill()
        line = self.take(end + 2)[:-2]
        self.seen.append(line)
        return line

    def say(self, data, until):
        """Sends, and reads up to the line with that beginning, which is the last one returned."""
        self.send(data)
        lines = [self.read_line()]
        while not lines[-1].startswith(octets(until)):
            lines.append(self.read_line())
        return lines

    def rest(self):
        """Everything up to the server's close."""
        with contextlib.suppress(EOFError):
            while True:
                self.fill()
        return self.take(len(self.buf))
