# SPDX-License-Identifier: Apache-2.0
"""SASL mechanisms with security layers over real sockets: DIGEST-MD5 and GSSAPI, against clients of our own and
Cyrus' imtest, with a KDC on loopback; UNAUTHENTICATE under each layer."""
import base64
import os
import shutil
import subprocess
import tempfile
import time

import pytest

from imap import plain
from peer import connect, free_port
from saslmech import Digest, Gssapi, LayerClient
from server import SANDBOX, SANITIZED, wait_for

try:
    import gssapi
except ImportError:
    gssapi = None

IMTEST = "/usr/lib/cyrus/bin/imtest"
KDC = shutil.which("krb5kdc", path="/usr/sbin:/usr/bin")
REALM = "EXAMPLE.TEST"
PASSWORD = "blue sea"
MAIL = "Subject: hello\r\n\r\n" + "".join(f"line {i}\r\n" for i in range(20))

needs_imtest = pytest.mark.skipif(not os.path.exists(IMTEST), reason="no imtest (package cyrus-clients)")
needs_kdc = pytest.mark.skipif(KDC is None or gssapi is None, reason="no krb5kdc, or no python3-gssapi")


# The plugin leaks memory when it encrypts, which only a sanitizer reports.
QOPS = ["auth", "auth-int"] + ([] if SANITIZED else ["auth-conf"])
STRENGTHS = [0, 1] + ([] if SANITIZED else [128])


def configure(server, mechs, more=""):
    server.write("default_domain = example.test\nunauthenticate = everyone\n"
                 "timeouts.failed_login = 0\nlimits.failed_switches = 1000\n"
                 f"auth.sasl_mechanisms = [{mechs}]\nmechanisms = [{mechs}, PLAIN]\n" + more)


def encrypting(server, mechs):
    configure(server, mechs, "auth.digest_md5_encryption = yes\n")


def users(server):
    server.add("anna", PASSWORD, "--digest-md5")
    server.add("bo", "x", "--digest-md5")
    server.add("gateway", "through", "--acts-for", "b*", "--digest-md5")
    for user, password in (("anna", PASSWORD), ("bo", "x"), ("gateway", "through")):
        client = server.client(kind=LayerClient)
        client.ok(f'LOGIN {user} "{password}"')
        client.ok(f"CREATE of-{user}")
        client.append("INBOX", MAIL.replace("hello", f"hello {user}"))
        client.close()


@pytest.fixture(name="digest")
def fixture_digest(server):
    encrypting(server, "DIGEST-MD5")
    server.start()
    users(server)
    return server


def whoami(client):
    return client.ok('LIST "" of-*')[0].rsplit(b"of-")[1].strip(b'"')


def read_mail(client, user):
    client.ok("SELECT INBOX")
    got = client.ok("FETCH 1 BODY[]")[0]
    assert f"Subject: hello {user}\r\n".encode() in got and b"line 19" in got


# ---- DIGEST-MD5 ----


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("qop", QOPS)
def test_digest(digest, qop, tls):
    client = digest.client(tls, kind=LayerClient)
    assert b"AUTH=DIGEST-MD5" in client.greeting
    line = client.authenticate(Digest("anna", PASSWORD, qop=qop))
    # Capabilities announced in clear are void within the layer: RFC 3501 section 6.2.2.
    assert line.startswith(b"s1 OK") and (b"[CAPABILITY" in line) == (qop == "auth")
    # RFC 4422 section 6.1.2: and the mechanisms are announced again within it.
    assert ("AUTH=DIGEST-MD5" in client.capabilities()) == (qop != "auth")
    assert whoami(client) == b"anna"
    read_mail(client, "anna")
    client.append("INBOX", MAIL * 300)  # larger than a buffer
    assert len(client.ok("UID FETCH 2 BODY[]")[0]) > 300 * len(MAIL)
    client.ok("LOGOUT")
    with pytest.raises(EOFError):
        client.fill()
    client.close()


@pytest.mark.parametrize("tls", [False, True])
def test_digest_switches(digest, tls):
    """Many users on one connection, each with a layer of their own, or none."""
    client = digest.client(tls, kind=LayerClient)
    for i in range(20):
        qop = QOPS[-1 - i % len(QOPS)]
        user, password = (("anna", PASSWORD), ("bo", "x"))[i % 2]
        assert client.authenticate(Digest(user, password, qop=qop)).startswith(b"s1 OK")
        assert whoami(client) == user.encode()
        read_mail(client, user)
        client.bad("UNAUTHENTICATE now")
        client.unauthenticate()
        # Nothing of the layer is left: clear, for another mechanism.
        client.bad("SELECT INBOX")
        assert "AUTH=DIGEST-MD5" in client.capabilities()
        client.ok("AUTHENTICATE PLAIN " + plain("bo", "gateway", "through"))
        assert whoami(client) == b"bo"
        client.ok("UNAUTHENTICATE")
        # For another user, within a layer.
        assert client.authenticate(Digest("gateway", "through", "bo", qop)).startswith(b"s1 OK")
        assert whoami(client) == b"bo"
        client.unauthenticate()
    line = client.authenticate(Digest("gateway", "through", "anna"))
    assert line.startswith(b"s1 NO [AUTHORIZATIONFAILED]")
    client.ok("NOOP")
    client.close()
    for word in ["mech=DIGEST-MD5"] + [f"layer={n} " for n in STRENGTHS if n > 0]:
        wait_for(lambda w=word: w in digest.log())


def test_digest_refused(digest):
    client = digest.client(kind=LayerClient)
    right = client.authenticate(Digest("anna", PASSWORD, qop="auth"))
    assert right.startswith(b"s1 OK")
    client.ok("UNAUTHENTICATE")
    wrong = client.authenticate(Digest("anna", "green sea"))
    assert wrong.startswith(b"s1 NO [AUTHENTICATIONFAILED]")
    # A user without a secret for it, an unknown user: the same words.
    digest.add("cy", PASSWORD)
    for user in ("cy", "nobody"):
        assert client.authenticate(Digest(user, PASSWORD)) == wrong
    # A foreign realm, and a buffer that is too small for anything.
    assert client.authenticate(Digest("anna", PASSWORD, realm="other.test")) == wrong
    assert client.authenticate(Digest("anna", PASSWORD, maxbuf=18)).startswith(b"s1 NO")
    # It has no initial response (RFC 9051 section 6.2.2).
    client.bad("AUTHENTICATE DIGEST-MD5 " + base64.b64encode(b'username="anna"').decode())
    # The name with its domain has a secret, too.
    assert client.authenticate(Digest("anna@example.test", PASSWORD)).startswith(b"s1 OK")
    assert whoami(client) == b"anna"
    client.unauthenticate()
    # Gone when the password changes, unless requested again.
    digest.cli("user", "passwd", "anna", "--password-stdin", stdin="new\n")
    assert client.authenticate(Digest("anna", "new")) == wrong
    assert client.authenticate(Digest("anna", PASSWORD)) == wrong
    digest.cli("user", "passwd", "anna", "--password-stdin", "--digest-md5", stdin="newer\n")
    assert client.authenticate(Digest("anna", "newer")).startswith(b"s1 OK")
    client.unauthenticate()
    digest.cli("user", "disable", "anna")
    assert client.authenticate(Digest("anna", "newer")) == wrong
    client.close()
    assert "DIGEST-MD5" in digest.cli("user", "show", "bo").stdout
    assert "DIGEST-MD5" not in digest.cli("user", "show", "cy").stdout


def test_digest_needs_the_password(digest):
    done = digest.cli("user", "add", "dan", "--hash", "$6$rounds=1000$abcdefgh$x", "--digest-md5", ok=False)
    assert "hash" in done.stderr + done.stdout


def test_names_beyond_ascii(digest):
    """RFC 2831 section 2.1.2.1: ISO 8859-1 where possible, for each part separately."""
    latin, wide = "gr\u00fcn", "\u03b1\u03b2\u03b3"
    digest.add("j\u00f8rn", wide, "--digest-md5")
    digest.add("kim", latin, "--digest-md5")

    class Latin(Digest):
        def __init__(self, user, password, charset_user, charset_password):
            super().__init__("x", "x")
            self.hash_user, self.wire_user = user.encode(charset_user), user.encode()
            self.password = password.encode(charset_password)
            self.user = self.hash_user

        def step(self, challenge):
            answer = super().step(challenge)
            return answer.replace(b'username="' + self.hash_user, b'username="' + self.wire_user)

    client = digest.client(kind=LayerClient)
    assert client.authenticate(Latin("j\u00f8rn", wide, "latin-1", "utf-8")).startswith(b"s1 OK")
    client.unauthenticate()
    assert client.authenticate(Latin("kim", latin, "ascii", "latin-1")).startswith(b"s1 OK")
    client.close()


@pytest.mark.parametrize("how", ["same buffer", "next buffer", "clear", "half a buffer"])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("qop", QOPS[1:])
def test_early_bytes(digest, qop, tls, how):
    """RFC 8437 section 3: with a layer the client waits for the OK.  Earlier input is not executed."""
    client = digest.client(tls, kind=LayerClient)
    assert client.authenticate(Digest("anna", PASSWORD, qop=qop)).startswith(b"s1 OK")
    line, early = b"u UNAUTHENTICATE\r\n", f'e LOGIN anna "{PASSWORD}"\r\n'.encode()
    if how == "same buffer":
        client.send(line + early)
    elif how == "next buffer":
        client.send_raw(client.layer.encode(line) + client.layer.encode(early))
    elif how == "clear":
        client.send_raw(client.layer.encode(line) + early)
    else:
        client.send_raw(client.layer.encode(line) + b"\0\0")
    assert client.read_line().startswith(b"* BYE")
    with pytest.raises(EOFError):
        client.fill()
    assert client.buf == b""
    client.close()
    wait_for(lambda: "input behind UNAUTHENTICATE" in digest.log() and digest.log().count("msg=logout ") == 4)
    assert digest.log().count("msg=login ") == 4  # the three that made the mail, and this one


@pytest.mark.parametrize("qop", QOPS[1:])
def test_one_byte_at_a_time(digest, qop):
    client = digest.client(kind=LayerClient)
    for user, password in (("anna", PASSWORD), ("bo", "x")):
        assert client.authenticate(Digest(user, password, qop=qop)).startswith(b"s1 OK")
        for command in (b"a LIST \"\" of-*\r\n", b"u UNAUTHENTICATE\r\n"):
            for c in client.layer.encode(command):
                client.send_raw(bytes([c]))
            got = client.until(command[:1].decode())
            assert got[-1].split()[1] == b"OK" and (command[:1] == b"u" or got[0].endswith(f"of-{user}".encode()))
        client.layer = None
    client.close()


@pytest.mark.parametrize("how", ["clear", "changed", "again", "too large"])
def test_broken_layer(digest, how):
    client = digest.client(kind=LayerClient)
    assert client.authenticate(Digest("anna", PASSWORD)).startswith(b"s1 OK")
    good = client.layer.encode(b"a NOOP\r\n")
    if how == "clear":
        client.send_raw(b"a CREATE mark\r\n")
    elif how == "changed":
        client.send_raw(good[:5] + b"X" + good[6:])
    elif how == "again":
        client.send_raw(good + good)
        assert client.read_line().startswith(b"a OK")
    else:
        client.send_raw(b"\x00\x01\x00\x01")
    with pytest.raises(EOFError):
        client.fill()
    client.close()
    wait_for(lambda: 'how="layer failed"' in digest.log() and "SASL security layer failed" in digest.log())


def test_protocol_log(server):
    """The log has what was said in the session, not the bytes on the wire."""
    configure(server, "DIGEST-MD5", "log.protocol_for = [bo]\n")
    server.start()
    users(server)
    client = server.client(kind=LayerClient)
    assert client.authenticate(Digest("bo", "x")).startswith(b"s1 OK")
    client.ok("SELECT INBOX")
    client.ok("CREATE under-the-layer")
    client.unauthenticate()
    assert client.authenticate(Digest("anna", PASSWORD)).startswith(b"s1 OK")
    client.ok("CREATE of-nobody")
    client.close()
    log = server.protocol("bo@example.test", lambda text: "UNAUTHENTICATE" in text.partition("under-the-layer")[2])
    assert " C t2 CREATE under-the-layer\n" in log and " S t2 OK " in log
    assert "of-nobody" not in log and "AUTHENTICATE DIGEST" not in log


def imtest(port, *args, env=None, say=()):
    """Runs imtest, which does the exchange itself, then sends lines, each after the reply to the one
    before."""
    with subprocess.Popen([IMTEST, "-p", str(port), *args, "127.0.0.1"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env, text=True, bufsize=0) as process:
        out = ""
        try:
            while "Security strength factor" not in out:
                line = process.stdout.readline()
                if not line:
                    return out
                out += line
            for i, line in enumerate(say):
                process.stdin.write(f"x{i} {line}\r\n")
                process.stdin.flush()
                while f"x{i} " not in out.rsplit("\n", 2)[-2]:
                    got = process.stdout.readline()
                    assert got, out
                    out += got
        finally:
            process.kill()
    return out


@needs_imtest
@pytest.mark.parametrize("tls", [False, True])
def test_imtest_digest(digest, tls):
    """An independent client, with layers of each strength."""
    port = digest.port("IMAP")
    for strength in STRENGTHS:
        out = imtest(port, "-m", "DIGEST-MD5", "-a", "anna", "-u", "anna", "-w", PASSWORD, "-r", "example.test",
                     "-l", str(strength), "-k", str(strength), *(["-t", ""] if tls else []),
                     say=["SELECT INBOX", "FETCH 1 BODY[]"])
        assert f"Security strength factor: {strength}\n" in out.replace("256", str(strength)) if tls else True
        assert "Subject: hello anna" in out and "x1 OK" in out, out
        assert "MITM" not in out


def test_strengths(server):
    """A minimum without TLS, a maximum with it."""
    configure(server, "DIGEST-MD5", "auth.sasl_min_strength = 1\nauth.sasl_max_strength = 1\n")
    server.start()
    users(server)
    client = server.client(kind=LayerClient)
    client.send(b"s AUTHENTICATE DIGEST-MD5\r\n")
    assert b'qop="auth-int"' in base64.b64decode(client.read_line()[2:])
    client.send(b"*\r\n")
    assert client.read_line().startswith(b"s BAD")
    assert client.authenticate(Digest("anna", PASSWORD)).startswith(b"s1 OK")
    client.close()
    client = server.client(True, kind=LayerClient)
    client.send(b"s AUTHENTICATE DIGEST-MD5\r\n")
    assert b'qop="auth,auth-int"' in base64.b64decode(client.read_line()[2:])
    client.close()
    server.stop()
    # DIGEST-MD5 does not encrypt unless asked to.
    configure(server, "DIGEST-MD5")
    server.start()
    client = server.client(kind=LayerClient)
    client.send(b"s AUTHENTICATE DIGEST-MD5\r\n")
    assert b'qop="auth,auth-int"' in base64.b64decode(client.read_line()[2:])
    client.close()
    server.stop()
    # More than the mechanism has: offered only under TLS.
    configure(server, "DIGEST-MD5", "auth.sasl_min_strength = 200\n")
    server.start()
    client = server.client(kind=LayerClient)
    assert "AUTH=DIGEST-MD5" not in client.capabilities()
    client.no("AUTHENTICATE DIGEST-MD5", "[CANNOT]")
    client.close()
    client = server.client(True, kind=LayerClient)
    assert "AUTH=DIGEST-MD5" in client.capabilities()
    assert client.authenticate(Digest("anna", PASSWORD)).startswith(b"s1 OK")
    client.close()


@pytest.mark.parametrize("name, text", [("X-NOT-THERE", "not installed"), ("CRAM-MD5", "plaintext passwords"),
                                        ("ANONYMOUS", "authenticates nobody"), ("PLAIN", "built in")])
def test_configuration_faults(server, name, text):
    server.write(f"auth.sasl_mechanisms = [{name}]\n")
    done = server.cli("config", "check", ok=False)
    assert text in done.stderr and name in done.stderr + "PLAIN"
    server.start(wait=False)
    assert server.process.wait(60) != 0
    assert text in server.log()


def test_no_file_of_the_system_is_read(server):
    """The library has only the configuration and the database that we give it."""
    if shutil.which("strace") is None or SANDBOX:
        pytest.skip("no strace, or in the sandbox")
    configure(server, "DIGEST-MD5")
    server.start()
    users(server)
    server.stop()
    trace = os.path.join(server.dir, "trace")
    done = subprocess.run(["strace", "-f", "-e", "trace=openat,open,access,stat,newfstatat", "-o", trace, "true"],
                          check=False, capture_output=True)
    if done.returncode != 0:
        pytest.skip("strace may not trace here")
    server.start(front=["strace", "-f", "-e", "trace=openat,open,access,stat,newfstatat", "-o", trace], traced=True)
    client = server.client(kind=LayerClient)
    assert client.authenticate(Digest("anna", PASSWORD)).startswith(b"s1 OK")
    client.close()
    server.cli("stop")
    server.gone()
    with open(trace, encoding="utf-8", errors="replace") as f:
        paths = f.read()
    assert "libdigestmd5" in paths
    for word in ("/etc/sasl", "sasldb", "libgssapiv2", "krb5.conf", "sasl2/turnstone", "sasl2/imap"):
        assert word not in paths.replace("libsasldb", ""), word


# ---- GSSAPI ----


class Kdc:
    """A realm on loopback, with all its files in a folder of its own."""

    def __init__(self, folder, realm=REALM, more=""):
        self.dir, self.realm, self.process = folder, realm, None
        self.env = dict(os.environ, KRB5_CONFIG=f"{folder}/krb5.conf", KRB5_KDC_PROFILE=f"{folder}/kdc.conf",
                        KRB5CCNAME=f"FILE:{folder}/ccache")
        os.makedirs(folder, exist_ok=True)
        self.port = free_port()
        self.write("krb5.conf", f"""\
[libdefaults]
 default_realm = {realm}
 dns_lookup_kdc = false
 dns_lookup_realm = false
 dns_canonicalize_hostname = false
 rdns = false
 ignore_acceptor_hostname = false
 udp_preference_limit = 1
[realms]
 {realm} = {{
  kdc = 127.0.0.1:{self.port}
 }}
[domain_realm]
 localhost = {realm}
 .example.test = {realm}
{more}""")
        self.write("kdc.conf", f"""\
[kdcdefaults]
 kdc_listen = ""
 kdc_tcp_listen = 127.0.0.1:{self.port}
[realms]
 {realm} = {{
  database_name = {folder}/principal
  key_stash_file = {folder}/stash
  acl_file = {folder}/acl
  max_life = 1h
 }}
""")
        self.run("kdb5_util", "-r", realm, "-P", "master", "create", "-s")

    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="ascii") as f:
            f.write(text)

    def run(self, program, *args, stdin=""):
        path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        done = subprocess.run([path, *args], env=self.env, input=stdin, capture_output=True, text=True, timeout=60,
                              check=False)
        assert done.returncode == 0, (args, done)
        return done.stdout

    def admin(self, command):
        return self.run("kadmin.local", "-r", self.realm, "-q", command)

    def add(self, principal, password):
        self.admin(f"addprinc -pw {password} {principal}")

    def start(self):
        log = os.path.join(self.dir, "kdc.log")
        with open(log, "ab") as f:
            self.process = subprocess.Popen([KDC, "-n", "-r", self.realm], env=self.env, stdin=subprocess.DEVNULL,
                                            stdout=f, stderr=f)
        end = time.monotonic() + 60
        while True:
            try:
                connect(self.port).close()
                return
            except OSError:
                assert self.process.poll() is None and time.monotonic() < end
                time.sleep(0.02)

    def ticket(self, principal, password):
        """A separate cache, and gssapi's credentials from it."""
        cache = f"FILE:{self.dir}/cc-{principal.replace('/', '-')}"
        self.run("kinit", "-c", cache, principal, stdin=password + "\n")
        os.environ["KRB5_CONFIG"] = self.env["KRB5_CONFIG"]
        name = gssapi.Name(f"{principal}@{self.realm}", gssapi.NameType.kerberos_principal)
        store = {b"ccache": cache.encode()}
        from gssapi.raw import acquire_cred_from
        return cache, gssapi.Credentials(acquire_cred_from(store, name, usage="initiate").creds)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(60)


@pytest.fixture(name="realm", scope="module")
def fixture_realm():
    folder = tempfile.mkdtemp(prefix="ts-kdc-", dir="/tmp")
    os.chmod(folder, 0o755)
    kdc = Kdc(folder)
    before = os.environ.get("KRB5_CONFIG")
    try:
        kdc.admin("addprinc -randkey imap/localhost")
        kdc.admin(f"ktadd -k {folder}/keytab imap/localhost")
        os.chmod(f"{folder}/keytab", 0o644)
        kdc.add("anna", "kanna")
        kdc.add("bo", "kbo")
        kdc.add("gateway", "kgateway")
        kdc.add("stranger", "kstranger")
        kdc.add("voice/gw.example.test", "kvoice")
        kdc.start()
        yield kdc
    finally:
        kdc.stop()
        os.environ.pop("KRB5_CONFIG", None)
        if before is not None:
            os.environ["KRB5_CONFIG"] = before
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(name="kerberos")
def fixture_kerberos(server, realm):
    configure(server, "GSSAPI, DIGEST-MD5",
              f"auth.sasl_host = localhost\nauth.kerberos_keytab = {realm.dir}/keytab\n")
    before = os.environ.get("KRB5_CONFIG")
    os.environ["KRB5_CONFIG"] = realm.env["KRB5_CONFIG"]
    server.start()
    users(server)
    yield server
    os.environ.pop("KRB5_CONFIG", None)
    if before is not None:
        os.environ["KRB5_CONFIG"] = before


def service(choice=4, **more):
    return {"service": "imap@localhost", "choice": choice, **more}


@needs_kdc
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("choice", [1, 2, 4])
def test_gssapi(kerberos, realm, choice, tls):
    _, creds = realm.ticket("anna", "kanna")
    for initial in (False, True):
        client = kerberos.client(tls, kind=LayerClient)
        assert b"AUTH=GSSAPI" in client.greeting
        line = client.authenticate(Gssapi(credentials=creds, **service(choice)), initial)
        assert line.startswith(b"s1 OK"), (line, kerberos.log())
        assert whoami(client) == b"anna"
        read_mail(client, "anna")
        client.append("INBOX", MAIL * 300)
        assert len(client.ok("FETCH 2 BODY[]")[0]) > 300 * len(MAIL)
        client.ok("STORE 2 +FLAGS (\\Deleted)")
        client.ok("EXPUNGE")
        client.close()


@needs_kdc
@pytest.mark.parametrize("tls", [False, True])
def test_gssapi_switches(kerberos, realm, tls):
    """UNAUTHENTICATE under confidentiality, integrity and no layer, and DIGEST-MD5's between; many times."""
    creds = {user: realm.ticket(user, "k" + user)[1] for user in ("anna", "bo", "gateway")}
    client = kerberos.client(tls, kind=LayerClient)
    for i in range(12):
        user = ("anna", "bo")[i % 2]
        line = client.authenticate(Gssapi(credentials=creds[user], **service((4, 2, 1)[i % 3])), i % 2 == 0)
        assert line.startswith(b"s1 OK"), (line, kerberos.log())
        assert whoami(client) == user.encode()
        client.bad("UNAUTHENTICATE now")
        client.unauthenticate()
        client.bad("SELECT INBOX")
        assert client.authenticate(Digest("bo", "x", qop="auth-int")).startswith(b"s1 OK")
        client.unauthenticate()
        # A gateway's principal acts for a user (the authorization identity of RFC 4752).
        line = client.authenticate(Gssapi(credentials=creds["gateway"], **service(4, acts_for="bo")))
        assert line.startswith(b"s1 OK"), line
        assert whoami(client) == b"bo"
        client.unauthenticate()
        client.ok("AUTHENTICATE PLAIN " + plain("bo", "gateway", "through"))
        client.ok("UNAUTHENTICATE")
    line = client.authenticate(Gssapi(credentials=creds["gateway"], **service(4, acts_for="anna")))
    assert line.startswith(b"s1 NO [AUTHORIZATIONFAILED]")
    line = client.authenticate(Gssapi(credentials=creds["anna"], **service(4, acts_for="bo")))
    assert line.startswith(b"s1 NO [AUTHORIZATIONFAILED]")
    client.ok("NOOP")
    client.close()


@needs_kdc
@pytest.mark.parametrize("choice", [2, 4])
@pytest.mark.parametrize("inside", [False, True])
def test_gssapi_early_bytes(kerberos, realm, choice, inside):
    _, creds = realm.ticket("anna", "kanna")
    client = kerberos.client(kind=LayerClient)
    assert client.authenticate(Gssapi(credentials=creds, **service(choice))).startswith(b"s1 OK")
    early = f'e LOGIN anna "{PASSWORD}"\r\n'.encode()
    client.send_raw(client.layer.encode(b"u UNAUTHENTICATE\r\n") + (client.layer.encode(early) if inside else early))
    assert client.read_line().startswith(b"* BYE")
    with pytest.raises(EOFError):
        client.fill()
    client.close()


@needs_kdc
def test_gssapi_refused(kerberos, realm):
    """A principal that is not a user; a disabled user; garbage; a principal with a slash."""
    client = kerberos.client(kind=LayerClient)
    _, creds = realm.ticket("stranger", "kstranger")
    line = client.authenticate(Gssapi(credentials=creds, **service()))
    assert line.startswith(b"s1 NO [AUTHENTICATIONFAILED]")
    _, creds = realm.ticket("voice/gw.example.test", "kvoice")
    assert client.authenticate(Gssapi(credentials=creds, **service())) == line
    kerberos.add("voice/gw.example.test", "x", "--acts-for", "bo")
    assert client.authenticate(Gssapi(credentials=creds, **service(acts_for="bo"))).startswith(b"s1 OK")
    assert whoami(client) == b"bo"
    client.unauthenticate()
    _, creds = realm.ticket("bo", "kbo")
    kerberos.cli("user", "disable", "bo")
    assert client.authenticate(Gssapi(credentials=creds, **service())) == line
    client.no("AUTHENTICATE GSSAPI " + base64.b64encode(b"no token").decode(), "[AUTHENTICATIONFAILED]")
    client.send(b"x AUTHENTICATE GSSAPI\r\n")
    assert client.read_line().strip() == b"+"
    client.send(b"*\r\n")
    assert client.read_line().startswith(b"x BAD")
    # Tokens may be long (64 KiB), but not endless.
    client.no("AUTHENTICATE GSSAPI " + base64.b64encode(b"x" * 60000).decode(), "[AUTHENTICATIONFAILED]")
    client.bad("AUTHENTICATE GSSAPI " + base64.b64encode(b"x" * 70000).decode())
    client.ok("NOOP")
    client.close()


@needs_kdc
def test_gssapi_without_its_key(server, realm):
    """The keytab has no key for this host: not the client's fault, and the log says so."""
    configure(server, "GSSAPI", f"auth.sasl_host = other.example.test\nauth.kerberos_keytab = {realm.dir}/keytab\n")
    os.environ["KRB5_CONFIG"] = realm.env["KRB5_CONFIG"]
    server.start()
    server.add("anna", PASSWORD)
    _, creds = realm.ticket("anna", "kanna")
    client = server.client(kind=LayerClient)
    assert client.authenticate(Gssapi(credentials=creds, **service())).startswith(b"s1 NO [UNAVAILABLE]")
    client.close()
    wait_for(lambda: "libsasl2" in server.log() and "AUTHENTICATE GSSAPI" in server.log())
    server.write(f"auth.sasl_mechanisms = [GSSAPI]\nauth.kerberos_keytab = {server.dir}/none\n")
    assert "auth.kerberos_keytab" in server.cli("config", "check", ok=False).stderr


@needs_kdc
@needs_imtest
def test_imtest_gssapi(kerberos, realm):
    """An independent client, with its layers."""
    cache, _ = realm.ticket("anna", "kanna")
    env = dict(realm.env, KRB5CCNAME=cache)
    for strength in (0, 1, 256):
        out = subprocess.run(
            [IMTEST, "-m", "GSSAPI", "-a", "anna", "-u", "anna", "-p", str(kerberos.port("IMAP")), "-l", str(strength),
             "-k", str(strength), "localhost"], env=env, capture_output=True, text=True, timeout=60, check=False,
            input="x0 SELECT INBOX\r\nx1 FETCH 1 BODY[]\r\n. logout\r\n").stdout
        assert f"Security strength factor: {strength}\n" in out, out
        assert "Subject: hello anna" in out and "x1 OK" in out, out


@needs_kdc
def test_gssapi_in_the_sandbox(server, realm):
    """Keytab, krb5.conf and the replay cache are accessible from inside."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    folder = os.path.join(server.dir, "keys")
    os.mkdir(folder)
    shutil.copy(f"{realm.dir}/keytab", f"{folder}/keytab")
    configure(server, "GSSAPI, DIGEST-MD5",
              f"auth.sasl_host = localhost\nauth.kerberos_keytab = {folder}/keytab\n"
              "server { user = nobody; sandbox = require }\n")
    for name in (folder, f"{folder}/keytab"):
        shutil.chown(name, "nobody")
    shutil.chown(server.dir, "nobody")
    os.environ["KRB5_CONFIG"] = realm.env["KRB5_CONFIG"]
    server.start(wait=False)
    wait_for(lambda: os.path.exists(server.ready) or server.process.poll() is not None, 60)
    if server.process.poll() is not None and "not started without" in server.log():
        pytest.skip("no sandbox in this kernel")
    users(server)
    _, creds = realm.ticket("anna", "kanna")
    client = server.client(kind=LayerClient)
    for choice in (4, 2):
        line = client.authenticate(Gssapi(credentials=creds, **service(choice)))
        assert line.startswith(b"s1 OK"), server.log()
        assert whoami(client) == b"anna"
        client.unauthenticate()
        assert client.authenticate(Digest("anna", PASSWORD)).startswith(b"s1 OK")
        client.unauthenticate()
    client.close()
    assert os.path.exists(f"{server.dir}/data/krb5.rcache2")
