#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the skeleton of an IMAP extension: `./dev ext NAME` (small letters, digits, underscores).

It compiles and passes all tests: a capability, a FETCH item, a slot in the selected mailbox with the
hook that fills it, a transcript, and the script that dirties the slot.  Change it from there into what
the RFC says (CONTRIBUTING.md).
"""
import argparse
import pathlib
import re
import sys

SOURCE = """/* SPDX-License-Identifier: Apache-2.0 */
/* {word} (RFC nnnn): what it is for, and what was decided where the RFC leaves a choice. */
#include "imap/ext/list.h"

/* Lives as long as the mailbox is selected. */
#define FIELDS(slot, FIELD) FIELD(slot, uint32_t, first, )
IMAP_SLOT({name}_box, FIELDS);

static void
remember_first(struct imap_conn *conn)
{{
	struct {name}_box *slot = imap_box_slot(conn, &imap_ext_{name});

	slot->first = 1;
}}

static void
print_{name}(const struct imap_fetched *message, struct buf *out)
{{
	buf_u64(out, message->record->size);
}}

static const struct imap_fetch_item fetch_items[] = {{
    {{.name = "{word}", .print = print_{name}}},
    {{.name = NULL}},
}};

static const struct imap_cap caps[] = {{
    {{.word = "{word}", .rfc = "nnnn", .states = IMAP_LOGGED_IN}},
    {{.word = NULL}},
}};

const struct imap_ext imap_ext_{name} = {{
    .name = "{name}",
    .title = "{word} (RFC nnnn)",
    .caps = caps,
    .fetch_items = fetch_items,
    .selected = remember_first,
    .slots = {{[IMAP_LIFE_BOX] = IMAP_SLOT_OF({name}_box, NULL)}},
}};
"""

TRANSCRIPT = """# {word} (RFC nnnn).
conf plaintext_login = always
user alice secret
messages 1 alice INBOX
S~ * OK %*
C: a1 LOGIN alice secret
S~ a1 OK %*
C: a2 SELECT INBOX
S~ a2 OK %*
C: b1 FETCH 1 (UID {word})
S: * 1 FETCH (UID 1 {word} %*)
S: b1 OK %*
C: b2 FETCH 1 ({word} (x))
S: b2 BAD %*
"""

DIRTY = """C: d1 SELECT INBOX
S~ d1 OK %*
"""


def change(path, pattern, replacement, count=0):
    text = path.read_text()
    new = re.sub(pattern, replacement, text, count=count, flags=re.M)
    if new == text:
        sys.exit(f"ext: {path}: no place found for the new extension")
    path.write_text(new)


def main():
    parser = argparse.ArgumentParser(prog="./dev ext", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("--root", type=pathlib.Path, default=pathlib.Path(__file__).resolve().parent.parent,
                        help="the source tree (this one)")
    args = parser.parse_args()
    name, root = args.name, args.root
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        parser.error(f"{name} is no name of an extension: small letters, digits and underscores")
    word = name.upper().replace("_", "-")
    files = {f"src/imap/ext/{name}.c": SOURCE, f"test/imap/{name}.imt": TRANSCRIPT, f"test/reset/{name}.imt": DIRTY}
    for path in files:
        if (root / path).exists():
            sys.exit(f"ext: {path} is there already")
    # Before ENABLE, which is at the end of the capabilities, with UNAUTHENTICATE.
    change(root / "src/imap/ext/list.h", r"^\tEXT\(enable\)( *)\\$", lambda m: f"\t{f'EXT({name})':<91}\\\n{m.group(0)}")
    change(root / "src/imap/meson.build", r"^  'ext/all\.c',", f"  'ext/all.c', 'ext/{name}.c',")
    change(root / "test/imap/capability.imt", r" ENABLE UNAUTHENTICATE", f" {word} ENABLE UNAUTHENTICATE")
    change(root / "doc/imap-extensions.md", r"^\| ENABLE \| enable, capability \|$", lambda m: f"| {word} | {name} |\n{m.group(0)}", 1)
    with open(root / "test/lockstep/commands.txt", "a", encoding="utf-8") as table:
        table.write(f"[{word}]\nitem {word}\n")
    for path, text in files.items():
        (root / path).write_text(text.format(name=name, word=word))
    for path in files:
        print(path)
    print("and lines in src/imap/ext/list.h, src/imap/meson.build, test/imap/capability.imt, "
          "test/lockstep/commands.txt, doc/imap-extensions.md")
    print("next: ./dev fmt, and ninja -C BUILD extension-table, which makes the tables of the documentation")


if __name__ == "__main__":
    main()
