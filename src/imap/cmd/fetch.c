/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FETCH and UID FETCH (RFC 3501 and RFC 9051 section 6.4.5; messages expunged by others: RFC 2180
 * section 4.1).
 *
 * Steps: first, if an item requires it, one change sets \Seen for all messages; then windows of
 * messages are rendered (render.h), on the loop if records suffice, by jobs if summaries or bodies
 * are read.  If more than one window of records is needed, the messages are held: one that exists
 * at the first read exists until the tagged reply.
 */
#include "imap/common/render.h"
#include "imap/common/seen.h"
#include "imap/common/surrogate.h"
#include "imap/hide.h"
#include "imap/log/audit.h"
#include "imap/place/rights.h"

enum { SHORT_MESSAGES = 16, SHORT_BYTES = 256 * 1024 };

struct fetch {
	struct wire_fetch args;
	unsigned needs;               /* of every message; some may need more */
	struct imap_param *modifiers; /* of args, by their extensions */
	struct imap_render render;
	roaring_bitmap_t *uids;
	roaring_bitmap_t *seen; /* NULL, or where this command set \Seen */
	bool sets_seen;         /* unless they all have it */
	size_t modifier;        /* the next modifier with responses before the messages */
	void *modifier_state;   /* that modifier's state */
	uint32_t from;          /* the next window begins here */
	uint64_t found;
	bool last; /* the current window is the last one */
};

static void
free_fetch(void *arg)
{
	struct fetch *f = arg;

	roaring_bitmap_free(f->uids);
	if (f->seen != NULL)
		roaring_bitmap_free(f->seen);
	store_hold_end(&f->render.hold);
	imap_render_fini(&f->render);
}

/* ---- windows */

/* Gets sequence numbers of the window: neighbours in the view need no search. */
static void
number_window(struct fetch *f)
{
	const roaring_bitmap_t *view = f->render.box->uids;
	roaring_uint32_iterator_t it;
	uint32_t seq = 0;

	roaring_init_iterator(view, &it);
	for (size_t i = 0; i < f->render.count; i++) {
		struct imap_render_message *m = &f->render.messages[i];

		if (seq > 0 && it.has_value && it.current_value == m->record.uid) {
			seq++;
		} else {
			seq = (uint32_t)roaring_bitmap_rank(view, m->record.uid);
			(void)roaring_move_uint32_iterator_equalorlarger(&it, m->record.uid);
		}
		m->seq = seq;
		m->tell_flags = f->seen != NULL && roaring_bitmap_contains(f->seen, m->record.uid);
		roaring_advance_uint32_iterator(&it);
	}
}

/* In the look that finds them: what must be read of one is held. */
static void
need_more(struct fetch *f, const struct store_message *records)
{
	struct imap_render *r = &f->render;

	r->needs = f->needs;
	for (size_t i = 0; i < r->count && r->may_need; i++)
		r->needs |= imap_render_needs_of(r, &records[i]);
	if (r->needs != 0 && r->hold == NULL)
		r->hold = store_hold_begin(r->mailbox, f->uids);
}

static void
fill_window(struct fetch *f)
{
	struct store_message records[IMAP_RENDER_WINDOW];
	struct imap_render *r = &f->render;
	struct store_reader reader = r->box->reader;

	imap_render_next_window(r);
	store_reader_begin(&reader);
	r->count =
	    r->hold != NULL
	        ? store_reader_hold_window(&reader, r->hold, NULL, f->from, records, r->window)
	        : store_reader_window(&reader, f->uids, f->from, records, r->window);
	need_more(f, records);
	if (r->keywords != NULL)
		imap_read_keywords(r->box, r->keywords);
	store_reader_end(&reader);
	for (size_t i = 0; i < r->count; i++)
		r->messages[i].record = records[i];
	number_window(f);
	f->found += r->count;
	f->last =
	    r->count < r->window || records[r->count - 1].uid >= roaring_bitmap_maximum(f->uids);
	if (r->count > 0)
		f->from = records[r->count - 1].uid + 1;
}

/* ---- steps */

/* Returns the code that names surrogates (RFC 6858 section 3), or nothing. */
static struct str
downgraded(struct imap_cmd *cmd, const struct imap_render *r)
{
	struct buf code = {0};
	struct wire_set_out set;
	roaring_uint32_iterator_t it;
	struct str kept;

	if (r->downgraded == NULL)
		return STR("");
	wire_out_code_downgraded_begin(&code, &set);
	roaring_init_iterator(r->downgraded, &it);
	for (; it.has_value; roaring_advance_uint32_iterator(&it))
		wire_set_out_add(&set, it.current_value, it.current_value);
	wire_set_out_end(&set);
	kept = arena_str(cmd->arena, buf_as_str(&code));
	buf_fini(&code);
	return kept;
}

static enum imap_next
fetch_end(struct imap_cmd *cmd)
{
	struct fetch *f = cmd->state;
	struct imap_box *box = imap_box(cmd->conn);

	if (f->seen != NULL && cmd->change->prior_modseq <= box->modseq) {
		if (box->silent != NULL)
			roaring_bitmap_free(box->silent);
		box->silent = f->seen; /* their flags were sent with the rest */
		box->silent_modseq[0] = cmd->change->modseq;
		box->silent_modseq[1] = 0;
		f->seen = NULL;
	}
	if (f->render.failed)
		return cmd_no(cmd, "SERVERBUG",
		    "Some messages could not be read; the server log has details");
	if (f->render.refused != NULL)
		return cmd_no(cmd, f->render.refused->code, f->render.refused->text);
	/* RFC 2180 section 4.1.2: the others were sent */
	if (!cmd->uid && (f->render.expunged || f->found < roaring_bitmap_get_cardinality(f->uids)))
		return cmd_no(cmd, "EXPUNGEISSUED", "Some of the messages have been expunged");
	return cmd_ok_code(cmd, downgraded(cmd, &f->render), "Fetched");
}

static const struct imap_step window_step, job_step, rendered_step;

static enum imap_next
fetch_rendered(struct imap_cmd *cmd)
{
	struct fetch *f = cmd->state;
	struct imap_render *r = &f->render;

	wire_out_fetch_bytes(imap_out(cmd->conn), buf_as_str(&r->out));
	r->out.n = 0;
	cmd->midway = r->begun || r->broken;
	if (r->broken) {
		imap_bye(cmd->conn, "SERVERBUG", "A message could not be read completely");
		return IMAP_WAIT;
	}
	if (r->message < r->count) {
		cmd->step = &job_step;
		return cmd_should_yield(cmd) ? IMAP_YIELD : IMAP_GO;
	}
	imap_login(cmd->conn)->counts.fetched += r->count;
	if (f->last)
		return fetch_end(cmd);
	cmd->step = &window_step;
	return cmd_should_yield(cmd) ? IMAP_YIELD : IMAP_GO;
}

static bool
should_stop(void *job)
{
	return imap_job_should_stop(job);
}

static enum work_end
run_render(struct imap_job *job)
{
	return imap_render_run(job->state, should_stop, job) ? WORK_DONE : WORK_AGAIN;
}

/* A few small messages take a millisecond or two, and need not wait for long work. */
static enum work_kind
kind_of(const struct fetch *f)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < f->render.count; i++)
		bytes += f->render.messages[i].record.size;
	return f->render.count <= SHORT_MESSAGES && bytes * f->render.item_count <= SHORT_BYTES
	           ? WORK_SHORT
	           : WORK_LONG;
}

static enum imap_next
fetch_job(struct imap_cmd *cmd)
{
	struct fetch *f = cmd->state;

	if (f->render.needs != 0)
		return cmd_job(cmd, kind_of(f), run_render, &f->render, &rendered_step);
	(void)imap_render_run(&f->render, NULL, NULL);
	return cmd_goto(cmd, &rendered_step);
}

static bool
tells_modseq(const struct fetch *f)
{
	return f->render.has_modseq || (f->seen != NULL && f->render.dialect->condstore);
}

static enum imap_next
fetch_window(struct imap_cmd *cmd)
{
	struct fetch *f = cmd->state;

	fill_window(f);
	for (size_t i = 0; tells_modseq(f) && i < f->render.count; i++)
		imap_modseq_tell(imap_box(cmd->conn), f->render.messages[i].record.modseq);
	/* RFC 9051 section 7.3.5: FLAGS must name the keywords that FETCH shows. */
	if (f->render.keywords != NULL && f->render.count > 0)
		imap_tell_keywords(cmd->conn, f->render.keywords);
	return cmd_goto(cmd, &job_step);
}

static const struct imap_step window_step = {"fetch-window", fetch_window};
static const struct imap_step job_step = {"fetch-render", fetch_job};
static const struct imap_step rendered_step = {"fetch-rendered", fetch_rendered};

static enum imap_next begin_windows(struct imap_cmd *cmd);

/* A full disk refuses \Seen, but not reading. */
static enum imap_next
fetch_seen(struct imap_cmd *cmd)
{
	static const struct imap_step again = {"fetch-windows", begin_windows};
	struct fetch *f = cmd->state;

	if (cmd->change->err == TS_CONDITION) /* \Seen became the user's own meanwhile */
		return cmd_goto(cmd, &again);
	if (cmd->change->err != TS_OK && cmd->change->err != TS_FULL)
		return cmd_err(cmd, cmd->change->err);
	if (cmd->change->err == TS_OK && cmd->change->affected != NULL)
		f->seen = roaring_bitmap_copy(cmd->change->affected);
	return cmd_goto(cmd, &window_step);
}

/* ---- planning */

static bool
sets_seen(const struct wire_fetch_item *item)
{
	switch (item->id) {
	case WIRE_FETCH_BODY_SECTION:
		return !item->peek;
	case WIRE_FETCH_BINARY:
	case WIRE_FETCH_BINARY_SIZE:
	case WIRE_FETCH_OTHER:
		return imap_claimed(item)->row->sets_seen && !item->peek;
	case WIRE_FETCH_RFC822:
	case WIRE_FETCH_RFC822_TEXT:
		return true;
	default:
		return false;
	}
}

/* Returns the name of an item that extensions implement; NULL: the engine does. */
static struct str
name_of(const struct wire_fetch_item *item)
{
	switch (item->id) {
	case WIRE_FETCH_BINARY:
		return STR("BINARY");
	case WIRE_FETCH_BINARY_SIZE:
		return STR("BINARY.SIZE");
	case WIRE_FETCH_OTHER:
		return item->name;
	default:
		return STR_NONE;
	}
}

/* Finds the row of an item, unless it is the engine's; returns NULL, or what is wrong with it. */
static const char *
claim_item(struct imap_cmd *cmd, struct wire_fetch_item *item)
{
	struct str name = name_of(item);
	struct imap_claimed *claimed;

	if (name.p == NULL)
		return NULL;
	claimed = arena_new_object(cmd->arena, struct imap_claimed);
	claimed->row =
	    imap_shown(cmd->conn, imap_registry_fetch_item(&cmd->conn->server->reg, name));
	item->ext = claimed;
	if (claimed->row == NULL)
		return N_("Unknown FETCH item");
	if (item->args.p == NULL)
		return NULL;
	return imap_value_parse(cmd, item->args, claimed->row->parse, &claimed->args);
}

static const void *
find_modifier(const struct imap_registry *reg, struct str name, imap_parse_f **parse_r)
{
	const struct imap_fetch_modifier *row = imap_registry_fetch_modifier(reg, name);

	if (row != NULL)
		*parse_r = row->parse;
	return row;
}

static void
narrow(struct imap_cmd *cmd, struct fetch *f)
{
	for (unsigned turn = 0; turn < 2; turn++)
		for (size_t i = 0; i < f->args.modifiers.n; i++) {
			const struct imap_fetch_modifier *row = f->modifiers[i].row;

			if (row->narrow != NULL && row->first == (turn == 0))
				row->narrow(cmd, f->modifiers[i].kept, f->uids);
		}
}

/* Decides whether a list after a single item is the item's argument.  Otherwise it is modifiers,
 * whatever they are. */
static void
settle_list(struct imap_cmd *cmd, struct wire_fetch *args)
{
	const struct imap_registry *reg = &cmd->conn->server->reg;
	const struct imap_fetch_item *row;

	if (args->either.p == NULL)
		return;
	row = imap_registry_fetch_item(reg, args->items[0].name);
	if (row == NULL || row->parse == NULL ||
	    (args->modifiers.n > 0 &&
	        imap_registry_fetch_modifier(reg, args->modifiers.v[0].name) != NULL))
		return;
	args->items[0].args = args->either;
	args->modifiers.n = 0;
}

/* Returns NULL, or what is wrong with the modifiers. */
static const char *
plan_modifiers(struct imap_cmd *cmd, struct fetch *f)
{
	const char *fault = imap_params_find(cmd, &f->args.modifiers, find_modifier, &f->modifiers);

	for (size_t i = 0; fault == NULL && i < f->args.modifiers.n; i++) {
		const struct imap_fetch_modifier *row = f->modifiers[i].row;

		if (row->check != NULL)
			fault = row->check(cmd, &f->args);
	}
	return fault;
}

static bool
has_item(const struct wire_fetch_item *items, size_t n, enum wire_fetch_id id, struct str name)
{
	for (size_t i = 0; i < n; i++)
		if (items[i].id == id && (name.p == NULL || str_eq(items[i].name, name)))
			return true;
	return false;
}

/* Adds the items that modifiers imply after the requested ones, and UID before them where RFC 9051
 * section 6.4.9 requires it. */
static void
add_implied(struct imap_cmd *cmd, struct fetch *f)
{
	struct wire_fetch *args = &f->args;
	bool uid = cmd->uid && !imap_dialect(cmd->conn)->uidonly &&
	           !has_item(args->items, args->n_items, WIRE_FETCH_UID, STR_NONE);
	struct wire_fetch_item *items;
	size_t n = 0;

	if (!uid && args->modifiers.n == 0)
		return;
	items = arena_array(cmd->arena, 1 + args->n_items + args->modifiers.n, sizeof(*items));
	if (uid)
		items[n++].id = WIRE_FETCH_UID;
	memcpy(items + n, args->items, args->n_items * sizeof(*items));
	n += args->n_items;
	for (size_t i = 0; i < args->modifiers.n; i++) {
		const struct imap_fetch_modifier *row = f->modifiers[i].row;
		struct wire_fetch_item item = {.id = WIRE_FETCH_OTHER};

		if (row->implies == NULL)
			continue;
		item.name = str_of(row->implies);
		if (!has_item(items, n, item.id, item.name))
			items[n++] = item;
	}
	args->items = items;
	args->n_items = n;
}

/* Returns NULL, or what is wrong with the items. */
static const char *
plan(struct imap_cmd *cmd, struct fetch *f, bool *seen_r)
{
	struct wire_fetch *args = &f->args;
	struct imap_render *r = &f->render;
	const char *fault;

	*seen_r = false;
	r->surrogates = imap_wants_surrogates(cmd->conn);
	settle_list(cmd, args);
	fault = plan_modifiers(cmd, f);
	if (fault != NULL)
		return fault;
	add_implied(cmd, f);
	for (size_t i = 0; i < args->n_items; i++) {
		fault = claim_item(cmd, &args->items[i]);
		if (fault != NULL)
			return fault;
		f->needs |= imap_render_needs(&args->items[i]);
		*seen_r = *seen_r || sets_seen(&args->items[i]);
	}
	r->has_flags = has_item(args->items, args->n_items, WIRE_FETCH_FLAGS, STR_NONE);
	r->has_uid = has_item(args->items, args->n_items, WIRE_FETCH_UID, STR_NONE);
	r->has_modseq = has_item(args->items, args->n_items, WIRE_FETCH_OTHER, STR("MODSEQ"));
	imap_render_items(r, cmd->arena, args->items, args->n_items);
	return NULL;
}

/* The command begins: tells extensions which of their rows it names. */
static void
tell_asked(struct imap_cmd *cmd, const struct fetch *f)
{
	for (size_t i = 0; i < f->args.n_items; i++) {
		const struct imap_claimed *claimed = imap_claimed(&f->args.items[i]);

		if (claimed != NULL && claimed->row->asked != NULL)
			claimed->row->asked(cmd->conn);
	}
	for (size_t i = 0; i < f->args.modifiers.n; i++) {
		const struct imap_fetch_modifier *row = f->modifiers[i].row;

		if (row->asked != NULL)
			row->asked(cmd->conn);
	}
}

static void
prepare_render(struct imap_cmd *cmd, struct fetch *f)
{
	struct imap_box *box = imap_box(cmd->conn);
	uint64_t wanted = roaring_bitmap_get_cardinality(f->uids);

	f->render.store = cmd->conn->server->store;
	f->render.mailbox = box->mailbox;
	f->render.box = box;
	f->render.dialect = imap_dialect(cmd->conn);
	/* A gateway fetches one or a few messages: do not zero a window of 256 for that. */
	f->render.window = IMAP_RENDER_WINDOW;
	if (wanted < f->render.window)
		f->render.window = wanted > 0 ? (size_t)wanted : 1;
	f->render.messages = arena_array(cmd->arena, f->render.window, sizeof(*f->render.messages));
}

/* Logs one line, whichever of them it is. */
static void
log_items(const struct imap_cmd *cmd, const struct fetch *f)
{
	for (size_t i = 0; i < f->args.n_items; i++) {
		const struct imap_claimed *claimed = imap_claimed(&f->args.items[i]);

		if (claimed == NULL || !claimed->row->logged)
			continue;
		audit_fetch(cmd->conn, claimed->row->name, roaring_bitmap_get_cardinality(f->uids));
		return;
	}
}

/* Holds the messages; returns those that are not \Seen yet, and whether that is the user's own. */
static roaring_bitmap_t *
hold_messages(struct fetch *f, bool *own_r)
{
	struct store_reader reader = f->render.box->reader;
	const roaring_bitmap_t *seen;
	roaring_bitmap_t *unseen;

	store_reader_begin(&reader);
	if (f->render.hold == NULL)
		f->render.hold = store_hold_begin(reader.mailbox, f->uids);
	seen = store_reader_flagged(&reader, STORE_SEEN);
	unseen = roaring_bitmap_copy(store_hold_uids(f->render.hold));
	if (seen != NULL)
		roaring_bitmap_andnot_inplace(unseen, seen);
	*own_r = store_reader_is_own(&reader);
	store_reader_end(&reader);
	return unseen;
}

static struct store_change *
seen_change(struct imap_cmd *cmd, roaring_bitmap_t *unseen_take, bool own)
{
	struct imap_box *box = imap_box(cmd->conn);
	struct store_change *change;

	if (own)
		return imap_seen_change(cmd, &box->reader, unseen_take, STORE_FLAGS_ADD);
	change = cmd_change_of(cmd, STORE_CHANGE_FLAGS, box->mailbox);
	change->uids = unseen_take;
	change->mode = STORE_FLAGS_ADD;
	store_flags_set(&change->flags, STORE_SEEN);
	return change;
}

static enum imap_next
begin_windows(struct imap_cmd *cmd)
{
	static const struct imap_step seen_step = {"fetch-seen", fetch_seen};
	struct fetch *f = cmd->state;
	roaring_bitmap_t *unseen;
	bool own;

	if (!f->sets_seen && f->needs == 0 &&
	    roaring_bitmap_get_cardinality(f->uids) <= f->render.window)
		return cmd_goto(cmd, &window_step); /* one read gets everything */
	unseen = hold_messages(f, &own);
	if (!f->sets_seen || roaring_bitmap_is_empty(unseen)) {
		roaring_bitmap_free(unseen);
		return cmd_goto(cmd, &window_step);
	}
	return cmd_change(cmd, seen_change(cmd, unseen, own), &seen_step);
}

/* Prints the responses of modifiers that precede the messages. */
static enum imap_next
fetch_before(struct imap_cmd *cmd)
{
	struct fetch *f = cmd->state;

	for (; f->modifier < f->args.modifiers.n; f->modifier++, f->modifier_state = NULL) {
		const struct imap_fetch_modifier *row = f->modifiers[f->modifier].row;

		if (row->before != NULL && !row->before(cmd, &f->args, &f->modifier_state))
			return IMAP_YIELD;
	}
	return begin_windows(cmd);
}

static enum imap_next
cmd_fetch(struct imap_cmd *cmd)
{
	static const struct imap_step before_step = {"fetch-before", fetch_before};
	struct fetch *f = arena_new_object(cmd->arena, struct fetch);
	struct imap_box *box = imap_box(cmd->conn);
	const char *fault;
	bool seen;

	cmd->state = f;
	if (!wire_fetch_parse(&cmd->in, &f->args))
		return cmd_bad_syntax(cmd);
	fault = plan(cmd, f, &seen);
	if (fault != NULL)
		return cmd_bad(cmd, fault);
	if (!imap_view_resolve(box, &f->args.set, cmd->uid, &f->uids))
		return cmd_bad(cmd, "Invalid message number");
	arena_on_free(cmd->arena, free_fetch, f);
	tell_asked(cmd, f);
	narrow(cmd, f);
	prepare_render(cmd, f);
	log_items(cmd, f);
	/* RFC 4314 section 4: without the right "s", \Seen is silently not set. */
	f->sets_seen = seen && !box->read_only && (box->rights & AUTH_RIGHT_SEEN) != 0;
	if (f->sets_seen || f->render.has_flags)
		f->render.keywords = arena_new_object(cmd->arena, struct imap_keywords);
	return f->args.modifiers.n > 0 ? cmd_goto(cmd, &before_step) : begin_windows(cmd);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "FETCH",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_UID | IMAP_TRAIT_NUMBERS,
        .start = cmd_fetch},
    {.name = NULL},
};

const struct imap_ext imap_ext_fetch = {.name = "fetch", .title = "FETCH", .cmds = cmds};
