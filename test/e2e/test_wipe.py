# SPDX-License-Identifier: Apache-2.0
"""No secret stays in the server's memory: after each use, the memory of the running process is searched."""
import base64
import os
import secrets
from concurrent.futures import ThreadPoolExecutor

import pytest

import memory
from imap import plain
from server import SANITIZED, Site, wait_for
from test_sasl import Scram, authenticate, b64

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="reading another process' memory needs root"),
    pytest.mark.skipif(SANITIZED, reason="the sanitizers keep freed memory as it was"),
]
USERS = 12


def secret():
    return secrets.token_urlsafe(48)


def traffic(server):
    """Uses and frees much memory before a test, so that nothing is overwritten by chance alone."""
    def one(user):
        for round_ in range(6):
            client = server.login(user, tls=round_ % 2 == 1)
            client.ok("SELECT INBOX")
            client.append("INBOX", "Subject: x\r\n\r\n" + "text " * 2000)
            client.ok("FETCH 1:* (FLAGS BODY.PEEK[])")
            client.ok("UNAUTHENTICATE")
            client.ok(f"AUTHENTICATE PLAIN {plain('', user, server.passwords[user])}")
            client.ok("LOGOUT")
            client.close()
    with ThreadPoolExecutor(USERS) as pool:
        list(pool.map(one, server.passwords))


@pytest.fixture(name="server", scope="module")
def fixture_server():
    s = Site("unauthenticate = everyone\ntimeouts.failed_login = 0\nlimits.failed_logins = 1000\n"
             "log { level = debug; protocol_for = written }\n")
    s.start()
    for i in range(USERS):
        s.add(f"user{i}", secret())
    traffic(s)
    yield s
    log = s.log()
    assert not [p for p in s.passwords.values() if p in log]
    s.remove()


@pytest.fixture(name="user")
def fixture_user(server):
    """A user with a password that was never used before."""
    user, password = f"u{secrets.token_hex(4)}", secret()
    server.add(user, password)
    return user, password


def of_plain(user, password):
    """The password, and its form in PLAIN after the name."""
    message = plain("", user, password)
    return {**memory.of_text("password", password),
            **memory.pieces("PLAIN message", message[len(base64.b64encode(user.encode())) + 4:].encode())}


tls_or_not = pytest.mark.parametrize("tls", (False, True), ids=("clear", "tls"))


def test_it_can_be_found(server, user):
    """A secret that is in memory is found: half of an unfinished line."""
    name, password = user
    client = server.client()
    client.send(f"a LOGIN {name} {password}")
    needles = memory.pieces("password", password.encode())
    while not (found := memory.look(server.pid, needles)):
        pass
    assert {what for what, *_ in found} == set(needles)
    client.send("\r\n")
    assert client.until("a")[-1].startswith(b"a OK")
    memory.assert_gone(server.pid, needles)
    client.close()


def test_user_add(server, user):
    memory.assert_gone(server.pid, memory.of_text("password", user[1]))


def test_user_passwd(server, user):
    password = secret()
    server.cli("user", "passwd", user[0], "--password-stdin", stdin=password + "\n")
    memory.assert_gone(server.pid, memory.of_text("password", password))
    assert server.lets_in(user[0], password)
    memory.assert_gone(server.pid, memory.of_text("password", password))


WAYS = {
    "LOGIN": lambda n, p: f"LOGIN {n} {p}\r\n",
    "quoted": lambda n, p: f'LOGIN "{n}" "{p}"\r\n',
    "literals": lambda n, p: f"LOGIN {{{len(n)}+}}\r\n{n} {{{len(p)}+}}\r\n{p}\r\n",
    "PLAIN-IR": lambda n, p: f"AUTHENTICATE PLAIN {plain('', n, p)}\r\n",
    "PLAIN": lambda n, p: f"AUTHENTICATE PLAIN\r\n{plain('', n, p)}\r\n",
    "mechanism LOGIN": lambda n, p: f"AUTHENTICATE LOGIN\r\n{b64(n.encode()).decode()}\r\n{b64(p.encode()).decode()}\r\n",
}


def of_way(name, password):
    return {**of_plain(name, password), **memory.pieces("base64", b64(password.encode()))}


def give(client, text, step):
    """Sends it in one segment, or in pieces."""
    for i in range(0, len(text), step):
        client.send(text[i:i + step])


@tls_or_not
@pytest.mark.parametrize("way", sorted(WAYS))
@pytest.mark.parametrize("step", (10000, 7), ids=("whole", "pieces"))
def test_login(server, user, tls, way, step):
    """Right, then UNAUTHENTICATE, wrong, right again, LOGOUT; memory is searched after each."""
    name, password = user
    wrong = secret()
    client = server.client(tls)
    give(client, "a " + WAYS[way](name, password), step)
    assert client.tagged("a").startswith(b"a OK")
    memory.assert_gone(server.pid, of_way(name, password))
    client.ok("UNAUTHENTICATE")
    memory.assert_gone(server.pid, of_way(name, password))
    give(client, "b " + WAYS[way](name, wrong), step)
    assert client.tagged("b").startswith(b"b NO")
    memory.assert_gone(server.pid, of_way(name, wrong))
    give(client, "c " + WAYS[way](name, password), step)
    assert client.tagged("c").startswith(b"c OK")
    client.ok("LOGOUT")
    client.close()
    memory.assert_gone(server.pid, of_way(name, password))


@tls_or_not
def test_prepared(server, tls):
    """A password that is not ASCII is prepared by ICU, in UTF-16; the session is written down besides."""
    name, password = "written", "ü" + secret()
    server.add(name, password)
    needles = {**memory.pieces("password", password.encode()[2:]),
               **memory.pieces("password in UTF-16", password.encode("utf-16-le")[2:])}
    memory.assert_gone(server.pid, needles)
    client = server.client(tls)
    client.ok(f"AUTHENTICATE PLAIN {plain('', name, password)}")
    client.ok("UNAUTHENTICATE")
    client.no(f"AUTHENTICATE PLAIN {plain('', name, password + 'x')}")
    memory.assert_gone(server.pid, {**needles, **of_plain(name, password)})
    client.close()
    server.cli("user", "delete", name)
    with open(f"{server.dir}/data/protocol/{name}.log", "rb") as f:
        assert password.encode() not in f.read()


@pytest.mark.parametrize("scheme", ("bcrypt", "sha512", "sha256", "argon2id", "argon2i"))
def test_hashes(scheme):
    """Each method: a password is set, checked, and rehashed because the site's setting has changed."""
    more = "unauthenticate = everyone\ntimeouts.failed_login = 0\n"
    s = Site(f"{more}auth.password_scheme = {scheme}\n")
    try:
        s.start()
        password = secret()
        needles = of_plain("anna", password)
        s.add("anna", password)
        memory.assert_gone(s.pid, needles)
        shown = {"sha512": "SHA-512-crypt", "sha256": "SHA-256-crypt"}.get(scheme, scheme)
        assert f'"{shown}"' in s.cli("user", "show", "anna", "--json").stdout
        s.stop()
        s.write(more)
        s.start()
        client = s.client(tls=True)
        client.ok(f"AUTHENTICATE PLAIN {plain('', 'anna', password)}")
        client.ok("UNAUTHENTICATE")
        client.no(f"LOGIN anna {password}x")
        client.close()
        if scheme != "argon2id":  # the default is no stronger
            wait_for(lambda: '"yescrypt' in s.cli("user", "show", "anna", "--json").stdout)
        memory.assert_gone(s.pid, needles)
    finally:
        s.remove()


@tls_or_not
@pytest.mark.parametrize("way", sorted(WAYS))
def test_cut(server, user, tls, way):
    """The connection ends within the secret; and it is broken off right after it."""
    name, password = user
    text = "a " + WAYS[way](name, password)
    for end in (len(text) - 12, len(text) - 2):
        client = server.client(tls)
        client.send(text[:end])
        client.close()
        memory.assert_gone(server.pid, of_way(name, password))


@tls_or_not
def test_wrong_commands(server, tls):
    """Secrets in commands that are refused before they are parsed."""
    password = secret()
    needles = of_way("nobody", password)
    client = server.client(tls)
    for text in (f"a LOGIN nobody {password} more\r\n", f"a AUTHENTICATE PLAIN {plain('', 'nobody', password)}?\r\n",
                 f"a AUTHENTICATE NONE {plain('', 'nobody', password)}\r\n",
                 f"a AUTHENTICATE PLAIN\r\n{plain('', 'nobody', password)}*\r\n",
                 f"a AUTHENTICATE LOGIN {b64(b'nobody').decode()}\r\n{b64(password.encode()).decode()}%\r\n",
                 f"a AUTHENTICATE PLAIN\r\n{plain('', 'nobody', password) * 1000}\r\n",
                 f"a LOGIN nobody {password * 1000}\r\n", f"a LOGIN nobody {{{len(password) * 1000}+}}\r\n{password * 1000}\r\n",
                 f"a LOGN nobody {password}\r\n"):
        client.send(text)
        assert b"OK" not in client.tagged("a")
        memory.assert_gone(server.pid, needles)
    client.close()


@tls_or_not
def test_scram(server, user, tls):
    """What would reveal the keys from an overheard exchange: the proof, and the client's key."""
    name, password = user
    client = server.client(tls)
    for mech in ("SCRAM-SHA-256", "SCRAM-SHA-1"):
        for right in (True, False):
            scram = Scram(mech, name, password if right else secret())
            line = authenticate(client, mech, scram)
            assert line.startswith(b"s1 OK" if right else b"s1 NO")
            needles = {"nonce": scram.nonce, "proof": scram.proof, "client key": scram.key,
                       "proof in base64": b64(scram.proof), "final": b64(scram.message)[-32:],
                       "first": b64(scram.first())[-20:], "signature": scram.signature}
            if right:
                client.ok("UNAUTHENTICATE")
            memory.assert_gone(server.pid, needles)
        scram = Scram(mech, name, password)
        client.send(f"c AUTHENTICATE {mech} ".encode() + b64(scram.first()) + b"\r\n")
        assert client.read_line().startswith(b"+ ")
        client.send(b"*\r\n")
        assert client.tagged("c").startswith(b"c BAD")
        memory.assert_gone(server.pid, {"nonce": scram.nonce, "first": b64(scram.first())[-20:]})
    client.close()
