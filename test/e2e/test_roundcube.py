# SPDX-License-Identifier: Apache-2.0
"""Roundcube in a real Chromium: what people see of SORT, THREAD and QUOTA.

With TURNSTONE_PICTURES=FOLDER it leaves pictures of the pages there.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import urllib.request

import pytest

from browser import CHROMIUM, Browser
from peer import free_port
from server import Site, wait_for

ROUNDCUBE = pathlib.Path("/var/lib/roundcube")
SCHEMA = pathlib.Path("/usr/share/roundcube/SQL/sqlite.initial.sql")
PICTURES = os.environ.get("TURNSTONE_PICTURES")
MISSING = [what for what, there in (("chromium", CHROMIUM), ("php-cli", shutil.which("php")), ("roundcube-core", SCHEMA.exists()))
           if not there]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {' '.join(MISSING)}")

# Subject, sender, hour of the Date, number of the message that it answers, filler.
MAIL = [("Regatta on Sunday", "Walter", 9, None, 10), ("Anchor for sale", "Bella", 8, None, 4000),
        ("Re: Regatta on Sunday", "Anton", 12, 0, 200), ("Charts of the bay", "Xenia", 11, None, 900),
        ("Re: Regatta on Sunday", "Clara", 14, 2, 50), ("Re: Anchor for sale", "Diana", 10, 1, 2500)]
ROOM = 300 * 1024
CONFIG = """<?php
$config = [
  'db_dsnw' => 'sqlite:///{dir}/db.sqlite?mode=0600', 'imap_host' => '127.0.0.1:{imap}', 'imap_cache' => {cache},
  'messages_cache' => {cache}, 'smtp_host' => '127.0.0.1:1', 'des_key' => 'abcdefghijklmnopqrstuvwx', 'plugins' => [],
  'log_dir' => '{dir}/logs', 'temp_dir' => '{dir}/temp', 'log_driver' => 'file', 'skin' => 'elastic', 'language' => 'en_US',
  'ip_check' => false, 'use_https' => false, 'session_lifetime' => 60, 'refresh_interval' => 3600,
  'create_default_folders' => false,
];
"""
# Of the messages that the list shows, from top to bottom.
ROWS = "[...document.querySelectorAll('#messagelist tbody tr.message')].filter(r => r.style.display != 'none')"
SENDERS = ROWS + ".map(r => r.querySelector('.rcmContactAddress').textContent.trim())"
DEPTHS = ROWS + ".map(r => rcmail.env.messages[r.uid].depth || 0)"


def message(i):
    subject, sender, hour, parent, filler = MAIL[i]
    refs = [] if parent is None else [f"References: <m{parent}@turnstone.example>"]
    head = [f"From: {sender} <{sender.lower()}@turnstone.example>", "To: anna@turnstone.example", f"Subject: {subject}",
            f"Date: Tue, 1 Oct 2024 {hour:02}:00:00 +0000", f"Message-ID: <m{i}@turnstone.example>", *refs]
    return "\r\n".join([*head, "", "A line of text. " * filler, ""]).encode()


@pytest.fixture(name="site", scope="module")
def _site():
    site = Site("log.protocol_for = [anna]")
    site.add("anna", "pw")
    site.start()
    client = site.login("anna", "pw")
    for i in range(len(MAIL)):
        client.append("INBOX", message(i))
    client.close()
    yield site
    site.remove()


@contextlib.contextmanager
def roundcube(site, folder, cache="null"):
    """Its address; PHP's own web server, with everything that it writes in the folder."""
    for name in ("logs", "temp", "config"):
        (folder / name).mkdir()
    db = sqlite3.connect(folder / "db.sqlite")
    db.executescript(SCHEMA.read_text(encoding="utf-8"))
    db.close()
    config = CONFIG.replace("{dir}", str(folder)).replace("{imap}", str(site.port("IMAP"))).replace("{cache}", cache)
    (folder / "config" / "config.inc.php").write_text(config, encoding="utf-8")
    shutil.copy(ROUNDCUBE / "config" / "mimetypes.php", folder / "config")
    (folder / "config" / "defaults.inc.php").symlink_to("/etc/roundcube/defaults.inc.php")
    port = free_port()
    with open(folder / "php.log", "wb") as log:
        php = subprocess.Popen(["php", "-d", f"session.save_path={folder}/temp", "-S", f"127.0.0.1:{port}", "-t", ROUNDCUBE],
                               stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                               env=dict(os.environ, ROUNDCUBE_CONFIG_DIR=str(folder / "config")))
    url = f"http://127.0.0.1:{port}/"

    def answers():
        assert php.poll() is None, (folder / "php.log").read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=60) as reply:
            return reply.status == 200
        return False
    try:
        wait_for(answers, 60, lambda: (folder / "php.log").read_text())
        yield url
    finally:
        php.terminate()
        php.wait()


@contextlib.contextmanager
def logged_in(site, folder, user, cache="null"):
    """A page on which the user has logged in and sees the INBOX."""
    with roundcube(site, folder, cache) as url:
        browser = Browser(folder / "browser")
        try:
            browser.go(url)
            browser.wait("document.querySelector('#rcmloginuser')")
            browser.run(f"document.querySelector('#rcmloginuser').value = '{user}';"
                        "document.querySelector('#rcmloginpwd').value = 'pw';"
                        "document.querySelector('#rcmloginsubmit').click()")
            browser.wait(f"{SENDERS}.length == {len(MAIL)}")
            yield browser
        finally:
            browser.close()


@pytest.fixture(name="page", scope="module")
def _page(site, tmp_path_factory):
    with logged_in(site, tmp_path_factory.mktemp("roundcube"), "anna") as browser:
        yield browser


def picture(page, name):
    if PICTURES:
        page.picture(os.path.join(PICTURES, name + ".png"))


def show(page, site, *, column, order="ASC", threads=False):
    """Lists so; the senders from top to bottom, and the commands that it took."""
    at = len(site.protocol("anna"))
    page.run("window.listed = false; rcmail.addEventListener('listupdate', () => { window.listed = true; });"
             f"rcmail.set_list_options([], '{column}', '{order}', {1 if threads else 0})")
    page.wait("window.listed && !rcmail.busy")
    # What a command said is in the log when what follows it is.
    said = site.protocol("anna", lambda text: "LOGOUT" in text[at:])[at:]
    return page.run(SENDERS), said


def by(key, reverse=False):
    return [m[1] for m in sorted(MAIL, key=key, reverse=reverse)]


def test_lists_are_sorted(page, site):
    sizes = {m[1]: len(message(i)) for i, m in enumerate(MAIL)}
    for column, word, key in (("from", "DISPLAYFROM", lambda m: m[1]), ("size", "SIZE", lambda m: sizes[m[1]]),
                              ("date", "DATE", lambda m: m[2])):
        for order in ("DESC", "ASC"):
            senders, said = show(page, site, column=column, order=order)
            assert senders == by(key, order == "DESC"), (column, order)
            assert f"UID SORT ({word}) US-ASCII ALL" in said, said
        picture(page, "sorted-by-" + column)
    senders, said = show(page, site, column="subject")
    # Those with the same base subject are in the order of their numbers.
    assert senders == ["Bella", "Diana", "Xenia", "Walter", "Anton", "Clara"]
    assert "UID SORT (SUBJECT) US-ASCII ALL" in said, said
    picture(page, "sorted-by-subject")


def test_threads(page, site):
    senders, said = show(page, site, column="date", order="DESC", threads=True)
    assert "UID THREAD REFS US-ASCII ALL" in said, said
    # The thread with the newest message is at the top; of threads with unread messages all are shown.
    page.run("rcmail.command('expand-all')")
    senders = page.run(SENDERS)
    assert senders == ["Walter", "Anton", "Clara", "Xenia", "Bella", "Diana"]
    assert page.run(DEPTHS) == [0, 1, 2, 0, 0, 1]
    picture(page, "threads")
    page.run("rcmail.command('collapse-all')")
    assert page.run(SENDERS) == ["Walter", "Xenia", "Bella"]


def test_quota_bar(page, site):
    """The share that is used, which grows with what comes."""
    def shown(octets):
        return f"document.querySelector('#quotadisplay .count').textContent == '{round(100 * octets / ROOM)}%'"
    used = sum(len(message(i)) for i in range(len(MAIL)))
    site.write(f"log.protocol_for = [anna]\nquota.storage = {ROOM}")
    site.cli("reload")
    page.run("location.reload()")
    page.wait(shown(used))
    assert "GETQUOTAROOT" in site.protocol("anna")
    more = message(1)
    with site.login("anna", "pw") as client:
        client.append("INBOX", more)
    page.run("location.reload()")
    page.wait(shown(used + len(more)))
    picture(page, "quota")


def test_comes_back_by_qresync(site, tmp_path):
    """With its cache of messages it asks what has changed since, and shows it."""
    site.add("bert", "pw")
    site.write("log.protocol_for = [anna, bert]")
    site.cli("reload")
    with site.login("bert", "pw") as client:
        for i in range(len(MAIL)):
            client.append("INBOX", message(i))
    with logged_in(site, tmp_path, "bert", "'db'") as page:
        with site.login("bert", "pw") as client:
            client.ok("SELECT INBOX")
            client.ok("UID STORE 2 +FLAGS (\\Flagged)")
            client.ok("UID STORE 4 +FLAGS (\\Deleted)")
            client.ok("UID EXPUNGE 4")
        page.run("rcmail.command('checkmail', '')")
        page.wait(f"{SENDERS}.length == {len(MAIL) - 1} && rcmail.env.messages[2].flagged")
        said = site.protocol("bert", lambda text: "VANISHED" in text)
    assert re.search(r" C \S+ UID FETCH \S+ \(FLAGS\) \(CHANGEDSINCE \d+ VANISHED\)", said), said
    assert "* VANISHED (EARLIER) 4" in said
