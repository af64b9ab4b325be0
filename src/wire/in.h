/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_IN_H
#define WIRE_IN_H
/*
 * wire: the grammar of IMAP (RFC 9051) without I/O: turns bytes into structs and structs into
 * bytes.  Start here for input, with out.h for output.  cmd/ has a header for each subject
 * (fetch.h, search.h, append.h): a struct, its parser and its printer.
 *
 * The cursor that every parser of wire reads from, over the contiguous bytes of one command or
 * response, literals inline, as the framer found them; and the words of the grammar (RFC 9051
 * section 9), which wire/out.h prints.
 *
 * Each wire_in_<thing> reads one <thing> or fails: it returns false and sets in->error (a text
 * without CR or LF, fit for BAD) and in->error_at (offset).  The first failure stays; all later
 * reads fail too.  wire_in_try_* look ahead, and consume only what they find.
 *
 * Results point into the bytes or into the arena, and are valid while both are.  A caller whose
 * input buffer moves must copy the command into the arena first.  No parser keeps state anywhere
 * else.
 *
 * In an arena that reports a lack of memory (arena_tell_oom), a parser that gets none fails in the
 * same way; the arena's flag distinguishes that from bad grammar.
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
	/* The error is not one of grammar: a well-formed mailbox name that no mailbox can have.
	 * Use NO rather than BAD. */
	bool impossible;
	struct str given; /* original spelling of the last mailbox name; p == NULL: as stored */
	bool too_much;    /* not one of grammar either: a limit; also NO */
};

/* dialect and limits may be NULL: wire_dialect_rev1, wire_limits_default. */
void wire_in_init(struct wire_in *in, struct str bytes, struct arena *arena,
    const struct wire_dialect *dialect, const struct wire_limits *limits);
/* Makes a cursor over a part of in (such as a raw parameter value), with its arena and dialect. */
struct wire_in wire_in_sub(const struct wire_in *in, struct str bytes);
/* Always returns false, so that callers can write: return wire_in_fail(in, "..."). */
bool wire_in_fail(struct wire_in *in, const char *text);

/* Same for valid input that exceeds a limit. */
bool wire_in_limit(struct wire_in *in, const char *text);

/* Same if memory ran out; the arena's flag is set then. */
bool wire_in_no_memory(struct wire_in *in);

/* Returns what has not been read yet, including the line end. */
struct str wire_in_rest(const struct wire_in *in);
/*
 * Blanks: one is required between two items, but clients send more, also inside parentheses and at
 * the end of the line.  There is only one way to read that, so it is accepted; but not before a
 * message or an initial response, where a blank could be meant.
 */
/* Returns whether the command's line end (or the end of the bytes) is next, ignoring blanks. */
bool wire_in_at_end(const struct wire_in *in);
/* Same, but without ignoring blanks. */
bool wire_in_at_line_end(const struct wire_in *in);
/* Requires the end; anything else is "unexpected arguments". */
bool wire_in_end(struct wire_in *in);
/* Returns the next byte, 0 at the end of the bytes. */
char wire_in_peek(const struct wire_in *in);
bool wire_in_sp(struct wire_in *in); /* one or more blanks */
bool wire_in_char(struct wire_in *in, char c);
bool wire_in_try_char(struct wire_in *in, char c);
/* For lists: do { … } while (wire_in_more(in)).  more returns false before a closing parenthesis
 * and at the line's end. */
bool wire_in_try_open(struct wire_in *in); /* "(" */
bool wire_in_open(struct wire_in *in);
bool wire_in_more(struct wire_in *in);
bool wire_in_close(struct wire_in *in); /* ")" */
/* Returns whether c follows after one or more blanks. */
bool wire_in_sp_then(const struct wire_in *in, char c);
/* Takes an atom equal to word (ignoring case) and followed by a delimiter. */
bool wire_in_try_word(struct wire_in *in, const char *word);

bool wire_in_tag(struct wire_in *in, struct str *tag_r);
bool wire_in_atom(struct wire_in *in, struct str *atom_r);
/* Reads an atom, in capitals (a copy if needed): names of commands, items, options. */
bool wire_in_name(struct wire_in *in, struct str *name_r);
bool wire_in_quoted(struct wire_in *in, struct str *text_r);
bool wire_in_string(struct wire_in *in, struct str *text_r); /* quoted or literal */
bool wire_in_astring(struct wire_in *in, struct str *text_r);
bool wire_in_nstring(struct wire_in *in, struct str *text_r); /* NIL gives p == NULL */
/* Same with any bytes, as literal or literal8 (RFC 3516): contents of messages. */
bool wire_in_nstring8(struct wire_in *in, struct str *text_r);
/* Reads the head of a literal, "{5}" CRLF, without its bytes. */
bool wire_in_literal_head(struct wire_in *in, uint64_t *size_r, bool *literal8_r);

bool wire_in_number(struct wire_in *in, uint32_t *n_r);
bool wire_in_nz_number(struct wire_in *in, uint32_t *n_r);
bool wire_in_number64(struct wire_in *in, uint64_t *n_r); /* 63 bits */

struct wire_names {
	struct str *v;
	size_t n;
};
/* Reads "(a b)": at least one. */
bool wire_in_astrings(struct wire_in *in, struct wire_names *names_r);

/* Reads one quoted character, or NIL: 0. */
bool wire_in_delimiter(struct wire_in *in, char *delimiter_r);

/* Reads a mailbox name: in UTF-8 and normal form C whatever was sent (see in->given), checked by
 * wire_name_ok() (sets in->impossible if that fails), INBOX in capitals, also as the first level of
 * a name. */
bool wire_in_mailbox(struct wire_in *in, struct str *name_r);
/* Reads a name sent by a server: UTF-8, not normalized, so that it is printed as it came; it may be
 * empty (LIST "" "").  p == NULL: it is not modified UTF-7, or not UTF-8. */
bool wire_in_mailbox_told(struct wire_in *in, struct str *name_r);
/* Reads a LIST reference or pattern: UTF-8, may be empty, % and * unchanged.  p == NULL:
 * well-formed, but no name can match it. */
bool wire_in_list_mailbox(struct wire_in *in, struct str *pattern_r);

/* Reads a word of strict base64 up to a blank or the end; "" is refused, "=" is the empty
 * string. */
bool wire_in_base64(struct wire_in *in, struct str *bytes_r);

/* Tables of names, terminated by a NULL name. */
struct wire_name {
	const char *name;
	unsigned id;
};
/* Ignores case.  Returns NULL if it is not there. */
const struct wire_name *wire_name_find(const struct wire_name *table, struct str name);
/* Returns the name of id, which must have one (TS_ASSERT). */
const char *wire_name_of(const struct wire_name *table, unsigned id);
#endif
