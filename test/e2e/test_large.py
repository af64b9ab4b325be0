# SPDX-License-Identifier: Apache-2.0
"""Files of large messages removed, truncated or changed under a running server: that message is refused with
the right words, everything else works, the log and the check name it, a repair sets it aside."""
import os
import random

import pytest

from imap import literals
from test_damage import Stored, folder

SIZE = 3 << 20


def message(number):
    r = random.Random(number)
    return f"Subject: large {number}\r\n\r\n".encode() + b"".join(
        r.randbytes(36).hex().encode() + b"\r\n" for _ in range(SIZE // 74)) + b"end\r\n"


LARGE = [message(1), message(2)]
SMALL = [b"Subject: small %d\r\n\r\nHello\r\n" % i for i in range(3)]
MAIL = [SMALL[0], LARGE[0], SMALL[1], LARGE[1], SMALL[2]]
VICTIM = 2  # UID and sequence number


@pytest.fixture(name="site")
def site_():
    site = Stored()
    site.add("alice", "pw")
    site.start()
    client = site.login("alice")
    for data in MAIL:
        client.append("INBOX", data)
    client.close()
    site.stop()
    yield site
    site.remove()


def victim(site):
    for name, data in folder(site.store).items():
        if name.startswith("large/") and LARGE[0] in data:
            return name, data
    raise AssertionError("no file has the message")


def fetch(client, number):
    """("OK", bytes), ("NO", words), or ("EOF", words) when the connection ends."""
    try:
        responses = client.run(f"FETCH {number} (BODY.PEEK[])")
    except (EOFError, OSError) as e:
        return "EOF", str(e).encode()
    word = responses[-1].split(b" ")[1].decode()
    return (word, literals(responses[0])[0]) if word == "OK" else (word, responses[-1])


def at(where):
    def flip(data):
        out = bytearray(data)
        out[where if where >= 0 else SIZE + where] ^= 4
        return bytes(out)
    return flip


DAMAGES = [("removed", None), ("empty", lambda data: b""), ("cut", lambda data: data[:SIZE // 2]),
           ("its sums cut", lambda data: data[:-40]), ("flipped at its beginning", at(1000)),
           ("flipped at its end", at(-1000)), ("zeros", lambda data: bytes(len(data))),
           ("another's", "swap")]


@pytest.mark.parametrize("way,damage", DAMAGES, ids=[d[0] for d in DAMAGES])
def test_damaged_while_it_runs(site, way, damage):
    name, good = victim(site)
    other = next(n for n, d in folder(site.store).items() if LARGE[1] in d)
    site.start()
    try:
        before = site.login("alice")  # has selected the mailbox before the damage
        before.ok("EXAMINE INBOX")
        at_log = len(site.log())
        if damage is None:
            os.unlink(site.path(name))
        else:
            with open(site.path(other), "rb") as f:
                bad = f.read() if damage == "swap" else damage(good)
            with open(site.path(name), "r+b") as f:  # the file that is in use, not a new one
                f.truncate(len(bad))
                f.write(bad)
        for client in (before, site.login("alice")):
            client.ok("EXAMINE INBOX")
            result, words = fetch(client, VICTIM)
            if way == "flipped at its end":
                # Found when much of the literal has been sent: the connection ends, since no reply fits into
                # a literal.
                assert result == "EOF", words
                client = site.login("alice")
                client.ok("EXAMINE INBOX")
            else:
                assert result == "NO" and b"SERVERBUG" in words, (result, words[:200])
            # Its place in the mailbox, its envelope and flags are stored elsewhere and undamaged.
            assert b"large 1" in client.ok(f"FETCH {VICTIM} (UID FLAGS ENVELOPE RFC822.SIZE)")[0]
            for number, body in enumerate(MAIL, 1):
                if number != VICTIM:
                    assert fetch(client, number) == ("OK", body), number
            client.append("INBOX", b"Subject: more\r\n\r\n")
            # A search in texts reports that it could not read one, and ends.
            client.no("UID SEARCH TEXT Hello", "SERVERBUG")
            client.ok("UID SEARCH SUBJECT large")
            client.close()
        log = site.log()[at_log:]
        assert os.path.basename(name) in log, log
        assert f"user alice, mailbox INBOX (number 1), UID {VICTIM}" in log, log
        code, text = site.run("check")
        assert code == 3 and f"UID {VICTIM}: its bytes" in text and "alice" in text and "INBOX" in text, text
    finally:
        site.stop()
    was = folder(site.store)
    code, text = site.run("check", "--repair")
    assert code == 3 and "NOT mended" not in text and f"UID {VICTIM}: its bytes" in text, text
    now = folder(site.store)
    if damage is not None:
        assert now["damaged/" + os.path.basename(name)] == was[name]
    assert name not in now
    assert site.run("check")[0] == 0
    site.start()
    client = site.login("alice")
    client.ok("SELECT INBOX")
    left = [fetch(client, n)[1] for n in map(int, client.ok("SEARCH ALL")[0].split()[2:])]
    assert left[:4] == [body for body in MAIL if body != LARGE[0]]
    client.close()
    site.stop()
