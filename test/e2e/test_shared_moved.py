# SPDX-License-Identifier: Apache-2.0
"""What the owner of a shared mailbox has read: through backup and restore, export and import."""
import pytest

from server import Site

NAME = "Other Users/alice@one.example/Work"
MESSAGE = "From: a@one.example\r\nSubject: {}\r\n\r\nHello\r\n"


def seen(client, box):
    client.ok(f'SELECT "{box}"')
    return sorted(int(n) for n in client.ok("UID SEARCH SEEN")[0].split()[2:])


def may(client):
    return [line for line in client.ok(f'MYRIGHTS "{NAME}"') if b"MYRIGHTS" in line]


def begin(server):
    server.write("default_domain = one.example\n")
    for user in ("alice", "bob"):
        server.add(user, "pw")
    server.start()
    with server.login("alice", "pw") as client:
        client.ok("CREATE Work")
        for i in range(4):
            text = MESSAGE.format(i)
            client.ok(f"APPEND Work {{{len(text)}+}}\r\n{text}")
        client.ok("SELECT Work")
        client.ok("STORE 1 +FLAGS (\\Seen)")
        client.ok("SETACL Work bob lrs")
        client.ok("STORE 3 +FLAGS (\\Seen)")
        assert seen(client, "Work") == [1, 3]
    with server.login("bob", "pw") as client:
        assert seen(client, NAME) == []
        client.ok("STORE 2 +FLAGS (\\Seen)")
    return server


@pytest.fixture(name="other")
def other_(request):
    there = Site("default_domain = one.example\n")
    request.addfinalizer(there.remove)
    return there


def check(server):
    with server.login("alice", "pw") as client:
        assert seen(client, "Work") == [1, 3]
        # It is each user's own there, too.
        client.ok("STORE 4 +FLAGS (\\Seen)")
    with server.login("bob", "pw") as client:
        assert 4 not in seen(client, NAME)
        assert may(client) == [f'* MYRIGHTS "{NAME}" lrs'.encode()]


def test_backup(server, other, tmp_path):
    begin(server)
    folder = str(tmp_path / "saved")
    server.cli("backup", folder)
    other.start()
    other.cli("restore", folder)
    check(other)


def test_backup_again(server, other, tmp_path):
    """Into a mailbox that is there, flags that changed."""
    begin(server)
    folder = str(tmp_path / "saved")
    server.cli("backup", folder)
    other.start()
    other.cli("restore", folder)
    with server.login("alice", "pw") as client:
        client.ok("SELECT Work")
        client.ok("STORE 1 -FLAGS (\\Seen)")
        client.ok("STORE 2 +FLAGS (\\Seen \\Flagged)")
    server.cli("backup", folder)
    other.cli("restore", folder, "--exact", "--user", "alice")
    with other.login("alice", "pw") as client:
        assert seen(client, "Work") == [2, 3]


def test_only_seen(server, other, tmp_path):
    """A backup knows of an own \\Seen though no MODSEQ of the mailbox was raised, and of nothing else."""
    begin(server)
    folder = str(tmp_path / "saved")
    server.cli("backup", folder)
    assert ", 0 new objects" in server.cli("backup", folder).stdout
    with server.login("alice", "pw") as client:
        client.ok("SELECT Work")
        client.ok("STORE 1 -FLAGS (\\Seen)")
    assert ", 0 new objects" not in server.cli("backup", folder).stdout
    assert ", 0 new objects" in server.cli("backup", folder).stdout
    with server.login("bob", "pw") as client:  # what others read is theirs, and in no backup
        client.ok(f'SELECT "{NAME}"')
        client.ok("STORE 4 +FLAGS (\\Seen)")
    assert ", 0 new objects" in server.cli("backup", folder).stdout
    server.stop()
    server.start()
    assert ", 0 new objects" in server.cli("backup", folder).stdout
    other.start()
    other.cli("restore", folder)
    with other.login("alice", "pw") as client:
        assert seen(client, "Work") == [3]


def test_export(server, other, tmp_path):
    begin(server)
    folder = str(tmp_path / "maildir")
    server.cli("export", "maildir", folder, "--user", "alice")
    for user in ("alice", "bob"):
        other.add(user, "pw")
    other.start()
    other.cli("import", "maildir", folder, "--user", "alice", "--properties")
    check(other)
