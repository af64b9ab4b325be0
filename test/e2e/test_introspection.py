# SPDX-License-Identifier: Apache-2.0
"""Tokens verified by the issuer: its introspection endpoint, on loopback over TLS, working and failing."""
import base64
import os
import time

import pytest

import memory
from oauth import ISSUER, SCOPE, Endpoint, authenticate, bearer, faults
from server import SANITIZED, status_of, wait_for


def database(endpoint, more="", ca=None):
    return f"""
        auth.databases = [store, sso]
        timeouts.failed_login = 0
        limits.failed_logins = 1000
        database sso {{
            type = oauth
            introspection = "{endpoint.url}"
            ca_file = "{ca or endpoint.cert}"
            issuer = "{ISSUER}"
            token_scope = {SCOPE}
            user_claim = username
            {more}
        }}
    """


@pytest.fixture(name="endpoint")
def fixture_endpoint(server):
    e = Endpoint(server.dir)
    yield e
    e.stop()


def secret(server, name, text):
    path = os.path.join(server.dir, name)
    with open(path, "w", encoding="ascii") as f:
        f.write(text + "\n")
    os.chmod(path, 0o644)  # the server runs as another user in some runs
    return path


def start(server, conf):
    server.write(conf)
    server.start()
    server.add("anna", "blue sea")
    server.add("bo", "blue sea")
    server.add("gateway", "blue sea", "--acts-for", "b*")
    return server


def of(user, **more):
    return {"iss": ISSUER, "scope": f"{SCOPE} openid", "username": user, **more}


def ask(server, token, acts_for=""):
    """One login; returns the beginning of the tagged line."""
    client = server.client(tls=True)
    line, _ = authenticate(client, bearer(token, acts_for))
    client.close()
    return " ".join(line.split(" ")[:2])


OK, NO, LATER = "OK [CAPABILITY", "NO [AUTHENTICATIONFAILED]", "NO [UNAVAILABLE]"


def test_what_it_says(server, endpoint):
    start(server, database(endpoint, 'audience = mail.example; client_id = "turn:stone"; client_secret_file = "'
                           + secret(server, "secret", "s%cr+t") + '"'))
    now = int(time.time())
    aud = {"aud": ["x", "mail.example"]}
    endpoint.tokens = {
        "good": of("anna", **aud), "until": of("anna", exp=now + 600, nbf=now - 5, **aud), "gate": of("gateway", **aud),
        "expired": of("anna", exp=now - 120, **aud), "early": of("anna", nbf=now + 600, **aud),
        "elsewhere": of("anna", aud="other"), "issuer": {**of("anna", **aud), "iss": "https://evil.example"},
        "scope": {**of("anna", **aud), "scope": "news"}, "user": of("nobody", **aud), "nameless": {**of("", **aud)},
    }
    for token in ("good", "until"):
        assert ask(server, token) == OK
    for token in ("unheard-of", "expired", "early", "elsewhere", "issuer", "scope", "user", "nameless"):
        assert ask(server, token) == NO, token
    assert ask(server, "gate", "bo") == OK
    assert ask(server, "gate", "anna") == "NO [AUTHORIZATIONFAILED]"
    headers, form = endpoint.asked[0]
    assert form == {"token": ["good"], "token_type_hint": ["access_token"]}
    # RFC 6749 section 2.3.1: both are encoded before they are put together.
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"turn%3Astone:s%25cr%2Bt").decode()
    wait_for(lambda: 'why="its issuer says that it is not active"' in server.log())


def test_it_is_asked_once(server, endpoint):
    """Its answer is remembered, at most as long as the token is valid; a refusal is not."""
    start(server, database(endpoint, 'bearer_file = "' + secret(server, "bearer", "ours") + '"'))
    endpoint.tokens = {"gate": of("gateway"), "short": of("gateway", exp=int(time.time()) - 56)}  # 4 s, with the leeway
    client = server.client(tls=True)
    for user in ("gateway", "bo") * 50:
        line, _ = authenticate(client, bearer("gate", user))
        assert line.startswith("OK ")
        client.ok("UNAUTHENTICATE")
    assert len(endpoint.asked) <= 2  # bo was looked up at the second
    assert endpoint.asked[0][0]["Authorization"] == "Bearer ours"
    line, _ = authenticate(client, bearer("short"))
    assert line.startswith("OK ")
    client.ok("UNAUTHENTICATE")
    wait_for(lambda: authenticate(client, bearer("short"))[0].startswith("NO ") or client.ok("UNAUTHENTICATE") is None)
    before = len(endpoint.asked)
    for _ in range(3):
        assert authenticate(client, bearer("bad"))[0].startswith("NO ")
    assert len(endpoint.asked) == before + 3
    client.close()


def test_answers_that_are_none(server, endpoint):
    """Never a yes, but never a no either."""
    start(server, database(endpoint, "token_cache = 0s"))
    endpoint.tokens = {"good": of("anna")}
    assert ask(server, "good") == OK
    for raw in (b"", b"{", b"[]", b"true", b'{"active":"true"}', b'{"active":1}', b'{"username":"anna"}',
                b'{"active":false,"active":true,"username":"anna"}', b'{"active":true,"x":"' + b"x" * 70000 + b'"}',
                b'{"active":true,"x":' + b"[" * 40 + b"]" * 40 + b"}", b'{"active":null}'):
        endpoint.raw = raw
        assert ask(server, "good") == LATER, raw[:60]
    endpoint.raw = None
    for status in (201, 204, 301, 302, 400, 401, 403, 404, 500, 503):
        endpoint.status, endpoint.headers = status, {"Location": endpoint.url} if status in (301, 302) else {}
        before = len(endpoint.asked)
        assert ask(server, "good") == LATER, status
        assert len(endpoint.asked) == before + 1  # redirects are not followed
    endpoint.status, endpoint.headers, endpoint.type = 200, {}, "text/html"
    assert ask(server, "good") == LATER
    endpoint.type = "application/json; charset=utf-8"
    assert ask(server, "good") == OK
    wait_for(lambda: "HTTP status 401: check the credentials" in server.log())


def test_only_the_right_endpoint_hears_of_tokens(server, endpoint):
    """A certificate from an unknown authority, and one with another name: nothing is sent."""
    os.mkdir(os.path.join(server.dir, "other"))
    other = Endpoint(os.path.join(server.dir, "other"), "DNS:other.example")
    other.tokens = endpoint.tokens = {"good": of("anna")}
    try:
        start(server, database(endpoint, ca=other.cert))
        assert ask(server, "good") == LATER and not endpoint.asked
        server.write(database(other))
        server.cli("reload")
        assert ask(server, "good") == LATER and not other.asked
        server.write(database(endpoint))
        server.cli("reload")
        assert ask(server, "good") == OK
    finally:
        other.stop()


def test_slow_and_down(server, endpoint):
    """Only those who need it wait; others can log in meanwhile."""
    start(server, database(endpoint, "timeout = 2s; token_cache = 0s"))
    endpoint.tokens = {"good": of("anna"), "gate": of("gateway")}
    endpoint.gate.clear()
    waiting = [server.client(tls=True) for _ in range(20)]
    for client in waiting:
        client.send(f"w1 AUTHENTICATE OAUTHBEARER {bearer('good')}\r\n")
    wait_for(lambda: endpoint.asked)
    other = server.client(tls=True)
    other.ok('LOGIN bo "blue sea"')
    other.ok("SELECT INBOX")
    other.close()
    for client in waiting:
        assert client.read_line().startswith(b"w1 NO [UNAVAILABLE]")
        client.ok("NOOP")
        client.close()
    endpoint.gate.set()
    assert ask(server, "good") == OK
    endpoint.stop()
    assert ask(server, "good") == LATER
    client = server.client(tls=True)
    client.ok('LOGIN bo "blue sea"')
    client.close()
    wait_for(lambda: "Timeout was reached" in server.log() or "timed out" in server.log())


def test_wrong_configurations(server, endpoint):
    url = f'introspection = "{endpoint.url}"; '
    assert "begins with https://" in faults(server, f'introspection = "{endpoint.url.replace("https", "http")}"')
    assert "needs exactly one of the options jwks and introspection" in faults(server, url + f'jwks = "{endpoint.cert}"')
    assert "client_id and client_secret_file must be set together" in faults(server, url + "client_id = me")
    assert "cannot be combined with client_id" in faults(
        server, url + f'client_id = me; client_secret_file = "{endpoint.cert}"; bearer_file = "{endpoint.cert}"')
    assert "is only for jwks" in faults(server, url + "algorithms = RS256")
    server.write(f"auth.databases = [store, sso]\ndatabase sso {{ type = oauth; {url} }}\n")
    server.cli("config", "check")


def network_process(server):
    """The helper's process that talks to other services."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            status = status_of(pid)
            if status["Name"] == "turnstone-net" and int(status_of(status["PPid"])["PPid"]) == server.pid:
                return int(pid)
        except OSError:
            pass  # it has ended meanwhile
    raise AssertionError("there is none")


@pytest.mark.skipif(os.geteuid() != 0, reason="reading another process' memory needs root")
@pytest.mark.skipif(SANITIZED, reason="the sanitizers keep freed memory as it was")
def test_tokens_and_secrets_are_wiped(server, endpoint):
    """In the server, and in the process that makes the queries."""
    ours = os.urandom(40).hex()
    start(server, database(endpoint, 'token_cache = 0s; bearer_file = "' + secret(server, "bearer", ours) + '"'))
    net = network_process(server)
    for taken in (True, False):
        token = os.urandom(40).hex()
        if taken:
            endpoint.tokens[token] = of("anna")
        assert ask(server, token) == (OK if taken else NO)
        needles = memory.pieces("token", token.encode())
        memory.assert_gone(server.pid, needles)
        memory.assert_gone(net, {**needles, **memory.pieces("secret", ours.encode())})
