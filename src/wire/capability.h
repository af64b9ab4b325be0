/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CAPABILITY_H
#define WIRE_CAPABILITY_H
/*
 * Parses and prints CAPABILITY (RFC 9051 section 7.2.2), as a response and as a
 * response code, and lists of words, which ENABLED has too.
 */
#include "wire/out.h"

/* Parses " IMAP4rev1 AUTH=PLAIN", as sent, up to what is not a word; there may be none. */
bool wire_in_words(struct wire_in *in, struct wire_names *words_r);
/* Returns whether word is one of them, ignoring case. */
bool wire_words_have(const struct wire_names *words, struct str word);
/* Print "NAME a b c" without "* ", for CAPABILITY and ENABLED: as a code, or (with _line) as a
 * response. */
void wire_out_words(struct buf *b, const char *name, const struct str *words, size_t n);
void wire_out_words_line(struct buf *b, const char *name, const struct str *words, size_t n);

/* Same word by word: "CAPABILITY", then " word" or " PREFIXword" for each. */
void wire_out_capability_begin(struct buf *b);
void wire_out_capability(struct buf *b, const char *prefix, const char *word);

/* Parses the response from after its name. */
bool wire_in_capability(struct wire_in *in, struct wire_names *words_r);
#endif
