# SPDX-License-Identifier: Apache-2.0
"""store.default_mailboxes: the mailboxes of a new account, as clients see them."""
import os
import subprocess

import pytest

from server import TURNSTONE, Site

MORE = """store.default_mailboxes = [Drafts, "Gesendet:sent", Junk, trash, Archive, "Lists/Templates"]
listener lmtp { protocol = lmtp; address = 127.0.0.1; port = 0 }
unauthenticate = everyone
"""
ALL = {("Drafts", "\\Drafts"), ("Gesendet", "\\Sent"), ("Junk", "\\Junk"), ("trash", "\\Trash"), ("Archive", "\\Archive"),
       ("Lists/Templates", None), ("INBOX", None)}
USES = ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash", "\\Important")


@pytest.fixture
def mail(server):
    server.write(MORE)
    server.add("anna", "blue")
    server.add("bo", "blue")
    return server


def listed(lines):
    """The name and use of each, and whether it is subscribed."""
    found, subscribed = set(), set()
    for line in lines:
        if not line.startswith(b"* LIST ("):
            continue
        attributes, name = line[8:].decode().split(") \"/\" ")
        name = name.strip().strip('"')
        use = [word for word in attributes.split() if word in USES]
        if "\\Noselect" in attributes or "\\NonExistent" in attributes:
            continue
        assert len(use) < 2
        found.add((name, use[0] if use else None))
        if "\\Subscribed" in attributes:
            subscribed.add(name)
    return found, subscribed


def look(client):
    return listed(client.ok('LIST "" "*" RETURN (SUBSCRIBED SPECIAL-USE)'))


def test_first_login(mail):
    mail.start()
    client = mail.login("anna")
    found, subscribed = look(client)
    assert found == ALL
    assert subscribed == {name for name, _ in ALL} - {"INBOX"}
    # As Thunderbird and others ask.
    found, _ = listed(client.ok('LIST (SPECIAL-USE) "" "*"'))
    assert found == {(name, use) for name, use in ALL if use}
    assert {line.strip().rsplit(b" ", 1)[1].strip(b'"') for line in client.ok('LSUB "" "*"') if line.startswith(b"* LSUB")} \
        == {name.encode() for name, _ in ALL} - {b"INBOX"}
    # They are ordinary mailboxes, each with its own UIDVALIDITY.
    seen = set()
    for name, _ in ALL:
        message = b"Subject: x\r\n\r\nx\r\n"
        line = client.append(f'"{name}"', message)[-1]
        assert b" OK [APPENDUID " in line, line
        seen.add(line.split()[3])
    assert len(seen) == len(ALL)
    mail.stop()
    mail.cli("check")  # finds nothing wrong


def test_deleted_ones_stay_away(mail):
    mail.start()
    client = mail.login("anna")
    client.ok("DELETE Junk")
    client.ok("UNSUBSCRIBE Junk")
    client.ok("RENAME Gesendet Sent")
    client.close()
    want = (ALL - {("Junk", "\\Junk"), ("Gesendet", "\\Sent")}) | {("Sent", "\\Sent")}
    for _ in range(2):
        assert look(mail.login("anna"))[0] == want
        assert mail.stop() == 0
        mail.start()
    # The next user on a connection has another account.
    client = mail.login("anna")
    client.ok("UNAUTHENTICATE")
    client.ok("LOGIN bo blue")
    assert look(client)[0] == ALL


def test_first_delivery(mail):
    mail.start()
    with mail.lmtp() as lmtp:
        assert lmtp.deliver(b"Subject: x\r\n\r\nx", "anna")["anna"][0] == "2"
    client = mail.login("anna")
    assert look(client)[0] == ALL
    assert any(b"MESSAGES 1" in line for line in client.ok("STATUS INBOX (MESSAGES)"))


def test_accounts_that_are_there_stay_as_they_are(mail):
    mail.write(MORE[MORE.index("\n") + 1:])
    mail.start()
    assert look(mail.login("anna"))[0] == {("INBOX", None)}
    assert mail.stop() == 0
    mail.write(MORE)
    mail.start()
    assert look(mail.login("anna"))[0] == {("INBOX", None)}
    assert look(mail.login("bo"))[0] == ALL


def test_import_and_restore_bring_what_there_was(mail, tmp_path):
    box = tmp_path / "mbox"
    box.write_bytes(b"From a@b Thu Jan  1 00:00:00 2026\nSubject: x\n\nx\n\n")
    mail.cli("import", "mbox", str(box), "--user", "bo", "--mailbox", "Old")
    mail.start()
    assert look(mail.login("bo"))[0] == {("INBOX", None), ("Old", None)}
    client = mail.login("anna")
    client.ok("DELETE Junk")
    mail.cli("backup", str(tmp_path / "saved"))
    mail.stop()
    other = Site(MORE)
    try:
        other.cli("restore", str(tmp_path / "saved"))
        other.start()
        assert look(other.login("anna", "blue"))[0] == ALL - {("Junk", "\\Junk")}
        assert look(other.login("bo", "blue"))[0] == {("INBOX", None), ("Old", None)}
    finally:
        other.remove()


@pytest.mark.parametrize("items, says", [
    ('[Sent, "Sent Mail:snet"]', "Sent Mail:snet: after the colon comes archive, drafts,"),
    ("[Sent, Sent]", "Sent: is listed twice"),
    ('[Sent, "Gesendet:sent"]', "Gesendet:sent: another mailbox already has this use"),
    ("[inbox]", "inbox: every account has an INBOX"),
    ('["a//b"]', "a//b: The mailbox name has an empty level"),
    ('["a*"]', "a*: Mailbox names cannot contain * or %"),
    ('[":sent"]', ":sent: is not a mailbox name"),
    ("[" + ", ".join(f"m{i}" for i in range(16)) + "]", "takes 0 to 15 items, not 16"),
])
def test_faults(server, items, says):
    server.write("store.default_mailboxes = " + items)
    done = server.cli("config", "check", ok=False)
    assert f"{server.conf}:6: store.default_mailboxes: {says}" in done.stderr, done.stderr


def test_demo_site_has_them(tmp_path):
    folder = str(tmp_path / "site")
    subprocess.run([TURNSTONE, "demo-site", folder], capture_output=True, check=True, timeout=300)
    with open(os.path.join(folder, "turnstone.conf"), encoding="utf-8") as f:
        assert "default_mailboxes = [Drafts, Sent, Junk, Trash, Archive]" in f.read()
