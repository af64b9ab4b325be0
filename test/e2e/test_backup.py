# SPDX-License-Identifier: Apache-2.0
"""Backup and restore over the command line, compared over IMAP."""
import glob
import json
import os
import re

import pytest

from demo import Demo
from imap import literals

OFFLINE = ("list", "verify", "prune")  # of a backup folder alone: --config is taken, and not read


def run(demo, *words, code=0):
    extra = ("--config", os.path.join(demo.dir, "no-such-file")) if words[1] in OFFLINE else ()
    done = demo.cli(*words, *extra, config=not extra, code=code, timeout=300)
    return done.stdout + done.stderr


@pytest.fixture(name="demo")
def demo_():
    site = Demo().up()
    yield site
    site.remove()


def test_backup_runs(demo):
    folder = os.path.join(demo.dir, "saved")
    first = json.loads(run(demo, "backup", folder, "--json"))
    assert first["users"] == 2 and first["damaged"] == []
    assert first["read_messages"] == first["messages"] == 216
    second = json.loads(run(demo, "backup", folder, "--json"))
    assert second["read_messages"] == 0 and second["new_objects"] == 0
    assert "0 faults" in run(demo, "backup", "verify", folder)
    # Adding what exists adds nothing.
    same = json.loads(run(demo, "restore", folder, "--json"))
    assert same["added"] == 0 and same["there"] == 216
    # Into new mailboxes everything comes once, and not again.
    into = ("restore", folder, "--user", "alice", "--into", "Restored", "--json")
    copy = json.loads(run(demo, *into))
    assert copy["added"] == 108
    again = json.loads(run(demo, *into))
    assert again["added"] == 0 and again["there"] == 108
    # Damage is named by its file.
    victim = max(glob.glob(os.path.join(folder, "packs", "*")), key=os.path.getsize)
    with open(victim, "r+b") as f:
        f.seek(os.path.getsize(victim) // 2)
        f.write(b"\xff\xff")
    assert victim in run(demo, "backup", "verify", folder, code=3)
    # ... and repaired by a run that verifies everything.
    run(demo, "backup", folder, "--full")
    assert "0 faults" in run(demo, "backup", "verify", folder)
    assert "2 runs" in run(demo, "backup", "prune", folder, "--keep", "1")
    assert "0 faults" in run(demo, "backup", "verify", folder)


def test_restore_into_a_new_store(demo):
    folder = os.path.join(demo.dir, "saved")
    run(demo, "backup", folder)
    other = os.path.join(demo.dir, "other.conf")
    with open(other, "w", encoding="ascii") as f:
        f.write(f'server {{\n\tdata = "{demo.dir}/other";\n}}\n')

    def there(*words):
        return json.loads(demo.cli(*words, "--config", other, config=False, timeout=300).stdout)

    assert there("restore", folder, "--json")["added"] == 216
    saved = os.path.join(demo.dir, "saved2")
    there("backup", saved, "--json")

    def mailboxes(where):
        # Two folders made from the same mail have the same messages, by checksum.
        out = run(demo, "backup", "list", where, "--json")
        return [(u["name"], u["messages"], u["bytes"]) for u in json.loads(out)[-1]["users"]]

    assert mailboxes(saved) == mailboxes(folder)


def content(client):
    """Bodies, flags and dates, in order."""
    found = []
    for r in client.ok("FETCH 1:* (FLAGS INTERNALDATE BODY.PEEK[])")[:-1]:
        flags, date = re.search(rb'FLAGS \(([^)]*)\) INTERNALDATE ("[^"]*")', r).groups()
        found.append((literals(r)[0], sorted(set(flags.split()) - {b"\\Recent"}), date))
    return sorted(found)


def test_one_mailbox_to_a_moment(demo):
    folder = os.path.join(demo.dir, "saved")
    run(demo, "backup", folder)
    client = demo.login("alice", tls=True)
    client.ok("SELECT INBOX")
    before = content(client)
    client.ok("STORE 1:3 +FLAGS (\\Deleted)")
    client.ok("EXPUNGE")
    client.ok("STORE 1:5 FLAGS (\\Draft newword)")
    client.append("INBOX", "Subject: newer\r\n\r\nnewer\r\n")
    words = ("restore", folder, "--user", "alice", "--mailbox", "INBOX", "--exact", "--json")
    dry = json.loads(run(demo, *words, "--dry-run"))
    done = json.loads(run(demo, *words))
    assert dry == {**done, "dry_run": True}
    assert (done["added"], done["aside"], done["flagged"]) == (3, 1, 5)
    client.ok("SELECT INBOX")
    assert content(client) == before
    client.close()
