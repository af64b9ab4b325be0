# SPDX-License-Identifier: Apache-2.0
"""Failed logins over real sockets, with each mechanism: what they reveal, how many are allowed, what the log
says."""
import base64
import json
import re

import pytest

from imap import plain
from server import wait_for
from test_sasl import Scram, authenticate, b64

RIGHT, WRONG = "the right one", "the wrong one"


def by_login(client, name, password):
    client.send(f'a LOGIN {name} "{password}"\r\n')
    return client.read_response()


def by_plain(client, name, password):
    client.send(f"a AUTHENTICATE PLAIN {plain('', name, password)}\r\n")
    return client.read_response()


def by_prompts(client, name, password):
    client.send("a AUTHENTICATE LOGIN\r\n")
    for answer in (name, password):
        assert client.read_line().startswith(b"+ ")
        client.send(b64(answer.encode()) + b"\r\n")
    return client.read_response()


def by_scram(mech):
    def one(client, name, password):
        client.send(f"a AUTHENTICATE {mech} ".encode())
        scram = Scram(mech, name, password)
        client.send(b64(scram.first()) + b"\r\n")
        challenge = client.read_line()
        assert challenge.startswith(b"+ ")
        client.send(b64(scram.final(base64.b64decode(challenge[2:]))) + b"\r\n")
        line = client.read_response()
        assert not line.startswith(b"+ "), "the server proves that it knows the password"
        return line
    return one


def by_token(client, name, password):
    client.send(b"a AUTHENTICATE OAUTHBEARER " +
                b64(f"n,a={name},\x01auth=Bearer {b64(password.encode()).decode()}\x01\x01".encode()) + b"\r\n")
    assert client.read_line().startswith(b"+ ")
    client.send(b64(b"\x01") + b"\r\n")
    return client.read_response()


WAYS = {"LOGIN-command": by_login, "PLAIN": by_plain, "LOGIN": by_prompts, "SCRAM-SHA-1": by_scram("SCRAM-SHA-1"),
        "SCRAM-SHA-256": by_scram("SCRAM-SHA-256"), "OAUTHBEARER": by_token}
each_way = pytest.mark.parametrize("way", sorted(WAYS))


def start(server, more=""):
    with open(f"{server.dir}/jwks.json", "w", encoding="ascii") as f:
        f.write('{"keys": [{"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "alg": "HS256", "kid": "k"}]}')
    server.write("unauthenticate = everyone\ntimeouts.failed_login = 0\nlimits.failed_logins = 1000\n"
                 "auth.databases = [store, tokens]\n"
                 f"database tokens {{ type = oauth; jwks = {server.dir}/jwks.json; algorithms = [HS256]; "
                 "issuer = here; audience = there }\n" + more)
    server.start()
    server.add("anna", RIGHT)
    server.add("shut", RIGHT)
    server.cli("user", "disable", "shut")
    return server


@each_way
def test_one_answer(server, way):
    """Unknown user, wrong password, disabled user with the wrong or the right password: always the same
    reply."""
    start(server)
    client = server.client(way == "OAUTHBEARER")
    lines = {WAYS[way](client, name, password)
             for name, password in (("nobody", WRONG), ("anna", WRONG), ("shut", WRONG), ("shut", RIGHT))}
    assert lines == {b"a NO [AUTHENTICATIONFAILED] Authentication failed"}
    client.close()
    wait_for(lambda: server.log().count('msg="login failed"') == 4)


@each_way
def test_switches_that_fail(server, way):
    """With any mechanism, a connection that switches users may fail limits.failed_switches times; the log
    counts these as switches."""
    start(server, "limits.failed_switches = 3\n")
    client = server.client(way == "OAUTHBEARER")
    client.ok(f'LOGIN anna "{RIGHT}"')
    client.ok("UNAUTHENTICATE")
    assert WAYS[way](client, "anna", WRONG).startswith(b"a NO")
    client.ok(f'LOGIN anna "{RIGHT}"')  # a success does not reset the count
    client.ok("UNAUTHENTICATE")
    assert WAYS[way](client, "anna", WRONG).startswith(b"a NO")
    assert WAYS[way](client, "nobody", WRONG) == b"* BYE Too many failed logins"
    assert client.read_line().startswith(b"a NO")
    with pytest.raises(EOFError):
        client.read_line()
    wait_for(lambda: server.log().count('msg="login failed"') == 3)
    failed = [line for line in server.log().splitlines() if 'msg="login failed"' in line]
    assert [re.search(r" switch=(\d+)", line).group(1) for line in failed] == ["1", "2", "2"]
    assert all(f" mech={way} " in line for line in failed)


WHO = {"time", "level", "msg", "conn", "user", "authcid", "grant"}
LINES = {
    "login": WHO | {"tag", "command", "ms", "mech", "tls", "cipher", "address", "id", "switch"},
    "logout": WHO | {"how", "mech", "commands", "bytes_in", "bytes_out", "selected", "fetched", "appended",
                     "expunged", "login_ms"},
    "login failed": {"time", "level", "msg", "conn", "tag", "command", "ms", "mech", "tls", "cipher", "address", "id",
                     "switch", "claimed_authcid", "claimed_authzid", "why"},
}
HOSTILE = ['","user":"root', "a\nb", "x\r\nlogin user=root grant=all", '\\" user=root', "{}", "'", "a b=c", "\x1b[2J",
           "\u202euser=root", "\x7f", "=", "k=v " * 200]


def test_nothing_is_forged(server):
    """In JSON each line is an object with the proper keys, and with the client's text unchanged."""
    start(server, "log.format = json\nlimits.bad_commands = 1000\n")
    for text in HOSTILE:
        client = server.client(tls=True)
        raw = text.encode()
        quoted = b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode() + b'"'
        client.send(b"i ID (\"name\" {%d+}\r\n%b)\r\n" % (len(raw), raw))
        client.until("i")
        for name in (b"{%d+}\r\n%b" % (len(raw), raw), quoted):
            client.send(b"f LOGIN " + name + b" x\r\n")
            assert client.until("f")[-1].split(b" ")[1] in (b"NO", b"BAD")
        client.send(f"p AUTHENTICATE PLAIN {plain(text[:60], text[:60], text[:60])}\r\n")
        assert client.until("p")[-1].split(b" ")[1] in (b"NO", b"BAD")
        client.ok(f'LOGIN anna "{RIGHT}"')
        client.ok("UNAUTHENTICATE")
        client.close()
    wait_for(lambda: server.log().count('"logout"') == len(HOSTILE))
    lines = [json.loads(line) for line in server.log().splitlines()]
    for msg, keys in LINES.items():
        some = [line for line in lines if line["msg"] == msg]
        assert len(some) >= len(HOSTILE)
        for line in some:
            assert set(line) - {"tag", "command", "ms"} == keys - {"tag", "command", "ms"}, line
            assert line.get("user", "anna") == "anna" and line.get("grant", "") == ""
    said = {line["claimed_authcid"] for line in lines if line["msg"] == "login failed"}
    assert {'","user":"root', '\\" user=root', "a b=c", "=", "{}"} <= said
    assert max(map(len, said)) <= 256
    assert "root" not in {line.get("user") for line in lines}


def test_scram_after_a_switch(server):
    """A correct proof after wrong ones on the same connection is a login."""
    start(server)
    client = server.client()
    for mech in ("SCRAM-SHA-1", "SCRAM-SHA-256"):
        assert WAYS[mech](client, "anna", WRONG).startswith(b"a NO")
        assert authenticate(client, mech, Scram(mech, "anna", RIGHT)).startswith(b"s1 OK")
        client.ok("UNAUTHENTICATE")
    client.close()
