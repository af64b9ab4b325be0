/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CAPABILITY_H
#define WIRE_CAPABILITY_H
/*
 * CAPABILITY both ways (RFC 9051 section 7.2.2), as response and as response
 * code, and the lists of words that ENABLED has, too.
 */
#include "wire/out.h"

/* " IMAP4rev1 AUTH=PLAIN", as sent, up to what is no word; may be none. */
bool wire_in_words(struct wire_in *in, struct wire_names *words_r);
/* Is it one of them, without case? */
bool wire_words_have(const struct wire_names *words, struct str word);
/* "NAME a b c" without "* ": for CAPABILITY and ENABLED, as code or (with _line) as response. */
void wire_out_words(struct buf *b, const char *name, const struct str *words, size_t n);
void wire_out_words_line(struct buf *b, const char *name, const struct str *words, size_t n);

/* The same word by word: "CAPABILITY", then " word" or " PREFIXword" each. */
void wire_out_capability_begin(struct buf *b);
void wire_out_capability(struct buf *b, const char *prefix, const char *word);

/* The response, from behind its name. */
bool wire_in_capability(struct wire_in *in, struct wire_names *words_r);
#endif
