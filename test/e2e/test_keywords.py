# SPDX-License-Identifier: Apache-2.0
"""Keywords on their ways in and out: long ones of before, full tables, those that were forgotten."""
import json
import os
import re
import socket

PASSWORD = "Secret-word-77"


class Client:
    def __init__(self, server):
        self.sock = socket.create_connection(("127.0.0.1", server.port("IMAP")), timeout=120)
        self.file = self.sock.makefile("rb")
        self.file.readline()
        self.ok(f"LOGIN alice {PASSWORD}")

    def do(self, line):
        self.sock.sendall(b"t " + line.encode() + b"\r\n")
        lines = []
        while not lines or not lines[-1].startswith(b"t "):
            lines.append(self.file.readline())
        return lines

    def ok(self, line):
        lines = self.do(line)
        assert lines[-1].startswith(b"t OK"), lines[-1][:200]
        return lines

    def append(self, mailbox, count):
        for i in range(count):
            text = f"Subject: {i}\r\n\r\ntext {i}\r\n"
            self.ok(f"APPEND {mailbox} {{{len(text)}+}}\r\n{text}")

    def words(self, mailbox):
        """The keywords of each message."""
        self.ok(f"SELECT {mailbox}")
        rows = [r for r in self.ok("FETCH 1:* FLAGS") if b" FETCH (FLAGS (" in r]
        return [{w for w in re.search(rb"FLAGS \((.*)\)\)", r).group(1).decode().split() if w[0] != "\\"}
                for r in rows]

    def close(self):
        self.ok("LOGOUT")
        self.sock.close()


def command(server, *args, code=0):
    done = server.cli(*args, ok=None)
    assert done.returncode == code, (args, done.returncode, done.stdout[-500:], done.stderr[-500:])
    return done


def restart(server, more):
    server.stop()
    server.write(more)
    server.start()


def test_long_of_before(server, tmp_path):
    """More bytes of keywords on a message than go into a record or a question: they stay, and come back."""
    server.write("store { keyword_length = 4096\n max_keywords = 251 }\n")
    server.add("alice", PASSWORD)
    server.start()
    client = Client(server)
    client.append("INBOX", 3)
    client.ok("SELECT INBOX")
    words = [f"w{i:03}-" + "x" * 4085 for i in range(251)]
    for i in range(0, len(words), 15):
        client.ok(f"STORE 1:2 +FLAGS.SILENT ({' '.join(words[i:i + 15])})")
    client.close()

    restart(server, "store.max_keywords = 251\n")
    client = Client(server)
    assert client.words("INBOX") == [set(words), set(words), set()]
    client.ok("CREATE Other")
    assert b"NO [LIMIT]" in client.do("COPY 1 Other")[-1]
    folder = str(tmp_path / "saved")
    command(server, "backup", folder)
    done = command(server, "restore", folder, "--user", "alice", "--into", "Back", "--json")
    assert json.loads(done.stdout)["damaged"] == 0
    assert client.words("Back/INBOX") == [set(words), set(words), set()]
    # Exactly as it was: the flags come back to messages that are there.
    client.ok("SELECT INBOX")
    client.ok("STORE 1:3 FLAGS.SILENT ()")
    done = command(server, "restore", folder, "--user", "alice", "--exact", "--json")
    assert json.loads(done.stdout)["flagged"] == 2
    assert client.words("INBOX") == [set(words), set(words), set()]
    command(server, "check")
    for kind in ("maildir", "mbox"):
        done = command(server, "export", kind, str(tmp_path / kind), "--user", "alice", "--mailbox", "INBOX",
                       "--json", code=3)
        summary = json.loads(done.stdout)
        assert summary["exported"] == 3 and summary["damaged"] == 0 and summary["keywords_left_out"] > 0
        assert done.stderr.count("left out: INBOX, UID") == 2
    client.close()

    # Where there is less room, the rest comes, and what found none is named.
    restart(server, "store.max_keywords = 200\n")
    client = Client(server)
    done = command(server, "restore", folder, "--user", "alice", "--into", "Less", "--json", code=3)
    assert json.loads(done.stdout)["damaged"] == 51 and json.loads(done.stdout)["added"] == 3
    assert done.stderr.count("no room for the keyword") == 51
    assert [len(w) for w in client.words("Less/INBOX")] == [200, 200, 0]
    client.close()
    assert server.stop() == 0


def test_forgotten(server, tmp_path):
    """Numbers that were given away come out as what they are: backups on top of backups, exports, restarts."""
    server.write("store.max_keywords = 16\n")
    server.add("alice", PASSWORD)
    server.add("bob", PASSWORD)
    server.start()
    client = Client(server)
    client.append("INBOX", 3)
    client.ok("SELECT INBOX")
    client.ok(f"STORE 1 +FLAGS.SILENT ({' '.join(f'a{i}' for i in range(16))})")
    assert b"NO [LIMIT]" in client.do("STORE 2 +FLAGS (b0)")[-1]
    folder = str(tmp_path / "saved")
    command(server, "backup", folder)
    client.ok(f"STORE 1 -FLAGS.SILENT ({' '.join(f'a{i}' for i in range(0, 16, 2))})")
    client.ok(f"STORE 2 +FLAGS.SILENT ({' '.join(f'b{i}' for i in range(5))})")
    want = [{f"a{i}" for i in range(1, 16, 2)}, {f"b{i}" for i in range(5)}, set()]
    assert client.words("INBOX") == want
    # On top of the first: message 1 and 2 have changed, 3 is taken over.
    command(server, "backup", folder)
    assert "0 faults" in server.cli("backup", "verify", folder, config=False).stdout
    command(server, "restore", folder, "--user", "alice", "--into", "Back")
    assert client.words("Back/INBOX") == want
    client.close()
    restart(server, "store.max_keywords = 16\n")
    client = Client(server)
    assert client.words("INBOX") == want
    command(server, "check")
    # Back to the first.  Message 2 has keywords in the way when message 1 has its turn: the next one finds room.
    runs = json.loads(server.cli("backup", "list", folder, "--json", config=False).stdout)
    exact = ("restore", folder, "--user", "alice", "--exact", "--at", runs[0]["id"])
    assert command(server, *exact, code=3).stderr.count("no room for the keyword") == 5
    command(server, *exact)
    assert client.words("INBOX") == [{f"a{i}" for i in range(16)}, set(), set()]
    client.close()
    command(server, "export", "maildir", str(tmp_path / "md"), "--user", "alice", "--mailbox", "Back/INBOX")
    with open(tmp_path / "md" / ".Back.INBOX" / "turnstone.export", encoding="ascii") as f:
        rows = f.read().splitlines()[1:]
    assert [set(r.split()[4].split(",")) - {"-"} for r in rows] == want
    assert server.stop() == 0


def test_list_larger_than_a_frame(server, tmp_path):
    """A Maildir with more subscriptions than go into one piece of what a command sends."""
    server.add("alice", PASSWORD)
    root = tmp_path / "md"
    for part in ("cur", "new", "tmp"):
        os.makedirs(root / part)
    names = [f"list.{'x' * 220}.{i:05}" for i in range(5000)]
    (root / "subscriptions").write_text("\n".join(names) + "\n", encoding="ascii")
    command(server, "import", "maildir", str(root), "--user", "alice")
