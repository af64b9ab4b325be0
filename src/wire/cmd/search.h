/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_SEARCH_H
#define WIRE_CMD_SEARCH_H
/*
 * Parses and prints SEARCH and UID SEARCH (RFC 9051 sections 6.4.4 and 7.3.4, RFC 4731, RFC 5182,
 * RFC 5032), and their responses: SEARCH (RFC 3501 section 7.2.5, RFC 7162) and ESEARCH.
 */
#include "wire/date.h"
#include "wire/out.h"
#include "wire/params.h"
#include "wire/set.h"

enum wire_key_id {
	/* with other keys in key.child, linked by next */
	WIRE_KEY_AND, /* parentheses, and the root; never empty */
	WIRE_KEY_OR,  /* two or more children: nested ORs become one */
	WIRE_KEY_NOT, /* one child */
	/* without arguments */
	WIRE_KEY_ALL,
	WIRE_KEY_ANSWERED,
	WIRE_KEY_DELETED,
	WIRE_KEY_DRAFT,
	WIRE_KEY_FLAGGED,
	WIRE_KEY_NEW,
	WIRE_KEY_OLD,
	WIRE_KEY_RECENT,
	WIRE_KEY_SEEN,
	WIRE_KEY_UNANSWERED,
	WIRE_KEY_UNDELETED,
	WIRE_KEY_UNDRAFT,
	WIRE_KEY_UNFLAGGED,
	WIRE_KEY_UNSEEN,
	/* key.text: an atom, possibly in quotes */
	WIRE_KEY_KEYWORD,
	WIRE_KEY_UNKEYWORD,
	/* key.text, in the charset of the command */
	WIRE_KEY_BCC,
	WIRE_KEY_BODY,
	WIRE_KEY_CC,
	WIRE_KEY_FROM,
	WIRE_KEY_SUBJECT,
	WIRE_KEY_TEXT,
	WIRE_KEY_TO,
	WIRE_KEY_HEADER, /* also key.field */
	/* key.day: days since 1 Jan 1970 */
	WIRE_KEY_BEFORE,
	WIRE_KEY_ON,
	WIRE_KEY_SINCE,
	WIRE_KEY_SENTBEFORE,
	WIRE_KEY_SENTON,
	WIRE_KEY_SENTSINCE,
	/* key.number */
	WIRE_KEY_LARGER,
	WIRE_KEY_SMALLER,
	WIRE_KEY_OLDER, /* seconds, not 0 (RFC 5032) */
	WIRE_KEY_YOUNGER,
	/* key.set */
	WIRE_KEY_SET, /* sequence numbers, or "$" */
	WIRE_KEY_UID,
	WIRE_KEY_OTHER, /* an extension's: key.text is its name, key.ext its own data */
	WIRE_KEY_COUNT
};
/* Names of all keys that have one (not AND, SET, OTHER). */
extern const struct wire_name wire_key_names[];

struct wire_key {
	enum wire_key_id id;
	struct wire_key *next, *child;
	struct str text, field;
	int32_t day;
	uint64_t number;
	struct wire_set set;
	const void *ext; /* its row, set by code that knows the name */
};

enum { /* RETURN options */
	WIRE_RETURN_MIN = 1,
	WIRE_RETURN_MAX = 2,
	WIRE_RETURN_ALL = 4,
	WIRE_RETURN_COUNT = 8,
	WIRE_RETURN_SAVE = 16,
};
extern const struct wire_name wire_return_names[];

struct wire_search {
	bool has_return;  /* RETURN (...) was present, even if empty */
	unsigned returns; /* WIRE_RETURN_*; RETURN () is ALL (RFC 4731 section 3.1) */
	struct wire_params return_other; /* BAD if nothing claims one */
	struct str charset;              /* as sent; p == NULL: none */
	struct wire_key *root;           /* an AND */
	size_t n_keys;
};

/* For keys with a name: returns whether it is one of RFC 3501 and RFC 9051. */
bool wire_key_is_base(enum wire_key_id id);

/*
 * Called for a key that is not in wire_key_names, with the cursor after its
 * name; parses its arguments and fills *key (id OTHER is set), or fails the
 * cursor.  Returning false without a failure means that the key is unknown.
 */
typedef bool wire_key_ext_f(struct wire_in *in, struct str name, struct wire_key *key, void *arg);

/* ext may be NULL. */
bool wire_search_parse(
    struct wire_in *in, struct wire_search *cmd_r, wire_key_ext_f *ext, void *arg);
/* Its pieces, for commands that are kinds of SEARCH: "(MIN COUNT)" after RETURN, including the
 * blank before it; then the keys, from the first to the end.  *cmd must start zeroed. */
bool wire_search_read_returns(struct wire_in *in, struct wire_search *cmd);
bool wire_search_read_keys(
    struct wire_in *in, struct wire_search *cmd, wire_key_ext_f *ext, void *arg);

/* Prints an extension's key with its arguments: the inverse of wire_key_ext_f. */
typedef void wire_key_ext_print_f(
    struct buf *b, const struct wire_dialect *d, const struct wire_key *key, void *arg);
/* ext NULL: extensions' keys have no arguments. */
void wire_search_print(struct buf *b, const struct wire_dialect *d, const struct wire_search *cmd,
    wire_key_ext_print_f *ext, void *arg);

/* The pieces, each starting with a blank. */
void wire_search_print_returns(struct buf *b, const struct wire_search *cmd);
void wire_search_print_keys(struct buf *b, const struct wire_dialect *d,
    const struct wire_search *cmd, wire_key_ext_print_f *ext, void *arg);

/* Print "* SEARCH" " 1" " 2" ... CRLF, in any number of pieces. */
void wire_out_search_begin(struct buf *b);
void wire_out_search_add(struct buf *b, const uint32_t *ids, size_t n);
void wire_out_search_end(struct buf *b);
/* Same, with "(MODSEQ n)" (RFC 7162 section 3.1.5) unless modseq is 0. */
void wire_out_search_end_modseq(struct buf *b, uint64_t modseq);

struct wire_search_data {
	uint32_t *v; /* as sent */
	size_t n;
	uint64_t modseq; /* 0: none */
};
/* Parses from after the name of the response; takes up to limits->set_ranges numbers. */
bool wire_in_search(struct wire_in *in, struct wire_search_data *data_r);

struct wire_esearch {
	struct str tag; /* n == 0: none */
	bool uid;
	unsigned has; /* WIRE_RETURN_MIN, MAX, ALL, COUNT; omit what has no value */
	uint32_t min, max;
	uint64_t count;
	/* Set by the parser only; the printer takes it in pieces, or does not print it. */
	struct wire_set all;
	struct wire_params other; /* MODSEQ 12, … with their raw values */
};
/* Prints "* ESEARCH (TAG "a1") UID MIN 1 COUNT 3 ALL "; with ALL, add the numbers to the set before
 * the end. */
void wire_out_esearch_begin(
    struct buf *b, const struct wire_esearch *e, struct wire_set_out *all_r);
/* " MODSEQ 12", after the set (RFC 4731 section 3.2). */
void wire_out_esearch_modseq(struct buf *b, uint64_t modseq);
void wire_out_esearch_end(struct buf *b, struct wire_set_out *all);
/* Prints everything at once, including all and other. */
void wire_out_esearch(struct buf *b, const struct wire_esearch *e);
bool wire_in_esearch(struct wire_in *in, struct wire_esearch *e_r);
#endif
