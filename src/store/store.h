/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STORE_H
#define STORE_STORE_H
/*
 * Store: accounts, mailboxes, messages, flags, MODSEQs and watches, over an engine.
 *
 * The way of a STORE command: on its loop the session fills in a change (which mailbox, which UIDs,
 * which flags) and submits it.  The account's lane (a thread) checks its conditions, gives it a
 * MODSEQ, adds its records to the batch being prepared, and commits everything that waits as one
 * durable batch.  After the flush it changes the mailbox's state in memory, notifies watches, and
 * posts the change's done() to the session's loop.  So an OK always means: it is on disk.
 *
 * The way of a FETCH: flags, dates and sizes come from the mailbox's state in memory, copied out a
 * window at a time under a short lock (any thread).  Summaries and bodies are read by blocking
 * calls (marked BLOCKING); make those on a worker thread, never on a loop.
 *
 * Names are UTF-8 with '/' between levels.  INBOX, in capitals at the first level, is the one
 * inbox.  Times are seconds since 1970 UTC.
 *
 * Invariants
 *  1. UIDs and MODSEQs of a mailbox never go back, not even after a crash.
 *  2. Nobody is ever shown what has not been flushed.
 *  3. A change is seen whole or not at all.
 *  4. done() runs on the change's loop, in the order in which the batches went
 *     into the log, never inside store_submit().
 *  5. A failed flush is never retried: all changes in its batch and after it get
 *     TS_UNKNOWN; the engine is reopened and states are read again.
 */
#include <roaring/roaring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
struct loop;
#include "mail/summary.h"
#include "net/work.h"
#include "store/engine.h"

struct store;
struct store_account; /* a loaded account; reference counted */
struct store_mailbox; /* a loaded mailbox state, shared by all sessions; reference counted */

/* ---- opening ---- */

/* A mailbox that a new account gets besides its INBOX, subscribed. */
struct store_default {
	struct str name; /* valid for CREATE */
	unsigned use;    /* mask of store_use */
};

struct store_options {
	const struct engine_class *engine;
	struct engine_options engine_options;
	unsigned lanes;          /* writer threads; 0: changes run as posted tasks (tests) */
	uint64_t state_budget;   /* bytes of mailbox states kept in memory beyond those in use */
	uint64_t blob_threshold; /* messages larger than this go into files of their own */
	uint64_t copy_memory;    /* most bytes that one COPY or MOVE may take; above it TS_LIMIT */
	uint64_t held_bytes;     /* most bytes of expunged messages kept for holds */
	struct mail_limits mail; /* limits for making summaries of messages */
	uint32_t max_keywords;   /* per mailbox, at most STORE_KEYWORDS_MAX */
	uint32_t keyword_bytes;  /* length of a new keyword's name */
	uint32_t max_mailboxes;  /* per account */
	uint32_t max_properties; /* per mailbox, and of an account itself */
	uint64_t property_bytes; /* size of a property's value */
	uint64_t property_total; /* names and values of an account and all its mailboxes */
	uint32_t fold_after;     /* change records after which a mailbox's index is rewritten */
	uint32_t expunge_keep;   /* expunges whose UIDs are remembered per mailbox */
	const struct store_default *defaults; /* copied; names differ, none is INBOX */
	size_t default_count;                 /* less than max_mailboxes */
	uint32_t migrate_rows; /* rows per batch of a migration; 0: some thousand (tests) */
	const char *own_id;    /* id of a new store, STORE_OWN_ID_BYTES; NULL: random (tests) */
	bool own_seen;         /* \Seen of mailboxes that become shared is each user's own */
	bool salvage;          /* open even if the store's own records are damaged */
	int64_t (*wall)(void); /* NULL: the real clock */
	/* For tests, which change something between two reads.  Called whenever a read of a mailbox
	 * or of a list of mailboxes has ended, on the reader's thread, without a lock.  May be
	 * NULL. */
	void (*looked)(void *arg);
	void *looked_arg;
};

/* Sets all fields to their defaults. */
void store_options_default(struct store_options *opt);
/* BLOCKING.  On failure *text_r (malloc'ed) says which file is at fault and what to do; on success
 * it says what had to be done to the files, if anything. */
enum ts_err store_open(const struct store_options *opt, struct store **store_r, char **text_r);
/* BLOCKING.  Commits what waits and ends the lanes.  Submit no changes meanwhile; release all
 * references to accounts and mailboxes, watches and uploads first. */
void store_close(struct store **store);

/* Returns the options it was opened with, after the store's own limits were applied. */
const struct store_options *store_options_of(const struct store *store);

/*
 * Background work: rewriting indexes, removing the contents of deleted mailboxes, freeing blobs,
 * finishing moves between accounts after a crash, and dropping states above the budget.  A thread
 * does it.  With lanes 0 only store_background_step() does; it is BLOCKING, does one piece, and
 * returns false if there is nothing to do.
 */
bool store_background_step(struct store *store);
/* BLOCKING.  Returns when the background has nothing left to do. */
void store_background_wait(struct store *store);

/* Longest name of an account, mailbox or property, and longest key of a record, in bytes. */
#define STORE_NAME_MAX 1000

/* The store's own id: 128 random bits, made with the store.  A store restored from a backup has a
 * different one.  The result is valid while the store is open. */
#define STORE_OWN_ID_BYTES 16
struct str store_own_id(const struct store *store);

/* ---- accounts ---- */

/* Returns the account with a reference if it is in memory, else NULL.  Any thread; does not
 * block. */
struct store_account *store_account_find(struct store *store, struct str name);
/* BLOCKING.  Loads the account.  create: makes a missing one, which waits for a flush as
 * store_submit_wait() does, so workers use store_change_new_account() instead.  A new account
 * gets its INBOX and the default mailboxes all at once; those the user deletes later are not
 * made again. */
enum ts_err store_account_load(
    struct store *store, struct str name, bool create, struct store_account **account_r);
/* Same, for callers that restore an account: a new one gets its INBOX only. */
enum ts_err store_account_load_bare(
    struct store *store, struct str name, struct store_account **account_r);
struct store_account *store_account_ref(struct store_account *account);
void store_account_unref(struct store_account **account);
uint64_t store_account_id(const struct store_account *account);
struct str store_account_name(const struct store_account *account);
struct store *store_account_store(const struct store_account *account);
/* BLOCKING.  Removes the account with all its mail.  The removal is durable on return. */
enum ts_err store_account_delete(struct store *store, struct str name);

/* BLOCKING.  Calls fn with the names of all accounts, in order, until it returns false.  fn must
 * not call into the store. */
enum ts_err store_account_names(
    struct store *store, bool (*fn)(struct str name, void *arg), void *arg);

/* ---- the list of mailboxes ---- */

enum store_use { /* RFC 6154 special-use attributes; a mask */
	STORE_USE_ALL = 1 << 0,
	STORE_USE_ARCHIVE = 1 << 1,
	STORE_USE_DRAFTS = 1 << 2,
	STORE_USE_FLAGGED = 1 << 3,
	STORE_USE_JUNK = 1 << 4,
	STORE_USE_SENT = 1 << 5,
	STORE_USE_TRASH = 1 << 6,
	STORE_USE_IMPORTANT = 1 << 7
};

struct store_counters {
	uint32_t messages, unseen, deleted, recent;
	uint32_t uidnext, uidvalidity;
	uint64_t size, modseq, deleted_size;
};

struct store_properties;

#define STORE_OBJECT_ID 33u /* bytes of an object id, see below */

struct store_mailbox_info {
	uint32_t id; /* unique in the account, never reused; 0: only a subscription */
	char object_id[STORE_OBJECT_ID]; /* begins with 0: none is stored */
	struct str name;
	unsigned use; /* mask of store_use */
	bool subscribed;
	/* \Seen is each user's own (reader.h): counters' unseen, recent and modseq are nobody's. */
	bool own;
	struct store_counters counters;
	/* Not referenced: valid as long as name is.  NULL: none. */
	const struct store_properties *properties;
};

/*
 * Calls fn in order of names for each mailbox, and for each subscribed name
 * that has no mailbox (id 0), until fn returns false.  Runs under the account's
 * lock: fn must not call into the store.  The info is valid inside fn only.
 * Parents without a mailbox of their own are not listed.
 */
void store_account_list(const struct store_account *account,
    bool (*fn)(const struct store_mailbox_info *info, void *arg), void *arg);
/* Same, starting at a name (included if it exists).  Returns the version of the list at that time,
 * so that a caller who continues later can tell whether both parts belong together. */
uint64_t store_account_list_from(const struct store_account *account, struct str from,
    bool (*fn)(const struct store_mailbox_info *info, void *arg), void *arg);
/* Returns false if there is no such mailbox.  Leaves info_r's name and properties empty.  Names are
 * compared byte by byte: normalize a name from outside first (base/normal.h).  Loading an account
 * normalizes the names it has; if two differ only in spelling, one of them keeps its own. */
bool store_account_lookup(
    const struct store_account *account, struct str name, struct store_mailbox_info *info_r);
/* The same, with a reference to the mailbox's properties of the same look (NULL: it has none). */
bool store_account_look(const struct store_account *account, struct str name,
    struct store_mailbox_info *info_r, struct store_properties **properties_r);
/* Returns whether there is a mailbox below name ("name/..."). */
bool store_account_has_children(const struct store_account *account, struct str name);
/* Grows with every change of the list (create, delete, rename, subscribe, use) and of
 * properties. */
uint64_t store_account_list_version(const struct store_account *account);

/*
 * The mark of an account: 16 bytes computed from its mailboxes' names, uses, UIDVALIDITY, UIDNEXT,
 * MODSEQ and properties, how often its user changed \Seen where that is each user's own, its own
 * properties, and its subscriptions.  While it stays the same, no mailbox and nothing in the list
 * has changed.  All zeros: no mark.
 */
struct store_mark {
	uint64_t low, high;
};
/* Adds a mailbox of the list.  A mark starts as zeros. */
void store_mark_add(struct store_mark *mark, const struct store_mailbox_info *info);
/* Adds the changes of the owner's own \Seen in a mailbox (own_seen.h: u). */
void store_mark_add_own(struct store_mark *mark, uint32_t mailbox, uint64_t changes);
/* Adds the properties of the account itself. */
void store_mark_add_properties(struct store_mark *mark, const struct store_properties *properties);
/* BLOCKING.  Calls fn with up to max accounts, in order of names, starting at `from`, their ids and
 * their marks as on disk, until it returns false.  Loads no account.  Skips damaged ones. */
enum ts_err store_account_marks(struct store *store, struct str from, size_t max,
    bool (*fn)(struct str name, uint64_t account, const struct store_mark *mark, void *arg),
    void *arg);

/*
 * What an account, or a part of it, holds.  For an account in memory this costs nothing and is what
 * has been published: it changes at the same moment as the mailbox.
 */
struct store_usage {
	uint64_t mailboxes, messages, bytes;
	uint64_t deleted, deleted_bytes; /* of these, those that are \Deleted */
};
void store_account_usage(const struct store_account *account, struct store_usage *usage_r);
/* BLOCKING.  Same as on disk; does not load the account. */
TS_CHECKED enum ts_err store_usage_read(
    struct store *store, struct str name, struct store_usage *usage_r);

struct store_totals {
	uint64_t accounts, mailboxes, messages, bytes;
};
/*
 * BLOCKING.  Counts what all accounts hold on disk, without loading any.  Calls go_on() before each
 * account; if it returns false, *whole_r is false and the totals cover the accounts so far.
 */
TS_CHECKED enum ts_err store_totals(struct store *store, bool (*go_on)(void *arg), void *arg,
    struct store_totals *totals_r, bool *whole_r);

/* ---- properties ---- */

/*
 * Properties of an account or a mailbox: names and values, which are plain bytes to the store
 * (rights, annotations, limits).  A mailbox keeps them when renamed and loses them when deleted.  A
 * table is immutable; any thread may read it; NULL is an empty table.  Change them with
 * STORE_CHANGE_PROPERTIES.
 */
void store_properties_unref(struct store_properties **properties);
/* Returns whether the name is valid for a property.  One name is the store's own: see object ids.
 */
bool store_property_name_ok(struct str name);
/* Any thread, also inside store_account_list().  Returns NULL for NULL. */
struct store_properties *store_properties_ref(const struct store_properties *properties);
size_t store_properties_count(const struct store_properties *properties);
/* Gets the i-th property in order of names, counting from 0. */
void store_properties_at(
    const struct store_properties *properties, size_t i, struct str *name_r, struct str *value_r);
/* Returns the index of the first property whose name is not below `name`.  For a prefix: the
 * properties that begin with it follow from there. */
size_t store_properties_from(const struct store_properties *properties, struct str name);
/* Returns STR_NONE (p is NULL) if there is none.  An empty value has a p. */
struct str store_properties_get(const struct store_properties *properties, struct str name);
/* Return a reference, or NULL.  Do not block; the mailbox need not be loaded. */
struct store_properties *store_account_properties(const struct store_account *account);
struct store_properties *store_mailbox_properties(const struct store_mailbox *mailbox);
/* BLOCKING.  Looks on the disk whether an account has a property, without loading the account.
 * TS_NOT_FOUND: it has none of that name, or there is no such account. */
TS_CHECKED enum ts_err store_account_has_property(
    struct store *store, struct str account, struct str name);

/* ---- a mailbox's state ---- */

enum store_flag { /* indexes into struct store_flags; keywords follow */
	STORE_ANSWERED,
	STORE_FLAGGED,
	STORE_DELETED,
	STORE_SEEN,
	STORE_DRAFT,
	STORE_FIRST_KEYWORD
};
#define STORE_FLAG_WORDS 4
#define STORE_FLAGS_MAX (64 * STORE_FLAG_WORDS)
#define STORE_KEYWORDS_MAX (STORE_FLAGS_MAX - STORE_FIRST_KEYWORD)

struct store_flags {
	uint64_t w[STORE_FLAG_WORDS];
};

static inline bool
store_flags_has(const struct store_flags *f, unsigned flag)
{
	return (f->w[flag / 64] >> (flag % 64) & 1) != 0;
}

static inline void
store_flags_set(struct store_flags *f, unsigned flag)
{
	f->w[flag / 64] |= (uint64_t)1 << (flag % 64);
}

/* Returns the first flag set at or after `from`, or STORE_FLAGS_MAX if there is none. */
static inline unsigned
store_flags_next(const struct store_flags *f, unsigned from)
{
	for (; from < STORE_FLAGS_MAX; from = (from / 64 + 1) * 64) {
		uint64_t bits = f->w[from / 64] >> (from % 64);

		if (bits != 0)
			return from + (unsigned)__builtin_ctzll(bits);
	}
	return STORE_FLAGS_MAX;
}

/* Loops f over the flags that are set, from `first` on. */
#define STORE_EACH_FLAG(f, flags, first)                                                           \
	for (unsigned f = store_flags_next((flags), (first)); f < STORE_FLAGS_MAX;                 \
	     f = store_flags_next((flags), f + 1))

/*
 * A snapshot of the keywords: names by their numbers (STORE_FIRST_KEYWORD and
 * above).  When a new keyword needs a place, one that no message has is
 * forgotten, and its number gets the new name.  So interpret a message's flags
 * only with the table taken in the same read.  A table is immutable; any thread
 * may read it.
 */
struct store_keywords;
void store_keywords_unref(struct store_keywords **keywords);
/* Identifies the table within its mailbox: each has a different id.  NULL has 0. */
uint64_t store_keywords_id(const struct store_keywords *keywords);
/* Returns a number above all keywords in use. */
unsigned store_keywords_end(const struct store_keywords *keywords);
/* Returns the name as first given, or STR_NONE if no keyword has that number. */
struct str store_keywords_name(const struct store_keywords *keywords, unsigned flag);
/* Returns -1 if there is none.  Names are compared case-insensitively (RFC 9051 section 2.3.2). */
int store_keywords_find(const struct store_keywords *keywords, struct str name);
/* Translates flags from the numbers of one table to those of another, dropping keywords unknown
 * there.  Both tables must be of the same mailbox. */
struct store_flags store_keywords_translate(const struct store_flags *flags,
    const struct store_keywords *from, const struct store_keywords *to);

struct store_message {
	uint32_t uid, size;
	uint64_t modseq, blob;
	int64_t internaldate;
	int64_t savedate;
	int16_t zone; /* of the INTERNALDATE as given, in minutes east of UTC */
	struct store_flags flags;
};

/* Returns the mailbox with a reference if its state is in memory.  Else *err_r is TS_NOT_FOUND if
 * there is no such mailbox, or TS_UNAVAILABLE if it must be loaded first.  Does not block. */
struct store_mailbox *store_mailbox_find(
    struct store_account *account, struct str name, enum ts_err *err_r);
/* BLOCKING. */
enum ts_err store_mailbox_load(
    struct store_account *account, struct str name, struct store_mailbox **mailbox_r);
struct store_mailbox *store_mailbox_ref(struct store_mailbox *mailbox);
void store_mailbox_unref(struct store_mailbox **mailbox);
uint32_t store_mailbox_id(const struct store_mailbox *mailbox);
struct store_account *store_mailbox_account(const struct store_mailbox *mailbox); /* no reference */

/*
 * Object ids (RFC 8474): a letter and 32 hexadecimal digits.  Any thread.  A mailbox keeps its id
 * for life, whatever its name; all copies of a message share its id, with a letter for what the id
 * stands for.
 *
 * They are made of numbers that no other object, in this store or another, ever has: the mailbox's,
 * or that of the message's blob.  What is brought back from a backup keeps the ids it had, so these
 * are stored: a mailbox's in a property that only CREATE sets, a message's in its summary.  The
 * record says which messages have them there.
 */
#define STORE_ID_EMAIL 'M'
#define STORE_ID_THREAD 'T' /* of a message that is a thread by itself */
#define STORE_ID_MAILBOX 'F'
struct store_message_ids { /* the bytes that the digits stand for */
	unsigned char email[STORE_OBJECT_ID / 2], thread[STORE_OBJECT_ID / 2];
};
static inline bool
store_message_has_ids(const struct store_message *message)
{
	return (message->blob & STORE_BLOB_IDS) != 0;
}
/* Returns false if the summary has none. */
bool store_summary_ids(const struct mail_summary *summary, struct store_message_ids *ids_r);
/* Returns STR_NONE if the summary has none. */
struct str store_summary_object_id(
    char letter, const struct mail_summary *summary, char id[STORE_OBJECT_ID]);
/* letter: EMAIL or THREAD.  summary may be NULL if the record says that no ids are stored.  If they
 * should be in the summary and are not, these are the ids of the blob's number. */
struct str store_message_object_id(const struct store *store, char letter,
    const struct store_message *message, const struct mail_summary *summary,
    char id[STORE_OBJECT_ID]);
struct str store_blob_object_id(
    const struct store *store, char letter, uint64_t blob, char id[STORE_OBJECT_ID]);
/* Returns the id of what a text stands for: its hash, so it is the same in every store. */
struct str store_text_object_id(char letter, struct str text, char id[STORE_OBJECT_ID]);
/* Finds the blob for an id.  Returns false if it is not such an id of this store. */
bool store_object_id_blob(const struct store *store, char letter, struct str id, uint64_t *blob_r);
/* Returns whether the text has the form of an id with that letter. */
bool store_object_id_ok(char letter, struct str id);

/* Return the id of a mailbox. */
struct str store_listed_object_id(const struct store_account *account,
    const struct store_mailbox_info *info, char id[STORE_OBJECT_ID]);
struct str store_mailbox_object_id(const struct store_mailbox *mailbox, char id[STORE_OBJECT_ID]);
/* Returns the id of a mailbox that has none stored, such as a new one. */
struct str store_new_object_id(
    const struct store_account *account, uint32_t mailbox_id, char id[STORE_OBJECT_ID]);
/* Return the ids that numbers have in another store, given its own id. */
struct str store_other_object_id(
    struct str own_id, uint64_t account, uint32_t mailbox_id, char id[STORE_OBJECT_ID]);
void store_other_message_ids(struct str own_id, uint64_t blob, struct store_message_ids *ids_r);
/* The property that holds a mailbox's stored id.  STORE_CHANGE_PROPERTIES refuses the name. */
#define STORE_OBJECT_ID_PROPERTY "objectid"
bool store_property_is_object_id(struct str name);
/* The property of a mailbox in which \Seen is each user's own.  The store puts it when the first
 * "acl/…" is put (opt.own_seen), and refuses the name as well.  Who moves mail to another store
 * leaves it out. */
#define STORE_OWN_SEEN_PROPERTY "own-seen"
/* Whether a property is one of these two. */
bool store_property_is_reserved(struct str name);

/* Copies the counters under the lock, consistent among themselves.  If other data must agree with
 * them, use store_mailbox_read_counters(). */
void store_mailbox_counters(const struct store_mailbox *mailbox, struct store_counters *counters_r);
/* The mailbox or its account was deleted: every later change gets TS_NOT_FOUND. */
bool store_mailbox_gone(const struct store_mailbox *mailbox);
/* The account was deleted; one with the same name is another. */
bool store_account_gone(const struct store_account *account);

/*
 * Direct reads: the state does not change between begin and end.  Keep it short
 * (microseconds to a few milliseconds), call nothing of the store but what is
 * listed here, and take one lock at a time.  Whatever is reported or done as
 * one thing must come from one read: anything may change between two reads.
 */
void store_mailbox_read_begin(const struct store_mailbox *mailbox);
void store_mailbox_read_end(const struct store_mailbox *mailbox);
const roaring_bitmap_t *store_mailbox_uids(const struct store_mailbox *mailbox);
/* Returns NULL if no message has it. */
const roaring_bitmap_t *store_mailbox_flagged(const struct store_mailbox *mailbox, unsigned flag);
/* Returns the keywords with a reference; the table stays as it is when the mailbox changes. */
struct store_keywords *store_mailbox_keywords(const struct store_mailbox *mailbox);
/* Returns whether there is room for a new keyword. */
bool store_mailbox_keyword_room(const struct store_mailbox *mailbox);
/* Returns -1 if there is none.  The number is valid only until this read ends, since others may
 * change the mailbox after it. */
int store_mailbox_keyword_find(const struct store_mailbox *mailbox, struct str name);
bool store_mailbox_message(
    const struct store_mailbox *mailbox, uint32_t uid, struct store_message *message_r);
/* Copies up to max messages of `set` (NULL: all) with uid >= from, in order.  Returns how many. */
size_t store_mailbox_window(const struct store_mailbox *mailbox, const roaring_bitmap_t *set,
    uint32_t from, struct store_message *out, size_t max);
/* Adds to set_r the UIDs of all messages whose MODSEQ is above `since`. */
void store_mailbox_changed_since(
    const struct store_mailbox *mailbox, uint64_t since, roaring_bitmap_t *set_r);
/* Adds to set_r the UIDs expunged after `since`, as far back as the log reaches.  Returns the
 * MODSEQ from which the log is complete (RFC 7162 section 3.2.5.2). */
uint64_t store_mailbox_expunged_since(
    const struct store_mailbox *mailbox, uint64_t since, roaring_bitmap_t *set_r);
uint64_t store_mailbox_modseq(const struct store_mailbox *mailbox);
/* Returns the highest MODSEQ of these UIDs; 0: none of them exists. */
uint64_t store_mailbox_highest(const struct store_mailbox *mailbox, const roaring_bitmap_t *uids);
void store_mailbox_read_counters(
    const struct store_mailbox *mailbox, struct store_counters *counters_r);
/* For rev1's \Recent (RFC 3501 section 2.3.2): messages above this UID are not yet recent for
 * anybody. */
uint32_t store_mailbox_recent_mark(const struct store_mailbox *mailbox);

/* Begin and end a read that claims \Recent: messages above the UID returned are recent for the
 * caller, and for nobody afterwards.  No other read runs at the same time. */
uint32_t store_mailbox_claim_begin(struct store_mailbox *mailbox);
void store_mailbox_claim_end(struct store_mailbox *mailbox);

/* ---- reading from disk: BLOCKING, on a worker ---- */

/* Reads the summaries (mail/summary.h) of the given UIDs, which must ascend.  fn gets STR_NONE and
 * an error for a missing or damaged one.  Stops when fn returns false. */
void store_read_summaries(struct store_mailbox *mailbox, const uint32_t *uids, size_t n,
    bool (*fn)(uint32_t uid, enum ts_err err, struct str summary, void *arg), void *arg);
/* Appends bytes [off, off+len) of a message, or fewer if it ends earlier. */
enum ts_err store_read_blob(
    struct store *store, uint64_t blob, uint64_t off, uint64_t len, struct buf *out);

/*
 * A hold lets a command go on reading messages that others expunge meanwhile.  Until it ends,
 * store_hold_window() finds each of its messages, with the flags it had last, and its bytes and
 * summary can be read.  A hold keeps nothing else; while nothing is expunged it costs one set.
 * Above opt.held_bytes nothing more is kept: such a message is gone for the hold as well.
 */
struct store_hold;
/* Holds those of uids that exist.  Call between store_mailbox_read_begin and _end. */
struct store_hold *store_hold_begin(struct store_mailbox *mailbox, const roaring_bitmap_t *uids);
const roaring_bitmap_t *store_hold_uids(const struct store_hold *hold);
/* Like store_mailbox_window(), for held messages: those of set, or all if set is NULL. max is at
 * most 256.  Call between store_mailbox_read_begin and _end. */
size_t store_hold_window(struct store_hold *hold, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max);
/* Returns whether the message can still be read: it is there, or was kept. */
bool store_hold_has(struct store_hold *hold, uint32_t uid);
/* Returns whether any of its messages was expunged meanwhile. */
bool store_hold_touched(struct store_hold *hold);
/* Any thread, once nobody uses the hold. */
void store_hold_end(struct store_hold **hold);

/*
 * While a pin exists no blob is freed: every message in a mailbox's state after
 * store_pin_new() can be read, even if it is expunged meanwhile.  A pin delays
 * the freeing of space, so it expires after the given number of seconds.
 * store_pin_renew() returns false if it has expired; messages may be gone then.
 */
struct store_pin;
struct store_pin *store_pin_new(struct store *store, unsigned seconds);
bool store_pin_renew(struct store_pin *pin, unsigned seconds);
/* Call before the store is closed. */
void store_pin_free(struct store_pin **pin);

/* ---- uploads: message bytes on their way in ---- */

/*
 * A message being received.  Small ones stay in memory; above the threshold the
 * bytes go into a blob file through the worker pool.  Belongs to one loop.
 */
struct store_upload;
/* who: the owner of the work of writing. */
struct store_upload *store_upload_new(
    struct store *store, struct work_pool *pool, struct loop *loop, struct work_who who);
/* Call before the first bytes: the message is brought back with the ids it had. */
void store_upload_restored(struct store_upload *upload, const struct store_message_ids *ids);
/* Appends a copy.  Returns false for backpressure: stop reading from the peer until ready(arg) is
 * called. */
bool store_upload_write(
    struct store_upload *upload, struct str bytes, void (*ready)(void *arg), void *arg);
/* Call when all bytes are there.  Makes the summary (here for small messages, on a worker for large
 * ones) and flushes the file. done(arg, err) is called on the loop, never from inside, unless the
 * upload is freed first. */
void store_upload_finish(
    struct store_upload *upload, void (*done)(void *arg, enum ts_err err), void *arg);
/* Returns the summary of the message, once the upload is finished without an error; valid as long
 * as the handle. */
struct str store_upload_summary(const struct store_upload *upload);
/* Returns about how many bytes it holds in memory; at most STORE_UPLOAD_MEMORY while data
 * arrives. */
#define STORE_UPLOAD_MEMORY ((size_t)1 << 20)
size_t store_upload_memory(const struct store_upload *upload);
/*
 * Returns another handle on the same bytes, for a further APPEND to any account.  The upload must
 * be finished without an error and not yet be in a change (else TS_INVALID: a bug of ours, which
 * aborts).  All handles are equal: each goes to a change or is freed, in any order, even when
 * others are durable already.  The store keeps one blob, and does not free it while a handle lives,
 * even if every message that refers to it is expunged meanwhile.  A change submitted after another
 * with the same bytes is durable does not write them again.
 */
struct store_upload *store_upload_share(struct store_upload *upload);
/* Frees the handle and what no change has taken.  The background waits for work still running. */
void store_upload_free(struct store_upload **upload);

/* ---- changes ---- */

enum store_change_kind { /* the store's own kinds follow the last one */
	STORE_CHANGE_APPEND,
	STORE_CHANGE_FLAGS,
	STORE_CHANGE_EXPUNGE,
	STORE_CHANGE_COPY,
	STORE_CHANGE_MOVE,
	STORE_CHANGE_CREATE,
	STORE_CHANGE_DELETE,
	STORE_CHANGE_RENAME,
	STORE_CHANGE_SUBSCRIBE,
	STORE_CHANGE_UNSUBSCRIBE,
	STORE_CHANGE_RAISE,      /* raises UIDNEXT and MODSEQ of a mailbox */
	STORE_CHANGE_RECORDS,    /* server-wide records */
	STORE_CHANGE_PROPERTIES, /* of an account or a mailbox */
	STORE_CHANGE_OWN,        /* own.h: what a user has read in a mailbox of another account */
	STORE_CHANGE_NOTICE      /* an APPEND that needs no room, and PROPERTIES of the account */
};

/* Higher requests would leave too few numbers.  A UIDVALIDITY above the limit is ignored; a MODSEQ
 * or UIDNEXT gets TS_INVALID. */
#define STORE_UIDVALIDITY_WISH_MAX (UINT32_MAX - (1u << 20))
#define STORE_MODSEQ_WISH_MAX ((uint64_t)1 << 62)

enum store_limit {                 /* the limit that was reached */
	STORE_LIMIT_OTHER,         /* mailboxes, subscriptions */
	STORE_LIMIT_KEYWORDS,      /* messages have opt.max_keywords different ones */
	STORE_LIMIT_KEYWORD_BYTES, /* a new one is longer than opt.keyword_bytes */
	STORE_LIMIT_MEMORY,        /* opt.copy_memory */
	STORE_LIMIT_UIDS,
	STORE_LIMIT_PROPERTIES,     /* opt.max_properties */
	STORE_LIMIT_PROPERTY_BYTES, /* opt.property_bytes */
	STORE_LIMIT_PROPERTY_TOTAL, /* opt.property_total */
	STORE_LIMIT_QUOTA_STORAGE,  /* quota.h; in the order of enum store_quota_resource */
	STORE_LIMIT_QUOTA_MESSAGE,
	STORE_LIMIT_QUOTA_MAILBOX
};

enum store_flag_mode { STORE_FLAGS_ADD, STORE_FLAGS_REMOVE, STORE_FLAGS_REPLACE };

struct store_append_item {
	struct store_upload *upload; /* finished; owned by the change */
	int64_t internaldate;        /* 0: now, unless dated */
	bool dated;
	int16_t zone;
	uint32_t uid;             /* 0: the next one; else at least UIDNEXT, or TS_INVALID */
	int64_t savedate;         /* 0: now */
	struct store_flags flags; /* system flags only */
	const struct str *keywords;
	size_t keyword_count;
};

/*
 * The flags that a change may set or alter (RFC 4314 section 4: `s`, `t`, `w`).  New messages do
 * not get the others, existing messages keep what they have; nothing is refused because of them.
 */
struct store_flag_bounds {
	bool bounded;    /* else all flags are allowed */
	bool keywords;   /* keywords are allowed */
	uint64_t system; /* system flags allowed: bits by enum store_flag */
};

struct store_uid_pair {
	uint32_t source, target;
};

/*
 * A change.  Make it with store_change_new(), fill in the fields of its kind with memory from
 * change->arena only, since a change under way may outlive its caller (debug builds check this,
 * unless the caller waits for the end), submit it, and get it back in done().  The results are in
 * the same struct.  Call store_change_free() at any time: a change under way continues, done() is
 * not called, and the store frees it.  From submit to free the change holds its own references on
 * the mailboxes it names; callers keep and release theirs.
 *
 * Errors: TS_NOT_FOUND (mailbox gone), TS_EXISTS, TS_INVALID (a bad name, INBOX deleted), TS_LIMIT
 * (see `limit`), TS_FULL, TS_UNKNOWN, TS_UNAVAILABLE, TS_DAMAGED.
 *
 * COPY and MOVE may cross accounts of the store: `account` is then the target's.  RENAME takes the
 * children along.  RENAME of INBOX (RFC 3501 section 6.3.5: its messages are moved, INBOX stays)
 * needs `source`, the loaded INBOX.  Both run in batches of some hundred messages, and so does
 * EXPUNGE of very many: a change that fails after its first batch has done a part, each message
 * whole.  `pairs` and `affected` tell which, and RENAME's mailbox_id tells whether the new mailbox
 * exists; after TS_UNKNOWN more may be done than these say.  An INBOX that fits into one batch is
 * renamed whole or not at all.  COPY is never seen in part.  A MOVE between accounts that cannot be
 * finished now, but will be later, is TS_UNKNOWN.  RENAME onto a name that was used before gives
 * the mailbox a new UIDVALIDITY.
 *
 * Mail imported from elsewhere keeps its identity: CREATE takes a requested UIDVALIDITY, APPEND
 * requested UIDs, and RAISE moves UIDNEXT and MODSEQ up.  A name never gets the same UIDVALIDITY
 * twice: a requested value must be above all values under which the name has had messages, else it
 * is ignored, and uidvalidity says which one was given instead.  CREATE replaces an INBOX, or
 * another mailbox that has never had a message, by a new one (with another id, in one step) if
 * `mailbox` names it; TS_EXISTS if it has had one.
 */
struct store_change {
	struct arena *arena;
	enum store_change_kind kind;
	struct loop *loop;
	void (*done)(struct store_change *change);
	void *arg;
	struct store_account *account; /* referenced while the change lives */
	/* APPEND FLAGS EXPUNGE RAISE: the mailbox.  COPY MOVE: the target.  CREATE: the one to
	 * replace, or NULL.  PROPERTIES: their mailbox. */
	struct store_mailbox *mailbox;
	struct store_mailbox *source; /* COPY MOVE OWN; RENAME of INBOX */

	/* APPEND: all or none (RFC 3502) */
	struct store_append_item *items;
	size_t item_count;

	/* FLAGS EXPUNGE COPY MOVE: the messages; UIDs that do not exist are ignored.  EXPUNGE: only
	 * those that are \Deleted.  NULL: all.  Owned by the change (freed with it). */
	roaring_bitmap_t *uids;
	bool all_or_none; /* COPY MOVE: TS_CONDITION if any of uids does not exist */
	enum store_flag_mode mode;
	struct store_flags flags; /* system flags */
	const struct str *keywords;
	size_t keyword_count;
	struct store_flag_bounds bounds; /* APPEND FLAGS COPY MOVE */
	/* FLAGS: the caller marks \Seen by OWN if the mailbox is so.  Else a change that might
	 * touch \Seen of such a mailbox is TS_CONDITION: it became so meanwhile. */
	bool own_split;
	/* COPY MOVE, from a mailbox where \Seen is each user's own: the messages that the caller
	 * has read.  NULL: as in the mailbox.  Owned by the change. */
	roaring_bitmap_t *seen;
	/* APPEND FLAGS MOVE from a backup: takes names of any length, and leaves out what finds no
	 * room; see `lost`. */
	bool restoring;
	bool check_unchanged; /* RFC 7162 UNCHANGEDSINCE */
	uint64_t unchanged_since;

	/* CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE, on `account`; PROPERTIES: see below */
	struct str name, new_name;
	unsigned use;

	/* CREATE: for the new mailbox; 0: chosen as usual.  RAISE: the least values (uidnext,
	 * modseq). */
	uint32_t wish_uidvalidity, wish_uidnext;
	uint64_t wish_modseq; /* at most STORE_MODSEQ_WISH_MAX */
	/* CREATE: the new mailbox gets the rights of others (shares.h) that the nearest mailbox
	 * above it has. */
	bool inherits;
	/* CREATE: the object id that the mailbox had where it comes from; empty: none.  It is kept
	 * if the wished UIDVALIDITY is, and no other mailbox of the account has that id. */
	struct str wish_object_id;

	/* RECORDS: server-wide records (users, grants, …): put or delete, all or none */
	struct store_record_op {
		struct str key, value;
		bool remove;
		bool must_be_new, must_exist; /* else TS_EXISTS, TS_NOT_FOUND */
		/* If not empty: the current value must equal this, else TS_CONDITION, also while
		 * another change of it is under way. */
		struct str must_be;
	} * records;
	size_t record_count;

	/*
	 * PROPERTIES: puts or removes, all or none.  With `mailbox`: its properties; raises its
	 * MODSEQ unless the change is quiet, in which case clients do not learn of it that way and
	 * `name` may name the mailbox instead, loaded or not.  With neither: those of `account`
	 * itself.  A limit (`limit`) refuses only changes that add to them.
	 * NOTICE: always those of the account; if one does not have the expected value, there is no
	 * message either.
	 */
	struct store_property_op {
		struct str name, value;
		bool remove;
		bool must_be_new;   /* else TS_EXISTS */
		struct str must_be; /* not NULL: the current value, else TS_CONDITION */
	} * properties;
	size_t property_count;
	bool quiet;

	/* OWN (own.h), on the user's account: marks `uids` read or unread by `mode`, in the mailbox
	 * `source`.  Results are modseq, as shown to the user, and affected. */
	struct store_own *own;
	int own_kind;   /* enum store_own_kind */
	uint64_t own_s; /* without `source`: the mailbox's own MODSEQ */

	/* results */
	enum ts_err err;
	enum store_limit limit; /* which one, for TS_LIMIT */
	struct buf lost;        /* restoring: names of keywords left out, each once as a vstr */
	uint64_t modseq;        /* of this change; the old one if nothing changed */
	uint32_t uidvalidity;   /* APPEND COPY MOVE: of the target; CREATE: of the new mailbox */
	uint32_t first_uid; /* APPEND: the first; the others follow consecutively unless UIDs were
	                       requested */
	uint64_t prior_modseq; /* FLAGS OWN: the highest earlier MODSEQ of the affected messages */
	roaring_bitmap_t *affected;   /* FLAGS: those really changed.  EXPUNGE MOVE: those gone */
	roaring_bitmap_t *failed;     /* FLAGS: refused by UNCHANGEDSINCE */
	struct store_uid_pair *pairs; /* COPY MOVE, RENAME of INBOX: in ascending order of source */
	size_t pair_count;
	uint32_t mailbox_id; /* CREATE RENAME; 0 after RENAME of INBOX: it does not exist */

	struct store_change_priv *priv;
};

struct store_change *store_change_new(struct store_account *account, enum store_change_kind kind,
    struct loop *loop, void (*done)(struct store_change *change), void *arg);
/* RECORDS changes have no account: make them with this. */
struct store_change *store_change_new_records(
    struct store *store, struct loop *loop, void (*done)(struct store_change *change), void *arg);
/* Copies names into the change, for its keywords.  Returns NULL for none. */
const struct str *store_change_names(
    struct store_change *change, const struct str *names, size_t n);
void store_submit(struct store_change *change);
void store_change_free(struct store_change **change);
/* Makes a new account with its INBOX and the default mailboxes.  TS_EXISTS: it exists. */
struct store_change *store_change_new_account(struct store *store, struct str name,
    struct loop *loop, void (*done)(struct store_change *change), void *arg);
/* Submits without waiting; the change is freed when it ends.  Before that ended() (may be NULL) is
 * called on the lane's thread, where it must not block.  done must be NULL. */
void store_submit_alone(
    struct store_change *change, void (*ended)(const struct store_change *change));
/* Submits and waits, for commands with a thread of their own (tools, tests): it may be stuck as
 * long as a flush is.  Call neither on a loop nor on a worker.  done must be NULL. */
enum ts_err store_submit_wait(struct store_change *change);

/* ---- server-wide records ---- */

/* BLOCKING.  TS_NOT_FOUND if there is none. */
enum ts_err store_record_get(struct store *store, struct str key, struct buf *value);
/* BLOCKING.  Calls fn for all records whose keys begin with prefix, until it returns false. */
enum ts_err store_record_list(struct store *store, struct str prefix,
    bool (*fn)(struct str key, struct str value, void *arg), void *arg);

/* ---- watches ---- */

/*
 * Tells when something changed in an account, and in which mailboxes.  fn runs on the loop, some
 * time after the change is durable and visible; one call may cover several changes.  To learn what
 * changed in a mailbox, read it (counters, changed_since); for the list, compare list_version.
 *
 * One watch serves any number of mailboxes of the account: it costs a change one look-up, and the
 * watcher hears only of those that changed.
 */
struct store_watch;
#define STORE_WATCH_LIST 0u        /* as a mailbox id: the list itself */
#define STORE_WATCH_OWN UINT32_MAX /* the account's own \Seen in mailboxes of others */

/* Watches nothing yet. */
struct store_watch *store_watch_new(
    struct store_account *account, struct loop *loop, void (*fn)(void *arg), void *arg);
/* Add and remove a mailbox. */
void store_watch_add(struct store_watch *watch, uint32_t mailbox_id);
void store_watch_remove(struct store_watch *watch, uint32_t mailbox_id);
/* Watches everything in the account, also what is added later. */
void store_watch_add_all(struct store_watch *watch);
/* Adds to changed the ids that changed since the last call and are still watched. */
void store_watch_take(struct store_watch *watch, roaring_bitmap_t *changed);
/* Call on the watch's loop.  fn is not called again. */
void store_watch_free(struct store_watch **watch);

/* ---- statistics ---- */

/* A histogram: how many values fell into each class; one more class is open-ended. */
#define STORE_CLASSES 12
struct store_classes {
	uint64_t n[STORE_CLASSES + 1], sum;
};
extern const uint32_t store_batch_sizes[STORE_CLASSES]; /* upper bounds, in changes */
extern const uint32_t store_flush_us[STORE_CLASSES];    /* upper bounds, in microseconds */
/* Returns the class of a value; STORE_CLASSES is the open one. */
size_t store_class_of(const uint32_t ends[STORE_CLASSES], uint64_t value);

struct store_stats {
	unsigned lanes;
	struct store_classes batch_sizes, flush_ns; /* per batch; sums in changes and nanoseconds */
	uint64_t accounts_loaded, mailboxes_loaded, state_bytes, watches, changes_pending;
	uint64_t changes, batches, batch_max;
	/* Holds, the expunged messages kept for them, and those refused so far. */
	uint64_t holds, held_messages, held_bytes, held_refused;
	struct engine_stats engine;
};
void store_stats(struct store *store, struct store_stats *stats_r);
/* Returns the figures of the last TS_FULL.  Does not block. */
void store_refused_space(const struct store *store, struct engine_space *space_r);
/* Returns only the state_bytes of the stats; costs nothing. */
uint64_t store_state_bytes(const struct store *store);
/* Counts batches, changes in them and the time of their flushes.  Does not look at the disk. */
void store_pace(
    const struct store *store, uint64_t *batches_r, uint64_t *changes_r, uint64_t *ns_r);
#endif
