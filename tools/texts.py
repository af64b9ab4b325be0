#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Collects the texts that IMAP clients show to people, and writes po/turnstone.pot.

usage: texts.py [--check]

A text is a string literal where a function of KEYWORDS expects one, also in `a ? b : c`, or one in
N_().  --check writes nothing: it fails if the file is out of date, if a literal in src/imap or
src/wire looks like a text and is not collected, or if a text with values has a conversion that
src/texts/format.c does not know.
"""
import os
import re
import sys

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
POT = "po/turnstone.pot"

# Function: which argument is the text.
KEYWORDS = {
    "N_": 1, "cmd_ok": 2, "cmd_ok_code": 3, "cmd_no": 3, "cmd_no_with": 3, "cmd_bad": 2, "cmd_bad_code": 3,
    "imap_bye": 3, "imap_say": 4, "imap_say_ok": 3, "imap_say_end": 2, "imap_say_continue": 2,
    "imap_loop_shutdown": 2, "wire_in_fail": 2, "wire_in_limit": 2, "WIRE_VEC_PUSH": 4,
}
FORMATS = {"cmd_no_with"}  # the text has values

TOKEN = re.compile(r"""(?P<skip>\s+|/\*.*?\*/|//[^\n]*|^\s*\#(?:[^\n]*\\\n)*[^\n]*)
    |(?P<str>"(?:[^"\\]|\\.)*")|(?P<chr>'(?:[^'\\]|\\.)*')|(?P<id>[A-Za-z_]\w*)|(?P<other>.)""",
                   re.X | re.S | re.M)
CONVERSION = re.compile(r"%(?:%|[0-9.\-+ #hlzjt]*[sdiuxXc])")

# Literals in these are not for users of IMAP.
ELSEWHERE = {"imap_log", "log_msg", "imap_event", "log_event", "TS_ASSERT", "TS_WRONG", "STR", "note",
             "conf_report", "conf_report_item", "trace", "audit_failed", "imap_try_refuse", "str_eq"}
FIELDS = {"prose", "title", "shown", "when", "name", "def", "word"}
CODES = re.compile(r"static const struct imap_code codes\[\] = \{.*?\};", re.S)  # for documents
LOOKS = re.compile(r'^"[A-Z]\w*[ ,;].*[a-z]{2}.*"$')


def tokens_of(path):
    text = open(os.path.join(TOP, path), encoding="utf-8").read()
    text = CODES.sub(lambda m: "\n" * m.group().count("\n"), text)
    found = []
    for m in TOKEN.finditer(text):
        if m.lastgroup == "skip":
            continue
        word = m.group()
        if m.lastgroup == "str" and found and found[-1][0] == "str":
            found[-1] = ("str", found[-1][1][:-1] + word[1:], found[-1][2])
        else:
            found.append((m.lastgroup, word, text.count("\n", 0, m.start()) + 1))
    return found


class File:
    def __init__(self, path):
        self.path = path
        self.texts = []      # (literal, is a format)
        self.faults = []
        self.walk(tokens_of(path))

    def walk(self, tokens):
        calls = []           # (function, argument) for each open parenthesis
        braces = 0
        field = None
        for i, (kind, word, line) in enumerate(tokens):
            before = tokens[i - 1] if i > 0 else ("other", "", 0)
            if word == "(":
                calls.append([before[1] if before[0] == "id" else "", 1])
            elif word == ")" and calls:
                calls.pop()
            elif word == "," and calls:
                calls[-1][1] += 1
            elif word in "{}":
                braces += 1 if word == "{" else -1
            if word in ",;{}" and not calls:
                field = None
            if before[1] == "." and kind == "id" and not calls:
                field = word
            if kind == "str":
                self.literal(word, line, calls, field)

    def literal(self, word, line, calls, field):
        named = [c for c in calls if c[0] not in ("", "if", "while", "switch", "return", "sizeof")]
        function, argument = named[-1] if named else ("", 0)
        if KEYWORDS.get(function) == argument:
            self.text(word, line, function in FORMATS)
        elif (self.path.startswith(("src/imap/", "src/wire/")) and LOOKS.match(word) and
              function not in ELSEWHERE and field not in FIELDS):
            self.faults.append(f"{self.path}:{line}: {word} looks like a text for people: N_({word})?")

    def text(self, word, line, is_format):
        self.texts.append((word, is_format))
        found = CONVERSION.search(word) is not None
        if found != is_format or (is_format and "%" in CONVERSION.sub("", word)):
            self.faults.append(f"{self.path}:{line}: {word}: a percent sign that is no conversion, or no value for one")


def sources():
    found = []
    for folder, _, names in os.walk(os.path.join(TOP, "src")):
        found += [os.path.relpath(os.path.join(folder, n), TOP) for n in names if n.endswith((".c", ".h"))]
    return sorted(found)


def pot(files):
    """Sorted by text and without locations, so that it changes with a text and not when a file moves."""
    formats = {word for f in files for word, is_format in f.texts if is_format}
    out = ["# SPDX-License-Identifier: Apache-2.0",
           "# What the server says to users of IMAP clients.  Made by ./dev texts.",
           'msgid ""', 'msgstr ""', '"Project-Id-Version: turnstone\\n"', '"MIME-Version: 1.0\\n"',
           '"Content-Type: text/plain; charset=UTF-8\\n"', '"Content-Transfer-Encoding: 8bit\\n"', ""]
    for word in sorted({word for f in files for word, _ in f.texts}):
        out += ["#, c-format"] * (word in formats) + [f"msgid {word}", 'msgstr ""', ""]
    return "\n".join(out[:-1]) + "\n"


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit(__doc__.split("\n\n")[1])
    files = [File(p) for p in sources()]
    faults = [fault for f in files for fault in f.faults]
    for fault in faults:
        print(fault, file=sys.stderr)
    path = os.path.join(TOP, POT)
    text = pot(files)
    if sys.argv[1:] == []:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        open(path, "w", encoding="utf-8").write(text)
    elif not os.path.exists(path) or open(path, encoding="utf-8").read() != text:
        sys.exit(f"{POT} is out of date: ./dev texts writes it anew")
    sys.exit(1 if faults else 0)


main()
