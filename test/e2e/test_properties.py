# SPDX-License-Identifier: Apache-2.0
"""Properties of accounts and mailboxes: through backup and restore, export and import."""
import glob
import json
import os
import subprocess

import pytest

from server import BUILD, TURNSTONE
from test_port import Files, make, put

TOOL = os.path.join(BUILD, "test", "e2e", "properties")
ODD = bytes(range(256)) + b"\r\n%20 ,end"
MINE = {("-", "acl/bob"): b"lr", ("-", "quota/storage"): b"1048576", ("-", "empty"): b"",
        ("INBOX", "meta/shared/comment"): ODD, ("INBOX", "acl/bob"): b"lrs",
        ("Work/Größe", "acl/bob"): b"lrsw", ("Work/Größe", "meta/private/alice/colour, of it"): "grün".encode()}


def tool(site, *words):
    done = subprocess.run([TOOL, os.path.join(site.dir, "store", "store"), *words], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, (words, done)
    return done.stdout


def change(site, user, how, properties):
    for box in sorted({box for box, _ in properties}):
        words = []
        for (name, value) in ((n, v) for (b, n), v in properties.items() if b == box):
            words += [name] if how == "remove" else [name, value.hex()]
        tool(site, how, user, box, *words)


def shown(site, user):
    if not os.path.exists(os.path.join(site.dir, "store", "store")):
        return {}
    rows = [line.split("\t") for line in tool(site, "show", user).splitlines()]
    # What was restored has the ids of its mailboxes there (test_objectid.py).
    return {(box, name): bytes.fromhex(value) for box, name, value in rows if name not in ("objectid", "own-seen")}


def saved(site, folder, *words, code=0):
    return site.told("backup", folder, *words, code=code)


def restored(site, folder, *words, code=0):
    return site.told("restore", folder, *words, code=code)


def verified(folder):
    """The exit code, and the number of faults."""
    done = subprocess.run([TURNSTONE, "backup", "verify", folder, "--json"], capture_output=True, text=True, check=False,
                          timeout=120)
    return done.returncode, len(json.loads(done.stdout)["damaged"])


def lists(folder):
    """How many lists of each form are in packs."""
    packs = b""
    for name in glob.glob(folder + "/packs/*"):
        with open(name, "rb") as f:
            packs += f.read()
    return packs.count(b"TSBKUSR1"), packs.count(b"TSBKUSR2")


def configure(site, more):
    with open(site.conf, "a", encoding="ascii") as f:
        f.write(more + "\n")


class Empty(Files):
    """A store without users: the restore brings them."""
    USERS = ()


def another(tmp_path, name):
    os.makedirs(tmp_path / name)
    return Empty(tmp_path / name)


@pytest.fixture(name="site")
def _site(tmp_path):
    """alice with mail and properties, bob with mail alone."""
    os.makedirs(tmp_path / "site")
    site = Files(tmp_path / "site")
    root = str(tmp_path / "md")
    put(make(root), "1.a:2,S", b"Subject: one\n\ntext\n")
    put(make(root, ".Work.Gr&APYA3w-e"), "1.b:2,", b"Subject: two\n\ntext\n")
    make(root, ".Bare")
    for user in ("alice", "bob"):
        site.told("import", "maildir", root, "--user", user)
    change(site, "alice", "put", MINE)
    assert shown(site, "alice") == MINE
    return site


def test_into_a_new_store(site, tmp_path):
    folder = str(tmp_path / "saved")
    saved(site, folder)
    # Users without properties are written so that an older program can read them.
    assert lists(folder) == (1, 1)
    assert verified(folder) == (0, 0)
    there = another(tmp_path, "there")
    done = restored(there, folder)
    assert done["properties"] == len(MINE) and done["damaged"] == 0
    assert shown(there, "alice") == MINE and shown(there, "bob") == {}
    assert "found: 0\n" in there.run("check")
    # Again, and from there again: nothing is new.
    assert restored(there, folder)["properties"] == 0
    second = str(tmp_path / "second")
    saved(there, second)
    assert lists(second) == (0, 2)  # the mailboxes have the ids that they came with
    last = another(tmp_path, "last")
    assert restored(last, second)["properties"] == len(MINE) and shown(last, "alice") == MINE
    # A mailbox without messages has the MODSEQ that it had: nobody has seen it without its properties.
    change(site, "alice", "put", {("Bare", "acl/bob"): b"l"})
    saved(site, folder)
    new = another(tmp_path, "new")
    restored(new, folder)
    one, two = (json.loads(s.run("mailbox", "status", "Bare", "--user", "alice", "--json")) for s in (site, new))
    assert one["highestmodseq"] == two["highestmodseq"] == 2 and shown(new, "alice")["Bare", "acl/bob"] == b"l"


def test_only_what_changed(site, tmp_path):
    """A user with unchanged properties is not read again; one with changed properties is, without the
    mail."""
    folder = str(tmp_path / "saved")
    assert saved(site, folder)["read_users"] == 2
    same = saved(site, folder)
    assert same["read_users"] == 0 and same["new_objects"] == 0
    now = dict(MINE)
    for how, some in (("quiet", {("-", "acl/bob"): b"l"}), ("quiet", {("INBOX", "acl/bob"): b"r"}),
                      ("put", {("Bare", "acl/bob"): b"s"}), ("remove", {("Work/Größe", "acl/bob"): None}),
                      ("remove", {("-", "empty"): None})):
        change(site, "alice", how, some)
        for key, value in some.items():
            now.pop(key, None)
            if value is not None:
                now[key] = value
        run = saved(site, folder)
        assert run["read_users"] == 1 and run["read_messages"] == 0, (some, run)
        assert saved(site, folder)["read_users"] == 0
    there = another(tmp_path, "there")
    assert restored(there, folder)["properties"] == len(now)
    assert shown(there, "alice") == now


def test_where_some_are_there(site, tmp_path):
    """Existing ones stay; with --exact they become what they were."""
    folder = str(tmp_path / "saved")
    saved(site, folder)
    change(site, "alice", "remove", {("-", "acl/bob"): None, ("INBOX", "acl/bob"): None})
    others = {("-", "quota/storage"): b"9", ("INBOX", "meta/shared/comment"): b"other", ("INBOX", "new"): b"1",
              ("-", "new"): b"2"}
    change(site, "alice", "put", others)
    # For one mailbox: only its own.
    assert restored(site, folder, "--user", "alice", "--mailbox", "INBOX")["properties"] == 1
    expected = {**MINE, **others}
    del expected["-", "acl/bob"]
    assert shown(site, "alice") == expected
    # New mailboxes get only messages.
    assert restored(site, folder, "--user", "alice", "--into", "Look")["properties"] == 0
    assert shown(site, "alice") == expected
    assert restored(site, folder)["properties"] == 1
    assert shown(site, "alice") == {**MINE, **others}
    assert restored(site, folder, "--exact")["properties"] == 4
    assert shown(site, "alice") == MINE
    # A list without properties does not mean that there were none.
    change(site, "bob", "put", {("INBOX", "acl/alice"): b"l"})
    assert restored(site, folder, "--exact")["properties"] == 0
    assert shown(site, "bob") == {("INBOX", "acl/alice"): b"l"}
    # They go to another user with everything else.
    assert restored(site, folder, "--user", "alice", "--as-user", "carol")["properties"] == len(MINE)
    assert shown(site, "carol") == MINE


def test_limits(site, tmp_path):
    """What does not fit is named, with the option, and counted; the rest is restored."""
    folder = str(tmp_path / "saved")
    many = {("Bare", f"p{i:02}"): b"x" for i in range(20)}
    large = {("Work/Größe", f"l{i}"): bytes(1020) for i in range(70)}
    change(site, "alice", "put", {**many, ("INBOX", "wide"): bytes(1025)})
    for at in range(0, 70, 35):
        change(site, "alice", "put", dict(list(large.items())[at:at + 35]))
    saved(site, folder)
    there = another(tmp_path, "there")
    configure(there, "store.max_properties = 100; store.property_size = 1K; store.property_total = 64K")
    done = restored(there, folder, code=3)
    said = there.err
    total = said.count("store.property_total")
    assert total >= 6 and said.count("store.property_size") == 1 and "max_properties" not in said
    assert "mailbox INBOX: the property wide is left out: its value is longer than store.property_size allows" in said
    assert done["damaged"] == total + 1
    assert done["properties"] == len(MINE) + 20 + 70 - total == len(shown(there, "alice"))
    narrow = another(tmp_path, "narrow")
    configure(narrow, "store.max_properties = 16")
    done = restored(narrow, folder, code=3)
    assert narrow.err.count("mailbox Bare: the property p") == 4 and "store.max_properties" in narrow.err
    assert [n for b, n in shown(narrow, "alice") if b == "Bare"] == [f"p{i:02}" for i in range(16)]
    # The same limits apply to files.
    out = site.export("alice", "out")
    for words in (["--dry-run"], []):
        got = narrow.told("import", "maildir", out, "--user", "bob", "--properties", *words, code=3)
        assert narrow.err.count("left out: mailbox Bare, the property p") == 4, narrow.err
        assert got["left_out"] == narrow.err.count("left out: mailbox") and got["properties"] == \
            len(MINE) + 20 + 70 + 1 - got["left_out"], words
    assert len(shown(narrow, "bob")) == got["properties"]


def test_without_properties(site, tmp_path):
    """The older form on request: reported, counted, and not relied on by the next run."""
    folder = str(tmp_path / "saved")
    saved(site, folder)
    for _ in range(2):  # after a run that has them, and after one that has not
        run = saved(site, folder, "--without-properties")
        assert run["properties_left_out"] == len(MINE) and run["damaged"] == []
        assert f"user alice: {len(MINE)} properties left out" in site.err
    fresh = str(tmp_path / "fresh")
    saved(site, fresh, "--without-properties")
    assert lists(fresh) == (2, 0)
    there = another(tmp_path, "there")
    done = restored(there, fresh)
    assert done["added"] == 4 and done["properties"] == 0 and shown(there, "alice") == {}
    run = saved(site, fresh)
    assert run["read_users"] == 1 and run["properties_left_out"] == 0
    assert restored(there, fresh)["properties"] == len(MINE) and shown(there, "alice") == MINE


def both(site, folder, *words, code=0):
    """A dry run, then a real restore: they must say the same."""
    before = {user: (shown(site, user), site.run("mailbox", "list", "--user", user, "--json", code=None))
              for user in ("alice", "bob")}
    dry = restored(site, folder, *words, "--dry-run", code=code)
    said = site.err
    assert before == {user: (shown(site, user), site.run("mailbox", "list", "--user", user, "--json", code=None))
                      for user in ("alice", "bob")}
    assert dry.pop("dry_run")
    real = restored(site, folder, *words, code=code)
    assert real == dry and said == site.err
    return real


def test_dry_run(site, tmp_path):
    folder = str(tmp_path / "saved")
    saved(site, folder)
    there = another(tmp_path, "there")
    done = both(there, folder)
    assert (done["added"], done["properties"], done["mailboxes"]) == (4, len(MINE), 6)
    assert both(there, folder)["there"] == 4
    change(there, "alice", "remove", {("-", "acl/bob"): None, ("INBOX", "acl/bob"): None})
    change(there, "alice", "put", {("-", "quota/storage"): b"9", ("INBOX", "new"): b"1"})
    assert both(there, folder, "--user", "alice")["properties"] == 2
    assert both(there, folder, "--exact")["properties"] == 2
    assert shown(there, "alice") == MINE
    assert both(there, folder, "--user", "alice", "--into", "Look")["added"] == 2
    change(site, "alice", "put", {("Bare", f"p{i:02}"): bytes(1000 + i) for i in range(70)})
    change(site, "alice", "put", {("-", "wide"): bytes(1025)})
    saved(site, folder)
    for limit, left_out in (("max_properties = 16", 54), ("property_size = 1K", 46), ("property_total = 64K", None)):
        narrow = another(tmp_path, limit.split()[0])
        configure(narrow, "store." + limit)
        done = both(narrow, folder, code=3)
        assert done["damaged"] == left_out or (left_out is None and 6 <= done["damaged"] < 10)
    assert restored(narrow, folder, "--dry-run", "--user", "alice", "--as-user", "carol", code=3)["added"] == 2


def test_damage(site, tmp_path):
    folder = str(tmp_path / "saved")
    saved(site, folder)
    for name in glob.glob(folder + "/packs/*"):
        with open(name, "r+b") as f:
            at = f.read().find(b"lrsw")
            if at >= 0:
                f.seek(at)
                f.write(b"lrsx")
    code, faults = verified(folder)
    assert code == 3 and faults >= 1
    there = another(tmp_path, "there")
    assert restored(there, folder, code=3)["damaged"] >= 1


def test_files(site, tmp_path):
    """A Maildir has them in lists of its own, which are read on request."""
    out = site.export("alice", "out")
    assert sorted(os.path.relpath(f, out) for f in glob.glob(out + "/**/turnstone.[pa]*", recursive=True) +
                  glob.glob(out + "/.*/turnstone.[pa]*")) == \
        [".Work.Gr&APYA3w-e/turnstone.properties", "turnstone.account", "turnstone.properties"]
    # Not requested: skipped, and reported.
    got = site.told("import", "maildir", out, "--user", "carol")
    assert (got["properties"], got["passed_by"]) == (0, len(MINE)) and shown(site, "carol") == {}
    assert "turnstone.account" in site.err and "--properties" in site.err
    args = ("import", "maildir", out, "--user", "carol", "--properties")
    dry = site.told(*args, "--dry-run")
    assert dry["properties"] == len(MINE) and shown(site, "carol") == {}
    assert site.told(*args)["properties"] == len(MINE) and shown(site, "carol") == MINE
    assert site.told(*args, "--dry-run")["properties"] == 0
    assert site.told(*args)["properties"] == 0
    # What is there stays; what is below a mailbox is not the account.
    change(site, "carol", "put", {("INBOX", "acl/bob"): b"other"})
    got = site.told(*args, "--mailbox", "Old")
    assert (got["properties"], got["passed_by"]) == (4, 3)
    assert shown(site, "carol") == {**MINE, ("INBOX", "acl/bob"): b"other",
                                    **{(b.replace("INBOX", "Old").replace("Work", "Old/Work"), n): v
                                       for (b, n), v in MINE.items() if b != "-"}}
    # Lines that are not properties are named; the rest is imported.
    with open(out + "/turnstone.properties", "ab") as f:
        f.write(b"noblank\n%zz x\n value\na%00b x\n%41 b\n")
    got = site.told("import", "maildir", out, "--user", "bob", "--properties", code=3)
    assert got["left_out"] == 4 and got["properties"] == len(MINE) + 1
    assert site.err.count("turnstone.properties, line ") == 4 and shown(site, "bob") == {**MINE, ("INBOX", "A"): b"b"}
    # What is gone is gone from the next export, unless it is of one mailbox only.
    change(site, "alice", "remove", {key: None for key in MINE if key[0] != "Work/Größe"})
    site.told("export", "maildir", out, "--user", "alice", "--mailbox", "INBOX")
    assert os.path.exists(out + "/turnstone.account") and not os.path.exists(out + "/turnstone.properties")
    site.export("alice", "out")
    assert not os.path.exists(out + "/turnstone.account")
    assert os.path.exists(out + "/.Work.Gr&APYA3w-e/turnstone.properties")


def test_mbox_has_no_place(site, tmp_path):
    out = str(tmp_path / "mbox")
    got = site.told("export", "mbox", out, "--user", "alice", code=3)
    assert got["properties_left_out"] == len(MINE) and got["exported"] == 2
    assert "INBOX.mbox: the property acl/bob has no place in an mbox, left out" in site.err
    assert "(the account): the property quota/storage" in site.err
    assert site.told("export", "mbox", out + "2", "--user", "bob")["properties_left_out"] == 0
