# SPDX-License-Identifier: Apache-2.0
"""Catalogues of texts: read at the start, from inside the sandbox, and at each reload; and their faults."""
import os
import pwd
import re
import shutil
import struct
import subprocess

import pytest

from server import SANDBOX, SANITIZED, TOP

POT = os.path.join(TOP, "po", "turnstone.pot")


def mo(entries, charset="UTF-8"):
    """A .mo file."""
    texts = sorted({"": f"Content-Type: text/plain; charset={charset}\n", **entries}.items())
    at = 28 + 16 * len(texts)
    tables, strings = [], b""
    for side in (0, 1):
        for text in texts:
            s = text[side].encode()
            tables.append(struct.pack("<II", len(s), at + len(strings)))
            strings += s + b"\0"
    return struct.pack("<7I", 0x950412DE, 0, len(texts), 28, 28 + 8 * len(texts), 0, 0) + b"".join(tables) + strings


def put(server, name, data):
    folder = os.path.join(server.dir, "languages")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as f:
        f.write(data)


MORE = "languages.folder = {}/languages\n"


def test_read_at_start_and_reload(server):
    put(server, "de.mo", mo({"Done": "Fertig", "Not permitted; missing: %s": "Es fehlt %d"}))
    server.write(MORE.format(server.dir))
    server.start()
    server.logged("de: 1 texts, 1 refused")
    line = r': languages\.folder: \S*/languages/de\.mo: "Not permitted; missing: %s": the conversions \(%s\) are not '
    assert re.search(r"level=warning .*" + line, server.log().replace('\\"', '"')), server.log()
    put(server, "fr.mo", mo({"Done": "Fini"}))
    put(server, "de.mo", mo({"Done": "Fertig", "Goodbye": "Auf Wiedersehen"}))
    assert "warning" not in server.cli("reload").stdout
    server.logged("de: 2 texts, 0 refused")
    server.logged("fr: 1 texts, 0 refused")
    assert server.log().count("fr: 1 texts, 0 refused") == 1
    # A file that is no catalogue: nothing is changed.
    put(server, "fr.mo", b"msgid")
    failed = server.cli("reload", ok=False)
    assert re.search(r"t\.conf:\d+: languages\.folder: \S*/languages/fr\.mo: not a catalogue \(\.mo\)", failed.stderr), failed
    assert re.search(r"languages/fr\.mo: not a catalogue", server.cli("config", "check", ok=False).stderr)
    put(server, "fr.mo", mo({"Done": "Fini"}, "ISO-8859-1"))
    assert "its header does not say charset=UTF-8" in server.cli("config", "check", ok=False).stderr
    os.unlink(server.dir + "/languages/fr.mo")
    server.write("")
    assert "warning" not in server.cli("reload").stdout
    assert server.stop() == 0


@pytest.mark.skipif(os.geteuid() != 0 or SANITIZED, reason="not root, or a program with sanitizers")
def test_read_inside_the_sandbox(server):
    if SANDBOX:
        pytest.skip("test_read_at_start_and_reload is that, in this run")
    put(server, "de.mo", mo({"Done": "Fertig"}))
    server.write("server { user = nobody; sandbox = require }\n" + MORE.format(server.dir))
    os.mkdir(server.dir + "/data")
    os.chmod(server.dir, 0o755)
    nobody = pwd.getpwnam("nobody")
    os.chown(server.dir + "/data", nobody.pw_uid, nobody.pw_gid)
    server.ready = server.dir + "/data/ports"
    server.start()
    if not re.search(r"sandbox_landlock: [1-9]", server.cli("status", "--all").stdout):
        pytest.skip("the kernel has no Landlock")
    server.logged("de: 1 texts, 0 refused")
    put(server, "de.mo", mo({"Done": "Fertig", "Goodbye": "Auf Wiedersehen"}))
    assert "languages" not in server.cli("reload").stdout
    server.logged("de: 2 texts, 0 refused")


@pytest.mark.skipif(shutil.which("msgfmt") is None, reason="msgfmt (gettext) is not installed")
def test_catalogues_of_msgfmt(server):
    """The output of msgfmt(1) for the template, with a translation for each text."""
    with open(POT, encoding="utf-8") as f:
        text = f.read()
    count = text.count("\nmsgid ") - 1
    po = re.sub(r'(msgid (".+"))\nmsgstr ""', r"\1\nmsgstr \2", text)
    path = os.path.join(server.dir, "x.po")
    with open(path, "w", encoding="utf-8") as f:
        f.write(po)
    put(server, "x.mo", b"")
    out = subprocess.run(["msgfmt", "-c", "-o", server.dir + "/languages/xx.mo", path], capture_output=True, text=True)
    assert out.returncode == 0 and "error" not in out.stderr, out
    os.unlink(server.dir + "/languages/x.mo")
    server.write(MORE.format(server.dir))
    server.start()
    server.logged(f"xx: {count} texts, 0 refused")


def test_a_reload_reads_once(server):
    """What is checked is what is put in force."""
    if SANDBOX or SANITIZED or shutil.which("strace") is None:
        pytest.skip("no strace, or it cannot trace here")
    trace = os.path.join(server.dir, "trace")
    strace = ["strace", "-f", "-qq", "-e", "trace=openat", "-o", trace]
    if subprocess.run([*strace, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("strace may not trace here")

    def opened():
        with open(trace, encoding="utf-8", errors="replace") as f:
            return f.read().count("de.mo")
    put(server, "de.mo", mo({"Done": "Fertig"}))
    server.write(MORE.format(server.dir))
    server.start(front=strace, traced=True)
    before = opened()
    assert before > 0
    server.cli("reload")
    server.cli("stop")
    server.gone()
    assert opened() == before + 1
