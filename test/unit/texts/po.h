/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_UNIT_TEXTS_PO_H
#define TEST_UNIT_TEXTS_PO_H
/*
 * Catalogues for tests, without msgfmt(1): from a .po file, or entry by entry.
 */
#include "base/buf.h"

struct po_entry {
	struct str english, said;
};

/* Appends the bytes of a .mo file with these entries and a header, in UTF-8. */
void po_put(struct buf *mo, const struct po_entry *entries, size_t n);
/* The same from the text of a .po file: comments, msgid and msgstr, strings in several pieces.  An
 * untranslated entry is left out, or with `identity` translated as itself. */
void po_compile(struct buf *mo, struct str po, bool identity);
#endif
