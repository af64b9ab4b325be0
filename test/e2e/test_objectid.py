# SPDX-License-Identifier: Apache-2.0
"""EMAILID, THREADID and MAILBOXID (RFC 8474) stay over backup and restore, export and import."""
import json
import os
import re

import pytest

from server import Site

BIG = "Subject: large\r\n\r\n" + "line of text\r\n" * 40000
MESSAGES = ["Message-ID: <1@example.com>\r\nSubject: one\r\n\r\n1\r\n", "Subject: no thread\r\n\r\n2\r\n",
            "In-Reply-To: <1@example.com>\r\n\r\n3\r\n", BIG]


def numbers(client, command):
    return sorted(int(n) for r in client.ok(command) if r.startswith(b"* SEARCH") for n in r.split()[2:])


def messages_of(client, name):
    """Of the mailbox that is selected then: EMAILID and THREADID by UID."""
    selected = b" ".join(client.ok(f'EXAMINE "{name}"'))
    if b" 0 EXISTS" in selected:
        return selected, {}
    rows = [re.search(rb"UID (\d+) EMAILID \((M[0-9a-f]{32})\) THREADID \((T[0-9a-f]{32})\)", r).groups()
            for r in client.ok("UID FETCH 1:* (EMAILID THREADID)")[:-1]]
    return selected, {int(uid): (email.decode(), thread.decode()) for uid, email, thread in rows}


def ids(client):
    """All that RFC 8474 tells of an account, by names: MAILBOXID, UIDVALIDITY, messages.  The ways to ask agree."""
    found = {}
    for r in client.ok('LIST "" * RETURN (STATUS (MAILBOXID UIDVALIDITY))'):
        if row := re.match(rb'\* STATUS "?([^"(]*?)"? \(UIDVALIDITY (\d+) MAILBOXID \((F[0-9a-f]{32})\)\)', r):
            found[row[1].decode()] = [row[3].decode(), int(row[2])]
    for name, one in found.items():
        asked = client.ok(f'STATUS "{name}" (MAILBOXID)')[0]
        selected, messages = messages_of(client, name)
        assert f"MAILBOXID ({one[0]})".encode() in asked and f"[MAILBOXID ({one[0]})]".encode() in selected
        one.append(messages)
        for uid, (email, thread) in messages.items():
            assert uid in numbers(client, f"UID SEARCH EMAILID {email}")
            assert uid in numbers(client, f"UID SEARCH THREADID {thread} NOT EMAILID M{'0' * 32}")
            assert uid not in numbers(client, f"UID SEARCH NOT EMAILID {email}")
            assert uid in numbers(client, f"UID SEARCH OR EMAILID {email} SUBJECT nothing-like-it")
    client.ok("UNSELECT")
    assert len({one[0] for one in found.values()}) == len(found)
    return found


def mailbox_ids(found):
    return {name: one[0] for name, one in found.items()}


def emails(found):
    return sorted(pair for one in found.values() for pair in one[2].values())


@pytest.fixture(name="sites")
def _sites():
    """Makes sites: the first one has alice and her mail, the others nothing."""
    made = []

    def another():
        site = Site()
        made.append(site)
        if len(made) == 1:
            site.add("alice", "Secret-word-77")
            site.add("bob", "Secret-word-78")
        else:
            site.passwords = made[0].passwords
        return site.start()

    yield another
    for site in made:
        site.remove()


def fill(site):
    """Mail of all kinds: copied, moved, in mailboxes that were renamed; and mailboxes without any."""
    client = site.login("alice")
    for name in ("Work", "Old", "Empty", "Gone"):
        client.ok(f"CREATE {name}")
    for text in MESSAGES:
        client.append("INBOX", text)
    client.ok("SELECT INBOX")
    client.ok("COPY 1:2 Work")
    client.ok("MOVE 3 Old")
    client.ok("RENAME Old New")
    client.ok("DELETE Gone")
    client.ok("CREATE Gone")
    return client


def told(site, *words, code=0):
    return json.loads(site.cli(*words, "--json", code=code).stdout)


def saved(site, name):
    folder = os.path.join(site.dir, name)
    told(site, "backup", folder)
    return folder


def sound(site):
    assert "found: 0\n" in site.cli("check").stdout


def test_restore(sites):
    """Into an empty store, from there into another one, and the same once more."""
    one, two, three = sites(), sites(), sites()
    before = ids(fill(one))
    folder = saved(one, "saved")
    told(two, "restore", folder, "--dry-run")
    told(two, "restore", folder)
    assert ids(two.login("alice")) == before
    assert told(two, "restore", folder)["added"] == 0 and ids(two.login("alice")) == before
    second = saved(two, "saved")
    again = told(two, "backup", second)
    assert again["read_users"] == 0 and again["new_objects"] == 0
    told(three, "restore", second)
    assert ids(three.login("alice")) == before
    for site in (one, two, three):
        sound(site)
    # A backup that goes on from the last one has the ids of what is new and of what is old.
    client = three.login("alice")
    client.append("Work", "Subject: newer\r\n\r\n")
    client.ok("SELECT Work")
    client.ok("STORE 2 +FLAGS (\\Flagged)")
    now = ids(client)
    folder = saved(three, "saved")
    client.ok("SELECT Work")
    client.ok("STORE 1 +FLAGS (\\Flagged)")
    saved(three, "saved")
    four = sites()
    told(four, "restore", folder)
    assert ids(four.login("alice")) == now


def test_after_a_restore(sites):
    """What was restored keeps its ids where it goes, and gives none away."""
    one, two = sites(), sites()
    before = ids(fill(one))
    told(two, "restore", saved(one, "saved"))
    client = two.login("alice")
    client.ok("SELECT INBOX")
    client.ok("COPY 2 Empty")
    client.ok("MOVE 1 New")
    client.ok("RENAME Work Works")
    client.append("Works", MESSAGES[1])
    client.ok("CREATE Work")
    now = ids(client)
    mail = before["INBOX"][2]
    assert list(now["Empty"][2].values()) == [mail[2]] and list(now["New"][2].values())[-1] == mail[1]
    assert now["Works"][0] == before["Work"][0] and now["Work"][0] not in mailbox_ids(before).values()
    assert list(now["Works"][2].values())[:2] == list(before["Work"][2].values())
    new = list(now["Works"][2].values())[2]
    assert new not in emails(before)
    # The id of a message finds all of its copies, and the new one only itself.
    client.ok("EXAMINE Works")
    assert len(numbers(client, f"UID SEARCH EMAILID {mail[2][0]}")) == 1
    assert len(numbers(client, f"UID SEARCH OR EMAILID {mail[2][0]} EMAILID {new[0]}")) == 2
    assert len(numbers(client, f"UID SEARCH EMAILID {new[0]} NOT EMAILID {mail[2][0]}")) == 1
    # RENAME of INBOX moves its mail: it keeps its own id.
    client.ok("UNSELECT")
    client.ok("RENAME INBOX Moved")
    moved = ids(client)
    assert moved["INBOX"][0] == before["INBOX"][0]
    assert moved["Moved"][0] not in {**mailbox_ids(before), **mailbox_ids(now)}.values()
    assert list(moved["Moved"][2].values()) == list(now["INBOX"][2].values())
    # A mailbox that is made in place of a deleted one is another one.
    client.ok("DELETE Works")
    client.ok("CREATE Works")
    assert ids(client)["Works"][0] not in {**mailbox_ids(before), **mailbox_ids(moved)}.values()
    sound(two)


def test_same_store(sites):
    """What is gone comes back with its ids, also where it was deleted."""
    one = sites()
    client = fill(one)
    before = ids(client)
    folder = saved(one, "saved")
    client.ok("SELECT INBOX")
    client.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    client.ok("EXPUNGE")
    client.ok("UNSELECT")
    client.ok("DELETE New")
    client.ok("DELETE Empty")
    told(one, "restore", folder)
    now = ids(client)
    assert emails(now) == emails(before) and now["INBOX"][0] == before["INBOX"][0]
    # A deleted mailbox comes back with another UIDVALIDITY, and so with another id.
    for name, (box, uidvalidity, _) in before.items():
        assert (now[name][0] == box, now[name][1] == uidvalidity) == 2 * (name not in ("New", "Empty"),), name
    # With its account all of it comes back as it was.
    client.ok("LOGOUT")
    one.cli("user", "delete", "alice", "--purge")
    one.add("alice", "Secret-word-77")
    told(one, "restore", folder, "--user", "alice")
    assert ids(one.login("alice")) == before
    sound(one)


def test_as_another_one(sites):
    """Copies in other places are other mailboxes, and the same messages."""
    one = sites()
    client = fill(one)
    before = ids(client)
    folder = saved(one, "saved")
    told(one, "restore", folder, "--user", "alice", "--into", "Copy")
    now = ids(client)
    assert {name: now[name] for name in before} == before
    assert {name: now["Copy/" + name][2].values() for name in before}.keys() == before.keys()
    assert sorted(emails(now)) == sorted(2 * emails(before))
    told(one, "restore", folder, "--user", "alice", "--as-user", "bob")
    bob = ids(one.login("bob"))
    assert emails(bob) == emails(before)
    assert not set(mailbox_ids(bob).values()) & set(mailbox_ids(now).values())
    # --exact makes nothing of the ids.
    told(one, "restore", folder, "--user", "alice", "--exact")
    assert ids(client) == now
    sound(one)


def test_exact_after_restore(sites):
    """A run of the old store, which does not list ids, does not take them away."""
    one, two = sites(), sites()
    before = ids(fill(one))
    folder = saved(one, "saved")
    told(two, "restore", folder)
    told(two, "restore", folder, "--exact")
    assert ids(two.login("alice")) == before


def test_export(sites):
    """Only who says so takes over ids."""
    one, two, three = sites(), sites(), sites()
    before = ids(fill(one))
    folder = os.path.join(one.dir, "out")
    told(one, "export", "maildir", folder, "--user", "alice")
    told(one, "export", "maildir", folder, "--user", "alice")  # the lists are made anew, the files stay
    for site, words in ((two, ()), (three, ("--object-ids",))):
        site.add("alice", "Secret-word-77")
        told(site, "import", "maildir", folder, "--user", "alice", *words, "--dry-run")
        told(site, "import", "maildir", folder, "--user", "alice", *words)
    now = ids(two.login("alice"))
    assert not {email for email, _ in emails(now)} & {email for email, _ in emails(before)}
    assert not set(mailbox_ids(now).values()) & set(mailbox_ids(before).values())
    assert ids(three.login("alice")) == before
    # A mailbox that has had no mail takes its id over later, though it has the same UIDVALIDITY.
    assert now["Empty"][1] == before["Empty"][1]
    told(two, "import", "maildir", folder, "--user", "alice", "--object-ids")
    assert ids(two.login("alice"))["Empty"] == before["Empty"]
    # Again from there.
    again = os.path.join(three.dir, "out")
    told(three, "export", "maildir", again, "--user", "alice")
    four = sites()
    four.add("alice", "Secret-word-77")
    told(four, "import", "maildir", again, "--user", "alice", "--object-ids")
    assert ids(four.login("alice")) == before
    # Below another mailbox the mailboxes are others.
    four.add("bob", "Secret-word-78")
    told(four, "import", "maildir", again, "--user", "bob", "--object-ids", "--mailbox", "Copy")
    bob = ids(four.login("bob"))
    assert emails(bob) == emails(before) and not set(mailbox_ids(bob).values()) & set(mailbox_ids(before).values())
    for site in (two, three, four):
        sound(site)
