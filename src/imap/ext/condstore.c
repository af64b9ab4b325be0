/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONDSTORE (RFC 7162 section 3.1): MODSEQs in FETCH, SEARCH, STATUS and SELECT, and conditional
 * STORE.
 *
 * Each message has one MODSEQ for all its flags, so entry names of SEARCH are ignored (section
 * 3.1.5), and UNCHANGEDSINCE compares with that one: a STORE may be refused because another flag
 * changed.  Section 3.1.12 would avoid that by comparing with the flags that the session last saw;
 * but then a flag set and removed in between would pass, which section 3.1.3 forbids.  Mailboxes
 * always have MODSEQs (no NOMODSEQ).
 *
 * Every command that section 3.1 calls enabling turns CONDSTORE on once it is parsed, whatever its
 * outcome, for the rest of the login (imap_condstore_on()).
 */
#include "wire/cmd/condstore.h"
#include "imap/cmd.h"

static bool
read_modseq(struct wire_in *in, const void **kept_r)
{
	uint64_t *modseq = arena_new_object(in->arena, uint64_t);

	*kept_r = modseq;
	return wire_in_modseq(in, modseq);
}

/* ---- FETCH */

static void
print_modseq(const struct imap_fetched *message, struct buf *out)
{
	wire_out_modseq(out, message->record->modseq);
}

static const struct imap_fetch_item fetch_items[] = {
    {.name = "MODSEQ", .asked = imap_condstore_on, .print = print_modseq},
    {.name = NULL},
};

static void
keep_changed(struct imap_cmd *cmd, const void *kept, roaring_bitmap_t *uids)
{
	const struct imap_box *box = imap_box(cmd->conn);
	struct store_reader reader = box->reader;
	roaring_bitmap_t *changed = roaring_bitmap_create();

	store_reader_begin(&reader);
	store_reader_changed_since(&reader, *(const uint64_t *)kept, changed);
	store_reader_end(&reader);
	roaring_bitmap_and_inplace(uids, changed);
	roaring_bitmap_free(changed);
}

static const struct imap_fetch_modifier fetch_modifiers[] = {
    {.name = "CHANGEDSINCE",
        .parse = read_modseq,
        .implies = "MODSEQ",
        .asked = imap_condstore_on,
        .narrow = keep_changed},
    {.name = NULL},
};

/* ---- STORE */

static void
set_condition(struct imap_cmd *cmd, const void *kept, struct store_change *change)
{
	(void)cmd;
	change->check_unchanged = true;
	change->unchanged_since = *(const uint64_t *)kept;
}

static const struct imap_store_modifier store_modifiers[] = {
    {.name = "UNCHANGEDSINCE",
        .parse = read_modseq,
        .asked = imap_condstore_on,
        .limit = set_condition},
    {.name = NULL},
};

/* "MODIFIED 7,9": sequence numbers or UIDs, as in the command. */
static void
print_modified(const struct imap_cmd *cmd, const struct store_change *change, struct buf *code)
{
	const struct imap_box *box = imap_box(cmd->conn);
	roaring_uint32_iterator_t it;
	struct wire_set_out set;

	if (change->failed == NULL || roaring_bitmap_is_empty(change->failed))
		return;
	wire_out_code_modified_begin(code, &set);
	roaring_init_iterator(change->failed, &it);
	for (; it.has_value; roaring_advance_uint32_iterator(&it)) {
		uint32_t n = cmd->uid ? it.current_value : imap_view_seq(box, it.current_value);

		wire_set_out_add(&set, n, n);
	}
	wire_set_out_end(&set);
}

/* ---- SEARCH */

static bool
read_key(struct wire_in *in, struct wire_key *key)
{
	struct wire_modseq_key k;

	if (!wire_in_modseq_key(in, &k))
		return false;
	key->number = k.modseq;
	return true;
}

static roaring_bitmap_t *
choose_changed(
    const struct wire_key *key, const struct imap_box *box, const struct store_reader *reader)
{
	roaring_bitmap_t *uids;

	if (key->number == 0)
		return roaring_bitmap_copy(box->uids);
	uids = roaring_bitmap_create();
	store_reader_changed_since(reader, key->number - 1, uids);
	roaring_bitmap_and_inplace(uids, box->uids);
	return uids;
}

static const struct imap_search_key search_keys[] = {
    {.name = "MODSEQ",
        .parse = read_key,
        .asked = imap_condstore_on,
        .tells_modseq = true,
        .choose = choose_changed},
    {.name = NULL},
};

/* ---- STATUS, SELECT and ENABLE */

static void
print_highest(struct imap_conn *conn, const struct store_account *account,
    const struct store_mailbox_info *mailbox, struct buf *out)
{
	(void)conn;
	(void)account;
	wire_out_u64(out, mailbox->counters.modseq);
}

static const struct imap_status_item status_items[] = {
    {.name = "HIGHESTMODSEQ", .own = true, .asked = imap_condstore_on, .print = print_highest},
    {.name = NULL},
};

static const struct imap_select_param select_params[] = {
    {.name = "CONDSTORE", .asked = imap_condstore_on},
    {.name = NULL},
};

/* Section 3.1.2.1 */
static void
selected(struct imap_conn *conn)
{
	if (imap_dialect(conn)->condstore)
		imap_say_modseq(conn);
}

static const struct imap_enable enables[] = {
    {.name = "CONDSTORE", .enable = imap_condstore_on},
    {.name = NULL},
};

static const struct imap_code codes[] = {
    {"HIGHESTMODSEQ", "7162", "the client knows all changes up to this MODSEQ"},
    {"MODIFIED", "7162", "messages of a STORE that were changed meanwhile, which it left alone"},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "CONDSTORE", .rfc = "7162", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_condstore = {
    .name = "condstore",
    .title = "CONDSTORE (RFC 7162)",
    .caps = caps,
    .enables = enables,
    .codes = codes,
    .fetch_items = fetch_items,
    .fetch_modifiers = fetch_modifiers,
    .store_modifiers = store_modifiers,
    .search_keys = search_keys,
    .status_items = status_items,
    .select_params = select_params,
    .stored = print_modified,
    .selected = selected,
};
