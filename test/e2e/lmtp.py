# SPDX-License-Identifier: Apache-2.0
"""A raw LMTP client that shows every reply (Python's own reads one reply for all recipients)."""
import re

from peer import Peer, insecure, octets


class Lmtp(Peer):
    def __init__(self, where, tls=None, lhlo=True, **more):
        super().__init__(where, tls, **more)
        self.greeting = self.reply()
        self.extensions = self.cmd("LHLO me.example")[4:].split("\n") if lhlo else []

    def reply(self):
        """'250 2.0.0 text', the lines of a longer one joined by LF; '' at the end of the connection."""
        lines = []
        while True:
            try:
                line = self.read_line()
            except EOFError:
                if lines or self.buf:
                    raise ConnectionError("the connection ended in a reply") from None
                return ""
            assert re.fullmatch(rb"[2-5][0-9][0-9][ -][^\r\n]*", line), line
            lines.append(line.decode())
            if line[3:4] == b" ":
                return "\n".join([lines[0]] + [part[4:] for part in lines[1:]]).replace("-", " ", 1)

    def cmd(self, line):
        self.send(octets(line) + b"\r\n")
        return self.reply()

    def ok(self, line):
        got = self.cmd(line)
        assert got[:1] in ("2", "3"), (line, got)
        return got

    def taken(self, count):
        """Reads so many replies; none may be a refusal."""
        for _ in range(count):
            got = self.reply()
            assert got[:1] in ("2", "3"), got

    def starttls(self):
        self.ok("STARTTLS")
        self.secure(insecure())

    def envelope(self, *recipients, sender="f@x.example"):
        """Replies to RCPT, by recipient."""
        self.ok(f"MAIL FROM:<{sender}>")
        return {r: self.cmd(f"RCPT TO:<{r}>") for r in recipients}

    def deliver(self, message, *recipients, sender="f@x.example"):
        """The last reply for each recipient; message is as on the wire, without the final dot."""
        replies = self.envelope(*recipients, sender=sender)
        taken = [r for r in recipients if replies[r].startswith("250")]
        if not taken:
            self.ok("RSET")
            return replies
        self.ok("DATA")
        self.send(message + b"\r\n.\r\n")
        replies.update((r, self.reply()) for r in taken)
        return replies
