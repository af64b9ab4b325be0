/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_EXT_H
#define IMAP_EXT_H
/*
 * What an extension of IMAP brings: the manual for writing one.
 *
 * One file of imap/ext (the commands of the base protocol: imap/cmd) ends in one constant `struct
 * imap_ext`, and has one line in imap/ext/list.h.  Each of its tables ends in a row without a name;
 * a table that is NULL is empty.  Names are in capitals, or as a response shows them.
 *
 * wire is the dictionary: it knows the syntax of words and their arguments.  The tables say who
 * implements them.  A row is found by its name, once, when a command is parsed; the engine keeps
 * the row, combines what the rows need, and calls it when its turn comes, so that nothing is looked
 * up or read twice.  If a capability is hidden (imap/hide.h), look-ups do not find the rows it
 * stands for; anything it brings besides rows must check imap_is_hidden().  If two extensions bring
 * the same name of a kind, or one brings a name that the engine implements itself, the server does
 * not start (imap_registry_build).  A word that nobody brings is BAD, even if wire knows it.
 *
 * A row is called on the loop unless a line below says otherwise.  Its arguments are valid during
 * the call.  A row that parses an argument gets a cursor over it, as it was sent, and fails the
 * cursor for BAD; what it keeps goes into in->arena, which is the command's.
 *
 * A hook is named after the moment at which it is called, for all extensions that have it, in the
 * order of imap/ext/list.h.
 *
 * Unsolicited output goes through a teller (imap/tell.h).  Work that belongs to no command is an
 * errand (imap/errand.h): it counts for the user who started it, never for the next one.
 */
#include <roaring/roaring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"
#include "conf/conf.h"
#include "mail/search.h"
#include "store/store.h"
#include "wire/cmd/fetch.h"
#include "wire/cmd/search.h"

struct store_reader;
struct imap_box;
struct imap_cmd;
struct imap_conn;
struct imap_render;
struct wire_create; /* wire/cmd/mailbox.h */
struct wire_list;   /* wire/cmd/list.h */

enum imap_states { /* RFC 9051 section 3; a mask */
	IMAP_NOAUTH = 1u << 0,
	IMAP_AUTH = 1u << 1,
	IMAP_SELECTED = 1u << 2,
	IMAP_LOGGED_IN = IMAP_AUTH | IMAP_SELECTED,
	IMAP_ANY = IMAP_NOAUTH | IMAP_LOGGED_IN
};

enum imap_next {
	IMAP_DONE,  /* cmd_ok, cmd_no or cmd_bad was called */
	IMAP_GO,    /* run cmd->step again at once (it has changed) */
	IMAP_YIELD, /* run cmd->step again when the out queue is below its mark, after other
	               connections had a turn */
	IMAP_WAIT   /* something holds the command and will call imap_resume() */
};

/* ---- commands */

enum imap_traits {
	IMAP_TRAIT_STREAM = 1u << 0,      /* message literals are streamed (APPEND) */
	IMAP_TRAIT_MAY_EXPUNGE = 1u << 1, /* EXPUNGE responses are allowed before its tagged reply;
	                                     the UID form always allows them */
	IMAP_TRAIT_UID = 1u << 2,         /* has a UID form */
	IMAP_TRAIT_SECRET = 1u << 3,      /* its bytes are wiped from memory */
	IMAP_TRAIT_LEAVES = 1u << 4,  /* ends the login, and is allowed even if nothing else is */
	IMAP_TRAIT_LACKING = 1u << 5, /* a known IMAP command that is missing here: only a name */
	IMAP_TRAIT_NUMBERS = 1u << 6  /* without UID it takes or returns message numbers */
};

struct imap_cmd_def {
	const char *name;
	unsigned states; /* enum imap_states */
	unsigned traits;
	enum imap_next (*start)(struct imap_cmd *cmd); /* parses cmd->in, then is the first step */
	/* Called before login for a line that exceeds limits.login_command: returns the longest
	 * line allowed; 0 or a NULL hook means the normal limit.  in: after the name, of an
	 * incomplete command. */
	size_t (*line_max)(const struct imap_conn *conn, struct wire_in *in);
};

/* ---- CAPABILITY and ENABLE */

struct imap_cap {
	const char *word;
	const char *rfc;                            /* numbers, for the documentation */
	unsigned states;                            /* the states in which it is shown */
	bool (*when)(const struct imap_conn *conn); /* NULL: always; a further condition, ... */
	const char *shown;                          /* ... in words, for the documentation */
	/* The rows that it stands for and that are hidden with it (imap/hide.h): names separated by
	 * blanks, of any file.  NULL: those of its file, if it is the only capability there. */
	const char *brings;
	/* For words with a value ("APPENDLIMIT=…"): appends the rest.  NULL: none. */
	void (*value)(const struct imap_conn *conn, struct buf *out);
	/* Prints any number of words instead, each with a blank before it.  NULL: only word. */
	void (*words)(const struct imap_conn *conn, struct buf *out);
	/* Returns a number that changes with whatever the words depend on besides the settings.
	 * Printed values may depend on the settings only. */
	uint64_t (*key)(const struct imap_conn *conn);
};

struct imap_enable {
	const char *name;
	void (*enable)(struct imap_conn *conn);
};

/* ---- response codes printed by the extension, for the documentation; debug builds and the
 * transcripts abort at a code that nobody brings */

struct imap_code {
	const char *name;
	const char *rfc;
	const char *when; /* a sentence without a full stop */
};

/* ---- FETCH items */

enum imap_needs { /* what an item needs besides the message's record; a mask */
	IMAP_NEEDS_SUMMARY = 1u << 0,
	IMAP_NEEDS_BLOB = 1u << 1
};

struct imap_fetched { /* a message as an item sees it */
	const struct store_message *record;
	const struct mail_summary *summary; /* if IMAP_NEEDS_SUMMARY of it; else NULL */
	const struct wire_fetch_item *item; /* as the client asked for it */
	const void *args;                   /* what parse() made of its argument; NULL: none */
	struct store *store;
	/* With IMAP_NEEDS_BLOB: appends bytes of the message.  Returns false if they cannot be
	 * read; then nothing is sent for the message, and FETCH is NO. */
	bool (*read)(const struct imap_fetched *message, struct mail_range range, struct buf *out);
	struct imap_render *render; /* private */
};

enum imap_located {
	IMAP_LOCATED,
	IMAP_LOCATED_NIL,     /* there is no value: NIL */
	IMAP_LOCATED_NOTHING, /* the response omits this item */
	IMAP_LOCATED_REFUSED  /* same, and FETCH is NO with the item's `refused` */
};

struct imap_value { /* some bytes of the message, to be decoded */
	struct mail_range range;
	enum mail_encoding encoding;
};

struct imap_fetch_item {
	const char *name;
	unsigned needs; /* enum imap_needs */
	/* Returns what it needs beyond that for this message.  NULL: nothing. */
	unsigned (*needs_of)(const struct store_message *record);
	bool sets_seen; /* unless the client peeks */
	bool logged;    /* log each FETCH that requests it, with the user */
	/* Called when a command that names the row was parsed and begins, for its effect on the
	 * login.  Rows of other kinds below have it, too.  NULL: no effect. */
	void (*asked)(struct imap_conn *conn);
	/* Parses the argument in parentheses.  NULL: it takes none, except what wire parses itself
	 * (sections). */
	bool (*parse)(struct wire_in *in, const void **args_r);

	/* One of these.  On a worker unless nothing is needed: they may use nothing but their
	 * arguments.
	 *
	 * print() appends the value; the engine prints the name and the blank before it. */
	void (*print)(const struct imap_fetched *message, struct buf *out);
	/* locate() returns which bytes are the value.  The engine reads, decodes and sends them in
	 * pieces, or sends only their size if `size_only` is set. */
	enum imap_located (*locate)(const struct imap_fetched *message, struct imap_value *value_r);
	bool size_only;
	const struct imap_refusal *refused;
};

struct imap_fetch_modifier { /* FETCH 1:* FLAGS (NAME value) */
	const char *name;
	/* Parses its value, which is empty if there is none.  NULL: it has none. */
	bool (*parse)(struct wire_in *in, const void **kept_r);
	const char *implies; /* an item to send even if not requested; NULL: none */
	/* Returns NULL, or why the modifier is not allowed here.  check may be NULL. */
	const char *(*check)(const struct imap_cmd *cmd, const struct wire_fetch *args);
	void (*asked)(struct imap_conn *conn);
	/* Removes from uids the messages that get no response; of all modifiers, those with
	 * `first` come first.  NULL: none. */
	bool first;
	void (*narrow)(struct imap_cmd *cmd, const void *kept, roaring_bitmap_t *uids);
	/* Prints untagged responses that precede those of FETCH, a piece (IMAP_PRINT_BYTES) per
	 * call; returns true after the last.  *state starts as NULL and belongs to the row, in the
	 * command's arena.  NULL: no such responses. */
	bool (*before)(struct imap_cmd *cmd, const struct wire_fetch *args, void **state);
};

struct imap_store_modifier { /* STORE 1:* (NAME value) FLAGS … */
	const char *name;
	bool (*parse)(struct wire_in *in, const void **kept_r);
	void (*asked)(struct imap_conn *conn);
	/* Removes messages from the change, or gives it a condition. */
	void (*limit)(struct imap_cmd *cmd, const void *kept, struct store_change *change);
};

struct imap_refusal { /* for NO */
	const char *code, *text;
};

/* ---- SEARCH */

struct imap_search_place {      /* where text is searched for (mail/search.h) */
	enum mail_search_in in; /* FIELD: key->field */
	enum mail_text which;   /* SUMMARY */
};

struct imap_search_key {
	const char *name;
	/* Parses what follows the name into the key.  NULL: nothing follows, except what wire
	 * parses itself. */
	bool (*parse)(struct wire_in *in, struct wire_key *key);
	void (*asked)(struct imap_conn *conn);
	/* SEARCH responds with the highest MODSEQ of the messages found (RFC 7162 section
	 * 3.1.5). */
	bool tells_modseq;
	/* Called once, before any message is tested.  now: seconds since 1970.  NULL: nothing to
	 * do. */
	void (*begin)(struct wire_key *key, const struct imap_box *box, int64_t now);

	/* One of these decides; or two: matches_summary for messages of which needs_summary()
	 * returns true, and matches for all others.
	 *
	 * matches: decides by the message's record.  Any thread; may use only its arguments. */
	bool (*matches)(const struct wire_key *key, const struct store_message *record);
	/* matches_summary: the same, by the message's summary. */
	bool (*matches_summary)(const struct wire_key *key, const struct store_message *record,
	    const struct mail_summary *summary);
	bool (*needs_summary)(const struct store_message *record);
	/* text: the message matches if key->text, which is in the charset of the command, occurs
	 * there.  The engine searches for all texts of a command together. */
	const struct imap_search_place *text;
	/* choose: decides by sets, on the loop, during a read of the mailbox
	 * (store_mailbox_read_begin()): returns the UIDs of the view that match; the engine frees
	 * them. */
	roaring_bitmap_t *(*choose)(const struct wire_key *key, const struct imap_box *box,
	    const struct store_reader *reader);
};

struct imap_found { /* what a SEARCH or SORT found */
	struct imap_cmd *cmd;
	const struct wire_search *args;
	const roaring_bitmap_t *uids;
	uint32_t first, last; /* of uids, in the order in which they are sent; 0: none */
	const uint32_t
	    *order; /* SORT: the numbers of all of them, in that order; NULL: ascending */
	/* Those that the response tells one by one, if its options tell no more than some
	 * (RFC 4731 section 3.2, RFC 5182 section 2.4, RFC 9394 section 3.2); else all. */
	const roaring_bitmap_t *told;
};
/* Returns the message's number as the client counts in this command. */
uint32_t imap_found_number(const struct imap_found *found, uint32_t uid);

struct imap_search_return { /* an option of SEARCH RETURN */
	const char *name;
	/* Parses its value, which is empty if there is none.  NULL: it has none. */
	bool (*parse)(struct wire_in *in, const void **kept_r);
	/* For the ESEARCH response; NULL: nothing.  tell() sets what wire's printer prints; print()
	 * appends something else, with a blank before it.  Neither is called if nothing was found,
	 * unless says_none. */
	void (*tell)(const struct imap_found *found, struct wire_esearch *e);
	void (*print)(const struct imap_found *found, const void *kept, struct buf *out);
	bool says_none;
	/* Adds the UIDs of the messages that tell() or print() tells.  NULL: it is about all. */
	void (*picks)(const struct imap_found *found, const void *kept, roaring_bitmap_t *uids);
	/* Returns NULL, or what is wrong with the options together. */
	const char *(*check)(const struct wire_search *args);
	/* Called after the response, before the tagged reply.  NULL: nothing to do. */
	void (*done)(const struct imap_found *found);
	/* Called instead if the SEARCH is refused or fails. */
	void (*failed)(struct imap_cmd *cmd);
};

/* ---- SORT (RFC 5256 section 3): what messages are ordered by */

/* The engine reads the columns of all keys of a command together, once, on a worker.  It also
 * handles REVERSE and the order of equal messages. */
struct imap_sort_key {
	const char *name;
	/* One of these: a column of the store, 1u << of enum store_column (store/columns.h), or a
	 * number made from the record, smallest first (on a worker: may use only its argument). */
	unsigned column;
	int64_t (*number)(const struct store_message *record);
};

/* ---- LIST and STATUS */

/* STATUS items, for STATUS and LIST RETURN (STATUS) */
struct imap_status_item {
	const char *name;
	void (*asked)(struct imap_conn *conn);
	/* Appends the value; the engine prints the name and the blank before it.  account: the
	 * mailbox's account. */
	void (*print)(struct imap_conn *conn, const struct store_account *account,
	    const struct store_mailbox_info *mailbox, struct buf *out);
	bool own; /* it differs between users where \Seen is their own (store/reader.h) */
};

/*
 * Attributes (wire/cmd/list.h) in a row's `attrs` are shown only if a row of the command has them;
 * all others are always shown.
 */
struct imap_list_select { /* an option before the reference: which names to list */
	const char *name;
	unsigned attrs;
	/* Returns whether to list a name with these attributes.  Also called for names without a
	 * mailbox.  NULL: the option excludes nothing. */
	bool (*meets)(unsigned attrs, bool exists);
	bool recursive; /* RFC 5258: also names above one that the other options select */
};

struct imap_listed { /* a mailbox that was listed */
	struct str name;
	const struct store_account *account;   /* the one that has it */
	unsigned rights;                       /* of enum auth_right: the login's, there */
	const struct store_mailbox_info *info; /* without its name */
};

struct imap_list_return { /* an option after RETURN: what to send about a name */
	const char *name;
	unsigned attrs;
	/* Returns what it keeps of the command, for print(); NULL with a text: BAD. */
	void *(*begin)(struct imap_cmd *cmd, const struct wire_list *args, const char **fault_r);
	/* Called after the LIST response of a mailbox that can be selected; closed: also of one
	 * that the login may not select. */
	void (*print)(struct imap_cmd *cmd, const struct imap_listed *mailbox, const void *kept);
	bool closed;
	/* Whether print() uses counters that are each user's own; NULL: it uses none. */
	bool (*counts)(const void *kept);
};

/* ---- parameters of SELECT and EXAMINE, and of CREATE */

struct imap_select_param {
	const char *name;
	bool (*parse)(struct wire_in *in, const void **kept_r);
	/* Returns NULL, or why the parameter is not allowed here.  check may be NULL. */
	const char *(*check)(const struct imap_cmd *cmd);
	/* Called after the previously selected mailbox was closed. */
	void (*asked)(struct imap_conn *conn);
	/* Called after the mailbox was selected: prints untagged responses after the engine's, a
	 * piece (IMAP_PRINT_BYTES) per call; returns true after the last.  *state starts as NULL
	 * and belongs to the row, in the command's arena.  NULL: nothing to do. */
	bool (*selected)(struct imap_cmd *cmd, const void *kept, void **state);
};

struct imap_create_param {
	const char *name;
	/* Puts it into the change.  Returns false if it called cmd_no() or cmd_bad(). */
	bool (*apply)(
	    struct imap_cmd *cmd, const struct wire_create *args, struct store_change *change);
};

/* ---- forms of a message's data in APPEND */

struct imap_append_data {
	const char *name; /* LITERAL8: "~{5}"; UTF8: "UTF8 (~{5}", which is also a literal8 */
	/* What the bytes pass through on their way into the store; begin() returns its state.
	 * NULL: nothing. */
	void *(*begin)(void);
	/* Appends the converted piece; last: nothing follows. */
	void (*feed)(void *state, struct str piece, bool last, struct buf *out);
	void (*end)(void *state);
};

/* ---- NOTIFY (RFC 5465 section 5): what clients may ask to be notified of */

enum imap_notify_scope {                 /* where, a mask */
	IMAP_NOTIFY_SELECTED = 1u << 0,  /* the selected mailbox, which has its own teller */
	IMAP_NOTIFY_MAILBOXES = 1u << 1, /* others */
	IMAP_NOTIFY_SERVER = 1u << 2     /* neither: it has no mailbox */
};

struct imap_noticed { /* a mailbox at two reads, the second caused by a watch */
	struct store_account *account;
	struct str name;
	/* NULL: it did not exist, or does not exist now; both NULL: this is about the account
	 * itself. */
	const struct store_mailbox_info *before, *now;
};

struct imap_notify_event {
	const char *name;
	unsigned scopes; /* enum imap_notify_scope */
	/* Events that must be requested together with it, or it is BAD; ends in NULL.  NULL:
	 * none. */
	const char *const *with;
	/* Parses what follows the name, which is empty if there is nothing.  NULL: nothing follows.
	 * Its bytes and what it keeps stay until the next NOTIFY. */
	bool (*parse)(struct wire_in *in, const void **kept_r);
	/* On the loop, for a mailbox that is not selected: returns whether it happened between the
	 * reads. */
	bool (*happened)(const struct imap_noticed *seen);
	/* What to send then, one of these: names of STATUS items, ending in NULL, which one
	 * response carries together with those of all events that happened; or print() appends
	 * responses. */
	const char *const *status;
	void (*print)(struct imap_conn *conn, const struct imap_noticed *seen, const void *kept);
};

struct imap_news {                                          /* of the selected mailbox, by UIDs */
	const roaring_bitmap_t *fresh, *changed, *expunged; /* NULL: none */
};

/* ---- slots: an extension's own memory in a lifetime */

enum imap_life { IMAP_LIFE_TURN, IMAP_LIFE_LOGIN, IMAP_LIFE_BOX, IMAP_LIVES };

struct imap_slot_field {
	const char *name;
	size_t at, size;
};

/*
 * Zeroed when its owner begins, freed when its owner ends: there is no reset.  A slot and the table
 * of its fields are made together, so that the table is complete; the reset proof (test/reset)
 * requires that a script dirties each.  For example
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
	const struct imap_slot_field *fields; /* the last one has no name */
	/* Called when the owner ends, before anything that the owner holds is freed: for what is
	 * not arena memory.  NULL: nothing to do. */
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

/* ---- the extension */

/* Appends the contents of a response code about a change that cmd made, or nothing. */
typedef void imap_code_f(
    const struct imap_cmd *cmd, const struct store_change *change, struct buf *code);

struct imap_ext {
	const char *name;
	const char *title; /* for the documentation: "RFC 2177 IDLE" */
	const struct imap_cap *caps;
	const struct imap_cmd_def *cmds;
	const struct imap_enable *enables;
	const struct imap_code *codes;
	const struct imap_fetch_item *fetch_items;
	const struct imap_fetch_modifier *fetch_modifiers;
	const struct imap_store_modifier *store_modifiers;
	const struct imap_search_key *search_keys;
	const struct imap_search_return *search_returns;
	const struct imap_sort_key *sort_keys;
	const struct imap_status_item *status_items;
	const struct imap_list_select *list_selects;
	const struct imap_list_return *list_returns;
	const struct imap_select_param *select_params;
	const struct imap_create_param *create_params;
	const struct imap_append_data *append_data;
	const struct imap_notify_event *notify_events;
	/* Its own options, with prose: one of the server's tables (conf/conf.h). */
	const struct conf_table *conf;
	struct imap_slot slots[IMAP_LIVES];

	/* Hooks, called in the order of imap/ext/list.h.
	 *
	 * A mailbox was created; messages were added, or copied or moved; flags were stored.  A
	 * reply has room for one code: the first that is printed. */
	imap_code_f *created, *appended, *copied, *stored;
	/* A mailbox was selected: prints untagged responses after the engine's. */
	void (*selected)(struct imap_conn *conn);
	/* FLAGS of a message were printed in a FETCH response: appends more items, each with a
	 * blank before it.  Any thread; may use only its arguments. */
	void (*flags_printed)(
	    const struct imap_box *box, const struct store_message *record, struct buf *out);
	/* News of the selected mailbox is about to be sent, in one or more pieces: prints untagged
	 * responses before it.  Use a teller (imap/tell.h) for what must come after it. */
	void (*about_to_tell)(struct imap_conn *conn, const struct imap_news *news);
	/* Messages have left the view, and the client was told. */
	void (*expunged)(struct imap_box *box);
};

/* Return slots, by the extension's struct; assert that there is a login, or a box. */
void *imap_turn_slot(const struct imap_conn *conn, const struct imap_ext *ext);
void *imap_login_slot(const struct imap_conn *conn, const struct imap_ext *ext);
void *imap_box_slot(const struct imap_conn *conn, const struct imap_ext *ext);
/* Returns the turn's settings of ext->conf. */
const void *imap_ext_settings(const struct imap_conn *conn, const struct imap_ext *ext);
#endif
