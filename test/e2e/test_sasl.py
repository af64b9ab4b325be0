# SPDX-License-Identifier: Apache-2.0
"""SASL mechanisms over real sockets: SCRAM against Python's hashes and against GNU SASL, bindings, switching."""
import base64
import hashlib
import hmac
import os
import shutil
import ssl
import subprocess

import pytest

from oauth import mutt
from peer import insecure
from server import wait_for

PASSWORD = "blue sea"
HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}


def b64(data):
    return base64.b64encode(data)


class Scram:
    """An independent client, from RFC 5802 and Python's library."""

    def __init__(self, mech, user, password, acts_for="", binding=(b"n", b"")):
        self.hash = HASHES[mech.removesuffix("-PLUS")]
        self.password = password.encode()
        self.flag, self.bound = binding
        self.header = self.flag + b"," + (b"a=" + acts_for.encode() if acts_for else b"") + b","
        self.nonce = b64(os.urandom(15))
        self.bare = b"n=" + user.encode() + b",r=" + self.nonce
        self.signature = self.key = self.proof = self.message = None

    def first(self):
        return self.header + self.bare

    def final(self, challenge):
        parts = dict(part.split(b"=", 1) for part in challenge.split(b","))
        assert parts[b"r"].startswith(self.nonce) and len(parts[b"r"]) > len(self.nonce)
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, base64.b64decode(parts[b"s"]), int(parts[b"i"]))
        key = self.hmac(salted, b"Client Key")
        message = b"c=" + b64(self.header + self.bound) + b",r=" + parts[b"r"]
        said = b",".join((self.bare, challenge, message))
        sign = self.hmac(hashlib.new(self.hash, key).digest(), said)
        self.signature = b"v=" + b64(self.hmac(self.hmac(salted, b"Server Key"), said))
        self.key, self.proof = key, bytes(a ^ b for a, b in zip(key, sign))
        self.message = message + b",p=" + b64(self.proof)
        return self.message

    def hmac(self, key, text):
        return hmac.new(key, text, self.hash).digest()


def authenticate(client, mech, scram, tag=b"s1"):
    """The tagged line at the end."""
    client.send(tag + b" AUTHENTICATE " + mech.encode() + b" " + b64(scram.first()) + b"\r\n")
    line = client.read_line()
    if line.startswith(b"+ "):
        client.send(b64(scram.final(base64.b64decode(line[2:]))) + b"\r\n")
        line = client.read_line()
    if line.startswith(b"+ "):
        assert base64.b64decode(line[2:]) == scram.signature
        client.send(b"\r\n")
        line = client.read_line()
    assert line.startswith(tag + b" "), line
    return line


@pytest.fixture(name="site")
def fixture_site(server):
    server.write("unauthenticate = everyone\ntimeouts.failed_login = 0\n")
    server.start()
    server.add("anna", PASSWORD)
    server.add("bo", "x")
    server.add("gateway", "through", "--acts-for", "b*")
    return server


def whoami(client):
    """Whose mail is it?  Each has a mailbox of their own name."""
    return client.ok('LIST "" of-*')[0].rsplit(b"of-")[1].strip(b'"')


def own_mailboxes(site):
    for user, password in (("anna", PASSWORD), ("bo", "x"), ("gateway", "through")):
        client = site.login(user, password)
        client.ok(f"CREATE of-{user}")
        client.close()


@pytest.mark.parametrize("mech", sorted(HASHES))
def test_scram(site, mech):
    own_mailboxes(site)
    client = site.client()
    assert authenticate(client, mech, Scram(mech, "anna", PASSWORD)).startswith(b"s1 OK")
    assert whoami(client) == b"anna"
    # The next user on the same connection, for whom the gateway may act; and one for whom it may not.
    client.ok("UNAUTHENTICATE")
    assert authenticate(client, mech, Scram(mech, "gateway", "through", "bo")).startswith(b"s1 OK")
    assert whoami(client) == b"bo"
    client.ok("UNAUTHENTICATE")
    line = authenticate(client, mech, Scram(mech, "gateway", "through", "anna"))
    assert line.startswith(b"s1 NO [AUTHORIZATIONFAILED]")
    line = authenticate(client, mech, Scram(mech, "anna", "green sea"))
    assert line.startswith(b"s1 NO [AUTHENTICATIONFAILED]")
    site.cli("grant", "add", "gateway", "--for", "anna")
    assert authenticate(client, mech, Scram(mech, "gateway", "through", "anna")).startswith(b"s1 OK")
    assert whoami(client) == b"anna"
    client.ok("UNAUTHENTICATE")
    assert authenticate(client, mech, Scram(mech, "anna", PASSWORD)).startswith(b"s1 OK")
    client.close()


def salt_of(site, mech, user):
    client = site.client()
    scram = Scram(mech, user, "x")
    client.send(b"s1 AUTHENTICATE " + mech.encode() + b" " + b64(scram.first()) + b"\r\n")
    parts = base64.b64decode(client.read_line()[2:]).split(b",")
    client.send(b"*\r\n")
    assert client.read_line().startswith(b"s1 BAD")
    client.close()
    return parts[1:]


def test_nobody_looks_like_somebody(site):
    """RFC 5802 section 9: an unknown user has a salt, too, always the same, even after a restart."""
    for mech in HASHES:
        client = site.client()
        line = authenticate(client, mech, Scram(mech, "nobody", "x"))
        assert line == authenticate(client, mech, Scram(mech, "anna", "x"))
        client.close()
        ours, nobody, other = (salt_of(site, mech, user) for user in ("anna", "nobody", "nobody2"))
        assert ours[1] == nobody[1] and len(ours[0]) == len(nobody[0]) and nobody[0] != other[0]
        assert salt_of(site, mech, "nobody") == nobody
        site.stop()
        site.start()
        assert salt_of(site, mech, "nobody") == nobody
        assert salt_of(site, mech, "anna") == ours
    assert salt_of(site, "SCRAM-SHA-1", "nobody") != salt_of(site, "SCRAM-SHA-256", "nobody")


def test_password_changed_in_the_middle(site):
    """A proof with the old password is worthless if the password has changed meanwhile."""
    client = site.client()
    scram = Scram("SCRAM-SHA-256", "anna", PASSWORD)
    client.send(b"s1 AUTHENTICATE SCRAM-SHA-256 " + b64(scram.first()) + b"\r\n")
    challenge = base64.b64decode(client.read_line()[2:])
    site.cli("user", "passwd", "anna", "--password-stdin", stdin="green sea\n")
    client.send(b64(scram.final(challenge)) + b"\r\n")
    assert client.read_line().startswith(b"+ ")
    client.send(b"\r\n")
    assert client.read_line().startswith(b"s1 NO [AUTHENTICATIONFAILED]")
    assert authenticate(client, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", "anna", "green sea")).startswith(b"s1 OK")
    client.close()


def test_disabled(site):
    site.cli("user", "disable", "anna")
    client = site.client()
    line = authenticate(client, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", "anna", PASSWORD))
    assert line.startswith(b"s1 NO [AUTHENTICATIONFAILED]")
    client.close()


def tls12(site):
    """Only TLS 1.2: Python has no channel binding for TLS 1.3."""
    context = insecure()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return site.client(tls=context)


def test_channel_binding(site):
    client = tls12(site)
    assert b" AUTH=SCRAM-SHA-256-PLUS " in client.ok("CAPABILITY")[0]
    unique = client.sock.get_channel_binding("tls-unique")
    good, bad = (b"p=tls-unique", unique), (b"p=tls-unique", unique[:-1] + bytes([unique[-1] ^ 1]))
    for mech in ("SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"):
        for binding in (bad, (b"p=tls-exporter", unique), (b"n", b""), (b"y", b"")):
            line = authenticate(client, mech, Scram(mech, "anna", PASSWORD, "", binding))
            assert line.startswith(b"s1 NO [AUTHENTICATIONFAILED]"), binding
        assert authenticate(client, mech, Scram(mech, "anna", PASSWORD, "", good)).startswith(b"s1 OK")
        client.ok("UNAUTHENTICATE")  # the binding is the connection's, for the next user, too
        line = authenticate(client, mech, Scram(mech, "gateway", "through", "bo", good))
        assert line.startswith(b"s1 OK")
        client.ok("UNAUTHENTICATE")
    # An attacker in the middle removed -PLUS from the list: the client says that it could have used it.
    line = authenticate(client, "SCRAM-SHA-256", Scram("SCRAM-SHA-256", "anna", PASSWORD, "", (b"y", b"")))
    assert line.startswith(b"s1 NO [AUTHENTICATIONFAILED]")
    client.close()
    wait_for(lambda: "a downgrade attack" in site.log())
    clear = site.client()
    assert b"-PLUS" not in clear.ok("CAPABILITY")[0]
    clear.send(b"s1 AUTHENTICATE SCRAM-SHA-256-PLUS\r\n")
    assert clear.read_line().startswith(b"s1 NO [CANNOT]")
    clear.close()


@pytest.mark.skipif(shutil.which("gsasl") is None, reason="gsasl is not installed")
@pytest.mark.parametrize("mech", ["PLAIN", "LOGIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_gnu_sasl(site, mech, version):
    priority = f"NORMAL:-VERS-ALL:+VERS-TLS{version}"
    trust = os.path.join(site.dir, "trust.pem")
    with open(trust, "w", encoding="ascii") as f:
        f.write(ssl.DER_cert_to_PEM_cert(site.certificate()))
    done = subprocess.run(
        ["gsasl", "--connect", f"127.0.0.1:{site.port('IMAP')}", "--imap", "-m", mech, "-a", "anna", "-p", PASSWORD,
         "--starttls", "--x509-ca-file", trust, "--priority", priority, "--verbose"] + ([] if mech.endswith("PLUS") else ["--no-cb"]),
        input="", capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    assert "OK" in done.stdout + done.stderr
    wait_for(lambda: f" mech={mech} " in site.log())


def test_which_are_on(server):
    server.write("mechanisms = scram-sha-256\n")
    server.start()
    server.add("anna", PASSWORD)
    client = server.client()
    shown = client.ok("CAPABILITY")[0]
    assert b" AUTH=SCRAM-SHA-256 " in shown and shown.count(b"AUTH=") == 1
    client.send(b"s1 AUTHENTICATE PLAIN\r\n")
    assert client.read_line().startswith(b"s1 NO [CANNOT]")
    client.close()
    server.write("mechanisms = SCRAM-SHA-9\n")
    assert "there is no such mechanism" in server.cli("reload", ok=False).stderr


# mutt uses GNU SASL, mbsync uses Cyrus': two independent implementations.

@pytest.mark.skipif(shutil.which("mutt") is None or shutil.which("script") is None, reason="mutt or script is not installed")
@pytest.mark.parametrize("mech", sorted(HASHES))
def test_mutt(site, tmp_path, mech):
    done = mutt(site, str(tmp_path), "anna", f'set imap_authenticators="{mech.lower()}"', f'set imap_pass="{PASSWORD}"')
    wait_for(lambda: f" mech={mech} " in site.log() and "selected=1" in site.log(), 10)
    assert done.returncode == 0, done


@pytest.mark.skipif(shutil.which("mbsync") is None, reason="mbsync is not installed")
@pytest.mark.parametrize("mech", sorted(HASHES))
def test_mbsync(site, tmp_path, mech):
    trust, rc = tmp_path / "trust.pem", tmp_path / "rc"
    trust.write_text(ssl.DER_cert_to_PEM_cert(site.certificate()))
    (tmp_path / "mail").mkdir()
    rc.write_text(f"""IMAPAccount far
Host 127.0.0.1
Port {site.port('IMAPS')}
User anna
Pass "{PASSWORD}"
AuthMechs {mech}
SSLType IMAPS
CertificateFile {trust}

IMAPStore far
Account far

MaildirStore near
Path {tmp_path}/mail/
Inbox {tmp_path}/mail/INBOX

Channel c
Far :far:
Near :near:
Create Near
SyncState *
""")
    client = site.login("anna", PASSWORD)
    client.append("INBOX", "Subject: hello\r\n\r\nx\r\n")
    client.close()
    done = subprocess.run(["mbsync", "-c", str(rc), "c"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done
    assert len(os.listdir(tmp_path / "mail" / "INBOX" / "new") + os.listdir(tmp_path / "mail" / "INBOX" / "cur")) == 1
    wait_for(lambda: f" mech={mech} " in site.log())
