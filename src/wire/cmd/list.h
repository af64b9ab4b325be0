/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_LIST_H
#define WIRE_CMD_LIST_H
/* Parses and prints LIST in all its forms and LSUB (RFC 9051 sections 6.3.9 and 7.3.1, RFC 3501,
 * RFC 5258, RFC 5819, RFC 6154). */
#include "wire/cmd/status.h"
#include "wire/params.h"

enum { /* selection options, RFC 5258 and 6154 */
	WIRE_LIST_SUBSCRIBED = 1,
	WIRE_LIST_REMOTE = 2,
	WIRE_LIST_RECURSIVEMATCH = 4,
	WIRE_LIST_SPECIAL_USE = 8,
};
enum { /* return options; RFC 5819 */
	WIRE_LIST_RET_SUBSCRIBED = 1,
	WIRE_LIST_RET_CHILDREN = 2,
	WIRE_LIST_RET_SPECIAL_USE = 4,
	WIRE_LIST_RET_STATUS = 8,
};
extern const struct wire_name wire_list_select_names[], wire_list_return_names[];

struct wire_list {
	bool extended;    /* a form of RFC 5258 was used */
	unsigned select;  /* WIRE_LIST_* */
	unsigned returns; /* WIRE_LIST_RET_* */
	struct str reference;
	struct wire_names patterns; /* at least one; p == NULL: matches nothing */
	struct wire_status_items status;
	struct wire_params select_other, return_other; /* BAD if nothing claims one */
};
bool wire_list_parse(struct wire_in *in, struct wire_list *cmd_r);
/* Patterns that match nothing cannot be printed (TS_ASSERT). */
void wire_list_print(struct buf *b, const struct wire_dialect *d, const struct wire_list *cmd);
/* Parses the basic form only, for LSUB; wire_list_print() prints it. */
bool wire_lsub_parse(struct wire_in *in, struct wire_list *cmd_r);

enum { /* attributes */
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
	struct wire_names other_attrs; /* with their backslashes */
	char delimiter;                /* 0: NIL */
	struct str name;               /* p == NULL, when parsed only: in an unknown encoding */
	unsigned childinfo;       /* WIRE_LIST_SUBSCRIBED, WIRE_LIST_SPECIAL_USE; 0: no CHILDINFO */
	struct str oldname;       /* p == NULL: none */
	struct wire_params other; /* unknown extended items with their raw values */
};
/* Prints "* LIST (…) "/" name", or LSUB. */
void wire_out_list(struct buf *b, const struct wire_dialect *d, const struct wire_list_row *row);
/* Parses from after the name of the response; the caller sets lsub. */
bool wire_in_list(struct wire_in *in, struct wire_list_row *row_r);
#endif
