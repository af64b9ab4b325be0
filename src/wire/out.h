/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_OUT_H
#define WIRE_OUT_H
/*
 * Responses (RFC 9051 section 7), printed into a buffer.  Whole responses end
 * in CRLF; parts of one put no blanks around themselves.  What would break the
 * grammar (CR, LF or NUL in a text line) is replaced by '?', never sent.
 */
#include "base/buf.h"
#include "wire/cmd.h"
#include "wire/fetch.h"
#include "wire/search.h"
#include "wire/set.h"

/* ---- strings */
void wire_out_quoted(struct buf *b, struct str s);                       /* s must be quotable */
void wire_out_literal_head(struct buf *b, uint64_t size, bool literal8); /* "{5}" CRLF */
void wire_out_literal(struct buf *b, struct str s);
/* Quoted if it can be (UTF-8 only with d->utf8), else a literal; ~{n} for a NUL inside. */
void wire_out_string(struct buf *b, const struct wire_dialect *d, struct str s);
void wire_out_nstring(struct buf *b, const struct wire_dialect *d, struct str s); /* NULL: NIL */
void wire_out_astring(struct buf *b, const struct wire_dialect *d, struct str s);
/* A UTF-8 name: as it is with d->utf8, else in modified UTF-7; atom, quoted or literal. */
void wire_out_mailbox(struct buf *b, const struct wire_dialect *d, struct str name);
/* "17-Jul-1996 02:44:25 -0700" with its quotes; years 0 to 9999, others are clamped. */
void wire_out_time(struct buf *b, struct wire_time t);
/* "(\Seen work)".  system: WIRE_FLAG_*.  star adds \* (PERMANENTFLAGS). */
void wire_out_flags(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords, bool star);

/* ---- status responses, greeting, BYE, continuation */
enum wire_cond { WIRE_OK, WIRE_NO, WIRE_BAD, WIRE_BYE, WIRE_PREAUTH };
/* tag.n == 0: untagged.  code: what goes between the brackets; n == 0: none. */
void wire_out_cond(
    struct buf *b, struct str tag, enum wire_cond cond, struct str code, struct str text);
void wire_out_continue(struct buf *b, struct str text);   /* "+ text" */
void wire_out_challenge(struct buf *b, struct str bytes); /* "+ base64" */
/* "* OK [", then the contents of a code, then "] text": for codes that are printed in pieces. */
void wire_out_ok_begin(struct buf *b);
void wire_out_ok_end(struct buf *b, const char *text);
/* Contents of response codes. */
void wire_out_code_number(struct buf *b, const char *name, uint64_t n); /* "UIDNEXT 7" */
/* "PERMANENTFLAGS (…)"; the arguments of wire_out_flags(). */
void wire_out_code_permanentflags(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords, bool star);
void wire_out_code_appenduid(struct buf *b, uint32_t uidvalidity, const struct wire_set *uids);
/* "COPYUID 38505 304,319:320 3956:3958": the sources go into the set between begin and to, then the
 * targets, in the same order; wire_set_out_end() ends it. */
void wire_out_code_copyuid_begin(struct buf *b, uint32_t uidvalidity, struct wire_set_out *set_r);
void wire_out_code_copyuid_to(struct wire_set_out *set);
void wire_out_code_badcharset(struct buf *b, const char *const *charsets, size_t n);

/* ---- data */
void wire_out_number(struct buf *b, uint32_t n, const char *name); /* "* 5 EXISTS" */
/* "* FLAGS (…)"; the arguments of wire_out_flags(). */
void wire_out_flags_line(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords);
/* A line that was printed before: "* CAPABILITY …". */
void wire_out_line(struct buf *b, struct str line);
/* "NAME a b c" without "* ": for CAPABILITY and ENABLED, as code or (with _line) as response. */
void wire_out_words(struct buf *b, const char *name, const struct str *words, size_t n);
void wire_out_words_line(struct buf *b, const char *name, const struct str *words, size_t n);

enum { /* LIST attributes */
	WIRE_ATTR_NOSELECT = 1 << 0,
	WIRE_ATTR_NONEXISTENT = 1 << 1,
	WIRE_ATTR_NOINFERIORS = 1 << 2,
	WIRE_ATTR_HASCHILDREN = 1 << 3,
	WIRE_ATTR_HASNOCHILDREN = 1 << 4,
	WIRE_ATTR_MARKED = 1 << 5,
	WIRE_ATTR_UNMARKED = 1 << 6,
	WIRE_ATTR_SUBSCRIBED = 1 << 7,
	WIRE_ATTR_REMOTE = 1 << 8,
	WIRE_ATTR_ALL = 1 << 9, /* special use, RFC 6154 */
	WIRE_ATTR_ARCHIVE = 1 << 10,
	WIRE_ATTR_DRAFTS = 1 << 11,
	WIRE_ATTR_FLAGGED = 1 << 12,
	WIRE_ATTR_JUNK = 1 << 13,
	WIRE_ATTR_SENT = 1 << 14,
	WIRE_ATTR_TRASH = 1 << 15,
	WIRE_ATTR_IMPORTANT = 1 << 16, /* RFC 8457 */
};
extern const struct wire_name wire_attr_names[]; /* with the backslash */

struct wire_list_row {
	bool lsub;
	unsigned attrs;
	char delimiter; /* 0: NIL */
	struct str name;
	unsigned childinfo; /* WIRE_LIST_SUBSCRIBED, WIRE_LIST_SPECIAL_USE; 0: no CHILDINFO */
	struct str oldname; /* p == NULL: none */
};
void wire_out_list(struct buf *b, const struct wire_dialect *d, const struct wire_list_row *row);

struct wire_status_values {
	unsigned mask; /* 1u << WIRE_STATUS_... */
	uint64_t v[WIRE_STATUS_COUNT];
};
/* "* STATUS name (MESSAGES 3 ...)".  other: more items, already printed; n == 0: none. */
void wire_out_status(struct buf *b, const struct wire_dialect *d, struct str mailbox,
    const struct wire_status_values *values, struct str other);

struct wire_namespace {
	struct str prefix;
	char delimiter; /* 0: NIL */
};
/* personal, other users', shared: n == 0 gives NIL. */
struct wire_namespaces {
	const struct wire_namespace *v;
	size_t n;
};
void wire_out_namespace(
    struct buf *b, const struct wire_dialect *d, const struct wire_namespaces sets[3]);
/* n == 0: NIL. */
void wire_out_id(
    struct buf *b, const struct wire_dialect *d, const struct wire_pair *pairs, size_t n);

/* "* SEARCH" " 1" " 2" ... CRLF, in as many pieces as one likes. */
void wire_out_search_begin(struct buf *b);
void wire_out_search_add(struct buf *b, const uint32_t *ids, size_t n);
void wire_out_search_end(struct buf *b);

struct wire_esearch {
	struct str tag;
	bool uid;
	unsigned has; /* WIRE_RETURN_MIN, MAX, ALL, COUNT; leave out what has no value */
	uint32_t min, max;
	uint64_t count;
};
/* "* ESEARCH (TAG "a1") UID MIN 1 COUNT 3 ALL ": with ALL, the numbers go into the set before the
 * end. */
void wire_out_esearch_begin(
    struct buf *b, const struct wire_esearch *e, struct wire_set_out *all_r);
void wire_out_esearch_end(struct buf *b, struct wire_set_out *all);

/* ---- FETCH: begin, items with a blank between them, end */
void wire_out_fetch_begin(struct buf *b, uint32_t seq); /* "* 12 FETCH (" */
void wire_out_fetch_end(struct buf *b);                 /* ")" CRLF */
/* "UID 7", "RFC822.SIZE 9": any plain name of wire_fetch_names with a number. */
void wire_out_fetch_number(struct buf *b, enum wire_fetch_id id, uint64_t n);
/* "BODY[2.HEADER.FIELDS (To)]<0>" or "BINARY[1]<0>", "BINARY.SIZE[1]"; no blank behind. */
void wire_out_fetch_section(
    struct buf *b, const struct wire_dialect *d, const struct wire_fetch_item *item);
#endif
