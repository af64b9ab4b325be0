/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_H
#define WIRE_CMD_H
/*
 * The commands (RFC 3501, RFC 9051 section 6 and extensions), one parser each,
 * into plain structs.  SEARCH, FETCH and STORE are in wire/search.h and
 * wire/fetch.h; APPEND, which is streamed, in wire/append.h.
 *
 *	wire_in_init(&in, command, arena, dialect, limits);
 *	if (!wire_cmd_head(&in, &head))        BAD with in.error, tag head.tag or "*"
 *	find head.name (and head.uid) in the table of commands
 *	if (!wire_select_parse(&in, &select))  BAD with in.error
 *
 * Each parser reads from behind the command's name to the end of the command;
 * anything left over is an error.
 */
#include "wire/in.h"

struct wire_head {
	struct str tag;  /* set even when the name is missing */
	struct str name; /* capitals; "UID FETCH" is "FETCH" with uid */
	bool uid;
};
bool wire_cmd_head(struct wire_in *in, struct wire_head *head_r);

/* CAPABILITY NOOP LOGOUT STARTTLS NAMESPACE IDLE CHECK CLOSE UNSELECT EXPUNGE UNAUTHENTICATE. */
bool wire_none_parse(struct wire_in *in);

struct wire_authenticate {
	struct str mech; /* capitals */
	bool has_initial;
	struct str initial; /* decoded; "=" is empty, which is not the same as none (RFC 4959) */
};
bool wire_authenticate_parse(struct wire_in *in, struct wire_authenticate *cmd_r);

enum wire_sasl_line { WIRE_SASL_DATA, WIRE_SASL_CANCEL, WIRE_SASL_BAD };
/* A client's line during AUTHENTICATE, with or without line end: base64, or "*" to cancel. */
enum wire_sasl_line wire_sasl_line_parse(struct arena *a, struct str line, struct str *bytes_r);
/* Is this the line that ends IDLE?  With or without line end, without case. */
bool wire_done_parse(struct str line);

struct wire_login {
	struct str user, password;
};
bool wire_login_parse(struct wire_in *in, struct wire_login *cmd_r);

struct wire_names {
	struct str *v;
	size_t n;
};
/* ENABLE: capitals, at least one. */
bool wire_enable_parse(struct wire_in *in, struct wire_names *names_r);

/* ID (RFC 2971).  NIL has no pairs; a value may be NIL (p == NULL). */
struct wire_pair {
	struct str name, value;
};
struct wire_id {
	struct wire_pair *v;
	size_t n;
};
bool wire_id_parse(struct wire_in *in, struct wire_id *id_r);

struct wire_select {
	struct str mailbox;
	struct wire_params params; /* RFC 4466: CONDSTORE, QRESYNC (...), ... */
};
bool wire_select_parse(struct wire_in *in, struct wire_select *cmd_r); /* EXAMINE too */

struct wire_create {
	struct str mailbox;
	struct wire_names use; /* RFC 6154: "\Sent", as sent */
	bool has_use;
	struct wire_params params; /* all others */
};
bool wire_create_parse(struct wire_in *in, struct wire_create *cmd_r);

/* DELETE SUBSCRIBE UNSUBSCRIBE, and each other command of one mailbox. */
bool wire_mailbox_parse(struct wire_in *in, struct str *mailbox_r);

struct wire_rename {
	struct str from, to;
	struct str given; /* from as it was spelt; p == NULL: both are as they are kept */
};
bool wire_rename_parse(struct wire_in *in, struct wire_rename *cmd_r);

enum wire_status_id {
	WIRE_STATUS_MESSAGES,
	WIRE_STATUS_RECENT,
	WIRE_STATUS_UIDNEXT,
	WIRE_STATUS_UIDVALIDITY,
	WIRE_STATUS_UNSEEN,
	WIRE_STATUS_DELETED,
	WIRE_STATUS_SIZE,
	WIRE_STATUS_COUNT
};
extern const struct wire_name wire_status_names[];

struct wire_status_items {
	unsigned mask;           /* 1u << WIRE_STATUS_... */
	struct wire_names other; /* capitals: items of extensions; BAD when nobody claims one */
};
struct wire_status {
	struct str mailbox;
	struct wire_status_items items;
};
bool wire_status_parse(struct wire_in *in, struct wire_status *cmd_r);

enum { /* LIST selection options, RFC 5258 and 6154 */
	WIRE_LIST_SUBSCRIBED = 1,
	WIRE_LIST_REMOTE = 2,
	WIRE_LIST_RECURSIVEMATCH = 4,
	WIRE_LIST_SPECIAL_USE = 8,
};
enum { /* LIST return options; RFC 5819 */
	WIRE_LIST_RET_SUBSCRIBED = 1,
	WIRE_LIST_RET_CHILDREN = 2,
	WIRE_LIST_RET_SPECIAL_USE = 4,
	WIRE_LIST_RET_STATUS = 8,
};
extern const struct wire_name wire_list_select_names[], wire_list_return_names[];

struct wire_list {
	bool extended;    /* any of the forms of RFC 5258 was used */
	unsigned select;  /* WIRE_LIST_* */
	unsigned returns; /* WIRE_LIST_RET_* */
	struct str reference;
	struct wire_names patterns; /* at least one; p == NULL: matches nothing */
	struct wire_status_items status;
	struct wire_params select_other, return_other; /* BAD when nobody claims one */
};
bool wire_list_parse(struct wire_in *in, struct wire_list *cmd_r);
/* The basic form only: LSUB. */
bool wire_lsub_parse(struct wire_in *in, struct wire_list *cmd_r);

struct wire_copy {
	struct wire_set set;
	struct str mailbox;
};
bool wire_copy_parse(struct wire_in *in, struct wire_copy *cmd_r); /* MOVE too, and UID forms */

/* UID EXPUNGE (RFC 4315). */
bool wire_uid_expunge_parse(struct wire_in *in, struct wire_set *set_r);
#endif
