/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_IN_H
#define WIRE_IN_H
/*
 * wire: the grammar of IMAP (RFC 9051) without I/O: bytes become structs, structs become bytes.
 * Start here for what comes in, with out.h for what goes out.  cmd/ has a header for each subject
 * (fetch.h, search.h, append.h): a struct, its parser and its printer.
 *
 * The cursor that every parser of wire reads from: over the contiguous bytes
 * of one command or response, literals inline, as the framer found them; and
 * the words of the grammar (RFC 9051 section 9), which wire/out.h prints.
 *
 * Each wire_in_<thing> reads one <thing> or fails: it returns false and leaves
 * in->error (a text without CR or LF, fit for BAD) and in->error_at (offset).
 * The first failure stays; all later reads fail too.  wire_in_try_* look, and
 * consume only what they find.
 *
 * Results point into the bytes or into the arena: they live while both do.  A
 * caller whose input buffer moves copies the command into the arena first.
 * No parser keeps state anywhere else.
 *
 * In an arena that tells of a lack of memory (arena_tell_oom) a parser that
 * gets none fails like this, too; the arena's flag tells it from bad grammar.
 */
#include "base/arena.h"
#include "base/str.h"
#include "wire/dialect.h"

struct wire_in {
	const char *start, *p, *end;
	struct arena *arena;
	const struct wire_dialect *dialect;
	const struct wire_limits *limits;
	const char *error;
	size_t error_at;
	/* The error is not one of grammar: a mailbox name that is spelt well but that no mailbox
	 * can have.  Deserves NO rather than BAD. */
	bool impossible;
	struct str given; /* the last mailbox name as it was spelt; p == NULL: as it is kept */
	bool too_much;    /* nor this one: a limit; NO as well */
};

/* dialect and limits may be NULL: wire_dialect_rev1, wire_limits_default. */
void wire_in_init(struct wire_in *in, struct str bytes, struct arena *arena,
    const struct wire_dialect *dialect, const struct wire_limits *limits);
/* A cursor over a part of in (a raw parameter value, say), with its arena and dialect. */
struct wire_in wire_in_sub(const struct wire_in *in, struct str bytes);
/* Always false, so that one can write: return wire_in_fail(in, "..."). */
bool wire_in_fail(struct wire_in *in, const char *text);

/* The same for what is well said and more than a limit allows. */
bool wire_in_limit(struct wire_in *in, const char *text);

/* The same for memory that ran out; the arena's flag is set then. */
bool wire_in_no_memory(struct wire_in *in);

/* What is not read yet, line end included. */
struct str wire_in_rest(const struct wire_in *in);
/*
 * Blanks: one is needed between two things, and clients send more of them, within parentheses and
 * at the end of the line, too.  There is one reading of that, so it is taken.  Not where a message
 * or an initial response is next: there a blank could be meant.
 */
/* Is the command's line end (or the end of the bytes) next, but for blanks? */
bool wire_in_at_end(const struct wire_in *in);
/* Is it next, without any? */
bool wire_in_at_line_end(const struct wire_in *in);
/* It must be; anything else is "unexpected arguments". */
bool wire_in_end(struct wire_in *in);
/* The next byte, 0 at the end of the bytes. */
char wire_in_peek(const struct wire_in *in);
bool wire_in_sp(struct wire_in *in); /* one blank or more */
bool wire_in_char(struct wire_in *in, char c);
bool wire_in_try_char(struct wire_in *in, char c);
/* Lists: do { … } while (wire_in_more(in)) between them; more is false before a parenthesis that
 * closes and at the line's end. */
bool wire_in_try_open(struct wire_in *in); /* "(" */
bool wire_in_open(struct wire_in *in);
bool wire_in_more(struct wire_in *in);
bool wire_in_close(struct wire_in *in); /* ")" */
/* Is c what comes next, behind a blank or more? */
bool wire_in_sp_then(const struct wire_in *in, char c);
/* An atom equal to word (without case), a delimiter behind it. */
bool wire_in_try_word(struct wire_in *in, const char *word);

bool wire_in_tag(struct wire_in *in, struct str *tag_r);
bool wire_in_atom(struct wire_in *in, struct str *atom_r);
/* atom, in capitals (a copy when needed): names of commands, items, options. */
bool wire_in_name(struct wire_in *in, struct str *name_r);
bool wire_in_quoted(struct wire_in *in, struct str *text_r);
bool wire_in_string(struct wire_in *in, struct str *text_r); /* quoted or literal */
bool wire_in_astring(struct wire_in *in, struct str *text_r);
bool wire_in_nstring(struct wire_in *in, struct str *text_r); /* NIL gives p == NULL */
/* The same with any bytes, as literal or literal8 (RFC 3516): contents of messages. */
bool wire_in_nstring8(struct wire_in *in, struct str *text_r);
/* The head of a literal, "{5}" CRLF, not its bytes. */
bool wire_in_literal_head(struct wire_in *in, uint64_t *size_r, bool *literal8_r);

bool wire_in_number(struct wire_in *in, uint32_t *n_r);
bool wire_in_nz_number(struct wire_in *in, uint32_t *n_r);
bool wire_in_number64(struct wire_in *in, uint64_t *n_r); /* 63 bits */

struct wire_names {
	struct str *v;
	size_t n;
};
/* "(a b)": one at least. */
bool wire_in_astrings(struct wire_in *in, struct wire_names *names_r);

/* One quoted character, or NIL: 0. */
bool wire_in_delimiter(struct wire_in *in, char *delimiter_r);

/* A mailbox name: UTF-8 in normal form C whatever was sent (see in->given), checked by
 * wire_name_ok() (in->impossible when that fails), INBOX in capitals, also as first level of a
 * name. */
bool wire_in_mailbox(struct wire_in *in, struct str *name_r);
/* A name that a server tells: UTF-8, not normalized, so that it is printed as it came; it may be
 * empty (LIST "" "").  p == NULL: it is not modified UTF-7, or not UTF-8. */
bool wire_in_mailbox_told(struct wire_in *in, struct str *name_r);
/* A LIST reference or pattern, UTF-8, may be empty, % and * as they are.  p == NULL: spelt well,
 * but no name can match it. */
bool wire_in_list_mailbox(struct wire_in *in, struct str *pattern_r);

/* One word of strict base64 up to a blank or the end; "" is refused, "=" is the empty string. */
bool wire_in_base64(struct wire_in *in, struct str *bytes_r);

/* Tables of names, ended by a NULL name. */
struct wire_name {
	const char *name;
	unsigned id;
};
/* Without case; NULL: not there. */
const struct wire_name *wire_name_find(const struct wire_name *table, struct str name);
/* The name of id; TS_ASSERT that it has one. */
const char *wire_name_of(const struct wire_name *table, unsigned id);
#endif
