# SPDX-License-Identifier: Apache-2.0
"""Clients that were away: CONDSTORE and QRESYNC (RFC 7162) over restarts, with ImapFlow, mutt and NeoMutt."""
import json
import os
import re
import shutil
import ssl
import subprocess

import pytest

from node import imapflow
from server import Site


@pytest.fixture(name="site")
def _site():
    s = Site("log.protocol_for = [alice]\n")
    s.add("alice", "blue sea")
    s.start()
    with s.login("alice", tls=True) as client:
        for i in range(1, 13):
            client.append("INBOX", f"From: a{i}@turnstone.example\r\nSubject: Message number {i}\r\n\r\nText {i}\r\n")
    yield s
    s.remove()


def certificate(site, folder):
    pem = os.path.join(folder, "server.pem")
    with open(pem, "w", encoding="ascii") as f:
        f.write(ssl.DER_cert_to_PEM_cert(site.certificate()))
    return pem


def opened(client, known=""):
    """(UIDVALIDITY, HIGHESTMODSEQ, the lines of VANISHED and FETCH) of SELECT."""
    lines = client.ok(f"SELECT INBOX{known}")
    text = b"".join(lines)
    return (int(re.search(rb"UIDVALIDITY (\d+)", text)[1]), int(re.search(rb"HIGHESTMODSEQ (\d+)", text)[1]),
            [x.decode().strip() for x in lines if x.startswith(b"* VANISHED") or b" FETCH (" in x])


def test_what_was_missed_survives_kills(site):
    """Expunges and flags, each followed by SIGKILL; with each state a client comes back."""
    with site.login("alice", tls=True) as client:
        client.ok("ENABLE QRESYNC")
        valid, modseq, missed = opened(client)
        assert missed == []
        client.ok("STORE 3 +FLAGS (\\Flagged)")
        client.all_ok("STORE 5,9:10 +FLAGS.SILENT (\\Deleted)", "EXPUNGE")
    site.kill()
    with site.start().login("alice", tls=True) as client:
        client.ok("ENABLE QRESYNC")
        again, second, missed = opened(client, f" (QRESYNC ({valid} {modseq}))")
        assert again == valid and second > modseq
        assert missed[0] == "* VANISHED (EARLIER) 5,9:10"
        assert re.fullmatch(r"\* 3 FETCH \(UID 3 FLAGS \(\\Flagged.*\) MODSEQ \(\d+\)\)", missed[1]) and len(missed) == 2
        client.all_ok("UID STORE 1 +FLAGS.SILENT (\\Deleted)", "EXPUNGE")
    site.kill()
    with site.start().login("alice", tls=True) as client:
        client.ok("ENABLE QRESYNC")
        assert opened(client, f" (QRESYNC ({valid} {second}))")[2] == ["* VANISHED (EARLIER) 1"]
        assert opened(client, f" (QRESYNC ({valid} {modseq} 1:8))")[2][0] == "* VANISHED (EARLIER) 1,5"
        third = opened(client)[1]
        assert opened(client, f" (QRESYNC ({valid} {third}))")[2] == []


def test_imapflow(demo):
    out = subprocess.run(["node", "resync.js", "127.0.0.1", str(demo.port("IMAPS")), demo.ca, "alice", demo.password("alice")],
                         cwd=imapflow(), capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL, check=False)
    assert out.returncode == 0, out.stdout + out.stderr
    got = json.loads(out.stdout.strip().splitlines()[-1])
    assert {"CONDSTORE", "QRESYNC"} <= set(got["enabled"]) and got["exists"] == 12 and got["qresync"]
    assert sorted(got["vanished"]) == [[5, True, True], [7, True, True], [8, True, True]]
    assert got["flags"] == [[3, ["Seen-elsewhere", "\\Flagged"], True], [13, [], True]] and got["left"] == 10
    assert got["live"] == [1, True, False]


def mutt(site, folder, keys, program):
    rc = os.path.join(folder, "muttrc")
    with open(rc, "w", encoding="ascii") as f:
        f.write(f"""set folder="imaps://alice@127.0.0.1:{site.port('IMAPS')}/"
set imap_check_subscribed=no
set spoolfile="imaps://alice@127.0.0.1:{site.port('IMAPS')}/INBOX"
set imap_user="alice"
set imap_pass="blue sea"
set ssl_verify_host=no
set certificate_file="{certificate(site, folder)}"
set header_cache="{folder}/cache"
set imap_condstore=yes
set imap_qresync=yes
set quit=yes
set delete=yes
set move=no
set sort=mailbox-order
set confirmappend=no
push "{keys}"
""")
    done = subprocess.run(["script", "-qec", f"{program} -n -F {rc}", "/dev/null"], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, HOME=folder, TERM="xterm"), check=False)
    assert done.returncode == 0, done.stdout[-2000:]


@pytest.mark.parametrize("program", ["mutt", "neomutt"])
def test_mutt_comes_back_by_its_cache(site, tmp_path, program):
    if shutil.which(program) is None or shutil.which("script") is None:
        pytest.skip(f"{program} or script is not installed")
    os.mkdir(tmp_path / "cache")
    mutt(site, str(tmp_path), "<quit>", program)
    with site.login("alice", tls=True) as client:
        client.all_ok("SELECT INBOX", "STORE 4 +FLAGS (\\Deleted)", "EXPUNGE", "UID STORE 6 +FLAGS (\\Flagged)")
    # it flags what it shows as number 7, which is UID 8 when it knows that UID 4 is gone
    mutt(site, str(tmp_path), "<jump>7<enter><flag-message><sync-mailbox><quit>", program)
    with site.login("alice", tls=True) as client:
        client.ok("SELECT INBOX")
        assert client.ok("UID SEARCH FLAGGED")[0] == b"* SEARCH 6 8"
    # mutt asks by UID FETCH, not by SELECT
    assert "* VANISHED (EARLIER) 4" in site.protocol("alice", lambda text: "CHANGEDSINCE" in text)
