# SPDX-License-Identifier: Apache-2.0
"""Keywords on their way in and out: long ones from older versions, full tables, forgotten ones."""
import json
import os
import re

PASSWORD = "Secret-word-77"


def fill(client, mailbox, count):
    for i in range(count):
        client.append(mailbox, f"Subject: {i}\r\n\r\ntext {i}\r\n")


def words(client, mailbox):
    """The keywords of each message."""
    client.ok(f"SELECT {mailbox}")
    rows = [r for r in client.ok("FETCH 1:* FLAGS") if b" FETCH (FLAGS (" in r]
    return [{w for w in re.search(rb"FLAGS \((.*)\)\)", r).group(1).decode().split() if w[0] != "\\"}
            for r in rows]


def restart(server, more):
    server.stop()
    server.write(more)
    server.start()


def test_long_of_before(server, tmp_path):
    """More bytes of keywords on a message than a record or a question can hold: they stay, and come back."""
    server.write("store { keyword_length = 4096\n max_keywords = 251 }\n")
    server.add("alice", PASSWORD)
    server.start()
    client = server.login("alice", timeout=120)
    fill(client, "INBOX", 3)
    client.ok("SELECT INBOX")
    names = [f"w{i:03}-" + "x" * 4085 for i in range(251)]
    for i in range(0, len(names), 15):
        client.ok(f"STORE 1:2 +FLAGS.SILENT ({' '.join(names[i:i + 15])})")
    client.close()

    restart(server, "store.max_keywords = 251\n")
    client = server.login("alice", timeout=120)
    assert words(client, "INBOX") == [set(names), set(names), set()]
    client.ok("CREATE Other")
    assert b"NO [LIMIT]" in client.run("COPY 1 Other")[-1]
    folder = str(tmp_path / "saved")
    server.cli("backup", folder)
    done = server.cli("restore", folder, "--user", "alice", "--into", "Back", "--json")
    assert json.loads(done.stdout)["damaged"] == 0
    assert words(client, "Back/INBOX") == [set(names), set(names), set()]
    # Exactly as before: the flags return to existing messages.
    client.ok("SELECT INBOX")
    client.ok("STORE 1:3 FLAGS.SILENT ()")
    done = server.cli("restore", folder, "--user", "alice", "--exact", "--json")
    assert json.loads(done.stdout)["flagged"] == 2
    assert words(client, "INBOX") == [set(names), set(names), set()]
    server.cli("check")
    for kind in ("maildir", "mbox"):
        done = server.cli("export", kind, str(tmp_path / kind), "--user", "alice", "--mailbox", "INBOX",
                       "--json", code=3)
        summary = json.loads(done.stdout)
        assert summary["exported"] == 3 and summary["damaged"] == 0 and summary["keywords_left_out"] > 0
        assert done.stderr.count("left out: INBOX, UID") == 2
    client.close()

    # With less room the rest is restored, and what did not fit is named.
    restart(server, "store.max_keywords = 200\n")
    client = server.login("alice", timeout=120)
    done = server.cli("restore", folder, "--user", "alice", "--into", "Less", "--json", code=3)
    assert json.loads(done.stdout)["damaged"] == 51 and json.loads(done.stdout)["added"] == 3
    assert done.stderr.count("no room for the keyword") == 51
    assert [len(w) for w in words(client, "Less/INBOX")] == [200, 200, 0]
    client.close()
    assert server.stop() == 0


def test_forgotten(server, tmp_path):
    """Reassigned numbers keep their meaning: incremental backups, exports, restarts."""
    server.write("store.max_keywords = 16\n")
    server.add("alice", PASSWORD)
    server.add("bob", PASSWORD)
    server.start()
    client = server.login("alice", timeout=120)
    fill(client, "INBOX", 3)
    client.ok("SELECT INBOX")
    client.ok(f"STORE 1 +FLAGS.SILENT ({' '.join(f'a{i}' for i in range(16))})")
    assert b"NO [LIMIT]" in client.run("STORE 2 +FLAGS (b0)")[-1]
    folder = str(tmp_path / "saved")
    server.cli("backup", folder)
    client.ok(f"STORE 1 -FLAGS.SILENT ({' '.join(f'a{i}' for i in range(0, 16, 2))})")
    client.ok(f"STORE 2 +FLAGS.SILENT ({' '.join(f'b{i}' for i in range(5))})")
    want = [{f"a{i}" for i in range(1, 16, 2)}, {f"b{i}" for i in range(5)}, set()]
    assert words(client, "INBOX") == want
    # Incremental: messages 1 and 2 have changed, 3 is reused.
    server.cli("backup", folder)
    assert "0 faults" in server.cli("backup", "verify", folder, config=False).stdout
    server.cli("restore", folder, "--user", "alice", "--into", "Back")
    assert words(client, "Back/INBOX") == want
    client.close()
    restart(server, "store.max_keywords = 16\n")
    client = server.login("alice", timeout=120)
    assert words(client, "INBOX") == want
    server.cli("check")
    # Back to the first.  Message 2 has keywords in the way when message 1 has its turn: the next one finds room.
    runs = server.asked("backup", "list", folder, config=False)
    exact = ("restore", folder, "--user", "alice", "--exact", "--at", runs[0]["id"])
    assert server.cli(*exact, code=3).stderr.count("no room for the keyword") == 5
    server.cli(*exact)
    assert words(client, "INBOX") == [{f"a{i}" for i in range(16)}, set(), set()]
    client.close()
    server.cli("export", "maildir", str(tmp_path / "md"), "--user", "alice", "--mailbox", "Back/INBOX")
    with open(tmp_path / "md" / ".Back.INBOX" / "turnstone.export", encoding="ascii") as f:
        rows = f.read().splitlines()[1:]
    assert [set(r.split()[4].split(",")) - {"-"} for r in rows] == want
    assert server.stop() == 0


def test_list_larger_than_a_frame(server, tmp_path):
    """A Maildir with more subscriptions than fit into one piece that a command sends."""
    server.add("alice", PASSWORD)
    root = tmp_path / "md"
    for part in ("cur", "new", "tmp"):
        os.makedirs(root / part)
    names = [f"list.{'x' * 220}.{i:05}" for i in range(5000)]
    (root / "subscriptions").write_text("\n".join(names) + "\n", encoding="ascii")
    server.cli("import", "maildir", str(root), "--user", "alice")
    server.start()
    with server.login("alice") as client:
        assert len([r for r in client.ok('LSUB "" *') if r.startswith(b"* LSUB")]) == len(names)
