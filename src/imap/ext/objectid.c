/* SPDX-License-Identifier: Apache-2.0 */
/*
 * OBJECTID (RFC 8474): ids that stay the same when a mailbox is renamed or a message is copied or
 * moved.
 *
 * EMAILID identifies the message's bytes, which copies share; MAILBOXID the mailbox.  THREADID is a
 * function of the message alone, so it never changes, needs no index, and is the same in all
 * mailboxes: a hash of the Message-ID that begins the thread, which is the first in References,
 * else in In-Reply-To, else the message's own.  A message with none of these is a thread by itself,
 * with an id made like its EMAILID.
 *
 * Mailboxes and messages restored from a backup keep their ids (sections 4 and 5.1).  A mailbox's
 * is stored as a property, a message's two in its summary, which is read for such messages only.
 */
#include "wire/ext/objectid.h"
#include "imap/cmd.h"

#define EMAIL STORE_ID_EMAIL
#define THREAD STORE_ID_THREAD

/* ---- ids of messages */

static struct str
first_word(struct str ids)
{
	struct str word = ids;

	(void)str_split(&ids, ' ', &word);
	return word;
}

/* Returns the Message-ID that begins the thread; empty if the message has none of these fields. */
static struct str
thread_root(const struct mail_summary *summary)
{
	static const enum mail_text texts[] = {
	    MAIL_TEXT_REFERENCES, MAIL_TEXT_IN_REPLY_TO, MAIL_TEXT_MESSAGE_ID};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct str ids = mail_summary_text(summary, texts[i]);

		if (ids.n > 0)
			return first_word(ids);
	}
	return STR("");
}

static struct str
thread_id(const struct imap_fetched *message, char id[STORE_OBJECT_ID])
{
	struct str root = thread_root(message->summary);

	if (root.n > 0)
		return store_text_object_id(THREAD, root, id);
	return store_message_object_id(
	    message->store, THREAD, message->record, message->summary, id);
}

static unsigned
email_needs(const struct store_message *record)
{
	return store_message_has_ids(record) ? IMAP_NEEDS_SUMMARY : 0;
}

static void
print_email(const struct imap_fetched *message, struct buf *out)
{
	char id[STORE_OBJECT_ID];

	wire_out_objectid(out,
	    store_message_object_id(message->store, EMAIL, message->record, message->summary, id));
}

static void
print_thread(const struct imap_fetched *message, struct buf *out)
{
	char id[STORE_OBJECT_ID];

	wire_out_objectid(out, thread_id(message, id));
}

/* ---- SEARCH */

static bool
read_id(struct wire_in *in, struct wire_key *key)
{
	return wire_in_sp(in) && wire_in_objectid(in, &key->text);
}

static const struct store *
store_of(const struct imap_box *box)
{
	return store_account_store(store_mailbox_account(box->mailbox));
}

/* Sets key->number to the blob of the id, or to 0, which no blob has, if the id is not of a blob
 * here. */
static void
begin_email(struct wire_key *key, const struct imap_box *box, int64_t now)
{
	(void)now;
	if (!store_object_id_blob(store_of(box), EMAIL, key->text, &key->number))
		key->number = 0;
}

/* A message without stored ids is compared by its blob's number. */
static bool
has_id(const struct wire_key *key, char letter, const struct store_message *record,
    const struct mail_summary *summary)
{
	char id[STORE_OBJECT_ID];
	struct str stored = STR_NONE;

	if (store_message_has_ids(record))
		stored = store_summary_object_id(letter, summary, id);
	return stored.p != NULL ? str_eq(stored, key->text) : record->blob == key->number;
}

static bool
is_stored_email(const struct wire_key *key, const struct store_message *record,
    const struct mail_summary *summary)
{
	return has_id(key, EMAIL, record, summary);
}

static bool
is_email(const struct wire_key *key, const struct store_message *record)
{
	return record->blob == key->number;
}

static void
begin_thread(struct wire_key *key, const struct imap_box *box, int64_t now)
{
	(void)now;
	if (!store_object_id_blob(store_of(box), THREAD, key->text, &key->number))
		key->number = 0;
}

static bool
in_thread(const struct wire_key *key, const struct store_message *record,
    const struct mail_summary *summary)
{
	struct str root = thread_root(summary);
	char id[STORE_OBJECT_ID];

	if (root.n == 0)
		return has_id(key, THREAD, record, summary);
	return str_eq(store_text_object_id(THREAD, root, id), key->text);
}

/* ---- mailboxes */

static void
print_mailbox(struct imap_conn *conn, const struct store_account *account,
    const struct store_mailbox_info *mailbox, struct buf *out)
{
	char id[STORE_OBJECT_ID];

	(void)conn;
	wire_out_objectid(out, store_listed_object_id(account, mailbox, id));
}

static void
print_created(const struct imap_cmd *cmd, const struct store_change *change, struct buf *code)
{
	char id[STORE_OBJECT_ID];

	(void)cmd;
	wire_out_code_mailboxid(code, store_new_object_id(change->account, change->mailbox_id, id));
}

static void
print_selected(struct imap_conn *conn)
{
	const struct store_mailbox *mailbox = imap_box(conn)->mailbox;
	struct buf *out = imap_out(conn);
	char id[STORE_OBJECT_ID];

	wire_out_ok_begin(out);
	wire_out_code_mailboxid(out, store_mailbox_object_id(mailbox, id));
	imap_say_end(conn, "Ok");
}

static const struct imap_fetch_item fetch_items[] = {
    {.name = "EMAILID", .needs_of = email_needs, .print = print_email},
    {.name = "THREADID", .needs = IMAP_NEEDS_SUMMARY, .print = print_thread},
    {.name = NULL},
};

static const struct imap_search_key search_keys[] = {
    {.name = "EMAILID",
        .parse = read_id,
        .begin = begin_email,
        .matches = is_email,
        .matches_summary = is_stored_email,
        .needs_summary = store_message_has_ids},
    {.name = "THREADID", .parse = read_id, .begin = begin_thread, .matches_summary = in_thread},
    {.name = NULL},
};

static const struct imap_status_item status_items[] = {
    {.name = "MAILBOXID", .print = print_mailbox},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "OBJECTID", .rfc = "8474", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

static const struct imap_code codes[] = {
    {.name = "MAILBOXID",
        .rfc = "8474",
        .when = "CREATE, SELECT and EXAMINE: the id of the mailbox"},
    {.name = NULL},
};

const struct imap_ext imap_ext_objectid = {
    .name = "objectid",
    .title = "OBJECTID (RFC 8474)",
    .caps = caps,
    .codes = codes,
    .fetch_items = fetch_items,
    .search_keys = search_keys,
    .status_items = status_items,
    .created = print_created,
    .selected = print_selected,
};
