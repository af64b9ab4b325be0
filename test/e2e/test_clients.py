# SPDX-License-Identifier: Apache-2.0
"""Real clients doing real work, checked on both sides."""
import email
import imaplib
import json
import mailbox
import os
import re
import subprocess
import time

from node import imapflow


def run(cmd, **kw):
    kw.setdefault("timeout", 300)
    done = subprocess.run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          stdin=subprocess.DEVNULL, **kw)
    assert done.returncode == 0, f"{cmd}: {done.stdout[-4000:]}"
    return done.stdout


def sample(i, body=""):
    return (f"From: Sender {i} <s{i}@turnstone.example>\r\nTo: alice@turnstone.example\r\n"
            f"Subject: Message number {i}\r\nMessage-ID: <m{i}@turnstone.example>\r\n"
            f"Date: Tue, {1 + i % 28} Oct 2024 10:{i % 60:02}:00 +0200\r\n\r\n"
            f"Body of {i}\r\n{body}").encode()


def fill(demo, user, name, n, start=0):
    """Adds n messages with MULTIAPPEND."""
    c = demo.login(user)
    c.run(f"CREATE {name}")
    for at in range(start, start + n, 200):
        parts = [b""]
        for i in range(at, min(at + 200, start + n)):
            m = sample(i)
            parts.append(b"{%d+}\r\n%s" % (len(m), m))
        c.ok(f"APPEND {name}".encode() + b" ".join(parts))
    c.close()


def subjects(demo, user, name):
    c = demo.login(user)
    c.ok(f"EXAMINE {name}")
    found = {}
    for r in c.ok("UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
        m = re.search(rb"UID (\d+) FLAGS \(([^)]*)\).*Subject: ([^\r]*)", r, re.S)
        if m:
            found[m.group(3).decode()] = set(m.group(2).decode().split()) - {"\\Recent"}
    c.close()
    return found


# ---- curl

def test_curl(demo, tmp_path):
    base, user = f"imaps://127.0.0.1:{demo.port('IMAPS')}", f"bob:{demo.password('bob')}"
    curl = ["curl", "-sS", "--cacert", demo.ca, "-u", user]
    run(curl + [base, "-X", "CREATE Curl"])
    message = tmp_path / "m.eml"
    message.write_bytes(sample(1, "x" * 5000 + "\r\n"))
    run(curl + ["-T", str(message), f"{base}/Curl"])
    assert run(curl + [f"{base}/Curl;MAILINDEX=1"]).encode().replace(b"\r\n", b"\n") == \
        message.read_bytes().replace(b"\r\n", b"\n")
    assert "Curl" in run(curl + [base])
    assert "* SEARCH 1" in run(curl + [f"{base}/Curl?SUBJECT%20number"])
    assert run(curl + [f"{base}/Curl;UID=1;SECTION=HEADER.FIELDS%20(SUBJECT)"]).strip() == "Subject: Message number 1"
    run(curl + ["--ssl-reqd", f"imap://127.0.0.1:{demo.port('IMAP')}/Curl", "-X", "STORE 1 +Flags \\Deleted"])
    run(curl + [f"{base}/Curl", "-X", "EXPUNGE"])
    assert subjects(demo, "bob", "Curl") == {} or "\\Deleted" in subjects(demo, "bob", "Curl")["Message number 1"]


# ---- Python's imaplib

def test_imaplib(demo):
    c = imaplib.IMAP4_SSL("127.0.0.1", demo.port("IMAPS"), ssl_context=demo.context())
    c.login("alice", demo.password("alice"))
    assert c.create("Lib")[0] == "OK"
    for i in range(30):
        typ, data = c.append("Lib", "(\\Seen)" if i % 3 == 0 else None, imaplib.Time2Internaldate(1700000000 + i),
                             sample(i))
        assert typ == "OK" and b"APPENDUID" in data[0]
    assert c.select("Lib")[1] == [b"30"]
    assert len(c.search(None, "UNSEEN")[1][0].split()) == 20
    assert c.search(None, "SUBJECT", '"number 17"')[1] == [b"18"]
    assert c.search(None, "BODY", '"body OF 7"')[1] == [b"8"]
    typ, data = c.fetch("5", "(RFC822 INTERNALDATE)")
    parsed = email.message_from_bytes(data[0][1])
    assert parsed["Subject"] == "Message number 4"
    assert c.store("1:10", "+FLAGS", "(\\Deleted)")[0] == "OK"
    assert c.copy("11:15", "INBOX")[0] == "OK"
    typ, data = c.expunge()
    assert len(data) == 10
    assert c.uid("SEARCH", "ALL")[1][0].split()[0] == b"11"
    typ, data = c.thread("REFERENCES", "UTF-8", "ALL") if "THREAD=REFERENCES" in c.capabilities else ("OK", None)
    assert typ == "OK"
    c.close()
    assert c.rename("Lib", "Lib2")[0] == "OK"
    assert c.delete("Lib2")[0] == "OK"
    assert c.logout()[0] == "BYE"


def test_imaplib_quota(server):
    """Limits are seen, set by who acts for the user, and felt; they outlive a kill."""
    server.add("anna", "blue sea")
    server.add("root", "key", "--acts-for", "*")
    server.start()
    c = imaplib.IMAP4("127.0.0.1", server.port("IMAP"))
    c.login("root", "key")
    assert c.proxyauth("anna")[0] == "OK"
    assert "QUOTASET" in c.capability()[1][-1].decode().split()
    assert c.setquota('""', "(STORAGE 10 MESSAGE 3)") == ("OK", [b'"" (STORAGE 0 10 MESSAGE 0 3)'])
    assert c.create("Voicemail")[0] == "OK"
    assert c.setquota("mailbox/Voicemail", "(MESSAGE 1)")[0] == "OK"
    assert c.setquota("mailbox/Nothing", "(MESSAGE 1)")[0] == "NO"
    c.logout()
    for _ in range(2):
        c = imaplib.IMAP4("127.0.0.1", server.port("IMAP"))
        c.login("anna", "blue sea")
        assert c.setquota('""', "()")[0] == "NO"
        typ, (roots, quotas) = c.getquotaroot("Voicemail")
        assert (typ, roots) == ("OK", [b'Voicemail "" mailbox/Voicemail'])
        assert quotas[0].startswith(b'"" (STORAGE ') and quotas[1].startswith(b"mailbox/Voicemail (MESSAGE ")
        c.append("Voicemail", None, None, b"Subject: x\r\n\r\nx\r\n")
        typ, data = c.append("Voicemail", None, None, b"Subject: x\r\n\r\nx\r\n")
        assert typ == "NO" and data[0].startswith(b"[OVERQUOTA]")
        typ, data = c.append("INBOX", None, None, b"Subject: x\r\n\r\n" + b"x" * 20000)
        assert typ == "NO" and data[0].startswith(b"[OVERQUOTA]")
        assert c.getquota("mailbox/Voicemail") == ("OK", [b"mailbox/Voicemail (MESSAGE 1 1)"])
        assert c.getquota('""') == ("OK", [b'"" (STORAGE 1 10 MESSAGE 1 3)'])
        assert c.status("Voicemail", "(DELETED DELETED-STORAGE)")[1] == [b"Voicemail (DELETED 0 DELETED-STORAGE 0)"]
        c.logout()
        server.kill()
        server.start()


def test_imaplib_starttls_and_enable(demo):
    c = imaplib.IMAP4("127.0.0.1", demo.port("IMAP"))
    c.starttls(demo.context())
    c.authenticate("PLAIN", lambda _: f"alice\0gateway\0{demo.password('gateway')}".encode())
    assert c.enable("IMAP4rev2")[0] == "OK"
    assert c.select("INBOX", readonly=True)[0] == "OK"
    c.logout()


# ---- mbsync

def mbsyncrc(demo, tmp_path, user):
    maildir = tmp_path / "mail"
    maildir.mkdir(exist_ok=True)
    rc = tmp_path / "mbsyncrc"
    rc.write_text(f"""IMAPAccount t
Host localhost
Port {demo.port('IMAPS')}
User {user}
Pass {demo.password(user)}
SSLType IMAPS
CertificateFile {demo.ca}
PipelineDepth 50

IMAPStore far
Account t

MaildirStore near
Path {maildir}/
Inbox {maildir}/INBOX
SubFolders Verbatim

Channel c
Far :far:
Near :near:
Patterns Sync
Create Both
Expunge Both
SyncState *
""")
    return str(rc), maildir


def test_mbsync_two_ways(demo, tmp_path):
    count = 3000
    fill(demo, "alice", "Sync", count)
    rc, maildir = mbsyncrc(demo, tmp_path, "alice")
    run(["mbsync", "-c", rc, "-a"])
    box = mailbox.Maildir(str(maildir / "Sync"), create=False)
    assert len(box) == count
    # A change on each side: flags, new mail, deletions.
    c = demo.login("alice")
    c.ok("SELECT Sync")
    c.ok("STORE 1:10 +FLAGS (\\Flagged)")
    c.ok("STORE 11:20 +FLAGS (\\Deleted)")
    c.ok("EXPUNGE")
    c.append("Sync", sample(count + 1))
    c.close()
    keys = sorted(box.keys())
    near = {}
    for key in keys[100:110]:
        m = box[key]
        near[m["Subject"]] = True
        m.add_flag("S")
        m.set_subdir("cur")
        box[key] = m
    new = mailbox.MaildirMessage(email.message_from_bytes(sample(count + 2)))
    new.set_subdir("cur")
    new.add_flag("R")
    box.add(new)
    run(["mbsync", "-c", rc, "-a"])
    run(["mbsync", "-c", rc, "-a"])
    far = subjects(demo, "alice", "Sync")
    box = mailbox.Maildir(str(maildir / "Sync"), create=False)
    names = {"\\Seen": "S", "\\Flagged": "F", "\\Answered": "R", "\\Draft": "D", "\\Deleted": "T"}
    here = {m["Subject"]: set(m.get_flags()) for m in box}
    assert len(far) == count - 10 + 2
    assert here == {s: {names[f] for f in flags} for s, flags in far.items()}
    gone = {f"Message number {i}" for i in range(10, 20)}
    assert all("\\Seen" in far[s] for s in near if s not in gone)
    assert f"Message number {count + 1}" in here and far[f"Message number {count + 2}"] == {"\\Answered"}


# ---- mutt

def test_mutt_reads_saves_and_deletes(demo, tmp_path):
    fill(demo, "bob", "Mutt", 12)
    rc = tmp_path / "muttrc"
    rc.write_text(f"""set folder="imaps://bob@127.0.0.1:{demo.port('IMAPS')}/"
set spoolfile="imaps://bob@127.0.0.1:{demo.port('IMAPS')}/Mutt"
set imap_user="bob"
set imap_pass="{demo.password('bob')}"
set certificate_file="{demo.ca}"
set ssl_verify_host=no
set ssl_ca_certificates_file="{demo.ca}"
set delete=yes
set quit=yes
set move=no
set confirmappend=no
set confirmcreate=no
set sort=mailbox-order
set header_cache=""
set imap_check_subscribed=no
push "<tag-pattern>~s 'number 3'<enter><tag-prefix><save-message>=MuttSaved<enter><tag-pattern>~s 'number 5'<enter><tag-prefix-cond><flag-message><end-cond><untag-pattern>.<enter><delete-pattern>~s 'number 7'<enter><sync-mailbox><quit>"
""")
    env = dict(os.environ, HOME=str(tmp_path), TERM="xterm")
    run(["script", "-qec", f"mutt -n -F {rc}", "/dev/null"], env=env, timeout=60)
    left = subjects(demo, "bob", "Mutt")
    assert "Message number 7" not in left and "Message number 3" not in left, sorted(left)
    assert len(left) == 10
    assert list(subjects(demo, "bob", "MuttSaved")) == ["Message number 3"]


# ---- offlineimap

def test_offlineimap(demo, tmp_path):
    fill(demo, "bob", "Offline", 200)
    maildir = tmp_path / "mail"
    rc = tmp_path / "offlineimaprc"
    rc.write_text(f"""[general]
accounts = t
metadata = {tmp_path}/meta
ui = basic

[Account t]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {maildir}

[Repository far]
type = IMAP
remotehost = localhost
remoteport = {demo.port('IMAPS')}
remoteuser = bob
remotepass = {demo.password('bob')}
ssl = yes
sslcacertfile = {demo.ca}
folderfilter = lambda name: name == 'Offline'
createfolders = no
""")
    cmd = ["offlineimap", "-c", str(rc), "-o", "-1"]
    run(cmd)
    box = mailbox.Maildir(str(maildir / "Offline"), create=False)
    assert len(box) == 200
    key = sorted(box.keys(), key=lambda k: box[k]["Subject"])[0]
    subject = box[key]["Subject"]
    m = box[key]
    m.add_flag("F")
    m.set_subdir("cur")
    box[key] = m
    c = demo.login("bob")
    c.ok("SELECT Offline")
    c.ok("STORE 200 +FLAGS (\\Answered)")
    c.append("Offline", sample(900))
    c.close()
    run(cmd)
    far = subjects(demo, "bob", "Offline")
    assert "\\Flagged" in far[subject]
    here = {m["Subject"]: set(m.get_flags()) for m in mailbox.Maildir(str(maildir / "Offline"), create=False)}
    assert set(here) == set(far) and len(here) == 201
    assert "R" in here["Message number 199"]


# ---- ImapFlow

def test_imapflow(demo):
    home = imapflow()
    out = run(["node", "flow.js", "127.0.0.1", str(demo.port("IMAPS")), demo.ca, "alice", demo.password("alice")], cwd=home)
    got = json.loads(out.strip().splitlines()[-1])
    assert "Flow/Arbeit/Überstunden" in got["list"]
    assert (got["exists"], got["unseen"], got["subject"], got["flagged"]) == (25, 13, 1, 5)
    assert got["envelope"] == "Grüße 6" and got["type"] == "text/plain" and got["source"]
    assert got["left"]["messages"] == got["left"]["unseen"] == got["fetched"]
    assert got["idle"] == got["fetched"] + 1


# ---- two at once

def test_idle_is_woken_at_once(demo):
    a, b = demo.login("alice", tls=True), demo.login("alice")
    a.ok("CREATE Idle")
    a.ok("SELECT Idle")
    a.send("i IDLE\r\n")
    assert a.read_response().startswith(b"+")
    waits = []
    for _ in range(20):
        b.append("Idle", sample(1))
        start = time.monotonic()
        while not a.read_response().endswith(b"EXISTS"):
            pass
        waits.append(time.monotonic() - start)
    a.send("DONE\r\n")
    a.until("i")
    print(f"EXISTS after the OK of APPEND: median {sorted(waits)[10] * 1000:.2f} ms")
    a.ok("UNSELECT")
    a.ok("DELETE Idle")
    a.close()
    b.close()
