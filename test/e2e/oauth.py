# SPDX-License-Identifier: Apache-2.0
"""An issuer of tokens for tests: keys and signatures by José (`jose`), forgeries by hand."""
import base64
import hashlib
import hmac
import json
import os
import subprocess
import time

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
        """As issuers' files are: a new one in place of the old."""
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
    """The message of OAUTHBEARER, in base64."""
    text = "n," + (f"a={acts_for}" if acts_for else "") + ",\1"
    text += (f"host={host}\1" if host else "") + (f"port={port}\1" if port else "")
    return base64.b64encode(f"{text}auth=Bearer {token}\1\1".encode()).decode()


def xoauth2(token, user):
    return base64.b64encode(f"user={user}\1auth=Bearer {token}\1\1".encode()).decode()


def authenticate(client, message, mech="OAUTHBEARER", answer="AQ==", tag="o1"):
    """The tagged line, and what the server said of the token (None: it took it)."""
    client.send(f"{tag} AUTHENTICATE {mech} {message}\r\n")
    line, said = client.read_line().decode(), None
    if line.startswith("+ "):
        said = json.loads(base64.b64decode(line[2:]))
        client.send(answer + "\r\n")
        line = client.read_line().decode()
    assert line.startswith(tag + " "), line
    return line[len(tag) + 1:], said
