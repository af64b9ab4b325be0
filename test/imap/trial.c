/* SPDX-License-Identifier: Apache-2.0 */
/* See trial.h. */
#include "trial.h"

#include "imap/cmd.h"

/* ---- " n": a step; by it numbers are chosen */

static bool
read_step(struct wire_in *in, const void **kept_r)
{
	uint32_t *step = arena_new_object(in->arena, uint32_t);

	*kept_r = step;
	return wire_in_nz_number(in, step);
}

static void
keep_multiples(roaring_bitmap_t *uids, uint32_t step)
{
	roaring_bitmap_t *others = roaring_bitmap_create();
	roaring_uint32_iterator_t it;

	roaring_init_iterator(uids, &it);
	for (; it.has_value; roaring_advance_uint32_iterator(&it))
		if (it.current_value % step != 0)
			roaring_bitmap_add(others, it.current_value);
	roaring_bitmap_andnot_inplace(uids, others);
	roaring_bitmap_free(others);
}

/* ---- FETCH */

static void
narrow(struct imap_cmd *cmd, const void *kept, roaring_bitmap_t *uids)
{
	(void)cmd;
	keep_multiples(uids, *(const uint32_t *)kept);
}

static const struct imap_fetch_modifier fetch_modifiers[] = {
    {.name = "XSTEP", .parse = read_step, .narrow = narrow},
    {.name = NULL},
};

/* "(5)" */
static bool
read_length(struct wire_in *in, const void **args_r)
{
	return wire_in_open(in) && read_step(in, args_r) && wire_in_close(in);
}

/* Bytes from the message's front. */
static void
print_front(const struct imap_fetched *message, struct buf *out)
{
	struct mail_range range = {
	    .len = message->args != NULL ? *(const uint32_t *)message->args : 1};
	struct buf bytes = {0};

	if (message->read(message, range, &bytes))
		wire_out_string(out, &wire_dialect_rev1, buf_as_str(&bytes));
	buf_fini(&bytes);
}

static const struct imap_fetch_item fetch_items[] = {
    {.name = "XFRONT", .needs = IMAP_NEEDS_BLOB, .parse = read_length, .print = print_front},
    {.name = NULL},
};

static void
print_double(const struct imap_box *box, const struct store_message *record, struct buf *out)
{
	(void)box;
	buf_printf(out, " XDOUBLE %u", record->uid * 2);
}

/* ---- STORE */

static void
limit(struct imap_cmd *cmd, const void *kept, struct store_change *change)
{
	(void)cmd;
	keep_multiples(change->uids, *(const uint32_t *)kept);
}

static const struct imap_store_modifier store_modifiers[] = {
    {.name = "XSTEP", .parse = read_step, .limit = limit},
    {.name = NULL},
};

static void
print_stored(const struct store_change *change, struct buf *code)
{
	buf_printf(code, "XTRIAL %u",
	    change->affected != NULL ? (unsigned)roaring_bitmap_get_cardinality(change->affected)
	                             : 0);
}

/* ---- SEARCH */

static bool
read_number(struct wire_in *in, struct wire_key *key)
{
	return wire_in_sp(in) && wire_in_number64(in, &key->number);
}

static roaring_bitmap_t *
choose(const struct wire_key *key, const struct imap_box *box)
{
	roaring_bitmap_t *uids = roaring_bitmap_copy(box->uids);

	keep_multiples(uids, key->number > 0 ? (uint32_t)key->number : 1);
	return uids;
}

static bool
has_parts(const struct wire_key *key, const struct store_message *record,
    const struct mail_summary *summary)
{
	(void)record;
	return summary->part_count >= key->number;
}

static bool
read_text(struct wire_in *in, struct wire_key *key)
{
	return wire_in_sp(in) && wire_in_astring(in, &key->text);
}

static bool
read_list(struct wire_in *in, struct wire_key *key)
{
	key->field = STR("List-Id");
	return read_text(in, key);
}

static const struct imap_search_place subject = {MAIL_SEARCH_SUMMARY, MAIL_TEXT_SUBJECT};
static const struct imap_search_place field = {MAIL_SEARCH_FIELD, MAIL_TEXT_COUNT};
static const struct imap_search_place body = {MAIL_SEARCH_BODY, MAIL_TEXT_COUNT};

static const struct imap_search_key search_keys[] = {
    {.name = "XSUBJECT", .parse = read_text, .text = &subject},
    {.name = "XLIST", .parse = read_list, .text = &field},
    {.name = "XBODY", .parse = read_text, .text = &body},
    {.name = "XSTEP", .parse = read_number, .choose = choose},
    {.name = "XPARTS", .parse = read_number, .matches_summary = has_parts},
    {.name = NULL},
};

/* " XNTH 5": the n-th that was found. */
static void
print_nth(const struct imap_found *found, const void *kept, struct buf *out)
{
	uint32_t uid;

	if (roaring_bitmap_select(found->uids, *(const uint32_t *)kept - 1, &uid))
		buf_printf(out, " XNTH %u", imap_found_number(found, uid));
}

static const struct imap_search_return search_returns[] = {
    {.name = "XNTH", .parse = read_step, .print = print_nth},
    {.name = NULL},
};

/* ---- SELECT and CREATE */

static bool
read_word(struct wire_in *in, const void **kept_r)
{
	struct str *word = arena_new_object(in->arena, struct str);

	*kept_r = word;
	return wire_in_string(in, word);
}

static void
greet(struct imap_cmd *cmd, const void *kept)
{
	const struct str *word = kept;

	wire_out_cond(imap_out(cmd->conn), STR_NONE, WIRE_OK, STR("XTRIAL"), *word);
}

static const struct imap_select_param select_params[] = {
    {.name = "XGREET", .parse = read_word, .selected = greet},
    {.name = "XSILENT"},
    {.name = NULL},
};

static void
say_selected(struct imap_conn *conn)
{
	wire_out_cond(imap_out(conn), STR_NONE, WIRE_OK, STR("XTRIAL"), imap_box(conn)->name);
}

/* ---- LIST */

/* Those with a special use, or below INBOX: no criterion that wire knows. */
static bool
is_plain(unsigned attrs, bool exists)
{
	return exists && (attrs & ~((unsigned)WIRE_ATTR_ALL - 1)) == 0;
}

static const struct imap_list_select list_selects[] = {
    {.name = "XPLAIN", .meets = is_plain},
    {.name = NULL},
};

static const struct imap_code codes[] = {
    {"XTRIAL", "0000", "tests only"},
    {NULL, NULL, NULL},
};

const struct imap_ext imap_ext_trial = {
    .name = "trial",
    .title = "a trial",
    .codes = codes,
    .fetch_items = fetch_items,
    .fetch_modifiers = fetch_modifiers,
    .store_modifiers = store_modifiers,
    .search_keys = search_keys,
    .search_returns = search_returns,
    .list_selects = list_selects,
    .select_params = select_params,
    .stored = print_stored,
    .selected = say_selected,
    .flags_printed = print_double,
};
