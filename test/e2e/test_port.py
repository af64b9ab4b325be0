# SPDX-License-Identifier: Apache-2.0
"""turnstone import and export: Maildir and mbox, there and back, interrupted, hostile."""
import json
import mailbox
import os
import random
import re
import signal
import subprocess
import time

import pytest

from demo import TOP, Demo

BUILD = os.environ.get("TURNSTONE_BUILD", os.path.join(TOP, "build"))
PROGRAM = os.path.join(BUILD, "turnstone")
LONG = bool(os.environ.get("TURNSTONE_LONG"))


class Site:
    def __init__(self, path):
        self.dir = str(path)
        self.conf = os.path.join(self.dir, "c.conf")
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f'server {{ data = "{self.dir}/store" }}\n')
        for user in ("alice", "bob", "carol"):
            self.run("user", "add", user, "--password-stdin", input="Secret-word-77\n")

    def command(self, *args):
        return [PROGRAM, *args, "--config", self.conf]

    def run(self, *args, code=0, input=None):
        done = subprocess.run(self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, input=input,
                              text=True, errors="replace", timeout=120)
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        self.err = done.stderr
        return done.stdout

    def port(self, *args, code=0):
        return json.loads(self.run(*args, "--json", code=code))

    def export(self, user, name):
        path = os.path.join(self.dir, name)
        self.port("export", "maildir", path, "--user", user)
        return path


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def make(root, folder=""):
    path = os.path.join(root, folder)
    for part in ("cur", "new", "tmp"):
        os.makedirs(os.path.join(path, part))
    return path


def put(path, name, data, when=1600000000, part="cur"):
    file = os.path.join(path, part, name)
    with open(file, "wb") as f:
        f.write(data)
    os.utime(file, (when, when))


def generated(root, count=60):
    """Odd flags, names, bytes; returns how many messages there are."""
    inbox = make(root)
    for i in range(count):
        put(inbox, f"{1700000000 + i}.M{i}.host:2,{['', 'S', 'FRS', 'DT', 'P'][i % 5]}{'ab' if i % 7 == 0 else ''}",
            b"Subject: %d\nFrom: a@b.example\n\nbody \xff\n>From x\nFrom here\n" % i, 1600000000 + i)
    with open(os.path.join(inbox, "dovecot-keywords"), "w", encoding="ascii") as f:
        f.write("0 $Blue\n1 red,hot\n")
    put(inbox, "1.empty:2,", b"")
    put(inbox, "1.cr:2,S", b"Subject: cr\rcr\r\n\r\nmixed\nand\r\nnone\r")
    put(inbox, "1.long:2,", b"X-Long: " + b"y" * 100000 + b"\nSubject: long\n\n")
    put(inbox, "2.fresh", b"Subject: new\n\n", part="new")
    sent = make(root, ".Sent")
    put(sent, "1.huge:2,S", b"Subject: huge\n\n" + b"line of text\n" * 400000)
    put(sent, "2.twin:2,", b"Subject: twin\n\n")
    put(sent, "3.twin:2,", b"Subject: twin\n\n")
    with open(os.path.join(sent, "dovecot-uidlist"), "w", encoding="ascii") as f:
        f.write("3 V1500000000 N900 G0123\n7 :2.twin\n70 W12 :1.huge\n71 :3.twin\n")
    make(root, ".a.b&AOQ-")
    make(root, ".INBOX.below")
    with open(os.path.join(root, "subscriptions"), "w", encoding="ascii") as f:
        f.write("V\t2\n\nSent\na\tb&AOQ-\nnowhere\n")
    return count + 4 + 3


def snapshot(path):
    """All that is equal when two accounts are: lists without MODSEQ and SAVEDATE's own clock, and bytes."""
    all_of = {}
    for top, _, files in os.walk(path):
        for name in files:
            file = os.path.join(top, name)
            with open(file, "rb") as f:
                data = f.read()
            if name == "turnstone.export":
                lines = data.split(b"\n")
                words = lines[0].split(b" ")
                lines[0] = b" ".join(words[:4] + words[5:])
                data = b"\n".join(lines)
            all_of[os.path.relpath(file, path)] = data
    return all_of


def test_there_and_back(site, tmp_path):
    root = str(tmp_path / "md")
    count = generated(root)
    assert site.port("import", "maildir", root, "--user", "alice") == \
        {"imported": count, "already": 0, "new_uids": 0, "left_out": 0, "keywords_left_out": 0}
    # Again: nothing comes twice, twins stay twins.
    assert site.port("import", "maildir", root, "--user", "alice")["already"] == count
    first = site.export("alice", "out1")
    assert site.port("import", "maildir", first, "--user", "bob")["imported"] == count
    second = site.export("bob", "out2")
    one, two = snapshot(first), snapshot(second)
    assert sorted(one) == sorted(two)
    for name, data in one.items():
        assert data == two[name], name
    assert b" 1500000000 900 " in one[".Sent/turnstone.export"].split(b"\n")[0]
    assert sorted(re.findall(rb"(?m)^(\d+) :", one[".Sent/dovecot-uidlist"])) == [b"7", b"70", b"71"]
    mixed = [d for n, d in one.items() if n.startswith("cur/") and b"cr\rcr" in d]
    assert mixed == [b"Subject: cr\rcr\r\n\r\nmixed\r\nand\r\nnone\r"]
    # A second export writes nothing new; others read it.
    before = {n: os.stat(os.path.join(first, n)).st_ino for n in one if "/cur/" in "/" + n}
    site.export("alice", "out1")
    assert before == {n: os.stat(os.path.join(first, n)).st_ino for n in before}
    box = mailbox.Maildir(first, create=False)
    assert len(box) == count - 3 and sorted(box.list_folders()) == ["INBOX.below", "Sent", "a.b&AOQ-"]
    assert sum("F" in m.get_flags() for m in box) == 12


def test_mbox(site, tmp_path):
    root = str(tmp_path / "md")
    count = generated(root)
    put(root, "3.forged:2,", b"Status: RO\nX-Status: D\nX-Keywords: forged\nFrom : a@b.example\n\n")
    count += 1
    site.port("import", "maildir", root, "--user", "alice")
    for user, out in (("alice", "m1"), ("bob", "m2")):
        assert site.port("export", "mbox", str(tmp_path / out), "--user", user if out == "m1" else "bob")["exported"] == \
            count
        if out == "m1":
            assert site.port("import", "mbox", str(tmp_path / "m1"), "--user", "bob")["imported"] == count
            assert site.port("import", "mbox", str(tmp_path / "m1"), "--user", "bob")["already"] == count
    assert snapshot(tmp_path / "m1") == snapshot(tmp_path / "m2")
    # Python takes any line that begins with "From " for a separator, in a header, too.
    assert len(mailbox.mbox(tmp_path / "m1" / "INBOX.mbox", create=False)) == count - 3 + 1
    with open(tmp_path / "other", "wb") as f:
        f.write(b"From x@y Mon Sep 14 10:00:00 2020 +0200\nSubject: a\nStatus: RO\nX-UID: 44\nContent-Length: 99999\n"
                b"\nFrom nobody in particular\n>From y\n\nFrom y Mon Sep 14 10:00:01 2020\nSubject: b\n\n\n")
    assert site.port("import", "mbox", str(tmp_path / "other"), "--user", "carol")["imported"] == 2
    with open(tmp_path / "none", "wb") as f:
        f.write(b"no mbox\n")
    assert site.port("import", "mbox", str(tmp_path / "none"), "--user", "carol", code=3)["left_out"] == 1
    with open(tmp_path / "behind", "wb") as f:
        f.write(b"lost\n\nFrom x\nSubject: c\n\nFrom a 2026-02-02 10:00:00 +0000\nStatus: RO\nSubject: d\n\n")
    done = site.port("import", "mbox", str(tmp_path / "behind"), "--user", "bob", "--mailbox", "b", "--flags", "none",
                     code=3)
    assert (done["imported"], done["left_out"]) == (2, 1) and f"{tmp_path}/behind, line 1: " in site.err
    site.run("import", "mbox", str(tmp_path / "behind"), "--user", "bob", "--flags", "some", code=2)
    data = b"".join(v for k, v in snapshot(site.export("bob", "b")).items() if k.startswith(".b/cur/"))
    assert data.count(b"Status: RO\r\n") == 1
    data = b"".join(v for k, v in snapshot(site.export("bob", "b")).items() if k.startswith("cur/"))
    assert b"X-Status: D\r\nX-Keywords: forged\r\nFrom : a" in data and b">From : a" not in data
    data = b"".join(v for k, v in snapshot(site.export("carol", "c")).items() if k.startswith("cur/"))
    assert b"Status" not in data and b"\r\nFrom nobody in particular\r\nFrom y\r\n" in data


def test_hostile(site, tmp_path):
    root = str(tmp_path / "md")
    inbox = make(root)
    put(inbox, "1.good:2,S", b"Subject: good\n\n")
    put(inbox, "2.od\nd\x1b:2,", b"Subject: odd\n\n")
    os.mkfifo(os.path.join(inbox, "cur/fifo"))
    os.mkdir(os.path.join(inbox, "cur/dir"))
    os.symlink("/etc/passwd", os.path.join(inbox, "cur/link"))
    os.symlink("/", os.path.join(root, ".Root"))
    make(root, ".bad\udcff")
    with open(os.path.join(inbox, "dovecot-uidlist"), "wb") as f:
        f.write(b"3 V99999999999 Nx\n-1 :1.good\n\xff\n0 :x\n4294967295 :1.good\n")
    with open(os.path.join(inbox, "turnstone.export"), "wb") as f:
        f.write(b"turnstone-export 1 7 99 99999999999999999999 0 ../../x\n1 2 3\n1 x y z - 1.good\n" + b"9" * 100000)
    done = site.port("import", "maildir", root, "--user", "alice", code=3)
    assert done["imported"] == 2 and done["left_out"] == 5
    for name in ("fifo", "dir", "link", ".Root"):
        assert name in site.err
    site.run("import", "maildir", str(tmp_path / "nothing"), "--user", "alice", code=1)
    site.run("import", "maildir", root, "--user", "nobody", code=1)
    site.run("import", "maildir", root, code=2)
    assert "passwd" not in str(sorted(snapshot(site.export("alice", "out"))))


def test_spelling_of_names(site, tmp_path):
    """Names that a file system spells apart (e and U+0301) become the name that clients ask for; two are one."""
    root = str(tmp_path / "md")
    put(make(root), "1.a:2,", b"Subject: inbox\n\n")
    put(make(root, ".Cafe&AwE-"), "1.b:2,", b"Subject: apart\n\n")
    put(make(root, ".Caf&AOk-"), "1.c:2,", b"Subject: together\n\n")
    assert site.port("import", "maildir", root, "--user", "alice")["imported"] == 3
    assert [n for n in snapshot(site.export("alice", "out")) if "Caf" in n and "/cur/" in n] != []
    assert not [n for n in snapshot(str(tmp_path / "out")) if "&AwE-" in n]


def test_not_all(site, tmp_path):
    """What the store refuses is named, counted and left out; the rest is imported; exit 3."""
    few = "store.max_keywords = 16; store.max_mailboxes = 16;\n"
    with open(site.conf, encoding="ascii") as f:
        plenty = f.read()
    with open(site.conf, "w", encoding="ascii") as f:
        f.write(plenty + few)
    source = str(tmp_path / "in")
    inbox = make(source)
    words = [f"word{i}" for i in range(18)] + ["no(atom", 'a"b']
    with open(os.path.join(inbox, "dovecot-keywords"), "w", encoding="ascii") as f:
        f.writelines(f"{i} {word}\n" for i, word in enumerate(words))
    for i, flags in enumerate([chr(97 + i) for i in range(18)] + ["ab", "Sst", "ar"]):
        put(inbox, f"{i:02}.m:2,{flags}", b"Subject: %d\n\ntext\n" % i)
    for i in range(20):
        put(make(source, f".Box{i}"), "1.m:2,S", b"Subject: box\n\ntext\n")
    args = ("import", "maildir", source, "--user", "alice")
    first = site.port(*args, code=3)
    assert site.err.count("left out: mailbox INBOX, a message of") == 3 and "store.max_keywords" in site.err
    boxes = site.err.count("store.max_mailboxes")
    assert 4 <= boxes <= 5 and "keywords left out: 2" in site.err
    assert first == {"imported": 18 + 20 - boxes, "already": 0, "new_uids": 0, "left_out": 3 + 2 * boxes,
                     "keywords_left_out": 2}
    again = site.port(*args, code=3)
    assert (again["imported"], again["already"]) == (0, first["imported"])
    with open(site.conf, "w", encoding="ascii") as f:
        f.write(plenty)
    last = site.port(*args, code=3)
    assert last["imported"] == 41 - first["imported"] and last["left_out"] == 0 and last["keywords_left_out"] == 2
    with open(os.path.join(site.export("alice", "out"), "turnstone.export"), encoding="ascii") as f:
        rows = f.read()
    assert "atom" not in rows and '"' not in rows and " word0,word17 " in rows


def interrupt(site, args, delay, how):
    with subprocess.Popen(site.command(*args), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as p:
        time.sleep(delay)
        if how == signal.SIGKILL:
            os.killpg(p.pid, how)  # the process with the store as well
        else:
            p.send_signal(how)
        code = p.wait()
    # The process that has the store ends by itself, a moment later.
    while True:
        done = subprocess.run(site.command("user", "list"), capture_output=True, text=True, timeout=60)
        if "in use" not in done.stderr:
            return code
        time.sleep(0.05)


@pytest.mark.parametrize("what", ["import", "export"])
def test_interrupted(site, tmp_path, what):
    rnd = random.Random(5)
    root = str(tmp_path / "md")
    count = generated(root, 3000)
    goal = str(tmp_path / "goal")
    if what == "export":
        site.port("import", "maildir", root, "--user", "alice")
    args = (what, "maildir", root if what == "import" else goal, "--user", "alice")
    cut = 0
    for i in range(60 if LONG else 12):
        cut += interrupt(site, args, rnd.random() * 0.4, [signal.SIGKILL, signal.SIGINT][i % 2]) != 0
    assert cut > 0
    done = site.port(*args)
    if what == "import":
        assert done["imported"] + done["already"] == count
        site.export("alice", "goal")
    site.port("import", "maildir", root, "--user", "bob")
    bodies = []
    for path in (goal, site.export("bob", "whole")):
        bodies.append(sorted((n.split("/")[0] if n[0] == "." else "", d) for n, d in snapshot(path).items()
                             if "/cur/" in "/" + n))
    assert len(bodies[0]) == count and bodies[0] == bodies[1]


def test_running_server(tmp_path):
    demo = Demo()
    try:
        demo.up()
        root = str(tmp_path / "md")
        generated(root)
        conf = os.path.join(demo.site, "turnstone.conf")
        done = subprocess.run([PROGRAM, "import", "maildir", root, "--user", "bob", "--mailbox", "old", "--config",
                               conf, "--quiet"], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0 and done.stdout == "", (done.stdout, done.stderr)
        c = demo.login("bob")
        status = b"".join(c.ok("STATUS old/Sent (MESSAGES UIDNEXT UIDVALIDITY)"))
        assert b"MESSAGES 3" in status and b"UIDNEXT 900" in status and b"UIDVALIDITY 1500000000" in status
        c.ok("SELECT old/Sent")
        rows = c.ok("UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE)")
        assert [re.search(rb"UID (\d+)", r).group(1) for r in rows[:3]] == [b"7", b"70", b"71"]
        assert b'"13-Sep-2020 12:26:40 +0000"' in rows[0]
        c.ok("SELECT old")
        assert b"$Blue" in b"".join(c.ok("FETCH 1:* FLAGS"))
        c.close()
    finally:
        demo.remove()
