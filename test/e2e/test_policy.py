# SPDX-License-Identifier: Apache-2.0
"""Who may switch users, and what a switch permits: for each way to prove an identity, over real sockets."""
import shutil

import pytest

import memory
from imap import plain
from oauth import Issuer, authenticate as by_issuer, bearer, xoauth2
from server import wait_for
from test_certificates import Certs, external
from test_oauth import database
from test_sasl import Scram, authenticate

pytestmark = pytest.mark.skipif(shutil.which("jose") is None, reason="jose is not installed")
PASSWORD = "blue sea"


def tagged(line):
    return line.split(b" ", 1)[1].decode()


WAYS = {
    "LOGIN-command": None,  # it has no authorization identity
    "PLAIN": lambda site, c, who, whom: tagged(c.run(f"AUTHENTICATE PLAIN {plain(whom, who, PASSWORD)}")[-1]),
    "SCRAM-SHA-256": lambda site, c, who, whom: tagged(authenticate(c, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", who, PASSWORD, whom))),
    "OAUTHBEARER": lambda site, c, who, whom: by_issuer(c, bearer(site.issuer.token(who), whom))[0],
    "XOAUTH2": lambda site, c, who, whom: by_issuer(c, xoauth2(site.issuer.token(who), whom or who), "XOAUTH2")[0],
    "EXTERNAL": lambda site, c, who, whom: tagged(c.run(external(whom))[-1]),
}


class Policy(Certs):
    """A grant lets the gateway act for anna, in one mailbox; bo is an ordinary user."""

    def begin(self, unauthenticate):
        self.issuer = Issuer(self.dir).add("e1").publish()
        self.ca.issue("bo")
        self.set(more=database(self.issuer).replace("timeouts.failed_login = 0", "")
                 .replace("limits.failed_logins = 1000", ""),
                 map='certificate_map gw { subject = "CN=gateway"; user = gateway }\n'
                     'certificate_map bo { subject = "CN=bo"; user = bo }\n')
        self.edit("unauthenticate = everyone", f"unauthenticate = {unauthenticate}")
        self.start()
        for name in ("anna", "bo", "gateway"):
            self.add(name, PASSWORD)
        self.cli("grant", "add", "gateway", "--for", "anna", "--mailboxes", "Voicemail", "--rights", "lrswit")
        for name in ("anna", "bo"):
            client = self.visit(cert=None)
            client.ok(f'LOGIN {name} "{PASSWORD}"')
            client.ok("CREATE Voicemail")
            client.append("Voicemail", f"Subject: for {name}\r\n\r\nText.\r\n")
            client.append("INBOX", f"Subject: private, {name}\r\n\r\nText.\r\n")
            client.close()
        return self

    def enter(self, client, way, who, whom=""):
        if way == "LOGIN-command":
            assert not whom
            return tagged(client.run(f'LOGIN {who} "{PASSWORD}"')[-1])
        return WAYS[way](self, client, who, whom)


@pytest.fixture(name="site")
def fixture_site():
    s = Policy()
    yield s
    s.remove()


def names(client):
    return {line.rsplit(b" ", 1)[1].decode() for line in client.ok('LIST "" *')[:-1]}


each_way = pytest.mark.parametrize("way", sorted(WAYS))


@each_way
def test_admins_by_each_mechanism(site, way):
    """`admins`: shown to an identity that may act for others, as itself and for others, and to nobody else; it hangs
    on who authenticated, not on how."""
    site.begin("admins")
    client = site.visit(cert="gateway")
    before = client.capabilities()
    assert "UNAUTHENTICATE" not in before
    client.bad("UNAUTHENTICATE")
    for whom in ("", "anna") if WAYS[way] else ("",):
        assert site.enter(client, way, "gateway", whom).startswith("OK ")
        assert "UNAUTHENTICATE" in client.capabilities()
        client.bad("UNAUTHENTICATE now")
        assert names(client) == ({"Voicemail"} if whom else {"INBOX"})
        said = client.ok("UNAUTHENTICATE")[-1].decode()
        assert said.split("[CAPABILITY ", 1)[1].split("]")[0].split() == before == client.capabilities()
        client.bad("SELECT INBOX")
    client.close()
    client = site.visit(cert="bo")
    assert site.enter(client, way, "bo").startswith("OK ")
    assert "UNAUTHENTICATE" not in client.capabilities()
    client.bad("UNAUTHENTICATE")
    assert names(client) == {"INBOX", "Voicemail"}
    client.close()


@each_way
def test_off(site, way):
    site.begin("off")
    client = site.visit(cert="gateway")
    assert site.enter(client, way, "gateway", "anna" if WAYS[way] else "").startswith("OK ")
    assert "UNAUTHENTICATE" not in client.capabilities()
    client.bad("UNAUTHENTICATE")
    client.ok("NOOP")
    client.close()


@each_way
def test_everyone(site, way):
    site.begin("everyone")
    client = site.visit(cert="bo")
    for _ in range(3):
        assert site.enter(client, way, "bo").startswith("OK ")
        client.ok("UNAUTHENTICATE")
    client.close()


@pytest.mark.parametrize("way", sorted(set(WAYS) - {"LOGIN-command"}))
def test_bounds_go_with_the_login(site, way):
    """A voicemail gateway sees one mailbox; the next user on the connection sees all their own."""
    site.begin("everyone")
    client = site.visit(cert="gateway")
    for _ in range(2):
        assert site.enter(client, way, "gateway", "anna").startswith("OK ")
        assert names(client) == {"Voicemail"}
        client.no("SELECT INBOX", "NONEXISTENT")
        client.no("STATUS INBOX (MESSAGES)", "NONEXISTENT")
        client.no("CREATE Other", "NOPERM")
        client.no("DELETE Voicemail", "NOPERM")
        client.no("RENAME Voicemail Other", "NOPERM")
        client.no("SUBSCRIBE INBOX", "NONEXISTENT")
        client.no("APPEND INBOX {1+}\r\nx", "NONEXISTENT")
        client.ok("SELECT Voicemail")
        client.no("COPY 1 INBOX", "NONEXISTENT")
        client.no("EXPUNGE", "NOPERM")
        assert b"for anna" in b"".join(client.ok("FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]"))
        client.ok("UNAUTHENTICATE")
        client.ok(f'LOGIN bo "{PASSWORD}"')
        assert names(client) == {"INBOX", "Voicemail"}
        client.ok("SELECT INBOX")
        assert b"private, bo" in b"".join(client.ok("FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]"))
        client.ok("UNAUTHENTICATE")
        assert site.enter(client, way, "gateway", "bo").startswith("NO [AUTHORIZATIONFAILED]")
    client.close()
    # Its beginning and end are in the log, with the grant.
    line = site.logged("msg=logout", "user=anna", "authcid=gateway", "grant=gateway-1", f"mech={way}")
    assert "how=UNAUTHENTICATE" in line
    line = site.logged("msg=login ", "user=anna", "grant=gateway-1", "tls=TLSv1.3", "cipher=TLS_", "certificate=sha256:")
    site.logged("msg=login ", "user=bo", "authcid=bo", 'grant=""', "switch=1")
    site.logged('msg="login failed"', " authcid=gateway", "claimed_authzid=bo", f"mech={way}")


@pytest.mark.parametrize("way", ["OAUTHBEARER", "XOAUTH2"])
def test_tokens_are_wiped(site, way):
    """Neither the token nor its message remains, of valid tokens and of a forged one."""
    site.begin("everyone")
    client = site.visit(cert=None)
    for tamper in (False, True, False):
        token = site.issuer.token("bo", nonce="n" * 40)
        secret = token.rsplit(".", 1)[1]  # the signature: the rest is not secret by itself
        if tamper:
            secret = secret[:8] + secret[8:16].swapcase() + secret[16:]
            token = token.rsplit(".", 1)[0] + "." + secret
        message = bearer(token) if way == "OAUTHBEARER" else xoauth2(token, "bo")
        line, _ = by_issuer(client, message, way)
        assert line.startswith("NO" if tamper else "OK"), line
        if not tamper:
            client.ok("UNAUTHENTICATE")
        memory.assert_gone(site.pid,
                           {**memory.pieces("signature", secret.encode()), **memory.pieces("message", message[-96:].encode())})
    client.close()
    wait_for(lambda: site.log().count('msg="login failed"') == 1)
