# SPDX-License-Identifier: Apache-2.0
"""Backup and restore over the command line, compared over IMAP."""
import glob
import imaplib
import json
import os
import re
import ssl
import subprocess

import pytest

from demo import TOP, Demo

PROGRAM = os.path.join(os.environ.get("TURNSTONE_BUILD", os.path.join(TOP, "build")), "turnstone")


def run(demo, *words, code=0):
    done = subprocess.run([PROGRAM, *words[:-1], *([words[-1]] if words else []),
                           *([] if words[0] == "backup" and words[1] in ("list", "verify", "prune")
                             else ["--config", os.path.join(demo.site, "turnstone.conf")])],
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def demo():
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
    # Adding what is there adds nothing.
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
    # ... and mended by a run that trusts nothing.
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
        done = subprocess.run([PROGRAM, *words, "--config", other], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=300)
        assert done.returncode == 0, done.stdout
        return json.loads(done.stdout)

    assert there("restore", folder, "--json")["added"] == 216
    saved = os.path.join(demo.dir, "saved2")
    there("backup", saved, "--json")

    def mailboxes(where):
        # Two folders that were made of the same mail have the same messages, by checksum.
        out = run(demo, "backup", "list", where, "--json")
        return [(u["name"], u["messages"], u["bytes"]) for u in json.loads(out)[-1]["users"]]

    assert mailboxes(saved) == mailboxes(folder)


def test_one_mailbox_to_a_moment(demo):
    folder = os.path.join(demo.dir, "saved")
    run(demo, "backup", folder)
    context = ssl.create_default_context(cafile=demo.env["CA_FILE"])
    context.check_hostname = False
    imap = imaplib.IMAP4_SSL(demo.env["HOST"], int(demo.env["IMAPS_PORT"]), ssl_context=context)
    imap.login("alice", demo.env["ALICE_PASSWORD"])
    imap.select()
    before = imap.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]
    imap.store("1:3", "+FLAGS", "(\\Deleted)")
    imap.expunge()
    imap.store("1:5", "FLAGS", "(\\Draft newword)")
    imap.append("INBOX", None, None, b"Subject: newer\r\n\r\nnewer\r\n")
    words = ("restore", folder, "--user", "alice", "--mailbox", "INBOX", "--exact", "--json")
    dry = json.loads(run(demo, *words, "--dry-run"))
    done = json.loads(run(demo, *words))
    assert dry == {**done, "dry_run": True}
    assert (done["added"], done["aside"], done["flagged"]) == (3, 1, 5)
    imap.select()
    after = imap.fetch("1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")[1]

    def content(messages):
        return sorted((m[1], re.sub(rb"^\d+ \(|\\Recent ?", b"", m[0]).split(b"BODY")[0].strip())
                      for m in messages if isinstance(m, tuple))

    assert [m[0] for m in content(after)] == [m[0] for m in content(before)]
    assert len(content(after)) == len(content(before))
    imap.logout()
