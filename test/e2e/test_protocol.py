# SPDX-License-Identifier: Apache-2.0
"""Large and odd things that do not fit a transcript."""
import base64
import re

import pytest


@pytest.fixture
def box(demo, request):
    c = demo.login("alice")
    c.name = "P" + re.sub(r"\W", "", request.node.name)[:60]
    c.ok(f"CREATE {c.name}")
    yield c
    c.run("UNSELECT")
    c.ok(f"DELETE {c.name}")
    c.close()


def balanced(text):
    """Parentheses outside quoted strings and literals; the depth must never be negative."""
    depth = at = 0
    while at < len(text):
        ch = text[at:at + 1]
        if ch == b'"':
            at += 1
            while text[at:at + 1] != b'"':
                at += 2 if text[at:at + 1] == b"\\" else 1
        elif ch == b"{":
            m = re.match(rb"\{(\d+)\}\r\n", text[at:])
            at += m.end() + int(m.group(1)) - 1
        elif ch == b"(":
            depth += 1
        elif ch == b")":
            depth -= 1
            assert depth >= 0
        at += 1
    return depth == 0


@pytest.mark.parametrize("kind", ["multipart", "message"])
def test_ten_thousand_levels_deep(box, kind):
    lines = []
    for i in range(10000):
        if kind == "multipart":
            lines += [f"Content-Type: multipart/mixed; boundary=b{i}", "", f"--b{i}"]
        else:
            lines += ["Content-Type: message/rfc822", "", f"Subject: level {i}"]
    message = ("Subject: deep\r\n" + "\r\n".join(lines) + "\r\n\r\nbottom\r\n").encode()
    box.append(box.name, message)
    box.ok(f"SELECT {box.name}")
    got = box.ok("FETCH 1 (ENVELOPE BODY BODYSTRUCTURE)")[0]
    assert balanced(got[got.index(b"("):])
    assert box.ok("FETCH 1 BODY.PEEK[]")[0].split(b"}\r\n", 1)[1][:-1] == message
    assert box.ok("SEARCH SUBJECT deep")[0] == b"* SEARCH 1"
    box.ok("SEARCH BODY bottom")
    path = ".".join(["1"] * 200)
    assert b"NIL" in box.ok(f"FETCH 1 BODY.PEEK[{path}]")[0]


def test_ten_thousand_mailboxes(demo):
    c = demo.login("bob")
    c.send("".join(f"m{i} CREATE Many/{i // 100}/{i % 100}\r\n" for i in range(10000)))
    for i in range(10000):
        assert c.until(f"m{i}")[-1].startswith(f"m{i} OK".encode())
    assert len(c.ok('LIST "" Many/*')) - 1 == 10000
    levels = c.ok('LIST "" Many/%')[:-1]
    assert len(levels) == 100 and all(b"\\Noselect" in r and b"\\HasChildren" in r for r in levels)
    got = c.ok('LIST "" Many/* RETURN (STATUS (MESSAGES UNSEEN UIDNEXT SIZE))')
    assert sum(r.startswith(b"* STATUS") for r in got) == 10000
    c.close()


NEGATED = ["ANSWERED", "DELETED", "DRAFT", "FLAGGED", "SEEN", "RECENT", "NEW", "OLD", "KEYWORD work", "UNKEYWORD work",
           "UNANSWERED", "UNDELETED", "UNDRAFT", "UNFLAGGED", "UNSEEN", "BCC x", "CC x", "FROM eve", "TO adam",
           "SUBJECT two", "BODY second", "TEXT second", 'HEADER Subject ""', "HEADER X-None a", "BEFORE 1-Jan-2020",
           "ON 1-Jan-2020", "SINCE 1-Jan-2020", "SENTBEFORE 2-Feb-2020", "SENTON 2-Feb-2020", "SENTSINCE 2-Feb-2020",
           "LARGER 120", "SMALLER 120", "OLDER 100000000", "YOUNGER 100000000", "UID 2", "2", "ALL",
           "OR SEEN FLAGGED", "(SEEN FLAGGED)", "NOT SEEN"]


def test_each_key_and_its_negation_divide_the_mailbox(box):
    for i, (flags, date, extra) in enumerate([
            ("\\Seen", "01-Jan-2020 23:59:59 -1100", "Date: Sun, 2 Feb 2020 00:30:00 +1400\r\n"),
            ("\\Flagged work", "31-Dec-2019 00:00:01 +1400", "From: eve@x.example\r\nCc: x@y.example\r\n"),
            ("\\Answered \\Draft", "02-Jan-2020 12:00:00 +0000", "To: adam@x.example\r\nBcc: x\r\n"),
            ("\\Deleted \\Seen \\Flagged", "15-Jul-2026 12:00:00 +0000", "Date: nonsense\r\n")], 1):
        text = f"Subject: {('one', 'two', 'three', 'four')[i - 1]}\r\n{extra}\r\n{'second' if i == 2 else 'other'}\r\n"
        box.append(box.name, text, f'({flags}) "{date}" ')
    box.ok(f"SELECT {box.name}")
    hits = {}
    for key in NEGATED:
        yes = box.ok(f"SEARCH {key}")[0].split()[2:]
        no = box.ok(f"SEARCH NOT {key}")[0].split()[2:]
        assert sorted(yes + no) == [b"1", b"2", b"3", b"4"], (key, yes, no)
        hits[key] = [int(n) for n in yes]
    assert hits["ON 1-Jan-2020"] == [1] and hits["BEFORE 1-Jan-2020"] == [2]
    assert hits["SENTON 2-Feb-2020"] == [1]  # the date as it is written, zone and time ignored
    assert hits["FROM eve"] == [2] and hits["TO adam"] == [3] and hits["CC x"] == [2] and hits["BCC x"] == [3]
    assert hits["BODY second"] == [2] and hits["HEADER X-None a"] == []
    assert hits["OR SEEN FLAGGED"] == [1, 2, 4] and hits["(SEEN FLAGGED)"] == [4]


def test_a_day_with_one_digit(box):
    box.append(box.name, "Subject: a\r\n\r\nx\r\n", '" 7-Mar-2021 01:02:03 +0000" ')
    box.ok(f"SELECT {box.name}")
    assert b'INTERNALDATE " 7-Mar-2021 01:02:03 +0000"' in box.ok("FETCH 1 INTERNALDATE")[0]


def test_move_and_copy_of_what_others_expunged(demo, box):
    for i in range(4):
        box.append(box.name, f"Subject: {i}\r\n\r\nx\r\n")
    other = demo.login("alice")
    other.ok("CREATE PTarget")
    box.ok(f"SELECT {box.name}")
    other.ok(f"SELECT {box.name}")
    other.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    other.ok("EXPUNGE")
    box.no("COPY 1:3 PTarget", "EXPUNGEISSUED")
    box.no("MOVE 1:3 PTarget", "EXPUNGEISSUED")
    assert b"MESSAGES 0" in other.ok("STATUS PTarget (MESSAGES)")[0]
    replies = box.ok("UID MOVE 1:3 PTarget")
    assert any(re.search(rb"\[COPYUID \d+ 1,3 1:2\]", r) for r in replies), replies
    assert b"MESSAGES 2" in other.ok("STATUS PTarget (MESSAGES)")[0]
    assert box.ok("UID SEARCH ALL")[0] == b"* SEARCH 4"
    other.ok("UNSELECT")
    other.ok("DELETE PTarget")
    other.close()


def append8(box, message):
    box.send(f"b APPEND {box.name} ~{{{len(message)}+}}\r\n".encode() + message + b"\r\n")
    assert box.until("b")[-1].startswith(b"b OK")


def value(response, item):
    """The literal of an item."""
    at = response.index(item + b" ")
    m = re.match(rb"~?\{(\d+)\}\r\n", response[at + len(item) + 1:])
    start = at + len(item) + 1 + m.end()
    return response[start:start + int(m.group(1))]


def test_binary_parts_are_base64_to_who_does_not_ask_for_binary(box):
    """RFC 3516 section 6: BODY and BODYSTRUCTURE show them in an encoding that a literal can hold."""
    data = bytes(range(256)) * 300 + b"\r\n--b\r\r\n"
    message = (b"Subject: bin\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n"
               b"--b\r\nContent-Type: application/x; name=y\r\nContent-Transfer-Encoding: BINARY\r\n\r\n" +
               data.replace(b"--b", b"--c") + b"\r\n--b--\r\n")
    append8(box, message)
    box.ok(f"SELECT {box.name}")
    got = box.ok("FETCH 1 (RFC822.SIZE BODYSTRUCTURE BODY.PEEK[] BODY.PEEK[2] BODY.PEEK[2.MIME])")[0]
    body = value(got, b"BODY[2]")
    assert b"\0" not in got and base64.b64decode(body) == data.replace(b"--b", b"--c")
    assert f'("application" "x" ("name" "y") NIL NIL "base64" {len(body)} '.encode() in got
    assert value(got, b"BODY[2.MIME]") == (b"Content-Type: application/x; name=y\r\n"
                                           b"Content-Transfer-Encoding: base64\r\n\r\n")
    assert f"RFC822.SIZE {len(value(got, b'BODY[]'))} ".encode() in got
    got = box.ok("FETCH 1 (BINARY.SIZE[2] BINARY.PEEK[2] BODY.PEEK[1])")[0]
    assert value(got, b"BINARY[2]") == base64.b64decode(body) and value(got, b"BODY[1]") == b"text"
    assert f"BINARY.SIZE[2] {len(data)} ".encode() in got


def test_no_nul_but_in_literal8(box):
    """RFC 9051 section 4.3.1; elsewhere it is sent as 0x80."""
    message = b"Subject: a\0b\r\nX: \0\r\n\r\nc\0d" + b"\0" * 300_000
    append8(box, message)
    box.ok(f"SELECT {box.name}")
    got = box.ok("FETCH 1 (RFC822.SIZE ENVELOPE BODY.PEEK[] BODY.PEEK[HEADER.FIELDS (X)] BODY.PEEK[TEXT]<1.2>)")[0]
    assert b"\0" not in got and f"RFC822.SIZE {len(message)} ".encode() in got
    assert value(got, b"BODY[]") == message.replace(b"\0", b"\x80")
    assert value(got, b"BODY[HEADER.FIELDS (X)]") == b"X: \x80\r\n\r\n"
    assert value(got, b"BODY[TEXT]<1>") == b"\x80d"
    got = box.ok("FETCH 1 (BINARY.PEEK[1] BINARY.PEEK[])")[0]
    assert value(got, b"BINARY[1]") == message.partition(b"\r\n\r\n")[2] and value(got, b"BINARY[]") == message
