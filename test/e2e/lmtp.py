# SPDX-License-Identifier: Apache-2.0
"""A raw LMTP client that shows every reply (Python's own reads one reply for all recipients)."""
import re
import socket
import ssl


class Lmtp:
    def __init__(self, where, lhlo=True):
        """where: a port on loopback, or the path of a UNIX socket."""
        if isinstance(where, int):
            self.sock = socket.create_connection(("127.0.0.1", where), timeout=60)
        else:
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(60)
            self.sock.connect(where)
        self.file = self.sock.makefile("rb")
        self.greeting = self.reply()
        self.extensions = self.cmd("LHLO me.example")[4:].split("\n") if lhlo else []

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.close()

    def close(self):
        self.file.close()
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data if isinstance(data, bytes) else data.encode())

    def reply(self):
        """'250 2.0.0 text', the lines of a longer one joined by LF; '' at the end of the connection."""
        lines = []
        while True:
            line = self.file.readline()
            if not line and not lines:
                return ""
            if not line.endswith(b"\n"):
                raise ConnectionError("the connection ended in a reply")
            assert re.fullmatch(rb"[2-5][0-9][0-9][ -][^\r\n]*\r\n", line), line
            lines.append(line[:-2].decode())
            if line[3:4] == b" ":
                return "\n".join([lines[0]] + [part[4:] for part in lines[1:]]).replace("-", " ", 1)

    def cmd(self, line):
        self.send((line if isinstance(line, bytes) else line.encode()) + b"\r\n")
        return self.reply()

    def ok(self, line):
        got = self.cmd(line)
        assert got[:1] in ("2", "3"), (line, got)
        return got

    def starttls(self):
        self.ok("STARTTLS")
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self.sock = context.wrap_socket(self.sock)
        self.file = self.sock.makefile("rb")

    def envelope(self, *recipients, sender="f@x.example"):
        """Replies to RCPT, by recipient."""
        self.ok(f"MAIL FROM:<{sender}>")
        return {r: self.cmd(f"RCPT TO:<{r}>") for r in recipients}

    def deliver(self, message, *recipients, sender="f@x.example"):
        """By recipient the last reply about it; message is as it goes over the wire, without the end."""
        replies = self.envelope(*recipients, sender=sender)
        taken = [r for r in recipients if replies[r].startswith("250")]
        if not taken:
            self.ok("RSET")
            return replies
        self.ok("DATA")
        self.send(message + b"\r\n.\r\n")
        replies.update((r, self.reply()) for r in taken)
        return replies
