/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_EXT_H
#define IMAP_EXT_H
/*
 * What an extension of IMAP brings: the manual for whoever writes one.
 *
 * One file of imap/ext (the commands of the base protocol: imap/cmd) ends in one constant
 * `struct imap_ext`, and has one line in imap/ext/list.h.  Each of its tables ends in a row without
 * a name; a table that is NULL is empty.  Names are in capitals, or as a response shows them.  Two
 * extensions that bring the same name of a kind stop the server at its start, as does a name that
 * the base grammar has (imap_registry_build).
 *
 * A row brings the word; the engine asks it when a client uses the word, on the loop unless a line
 * below says otherwise.  What a row is given is valid during the call.  Masks of needs are or-ed
 * over all items of a command, so that nothing is read twice.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "mail/summary.h"
#include "store/store.h"
#include "wire/search.h"

struct imap_box;
struct imap_cmd;
struct imap_conn;

enum imap_states { /* RFC 9051 section 3; a mask */
	IMAP_NOAUTH = 1u << 0,
	IMAP_AUTH = 1u << 1,
	IMAP_SELECTED = 1u << 2,
	IMAP_LOGGED_IN = IMAP_AUTH | IMAP_SELECTED,
	IMAP_ANY = IMAP_NOAUTH | IMAP_LOGGED_IN
};

enum imap_next {
	IMAP_DONE,  /* cmd_ok, cmd_no or cmd_bad was called */
	IMAP_GO,    /* run cmd->step again at once (it was changed) */
	IMAP_YIELD, /* run cmd->step again when the out queue is below its mark, after other
	               connections had their turn */
	IMAP_WAIT   /* something holds the command and will call imap_resume() */
};

/* ---- commands */

enum imap_traits {
	IMAP_TRAIT_STREAM = 1u << 0,      /* message literals are streamed (APPEND) */
	IMAP_TRAIT_MAY_EXPUNGE = 1u << 1, /* EXPUNGE responses are allowed before its tagged reply;
	                                     for the form with UID they always are */
	IMAP_TRAIT_UID = 1u << 2,         /* there is a form with UID in front */
	IMAP_TRAIT_SECRET = 1u << 3,      /* its bytes are wiped from memory */
	IMAP_TRAIT_LACKING = 1u << 4 /* a command of IMAP that there is not: it has a name only */
};

struct imap_cmd_def {
	const char *name;
	unsigned states; /* enum imap_states */
	unsigned traits;
	enum imap_next (*start)(struct imap_cmd *cmd); /* parses cmd->in, then is the first step */
	/* Asked before login for a line that has become longer than limits.login_command: how long
	 * may it be?  in: behind the name, of an incomplete command.  0, and NULL: no longer. */
	size_t (*line_max)(const struct imap_conn *conn, struct wire_in *in);
};

/* ---- CAPABILITY and ENABLE */

struct imap_cap {
	const char *word;
	unsigned states;                            /* when it is shown */
	bool (*when)(const struct imap_conn *conn); /* NULL: always; a further condition */
	/* For words with a value ("APPENDLIMIT=…"): appends the rest.  NULL: none. */
	void (*value)(const struct imap_conn *conn, struct buf *out);
	/* Prints words instead, any number, each with a blank before it.  NULL: just word. */
	void (*words)(const struct imap_conn *conn, struct buf *out);
	/* What the words depend on beside the settings, as a number that is another when they are.
	 * Printed values depend on the settings only. */
	uint64_t (*key)(const struct imap_conn *conn);
};

struct imap_enable {
	const char *name;
	void (*enable)(struct imap_conn *conn);
};

/* ---- FETCH items */

enum imap_needs { /* what an item needs beyond the message's record; a mask */
	IMAP_NEEDS_SUMMARY = 1u << 0,
	IMAP_NEEDS_BLOB = 1u << 1
};

struct imap_fetched { /* a message as an item sees it */
	const struct store_message *record;
	const struct mail_summary *summary; /* with IMAP_NEEDS_SUMMARY; else NULL */
};

struct imap_fetch_item {
	const char *name;
	unsigned needs; /* enum imap_needs */
	/* Appends the value; the name and the blank before it are the engine's.  On a worker unless
	 * needs is 0: it may use nothing but its arguments. */
	void (*print)(const struct imap_fetched *message, struct buf *out);
};

/* ---- SEARCH keys, decided by the message's record */

struct imap_search_key {
	const char *name;
	/* Reads what follows the name into the key, or fails the cursor: BAD.  NULL: nothing does.
	 */
	bool (*parse)(struct wire_in *in, struct wire_key *key);
	/* Any thread; it may use nothing but its arguments. */
	bool (*matches)(const struct wire_key *key, const struct store_message *record);
};

/* ---- STATUS items, of STATUS and LIST RETURN (STATUS) */

struct imap_status_item {
	const char *name;
	/* Appends the value; the name and the blank before it are the engine's. */
	void (*print)(
	    struct imap_conn *conn, const struct store_mailbox_info *mailbox, struct buf *out);
};

/* ---- slots: memory of the extension's own in a lifetime */

enum imap_life { IMAP_LIFE_TURN, IMAP_LIFE_LOGIN, IMAP_LIFE_BOX, IMAP_LIVES };

struct imap_slot_field {
	const char *name;
	size_t at, size;
};

/*
 * Zeroed when its owner begins, gone when its owner goes: there is no reset.  A slot and the table
 * of its fields are made together, so that the table has all of them; the reset proof (test/reset)
 * asks that a script dirties each.  For example
 *
 *     #define BELL_FIELDS(slot, FIELD)                                   \
 *             FIELD(slot, bool, armed, )                                 \
 *             FIELD(slot, char, tune, [8])
 *     IMAP_SLOT(bell, BELL_FIELDS);
 *     ...
 *     .slots = {[IMAP_LIFE_LOGIN] = IMAP_SLOT_OF(bell, free_bell)},
 */
struct imap_slot {
	size_t size;                          /* 0: none */
	const struct imap_slot_field *fields; /* the last one without a name */
	/* Called when the owner goes, before anything that the owner holds: for what is not memory
	 * of an arena.  NULL: there is no such thing. */
	void (*free)(void *slot);
};

#define IMAP_SLOT_MEMBER(slot, type, field, dims) type field dims;
#define IMAP_SLOT_ROW(slot, type, field, dims)                                                     \
	{#field, offsetof(struct slot, field), sizeof(((struct slot *)NULL)->field)},
#define IMAP_SLOT(slot, FIELDS)                                                                    \
	struct slot {                                                                              \
		FIELDS(slot, IMAP_SLOT_MEMBER)                                                     \
	};                                                                                         \
	static const struct imap_slot_field slot##_fields[] = {                                    \
	    FIELDS(slot, IMAP_SLOT_ROW){.name = NULL}}
#define IMAP_SLOT_OF(slot, free_fn)                                                                \
	{                                                                                          \
		.size = sizeof(struct slot), .fields = slot##_fields, .free = (free_fn)            \
	}

/* ---- all of it */

struct imap_ext {
	const char *name;
	const char *title; /* for the table in the documentation: "RFC 2177 IDLE" */
	const struct imap_cap *caps;
	const struct imap_cmd_def *cmds;
	const struct imap_enable *enables;
	const struct imap_fetch_item *fetch_items;
	const struct imap_search_key *search_keys;
	const struct imap_status_item *status_items;
	struct imap_slot slots[IMAP_LIVES];
};

/* Slots by the extension's struct; asserts that there is a login (box). */
void *imap_turn_slot(const struct imap_conn *conn, const struct imap_ext *ext);
void *imap_login_slot(const struct imap_conn *conn, const struct imap_ext *ext);
void *imap_box_slot(const struct imap_conn *conn, const struct imap_ext *ext);
#endif
