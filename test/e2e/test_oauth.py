# SPDX-License-Identifier: Apache-2.0
"""Tokens: OAUTHBEARER and XOAUTH2 with an issuer's keys, and what must not be accepted as a token."""
import base64
import json
import os
import shutil
import subprocess
import time

import pytest

import memory
from node import imapflow
from oauth import AUDIENCE, ISSUER, SCOPE, Issuer, authenticate, bearer, faults, mutt, xoauth2
from server import SANITIZED, wait_for
from test_service import make_pair

pytestmark = pytest.mark.skipif(shutil.which("jose") is None, reason="jose is not installed")

CONFIGURATION = ISSUER + "/.well-known/openid-configuration"


def database(issuer, more="", name="sso"):
    return f"""
        auth.databases = [store, {name}]
        timeouts.failed_login = 0
        limits.failed_logins = 1000
        database {name} {{
            type = oauth
            jwks = "{issuer.file}"
            issuer = "{ISSUER}"
            audience = [other.site.example, {AUDIENCE}]
            token_scope = {SCOPE}
            openid_configuration = "{CONFIGURATION}"
            {more}
        }}
    """


@pytest.fixture(name="issuer")
def fixture_issuer(server):
    return Issuer(server.dir).add("e1").add("r1", "RS256").publish()


@pytest.fixture(name="site")
def fixture_site(server, issuer):
    server.write(database(issuer))
    server.start()
    for user, *more in (["anna"], ["bo"], ["gateway", "--acts-for", "b*"]):
        server.add(user, "blue sea", *more)
        client = server.login(user)
        client.ok(f"CREATE of-{user}")
        client.close()
    return server


def never_clear(server, more=""):
    server.write(more)
    server.edit("plaintext_login = loopback", "plaintext_login = never")


def whoami(client):
    """Whose mail is it?  Each has a mailbox of their own name."""
    return client.ok('LIST "" of-*')[0].decode().rsplit("of-")[1].strip('"')


def test_tokens_that_are_good(site, issuer):
    client = site.client(tls=True)
    assert {"AUTH=OAUTHBEARER", "AUTH=XOAUTH2"} <= set(client.capabilities())
    for kid in ("e1", "r1"):
        line, _ = authenticate(client, bearer(issuer.token("anna", kid)))
        assert line.startswith("OK ")
        assert whoami(client) == "anna"
        client.close()
        client = site.client(tls=True)
    line, _ = authenticate(client, xoauth2(issuer.token("bo"), "bo"), "XOAUTH2")
    assert line.startswith("OK ") and whoami(client) == "bo"
    client.close()
    # Without an initial response, and one byte at a time; as the client writes the name.
    client = site.client(tls=True)
    client.send("o1 AUTHENTICATE oauthbearer\r\n")
    assert client.read_line() == b"+ "
    for c in bearer(issuer.token("anna"), "ANNA", "any.host.example", 993) + "\r\n":
        client.send(c)
    assert client.read_line().startswith(b"o1 OK ")
    client.close()
    wait_for(lambda: " mech=XOAUTH2 " in site.log() and " mech=OAUTHBEARER " in site.log())


def test_tokens_that_are_not(site, issuer):
    stranger = Issuer(site.dir).add("e1").add("r1", "RS256")
    now = int(time.time())
    public = json.dumps(issuer.public("r1")).encode()
    bad = {
        "expired": issuer.token("anna", exp=now - 120),
        "of no end": issuer.token("anna", exp=None),
        "not yet valid": issuer.token("anna", nbf=now + 600),
        "of tomorrow": issuer.token("anna", iat=now + 86400),
        "for another service": issuer.token("anna", aud="files.site.example"),
        "for none": issuer.token("anna", aud=None),
        "from another issuer": issuer.token("anna", iss=ISSUER + ".evil.example"),
        "for reading news only": issuer.token("anna", scope="openid news"),
        "of nobody": issuer.token("nobody"),
        "without a user": issuer.token("anna", sub=None),
        "signed by a stranger": stranger.token("anna", "e1"),
        "signed by a stranger with RSA": stranger.token("anna", "r1"),
        "of an unknown kid": issuer.token("anna", header={"kid": "e9"}),
        "alg none": issuer.none("anna"),
        "public key as secret": issuer.confused("anna", "r1", public),
        "public file as secret": issuer.confused("anna", "r1", open(issuer.file, "rb").read()),
        "cut off": issuer.token("anna")[:-4],
        "no JWT": "2YotnFZFEjr1zCsicMWpAA",
        "another kind": issuer.token("anna", header={"typ": "logout+jwt"}),
    }
    client = site.client(tls=True)
    for what, token in bad.items():
        for mech, message in (("OAUTHBEARER", bearer(token, "anna")), ("XOAUTH2", xoauth2(token, "anna"))):
            line, said = authenticate(client, message, mech)
            assert line.startswith("NO [AUTHENTICATIONFAILED]"), what
            assert said["status"] == ("invalid_token" if mech == "OAUTHBEARER" else "401")
            assert said["scope"] == SCOPE and said["openid-configuration"] == CONFIGURATION
    # The same connection then accepts a valid token.
    assert authenticate(client, bearer(issuer.token("anna")))[0].startswith("OK ")
    client.close()
    wait_for(lambda: site.log().count("login failed") >= 2 * len(bad))
    for why in ("it has expired", "it is for another audience", "it is from another issuer", "its scope is insufficient",
                "its signature is invalid", "its kid matches no known key", "its algorithm is not accepted",
                "the token's user is unknown here", "it names no user", "it is not a JWT"):
        assert f'why="{why}"' in site.log(), why


def test_what_comes_after_a_denial(site, issuer):
    """RFC 7628 section 3.2.3: ^A, an empty line as in XOAUTH2, a cancel, or anything else: NO."""
    client = site.client(tls=True)
    for answer in ("AQ==", "", "*", "not base64!"):
        line, said = authenticate(client, bearer(issuer.none("anna")), answer=answer)
        assert line.startswith("NO [AUTHENTICATIONFAILED]") and said["status"] == "invalid_token", answer
    # Asking for the required scope (section 4.3) is not a failure.
    wait_for(lambda: site.log().count("login failed") == 4)
    line, said = authenticate(client, bearer("").replace(bearer(""), "biwsAWF1dGg9AQE="))
    assert line.startswith("NO [AUTHENTICATIONFAILED]") and said["scope"] == SCOPE
    # Not a message of the mechanism at all.
    for message in ("=", "AQ==", "biwsAQ==", "bixhPWEB"):
        line, said = authenticate(client, message)
        assert line.startswith("BAD ") and said is None
    client.send("o1 AUTHENTICATE OAUTHBEARER\r\n")
    assert client.read_line() == b"+ "
    client.send("*\r\n")
    assert client.read_line().startswith(b"o1 BAD ")
    assert authenticate(client, bearer(issuer.token("anna")))[0].startswith("OK ")
    client.close()
    site.logged("msg=login ", "user=anna")
    assert site.log().count("login failed") == 4


def test_acting_for_others(site, issuer):
    """The client's name is the user to act for; that needs a grant if the token belongs to somebody else."""
    client = site.client(tls=True)
    for mech, message in (("OAUTHBEARER", bearer), ("XOAUTH2", xoauth2)):
        line, _ = authenticate(client, message(issuer.token("gateway"), "bo"), mech)
        assert line.startswith("OK ") and whoami(client) == "bo"
        client.ok("UNAUTHENTICATE")
        # The token is valid: no error result, and another code.
        line, said = authenticate(client, message(issuer.token("gateway"), "anna"), mech)
        assert line.startswith("NO [AUTHORIZATIONFAILED]") and said is None
        line, said = authenticate(client, message(issuer.token("anna"), "bo"), mech)
        assert line.startswith("NO [AUTHORIZATIONFAILED]")
        line, said = authenticate(client, message(issuer.token("bo"), "gateway"), mech)
        assert line.startswith("NO [AUTHORIZATIONFAILED]")
    site.cli("grant", "add", "gateway", "--for", "anna")
    assert authenticate(client, bearer(issuer.token("gateway"), "anna"))[0].startswith("OK ")
    assert whoami(client) == "anna"
    client.close()
    wait_for(lambda: "authcid=gateway" in site.log())


def test_only_where_it_is_safe_and_known(server, issuer):
    never_clear(server, database(issuer))
    server.start()
    server.add("anna", "blue sea")
    clear = server.client()
    assert not {"AUTH=OAUTHBEARER", "AUTH=XOAUTH2"} & set(clear.capabilities())
    clear.send(f"o1 AUTHENTICATE OAUTHBEARER {bearer(issuer.token('anna'))}\r\n")
    assert clear.read_line().startswith(b"o1 NO [PRIVACYREQUIRED]")
    clear.close()
    client = server.client(tls=True)
    assert "AUTH=OAUTHBEARER" in client.capabilities()
    client.close()
    # No database accepts tokens any more: gone with the reload.
    never_clear(server)
    server.cli("reload")
    client = server.client(tls=True)
    assert "AUTH=OAUTHBEARER" not in client.capabilities()
    client.send("o1 AUTHENTICATE OAUTHBEARER\r\n")
    assert client.read_line().startswith(b"o1 NO [CANNOT]")
    client.close()


def test_long_tokens(site, issuer):
    """Longer than limits.login_command, up to the mechanism's bound; beyond it a BAD, and the next command works."""
    client = site.client(tls=True)
    token = issuer.token("anna", groups=["g" * 100] * 80)
    assert 10000 < len(token) < 16384
    client.send(f"o1 AUTHENTICATE OAUTHBEARER {bearer(token)}\r\n")
    assert client.read_line().startswith(b"o1 OK ")
    client.close()
    client = site.client(tls=True)
    for size in (16385, 30000, 200000):
        line, said = authenticate(client, bearer("t" * size))
        assert line.startswith("BAD ") and said is None
        client.send("o2 AUTHENTICATE OAUTHBEARER\r\n")
        assert client.read_line() == b"+ "
        client.send(bearer("t" * size) + "\r\n")
        assert client.read_line().startswith(b"o2 BAD ")
    # Other commands get no more room.
    client.send("o3 AUTHENTICATE PLAIN " + "A" * 9000 + "\r\n")
    assert client.read_line().startswith(b"o3 BAD ")
    assert authenticate(client, bearer(token))[0].startswith("OK ")
    client.close()


def test_keys_change(site, issuer):
    client = site.client(tls=True)
    old = issuer.token("gateway", "e1")
    assert authenticate(client, bearer(old))[0].startswith("OK ")
    client.ok("UNAUTHENTICATE")
    # An invalid file: the keys read before stay.
    with open(issuer.file + ".new", "w", encoding="ascii") as f:
        f.write('{"keys": [')
    os.rename(issuer.file + ".new", issuer.file)
    wait_for(lambda: "what was read earlier stays in force" in site.log())
    assert authenticate(client, bearer(old))[0].startswith("OK ")
    client.ok("UNAUTHENTICATE")
    assert "jwks.json: not JSON" in site.cli("reload", ok=False).stdout + site.cli("reload", ok=False).stderr
    # The issuer withdraws the key: a token that was just valid no longer is.
    issuer.add("e2").publish("e2")
    wait_for(lambda: "jwks.json was read again: 1 keys" in site.log())
    line, _ = authenticate(client, bearer(old))
    assert line.startswith("NO [AUTHENTICATIONFAILED]")
    assert authenticate(client, bearer(issuer.token("gateway", "e2")))[0].startswith("OK ")
    client.ok("UNAUTHENTICATE")
    # And by a reload, at once.
    new = issuer.token("gateway", "e2")
    assert authenticate(client, bearer(new))[0].startswith("OK ")
    client.ok("UNAUTHENTICATE")
    issuer.add("e3").publish("e3")
    site.cli("reload")
    assert authenticate(client, bearer(new))[0].startswith("NO ")
    assert authenticate(client, bearer(issuer.token("gateway", "e3")))[0].startswith("OK ")
    client.close()


def test_a_user_who_is_disabled(site, issuer):
    """A remembered token is useless once its user is disabled."""
    client = site.client(tls=True)
    token = issuer.token("gateway")
    assert authenticate(client, bearer(token))[0].startswith("OK ")
    client.ok("UNAUTHENTICATE")
    assert authenticate(client, bearer(token, "bo"))[0].startswith("OK ")
    client.ok("UNAUTHENTICATE")
    site.cli("user", "disable", "gateway")
    line, said = authenticate(client, bearer(token))
    assert line.startswith("NO [AUTHENTICATIONFAILED]") and said["status"] == "invalid_token"
    site.cli("user", "enable", "gateway")
    site.cli("user", "disable", "bo")
    assert authenticate(client, bearer(token, "bo"))[0].startswith("NO [AUTHORIZATIONFAILED]")
    client.close()


def test_many_switches_with_one_token(site, issuer):
    """Ten thousand in one stream: the token is verified once, and looked up on the loop."""
    client = site.client(tls=True)
    token = issuer.token("gateway", "r1")
    assert authenticate(client, bearer(token))[0].startswith("OK ")
    client.ok("UNAUTHENTICATE")
    assert authenticate(client, bearer(token, "bo"))[0].startswith("OK ")
    turns, burst = 10000, 50
    for first in range(0, turns, burst):
        lines = "".join(f"u{i} UNAUTHENTICATE\r\na{i} AUTHENTICATE OAUTHBEARER {bearer(token, 'bo')}\r\n"
                        for i in range(first, first + burst))
        client.send(lines)
        for i in range(first, first + burst):
            assert client.read_line().startswith(f"u{i} OK ".encode())
            assert client.read_line().startswith(f"a{i} OK ".encode())
    assert whoami(client) == "bo"
    client.close()


def test_users_whom_only_the_issuer_knows(server, issuer):
    server.write(database(issuer, "token_users = any; user_claim = email"))
    server.start()
    client = server.client(tls=True)
    token = issuer.token("x", email="carla@site.example", email_verified=True)
    assert authenticate(client, bearer(token))[0].startswith("OK ")
    client.ok("CREATE mine")
    client.close()
    client = server.client(tls=True)
    for more in ({"email_verified": False}, {}):
        line, _ = authenticate(client, bearer(issuer.token("x", email="carla@site.example", **more)))
        assert line.startswith("NO [AUTHENTICATIONFAILED]")
    assert authenticate(client, bearer(token))[0].startswith("OK ")
    assert b"mine" in client.ok('LIST "" mine')[0]
    client.close()
    # A database knows the name now: its answer counts at once, remembered or not.
    server.add("carla@site.example", "x")
    server.cli("user", "disable", "carla@site.example")
    client = server.client(tls=True)
    assert authenticate(client, bearer(token))[0].startswith("NO [AUTHENTICATIONFAILED]")
    client.close()
    # A user whom no database knows has no password.
    client = server.client(tls=True)
    client.no('LOGIN dora x', "AUTHENTICATIONFAILED")
    client.close()


def test_hosts_and_ends(server, issuer):
    server.write(database(issuer, "token_hosts = imap.site.example; end_with_token = yes; leeway = 0s"))
    server.start()
    server.add("anna", "blue sea")
    client = server.client(tls=True)
    token = issuer.token("anna")
    line, _ = authenticate(client, bearer(token, host="imap.evil.example"))
    assert line.startswith("NO [AUTHENTICATIONFAILED]")
    assert authenticate(client, bearer(token, host="IMAP.site.example", port=993))[0].startswith("OK ")
    client.close()
    # Being remembered for one host does not make it valid for another.
    client = server.client(tls=True)
    assert authenticate(client, bearer(token, host="imap.evil.example"))[0].startswith("NO ")
    assert authenticate(client, bearer(issuer.token("anna", exp=int(time.time()) + 3)))[0].startswith("OK ")
    client.ok("SELECT INBOX")
    assert client.read_response().startswith(b"* BYE [EXPIRED] ")
    client.close()
    wait_for(lambda: 'how="token expired"' in server.log())


def test_proxyauth(server, issuer):
    """A token's owner known only to the issuer acts for others with PROXYAUTH; each of these logins ends with
    the token."""
    server.write(database(issuer, "token_users = any; user_claim = email; end_with_token = yes; leeway = 0s") +
                 'grant robot { who = "robot@site.example"; for = "*" }\n')
    server.start()
    for name in ("anna", "bo"):
        server.add(name, "blue sea")
    client = server.client(tls=True)
    token = issuer.token("x", email="robot@site.example", email_verified=True)
    assert authenticate(client, bearer(token))[0].startswith("OK ")
    for user in ("anna", "bo", "robot@site.example", "anna"):
        client.ok(f"PROXYAUTH {user}")
        client.ok("STATUS INBOX (MESSAGES)")
    client.no("PROXYAUTH nobody@site.example", "AUTHORIZATIONFAILED")
    client.close()
    client = server.client(tls=True)
    token = issuer.token("x", email="robot@site.example", email_verified=True, exp=int(time.time()) + 10)
    assert authenticate(client, bearer(token))[0].startswith("OK ")
    client.ok("PROXYAUTH anna")
    assert client.read_response().startswith(b"* BYE [EXPIRED] ")
    client.close()
    wait_for(lambda: 'user=anna authcid=robot@site.example' in server.log() and 'how="token expired"' in server.log())


def test_wrong_configurations(server, issuer):
    key = f'jwks = "{issuer.file}"; '
    assert "type = oauth needs exactly one of the options jwks and introspection" in faults(server, f'issuer = "{ISSUER}"')
    assert "jwks: jwks needs the option issuer" in faults(server, key + "audience = a")
    assert "jwks: jwks needs the option audience" in faults(server, key + f'issuer = "{ISSUER}"')
    good = key + f'issuer = "{ISSUER}"; audience = a; '
    assert "algorithms: none: there is no such algorithm; there are RS256" in faults(server, good + "algorithms = none")
    assert "a scope has only printable characters" in faults(server, good + 'token_scope = "a b"')
    assert "begins with https://" in faults(server, good + 'openid_configuration = "http://x"')
    assert "file: is not for type = oauth" in faults(server, good + f'file = "{issuer.file}"')
    server.write(f"auth.databases = [store, sso]\ndatabase sso {{ type = oauth; {good} }}\n")
    server.cli("config", "check")
    with open(issuer.file, "w", encoding="ascii") as f:
        json.dump({"keys": [issuer.keys["e1"]]}, f)
    assert "a private key: only the public part belongs here" in server.cli("serve", ok=False).stderr


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize("mech", ["OAUTHBEARER", "XOAUTH2"])
def test_curl(server, issuer, mech):
    def curl(token):
        return subprocess.run(
            ["curl", "--silent", "--show-error", "--insecure", "--user", "anna", "--oauth2-bearer", token,
             f"imaps://127.0.0.1:{server.port('IMAPS')}/", "-X", 'LIST "" INBOX'],
            capture_output=True, text=True, timeout=60, check=False)

    server.write(database(issuer) + f"mechanisms = {mech}\n")  # it chooses its favourite among those offered
    server.start()
    server.add("anna", "blue sea")
    done = curl(issuer.token("anna"))
    assert done.returncode == 0 and "INBOX" in done.stdout, done
    assert curl(issuer.token("anna", aud="other")).returncode != 0
    wait_for(lambda: f" mech={mech} " in server.log())


@pytest.mark.parametrize("mech", ["OAUTHBEARER", "XOAUTH2"])
def test_imapflow(server, issuer, mech):
    home = imapflow()
    certs = os.path.join(server.dir, "certs")
    os.mkdir(certs)
    make_pair(certs, "localhost")
    server.write(database(issuer) + f"tls {{ certificate = {certs}/cert.pem; key = {certs}/key.pem }}\n"
                 f"mechanisms = {mech}\n")
    server.start()
    for user, *more in (["anna"], ["gateway", "--acts-for", "*"]):
        server.add(user, "blue sea", *more)

    def flow(user, token):
        done = subprocess.run(["node", "token.js", "localhost", str(server.port("IMAPS")), f"{certs}/cert.pem", user, token],
                              cwd=home, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done
        return json.loads(done.stdout.strip().splitlines()[-1])

    assert "INBOX" in flow("anna", issuer.token("anna"))["list"]
    assert "INBOX" in flow("anna", issuer.token("gateway"))["list"]  # acts for anna
    got = flow("anna", issuer.token("anna", exp=1))
    assert got["failed"] and got["code"] == "AUTHENTICATIONFAILED" and got["told"]["scope"] == SCOPE, got
    got = flow("gateway", issuer.token("anna"))
    assert got["failed"] and got["code"] == "AUTHORIZATIONFAILED", got
    wait_for(lambda: server.log().count(f" mech={mech} ") >= 2)


@pytest.mark.skipif(shutil.which("mutt") is None or shutil.which("script") is None, reason="mutt or script is not installed")
@pytest.mark.parametrize("mech", ["oauthbearer", "xoauth2"])
def test_mutt(site, issuer, tmp_path, mech):
    (tmp_path / "token").write_text(issuer.token("anna"))
    done = mutt(site, str(tmp_path), "anna", f'set imap_authenticators="{mech}"',
                f'set imap_oauth_refresh_command="cat {tmp_path}/token"')
    wait_for(lambda: f" mech={mech.upper()} " in site.log() and "selected=1" in site.log(), 10)
    assert done.returncode == 0, done


@pytest.mark.skipif(os.geteuid() != 0, reason="reading another process' memory needs root")
@pytest.mark.skipif(SANITIZED, reason="the sanitizers keep freed memory as it was")
@pytest.mark.parametrize("kid", ["e1", "r1"])
def test_tokens_are_wiped(site, issuer, kid):
    """Neither accepted nor refused tokens stay in memory, nor their contents."""
    def needles(token, message):
        claims, signature = token.split(".")[1:]
        nonce = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["nonce"]
        # The nonce is the last claim, what is before it stands in the configuration, too.  OpenSSL leaves a
        # signature of ECDSA, in its own form, in freed memory; without the rest it is of use to nobody.
        return {**memory.pieces("claims", claims[-56:].encode()), **memory.pieces("signature", signature.encode()),
                **memory.pieces("message", message.encode()[60:]), **memory.pieces("decoded claims", nonce.encode())}

    client = site.client(tls=True)
    for good in (True, False, True):
        token = issuer.token("gateway", kid, nonce=os.urandom(24).hex(), **({} if good else {"aud": "files.site.example"}))
        for mech, message in (("OAUTHBEARER", bearer(token)), ("XOAUTH2", xoauth2(token, "gateway"))):
            line, _ = authenticate(client, message, mech)
            assert line.startswith("OK " if good else "NO ")
            memory.assert_gone(site.pid, needles(token, message))
            if good:
                client.ok("UNAUTHENTICATE")
    # One byte at a time, without an initial response; cut off halfway.
    token = issuer.token("gateway", kid, nonce=os.urandom(24).hex())
    client.send("o1 AUTHENTICATE OAUTHBEARER\r\n")
    assert client.read_line() == b"+ "
    message = bearer(token)
    for i in range(0, len(message), 7):
        client.send(message[i:i + 7])
    client.send("\r\n")
    assert client.read_line().startswith(b"o1 OK ")
    memory.assert_gone(site.pid, needles(token, message))
    client.ok("UNAUTHENTICATE")
    client.send(f"o2 AUTHENTICATE OAUTHBEARER {message[:-20]}")
    client.close()
    memory.assert_gone(site.pid, needles(token, message))
