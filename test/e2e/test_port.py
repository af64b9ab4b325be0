# SPDX-License-Identifier: Apache-2.0
"""turnstone import and export: Maildir and mbox, round trips, interrupted, hostile."""
import json
import mailbox
import os
import pwd
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time

import pytest

from server import Site

FEW = "store.max_keywords = 16; store.max_mailboxes = 16;\n"
LONG = bool(os.environ.get("TURNSTONE_LONG"))


class Files(Site):
    """A store, without a server."""
    USERS = ("alice", "bob", "carol")

    def __init__(self, path):  # pylint: disable=super-init-not-called
        self.make_folder(str(path))
        self.write()
        for user in self.USERS:
            self.add(user, "Secret-word-77")

    def write(self, more=""):
        with open(self.conf, "w", encoding="ascii") as f:
            f.write(f'server {{ data = "{self.dir}/store" }}\n{more}')

    def run(self, *args, code=0):
        done = self.cli(*args, ok=None, code=code)
        self.err = done.stderr
        return done.stdout

    def told(self, *args, code=0):
        return json.loads(self.run(*args, "--json", code=code))

    def export(self, user, name):
        path = os.path.join(self.dir, name)
        self.told("export", "maildir", path, "--user", user)
        return path


@pytest.fixture(name="site")
def site_(tmp_path):
    return Files(tmp_path)


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
    """Odd flags, names and bytes; returns the number of messages."""
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
    """Everything that equal accounts share: lists without MODSEQ and SAVEDATE's clock, and bytes.
    Object ids are an account's own."""
    all_of = {}
    for top, _, files in os.walk(path):
        for name in files:
            file = os.path.join(top, name)
            if name == "turnstone.ids":
                continue
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
    assert site.told("import", "maildir", root, "--user", "alice") == \
        {"imported": count, "already": 0, "new_uids": 0, "left_out": 0, "keywords_left_out": 0, "passed_by": 0,
         "other_names": 0, "properties": 0}
    # Again: nothing is duplicated, duplicates stay.
    assert site.told("import", "maildir", root, "--user", "alice")["already"] == count
    first = site.export("alice", "out1")
    assert site.told("import", "maildir", first, "--user", "bob")["imported"] == count
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
    site.told("import", "maildir", root, "--user", "alice")
    for user, out in (("alice", "m1"), ("bob", "m2")):
        assert site.told("export", "mbox", str(tmp_path / out), "--user", user if out == "m1" else "bob")["exported"] == \
            count
        if out == "m1":
            assert site.told("import", "mbox", str(tmp_path / "m1"), "--user", "bob")["imported"] == count
            assert site.told("import", "mbox", str(tmp_path / "m1"), "--user", "bob")["already"] == count
    assert snapshot(tmp_path / "m1") == snapshot(tmp_path / "m2")
    # Python treats any line that begins with "From " as a separator, even in a header.
    assert len(mailbox.mbox(tmp_path / "m1" / "INBOX.mbox", create=False)) == count - 3 + 1
    with open(tmp_path / "other", "wb") as f:
        f.write(b"From x@y Mon Sep 14 10:00:00 2020 +0200\nSubject: a\nStatus: RO\nX-UID: 44\nContent-Length: 99999\n"
                b"\nFrom nobody in particular\n>From y\n\nFrom y Mon Sep 14 10:00:01 2020\nSubject: b\n\n\n")
    assert site.told("import", "mbox", str(tmp_path / "other"), "--user", "carol")["imported"] == 2
    with open(tmp_path / "none", "wb") as f:
        f.write(b"no mbox\n")
    assert site.told("import", "mbox", str(tmp_path / "none"), "--user", "carol", code=3)["left_out"] == 1
    with open(tmp_path / "behind", "wb") as f:
        f.write(b"lost\n\nFrom x\nSubject: c\n\nFrom a 2026-02-02 10:00:00 +0000\nStatus: RO\nSubject: d\n\n")
    done = site.told("import", "mbox", str(tmp_path / "behind"), "--user", "bob", "--mailbox", "b", "--flags", "none",
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
    done = site.told("import", "maildir", root, "--user", "alice", code=3)
    # Four files; the head and three lines of one list, the head and three lines of the other.
    assert (done["imported"], done["left_out"], done["other_names"]) == (2, 4 + 4 + 4, 1)
    for name in ("fifo", "dir", "link", ".Root", "dovecot-uidlist, line 1:", "dovecot-uidlist, line 3:",
                 "turnstone.export, line 1:", "turnstone.export, line 4:"):
        assert name in site.err, name
    site.run("import", "maildir", str(tmp_path / "nothing"), "--user", "alice", code=1)
    site.run("import", "maildir", root, "--user", "nobody", code=1)
    site.run("import", "maildir", root, code=2)
    assert "passwd" not in str(sorted(snapshot(site.export("alice", "out"))))


def test_spelling_of_names(site, tmp_path):
    """Names with decomposed letters (e and U+0301) become the name that clients ask for; two become one."""
    root = str(tmp_path / "md")
    put(make(root), "1.a:2,", b"Subject: inbox\n\n")
    put(make(root, ".Cafe&AwE-"), "1.b:2,", b"Subject: apart\n\n")
    put(make(root, ".Caf&AOk-"), "1.c:2,", b"Subject: together\n\n")
    assert site.told("import", "maildir", root, "--user", "alice")["imported"] == 3
    assert [n for n in snapshot(site.export("alice", "out")) if "Caf" in n and "/cur/" in n] != []
    assert not [n for n in snapshot(str(tmp_path / "out")) if "&AwE-" in n]


def test_not_all(site, tmp_path):
    """What the store refuses is named, counted and left out; the rest is imported; exit 3."""
    site.write(FEW)
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
    first = site.told(*args, code=3)
    assert site.err.count("left out: mailbox INBOX, a message of") == 3 and "store.max_keywords" in site.err
    boxes = site.err.count("store.max_mailboxes")
    assert 4 <= boxes <= 5 and "keywords left out: 2" in site.err
    assert first == {"imported": 18 + 20 - boxes, "already": 0, "new_uids": 0, "left_out": 3 + 2 * boxes,
                     "keywords_left_out": 2, "passed_by": 0, "other_names": 0, "properties": 0}
    for word in ("no(atom", 'a"b'):
        assert f": {word}: not an IMAP keyword" in site.err
    again = site.told(*args, code=3)
    assert (again["imported"], again["already"]) == (0, first["imported"])
    site.write()
    last = site.told(*args, code=3)
    assert last["imported"] == 41 - first["imported"] and last["left_out"] == 0 and last["keywords_left_out"] == 2
    with open(os.path.join(site.export("alice", "out"), "turnstone.export"), encoding="ascii") as f:
        rows = f.read()
    assert "atom" not in rows and '"' not in rows and " word0,word17 " in rows


def names(site, user):
    rows = site.told("mailbox", "list", "--user", user)
    return sorted(row["name"] for row in rows if row["exists"])


def fetched(site, user, folder):
    """Each message's flags (as Maildir letters), keywords and bytes."""
    path = os.path.join(site.dir, f"fetched-{time.monotonic_ns()}")
    site.told("export", "maildir", path, "--user", user, "--mailbox", folder)
    got = []
    for top, _, files in os.walk(path):
        if os.path.basename(top) != "cur":
            continue
        with open(os.path.join(os.path.dirname(top), "turnstone.export"), encoding="ascii") as f:
            rows = {line.split()[5]: line.split()[4] for line in f.read().splitlines()[1:]}
        for name in sorted(files, key=lambda n: int(re.search(r"\.U(\d+)V", n).group(1))):
            base, flags = name.split(":2,")
            with open(os.path.join(top, name), "rb") as f:
                got.append((re.sub("[a-z]", "", flags), rows[base], f.read()))
    return got


def test_thunderbird(site, tmp_path):
    """A profile's folder: its own flags, deleted messages, .sbd folders, indexes."""
    root = tmp_path / "Local Folders"
    os.makedirs(root / "Inbox.sbd" / "Deep.sbd")
    top = "X-Account-Key: account2\nX-UIDL: 7\n"
    rows = [("0001", "00000000", "", "S"), ("0007", "00000000", "$label1 work", "FRS"),
            ("1000", "00800000", "", "P"), ("0000", "00200000", "", "T"), ("0009", "00000000", "", None)]
    with open(root / "Inbox", "w", encoding="ascii") as f:
        for i, (status, more, keys, _) in enumerate(rows):
            f.write(f"From - Mon Feb  2 10:00:0{i} 2026\n{top}X-Mozilla-Status: {status}\n"
                    f"X-Mozilla-Status2: {more}\nX-Mozilla-Keys: {keys:20}\nSubject: {i}\n\ntext {i}\n\n")
        # Nothing that came with the message deletes it, and anything but a number has no meaning.
        f.write("From - Mon Feb  2 10:00:09 2026\nX-Mozilla-Status: 0000\nSubject: forged\nX-Mozilla-Status: 0008\n"
                "\nkept\n\n"
                "From - Mon Feb  2 10:00:10 2026\nSubject: forged too\nX-Mozilla-Status: 0009\n\nkept\n\n"
                "From - Mon Feb  2 10:00:11 2026\nX-Mozilla-Status: none\nSubject: odd\n\nkept\n\n")
    for name in ("Inbox.sbd/Sub", "Inbox.sbd/Deep", "Inbox.sbd/Deep.sbd/Leaf", "Sent"):
        (root / name).write_text("From - Mon Feb  2 10:00:00 2026\nSubject: one\n\ntext\n\n", encoding="ascii")
    for name in ("Inbox.msf", "Inbox.sbd/Sub.msf"):
        (root / name).write_text("// <!-- <mdb:mork:z v=\"1.4\"/> -->\n\n< <(a=c)>\n", encoding="ascii")
    (root / "msgFilterRules.dat").write_text('version="9"\n', encoding="ascii")
    # Not an index, in spite of its name.
    (root / "odd.msf").write_text("From - Mon Feb  2 10:00:00 2026\nSubject: one\n\ntext\n\n", encoding="ascii")
    done = site.told("import", "mbox", str(root), "--user", "alice")
    assert done == {"imported": 7 + 4 + 1, "already": 0, "new_uids": 0, "left_out": 0, "keywords_left_out": 0,
                    "passed_by": 3 + 1, "other_names": 0, "properties": 0}
    for name in ("Inbox: a message that was deleted in Thunderbird", "Inbox.msf: ", "Inbox.sbd/Sub.msf: ",
                 "msgFilterRules.dat: "):
        assert f"{root}/{name}" in site.err
    assert names(site, "alice") == ["INBOX", "INBOX/Deep", "INBOX/Deep/Leaf", "INBOX/Sub", "Sent", "odd.msf"]
    got = fetched(site, "alice", "INBOX")
    assert [flags for flags, _, _ in got] == ["S", "FRS", "P", "T", "", "ST", ""]
    assert got[1][1] == "$label1,work" and got[2][1] == "$Forwarded,$MDNSent"
    assert got[0][2] == b"X-Account-Key: account2\r\nX-UIDL: 7\r\nSubject: 0\r\n\r\ntext 0\r\n"
    assert b"X-Mozilla-Status: 0008\r\n" in got[4][2] and b"X-Mozilla-Status: none\r\n" in got[6][2]
    # As text.
    done = site.told("import", "mbox", str(root / "Inbox"), "--user", "bob", "--flags", "none")
    assert done["imported"] == 8 and done["passed_by"] == 0
    assert {flags for flags, _, _ in fetched(site, "bob", "INBOX")} == {""}
    # Below another mailbox.
    site.told("import", "mbox", str(root), "--user", "carol", "--mailbox", "old")
    assert "old/Inbox/Deep/Leaf" in names(site, "carol") and "old/Inbox" in names(site, "carol")


def test_internal_data(site, tmp_path):
    """UW IMAP's internal message at the beginning of a file is not a message; one that only looks like it
    is."""
    subject = "Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\n"
    first = f"From MAILER-DAEMON Mon Feb  2 09:00:00 2026\n{subject}X-IMAP: 1770022800 0000000002\nStatus: RO\n\ndata\n\n"
    mail = "From a@b.example Mon Feb  2 10:00:00 2026\nSubject: one\nStatus: O\n\ntext\n\n"
    path = tmp_path / "box"
    path.write_text(first + mail + first, encoding="ascii")
    done = site.told("import", "mbox", str(path), "--user", "alice")
    assert (done["imported"], done["passed_by"], done["left_out"]) == (2, 1, 0)
    assert f"{path}, line 1: internal data" in site.err
    path.write_text(first.replace("X-IMAP:", "X-Other:") + mail, encoding="ascii")
    assert site.told("import", "mbox", str(path), "--user", "bob")["imported"] == 2


def test_status_of_senders(site, tmp_path):
    """A Status header with the sender's text stays, and is not a flag: "Done" is not \\Deleted."""
    path = tmp_path / "box"
    path.write_text("From a@b.example Mon Feb  2 10:00:00 2026\nStatus: Done\nX-UID: none\nX-Status: AF\n"
                    "X-Keywords: good b{d\nSubject: one\n\ntext\n\n", encoding="ascii")
    done = site.told("import", "mbox", str(path), "--user", "alice", code=3)
    assert done["imported"] == 1 and done["keywords_left_out"] == 1
    assert f"{path}, line 5: b{{d: not an IMAP keyword" in site.err
    assert fetched(site, "alice", "INBOX") == \
        [("FR", "good", b"Status: Done\r\nX-UID: none\r\nSubject: one\r\n\r\ntext\r\n")]


def test_nothing_dropped(site, tmp_path):
    """Whatever is not understood in a Maildir is named and counted, and makes the exit code 3."""
    root = str(tmp_path / "md")
    inbox = make(root)
    put(inbox, "1.m:2,Sc", b"Subject: no name for c\n\n")
    put(inbox, "2.m:2,SX", b"Subject: no flag\n\n")
    put(inbox, "3.m:1,x", b"Subject: no flags\n\n")
    put(inbox, "4.m:2,a", b"Subject: fine\n\n")
    with open(os.path.join(inbox, "dovecot-keywords"), "w", encoding="ascii") as f:
        f.write("0 red\n27 beyond\nx y\n")
    with open(os.path.join(inbox, "dovecot-uidlist"), "w", encoding="ascii") as f:
        f.write("1 1500000000 9\n" + "what\n" * 12)
    os.makedirs(os.path.join(root, ".NotOne"))
    os.makedirs(os.path.join(root, "plain", "cur"))
    os.makedirs(os.path.join(root, ".OnlyNew", "new"))
    put(os.path.join(root, ".OnlyNew"), "1.n", b"Subject: new\n\n", part="new")
    os.symlink("dovecot-keywords", os.path.join(root, ".OnlyNew", "dovecot-uidlist"))
    done = site.told("import", "maildir", root, "--user", "alice", code=3)
    assert done["imported"] == 5 and done["keywords_left_out"] == 3
    assert done["left_out"] == 2 + 13 + 2 + 1
    for text in ("c: a flag that dovecot-keywords does not list", "X: not a Maildir flag", ":1,x: not Maildir flags",
                 "dovecot-keywords, line 2:", "dovecot-keywords, line 3:", "dovecot-uidlist, line 1:",
                 "dovecot-uidlist: 3 more such lines", ".NotOne: not a Maildir folder",
                 "plain: a folder of mail without a dot", ".OnlyNew/dovecot-uidlist: a symbolic link"):
        assert text in site.err, text
    done = site.told("import", "maildir", root, "--user", "bob", "--fs-layout", code=3)
    assert done["imported"] == 4 and ".OnlyNew: a folder of mail with a dot" in site.err
    # mbox: folders nested too deeply.
    deep = os.path.join(str(tmp_path / "boxes"), *["d"] * 40)
    os.makedirs(deep)
    done = site.told("import", "mbox", str(tmp_path / "boxes"), "--user", "carol", code=3)
    assert done["left_out"] == 1 and "folders are nested too deeply" in site.err


def test_subscriptions_below(site, tmp_path):
    """--mailbox includes subscriptions, under the mailboxes' new names."""
    root = str(tmp_path / "md")
    put(make(root), "1.m:2,", b"Subject: inbox\n\n")
    make(root, ".Sent")
    make(root, ".a*b")
    with open(os.path.join(root, "subscriptions"), "w", encoding="ascii") as f:
        f.write("V\t2\n\nINBOX\nSent\na*b\nnowhere\n")
    site.told("import", "maildir", root, "--user", "alice", "--mailbox", "old")
    rows = site.told("mailbox", "list", "--user", "alice")
    assert [r["name"] for r in rows if r["subscribed"]] == ["old", "old/Sent", "old/a\uff0ab", "old/nowhere"]
    assert [r["name"] for r in rows if r["exists"]] == ["INBOX", "old", "old/Sent", "old/a\uff0ab"]


def test_names_that_cannot_be(site, tmp_path):
    """A name that CREATE refuses becomes a similar one, the same in each run and unique, and this is
    reported."""
    root = str(tmp_path / "md")
    put(make(root), "1.m:2,", b"Subject: inbox\n\n")
    folders = [".a*b", ".a%b", ".#news", ".c&AAE-d", ".e..f", ".x\uff0ay", ".x*y", ".latin\udce9",
               ".latin\udcea", "." + ".".join("d" * 60), ".z&AAA-", ".a*b.below", ".q\uff0a*"]
    for i, folder in enumerate(folders):
        put(make(root, folder), f"{i}.m:2,", b"Subject: %d\n\n" % i)
    first = site.told("import", "maildir", root, "--user", "alice")
    assert first["imported"] == len(folders) + 1 and first["left_out"] == 0 and first["other_names"] == 11
    assert f"{root}/.a*b: is called a\uff0ab here: Mailbox names cannot contain * or %" in site.err
    got = names(site, "alice")
    assert len(got) == len(folders) + 1 and len(set(got)) == len(got)
    for name in ("a\uff0ab", "a\uff0ab/below", "a\uff05b", "\uff03news", "c\u2401d", "x\uff0ay"):
        assert name in got, (name, got)
    assert [n for n in got if re.fullmatch("x\uff0ay ~[0-9a-f]{8}", n)]
    assert len([n for n in got if re.fullmatch("latin\ufffd ~[0-9a-f]{8}", n)]) == 2
    # Whatever the others are called, this one's name is the same as the new one.
    assert [n for n in got if re.fullmatch("q\uff0a\uff0a ~[0-9a-f]{8}", n)]
    assert [n for n in got if re.fullmatch("e/f ~[0-9a-f]{8}", n)]
    again = site.told("import", "maildir", root, "--user", "alice")
    assert again["already"] == first["imported"] and names(site, "alice") == got
    site.run("import", "maildir", root, "--user", "alice", "--mailbox", "a*b", code=2)


def test_dry_run(site, tmp_path):
    """It says what a real run would do, with the same exit code, and changes nothing."""
    root = str(tmp_path / "md")
    count = generated(root)
    os.symlink("/etc/passwd", os.path.join(root, "cur", "link"))
    make(root, ".a*b")
    site.write(FEW)
    for i in range(20):
        put(make(root, f".Box{i}"), "1.m:2,S", b"Subject: box\n\ntext\n")
    words = make(root, ".Words")
    with open(os.path.join(words, "dovecot-keywords"), "w", encoding="ascii") as f:
        f.writelines(f"{i} word{i}\n" for i in range(20))
    for i in range(20):
        put(words, f"{i:02}.m:2,{chr(97 + i)}", b"Subject: %d\n\ntext\n" % i)
    os.rename(words, os.path.join(root, ".AWords"))
    box = tmp_path / "box"
    box.write_text("lost\n\nFrom a@b.example Mon Feb  2 10:00:00 2026\nSubject: one\n\ntext\n\n", encoding="ascii")
    for kind, path in (("maildir", root), ("mbox", str(box))):
        for _ in range(2):  # for a user without mail, and for one who has all of it
            before = site.run("mailbox", "list", "--user", "alice", "--json", code=None)
            dry = site.told("import", kind, path, "--user", "alice", "--dry-run", code=3)
            said = site.err
            assert site.run("mailbox", "list", "--user", "alice", "--json", code=None) == before
            real = site.told("import", kind, path, "--user", "alice", code=3)
            rows = dry.pop("mailboxes")
            dry.pop("only_subscribed")
            assert dry.pop("dry_run") and dry == real and said == site.err
            assert sum(r["messages"] for r in rows) == real["imported"]
            assert sum(r["already"] for r in rows) == real["already"]
            before = json.loads(before) if before.startswith("[") else []
            assert {r["name"] for r in rows if r["new"]} == \
                set(names(site, "alice")) - {r["name"] for r in before if r["exists"]} - {"INBOX"}
    assert real["already"] == 1 and count > 0
    assert "INBOX: 1 to come, 0 there already\n" in \
        site.run("import", "mbox", str(box), "--user", "bob", "--dry-run", code=3)


def test_dry_run_of_subscriptions(site, tmp_path):
    """Mere subscriptions are reported; links, folders and lines are not counted as messages."""
    root = str(tmp_path / "md")
    put(make(root), "1.a:2,", b"Subject: one\n\n")
    make(root, ".Box")
    os.symlink("/etc/passwd", os.path.join(root, "cur", "link"))
    os.makedirs(os.path.join(root, ".Empty"))
    with open(os.path.join(root, "subscriptions"), "w", encoding="ascii") as f:
        f.write("Box\nGone\nbad\0name\n")
    args = ("import", "maildir", root, "--user", "alice")
    said = site.run(*args, "--dry-run", code=3)
    assert "Gone: only a subscription to come, no mailbox\n" in said and said.count("subscription") == 1
    assert "0 there already, 0 left out; files, folders, mailboxes, properties and lines left out: 3\n" in said
    dry = site.told(*args, "--dry-run", code=3)
    assert dry["only_subscribed"] == ["Gone"] and dry["left_out"] == 3
    assert "0 there already, 0 left out; files, folders, mailboxes, properties and lines left out: 3\n" in site.run(*args, code=3)
    rows = site.told("mailbox", "list", "--user", "alice")
    assert [r["name"] for r in rows if not r["exists"]] == ["Gone"]
    assert site.told(*args, "--dry-run", code=3)["only_subscribed"] == []


def test_mbox_of_a_maildir(site, tmp_path):
    root = str(tmp_path / "md")
    put(make(root), "1.a:2,", b"Subject: one\n\n")
    site.run("import", "mbox", root, "--user", "alice", code=3)
    assert site.err.count("`turnstone import maildir`") == 1 and f"{root}: it has folders" in site.err
    shutil.rmtree(os.path.join(root, "new"))
    site.run("import", "mbox", root, "--user", "alice", code=3)
    assert "import maildir" not in site.err


@pytest.mark.skipif(os.geteuid() != 0, reason="root becomes another user")
def test_as(site, tmp_path):
    """Root reads as the named user: nothing that the user may not read, whoever owns it."""
    other = pwd.getpwnam("nobody")
    root = tempfile.mkdtemp(prefix="turnstone-e2e-", dir="/tmp")
    try:
        os.chmod(root, 0o755)
        inbox = make(root + "/md")
        put(inbox, "1.m:2,", b"Subject: mine\n\n")
        put(inbox, "2.m:2,", b"Subject: root's\n\n")
        for top, folders, files in os.walk(root + "/md"):
            for name in [".", *folders, *files]:
                os.chown(os.path.join(top, name), other.pw_uid, other.pw_gid)
        os.chmod(inbox + "/cur/2.m:2,", 0)
        done = site.told("import", "maildir", root + "/md", "--user", "alice", "--as", "nobody", code=3)
        assert (done["imported"], done["left_out"]) == (1, 1) and "2.m:2,: Permission denied" in site.err
        os.mkdir(root + "/shut", 0o700)
        os.rename(root + "/md", root + "/shut/md")
        site.run("import", "maildir", root + "/shut/md", "--user", "alice", "--as", "nobody", code=1)
        assert "Permission denied" in site.err
        # In any case, the privileges are dropped before PATH is accessed.
        site.run("import", "maildir", root + "/none", "--user", "alice", "--as", "no-such-user", code=1)
        assert "no-such-user" in site.err and "/none" not in site.err
        site.run("import", "maildir", root + "/none", "--user", "alice", "--as", "root", code=1)
        assert "root is root" in site.err and "/none" not in site.err
        trace = root + "/trace"
        subprocess.run(["strace", "-f", "-o", trace, "-e", "trace=openat,setresuid,setgroups,setresgid",
                        *site.command("import", "maildir", root + "/shut/md", "--user", "alice", "--as", "nobody")],
                       check=False, capture_output=True, timeout=120)
        with open(trace, encoding="ascii", errors="replace") as f:
            lines = f.read().splitlines()
        calls = [i for i, line in enumerate(lines) if f"setresuid({other.pw_uid}," in line]
        groups = [i for i, line in enumerate(lines) if "setgroups(1, " in line]
        opened = [i for i, line in enumerate(lines) if '"shut"' in line]
        assert groups and calls and opened and groups[0] < calls[0] < opened[0]
    finally:
        shutil.rmtree(root)


def interrupt(site, args, delay, how):
    with subprocess.Popen(site.command(*args), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as p:
        time.sleep(delay)
        if how == signal.SIGKILL:
            os.killpg(p.pid, how)  # the process with the store as well
        else:
            p.send_signal(how)
        code = p.wait()
    # The process with the store ends by itself, a moment later.
    while True:
        done = site.cli("user", "list", ok=None)
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
        site.told("import", "maildir", root, "--user", "alice")
    args = (what, "maildir", root if what == "import" else goal, "--user", "alice")
    cut = 0
    for i in range(60 if LONG else 12):
        cut += interrupt(site, args, rnd.random() * 0.4, [signal.SIGKILL, signal.SIGINT][i % 2]) != 0
    assert cut > 0
    done = site.told(*args)
    if what == "import":
        assert done["imported"] + done["already"] == count
        site.export("alice", "goal")
    site.told("import", "maildir", root, "--user", "bob")
    bodies = []
    for path in (goal, site.export("bob", "whole")):
        bodies.append(sorted((n.split("/")[0] if n[0] == "." else "", d) for n, d in snapshot(path).items()
                             if "/cur/" in "/" + n))
    assert len(bodies[0]) == count and bodies[0] == bodies[1]


def test_running_server(demo, tmp_path):
    root = str(tmp_path / "md")
    generated(root)
    done = demo.cli("import", "maildir", root, "--user", "bob", "--mailbox", "old", "--quiet")
    assert done.stdout == "", (done.stdout, done.stderr)
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
