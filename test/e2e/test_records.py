# SPDX-License-Identifier: Apache-2.0
"""Records of users and aliases that this version would not make: restored, listed, checked."""
import hashlib
import json
import os
import re

import pytest


def varint(n):
    out = b""
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def vstr(text):
    return varint(len(text)) + text


def take_varint(data, at):
    n = shift = 0
    while True:
        n |= (data[at] & 127) << shift
        shift += 7
        at += 1
        if data[at - 1] < 128:
            return n, at


def records_of(folder, name):
    """The list of records with this checksum, from the packs."""
    for pack in os.listdir(os.path.join(folder, "packs")):
        with open(os.path.join(folder, "packs", pack), "rb") as f:
            data = f.read()
        head = re.search(b"object " + name + rb" (\d+)\n", data)
        if head is not None:
            data = data[head.end():head.end() + int(head[1])]
            break
    count, at = take_varint(data, 8)
    strings = []
    for _ in range(2 * count):
        n, at = take_varint(data, at)
        strings.append(data[at:at + n])
        at += n
    return dict(zip(strings[::2], strings[1::2]))


def change_records(folder, change):
    """change(records) may add to the records of the only run."""
    (run,) = os.listdir(os.path.join(folder, "runs"))
    run = os.path.join(folder, "runs", run)
    with open(run, "rb") as f:
        text = f.read().rsplit(b"end ", 1)[0]
    old = re.search(rb"^records (\w{64})$", text, re.M)[1]
    records = records_of(folder, old)
    change(records)
    data = b"TSBKREC1" + varint(len(records)) + b"".join(vstr(k) + vstr(v) for k, v in sorted(records.items()))
    new = hashlib.sha256(data).hexdigest()
    place = os.path.join(folder, "objects", new[:2])
    os.makedirs(place, exist_ok=True)
    with open(os.path.join(place, new), "wb") as f:
        f.write(data)
    text = text.replace(old, new.encode())
    with open(run, "wb") as f:
        f.write(text + b"end " + hashlib.sha256(text).hexdigest().encode() + b"\n")


@pytest.fixture(name="saved", params=[False, True], ids=["stopped", "running"])
def saved_(server, request):
    """A backup of anna and an alias, to be changed, and a server without them."""
    server.add("anna", "blue")
    server.cli("alias", "add", "team", "anna")
    folder = os.path.join(server.dir, "saved")
    server.cli("backup", folder)
    server.cli("user", "delete", "anna")
    server.cli("alias", "remove", "team")
    if request.param:
        server.start()
    return folder


def test_a_restore_brings_no_user_that_a_grant_would_take_for_a_group(server, saved):
    def change(records):
        (key,) = [k for k in records if k.startswith(b"user/anna")]
        for name in (b"group:x", b"group:y@other.example", b"a*b"):
            records[b"user/" + name] = records[key]

    change_records(saved, change)
    done = server.cli("restore", saved, ok=False)
    assert done.returncode == 3, done
    assert 'user group:x: a user name must not begin with "group:"' in done.stderr
    assert 'user group:y@other.example: a user name must not begin with "group:"' in done.stderr
    assert "user a*b: a user name must not contain '*'" in done.stderr
    assert server.cli("user", "list").stdout == "anna\n"


def test_records_of_an_unknown_format(server, saved):
    def change(records):
        records[b"user/odd"] = b"\xff\xfe"
        records[b"alias/gang"] = b"\xff\xfe"

    change_records(saved, change)
    server.cli("restore", saved)
    done = server.cli("user", "list", ok=False)
    assert done.returncode == 3 and done.stdout == "anna\n"
    assert "user odd: the record has an unknown format" in done.stderr
    done = server.cli("alias", "list", ok=False)
    assert done.returncode == 3 and done.stdout == "team anna\n"
    assert "alias gang: the record has an unknown format" in done.stderr
    done = server.cli("user", "list", "--json", ok=False)
    assert done.returncode == 3
    assert [(u["name"], u.get("fault")) for u in json.loads(done.stdout)] == [("anna", None), ("odd", "unknown format")]
    done = server.cli("check", ok=False)
    assert done.returncode == 3 and "odd" in done.stdout and "gang" in done.stdout, done
    server.cli("user", "delete", "odd")
    server.cli("alias", "remove", "gang")
    assert server.cli("check").returncode == 0
    assert [u["name"] for u in server.asked("user", "list")] == ["anna"]
