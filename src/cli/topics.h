/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_TOPICS_H
#define CLI_TOPICS_H
/*
 * The text of `turnstone help TOPIC`, which is also in the manual page.
 *
 * The text is paragraphs separated by empty lines, their lines short enough for a terminal; a
 * paragraph whose lines begin with two spaces stays as it is, line by line; `...` encloses what the
 * user types, or a name.
 */
#include "base/buf.h"

struct topic {
	const char *name;
	const char *title; /* the heading in the manual page */
	const char *help;  /* one line */
	const char *text;
	void (*more)(struct buf *out); /* appends what is generated from tables; may be NULL */
};

extern const struct topic topics[]; /* ends in a row without a name */
/*
 * Appends the options of a section ("tls", "timeouts"), or one option ("limits.line"), as in the
 * sample file, below a line for each table they come from.  False: unknown.
 */
bool topic_options(const char *word, struct buf *out);
/* NULL: unknown. */
const struct topic *topic_find(const char *name);
/* Appends the whole topic. */
void topic_text(const struct topic *topic, struct buf *out);
#endif
