# SPDX-License-Identifier: Apache-2.0
"""A token issuer for tests: keys and signatures made with José (`jose`), forgeries by hand."""
import base64
import hashlib
import hmac
import http.server
import json
import os
import ssl
import subprocess
import threading
import time
import urllib.parse

from ca import self_signed

ISSUER = "https://id.site.example"
AUDIENCE = "imap.site.example"
SCOPE = "mail"


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def jose(*args, stdin=""):
    return subprocess.run(["jose", *args], input=stdin, capture_output=True, text=True, timeout=60, check=True).stdout


class Issuer:
    def __init__(self, folder):
        self.folder = folder
        self.file = os.path.join(folder, "jwks.json")
        self.keys = {}

    def add(self, kid, alg="ES256"):
        self.keys[kid] = json.loads(jose("jwk", "gen", "-i", json.dumps({"alg": alg, "kid": kid})))
        return self

    def public(self, kid):
        key = self.keys[kid]
        if key["kty"] == "oct":
            return key
        return json.loads(jose("jwk", "pub", "-i-", stdin=json.dumps(key)))

    def publish(self, *kids):
        """Replaces the file, as issuers do."""
        with open(self.file + ".new", "w", encoding="ascii") as f:
            json.dump({"keys": [self.public(kid) for kid in kids or self.keys]}, f)
        os.rename(self.file + ".new", self.file)
        return self

    def claims(self, user, **more):
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "scope": f"openid {SCOPE}", "sub": user, "iat": now, "exp": now + 600}
        claims.update(more)
        return {k: v for k, v in claims.items() if v is not None}

    def token(self, user, kid=None, header=None, **more):
        kid = kid or next(iter(self.keys))
        key = self.keys[kid]
        protected = {"alg": key["alg"], "kid": kid, "typ": "at+jwt"}
        protected.update(header or {})
        payload = b64url(json.dumps(self.claims(user, **more)).encode())
        return jose("jws", "sig", "-i", json.dumps({"payload": payload}), "-k-", "-s", json.dumps({"protected": protected}), "-c",
                    stdin=json.dumps(key)).strip()

    def unsigned(self, user, header, **more):
        return b64url(json.dumps(header).encode()) + "." + b64url(json.dumps(self.claims(user, **more)).encode())

    def none(self, user):
        return self.unsigned(user, {"alg": "none"}) + "."

    def confused(self, user, kid, secret):
        """Signed with a public key as if it were a secret."""
        text = self.unsigned(user, {"alg": "HS256", "kid": kid})
        return text + "." + b64url(hmac.new(secret, text.encode(), hashlib.sha256).digest())


def bearer(token, acts_for="", host="", port=0):
    """An OAUTHBEARER message, in base64."""
    text = "n," + (f"a={acts_for}" if acts_for else "") + ",\1"
    text += (f"host={host}\1" if host else "") + (f"port={port}\1" if port else "")
    return base64.b64encode(f"{text}auth=Bearer {token}\1\1".encode()).decode()


def xoauth2(token, user):
    return base64.b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode()).decode()


def authenticate(client, message, mech="OAUTHBEARER", answer="AQ==", tag="o1"):
    """The tagged line, and what the server said about the token (None: accepted)."""
    client.send(f"{tag} AUTHENTICATE {mech} {message}\r\n")
    line, said = client.read_line().decode(), None
    if line.startswith("+ "):
        said = json.loads(base64.b64decode(line[2:]))
        client.send(answer + "\r\n")
        line = client.read_line().decode()
    assert line.startswith(tag + " "), line
    return line[len(tag) + 1:], said


class Endpoint:
    """An introspection endpoint (RFC 7662) on loopback, over TLS, with an authority of its own."""

    def __init__(self, folder, names="IP:127.0.0.1"):
        self.cert, key = os.path.join(folder, "endpoint.pem"), os.path.join(folder, "endpoint.key")
        self_signed(self.cert, key, "endpoint", "-nodes", "-addext", f"subjectAltName={names}")
        os.chmod(self.cert, 0o644)
        self.tokens = {}  # the answer for each; others are not active
        self.asked = []  # (headers, form) of each request
        self.status, self.type, self.raw, self.headers = 200, "application/json", None, {}
        self.gate = threading.Event()
        self.gate.set()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                endpoint.asked.append((dict(self.headers), form))
                endpoint.gate.wait(60)
                said = {"active": True, **endpoint.tokens[form["token"][0]]} if form["token"][0] in endpoint.tokens else {"active": False}
                body = endpoint.raw if endpoint.raw is not None else json.dumps(said).encode()
                self.send_response(endpoint.status)
                for name, value in {"Content-Type": endpoint.type, "Content-Length": str(len(body)), **endpoint.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):  # pylint: disable=arguments-differ
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *args):  # pylint: disable=arguments-differ
                pass  # some tests have a client that disconnects

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.server.server_port}/introspect"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.gate.set()
        self.server.shutdown()
        self.server.server_close()


def faults(server, block):
    """What `config check` finds in a database for tokens."""
    server.write(f"auth.databases = [store, sso]\ndatabase sso {{ type = oauth; {block} }}\n")
    done = server.cli("config", "check", ok=False)
    return done.stdout + done.stderr


def mutt(server, folder, user, *lines):
    """Mutt opens the user's INBOX and quits; lines say how it logs in."""
    pem = os.path.join(folder, "server.pem")
    with open(pem, "w", encoding="ascii") as f:
        f.write(ssl.DER_cert_to_PEM_cert(server.certificate()))
    url = f"imaps://{user}@127.0.0.1:{server.port('IMAPS')}/"
    rc = os.path.join(folder, "muttrc")
    with open(rc, "w", encoding="utf-8") as f:
        f.write("\n".join((f'set folder="{url}"', f'set spoolfile="{url}INBOX"', f'set imap_user="{user}"',
                           f'set certificate_file="{pem}"', "set ssl_verify_host=no", "set header_cache=\"\"",
                           "set imap_check_subscribed=no", *lines, 'push "<quit>"')) + "\n")
    return subprocess.run(["script", "-qec", f"mutt -n -F {rc}", "/dev/null"], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=dict(os.environ, HOME=folder, TERM="xterm"), check=False)
