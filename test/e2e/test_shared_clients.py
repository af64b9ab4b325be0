# SPDX-License-Identifier: Apache-2.0
"""Real clients on mailboxes that others share: Thunderbird, Roundcube with its dialog, NeoMutt, ImapFlow.

With TURNSTONE_PICTURES=FOLDER it leaves pictures there.
"""
import json
import os
import shutil
import subprocess

import pytest

import test_roundcube
import test_thunderbird
from browser import Browser
from node import imapflow
from server import Site, wait_for
from test_resync import certificate
from thunderbird import THUNDERBIRD, Thunderbird

OTHERS = "Other Users/boris@turnstone.example"
SUBJECTS = ["Keel", "Mast", "Rudder"]
PICTURES = os.environ.get("TURNSTONE_PICTURES")
ACL_PLUGIN = test_roundcube.ROUNDCUBE / "plugins" / "acl"


@pytest.fixture(name="site")
def _site():
    site = Site("default_domain = turnstone.example\nlog.protocol_for = [anna@turnstone.example]\n")
    for user in ("anna", "boris"):
        site.add(user, "pw")
    site.start()
    with site.login("boris", "pw") as client:
        client.ok("CREATE Plans")
        for subject in SUBJECTS:
            client.append("Plans", test_thunderbird.message(subject))
        client.ok("SETACL Plans anna lrs")
    yield site
    site.remove()


def unseen(site, user, box):
    with site.login(user, "pw") as client:
        return int(client.ok(f'STATUS "{box}" (UNSEEN)')[0].split(b"UNSEEN ")[1].split(b")")[0])


FOLDER = test_thunderbird.INBOX + """
const folder = server.rootFolder.descendants.find(f => f.name == "Plans");
"""


@pytest.mark.skipif(not THUNDERBIRD, reason="not installed: thunderbird")
def test_thunderbird_reads_it(site, tmp_path):
    with site.login("anna", "pw") as client:
        client.ok(f'SUBSCRIBE "{OTHERS}/Plans"')
    mail = Thunderbird(tmp_path)
    try:
        mail.run(test_thunderbird.MAKE, site.port("IMAP"))
        wait_for(lambda: mail.run(FOLDER + "return !!folder"), 60, lambda: site.protocol("anna@turnstone.example")[-4000:])
        mail.run(FOLDER + "pane.displayFolder(folder.URI); return true;")
        listed = FOLDER + "return folder ? [...folder.messages].map(m => m.mime2DecodedSubject).sort() : [];"
        wait_for(lambda: mail.run(listed) == SUBJECTS, 60, lambda: (mail.run(listed), site.protocol("anna@turnstone.example")[-4000:]))
        mail.run(FOLDER + """
            const header = [...folder.messages].find(m => m.mime2DecodedSubject == "Mast");
            folder.markMessagesRead([header], true);
            pane.threadTree.selectedIndex = pane.gDBView.findIndexOfMsgHdr(header, true);
            return true;""")
        wait_for(lambda: unseen(site, "anna", f"{OTHERS}/Plans") == 2, 60, lambda: site.protocol("anna@turnstone.example")[-4000:])
        assert unseen(site, "boris", "Plans") == 3
        # It goes by the rights: with lrs nothing can be deleted here, in the INBOX it can.
        assert mail.run(FOLDER + "return [folder.canDeleteMessages, inbox.canDeleteMessages];") == [False, True]
        if PICTURES:
            test_thunderbird.PICTURES = PICTURES
            test_thunderbird.picture(mail, "thunderbird-shared")
    finally:
        mail.close()
    said = site.protocol("anna@turnstone.example")
    assert "MYRIGHTS" in said and "NAMESPACE" in said


@pytest.mark.skipif(bool(test_roundcube.MISSING) or not ACL_PLUGIN.exists(), reason="not installed: roundcube, its acl plugin")
def test_roundcube_shares_it(site, tmp_path, monkeypatch):
    """In the dialog boris gives zoe a right; then she finds the mailbox."""
    site.add("zoe", "pw")
    monkeypatch.setattr(test_roundcube, "CONFIG", test_roundcube.CONFIG.replace("'plugins' => []", "'plugins' => ['acl']"))
    with test_roundcube.roundcube(site, tmp_path) as url:
        page = Browser(tmp_path / "browser")
        try:
            page.go(url)
            page.wait("document.querySelector('#rcmloginuser')")
            page.run("document.querySelector('#rcmloginuser').value = 'boris';"
                     "document.querySelector('#rcmloginpwd').value = 'pw';"
                     "document.querySelector('#rcmloginsubmit').click()")
            page.wait("window.rcmail && rcmail.task == 'mail'")
            page.go(url + "?_task=settings&_action=edit-folder&_mbox=Plans&_framed=1")
            page.wait("document.querySelector('#acltable')")
            shown = page.run("document.querySelector('#acltable').textContent")
            assert "anna" in shown, shown
            if PICTURES:
                page.picture(os.path.join(PICTURES, "roundcube-sharing.png"))
            # The form proposes what reading needs.
            page.run("rcmail.command('acl-create'); true")
            page.wait("!!document.querySelector('.ui-dialog button.mainaction')")
            page.run("document.querySelector('#acluser').value = 'zoe';"
                     "document.querySelector('.ui-dialog button.mainaction').click()")
            page.wait("document.querySelector('#acltable').textContent.includes('zoe')")
            if PICTURES:
                page.picture(os.path.join(PICTURES, "roundcube-shared.png"))
            with site.login("zoe", "pw") as client:
                assert any(f"{OTHERS}/Plans".encode() in line for line in client.ok('LIST "" "*"'))
                assert client.ok(f'MYRIGHTS "{OTHERS}/Plans"')[0].split(b" ")[-1] == b"lrs"
            # And takes it back.
            page.run("rcmail.acl_list.select([...document.querySelectorAll('#acltable tr')]"
                     ".find(row => row.textContent.includes('zoe')).id.slice('rcmrow'.length));"
                     "rcmail.command('acl-delete'); true")
            page.wait("!!document.querySelector('.ui-dialog button.delete')")
            page.run("document.querySelector('.ui-dialog button.delete').click()")
            page.wait("!document.querySelector('#acltable').textContent.includes('zoe')")
        finally:
            page.close()
    with site.login("zoe", "pw") as client:
        assert not any(f"{OTHERS}/Plans".encode() in line for line in client.ok('LIST "" "*"'))
        client.no(f'MYRIGHTS "{OTHERS}/Plans"', "NONEXISTENT")


def test_neomutt_reads_it(site, tmp_path):
    if shutil.which("neomutt") is None or shutil.which("script") is None:
        pytest.skip("neomutt or script is not installed")
    rc = tmp_path / "muttrc"
    rc.write_text(f"""set folder="imaps://anna@127.0.0.1:{site.port('IMAPS')}/"
set spoolfile="imaps://anna@127.0.0.1:{site.port('IMAPS')}/{OTHERS}/Plans"
set imap_user="anna"
set imap_pass="pw"
set ssl_verify_host=no
set certificate_file="{certificate(site, str(tmp_path))}"
set quit=yes
set move=no
set sort=mailbox-order
set mark_old=no
push "<jump>2<enter><display-message><exit><sync-mailbox><quit>"
""", encoding="ascii")
    done = subprocess.run(["script", "-qec", f"neomutt -n -F {rc}", "/dev/null"], capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, HOME=str(tmp_path), TERM="xterm"), check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert unseen(site, "anna", f"{OTHERS}/Plans") == 2
    assert unseen(site, "boris", "Plans") == 3
    with site.login("anna", "pw") as client:
        client.ok(f'SELECT "{OTHERS}/Plans"')
        assert client.ok("UID SEARCH SEEN")[0] == b"* SEARCH 2"


def test_imapflow_keeps_two_caches(site):
    with site.login("boris", "pw") as client:
        client.append("Plans", test_thunderbird.message("Sail"))
    # The certificate that the server made by itself is not that of an authority: the clients connect in the clear.
    out = subprocess.run(["node", "shared.js", "127.0.0.1", str(site.port("IMAP")), "anna", "pw", f"{OTHERS}/Plans",
                          "boris", "pw", "Plans"], cwd=imapflow(), capture_output=True, text=True, timeout=120,
                         stdin=subprocess.DEVNULL, check=False)
    assert out.returncode == 0, out.stdout + out.stderr
    rows = json.loads(out.stdout.strip().splitlines()[-1])
    assert all(row[who]["same"] for row in rows for who in "ab"), rows
    assert [(row["a"]["seen"], row["b"]["seen"]) for row in rows] == [
        ([], []), ([2, 3], []), ([2, 3], [4]), ([1, 2, 3], [4]), ([1, 2, 3], [2, 4])], rows
    # Nobody is told anything of what the other reads.
    assert [(row["a"]["told"], row["b"]["told"]) for row in rows] == [
        ([], []), ([2, 3], []), ([], [4]), ([1], []), ([], [2])], rows
