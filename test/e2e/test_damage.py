# SPDX-License-Identifier: Apache-2.0
"""Files of a store taken away, cut, flipped, one by one; a disk without room."""
import os
import random
import re
import shutil
import subprocess

import pytest

from demo import TOP, Demo

BUILD = os.environ.get("TURNSTONE_BUILD", os.path.join(TOP, "build"))
LONG = bool(os.environ.get("TURNSTONE_LONG"))
OURS = re.compile(r"CURRENT|MANIFEST|OPTIONS|IDENTITY|LOCK|format|commit\.mark|engine\.lock|"
                  r"\d+\.(log|sst|blob)|[0-9a-f]{16}")


def turnstone(*args):
    done = subprocess.run([os.path.join(BUILD, "turnstone"), *args], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
    assert done.returncode >= 0 and "signal" not in done.stdout, done.stdout
    return done.returncode, done.stdout


def message(number, size):
    return b"Subject: number %d\r\n\r\n" % number + b"0123456789abcdef" * (size // 16)


def append(client, data):
    client.send(b"x APPEND INBOX {%d+}\r\n" % len(data) + data + b"\r\n")
    while True:
        line = client.read_response()
        if line.startswith(b"x "):
            return line


def conf_of(demo):
    return os.path.join(demo.site, "turnstone.conf")


@pytest.fixture(scope="module")
def filled():
    demo = Demo().up()
    for user in ("alice", "bob"):
        client = demo.login(user)
        for i in range(6):
            assert append(client, message(i, 400000 if i == 5 else 2000)).startswith(b"x OK")
    # Once cleanly, so that there are tables, then killed, so that there is a log.
    demo.down()
    demo.up()
    client = demo.login("alice")
    assert append(client, message(9, 3000)).startswith(b"x OK")
    demo.kill()
    yield demo
    shutil.rmtree(demo.dir, ignore_errors=True)


def files_of(store):
    return sorted(os.path.relpath(os.path.join(at, name), store)
                  for at, _, names in os.walk(store) for name in names
                  if os.path.getsize(os.path.join(at, name)) > 0 and OURS.fullmatch(name))


def damages(path, rnd):
    with open(path, "rb") as f:
        data = f.read()
    flipped = bytearray(data)
    flipped[rnd.randrange(len(data))] ^= 1 << rnd.randrange(8)
    yield "removed", None
    yield "cut", data[:rnd.randrange(len(data))]
    yield "flipped", bytes(flipped)


def folder(path):
    out = {}
    for at, _, names in os.walk(path):
        for name in names:
            with open(os.path.join(at, name), "rb") as f:
                out[os.path.relpath(os.path.join(at, name), path)] = f.read()
    return out


def test_files_one_by_one(filled, tmp_path):
    """Whatever is damaged: an exit code and words, no crash, and what was refused was not touched."""
    store = os.path.join(filled.site, "data", "store")
    whole = str(tmp_path / "whole")
    shutil.copytree(store, whole)
    rnd = random.Random(1)
    seen = mended = 0
    for name in files_of(whole):
        for way, data in damages(os.path.join(whole, name), rnd):
            if not LONG and rnd.random() < 0.4:
                continue
            shutil.rmtree(store)
            shutil.copytree(whole, store)
            if data is None:
                os.remove(os.path.join(store, name))
            else:
                with open(os.path.join(store, name), "wb") as f:
                    f.write(data)
            before = folder(store)
            code, text = turnstone("check", "--config", conf_of(filled))
            assert code in (0, 1, 3), f"{name} {way}: {code}: {text}"
            if code == 0:
                continue
            seen += 1
            assert len(text) > 20, f"{name} {way}: {text}"
            after = folder(store)
            for file in before:
                if file.endswith((".sst", ".blob")) or file.startswith("large/"):
                    assert after.get(file, before[file]) == before[file], f"{name} {way}: {file}"
            code, text = turnstone("check", "--repair", "--config", conf_of(filled))
            assert code in (1, 3), f"{name} {way}: {code}: {text}"
            if "NOT mended" in text or code == 1:
                continue
            code, text = turnstone("check", "--config", conf_of(filled))
            assert code in (0, 3), f"{name} {way}: {text}"
            mended += code == 0
    print(f"{seen} damages seen, {mended} mended to the end")
    assert seen > 10 and mended > 3
    shutil.rmtree(store)
    shutil.copytree(whole, store)
    assert turnstone("check", "--config", conf_of(filled))[0] == 0


def test_no_room():
    """Below the mark messages are refused, and what makes room is not."""
    demo = Demo().up()
    try:
        client = demo.login("alice")
        assert append(client, message(1, 2000)).startswith(b"x OK")
        demo.down()
        free = os.statvfs(demo.site).f_bavail * os.statvfs(demo.site).f_frsize
        with open(conf_of(demo), encoding="utf-8") as f:
            text = f.read()
        with open(conf_of(demo), "w", encoding="utf-8") as f:
            f.write(text + f"\nstore.free_space = {2 * free}\n")
        done = subprocess.Popen([os.path.join(BUILD, "turnstone"), "serve", "--config", conf_of(demo),
                                 "--ready-file", os.path.join(demo.site, "ready")],
                                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL)
        try:
            while not os.path.exists(os.path.join(demo.site, "ready")):
                assert done.poll() is None
            with open(os.path.join(demo.site, "ready"), encoding="ascii") as f:
                demo.env.update(line.rstrip("\n").split("=", 1) for line in f if "=" in line)
            client = demo.login("alice")
            client.ok("SELECT INBOX")
            answer = append(client, message(2, 2000))
            assert answer.startswith(b"x NO [OVERQUOTA]"), answer
            client.ok("FETCH 1 BODY[]")
            client.ok("STORE 1 +FLAGS (\\Deleted)")
            client.ok("EXPUNGE")
        finally:
            done.terminate()
            done.wait(60)
    finally:
        shutil.rmtree(demo.dir, ignore_errors=True)
