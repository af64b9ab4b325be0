/* SPDX-License-Identifier: Apache-2.0 */
/* See trial.h. */
#include "trial.h"

#include <stdlib.h>

#include "imap/cmd.h"
#include "store/columns.h"
#include "texts/texts.h"

#define LOGIN_FIELDS(slot, FIELD)                                                                  \
	FIELD(slot, const struct imap_notify_event *, event, )                                     \
	FIELD(slot, const void *, kept, )                                                          \
	FIELD(slot, struct str, name, )                                                            \
	FIELD(slot, struct store_mailbox_info, before, )                                           \
	FIELD(slot, bool, was_there, )
#define BOX_FIELDS(slot, FIELD) FIELD(slot, bool, says_news, )
IMAP_SLOT(trial_login, LOGIN_FIELDS);
IMAP_SLOT(trial_box, BOX_FIELDS);

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

/* Prints the first bytes of the message. */
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
print_stored(const struct imap_cmd *cmd, const struct store_change *change, struct buf *code)
{
	(void)cmd;
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
choose(const struct wire_key *key, const struct imap_box *box, const struct store_reader *reader)
{
	roaring_bitmap_t *uids = roaring_bitmap_copy(box->uids);

	(void)reader;
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

/* Prints " XNTH 5": the n-th match. */
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

/* ---- SORT: keys by the record and by a column of the store, and an engine for them */

static int64_t
by_size(const struct store_message *record)
{
	return record->size;
}

static int64_t
by_seen(const struct store_message *record)
{
	return store_flags_has(&record->flags, STORE_SEEN);
}

static const struct imap_sort_key sort_keys[] = {
    {.name = "XSIZE", .number = by_size},
    {.name = "XSEEN", .number = by_seen},
    {.name = "XTOPIC", .column = 1u << STORE_COLUMN_SUBJECT},
    {.name = NULL},
};

enum { ORDER_KEYS = 4, ORDER_MESSAGES = 16 };

struct order {
	const struct imap_sort_key *keys[ORDER_KEYS];
	bool reverse[ORDER_KEYS];
	size_t n_keys, n;
	struct store_columns *columns; /* for all keys */
	struct store_message records[ORDER_MESSAGES];
	struct sortable {
		const struct order *order;
		uint32_t uid;
		int64_t numbers[ORDER_KEYS];
	} messages[ORDER_MESSAGES];
};

static int
compare(const void *a, const void *b)
{
	const struct sortable *x = a, *y = b;
	const struct order *order = x->order;

	for (size_t k = 0; k < order->n_keys; k++) {
		int c = (x->numbers[k] > y->numbers[k]) - (x->numbers[k] < y->numbers[k]);

		if (c != 0)
			return order->reverse[k] ? -c : c;
	}
	return x->uid < y->uid ? -1 : 1;
}

static int64_t
value_of(const struct order *order, const struct imap_sort_key *key, size_t i)
{
	if (key->number != NULL)
		return key->number(&order->records[i]);
	return store_columns_rank(order->columns, __builtin_ctz(key->column))[i];
}

static enum work_end
put_in_order(struct imap_job *job)
{
	struct order *order = job->state;

	(void)store_columns_step(order->columns, UINT64_MAX, NULL, NULL);
	for (size_t i = 0; i < order->n; i++) {
		struct sortable *message = &order->messages[i];

		message->order = order;
		message->uid = order->records[i].uid;
		for (size_t k = 0; k < order->n_keys; k++)
			message->numbers[k] = value_of(order, order->keys[k], i);
	}
	qsort(order->messages, order->n, sizeof(order->messages[0]), compare);
	return WORK_DONE;
}

static enum imap_next
say_order(struct imap_cmd *cmd)
{
	const struct order *order = cmd->state;
	struct buf *out = imap_out(cmd->conn);

	buf_puts(out, "* XORDER");
	for (size_t i = 0; i < order->n; i++)
		buf_printf(out, " %u", order->messages[i].uid);
	buf_puts(out, "\r\n");
	return cmd_ok(cmd, "Ordered");
}

static void
free_columns(void *arg)
{
	struct order *order = arg;

	store_columns_free(&order->columns);
}

/* X-ORDER [REVERSE] key [REVERSE] key …, over all messages. */
static enum imap_next
cmd_order(struct imap_cmd *cmd)
{
	static const struct imap_step said = {"say-order", say_order};
	struct order *order = arena_new_object(cmd->arena, struct order);
	struct store_mailbox *mailbox = imap_box(cmd->conn)->mailbox;
	unsigned columns = 0;
	struct str name;

	cmd->state = order;
	while (order->n_keys < ORDER_KEYS && wire_in_peek(&cmd->in) == ' ') {
		size_t k = order->n_keys++;

		(void)wire_in_sp(&cmd->in);
		order->reverse[k] = wire_in_try_word(&cmd->in, "REVERSE") && wire_in_sp(&cmd->in);
		if (!wire_in_atom(&cmd->in, &name))
			return cmd_bad_syntax(cmd);
		order->keys[k] = imap_registry_sort_key(&cmd->conn->server->reg, name);
		if (order->keys[k] == NULL)
			return cmd_bad(cmd, "Unknown key");
		columns |= order->keys[k]->column;
	}
	store_mailbox_read_begin(mailbox);
	order->n = store_mailbox_window(mailbox, NULL, 0, order->records, ORDER_MESSAGES);
	store_mailbox_read_end(mailbox);
	order->columns = store_columns_new(mailbox, NULL, imap_box(cmd->conn)->uids, columns);
	arena_on_free(cmd->arena, free_columns, order);
	return cmd_job(cmd, WORK_LONG, put_in_order, order, &said);
}

/* ---- NOTIFY: two events, and who asks for one */

static bool
has_grown(const struct imap_noticed *seen)
{
	return seen->before != NULL && seen->now != NULL &&
	       seen->now->counters.messages > seen->before->counters.messages;
}

static bool
has_gone(const struct imap_noticed *seen)
{
	return seen->before != NULL && seen->now == NULL;
}

static bool read_word(struct wire_in *in, const void **kept_r);

static void
say_gone(struct imap_conn *conn, const struct imap_noticed *seen, const void *kept)
{
	const struct str *word = kept;

	(void)seen;
	wire_out_cond(imap_out(conn), STR_NONE, WIRE_OK, STR("XTRIAL"), *word);
}

static const char *const grown_with[] = {"XGONE", NULL};
static const char *const grown_status[] = {"MESSAGES", "UIDNEXT", NULL};

static const struct imap_notify_event notify_events[] = {
    {.name = "XGrown",
        .scopes = IMAP_NOTIFY_MAILBOXES,
        .with = grown_with,
        .happened = has_grown,
        .status = grown_status},
    {.name = "XGone",
        .scopes = IMAP_NOTIFY_MAILBOXES,
        .parse = read_word,
        .happened = has_gone,
        .print = say_gone},
    {.name = NULL},
};

/* X-WATCH mailbox event [value] */
static enum imap_next
cmd_watch(struct imap_cmd *cmd)
{
	struct imap_login *login = imap_login(cmd->conn);
	struct trial_login *slot = imap_login_slot(cmd->conn, &imap_ext_trial);
	struct str name, event;
	struct wire_in in;

	if (!wire_in_sp(&cmd->in) || !wire_in_mailbox(&cmd->in, &name) || !wire_in_sp(&cmd->in) ||
	    !wire_in_atom(&cmd->in, &event))
		return cmd_bad_syntax(cmd);
	slot->event = imap_registry_notify_event(&cmd->conn->server->reg, event);
	if (slot->event == NULL)
		return cmd_bad(cmd, "Unknown event");
	slot->kept = NULL;
	if (slot->event->parse != NULL) {
		(void)wire_in_sp(&cmd->in);
		/* Bytes and arena stay as long as it is watched. */
		in = wire_in_sub(
		    &cmd->in, arena_str(login->arena, str_range(cmd->in.p, cmd->in.end)));
		in.arena = login->arena;
		if (!slot->event->parse(&in, &slot->kept))
			return cmd_bad(cmd, "Invalid value");
	}
	slot->name = arena_str(login->arena, name);
	slot->was_there = store_account_lookup(login->account, name, &slot->before);
	return cmd_ok(cmd, "Watched");
}

static enum imap_next
cmd_notice(struct imap_cmd *cmd)
{
	struct trial_login *slot = imap_login_slot(cmd->conn, &imap_ext_trial);
	struct store_mailbox_info now;
	bool is_there = store_account_lookup(imap_login(cmd->conn)->account, slot->name, &now);
	struct imap_noticed seen = {.account = imap_login(cmd->conn)->account,
	    .name = slot->name,
	    .before = slot->was_there ? &slot->before : NULL,
	    .now = is_there ? &now : NULL};

	if (!slot->event->happened(&seen))
		return cmd_ok(cmd, "Nothing");
	if (slot->event->print != NULL)
		slot->event->print(cmd->conn, &seen, slot->kept);
	else
		buf_printf(imap_out(cmd->conn), "* XSTATUS %s %s\r\n", slot->event->status[0],
		    slot->event->status[1]);
	return cmd_ok(cmd, slot->event->with != NULL ? slot->event->with[0] : "Alone");
}

/* ---- the language of texts, as LANGUAGE (RFC 5255) will select it */

static enum imap_next
cmd_xlanguage(struct imap_cmd *cmd)
{
	struct imap_turn *turn = cmd->conn->turn;
	struct str tag;

	if (!wire_in_sp(&cmd->in) || !wire_in_astring(&cmd->in, &tag) || !wire_in_end(&cmd->in))
		return cmd_bad_syntax(cmd);
	turn->texts = texts_set_find(turn->rules->languages, tag);
	return cmd_ok(cmd, "Done");
}

static const struct imap_cmd_def cmds[] = {
    {.name = "XLANGUAGE", .states = IMAP_ANY, .start = cmd_xlanguage},
    {.name = "X-ORDER", .states = IMAP_SELECTED, .start = cmd_order},
    {.name = "X-WATCH", .states = IMAP_LOGGED_IN, .start = cmd_watch},
    {.name = "X-NOTICE", .states = IMAP_LOGGED_IN, .start = cmd_notice},
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

static bool
greet(struct imap_cmd *cmd, const void *kept, void **state)
{
	const struct str *word = kept;

	(void)state;
	wire_out_cond(imap_out(cmd->conn), STR_NONE, WIRE_OK, STR("XTRIAL"), *word);
	return true;
}

static bool
ask_for_news(struct imap_cmd *cmd, const void *kept, void **state)
{
	struct trial_box *slot = imap_box_slot(cmd->conn, &imap_ext_trial);

	(void)kept;
	(void)state;
	slot->says_news = true;
	return true;
}

static unsigned
count(const roaring_bitmap_t *uids)
{
	return uids != NULL ? (unsigned)roaring_bitmap_get_cardinality(uids) : 0;
}

static void
say_news(struct imap_conn *conn, const struct imap_news *news)
{
	const struct trial_box *slot = imap_box_slot(conn, &imap_ext_trial);

	if (slot->says_news)
		buf_printf(imap_out(conn), "* XNEWS %u new %u changed %u gone\r\n",
		    count(news->fresh), count(news->changed), count(news->expunged));
}

static const struct imap_select_param select_params[] = {
    {.name = "XGREET", .parse = read_word, .selected = greet},
    {.name = "XNEWS", .selected = ask_for_news},
    {.name = "XSILENT"},
    {.name = NULL},
};

static void
say_selected(struct imap_conn *conn)
{
	wire_out_cond(imap_out(conn), STR_NONE, WIRE_OK, STR("XTRIAL"), imap_box(conn)->name);
}

/* ---- LIST */

/* Those with a special use, or below INBOX: a criterion that wire does not know. */
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
    .cmds = cmds,
    .codes = codes,
    .fetch_items = fetch_items,
    .fetch_modifiers = fetch_modifiers,
    .store_modifiers = store_modifiers,
    .search_keys = search_keys,
    .search_returns = search_returns,
    .sort_keys = sort_keys,
    .list_selects = list_selects,
    .select_params = select_params,
    .notify_events = notify_events,
    .slots = {[IMAP_LIFE_LOGIN] = IMAP_SLOT_OF(trial_login, NULL),
        [IMAP_LIFE_BOX] = IMAP_SLOT_OF(trial_box, NULL)},
    .stored = print_stored,
    .selected = say_selected,
    .flags_printed = print_double,
    .about_to_tell = say_news,
};
