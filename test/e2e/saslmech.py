# SPDX-License-Identifier: Apache-2.0
"""Clients of SASL mechanisms with security layers, from their RFCs: DIGEST-MD5 (RFC 2831), GSSAPI (RFC 4752)."""
import base64
import hashlib
import hmac
import os
import re
import struct

from imap import Imap
from peer import octets


def md5(data):
    return hashlib.md5(data).digest()


def md5_hex(data):
    return hashlib.md5(data).hexdigest().encode()


class Rc4:
    """RFC 2831's cipher "rc4", which Python's library lacks."""

    def __init__(self, key):
        self.s = list(range(256))
        self.i = self.j = j = 0
        for i in range(256):
            j = (j + self.s[i] + key[i % len(key)]) & 255
            self.s[i], self.s[j] = self.s[j], self.s[i]

    def run(self, data):
        s, out = self.s, bytearray()
        for c in data:
            self.i = (self.i + 1) & 255
            self.j = (self.j + s[self.i]) & 255
            s[self.i], s[self.j] = s[self.j], s[self.i]
            out.append(c ^ s[(s[self.i] + s[self.j]) & 255])
        return bytes(out)


class Layer:
    """What both layers share: buffers with their length in front (RFC 4422 section 3.7)."""

    max_out = 65536

    def encode(self, data):
        return b"".join(struct.pack(">I", len(b)) + b for b in
                        (self.wrap(data[i:i + self.max_out]) for i in range(0, len(data), self.max_out)))

    def decode(self, raw):
        """(bytes, rest of raw)"""
        out = b""
        while len(raw) >= 4:
            n = struct.unpack(">I", raw[:4])[0]
            if len(raw) < 4 + n:
                break
            out += self.unwrap(raw[4:4 + n])
            raw = raw[4 + n:]
        return out, raw


class DigestLayer(Layer):
    """Section 2.3 (integrity) and 2.4 (confidentiality, with rc4)."""

    def __init__(self, ha1, conf):
        self.key_out = md5(ha1 + b"Digest session key to client-to-server signing key magic constant")
        self.key_in = md5(ha1 + b"Digest session key to server-to-client signing key magic constant")
        self.seq_out = self.seq_in = 0
        self.seal = self.unseal = None
        if conf:
            self.seal = Rc4(md5(ha1 + b"Digest H(A1) to client-to-server sealing key magic constant"))
            self.unseal = Rc4(md5(ha1 + b"Digest H(A1) to server-to-client sealing key magic constant"))

    @staticmethod
    def mac(key, seq, data):
        return hmac.new(key, struct.pack(">I", seq) + data, "md5").digest()[:10]

    def wrap(self, data):
        mac = self.mac(self.key_out, self.seq_out, data)
        body = self.seal.run(data + mac) if self.seal else data + mac
        self.seq_out += 1
        return body + struct.pack(">HI", 1, self.seq_out - 1)

    def unwrap(self, packet):
        body, (version, seq) = packet[:-6], struct.unpack(">HI", packet[-6:])
        assert version == 1 and seq == self.seq_in
        body = self.unseal.run(body) if self.unseal else body
        data, mac = body[:-10], body[-10:]
        assert mac == self.mac(self.key_in, seq, data)
        self.seq_in += 1
        return data


class Digest:
    """One exchange of DIGEST-MD5; qop: auth, auth-int or auth-conf."""

    name = "DIGEST-MD5"
    initial = None

    def __init__(self, user, password, acts_for="", qop="auth-int", maxbuf=None, realm=None):
        self.user, self.password, self.acts_for = user.encode(), password.encode(), acts_for.encode()
        self.qop, self.maxbuf, self.realm = qop, maxbuf, realm
        self.ha1 = self.rspauth = None
        self.challenge = {}

    def step(self, challenge):
        if self.rspauth is not None:
            assert challenge == b"rspauth=" + self.rspauth
            return b""
        parts = {k.decode(): v.strip(b'"') for k, v in re.findall(rb'([\w-]+)=("[^"]*"|[^,]*)', challenge)}
        self.challenge = parts
        assert self.qop in parts["qop"].decode().split(","), parts
        realm = parts["realm"] if self.realm is None else self.realm.encode()
        nonce, cnonce, uri, qop = parts["nonce"], base64.b64encode(os.urandom(15)), b"imap/localhost", self.qop.encode()
        a1 = md5(self.user + b":" + realm + b":" + self.password) + b":" + nonce + b":" + cnonce
        if self.acts_for:
            a1 += b":" + self.acts_for
        self.ha1 = md5(a1)
        a2 = b":" + uri + (b":" + b"0" * 32 if self.qop != "auth" else b"")
        both = b":".join((nonce, b"00000001", cnonce, qop))
        key = self.ha1.hex().encode() + b":" + both + b":"
        self.rspauth = md5_hex(key + md5_hex(a2))
        answer = b'charset=utf-8,username="%s",realm="%s",nonce="%s",nc=00000001,cnonce="%s",digest-uri="%s",' \
                 b'response=%s,qop=%s' % (self.user, realm, nonce, cnonce, uri,
                                          md5_hex(key + md5_hex(b"AUTHENTICATE" + a2)), qop)
        if self.qop == "auth-conf":
            answer += b",cipher=rc4"
        if self.maxbuf:
            answer += b",maxbuf=%d" % self.maxbuf
        if self.acts_for:
            answer += b',authzid="%s"' % self.acts_for
        return answer

    def layer(self):
        if self.qop == "auth":
            return None
        layer = DigestLayer(self.ha1, self.qop == "auth-conf")
        layer.max_out = int(self.challenge.get("maxbuf", b"65536")) - 64
        return layer


class GssLayer(Layer):
    def __init__(self, context, conf):
        self.context, self.conf = context, conf

    def wrap(self, data):
        return self.context.wrap(data, self.conf).message

    def unwrap(self, packet):
        got = self.context.unwrap(packet)
        assert got.encrypted == self.conf
        return got.message


class Gssapi:
    """One exchange of GSSAPI (RFC 4752 section 3.1); layer: 1 none, 2 integrity, 4 confidentiality."""

    name = "GSSAPI"
    initial = b""  # filled in by the first step

    def __init__(self, service, credentials, acts_for="", choice=4, maxbuf=0xffff):
        import gssapi
        name = gssapi.Name(service, gssapi.NameType.hostbased_service)
        flags = gssapi.RequirementFlag
        self.context = gssapi.SecurityContext(
            name=name, creds=credentials, usage="initiate",
            flags=flags.mutual_authentication | flags.integrity | flags.confidentiality | flags.out_of_sequence_detection)
        self.acts_for, self.choice, self.maxbuf = acts_for.encode(), choice, maxbuf
        self.server_max = 0

    def first(self):
        return self.context.step()

    def step(self, challenge):
        if not self.context.complete:
            return self.context.step(challenge) or b""
        offer = self.context.unwrap(challenge).message
        assert len(offer) == 4 and offer[0] & self.choice, offer
        self.server_max = int.from_bytes(offer[1:], "big")
        maxbuf = self.maxbuf if self.choice != 1 else 0
        return self.context.wrap(bytes([self.choice]) + maxbuf.to_bytes(3, "big") + self.acts_for, False).message

    def layer(self):
        if self.choice == 1:
            return None
        layer = GssLayer(self.context, self.choice == 4)
        layer.max_out = self.server_max - 200
        return layer


class LayerClient(Imap):
    """A client whose bytes go through the current layer."""

    layer = None
    raw = b""

    def send_raw(self, data):
        super().send(data)

    def send(self, data):
        super().send(self.layer.encode(octets(data)) if self.layer else data)

    def receive(self):
        got = super().receive()
        if self.layer:
            got, self.raw = self.layer.decode(self.raw + got)
        return got

    def authenticate(self, mech, initial=False):
        """The tagged line; after an OK the layer is on."""
        first = mech.first() if hasattr(mech, "first") else None
        self.send(f"s1 AUTHENTICATE {mech.name}"
                  + (f" {base64.b64encode(first).decode()}" if initial and first else "") + "\r\n")
        if initial and first:
            first = None
        while True:
            line = self.read_line()
            if not line.startswith(b"+"):
                break
            challenge = base64.b64decode(line[1:].strip())
            answer, first = (first, None) if first is not None else (mech.step(challenge), None)
            self.send(base64.b64encode(answer) + b"\r\n")
        if line.startswith(b"s1 OK"):
            assert self.buf == b""
            self.layer = mech.layer()
        return line

    def unauthenticate(self):
        """The layer ends after the OK."""
        assert len(self.ok("UNAUTHENTICATE")) == 1
        assert self.buf == b"" and self.raw == b""
        self.layer = None
