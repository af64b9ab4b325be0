# SPDX-License-Identifier: Apache-2.0
"""A raw IMAP client that shows every byte."""
import base64
import re

from peer import Peer, octets


def plain(authzid, authcid, password):
    """A PLAIN message, in base64."""
    return base64.b64encode(f"{authzid}\0{authcid}\0{password}".encode()).decode()


def literals(response):
    """The contents of a response's literals."""
    found, at = [], 0
    while (end := response.find(b"\r\n", at)) >= 0:
        size = int(re.search(rb"\{(\d+)\}$", response[at:end]).group(1))
        found.append(response[end + 2:end + 2 + size])
        at = end + 2 + size
    return found


class Imap(Peer):
    """Commands have tags t1, t2 …; those sent by `send` have the caller's tags."""

    def __init__(self, where, tls=None, **more):
        super().__init__(where, tls, **more)
        self.count = 0
        self.greeting = self.read_response()

    def read_response(self):
        """One response, with its literals, as bytes without the last CRLF."""
        parts = [self.read_line()]
        while literal := re.search(rb"\{(\d+)\}$", parts[-1]):
            parts += [b"\r\n", self.read(int(literal.group(1))), self.read_line()]
        return b"".join(parts)

    def until(self, tag):
        """All responses up to the tagged one, which is the last."""
        responses = []
        while not responses or responses[-1].split(b" ", 1)[0] != octets(tag):
            responses.append(self.read_response())
        return responses

    def tagged(self, tag):
        """The tagged response alone, whatever comes before it."""
        while True:
            line = self.read_line()
            if line.split(b" ", 1)[0] == octets(tag):
                return line
            while literal := re.search(rb"\{(\d+)\}$", line):
                self.skip(int(literal.group(1)))
                line = self.read_line()

    def put(self, *commands):
        """Sends commands in one write; returns their tags."""
        tags = [f"t{self.count + i}" for i in range(1, len(commands) + 1)]
        self.count += len(commands)
        self.send(b"".join(octets(tag) + b" " + octets(command) + b"\r\n" for tag, command in zip(tags, commands)))
        return tags

    def run(self, command):
        return self.until(*self.put(command))

    def done(self, tag):
        """The responses to a command that was sent before; it must succeed."""
        responses = self.until(tag)
        assert responses[-1].split(b" ")[1] == b"OK", responses
        return responses

    def all_ok(self, *commands):
        """Pipelined; the responses to each."""
        return [self.done(tag) for tag in self.put(*commands)]

    def expect(self, command, word, code=""):
        responses = self.run(command)
        last = responses[-1]
        assert last.split(b" ")[1] == octets(word) and octets(code) in last, (command[:2000], responses)
        return responses

    def ok(self, command):
        return self.expect(command, "OK")

    def no(self, command, code=""):
        return self.expect(command, "NO", code)

    def bad(self, command, code=""):
        return self.expect(command, "BAD", code)

    def append(self, mailbox, message, extra=""):
        data = octets(message)
        return self.ok(f"APPEND {mailbox} {extra}{{{len(data)}+}}\r\n".encode() + data)

    def capabilities(self):
        line = [r for r in self.ok("CAPABILITY") if r.startswith(b"* CAPABILITY")][0]
        return line.decode().split()[2:]

    def starttls(self, context, **more):
        self.ok("STARTTLS")
        self.secure(context, **more)

    def ended(self):
        """The unsolicited BYE, then the end."""
        while not (line := self.read_response()).startswith(b"* BYE"):
            pass
        assert self.rest() == b""
        return line
