# SPDX-License-Identifier: Apache-2.0
"""Certificates: of clients (EXTERNAL, PREAUTH, revoked or expired meanwhile), of the server (names, OCSP),
resumed sessions.  With TLS 1.2 and 1.3."""
import base64
import os
import shutil
import ssl
import subprocess
import time

import pytest

from ca import Authority
from imap import Imap
from peer import Peer
from server import Site, give

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
PASSWORD = "blue sea"

CONF = """\
unauthenticate = everyone
timeouts.failed_login = 0
limits.failed_switches = 1000
tls {{ certificate = ca/server.pem; key = ca/server.key; client_ca = ca/ca.pem; {crl} {tls} }}
listener imaps_request {{ address = 127.0.0.1; port = 0; tls = imaps; client_certificate = request }}
listener imaps_other {{ address = 127.0.0.1; port = 0; tls = imaps; client_certificate = request }}
listener imaps_require {{ address = 127.0.0.1; port = 0; tls = imaps; client_certificate = require }}
listener imap_request {{ address = 127.0.0.1; port = 0; tls = starttls; client_certificate = request }}
listener lmtp_require {{ protocol = lmtp; address = 127.0.0.1; port = 0; tls = imaps; client_certificate = require }}
listener imaps_preauth {{ address = 127.0.0.1; port = 0; tls = imaps; client_certificate = request
  preauth = certificate }}
{map}
{more}
"""
MAP = 'certificate_map gw { subject = "CN=gateway"; user = gateway }\n'


class Visitor:
    """One of the site's listeners, and the certificate shown to it."""

    def __init__(self, site, listener, cert=None, version=None, starttls=False, host=None):
        self.site, self.listener, self.starttls = site, listener, starttls
        self.session, self.host = None, host
        if isinstance(cert, str):
            cert = site.ca.path(cert + ".pem"), site.ca.path(cert + ".key")
        self.tls = ssl.create_default_context(cafile=site.ca.ca)
        self.tls.check_hostname = False
        if cert:
            self.tls.load_cert_chain(*cert)
        if version:
            self.tls.minimum_version = self.tls.maximum_version = VERSIONS[version]

    def client(self, kind=Imap):
        port, name = self.site.port(self.listener), {"host": self.host, "session": self.session}
        if not self.starttls:
            return kind(port, self.tls, **name)
        client = kind(port)
        client.starttls(self.tls, **name)
        return client


class Certs(Site):
    """A server with a CA of its own beside its configuration."""

    def __init__(self):
        super().__init__()
        self.ca = Authority(os.path.join(self.dir, "ca"))
        self.ca.issue("server", "/CN=localhost", "DNS:localhost,IP:127.0.0.1", "serverAuth")
        self.ca.issue("gateway")
        self.options = {"crl": "", "tls": "", "map": MAP, "more": ""}
        self.seen = 0

    def set(self, **options):
        self.options.update(options)
        self.write(CONF.format(**self.options))
        give(self.dir)

    def begin(self, **options):
        self.set(**options)
        self.start()
        for name in ("anna", "bo"):
            self.add(name, PASSWORD)
        self.add("gateway", PASSWORD, "--acts-for", "*")

    def reload(self, **options):
        self.set(**options)
        super().reload()

    def visit(self, listener="IMAPS_REQUEST", cert="gateway", version=None, starttls=False):
        return Visitor(self, listener, cert, version, starttls).client()

    def new_log(self):
        """What was logged since the last call; lines are written in batches."""
        text = self.log()
        new, self.seen = text[self.seen:], len(text)
        return new


@pytest.fixture(name="certs")
def fixture_certs():
    c = Certs()
    yield c
    c.remove()


def external(authzid=""):
    return "AUTHENTICATE EXTERNAL " + (base64.b64encode(authzid.encode()).decode() if authzid else "=")


def shown(client):
    """Whether EXTERNAL is advertised."""
    return "AUTH=EXTERNAL" in client.capabilities()


@pytest.fixture(name="version", params=sorted(VERSIONS))
def fixture_version(request):
    return request.param


# ---- EXTERNAL


@pytest.mark.parametrize("starttls", [False, True])
def test_external(certs, version, starttls):
    certs.begin()
    c = certs.visit("IMAP_REQUEST" if starttls else "IMAPS_REQUEST", version=version, starttls=starttls)
    assert c.sock.version() == "TLSv" + version
    assert shown(c)
    ok = c.ok(external())[-1]
    assert b"UNAUTHENTICATE" in ok
    certs.logged("msg=login", "user=gateway", "mech=EXTERNAL", "tls=TLSv1")
    c.ok("CREATE mine")
    c.ok("UNAUTHENTICATE")
    assert shown(c) and "STARTTLS" not in c.capabilities()
    # No initial response: an empty challenge, an empty answer.
    c.send("e1 AUTHENTICATE EXTERNAL\r\n")
    assert c.read_line() == b"+ "
    c.send("\r\n")
    assert c.until("e1")[-1].startswith(b"e1 OK")
    assert any(b"mine" in r for r in c.ok('LIST "" *'))
    c.ok("UNAUTHENTICATE")
    c.ok(external("bo"))
    certs.logged("msg=login", "user=bo", "authcid=gateway", "mech=EXTERNAL")
    assert not any(b"mine" in r for r in c.ok('LIST "" *'))
    c.ok("UNAUTHENTICATE")
    c.send("e2 AUTHENTICATE EXTERNAL\r\n")
    assert c.read_line() == b"+ "
    c.send(base64.b64encode(b"anna") + b"\r\n")
    assert c.until("e2")[-1].startswith(b"e2 OK")
    c.ok("UNAUTHENTICATE")
    c.no(external("nobody-here"), "AUTHORIZATIONFAILED")
    for wrong in (b"bo\0", b"\xff", b"b" * 600):
        c.bad("AUTHENTICATE EXTERNAL " + base64.b64encode(wrong).decode())
    c.send("e3 AUTHENTICATE EXTERNAL\r\n")
    c.read_line()
    c.send("*\r\n")
    assert c.until("e3")[-1].startswith(b"e3 BAD")
    c.ok(external())  # and none of that mattered
    c.close()


def test_ten_thousand_users_on_one_connection(certs, version):
    certs.begin()
    c = certs.visit(version=version)
    users = ["anna", "bo", "gateway"]
    turns, window = 10000, 500
    for begin in range(0, turns, window):
        c.send("".join(f"a{i} {external(users[i % 3])}\r\ns{i} SELECT INBOX\r\nu{i} UNAUTHENTICATE\r\n"
                       for i in range(begin, begin + window)))
        for i in range(begin, begin + window):
            for tag in "asu":
                assert c.until(f"{tag}{i}")[-1].startswith(f"{tag}{i} OK".encode())
    assert c.sock.version() == "TLSv" + version
    c.close()
    certs.logged(f"a{turns - 1}", "msg=login", "mech=EXTERNAL")


# ---- who is not let in


def refused(certs, cert, why, version=None):
    since = len(certs.log())
    c = certs.visit(cert=cert, version=version)
    assert c.greeting.startswith(b"* OK") and b"AUTH=EXTERNAL" not in c.greeting
    line = certs.logged('msg="certificate not accepted"', why, since=since)
    assert "subject=" in line and "issuer=" in line and "certificate=sha256:" in line, line
    assert not shown(c)
    c.no(external(), "AUTHENTICATIONFAILED")
    line = certs.logged('msg="login failed"', "mech=EXTERNAL", why, since=since)
    assert "subject=" in line and "issuer=" in line, line
    c.ok(f'LOGIN anna "{PASSWORD}"')  # another way is open
    c.close()
    p = certs.visit("IMAPS_PREAUTH", cert=cert, version=version)
    assert p.greeting.startswith(b"* OK"), p.greeting
    p.close()


def test_who_is_not_believed(certs, version):
    other = Authority(os.path.join(certs.dir, "other"), "Other CA")
    unknown = other.issue("gateway")
    now = time.time()
    certs.ca.issue("old", "/CN=gateway", start=now - 7200, end=now - 3600)
    certs.ca.issue("young", "/CN=gateway", start=now + 3600)
    certs.ca.issue("gone", "/CN=gateway")
    certs.ca.issue("webserver", "/CN=gateway", usage="serverAuth")
    certs.ca.issue("stranger", "/CN=stranger")
    certs.ca.revoke("gone")
    certs.ca.crl()
    certs.begin(crl="client_crl = ca/crl.pem;")
    refused(certs, unknown, "unable to get local issuer certificate", version)
    refused(certs, "old", "certificate has expired", version)
    refused(certs, "young", "certificate is not yet valid", version)
    refused(certs, "gone", "certificate revoked", version)
    refused(certs, "webserver", "purpose", version)
    refused(certs, "stranger", "no rule of certificate_map fits", version)
    none = certs.visit(cert=None, version=version)
    assert not shown(none)
    none.no(external(), "CANNOT")
    none.close()


def handshake(visitor):
    """Waits for the server's verdict: with TLS 1.3 the client's handshake ends before it."""
    with visitor.client(Peer) as peer:
        return peer.read_line()


def test_required(certs, version):
    certs.ca.issue("gone", "/CN=gateway")
    certs.ca.revoke("gone")
    certs.ca.crl()
    certs.begin(crl="client_crl = ca/crl.pem;")
    assert handshake(Visitor(certs, "IMAPS_REQUIRE", "gateway", version)).startswith(b"* OK")
    for cert, alert, why in (("gone", "certificate revoked", "the client's certificate is not believed: certificate revoked "
                              "(subject 'CN=gateway', issuer 'CN=Test CA', sha256:"),
                             (None, "handshake failure" if version == "1.2" else "certificate required",
                              "the client showed no certificate")):
        certs.new_log()
        with pytest.raises(ssl.SSLError) as failed:
            handshake(Visitor(certs, "IMAPS_REQUIRE", cert, version))
        assert alert.replace(" ", "_") in str(failed.value).lower().replace(" ", "_"), failed.value
        certs.logged("TLS refused: " + why)
        certs.logged("how=\"TLS failed\"")
        lines = [line for line in certs.new_log().splitlines() if "level=warning" in line]
        assert len(lines) == 1 and "conn=" in lines[0], lines


def test_mail_servers_with_a_certificate(certs, version):
    certs.begin()
    assert handshake(Visitor(certs, "LMTP_REQUIRE", "gateway", version)).startswith(b"220")
    with pytest.raises(ssl.SSLError):
        handshake(Visitor(certs, "LMTP_REQUIRE", None, version))
    certs.logged("TLS refused: the client showed no certificate")


def test_a_chain(certs, version):
    """An intermediate CA, which the client sends; a ticket remembers it."""
    certs.ca.issue("middle", "/CN=Middle", sub=True)
    middle = Authority(os.path.join(certs.dir, "middle"), "Middle")
    shutil.copy(certs.ca.path("middle.pem"), middle.ca)
    shutil.copy(certs.ca.path("middle.key"), middle.path("ca.key"))
    cert, key = middle.issue("gateway")
    alone = middle.path("alone.pem")
    shutil.copy(cert, alone)
    with open(cert, "a", encoding="ascii") as out, open(middle.ca, encoding="ascii") as ca:
        out.write(ca.read())
    certs.begin()
    refused(certs, (alone, key), "unable to get local issuer certificate", version)
    visitor = Visitor(certs, "IMAPS_REQUEST", (cert, key), version)
    c = visitor.client()
    c.ok(external())
    visitor.session = c.sock.session
    c.close()
    for _ in range(3):  # each time with the ticket of the last
        c = visitor.client()
        assert c.sock.session_reused
        c.ok(external())
        visitor.session = c.sock.session
        c.close()


# ---- in the middle of a connection, and of a session


def resumed(certs, cert, version, listener="IMAPS_REQUEST"):
    """A visitor with the session of an earlier client."""
    visitor = Visitor(certs, listener, cert, version)
    c = visitor.client()
    c.ok(external())
    visitor.session = c.sock.session
    assert visitor.session is not None
    c.close()
    return visitor


def test_expires_in_the_middle(certs):
    end = int(time.time()) + 20
    certs.ca.issue("short", "/CN=gateway", end=end)
    certs.begin()
    live, visitors = [], []
    for version in VERSIONS:  # both wait for the same end
        c = certs.visit(cert="short", version=version)
        c.ok(external())
        visitor = resumed(certs, "short", version)
        again = visitor.client()
        assert again.sock.session_reused
        again.ok(external("bo"))
        live += [c, again]
        visitors.append(visitor)
    for c in live:
        c.ok("UNAUTHENTICATE")
    assert time.time() < end, "this machine was too slow to try it before the end"
    while time.time() < end + 1:
        time.sleep(0.1)
    for visitor in visitors:
        live.append(visitor.client())
        assert live[-1].sock.session_reused
    for c in live:
        assert not shown(c)
        c.no(external(), "AUTHENTICATIONFAILED")
        c.ok(f'LOGIN anna "{PASSWORD}"')
        c.close()
    certs.logged('msg="login failed"', "certificate has expired")
    # Nobody is let in by it at once, either.
    assert certs.visit("IMAPS_PREAUTH", "short").greeting.startswith(b"* OK")


def test_proxyauth(certs, version):
    """The certificate remains in force with PROXYAUTH, and is judged again each time."""
    certs.ca.crl()
    certs.begin(crl="client_crl = ca/crl.pem;")
    c = certs.visit(version=version)
    c.ok(external())
    p = certs.visit("IMAPS_PREAUTH", version=version)
    assert p.greeting.startswith(b"* PREAUTH")
    password = certs.visit(version=version)
    password.ok(f'LOGIN gateway "{PASSWORD}"')
    for one, mech in ((c, "mech=EXTERNAL"), (p, "mech=PREAUTH")):
        for user in ("anna", "bo", "gateway", "anna"):
            one.ok(f"PROXYAUTH {user}")
            one.ok("STATUS INBOX (MESSAGES)")
        certs.logged("msg=login", "user=bo", "authcid=gateway", "command=PROXYAUTH", mech, "certificate_user=gateway")
    certs.ca.revoke("gateway")
    certs.ca.crl()
    certs.reload()
    for one in (c, p):
        one.no("PROXYAUTH bo", "AUTHORIZATIONFAILED")
        one.ok("STATUS INBOX (MESSAGES)")  # as anna, as before
    certs.logged('msg="login failed"', "command=PROXYAUTH", "revoked")
    # Logins by other means do not depend on it.
    password.ok("PROXYAUTH bo")


@pytest.mark.parametrize("how", ["revoked", "unmapped", "another user"])
def test_no_longer_theirs_in_the_middle(certs, version, how):
    certs.ca.issue("other", "/CN=other")
    certs.ca.crl()
    certs.begin(crl="client_crl = ca/crl.pem;", map=MAP + 'certificate_map o { subject = "CN=other"; user = anna }\n')
    live = certs.visit(version=version)
    live.ok(external())
    live.ok("UNAUTHENTICATE")
    asked = certs.visit(version=version)
    asked.send("x AUTHENTICATE EXTERNAL\r\n")
    assert asked.read_line() == b"+ "
    visitor = resumed(certs, "gateway", version)
    preauth = Visitor(certs, "IMAPS_PREAUTH", "gateway", version)
    c = preauth.client()
    assert c.greeting.startswith(b"* PREAUTH")
    c.ok("NOOP")
    preauth.session = c.sock.session
    c.close()
    again = visitor.client()
    assert again.sock.session_reused
    again.ok(external())
    again.ok("UNAUTHENTICATE")
    logged_in = certs.visit(version=version)
    logged_in.ok(external())
    if how == "revoked":
        certs.ca.revoke("gateway")
        certs.ca.crl()
        certs.reload()
        why = "certificate revoked"
    elif how == "unmapped":
        certs.reload(map='certificate_map o { subject = "CN=other"; user = anna }\n')
        why = "no rule of certificate_map fits"
    else:
        certs.reload(map='certificate_map gw { subject = "CN=gateway"; user = bo }\n')
        why = None
    asked.send("\r\n")
    assert asked.until("x")[-1].startswith(b"x NO [AUTHENTICATIONFAILED]")
    logged_in.ok("NOOP")  # a login keeps what it was given
    logged_in.ok("UNAUTHENTICATE")
    late = visitor.client()
    assert late.sock.session_reused
    greeting = preauth.client()
    assert greeting.sock.session_reused
    for c in (live, again, logged_in, late):
        since = len(certs.log())
        if why is None:
            c.ok(external())
            certs.logged("msg=login", "user=bo", "mech=EXTERNAL", since=since)
            c.ok("UNAUTHENTICATE")
            c.no(external("anna"), "AUTHORIZATIONFAILED")  # bo acts for nobody
        else:
            assert not shown(c)
            c.no(external(), "AUTHENTICATIONFAILED")
            certs.logged('msg="login failed"', why, since=since)
    assert greeting.greeting.startswith(b"* PREAUTH" if why is None else b"* OK"), greeting.greeting
    if why is None:
        certs.logged("msg=login", "user=bo", "mech=PREAUTH")
    # Others go on.
    c = certs.visit(cert="other", version=version)
    if how != "another user":
        c.ok(external())
    # And back again.
    certs.reload(map=MAP)
    if how != "revoked":
        live.ok(external("bo"))


def test_a_revoked_session_is_not_resumed_where_one_is_required(certs, version):
    certs.ca.crl()
    certs.begin(crl="client_crl = ca/crl.pem;")
    visitor = resumed(certs, "gateway", version, "IMAPS_REQUIRE")
    c = visitor.client()
    assert c.sock.session_reused
    c.close()
    certs.ca.revoke("gateway")
    certs.ca.crl()
    certs.reload()
    with pytest.raises(ssl.SSLError):
        handshake(visitor)
    certs.logged("TLS refused: the client's certificate is not believed: certificate revoked")


# ---- sessions


def test_sessions_go_on_over_a_reload_and_not_at_another_listener(certs, version):
    certs.begin()
    visitor = resumed(certs, "gateway", version)
    certs.reload()
    c = visitor.client()
    assert c.sock.session_reused
    c.close()
    other = Visitor(certs, "IMAPS_OTHER", "gateway", version)
    other.tls, other.session = visitor.tls, visitor.session
    c = other.client()
    assert not c.sock.session_reused
    c.close()


def test_no_sessions(certs, version):
    certs.begin(tls="ticket_time = 0;")
    visitor = Visitor(certs, "IMAPS_REQUEST", "gateway", version)
    c = visitor.client()
    c.ok(external())
    session = c.sock.session
    c.close()
    assert session is None or not session.has_ticket
    visitor.session = session
    assert not visitor.client().sock.session_reused


# ---- PREAUTH (RFC 9051 section 7.1.4)


def test_preauth(certs, version):
    certs.begin()
    c = certs.visit("IMAPS_PREAUTH", version=version)
    assert c.greeting.startswith(b"* PREAUTH [CAPABILITY IMAP4rev1 ") and b" UNAUTHENTICATE" in c.greeting
    assert b"AUTH=" not in c.greeting and b"STARTTLS" not in c.greeting
    certs.logged("msg=login", "user=gateway", "mech=PREAUTH", "tls=TLSv1")
    c.bad("STARTTLS")
    c.bad(external())
    c.ok("SELECT INBOX")
    assert b"AUTH=EXTERNAL" in c.ok("UNAUTHENTICATE")[-1]
    c.bad("SELECT INBOX")
    for user in ("anna", "bo", "gateway"):
        c.ok(external(user))
        c.ok("SELECT INBOX")
        c.ok("UNAUTHENTICATE")
    c.ok(f'LOGIN anna "{PASSWORD}"')
    c.close()


def test_preauth_of_nobody(certs, version):
    certs.begin(map='certificate_map gw { subject = "CN=gateway"; user = nobody-here }\n')
    c = certs.visit("IMAPS_PREAUTH", version=version)
    assert c.greeting.startswith(b"* OK [CAPABILITY")
    certs.logged('msg="login failed"', "mech=PREAUTH", "claimed_authcid=nobody-here")
    c.ok(f'LOGIN anna "{PASSWORD}"')
    c.close()
    certs.reload(map=MAP)
    certs.cli("user", "disable", "gateway")
    c = certs.visit("IMAPS_PREAUTH", version=version)
    assert c.greeting.startswith(b"* OK [CAPABILITY")
    c.close()
    certs.cli("user", "enable", "gateway")
    assert certs.visit("IMAPS_PREAUTH", cert=None).greeting.startswith(b"* OK [CAPABILITY")


def test_preauth_input_that_came_early(certs):
    """Pipelined after the handshake: it waits for the greeting."""
    certs.begin()
    with Visitor(certs, "IMAPS_PREAUTH", "gateway", "1.3").client(Peer) as peer:
        got = peer.say("a SELECT INBOX\r\nb UNAUTHENTICATE\r\nc LOGOUT\r\n", "c OK")
    order = [line[:4] for line in got if line[:4] in (b"a OK", b"b OK", b"c OK")]
    assert got[0].startswith(b"* PREAUTH") and order == [b"a OK", b"b OK", b"c OK"], got


# ---- the map


def test_the_map(certs):
    print_of = certs.ca.run("x509", "-in", certs.ca.path("gateway.pem"), "-noout", "-fingerprint", "-sha256")
    certs.ca.issue("mail", "/CN=somebody/O=Example", "email:bo@voice.example")
    certs.ca.issue("uri", "/CN=somebody", "URI:spiffe://voice.example/gw/one")
    certs.ca.issue("anna", "/CN=Anna/O=Example")
    subject = certs.ca.run("x509", "-in", certs.ca.path("anna.pem"), "-noout", "-subject", "-nameopt", "RFC2253")
    certs.begin(map=f"""\
certificate_map a {{ fingerprint = "sha256:{print_of.strip().split("=")[1]}"; user = gateway }}
certificate_map b {{ san_email = "*@voice.example"; user_from = san_email }}
certificate_map c {{ san_uri = "spiffe://voice.example/gw/*"; user = bo }}
certificate_map d {{ subject = "{subject.strip().split("=", 1)[1]}"; issuer = "CN=Test CA"; user_from = cn }}
""")
    certs.add("bo@voice.example", PASSWORD)
    for cert, user in (("gateway", "gateway"), ("mail", "bo@voice.example"), ("uri", "bo"), ("anna", "anna")):
        c = certs.visit(cert=cert)
        c.ok(external())
        certs.logged("msg=login", f"user={user} ", "mech=EXTERNAL")
        c.close()


# ---- certificates of the server


def served(certs, host, listener="IMAPS_REQUEST"):
    with Visitor(certs, listener, host=host).client(Peer) as peer:
        return dict(pair for part in peer.sock.getpeercert()["subject"] for pair in part)["commonName"]


def test_a_certificate_for_each_name(certs):
    for name in ("mail", "voice", "own"):
        certs.ca.issue(name, f"/CN={name}", "DNS:x.example", "serverAuth")
    blocks = """\
certificate mail { names = [mail.example, IMAP.example]; certificate = ca/mail.pem; key = ca/mail.key }
certificate voice { names = ["*.voice.example"]; certificate = ca/voice.pem; key = ca/voice.key }
certificate own { names = [own.voice.example]; certificate = ca/own.pem; key = ca/own.key }
"""
    certs.begin(more=blocks)
    for host, name in ((None, "localhost"), ("mail.example", "mail"), ("imap.EXAMPLE", "mail"),
                       ("a.voice.example", "voice"), ("own.voice.example", "own"), ("voice.example", "localhost"),
                       ("a.b.voice.example", "localhost"), ("other.example", "localhost")):
        assert served(certs, host) == name, host
    # A client's certificate and its session are the same matter under each name.
    visitor = Visitor(certs, "IMAPS_REQUEST", "gateway", host="mail.example")
    c = visitor.client()
    c.ok(external())
    visitor.session = c.sock.session
    c.close()
    c = visitor.client()
    assert c.sock.session_reused
    c.ok(external())
    live = certs.visit()
    certs.ca.issue("mail", "/CN=mail-two", "DNS:x.example", "serverAuth")
    certs.reload()
    assert served(certs, "mail.example") == "mail-two"
    live.ok(external())  # nothing happened to it


def staple(certs, host="localhost"):
    return subprocess.run(["openssl", "s_client", "-status", "-CAfile", certs.ca.ca, "-servername", host, "-connect",
                           f"127.0.0.1:{certs.port('IMAPS_REQUEST')}"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False).stdout


def test_ocsp_stapling(certs):
    with open(certs.ca.path("server.pem"), "a", encoding="ascii") as out, open(certs.ca.ca, encoding="ascii") as ca:
        out.write(ca.read())
    certs.ca.ocsp("server", "ocsp.der", None, "-ndays", "1")
    certs.begin(tls="ocsp_response = ca/ocsp.der;")
    got = staple(certs)
    assert "Cert Status: good" in got and "OCSP Response Status: successful" in got, got
    # Delegated to a responder (RFC 6960 section 4.2.2.2).
    certs.ca.issue("responder", usage="OCSPSigning")
    certs.ca.ocsp("server", "ocsp.der", "responder", "-ndays", "1")
    certs.reload()
    assert "Responder Id: CN = responder" in staple(certs)
    # It ends while the server runs: no longer sent.
    certs.ca.ocsp("server", "ocsp.der", None, "-nmin", "1")
    certs.reload()
    assert "Cert Status: good" in staple(certs)


def check(certs, *words):
    """`config check` names the line, the option and what is wrong."""
    certs.set()
    done = certs.cli("config", "check", ok=False)
    text = done.stdout + done.stderr
    for word in words:
        assert word in text, text
    assert "t.conf:" in text


def test_faults_are_told(certs):
    ca = certs.ca
    now = time.time()
    ca.issue("old", usage="serverAuth", start=now - 7200, end=now - 3600)
    certs.options["tls"] = ""
    with open(ca.path("junk"), "w", encoding="ascii") as f:
        f.write("nothing\n")
    ca.issue("other", "/CN=o", "DNS:o", "serverAuth")
    ca.ocsp("other", "other.der", None, "-ndays", "1")
    with open(ca.path("server.pem"), "a", encoding="ascii") as out, open(ca.ca, encoding="ascii") as c:
        out.write(c.read())
    for options, words in (
            ({"crl": "client_crl = ca/none.pem;"}, ("tls.client_crl", "none.pem")),
            ({"crl": "client_crl = ca/junk;"}, ("tls.client_crl", "holds no list")),
            ({"tls": "ocsp_response = ca/junk;"}, ("tls.ocsp_response", "no OCSP response")),
            ({"tls": "ocsp_response = ca/other.der;"}, ("tls.ocsp_response", "not about the certificate")),
            ({"more": "certificate x { names = [x]; certificate = ca/other.pem; key = ca/server.key }"},
             ("key", "server.key")),
            ({"more": "certificate x { names = [x]; certificate = ca/old.pem; key = ca/old.key }"},
             ("certificate", "old.pem", "expired")),
            ({"more": 'certificate x { names = ["a b"]; certificate = ca/other.pem; key = ca/other.key }'},
             ("names", "a b")),
            ({"map": 'certificate_map gw { subject = "gateway"; user = gateway }'}, ("subject", "CN=gateway")),
            ({"map": 'certificate_map gw { san_email = "*"; user = gateway }'}, ("san_email",)),
            ({"map": 'certificate_map gw { subject = "CN=x" }'}, ("user",)),
            ({"more": "listener p { port = 0; tls = starttls; preauth = certificate }"}, ("preauth", "imaps")),
            ({"more": "listener p { port = 0; tls = imaps; preauth = certificate; client_certificate = off }"},
             ("preauth", "client_certificate")),
    ):
        before = dict(certs.options)
        certs.options.update(options)
        check(certs, *words)
        certs.options = before
    certs.set()
    certs.cli("config", "check")
    # What is wrong at a reload changes nothing.
    certs.begin()
    live = certs.visit()
    certs.set(crl="client_crl = ca/junk;")
    done = certs.cli("reload", ok=False)
    assert "tls.client_crl" in done.stdout + done.stderr and "nothing was changed" in done.stdout + done.stderr
    live.ok(external())


# ---- clients written by others


def test_curl(certs, version):
    certs.begin()
    c = certs.visit()
    c.ok(external("anna"))
    c.append("INBOX", "Subject: by certificate\r\n\r\nx\r\n")
    for listener, url, options in (("IMAPS_REQUEST", "imaps", ()), ("IMAP_REQUEST", "imap", ("--ssl-reqd",))):
        done = subprocess.run(
            ["curl", "-sS", "--cacert", certs.ca.ca, "--cert", certs.ca.path("gateway.pem"), "--key",
             certs.ca.path("gateway.key"), f"--tlsv{version}", "--tls-max", version, *options, "--login-options",
             "AUTH=EXTERNAL", "-u", "anna:", f"{url}://localhost:{certs.port(listener)}/INBOX;MAILINDEX=1"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert done.returncode == 0 and "by certificate" in done.stdout, done


@pytest.mark.skipif(not os.path.exists("/usr/lib/cyrus/bin/imtest"), reason="needs imtest (cyrus-clients)")
def test_imtest(certs):
    certs.begin()
    both = certs.ca.path("both.pem")
    with open(both, "w", encoding="ascii") as out:
        for part in ("gateway.pem", "gateway.key"):
            with open(certs.ca.path(part), encoding="ascii") as f:
                out.write(f.read())
    done = subprocess.run(
        ["/usr/lib/cyrus/bin/imtest", "-t", both, "-m", "EXTERNAL", "-u", "bo", "-p",
         str(certs.port("IMAP_REQUEST")), "localhost"],
        input="x LOGOUT\r\n", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
    assert "A01 OK" in done.stdout or "Authenticated." in done.stdout, done.stdout
    certs.logged("msg=login", "user=bo", "authcid=gateway", "mech=EXTERNAL")
