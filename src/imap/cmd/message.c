/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STORE, COPY, MOVE, EXPUNGE and their UID forms (RFC 3501 and RFC 9051
 * sections 6.4.3, 6.4.6 to 6.4.9; UIDPLUS RFC 4315, MOVE RFC 6851; several
 * clients on one mailbox: RFC 2180 section 4).
 */
#include "imap/rights.h"

static struct store_change *
change_of(struct imap_cmd *cmd, enum store_change_kind kind)
{
	return store_change_new(
	    imap_login(cmd->conn)->account, kind, cmd->conn->il->loop, NULL, NULL);
}

static void
free_bitmap(void *arg)
{
	roaring_bitmap_free(arg);
}

/* ---- STORE */

struct store_cmd {
	struct wire_store args;
	roaring_bitmap_t *uids; /* what was asked for; freed with the command */
	uint64_t told;          /* the view's MODSEQ when the change was submitted */
	bool partly;            /* not all that was asked for is permitted */
	uint32_t from;          /* printing: the next UID */
	uint64_t answered;      /* printing: how many there were */
};

/* Each message asked for is answered with its flags (RFC 9051 section 6.4.6), a piece at a time. */
static enum imap_next
store_print(struct imap_cmd *cmd)
{
	struct store_cmd *s = cmd->state;
	struct imap_box *box = imap_box(cmd->conn);

	s->from = imap_print_fetch_flags(cmd->conn, s->uids, s->from, cmd->uid, &s->answered);
	if (s->from != 0)
		return IMAP_YIELD;
	/* What was printed just now need not be told again, whoever changed it up to then. */
	box->silent = roaring_bitmap_copy(s->uids);
	box->silent_modseq = cmd->change->modseq;
	/* RFC 2180 section 4.2.3; also what went after it was changed and before it was answered.
	 */
	if (!cmd->uid && s->answered < roaring_bitmap_get_cardinality(s->uids))
		return cmd_no(cmd, "EXPUNGEISSUED", "Some of the messages have been expunged");
	return cmd_ok(cmd, "Stored");
}

static enum imap_next
store_done(struct imap_cmd *cmd)
{
	static const struct imap_step print = {"store-print", store_print};
	struct store_cmd *s = cmd->state;
	struct imap_box *box = imap_box(cmd->conn);
	struct store_change *change = cmd->change;

	if (change->err != TS_OK)
		return cmd_change_err(cmd, change);
	/* Who asked for silence and got less has to be told what there is now. */
	if (!s->args.silent || s->partly)
		return cmd_goto(cmd, &print);
	/* Silent, unless somebody else changed one of them in between (RFC 9051 section 6.4.6). */
	if (change->prior_modseq <= s->told && change->affected != NULL) {
		/* What is pending is another's change, known and not yet told. */
		box->silent = roaring_bitmap_andnot(change->affected, box->pending);
		box->silent_modseq = change->modseq;
	}
	return cmd_ok(cmd, "Stored");
}

/* RFC 4314 section 4: which rights a STORE of these flags takes; it goes on with one of them. */
static unsigned
store_needs(const struct wire_store *args)
{
	const struct wire_flags *flags = &args->flags;
	unsigned needed = 0;

	if (args->op == WIRE_STORE_SET)
		return IMAP_RIGHTS_FLAGS;
	if ((flags->system & WIRE_FLAG_SEEN) != 0)
		needed |= AUTH_RIGHT_SEEN;
	if ((flags->system & WIRE_FLAG_DELETED) != 0)
		needed |= AUTH_RIGHT_DELETED;
	if (flags->n_keywords > 0 ||
	    (flags->system & (WIRE_FLAG_ANSWERED | WIRE_FLAG_FLAGGED | WIRE_FLAG_DRAFT)) != 0)
		needed |= AUTH_RIGHT_WRITE;
	return needed;
}

static enum imap_next
cmd_store(struct imap_cmd *cmd)
{
	static const enum store_flag_mode modes[] = {
	    [WIRE_STORE_SET] = STORE_FLAGS_REPLACE,
	    [WIRE_STORE_ADD] = STORE_FLAGS_ADD,
	    [WIRE_STORE_REMOVE] = STORE_FLAGS_REMOVE,
	};
	static const struct imap_step done = {"store-done", store_done};
	struct store_cmd *s = arena_new_object(cmd->arena, struct store_cmd);
	struct imap_box *box = imap_box(cmd->conn);
	struct store_change *change;
	unsigned needed;

	cmd->state = s;
	if (!wire_store_parse(&cmd->in, &s->args))
		return cmd_bad_syntax(cmd);
	if (s->args.modifiers.n > 0)
		return cmd_bad(cmd, "Unknown STORE modifier");
	if (s->args.flags.unknown.p != NULL)
		return cmd_bad(cmd, "There is no such flag to set");
	if (!imap_view_resolve(box, &s->args.set, cmd->uid, &s->uids))
		return cmd_bad(cmd, "No such message number");
	arena_on_free(cmd->arena, free_bitmap, s->uids);
	if (box->read_only)
		return cmd_no(cmd, "READ-ONLY", "The mailbox is open for reading only");
	needed = store_needs(&s->args);
	s->partly = (needed & ~box->rights) != 0;
	if (s->partly && (needed & box->rights) == 0)
		return cmd_no_right(cmd, needed);
	if (roaring_bitmap_is_empty(s->uids))
		return cmd_ok(cmd, "Nothing to store");
	change = change_of(cmd, STORE_CHANGE_FLAGS);
	change->mailbox = box->mailbox;
	change->uids = roaring_bitmap_copy(s->uids);
	change->mode = modes[s->args.op];
	change->bounds = imap_rights_bounds(box->rights);
	change->flags = imap_flags_of(&s->args.flags);
	change->keywords =
	    store_change_names(change, s->args.flags.keywords, s->args.flags.n_keywords);
	change->keyword_count = s->args.flags.n_keywords;
	s->told = box->modseq;
	return cmd_change(cmd, change, &done);
}

/* ---- COPY and MOVE */

struct copy_cmd {
	struct wire_copy args;
	struct imap_open open;
	roaring_bitmap_t *uids;
	bool move;
};

/* "COPYUID 38505 304,319:320 3956:3958" (RFC 4315 section 3), the sets in the same order. */
static struct str
copyuid_code(struct imap_cmd *cmd)
{
	const struct store_change *change = cmd->change;
	struct buf code = {0};
	struct wire_set_out set;
	struct str s;

	wire_out_code_copyuid_begin(&code, change->uidvalidity, &set);
	for (size_t i = 0; i < change->pair_count; i++)
		wire_set_out_add(&set, change->pairs[i].source, change->pairs[i].source);
	wire_out_code_copyuid_to(&set);
	for (size_t i = 0; i < change->pair_count; i++)
		wire_set_out_add(&set, change->pairs[i].target, change->pairs[i].target);
	wire_set_out_end(&set);
	s = arena_str(cmd->arena, buf_as_str(&code));
	buf_fini(&code);
	return s;
}

/* RFC 6851 section 4.3: COPYUID goes before the EXPUNGE responses, untagged.  A MOVE that failed on
 * its way has moved some for good, and tells which. */
static void
tell_moved(struct imap_cmd *cmd)
{
	if (cmd->change->pair_count == 0)
		return;
	wire_out_cond(imap_out(cmd->conn), STR_NONE, WIRE_OK, copyuid_code(cmd), STR("Moved"));
	cmd->may_expunge = true;
}

static enum imap_next
copy_done(struct imap_cmd *cmd)
{
	const struct copy_cmd *c = cmd->state;
	struct store_change *change = cmd->change;

	/* Some were gone at once, or behind the first piece of a MOVE. */
	bool expunged = change->err == TS_CONDITION ||
	                (change->err == TS_OK && !cmd->uid &&
	                    change->pair_count < roaring_bitmap_get_cardinality(c->uids));

	if (c->move)
		tell_moved(cmd);
	if (expunged)
		return cmd_no(cmd, "EXPUNGEISSUED", "Some of the messages have been expunged");
	if (change->err == TS_NOT_FOUND)
		return cmd_no_target(cmd, c->open.name);
	if (change->err != TS_OK)
		return cmd_change_err(cmd, change);
	if (change->pair_count == 0)
		return cmd_ok(cmd, "None of the messages is there");
	if (!c->move)
		return cmd_ok_code(cmd, copyuid_code(cmd), "Copied");
	return cmd_ok(cmd, "Done");
}

/* Bytes for COPYUID: two numbers in the code, in a buffer that doubles, in the arena and in the
 * output. */
#define PAIR (sizeof(struct store_uid_pair) + 22u * 4)

static enum imap_next
copy_opened(struct imap_cmd *cmd)
{
	static const struct imap_step done = {"copy-done", copy_done};
	struct copy_cmd *c = cmd->state;
	struct store_change *change;

	if (c->open.mailbox == NULL && c->open.err == TS_NOT_FOUND)
		return cmd_no_target(cmd, c->open.name);
	if (c->open.mailbox == NULL)
		return cmd_open_err(cmd, &c->open);
	if (roaring_bitmap_is_empty(c->uids))
		return cmd_ok(cmd, "None of the messages is there");
	if (!cmd_reserve(cmd, roaring_bitmap_get_cardinality(c->uids) * PAIR))
		return cmd_no_room(cmd);
	change = change_of(cmd, c->move ? STORE_CHANGE_MOVE : STORE_CHANGE_COPY);
	change->source = imap_box(cmd->conn)->mailbox;
	change->mailbox = c->open.mailbox;
	/* RFC 2180 section 4.4.1: all of them, or none. */
	change->all_or_none = !cmd->uid;
	change->bounds = imap_rights_bounds(c->open.rights);
	change->uids = roaring_bitmap_copy(c->uids);
	return cmd_change(cmd, change, &done);
}

static enum imap_next
copy_start(struct imap_cmd *cmd, bool move)
{
	static const struct imap_step opened = {"copy-opened", copy_opened};
	struct copy_cmd *c = arena_new_object(cmd->arena, struct copy_cmd);
	struct imap_box *box = imap_box(cmd->conn);
	unsigned missing;

	cmd->state = c;
	c->move = move;
	if (!wire_copy_parse(&cmd->in, &c->args))
		return cmd_bad_syntax(cmd);
	if (!imap_view_resolve(box, &c->args.set, cmd->uid, &c->uids))
		return cmd_bad(cmd, "No such message number");
	arena_on_free(cmd->arena, free_bitmap, c->uids);
	if (move && box->read_only)
		return cmd_no(cmd, "READ-ONLY", "The mailbox is open for reading only");
	/* RFC 6851 section 4.2: what COPY, STORE of \Deleted and EXPUNGE take. */
	missing = (AUTH_RIGHT_DELETED | AUTH_RIGHT_EXPUNGE) & ~box->rights;
	if (move && missing != 0)
		return cmd_no_right(cmd, missing);
	c->open.name = imap_mailbox_meant(imap_login(cmd->conn), c->args.mailbox, &cmd->in.given);
	return cmd_open_mailbox(cmd, &c->open, AUTH_RIGHT_INSERT, &opened);
}

static enum imap_next
cmd_copy(struct imap_cmd *cmd)
{
	return copy_start(cmd, false);
}

static enum imap_next
cmd_move(struct imap_cmd *cmd)
{
	return copy_start(cmd, true);
}

/* ---- EXPUNGE */

static enum imap_next
expunge_done(struct imap_cmd *cmd)
{
	/* Of very many some are gone, when it fails on its way. */
	cmd->may_expunge = true;
	if (cmd->change->err != TS_OK)
		return cmd_err(cmd, cmd->change->err);
	return cmd_ok(cmd, "Expunged");
}

static enum imap_next
cmd_expunge(struct imap_cmd *cmd)
{
	static const struct imap_step done = {"expunge-done", expunge_done};
	struct imap_box *box = imap_box(cmd->conn);
	roaring_bitmap_t *uids = NULL;
	struct store_change *change;
	struct wire_set set;

	if (cmd->uid ? !wire_uid_expunge_parse(&cmd->in, &set) : !wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	if (cmd->uid && !imap_view_resolve(box, &set, true, &uids))
		return cmd_bad(cmd, "No such message");
	if (uids == NULL)
		uids = roaring_bitmap_copy(box->uids);
	if (box->read_only) {
		roaring_bitmap_free(uids);
		return cmd_no(cmd, "READ-ONLY", "The mailbox is open for reading only");
	}
	if ((box->rights & AUTH_RIGHT_EXPUNGE) == 0) {
		roaring_bitmap_free(uids);
		return cmd_no_right(cmd, AUTH_RIGHT_EXPUNGE);
	}
	change = change_of(cmd, STORE_CHANGE_EXPUNGE);
	change->mailbox = box->mailbox;
	change->uids = uids;
	return cmd_change(cmd, change, &done);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "STORE", .states = IMAP_SELECTED, .traits = IMAP_TRAIT_UID, .start = cmd_store},
    {.name = "COPY", .states = IMAP_SELECTED, .traits = IMAP_TRAIT_UID, .start = cmd_copy},
    {.name = "MOVE", .states = IMAP_SELECTED, .traits = IMAP_TRAIT_UID, .start = cmd_move},
    {.name = "EXPUNGE",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_MAY_EXPUNGE | IMAP_TRAIT_UID,
        .start = cmd_expunge},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "UIDPLUS", .states = IMAP_LOGGED_IN},
    {.word = "MOVE", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_message = {
    .name = "message",
    .title = "STORE, COPY, MOVE (RFC 6851), EXPUNGE, UIDPLUS (RFC 4315)",
    .caps = caps,
    .cmds = cmds,
};
