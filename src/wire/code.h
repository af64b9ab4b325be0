/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CODE_H
#define WIRE_CODE_H
/*
 * Parses and prints response codes: the text in brackets (RFC 9051 section 7.1,
 * and the documents in RFC 5530's registry).  The brackets belong to the status
 * response (wire/response.h).
 */
#include "wire/flags.h"
#include "wire/set.h"

enum wire_code_args {
	WIRE_CODE_PLAIN,    /* none: TRYCREATE, READ-ONLY, ALERT, …; or an extension's, in args */
	WIRE_CODE_NUMBER,   /* UIDNEXT, UIDVALIDITY, UNSEEN, HIGHESTMODSEQ */
	WIRE_CODE_FLAGS,    /* PERMANENTFLAGS */
	WIRE_CODE_WORDS,    /* CAPABILITY */
	WIRE_CODE_CHARSETS, /* BADCHARSET; n == 0 if it names none */
	WIRE_CODE_APPENDUID, /* number: UIDVALIDITY; to (RFC 4315) */
	WIRE_CODE_COPYUID,   /* number: UIDVALIDITY; from, to (RFC 4315) */
	WIRE_CODE_SET,       /* MODIFIED (RFC 7162), DOWNGRADED (RFC 6858): from */
};

struct wire_code {
	struct str name; /* capitals; n == 0: none */
	enum wire_code_args kind;
	uint64_t number;
	struct wire_set from, to;
	struct wire_flags flags;
	struct wire_names words;
	struct str args; /* PLAIN: what follows the name, raw; p == NULL: nothing */
};
/* Parses up to the closing bracket, which it leaves. */
bool wire_in_code(struct wire_in *in, struct wire_code *code_r);
/* Prints what wire_in_code() parses; nothing for none. */
void wire_out_code(struct buf *b, const struct wire_dialect *d, const struct wire_code *code);

/* Same in pieces, for a server that has no struct to fill. */
void wire_out_code_number(struct buf *b, const char *name, uint64_t n); /* "UIDNEXT 7" */
/* Prints "PERMANENTFLAGS (…)"; arguments as for wire_out_flags(). */
void wire_out_code_permanentflags(
    struct buf *b, unsigned system, const struct str *keywords, size_t n_keywords, bool star);
void wire_out_code_appenduid(struct buf *b, uint32_t uidvalidity, const struct wire_set *uids);
/* Prints "DOWNGRADED 70,105": add the UIDs to the set, then call wire_set_out_end(). */
void wire_out_code_downgraded_begin(struct buf *b, struct wire_set_out *set_r);
/* Prints "COPYUID 38505 304,319:320 3956:3958": add the sources to the set between begin and to,
 * then the targets in the same order, then call wire_set_out_end(). */
void wire_out_code_copyuid_begin(struct buf *b, uint32_t uidvalidity, struct wire_set_out *set_r);
void wire_out_code_copyuid_to(struct wire_set_out *set);
/* "MODIFIED 7,9": the numbers go into the set, and wire_set_out_end() ends it. */
void wire_out_code_modified_begin(struct buf *b, struct wire_set_out *set_r);
void wire_out_code_badcharset(struct buf *b, const char *const *charsets, size_t n);
#endif
