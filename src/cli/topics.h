/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_TOPICS_H
#define CLI_TOPICS_H
/*
 * What `turnstone help TOPIC` tells, and the manual page with it.
 *
 * The text is paragraphs with an empty line between them, their lines short
 * enough for a terminal; a paragraph whose lines begin with two blanks stays
 * as it is, line by line; `...` is what one types, or a name.
 */
#include "base/buf.h"

struct topic {
	const char *name;
	const char *title; /* the heading in the manual page */
	const char *help;  /* one line */
	const char *text;
	void (*more)(struct buf *out); /* appends what is made from tables; may be NULL */
};

extern const struct topic topics[]; /* ends in a row without name */
/*
 * Appends the options of a section ("tls", "timeouts"), or one option
 * ("limits.line"), as they stand in the sample file, under a line for each
 * table they are from.  False: there are none.
 */
bool topic_options(const char *word, struct buf *out);
/* NULL: there is none. */
const struct topic *topic_find(const char *name);
/* Appends the whole. */
void topic_text(const struct topic *topic, struct buf *out);
#endif
