/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_FLAGS_H
#define WIRE_FLAGS_H
/*
 * Lists of flags both ways (RFC 9051 sections 2.3.2 and 7.3.5): what clients set, and what servers
 * tell, in FLAGS, PERMANENTFLAGS and FETCH.
 */
#include "base/buf.h"
#include "wire/in.h"

enum { /* system flags */
	WIRE_FLAG_ANSWERED = 1,
	WIRE_FLAG_FLAGGED = 2,
	WIRE_FLAG_DELETED = 4,
	WIRE_FLAG_SEEN = 8,
	WIRE_FLAG_DRAFT = 16,
	WIRE_FLAG_RECENT = 32, /* servers tell it, nobody sets it */
};

struct wire_flags {
	unsigned system;      /* WIRE_FLAG_* */
	struct str *keywords; /* as sent, in order, repetitions too */
	size_t n_keywords;
	struct str unknown; /* to set: the first \Name that is no flag (\Recent, \*, unknown) */
	bool star;          /* told: \*, keywords may be made (PERMANENTFLAGS) */
};

/* To set: "(\Seen work)".  Unknown \Names are parsed; it is the caller's to refuse them. */
bool wire_in_flag_list(struct wire_in *in, struct wire_flags *flags_r);
/* The same without requiring parentheses, as STORE allows. */
bool wire_in_flags(struct wire_in *in, struct wire_flags *flags_r);
/* Told, in parentheses: \Recent and \* have their bits, any other \Name is a keyword that keeps its
 * backslash. */
bool wire_in_flags_told(struct wire_in *in, struct wire_flags *flags_r);

/* "(\Seen work)".  system: WIRE_FLAG_*.  star adds \*. */
void wire_out_flags(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords, bool star);
/* The same, and unknown behind them. */
void wire_out_flag_list(struct buf *b, const struct wire_flags *flags);

/* The response "* FLAGS (…)"; the arguments of wire_out_flags(). */
void wire_out_flags_line(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords);
/* From behind its name. */
bool wire_in_flags_line(struct wire_in *in, struct wire_flags *flags_r);
#endif
