/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_STORE_H
#define STORE_STORE_H
/*
 * Store: accounts, mailboxes, messages, flags, MODSEQs, watches; over an engine.
 *
 * How a STORE command travels: on its loop the session fills a change (which
 * mailbox, which UIDs, which flags) and submits it.  The lane of the account
 * (a thread) checks its conditions, gives it a MODSEQ, adds its records to the
 * batch that is being prepared, and commits everything that waits as one
 * durable batch.  After the flush the mailbox's state in memory is changed,
 * watches are told, and the change's done() is posted to the session's loop.
 * So an OK always means: it is on disk.
 *
 * How a FETCH travels: flags, dates, sizes come from the mailbox's state in
 * memory, copied out a window at a time under a short lock (any thread).
 * Summaries and bodies are read with the blocking calls (marked BLOCKING),
 * which belong on a worker thread, never on a loop.
 *
 * Names are UTF-8, '/' separates levels, INBOX in capitals at the first level
 * is the one inbox.  Times are seconds since 1970 UTC.
 *
 * Invariants
 *  1. UIDs and MODSEQs of a mailbox never go back, over crashes too.
 *  2. What has not been flushed is never shown to anybody.
 *  3. A change is seen whole or not at all.
 *  4. done() runs in the order in which the batches went into the log, on the
 *     change's loop, never inside store_submit().
 *  5. A failed flush is never tried again: TS_UNKNOWN for all in its batch and
 *     behind it; the engine is reopened and states are read anew.
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

/* A mailbox that a new account gets beside its INBOX, subscribed. */
struct store_default {
	struct str name; /* one that CREATE takes */
	unsigned use;    /* mask of store_use */
};

struct store_options {
	const struct engine_class *engine;
	struct engine_options engine_options;
	unsigned lanes;          /* writer threads; 0: changes run as posted tasks (tests) */
	uint64_t state_budget;   /* bytes of mailbox states kept in memory beyond those in use */
	uint64_t blob_threshold; /* messages larger than this go into files of their own */
	uint64_t copy_memory;    /* bytes that one COPY or MOVE may take; beyond it is TS_LIMIT */
	uint64_t held_bytes;     /* of expunged messages that are kept for holds */
	struct mail_limits mail; /* what summaries of messages take in */
	uint32_t max_keywords;   /* per mailbox, at most STORE_KEYWORDS_MAX */
	uint32_t keyword_bytes;  /* of the name of a new keyword */
	uint32_t max_mailboxes;  /* per account */
	uint32_t max_properties; /* of a mailbox, and of an account itself */
	uint64_t property_bytes; /* of a property's value */
	uint64_t property_total; /* of names and values, of an account with all its mailboxes */
	uint32_t fold_after;     /* change records after which a mailbox's index is rewritten */
	uint32_t expunge_keep;   /* expunges whose UIDs are remembered per mailbox */
	const struct store_default *defaults; /* copied; differ in name, and none is INBOX */
	size_t default_count;                 /* less than max_mailboxes */
	uint32_t migrate_rows; /* of a batch of a migration; 0: some thousand (tests) */
	const char *own_id;    /* of a new store, STORE_OWN_ID_BYTES; NULL: random (tests) */
	bool salvage;          /* open although the store's own records are damaged */
	int64_t (*wall)(void); /* NULL: the real clock */
	/* NULL, or called whenever a reading of a mailbox, or of a list of them, has ended, on the
	 * reader's thread without a lock: tests change something between two readings. */
	void (*looked)(void *arg);
	void *looked_arg;
};

/* Fills in the defaults. */
void store_options_default(struct store_options *opt);
/* BLOCKING.  On failure *text_r (malloc'ed) says which file is at fault and what to do; on success
 * what had to be done to the files, if anything. */
enum ts_err store_open(const struct store_options *opt, struct store **store_r, char **text_r);
/* BLOCKING.  Commits what waits, ends the lanes.  No changes may be submitted meanwhile, all
 * references to accounts and mailboxes, watches and uploads must be gone. */
void store_close(struct store **store);

/* What it was opened with, limits that a store has of its own put in. */
const struct store_options *store_options_of(const struct store *store);

/*
 * Work in the background: rewriting indexes, removing the contents of deleted
 * mailboxes, freeing blobs, finishing moves between accounts after a crash,
 * dropping states above the budget.  A thread does it; with lanes 0 nobody but
 * store_background_step(), BLOCKING, which does one piece (false: nothing to do).
 */
bool store_background_step(struct store *store);
/* BLOCKING.  Returns when the background has nothing more to do. */
void store_background_wait(struct store *store);

/* Longest name of an account, mailbox or property, key of a record, in bytes. */
#define STORE_NAME_MAX 1000

/* The store's own id: 128 random bits, made with the store.  A store that is restored from a backup
 * is another one.  Valid while the store is open. */
#define STORE_OWN_ID_BYTES 16
struct str store_own_id(const struct store *store);

/* ---- accounts ---- */

/* The account if it is in memory, with a reference; NULL otherwise.  Any thread, does not block. */
struct store_account *store_account_find(struct store *store, struct str name);
/* BLOCKING.  Loads it.  create: makes the account when there is none, which waits for a flush as
 * store_submit_wait() does; a worker asks for store_change_new_account() instead.  It has an INBOX
 * and the default mailboxes, made all at once: what a user deletes of them does not come again. */
enum ts_err store_account_load(
    struct store *store, struct str name, bool create, struct store_account **account_r);
/* The same for who brings an account back as it was: a new one has its INBOX only. */
enum ts_err store_account_load_bare(
    struct store *store, struct str name, struct store_account **account_r);
struct store_account *store_account_ref(struct store_account *account);
void store_account_unref(struct store_account **account);
uint64_t store_account_id(const struct store_account *account);
struct str store_account_name(const struct store_account *account);
struct store *store_account_store(const struct store_account *account);
/* BLOCKING.  Removes the account with all its mail (durable when it returns). */
enum ts_err store_account_delete(struct store *store, struct str name);

/* BLOCKING.  The names of all accounts, in order, until fn returns false.  fn must not call into
 * the store. */
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

struct store_mailbox_info {
	uint32_t id; /* unique in the account, never given again; 0 in a subscription only */
	struct str name;
	unsigned use; /* mask of store_use */
	bool subscribed;
	struct store_counters counters;
	/* Without a reference: valid where name is.  NULL: none. */
	const struct store_properties *properties;
};

/*
 * Calls fn for each mailbox, and each subscribed name without a mailbox
 * (id 0), in order of names, until fn returns false.  Under the account's
 * lock: fn must not call into the store.  The info is valid inside fn only.
 * Parents that have no mailbox of their own are not listed.
 */
void store_account_list(const struct store_account *account,
    bool (*fn)(const struct store_mailbox_info *info, void *arg), void *arg);
/* The same from a name on, this one included, there or not.  Returns the list's version as it was
 * meanwhile: whoever asks again to go on learns from it whether both belong together. */
uint64_t store_account_list_from(const struct store_account *account, struct str from,
    bool (*fn)(const struct store_mailbox_info *info, void *arg), void *arg);
/* False when there is no such mailbox.  info_r's name and properties are left empty.  Names are
 * compared byte by byte: whoever takes one from outside brings it into normal form first
 * (base/normal.h).  Those of a store get that form when an account is loaded; but of two that
 * differ in the spelling only one keeps another. */
bool store_account_lookup(
    const struct store_account *account, struct str name, struct store_mailbox_info *info_r);
/* Is there a mailbox below name ("name/...")? */
bool store_account_has_children(const struct store_account *account, struct str name);
/* Grows with each change of the list (create, delete, rename, subscribe, use) and of properties. */
uint64_t store_account_list_version(const struct store_account *account);

/*
 * The mark of an account: its mailboxes' names, uses, UIDVALIDITY, UIDNEXT,
 * MODSEQ and properties, its own properties and its subscriptions, in 16 bytes.  As long as it is
 * the same, nothing happened that changes a mailbox or the list.  All zeros: there is none.
 */
struct store_mark {
	uint64_t low, high;
};
/* Adds one of the list; a mark begins with zeros. */
void store_mark_add(struct store_mark *mark, const struct store_mailbox_info *info);
/* Adds those of the account itself. */
void store_mark_add_properties(struct store_mark *mark, const struct store_properties *properties);
/* BLOCKING.  At most max accounts from that name on, in order of names, with their marks as of the
 * disk: no account is loaded.  None for one that is damaged.  Until fn returns false. */
enum ts_err store_account_marks(struct store *store, struct str from, size_t max,
    bool (*fn)(struct str name, const struct store_mark *mark, void *arg), void *arg);

/*
 * What an account holds, or a part of it.  Of one in memory it costs nothing, and is what is
 * published: it changes in the moment in which the mailbox does.
 */
struct store_usage {
	uint64_t mailboxes, messages, bytes;
	uint64_t deleted, deleted_bytes; /* of these, those that are \Deleted */
};
void store_account_usage(const struct store_account *account, struct store_usage *usage_r);
/* BLOCKING.  The same as of the disk: the account is not loaded. */
TS_CHECKED enum ts_err store_usage_read(
    struct store *store, struct str name, struct store_usage *usage_r);

struct store_totals {
	uint64_t accounts, mailboxes, messages, bytes;
};
/*
 * BLOCKING.  Counts what all accounts hold, as of the disk: no account is loaded.  go_on() is asked
 * before each account; when it says false *whole_r is false, too, and the totals are of the
 * accounts until there.
 */
TS_CHECKED enum ts_err store_totals(struct store *store, bool (*go_on)(void *arg), void *arg,
    struct store_totals *totals_r, bool *whole_r);

/* ---- properties ---- */

/*
 * Properties of an account, or of a mailbox: names and values, bytes to the store (rights,
 * annotations, limits).  A mailbox keeps them when it is renamed and loses them when it is deleted.
 * A table never changes; any thread may read it; NULL is one without any.  What changes them is
 * STORE_CHANGE_PROPERTIES.
 */
void store_properties_unref(struct store_properties **properties);
/* Can a property have that name? */
bool store_property_name_ok(struct str name);
/* Any thread, also inside store_account_list().  NULL stays NULL. */
struct store_properties *store_properties_ref(const struct store_properties *properties);
size_t store_properties_count(const struct store_properties *properties);
/* The i-th in the order of names, from 0 on. */
void store_properties_at(
    const struct store_properties *properties, size_t i, struct str *name_r, struct str *value_r);
/* The first whose name is not below this one: of a prefix, those that begin with it follow. */
size_t store_properties_from(const struct store_properties *properties, struct str name);
/* STR_NONE (p NULL): there is none.  An empty value has a p. */
struct str store_properties_get(const struct store_properties *properties, struct str name);
/* With a reference, or NULL.  Does not block; the mailbox need not be loaded. */
struct store_properties *store_account_properties(const struct store_account *account);
struct store_properties *store_mailbox_properties(const struct store_mailbox *mailbox);

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

/* The first flag that is set, of those from `from` on; STORE_FLAGS_MAX: none is. */
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

/* for (unsigned f = first; f < STORE_FLAGS_MAX; f++), of the flags that are set. */
#define STORE_EACH_FLAG(f, flags, first)                                                           \
	for (unsigned f = store_flags_next((flags), (first)); f < STORE_FLAGS_MAX;                 \
	     f = store_flags_next((flags), f + 1))

/*
 * Names of keywords by their numbers (STORE_FIRST_KEYWORD and above) at one
 * moment.  A keyword that no message has any more is forgotten when a new one
 * needs its place, and then its number names another one.  So the flags of a
 * message mean something with the table that was taken in the same look, and
 * with no other.  A table never changes; any thread may read it.
 */
struct store_keywords;
void store_keywords_unref(struct store_keywords **keywords);
/* Of one mailbox: another table has another one, and none has 0. */
uint64_t store_keywords_id(const struct store_keywords *keywords);
/* All numbers are below. */
unsigned store_keywords_end(const struct store_keywords *keywords);
/* As first given; STR_NONE: no keyword has that number. */
struct str store_keywords_name(const struct store_keywords *keywords, unsigned flag);
/* -1: there is none.  Names are compared without case (RFC 9051 section 2.3.2). */
int store_keywords_find(const struct store_keywords *keywords, struct str name);
/* Flags of one table in the numbers of another one, without the keywords that it has not.  Both are
 * of one mailbox. */
struct store_flags store_keywords_translate(const struct store_flags *flags,
    const struct store_keywords *from, const struct store_keywords *to);

struct store_message {
	uint32_t uid, size;
	uint64_t modseq, blob;
	int64_t internaldate;
	int64_t savedate;
	int16_t zone; /* minutes east of UTC in which the INTERNALDATE was given */
	struct store_flags flags;
};

/* The mailbox by name if its state is in memory, with a reference; *err_r is TS_NOT_FOUND when
 * there is no such mailbox, TS_UNAVAILABLE when it must be loaded first.  Does not block. */
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
 * Object ids (RFC 8474): a letter and 32 hexadecimal digits, any thread.  That of a mailbox is its
 * own for all its life, whatever its name; that of a blob is had by all copies of a message, with a
 * letter for what it is the id of.  No other object of this store or another one has it, ever.
 */
#define STORE_OBJECT_ID 33u
struct str store_mailbox_object_id(
    const struct store_account *account, uint32_t mailbox_id, char id[STORE_OBJECT_ID]);
struct str store_blob_object_id(
    const struct store *store, char letter, uint64_t blob, char id[STORE_OBJECT_ID]);
/* Of what a text stands for, the same in every store: its hash. */
struct str store_text_object_id(char letter, struct str text, char id[STORE_OBJECT_ID]);
/* The way back from a blob's.  False: it is no such id of this store. */
bool store_object_id_blob(const struct store *store, char letter, struct str id, uint64_t *blob_r);

/* A consistent copy of the counters, under the lock; what else is to agree with them is read with
 * store_mailbox_read_counters(). */
void store_mailbox_counters(const struct store_mailbox *mailbox, struct store_counters *counters_r);
/* Deleted, or its account was: every later change answers TS_NOT_FOUND. */
bool store_mailbox_gone(const struct store_mailbox *mailbox);

/*
 * Direct reading: between begin and end the state does not change.  Keep it
 * short (microseconds to a few milliseconds), call nothing of the store but
 * what is listed here, take one lock at a time.  What is told or done as one
 * thing comes from one reading: between two of them anything may have changed.
 */
void store_mailbox_read_begin(const struct store_mailbox *mailbox);
void store_mailbox_read_end(const struct store_mailbox *mailbox);
const roaring_bitmap_t *store_mailbox_uids(const struct store_mailbox *mailbox);
/* NULL when no message has it. */
const roaring_bitmap_t *store_mailbox_flagged(const struct store_mailbox *mailbox, unsigned flag);
/* The keywords, with a reference; it stays as it is when the mailbox goes on. */
struct store_keywords *store_mailbox_keywords(const struct store_mailbox *mailbox);
/* Can a keyword be made that is not there yet? */
bool store_mailbox_keyword_room(const struct store_mailbox *mailbox);
/* -1: there is none of that name.  The number holds as long as nobody else may change the mailbox:
 * up to the end of this look. */
int store_mailbox_keyword_find(const struct store_mailbox *mailbox, struct str name);
bool store_mailbox_message(
    const struct store_mailbox *mailbox, uint32_t uid, struct store_message *message_r);
/* Up to max messages of `set` (NULL: all) with uid >= from, in order. */
size_t store_mailbox_window(const struct store_mailbox *mailbox, const roaring_bitmap_t *set,
    uint32_t from, struct store_message *out, size_t max);
/* Adds to set_r the UIDs of all messages whose MODSEQ is above `since`. */
void store_mailbox_changed_since(
    const struct store_mailbox *mailbox, uint64_t since, roaring_bitmap_t *set_r);
/* Adds to set_r the UIDs expunged after `since`, as far as the log reaches; returns the MODSEQ
 * from which on the log is complete (RFC 7162 3.2.5.2). */
uint64_t store_mailbox_expunged_since(
    const struct store_mailbox *mailbox, uint64_t since, roaring_bitmap_t *set_r);
uint64_t store_mailbox_modseq(const struct store_mailbox *mailbox);
void store_mailbox_read_counters(
    const struct store_mailbox *mailbox, struct store_counters *counters_r);
/* rev1 \Recent (RFC 3501 2.3.2): messages with a UID above are recent for nobody yet. */
uint32_t store_mailbox_recent_mark(const struct store_mailbox *mailbox);

/* Begin and end of a reading that claims \Recent: messages with a UID above the mark that is
 * returned are recent for the caller, and for nobody after it.  Nobody else reads meanwhile. */
uint32_t store_mailbox_claim_begin(struct store_mailbox *mailbox);
void store_mailbox_claim_end(struct store_mailbox *mailbox);

/* ---- reading from disk: BLOCKING, on a worker ---- */

/* Summaries (mail/summary.h) of the given UIDs, ascending; fn gets STR_NONE and an error for one
 * that is missing or damaged.  Stops when fn returns false. */
void store_read_summaries(struct store_mailbox *mailbox, const uint32_t *uids, size_t n,
    bool (*fn)(uint32_t uid, enum ts_err err, struct str summary, void *arg), void *arg);
/* Appends bytes [off, off+len) of a message, fewer at its end. */
enum ts_err store_read_blob(
    struct store *store, uint64_t blob, uint64_t off, uint64_t len, struct buf *out);

/*
 * A hold: a command goes on reading messages that others expunge meanwhile.  Until it ends, each
 * message that it has can be found by store_hold_window(), with the flags that it had at last, and
 * its bytes and its summary can be read.  It holds nothing else, and as long as nothing is expunged
 * it costs a set.  Beyond opt.held_bytes nothing more is kept: such a message is gone for the hold,
 * too.
 */
struct store_hold;
/* Holds those of uids that are there.  Between store_mailbox_read_begin and _end. */
struct store_hold *store_hold_begin(struct store_mailbox *mailbox, const roaring_bitmap_t *uids);
const roaring_bitmap_t *store_hold_uids(const struct store_hold *hold);
/* As store_mailbox_window(), of those that are held; set NULL: all of them, else a part of them;
 * max is 256 at the most.  Between store_mailbox_read_begin and _end. */
size_t store_hold_window(struct store_hold *hold, const roaring_bitmap_t *set, uint32_t from,
    struct store_message *out, size_t max);
/* Is the message still to be read?  Not if it is gone and was not kept. */
bool store_hold_has(struct store_hold *hold, uint32_t uid);
/* Was any of them expunged meanwhile? */
bool store_hold_touched(struct store_hold *hold);
/* Any thread, when nobody reads by it any more. */
void store_hold_end(struct store_hold **hold);

/*
 * While there is a pin no blob is freed: every message that is in a mailbox's
 * state after store_pin_new() can be read, expunged meanwhile or not.  A pin
 * holds up the giving back of space, so it lapses by itself after so many
 * seconds; renew gives false when it has, and then messages may be gone.
 */
struct store_pin;
struct store_pin *store_pin_new(struct store *store, unsigned seconds);
bool store_pin_renew(struct store_pin *pin, unsigned seconds);
/* Before the store is closed. */
void store_pin_free(struct store_pin **pin);

/* ---- uploads: message bytes on their way in ---- */

/*
 * One message being received.  Small ones are kept in memory; from the
 * threshold on the bytes go into a blob file through the worker pool.
 * Belongs to one loop.
 */
struct store_upload;
/* who: whose works the writing is. */
struct store_upload *store_upload_new(
    struct store *store, struct work_pool *pool, struct loop *loop, struct work_who who);
/* Appends a copy.  False: hold back (stop reading from the peer) until ready(arg) is called. */
bool store_upload_write(
    struct store_upload *upload, struct str bytes, void (*ready)(void *arg), void *arg);
/* All bytes are there: makes the summary (here for small ones, on a worker for large ones), flushes
 * a file.  done(arg, err) is called on the loop, always later, unless the upload is freed first. */
void store_upload_finish(
    struct store_upload *upload, void (*done)(void *arg, enum ts_err err), void *arg);
/* What was made of it, once it is finished without an error: as long as the handle is there. */
struct str store_upload_summary(const struct store_upload *upload);
/* Bytes that it holds in memory, about; STORE_UPLOAD_MEMORY at the most while it comes in. */
#define STORE_UPLOAD_MEMORY ((size_t)1 << 20)
size_t store_upload_memory(const struct store_upload *upload);
/*
 * Another handle on the same bytes, for a further APPEND, to any account: a finished upload
 * without an error that no change has yet (TS_INVALID is for our bug: it aborts).  All handles are
 * equal: each goes to a change or is freed, in any order, also when others of them are durable.
 * The store keeps one blob.  As long as a handle lives the blob is not freed, even if every message
 * that refers to it is expunged meanwhile.  A change that is submitted when another with the same
 * bytes is durable does not write them again.
 */
struct store_upload *store_upload_share(struct store_upload *upload);
/* Removes what was not taken by a change.  Work under way is waited for in the background. */
void store_upload_free(struct store_upload **upload);

/* ---- changes ---- */

enum store_change_kind { /* those of the store's own follow the last one */
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
	STORE_CHANGE_RAISE,      /* UIDNEXT and MODSEQ of a mailbox */
	STORE_CHANGE_RECORDS,    /* server-wide records */
	STORE_CHANGE_PROPERTIES, /* of an account or a mailbox */
	STORE_CHANGE_OWN         /* own.h: what a user has read in a mailbox of another account */
};

/* Higher wishes would leave too little to go on with: a UIDVALIDITY above is not followed, a MODSEQ
 * or UIDNEXT is TS_INVALID. */
#define STORE_UIDVALIDITY_WISH_MAX (UINT32_MAX - (1u << 20))
#define STORE_MODSEQ_WISH_MAX ((uint64_t)1 << 62)

enum store_limit {                 /* what was reached */
	STORE_LIMIT_OTHER,         /* mailboxes, subscriptions */
	STORE_LIMIT_KEYWORDS,      /* messages have as many different ones as opt.max_keywords */
	STORE_LIMIT_KEYWORD_BYTES, /* a new one is longer than opt.keyword_bytes */
	STORE_LIMIT_MEMORY,        /* opt.copy_memory */
	STORE_LIMIT_UIDS,
	STORE_LIMIT_PROPERTIES,     /* opt.max_properties */
	STORE_LIMIT_PROPERTY_BYTES, /* opt.property_bytes */
	STORE_LIMIT_PROPERTY_TOTAL  /* opt.property_total */
};

enum store_flag_mode { STORE_FLAGS_ADD, STORE_FLAGS_REMOVE, STORE_FLAGS_REPLACE };

struct store_append_item {
	struct store_upload *upload; /* finished; taken by the change */
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
 * Which flags a change may give or alter (RFC 4314 section 4: `s`, `t`, `w`).  Of the others new
 * messages get none, and existing ones keep those they have; nothing is refused for their sake.
 */
struct store_flag_bounds {
	bool bounded;    /* else all of them */
	bool keywords;   /* these may, */
	uint64_t system; /* and of the system flags those with their bit (enum store_flag) set */
};

struct store_uid_pair {
	uint32_t source, target;
};

/*
 * A change.  The asker makes it with store_change_new(), fills the fields of
 * its kind, all of them with memory of change->arena, since a change that is
 * under way outlives who asked for it (debug builds look; not when somebody
 * waits for its end), submits it, and gets it back in done().  The results are in
 * the same struct.  store_change_free() at any time: when the change is under
 * way it goes on, done() is not called any more, and the store frees it.
 * From submit to free the change holds references of its own on the mailboxes
 * it names; the asker keeps and releases his.
 *
 * Errors: TS_NOT_FOUND (mailbox gone), TS_EXISTS, TS_INVALID (a name, INBOX
 * deleted), TS_LIMIT (see `limit`), TS_FULL, TS_UNKNOWN, TS_UNAVAILABLE,
 * TS_DAMAGED.
 *
 * COPY and MOVE may go between accounts of the store: `account` is then that
 * of the target.  RENAME of INBOX (RFC 3501 6.3.5: its messages are moved, it
 * stays) needs `source`, INBOX loaded; RENAME takes the children along.
 * Both go in batches of some hundred messages, and so does EXPUNGE of very
 * many: one that fails behind the first of them has done a part, each message
 * whole.  `pairs` and `affected` tell which, and RENAME's mailbox_id whether
 * the new mailbox is there; on TS_UNKNOWN others may be done beside these.  An
 * INBOX that fits into one batch is renamed whole or not at all.  COPY is never
 * seen in part.  A MOVE between accounts that cannot be ended, but will be, is
 * TS_UNKNOWN.
 * RENAME onto a name that was once used gives the mailbox a new UIDVALIDITY.
 *
 * Mail that comes from elsewhere keeps its identity: CREATE takes a wished
 * UIDVALIDITY, APPEND wished UIDs, RAISE moves UIDNEXT and MODSEQ on.  A
 * UIDVALIDITY never comes twice for a name: a wish that is not above all values
 * under which the name has had messages is not followed, and uidvalidity says
 * which one was given instead.  An INBOX, or another mailbox that has never had
 * a message, is replaced by a new one (with another id, in one step) when
 * CREATE names it in `mailbox`; TS_EXISTS when it has had one.
 */
struct store_change {
	struct arena *arena;
	enum store_change_kind kind;
	struct loop *loop;
	void (*done)(struct store_change *change);
	void *arg;
	struct store_account *account; /* referenced while the change lives */
	/* APPEND FLAGS EXPUNGE RAISE: it.  COPY MOVE: the target.  CREATE: to be replaced, or NULL.
	 * PROPERTIES: whose they are */
	struct store_mailbox *mailbox;
	struct store_mailbox *source; /* COPY MOVE; RENAME of INBOX */

	/* APPEND: all or none (RFC 3502) */
	struct store_append_item *items;
	size_t item_count;

	/* FLAGS EXPUNGE COPY MOVE: which; UIDs that do not exist are left out.  EXPUNGE: only those
	 * that are \Deleted.  NULL: all.  Owned by the change (freed with it). */
	roaring_bitmap_t *uids;
	bool all_or_none; /* COPY MOVE: TS_CONDITION if one of uids does not exist */
	enum store_flag_mode mode;
	struct store_flags flags; /* system flags */
	const struct str *keywords;
	size_t keyword_count;
	struct store_flag_bounds bounds; /* APPEND FLAGS COPY MOVE */
	/* APPEND FLAGS MOVE, of a backup: names of any length are taken, and what finds no room is
	 * left out; `lost` says what. */
	bool restoring;
	bool check_unchanged; /* RFC 7162 UNCHANGEDSINCE */
	uint64_t unchanged_since;

	/* CREATE DELETE RENAME SUBSCRIBE UNSUBSCRIBE, on `account`; PROPERTIES: see below */
	struct str name, new_name;
	unsigned use;

	/* CREATE: of the new mailbox; 0: as always.  RAISE: at least these (uidnext, modseq). */
	uint32_t wish_uidvalidity, wish_uidnext;
	uint64_t wish_modseq; /* at most STORE_MODSEQ_WISH_MAX */

	/* RECORDS: server-wide records (users, grants, …): put or delete, all or none */
	struct store_record_op {
		struct str key, value;
		bool remove;
		bool must_be_new, must_exist; /* else TS_EXISTS, TS_NOT_FOUND */
		/* Not empty: the value that it has to have yet, else TS_CONDITION, also when
		 * another change of it is under way. */
		struct str must_be;
	} * records;
	size_t record_count;

	/*
	 * PROPERTIES: put or remove, all or none; of `mailbox`, whose MODSEQ is raised, unless the
	 * change is quiet: then nobody's client learns of it by that, and `name` may say which
	 * mailbox instead, loaded or not.  Neither: of `account` itself.  A limit (`limit`) refuses
	 * only what makes more of them.
	 */
	struct store_property_op {
		struct str name, value;
		bool remove;
		bool must_be_new;   /* else TS_EXISTS */
		struct str must_be; /* not NULL: the value it has to have yet, else TS_CONDITION */
	} * properties;
	size_t property_count;
	bool quiet;

	/* OWN (own.h), on the user's account; `uids` and `mode` say which, and read or unread.
	 * Results are modseq, as the user is shown it, and affected. */
	struct store_own *own;
	int own_kind; /* enum store_own_kind */
	uint64_t own_s;

	/* results */
	enum ts_err err;
	enum store_limit limit;     /* TS_LIMIT: which one */
	struct buf lost;            /* restoring: names of keywords left out, vstr each, once */
	uint64_t modseq;            /* of this change; unchanged when nothing changed */
	uint32_t uidvalidity;       /* APPEND COPY MOVE: of the target; CREATE: the one given */
	uint32_t first_uid;         /* APPEND: the first; without wishes consecutive ones follow */
	uint64_t prior_modseq;      /* FLAGS: the highest MODSEQ an affected message had before */
	roaring_bitmap_t *affected; /* FLAGS: really changed.  EXPUNGE MOVE: gone */
	roaring_bitmap_t *failed;   /* FLAGS: refused by UNCHANGEDSINCE */
	struct store_uid_pair *pairs; /* COPY MOVE, RENAME of INBOX: in ascending order of source */
	size_t pair_count;
	uint32_t mailbox_id; /* CREATE RENAME; 0 of a RENAME of INBOX: it is not there */

	struct store_change_priv *priv;
};

struct store_change *store_change_new(struct store_account *account, enum store_change_kind kind,
    struct loop *loop, void (*done)(struct store_change *change), void *arg);
/* RECORDS changes have no account: this one makes them. */
struct store_change *store_change_new_records(
    struct store *store, struct loop *loop, void (*done)(struct store_change *change), void *arg);
/* Copies of names, for its keywords; NULL for none. */
const struct str *store_change_names(
    struct store_change *change, const struct str *names, size_t n);
void store_submit(struct store_change *change);
void store_change_free(struct store_change **change);
/* A new account with its INBOX and the default mailboxes.  TS_EXISTS: it is there. */
struct store_change *store_change_new_account(struct store *store, struct str name,
    struct loop *loop, void (*done)(struct store_change *change), void *arg);
/* Submits it and waits for nothing; it is freed when it has ended.  Before that ended(), unless it
 * is NULL, is called on the lane's thread: it must not block.  done must be NULL. */
void store_submit_alone(
    struct store_change *change, void (*ended)(const struct store_change *change));
/* Submits and waits: for commands that have a thread of their own (tools, tests), which it may keep
 * as long as a flush hangs; neither on a loop nor on a worker.  done must be NULL. */
enum ts_err store_submit_wait(struct store_change *change);

/* ---- server-wide records ---- */

/* BLOCKING.  TS_NOT_FOUND when there is none. */
enum ts_err store_record_get(struct store *store, struct str key, struct buf *value);
/* BLOCKING.  All records whose key begins with prefix. */
enum ts_err store_record_list(struct store *store, struct str prefix,
    bool (*fn)(struct str key, struct str value, void *arg), void *arg);

/* ---- watches ---- */

/*
 * Tells when something was changed in an account, and in which mailboxes.  fn runs on the loop,
 * some time after the change is durable and visible; several changes may be told at once.  What
 * changed in a mailbox is found by looking (counters, changed_since), of the list by list_version.
 *
 * One watch is enough for any number of mailboxes of the account: it costs a change one look, and
 * who watches hears of those only that changed.
 */
struct store_watch;
#define STORE_WATCH_LIST 0u        /* for a mailbox's id: the list itself */
#define STORE_WATCH_OWN UINT32_MAX /* what the account has read in mailboxes of others */

/* Of nothing yet. */
struct store_watch *store_watch_new(
    struct store_account *account, struct loop *loop, void (*fn)(void *arg), void *arg);
/* From now on, any more. */
void store_watch_add(struct store_watch *watch, uint32_t mailbox_id);
void store_watch_remove(struct store_watch *watch, uint32_t mailbox_id);
/* Whatever there is in the account, and will be. */
void store_watch_add_all(struct store_watch *watch);
/* Adds the ids of what changed since it was taken last, as far as it is watched yet. */
void store_watch_take(struct store_watch *watch, roaring_bitmap_t *changed);
/* On the watch's loop.  fn is not called any more. */
void store_watch_free(struct store_watch **watch);

/* ---- what can be seen ---- */

/* How often a value was in each of some classes; one more is open. */
#define STORE_CLASSES 12
struct store_classes {
	uint64_t n[STORE_CLASSES + 1], sum;
};
extern const uint32_t store_batch_sizes[STORE_CLASSES]; /* upper ends: changes */
extern const uint32_t store_flush_us[STORE_CLASSES];    /* microseconds */
/* Of which class a value is; STORE_CLASSES: the open one. */
size_t store_class_of(const uint32_t ends[STORE_CLASSES], uint64_t value);

struct store_stats {
	unsigned lanes;
	struct store_classes batch_sizes, flush_ns; /* of batches; sums in changes, nanoseconds */
	uint64_t accounts_loaded, mailboxes_loaded, state_bytes, watches, changes_pending;
	uint64_t changes, batches, batch_max;
	/* Holds; the expunged messages that are kept for them, and those that were not, so far. */
	uint64_t holds, held_messages, held_bytes, held_refused;
	struct engine_stats engine;
};
void store_stats(struct store *store, struct store_stats *stats_r);
/* The figures of the last TS_FULL; does not block. */
void store_refused_space(const struct store *store, struct engine_space *space_r);
/* Batches so far, changes in them, the time of their flushes; does not look at the disk. */
/* Of the stats, state_bytes alone: costs nothing. */
uint64_t store_state_bytes(const struct store *store);
void store_pace(
    const struct store *store, uint64_t *batches_r, uint64_t *changes_r, uint64_t *ns_r);
#endif
