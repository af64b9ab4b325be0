# SPDX-License-Identifier: Apache-2.0
"""Stores that older programs left, killed in the middle of what they had to remove, under the new one.

test/e2e/stores has one of each format; old_store.py made them.  Everything that IMAP showed then
it shows now, the check finds nothing, and what was to be removed has gone.  SIGKILL while a store
is brought to the new format hurts nothing.  With TURNSTONE_OLD=PROGRAM, one of these older ones:
it refuses the store then, and takes a backup of it.
"""
import glob
import json
import os
import shutil
import signal
import subprocess
import tarfile
import time

import pytest

import old_store
from server import Site, give

STORES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stores")
FORMATS = sorted(glob.glob(STORES + "/format-*.tar.xz"))
OLD = os.environ.get("TURNSTONE_OLD")


def unpack(path, server):
    """The store, and what IMAP showed from it."""
    shutil.rmtree(server.dir + "/data", ignore_errors=True)
    with tarfile.open(path) as tar:
        tar.extractall(server.dir)
    with open(server.dir + "/data/expected.json", encoding="ascii") as f:
        expected = json.load(f)
    os.unlink(server.dir + "/data/expected.json")
    give(server.dir)
    return expected


def assert_same(server, expected):
    shown = old_store.show(server)
    for user, was in expected.items():
        assert sorted(shown[user]["mailboxes"]) == sorted(was["mailboxes"])
        for name, messages in was["mailboxes"].items():
            assert shown[user]["mailboxes"][name] == messages, (user, name)
        assert shown[user]["subscribed"] == was["subscribed"]


def kill_all(process):
    """Kills it with its children: one of them has the store open."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    try:
        while True:
            os.killpg(process.pid, 0)
            time.sleep(0.01)
    except ProcessLookupError:
        pass


@pytest.fixture(params=FORMATS, ids=[os.path.basename(p)[:8] for p in FORMATS])
def old(request, server):
    server.expected = unpack(request.param, server)
    server.format = int(os.path.basename(request.param)[7])
    return server


def test_everything_is_there(old):
    old.start()
    assert f"from format {old.format} to 5" in old.log() and "it has format 5 now" in old.log()
    assert_same(old, old.expected)
    assert "found: 0\n" in old.cli("check").stdout
    assert old.stop() == 0
    # What was to be removed is gone, and so are the bytes that nobody has.
    assert "found: 0\n" in old.cli("check").stdout
    large = [f for d, _, files in os.walk(old.dir + "/data/store/large") for f in files]
    assert len(large) == 2, large  # of alice's Work; and one that bob and carol have
    old.start()
    assert "format" not in old.log().split("it has format 5 now")[1]
    assert_same(old, old.expected)
    assert old.lets_in("carol", old_store.PASSWORD)


def test_both_keep_what_they_share(old):
    """Each recipient of a message may expunge it; the others keep it."""
    old.start()
    for user in ("bob", "alice"):
        client = old.login(user, old_store.PASSWORD)
        client.ok("SELECT INBOX")
        client.ok("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        client.ok("EXPUNGE")
        client.close()
        old.expected[user]["mailboxes"].pop("INBOX")
    assert old.stop() == 0
    old.start()
    shown = old_store.show(old)
    assert shown["carol"] == old.expected["carol"]
    assert old.stop() == 0
    assert "found: 0\n" in old.cli("check").stdout


def test_commands_do_it_too(old):
    assert "found: 0\n" in old.cli("check").stdout
    old.start()
    assert "from format" not in old.log()
    assert_same(old, old.expected)


def test_killed(old):
    """At random moments; test_store_migrate kills before each batch."""
    whole = shutil.copytree(old.dir + "/data", old.dir + "/whole")
    for ms in (1, 3, 8, 15, 30, 60):
        shutil.rmtree(old.dir + "/data")
        shutil.copytree(whole, old.dir + "/data")
        give(old.dir)
        process = subprocess.Popen(old.command("check"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(ms / 1000)
        kill_all(process)
        old.start()
        assert_same(old, old.expected)
        assert old.stop() == 0
        assert "found: 0\n" in old.cli("check").stdout


@pytest.mark.skipif(OLD is None, reason="TURNSTONE_OLD names no older program")
def test_way_back(old):
    old.start()
    old.cli("backup", old.dir + "/backup")
    assert old.stop() == 0
    old.program = OLD
    refused = old.cli("serve", ok=False)
    assert "newer program" in refused.stderr + refused.stdout, refused
    back = Site()
    back.program = OLD
    try:
        done = back.cli("restore", old.dir + "/backup", ok=None)
        if "is of another version" in done.stderr:
            pytest.skip("this old a program reads older backups only")
        assert done.returncode == 0, done
        back.start()
        assert_same(back, old.expected)
    finally:
        back.remove()
