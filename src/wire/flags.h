/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_FLAGS_H
#define WIRE_FLAGS_H
/*
 * Parses and prints lists of flags (RFC 9051 sections 2.3.2 and 7.3.5): those that clients set, and
 * those that servers report, in FLAGS, PERMANENTFLAGS and FETCH.
 */
#include "base/buf.h"
#include "wire/in.h"

enum { /* system flags */
	WIRE_FLAG_ANSWERED = 1,
	WIRE_FLAG_FLAGGED = 2,
	WIRE_FLAG_DELETED = 4,
	WIRE_FLAG_SEEN = 8,
	WIRE_FLAG_DRAFT = 16,
	WIRE_FLAG_RECENT = 32, /* only servers report it, nobody sets it */
};

struct wire_flags {
	unsigned system;      /* WIRE_FLAG_* */
	struct str *keywords; /* as sent, in order, including repetitions */
	size_t n_keywords;
	struct str unknown; /* to set: the first \Name that is not a flag (\Recent, \*, unknown) */
	bool star;          /* reported: \*, keywords can be created (PERMANENTFLAGS) */
};

/* Parses flags to set: "(\Seen work)".  Accepts unknown \Names; the caller must refuse them. */
bool wire_in_flag_list(struct wire_in *in, struct wire_flags *flags_r);
/* Same, but parentheses are optional, as in STORE. */
bool wire_in_flags(struct wire_in *in, struct wire_flags *flags_r);
/* Parses reported flags, in parentheses: \Recent and \* set their bits; any other \Name is a
 * keyword with its backslash. */
bool wire_in_flags_told(struct wire_in *in, struct wire_flags *flags_r);

/* Prints "(\Seen work)".  system: WIRE_FLAG_*.  star adds \*. */
void wire_out_flags(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords, bool star);
/* Same, followed by unknown. */
void wire_out_flag_list(struct buf *b, const struct wire_flags *flags);

/* Prints the response "* FLAGS (…)"; arguments as for wire_out_flags(). */
void wire_out_flags_line(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords);
/* Parses it from after its name. */
bool wire_in_flags_line(struct wire_in *in, struct wire_flags *flags_r);
#endif
