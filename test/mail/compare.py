#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Compares what mail_dump makes of generated messages with Python's email.

usage: compare.py MAIL_DUMP [SEED [COUNT]]

Structure, decoded contents, file names, subjects, addresses and dates of a
few hundred messages, sound and broken, must be the same for both readers.
"""
import base64
import email
import email.errors
import email.policy
import email.utils
import json
import os
import quopri
import random
import subprocess
import sys
import tempfile

WORDS = ["tea", "Garden", "report", "Über", "naïve", "Привет", "мир", "日本語", "テスト", "你好",
         "Grüße", "señor", "x", "2024", "Ω-value", "😀", "ok"]
CHARSETS = {"us-ascii": 0, "utf-8": 1, "iso-8859-1": 0, "koi8-r": 0, "iso-2022-jp": 0,
            "shift_jis": 0, "gb2312": 0, "windows-1252": 0, "utf-16be": 0}
TYPES = ["mixed", "alternative", "related", "parallel", "X-Own", "digest"]


class Maker:
    def __init__(self, rng):
        self.r = rng
        self.boundaries = 0

    def text(self, n):
        return " ".join(self.r.choice(WORDS) for _ in range(n))

    def in_charset(self, charset, n):
        words = [w for w in WORDS if can(w, charset)]
        return " ".join(self.r.choice(words) for _ in range(n))

    def encoded_word(self):
        charset = self.r.choice([c for c in CHARSETS if c not in ("us-ascii", "utf-16be")])
        raw = self.in_charset(charset, self.r.randint(1, 2)).encode(charset)
        if self.r.random() < 0.5:
            return "=?%s?B?%s?=" % (charset, base64.b64encode(raw).decode())
        return "=?%s?Q?%s?=" % (charset.upper(), "".join(
            chr(b) if chr(b).isalnum() and b < 128 else "_" if b == 32 else "=%02X" % b for b in raw))

    def subject(self):
        words = [self.encoded_word() if self.r.random() < 0.5 else self.r.choice(["tea", "at", "Re:", "[list]"])
                 for _ in range(self.r.randint(1, 6))]
        return self.r.choice([" ", "\n ", " "]).join(words)

    def address(self):
        box = "%s%d@%s.test" % (self.r.choice(["ann", "bob.x", "carl+tag"]), self.r.randint(0, 99),
                                self.r.choice(["site", "a.b", "other"]))
        k = self.r.randint(0, 5)
        if k == 0:
            return box
        if k == 1:
            return "Ann Lee <%s>" % box
        if k == 2:
            return '"Lee, \\"A\\" (x)" <%s>' % box
        if k == 3:
            return "%s <%s>" % (self.encoded_word(), box)
        if k == 4:
            return "Ann\n Lee <%s>" % box
        return "<%s>" % box

    def addresses(self):
        parts = [self.address() for _ in range(self.r.randint(1, 4))]
        if self.r.random() < 0.2:
            parts.append("Friends: %s;" % ", ".join(self.address() for _ in range(self.r.randint(0, 2))))
        return self.r.choice([", ", ",\n "]).join(parts)

    def date(self):
        t = self.r.randint(0, 2 ** 31)
        d = email.utils.formatdate(t)
        return self.r.choice([d, d.replace("-0000", "+0530"), d.replace("-0000", "-0330 (zone)"),
                              d.replace("-0000", "EST"), d.split(", ")[1], d.replace("-0000", "GMT")])

    def leaf(self):
        kind = self.r.randint(0, 4)
        lines = self.r.randint(0, 4)
        head = []
        if kind == 0:
            body = "\n".join(self.in_charset("us-ascii", 3) for _ in range(lines)).encode()
            if self.r.random() < 0.5:
                head.append("Content-Type: text/plain")
        elif kind == 1:
            charset = self.r.choice(list(CHARSETS))
            raw = "\n".join(self.in_charset(charset, 4) for _ in range(lines)).encode(charset)
            head.append("Content-Type: %s; %s" % (self.r.choice(["text/plain", "Text/HTML"]),
                                                  self.r.choice(['charset=%s', 'format=flowed;\n charset="%s"']) % charset))
            if self.r.random() < 0.5 or charset == "utf-16be":
                head.append("Content-Transfer-Encoding: base64")
                body = base64.encodebytes(raw)
            else:
                head.append("Content-Transfer-Encoding: Quoted-Printable")
                body = quopri.encodestring(raw)
        elif kind == 2:
            head.append("Content-Type: application/octet-stream")
            head.append("Content-Transfer-Encoding: base64")
            body = base64.encodebytes(bytes(self.r.randrange(256) for _ in range(self.r.randint(0, 90))))
        elif kind == 3:
            head.append("Content-Type: text/x-raw; charset=utf-8")
            head.append("Content-Transfer-Encoding: 8bit")
            body = "\n".join(self.text(3) for _ in range(lines)).encode()
        else:
            head.append("Content-Type: image/png (a comment)")
            body = b"no png\n-- \n--not a delimiter\n"
        if self.r.random() < 0.4:
            head.append(self.disposition())
        return head, body

    def disposition(self):
        k = self.r.randint(0, 3)
        if k == 0:
            return "Content-Disposition: attachment; filename=plain.txt"
        if k == 1:
            return 'Content-Disposition: inline; filename="a \\"b\\"; c.txt"; size=3'
        name = self.text(2).encode()
        if k == 2:
            return "Content-Disposition: attachment;\n filename*=utf-8'en'" + percent(name)
        cut = self.r.randint(1, len(name))
        return ("Content-Disposition: attachment;\n filename*0*=utf-8''%s;\n filename*1*=%s;\n filename*2=.txt"
                % (percent(name[:cut]), percent(name[cut:])))

    def entity(self, depth):
        k = self.r.random()
        if depth > 0 and k < 0.45:
            return self.multipart(depth)
        if depth > 0 and k < 0.6:
            head, body = self.entity(depth - 1)
            inner = self.header(head, False) + b"\n" + body
            return ["Content-Type: message/rfc822"], inner
        return self.leaf()

    def multipart(self, depth):
        self.boundaries += 1
        boundary = self.r.choice(["b%d", "=_ %d x", "--%d", "b%d'()+_,-./:=?"]) % self.boundaries
        subtype = self.r.choice(TYPES)
        head = ['Content-Type: multipart/%s;%sboundary="%s"' % (subtype, self.r.choice([" ", "\n\t"]), boundary)]
        out = self.r.choice([b"", b"preamble\n", b"\n"])
        for _ in range(self.r.randint(1, 3)):
            h, b = self.entity(depth - 1)
            if subtype == "digest":
                h, b = [], self.header(h, False) + b"\n" + b
            out += b"--" + boundary.encode() + self.r.choice([b"", b" ", b"\t"]) + b"\n"
            out += "".join(x + "\n" for x in h).encode() + b"\n" + b + b"\n"
        if self.r.random() < 0.85:  # otherwise never closed
            out += b"--" + boundary.encode() + b"--" + self.r.choice([b"\n", b"\nepilogue\n"])
        return head, out

    def header(self, extra, full):
        fields = ["Subject: " + self.subject(), "From: " + self.addresses()]
        if full:
            fields += ["To: " + self.addresses(), "Cc: " + self.addresses(), "Date: " + self.date(),
                       "Message-ID: <%d@site.test>" % self.r.randint(0, 10 ** 9), "MIME-Version: 1.0"]
        fields += extra
        self.r.shuffle(fields)
        return "".join(f + "\n" for f in fields).encode()

    def message(self):
        head, body = self.entity(4)
        top = self.header(head, True) + b"\n"
        if self.r.random() < 0.1:  # the end is missing
            body = body[:self.r.randint(0, len(body))]
            cut = body.rfind(b"\n\n")
            body = body[:cut + 2] if cut >= 0 else b""
        raw = top + body
        return raw if self.r.random() < 0.2 else raw.replace(b"\n", b"\r\n")


def can(word, charset):
    try:
        word.encode(charset)
        return True
    except UnicodeEncodeError:
        return False


def percent(raw):
    return "".join(chr(b) if chr(b).isalnum() and b < 128 else "%%%02x" % b for b in raw)


def address_text(header):
    if header is None:
        return None
    out = []
    for group in header.groups:
        boxes = ["%s <%s>" % (a.display_name, a.addr_spec) if a.display_name else a.addr_spec
                 for a in group.addresses]
        out.append("%s: %s;" % (group.display_name, ", ".join(boxes)) if group.display_name else boxes[0])
    return ", ".join(out)


def theirs(raw):
    """Python's result, in mail_dump's form."""
    old, new = email.message_from_bytes(raw), email.message_from_bytes(raw, policy=email.policy.default)
    out = {"subject": str(new["subject"]), "parts": []}
    # If the close delimiter is missing, Python removes the last line end nevertheless.
    out["open"] = any(isinstance(d, email.errors.CloseBoundaryNotFoundDefect)
                      for p in old.walk() for d in p.defects)
    for f in "from", "to", "cc":
        out[f] = address_text(new[f])
    out["sent"] = int(email.utils.parsedate_to_datetime(old["date"]).timestamp())
    for p in old.walk():
        part = {"type": p.get_content_maintype(), "subtype": p.get_content_subtype().split(" (")[0],
                "filename": p.get_filename(), "content": None}
        if p.is_multipart():
            pass
        elif part["type"] == "multipart":
            # Without any part; ours has an artificial one.
            out["parts"].append(part)
            part = {"type": "text", "subtype": "plain", "filename": None, "content": None}
        else:
            content = p.get_payload(decode=True)
            charset = p.get_content_charset() if part["type"] == "text" else None
            part["content"] = content.decode(charset or "iso-8859-1", "replace")
        out["parts"].append(part)
    return out


def ours(line):
    d = json.loads(line)
    out = {k: d.get(k) for k in ("subject", "from", "to", "cc", "sent")}
    out["parts"] = [{"type": p["type"], "subtype": p["subtype"], "filename": p["filename"],
                     "content": p.get("content")} for p in d["parts"]]
    return out


def differences(a, b):
    found = [(k, a[k], b[k]) for k in a if k != "parts" and a[k] != b[k]]
    if len(a["parts"]) != len(b["parts"]):
        return found + [("parts", a["parts"], b["parts"])]
    for i, (x, y) in enumerate(zip(a["parts"], b["parts"])):
        if y["content"] is None:  # Python could not parse it
            x = dict(x, content=None)
        elif b["open"] and x["content"] in (y["content"] + "\n", y["content"] + "\r\n"):
            x = dict(x, content=y["content"])
        if x != y:
            found.append((i, x, y))
    return found


def main():
    dump = sys.argv[1]
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int(os.environ.get("TURNSTONE_SEED") or int.from_bytes(os.urandom(4), "big"))
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 400
    print("seed", seed, flush=True)
    rng = random.Random(seed)
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for i in range(count):
            names.append(os.path.join(folder, "%04d.eml" % i))
            with open(names[-1], "wb") as f:
                f.write(Maker(rng).message())
        run = subprocess.run([dump] + names, stdout=subprocess.PIPE, check=True)
        lines = run.stdout.decode("utf-8").split("\n")[:-1]
        assert len(lines) == count, (len(lines), count)
        for name, line in zip(names, lines):
            with open(name, "rb") as f:
                raw = f.read()
            found = differences(ours(line), theirs(raw))
            failed += bool(found)
            if found and failed <= 3:
                print("---", raw.decode("utf-8", "replace"), sep="\n")
            for what, a, b in found[:3] if failed <= 10 else []:
                print("%s: %s\n  ours   %r\n  theirs %r" % (name, what, a, b))
    print("%d messages, %d differ" % (count, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
