# SPDX-License-Identifier: Apache-2.0
"""Thunderbird: what people see of COMPRESS and QUOTA.

With TURNSTONE_PICTURES=FOLDER it leaves pictures of its window there.
"""
import os
import re

import pytest

from server import Site, wait_for
from thunderbird import THUNDERBIRD, Thunderbird

PICTURES = os.environ.get("TURNSTONE_PICTURES")
pytestmark = pytest.mark.skipif(not THUNDERBIRD, reason="not installed: thunderbird")

SUBJECTS = ["Regatta on Sunday", "Anchor for sale", "Charts of the bay"]
ROOM = 64  # of 1,024 bytes
MODULE = 'const {MailServices} = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");'
# The account that the test makes, its INBOX, and the window.
INBOX = MODULE + """
const server = MailServices.accounts.allServers.find(s => s.type == "imap");
const inbox = server.rootFolder.getFolderWithFlags(Ci.nsMsgFolderFlags.Inbox);
const main = Services.wm.getMostRecentWindow("mail:3pane");
const pane = main.document.getElementById("tabmail").currentAbout3Pane;
"""
MAKE = MODULE + """
const [port] = args;
const server = MailServices.accounts.createIncomingServer("anna", "127.0.0.1", "imap");
server.port = port;
server.socketType = Ci.nsMsgSocketType.plain;
server.authMethod = Ci.nsMsgAuthMethod.passwordCleartext;
server.password = "pw";
const identity = MailServices.accounts.createIdentity();
identity.email = "anna@turnstone.example";
const account = MailServices.accounts.createAccount();
account.addIdentity(identity);
account.incomingServer = server;
MailServices.accounts.defaultAccount = account;
server.performExpand(null);
"""
SHOW = INBOX + "pane.displayFolder(inbox.URI); return true;"
LISTED = INBOX + """
return inbox ? [...inbox.messages].map(m => m.mime2DecodedSubject).sort() : [];
"""
QUOTA = INBOX + """
return inbox.QueryInterface(Ci.nsIMsgImapMailFolder).getQuota().map(q => [q.name, q.usage, q.limit]);
"""
# The share that the status bar shows, once the folder is displayed anew.
BAR = INBOX + """
pane.folderPane._updateStatusQuota();
const doc = main.document;
return doc.getElementById("quotaPanel").hidden ? null : doc.getElementById("quotaMeter").getAttribute("value");
"""


def message(subject, filler=1):
    return "\r\n".join(["From: Bella <bella@turnstone.example>", "To: anna@turnstone.example", f"Subject: {subject}",
                        "Date: Tue, 1 Oct 2024 09:00:00 +0000", "", "A line of text. " * filler, ""]).encode()


def picture(mail, name):
    if PICTURES:
        # What greets somebody without an account was opened before there was one.
        mail.run('Services.wm.getMostRecentWindow("mail:3pane").document.querySelector("account-hub-container")?.remove();')
        mail.picture(os.path.join(PICTURES, name + ".png"))


@pytest.fixture(name="site", scope="module")
def _site():
    site = Site(f"log.protocol_for = [anna]\nquota.storage = {ROOM * 1024}")
    site.add("anna", "pw")
    site.start()
    with site.login("anna", "pw") as client:
        for subject in SUBJECTS:
            client.append("INBOX", message(subject, 1000))
    yield site
    site.remove()


@pytest.fixture(name="mail", scope="module")
def _mail(site, tmp_path_factory):
    mail = Thunderbird(tmp_path_factory.mktemp("thunderbird"), **{"mail.quota.mainwindow_threshold.show": 0})
    try:
        mail.run(MAKE, site.port("IMAP"))
        wait_for(lambda: mail.run(INBOX + "return !!inbox"), 60)
        mail.run(SHOW)
        wait_for(lambda: mail.run(LISTED) == sorted(SUBJECTS), 60, lambda: (mail.run(LISTED), site.protocol("anna")[-4000:]))
        yield mail
    finally:
        mail.close()


def test_it_compresses(mail, site):
    """Every connection, after its login; it reads the list of messages and a message so."""
    shown = mail.run(INBOX + """
        const header = [...inbox.messages].find(m => m.mime2DecodedSubject == args[0]);
        pane.threadTree.selectedIndex = pane.gDBView.findIndexOfMsgHdr(header, true);
        const uri = inbox.getUriForMsg(header);
        const service = MailServices.messageServiceFromURI(uri);
        return await new Promise((done, fail) => {
            const bytes = [];
            service.streamMessage(uri, {
                QueryInterface: ChromeUtils.generateQI(["nsIStreamListener"]),
                onStartRequest() {},
                onDataAvailable(request, stream, offset, count) {
                    const input = Cc["@mozilla.org/scriptableinputstream;1"].createInstance(Ci.nsIScriptableInputStream);
                    input.init(stream);
                    bytes.push(input.read(count));
                },
                onStopRequest(request, status) { status ? fail(status) : done(bytes.join("")); },
            }, null, null, false, "", false);
        });
    """, SUBJECTS[1])
    assert f"Subject: {SUBJECTS[1]}" in shown and shown.count("A line of text.") == 1000
    said = site.protocol("anna", lambda text: "BODY[]" in text or "BODY.PEEK[]" in text)
    compressed = set(re.findall(r" (\d+) S \S+ OK DEFLATE active", said))
    fetching = set(re.findall(r" (\d+) C \S+ (?:UID )?(?i:fetch) ", said))
    assert fetching and fetching <= compressed, said[:4000]
    picture(mail, "thunderbird-compress")


def test_it_shows_the_quota(mail, site):
    """As the server says it, in the status bar too, and again when mail has come."""
    used = sum(len(message(subject, 1000)) for subject in SUBJECTS) // 1024
    wait_for(lambda: mail.run(QUOTA), 60, lambda: site.protocol("anna")[-4000:])
    [[name, usage, limit]] = mail.run(QUOTA)
    assert "STORAGE" in name and abs(usage - used) <= 1 and limit == ROOM
    share = str(100 * usage // ROOM)
    wait_for(lambda: mail.run(BAR) == share, 60, lambda: mail.run(BAR))
    picture(mail, "thunderbird-quota")
    before = mail.run(QUOTA)
    with site.login("anna", "pw") as client:
        client.append("INBOX", message("Oars", 300))
    mail.run(INBOX + "inbox.getNewMessages(null, null); return true;")
    wait_for(lambda: "Oars" in mail.run(LISTED), 60)
    mail.run(INBOX + "inbox.updateFolder(null); return true;")
    wait_for(lambda: mail.run(QUOTA) != before, 60, lambda: (mail.run(QUOTA), site.protocol("anna")[-3000:]))
