/* SPDX-License-Identifier: Apache-2.0 */
/*
 * STORE, COPY, EXPUNGE and their UID forms (RFC 3501 and RFC 9051 sections
 * 6.4.3, 6.4.6, 6.4.7, 6.4.9; several clients on one mailbox: RFC 2180 section
 * 4).
 */
#include "imap/common/copy.h"
#include "imap/common/seen.h"
#include "imap/hide.h"
#include "imap/place/rights.h"

static void
free_bitmap(void *arg)
{
	roaring_bitmap_free(arg);
}

/* ---- STORE */

struct store_cmd {
	struct wire_store args;
	struct imap_param *modifiers; /* of args, by their extensions */
	roaring_bitmap_t *uids;       /* the messages requested; freed with the command */
	uint64_t told;  /* the view's MODSEQ when the change was submitted; look_between() */
	bool overtaken; /* others have changed affected messages since then */
	bool partly;    /* some of the changes requested are not permitted */
	/* Where \Seen is the user's own (imap/common/seen.h): */
	bool own, marks;
	bool checks;                /* UNCHANGEDSINCE */
	enum store_flag_mode mark;  /* add or remove it */
	uint64_t told_base;         /* `told`, as the mailbox's own */
	uint64_t modseq;            /* as shown: of the change of other flags */
	roaring_bitmap_t *asked;    /* NULL, or those that are to be changed */
	roaring_bitmap_t *failed;   /* NULL, or those that UNCHANGEDSINCE refuses */
	roaring_bitmap_t *affected; /* NULL, or those whose other flags were changed */
	/* printing */
	const roaring_bitmap_t *answer; /* the messages to print */
	unsigned what;                  /* enum imap_print */
	uint32_t from;                  /* the next UID */
	uint64_t answered;              /* how many were printed */
};

/* RFC 2180 section 4.2.3: NO if some messages are gone. */
static enum imap_next
stored(struct imap_cmd *cmd, bool expunged)
{
	struct str code = cmd_code_of(cmd, cmd->conn->server->reg.stored);

	if (!expunged)
		return cmd_ok_code(cmd, code, "Stored");
	return cmd_no(cmd,
	    code.n > 0 ? arena_printf(cmd->arena, "%.*s", STR_ARG(code)) : "EXPUNGEISSUED",
	    "Some of the messages have been expunged");
}

/* In a mailbox where \Seen is the user's own there were two changes. */
static void
keep_set(struct imap_box *box, const struct store_cmd *s, const struct store_change *change,
    roaring_bitmap_t *uids_take)
{
	box->silent = uids_take;
	box->silent_modseq[0] = change->modseq;
	box->silent_modseq[1] = s->modseq;
}

/* Answers each requested message with its flags (RFC 9051 section 6.4.6), a piece at a time. */
static enum imap_next
print_stored(struct imap_cmd *cmd)
{
	struct store_cmd *s = cmd->state;
	struct imap_box *box = imap_box(cmd->conn);

	s->from = imap_print_fetch_flags(cmd->conn, s->answer, s->from, s->what, &s->answered);
	if (s->from != 0)
		return IMAP_YIELD;
	/* What was just printed need not be told again, whoever changed it up to then. */
	keep_set(box, s, cmd->change, roaring_bitmap_copy(s->uids));
	/* Includes messages expunged after the change and before the response. */
	return stored(cmd, !cmd->uid && s->answered < roaring_bitmap_get_cardinality(s->uids));
}

/* After .SILENT: prints the MODSEQs of changed messages; and of unchanged ones the flags as well,
 * since they may differ from what the client assumes (RFC 7162 section 3.1.3). */
static enum imap_next
print_modseqs(struct imap_cmd *cmd)
{
	struct store_cmd *s = cmd->state;

	for (;;) {
		if (s->answer != NULL)
			s->from = imap_print_fetch_flags(
			    cmd->conn, s->answer, s->from, s->what, &s->answered);
		if (s->from != 0)
			return IMAP_YIELD;
		if ((s->what & IMAP_PRINT_FLAGS) != 0)
			return stored(cmd, false);
		s->what |= IMAP_PRINT_FLAGS;
		s->answer = cmd->change->failed;
	}
}

/* Returns the messages to answer: those that passed UNCHANGEDSINCE get their MODSEQ even if it did
 * not change. */
static const roaring_bitmap_t *
answered_by_modseq(const struct imap_cmd *cmd)
{
	const struct store_change *change = cmd->change;
	const struct store_cmd *s = cmd->state;
	roaring_bitmap_t *passed;

	if (!change->check_unchanged)
		return change->affected;
	if (change->failed == NULL)
		return s->uids;
	passed = roaring_bitmap_andnot(s->uids, change->failed);
	arena_on_free(cmd->arena, free_bitmap, passed);
	return passed;
}

/* Silent, unless somebody else changed one of them in between (RFC 9051 section 6.4.6). */
static void
keep_silent(struct imap_box *box, const struct store_cmd *s, const struct store_change *change)
{
	if (s->overtaken || change->affected == NULL)
		return;
	/* Pending messages were changed by others; the client does not know yet. */
	keep_set(box, s, change, roaring_bitmap_andnot(change->affected, box->pending));
}

static enum imap_next
answer_store(struct imap_cmd *cmd)
{
	static const struct imap_step print = {"store-print", print_stored};
	static const struct imap_step modseqs = {"store-modseqs", print_modseqs};
	struct store_cmd *s = cmd->state;

	s->what = cmd->uid ? IMAP_PRINT_UID : 0;
	/* A client that asked for silence and got less must see the actual flags. */
	if (!s->args.silent || s->partly) {
		s->what |= IMAP_PRINT_FLAGS;
		s->answer = s->uids;
		return cmd_goto(cmd, &print);
	}
	keep_silent(imap_box(cmd->conn), s, cmd->change);
	if (!imap_dialect(cmd->conn)->condstore)
		return stored(cmd, false);
	s->answer = answered_by_modseq(cmd);
	return cmd_goto(cmd, &modseqs);
}

static enum imap_next submit_store(struct imap_cmd *cmd);

static enum imap_next
after_store(struct imap_cmd *cmd)
{
	static const struct imap_step again = {"store-again", submit_store};
	struct store_cmd *s = cmd->state;

	if (cmd->change->err == TS_CONDITION) /* \Seen became the user's own meanwhile */
		return cmd_goto(cmd, &again);
	if (cmd->change->err != TS_OK)
		return cmd_change_err(cmd, cmd->change);
	s->overtaken = cmd->change->prior_modseq > s->told;
	return answer_store(cmd);
}

/* ---- STORE where \Seen is the user's own: what everybody sees first, then \Seen */

static void
or_into(roaring_bitmap_t **set, const roaring_bitmap_t *more)
{
	if (more == NULL)
		return;
	if (*set == NULL)
		*set = roaring_bitmap_create();
	roaring_bitmap_or_inplace(*set, more);
}

/* Makes the last change say what both did, in the user's numbers. */
static void
add_both(struct imap_cmd *cmd)
{
	struct store_cmd *s = cmd->state;
	struct store_change *change = cmd->change;

	if (change->kind != STORE_CHANGE_OWN ||
	    (s->modseq > 0 && roaring_bitmap_is_empty(change->affected)))
		change->modseq = s->modseq;
	or_into(&s->failed, change->failed);
	or_into(&s->affected, change->affected);
	if (change->failed != NULL)
		roaring_bitmap_free(change->failed);
	if (change->affected != NULL)
		roaring_bitmap_free(change->affected);
	change->failed = s->failed;
	change->affected = s->affected;
	s->failed = s->affected = NULL;
}

static enum imap_next
marked(struct imap_cmd *cmd)
{
	struct store_cmd *s = cmd->state;

	if (cmd->change->err != TS_OK)
		return cmd_change_err(cmd, cmd->change);
	cmd->change->check_unchanged = s->checks;
	s->overtaken |= cmd->change->prior_modseq > s->told;
	add_both(cmd);
	return answer_store(cmd);
}

/* The messages that are not refused. */
static roaring_bitmap_t *
passed(const struct store_cmd *s)
{
	return s->failed != NULL ? roaring_bitmap_andnot(s->asked, s->failed)
	                         : roaring_bitmap_copy(s->asked);
}

static enum imap_next
mark_own(struct imap_cmd *cmd)
{
	static const struct imap_step done = {"store-marked", marked};
	struct store_cmd *s = cmd->state;

	return cmd_change(
	    cmd, imap_seen_change(cmd, &imap_box(cmd->conn)->reader, passed(s), s->mark), &done);
}

/* The change of other flags is made.  Finds out whether any message has a change since `told` that
 * is not this one; from here on `told` is the moment of this look. */
static void
look_between(struct store_cmd *s, struct store_reader *reader, const struct store_change *change)
{
	roaring_bitmap_t *others = roaring_bitmap_create(), *later = roaring_bitmap_create();
	roaring_bitmap_t *mine = roaring_bitmap_create();

	store_reader_begin(reader);
	s->modseq = store_reader_shown(reader, change->modseq);
	store_reader_changed_since(reader, s->told, others);
	store_reader_changed_since(reader, s->modseq - 1, mine);
	store_reader_changed_since(reader, s->modseq, later);
	roaring_bitmap_andnot_inplace(mine, later);
	roaring_bitmap_and_inplace(mine, change->affected);
	roaring_bitmap_andnot_inplace(others, mine);
	/* \Seen may have been changed before that. */
	store_reader_own_changed(reader, s->told, others);
	roaring_bitmap_and_inplace(others, s->uids);
	s->told = store_reader_modseq(reader);
	store_reader_end(reader);
	s->overtaken = change->prior_modseq > s->told_base || !roaring_bitmap_is_empty(others);
	roaring_bitmap_free(others);
	roaring_bitmap_free(later);
	roaring_bitmap_free(mine);
}

static enum imap_next
flags_stored(struct imap_cmd *cmd)
{
	static const struct imap_step mark = {"store-mark", mark_own};
	struct store_cmd *s = cmd->state;
	struct store_change *change = cmd->change;
	struct store_reader reader = imap_box(cmd->conn)->reader;

	if (change->err != TS_OK)
		return cmd_change_err(cmd, change);
	look_between(s, &reader, change);
	if (!s->marks) {
		add_both(cmd);
		return answer_store(cmd);
	}
	or_into(&s->failed, change->failed);
	or_into(&s->affected, change->affected);
	return cmd_goto(cmd, &mark);
}

/* RFC 4314 section 4: returns the rights for a STORE of these flags; any one of them is enough to
 * go on. */
static unsigned
needs_of_store(const struct wire_store *args)
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

static const void *
find_modifier(const struct imap_registry *reg, struct str name, imap_parse_f **parse_r)
{
	const struct imap_store_modifier *row = imap_registry_store_modifier(reg, name);

	if (row != NULL)
		*parse_r = row->parse;
	return row;
}

static void
limit(struct imap_cmd *cmd, const struct store_cmd *s, struct store_change *change)
{
	for (size_t i = 0; i < s->args.modifiers.n; i++) {
		const struct imap_store_modifier *row = s->modifiers[i].row;

		if (row->asked != NULL)
			row->asked(cmd->conn);
		row->limit(cmd, s->modifiers[i].kept, change);
	}
}

static void
free_sets(void *arg)
{
	struct store_cmd *s = arg;

	if (s->asked != NULL)
		roaring_bitmap_free(s->asked);
	if (s->failed != NULL)
		roaring_bitmap_free(s->failed);
	if (s->affected != NULL)
		roaring_bitmap_free(s->affected);
}

/* All of one look: whether \Seen is the user's own, and then what UNCHANGEDSINCE means there. */
static void
look_own(struct imap_cmd *cmd, struct store_cmd *s, struct store_change *change)
{
	struct store_reader reader = imap_box(cmd->conn)->reader;

	s->own = store_mailbox_has_own(reader.mailbox);
	if (!s->own) /* if that changes before the change is made, it is refused */
		return;
	store_reader_begin(&reader);
	s->checks = change->check_unchanged;
	if (s->checks) {
		s->failed = roaring_bitmap_create();
		store_reader_changed_since(&reader, change->unchanged_since, s->failed);
		roaring_bitmap_and_inplace(s->failed, s->uids);
		change->unchanged_since = store_reader_base_of(&reader, change->unchanged_since);
	}
	s->told_base = store_reader_base_of(&reader, s->told);
	store_reader_end(&reader);
}

/* Returns whether the change touches anything but \Seen. */
static bool
touches_others(const struct store_change *change)
{
	const uint64_t seen = (uint64_t)1 << STORE_SEEN;

	return change->mode == STORE_FLAGS_REPLACE || change->keyword_count > 0 ||
	       (change->flags.w[0] & ~seen) != 0;
}

static void
plan_own(struct imap_cmd *cmd, struct store_cmd *s, const struct store_change *change)
{
	bool named = store_flags_has(&change->flags, STORE_SEEN);

	s->asked = roaring_bitmap_copy(change->uids);
	s->marks = (imap_box(cmd->conn)->rights & AUTH_RIGHT_SEEN) != 0 &&
	           (named || change->mode == STORE_FLAGS_REPLACE);
	s->mark =
	    named && change->mode != STORE_FLAGS_REMOVE ? STORE_FLAGS_ADD : STORE_FLAGS_REMOVE;
}

static enum imap_next
submit_store(struct imap_cmd *cmd)
{
	static const enum store_flag_mode modes[] = {
	    [WIRE_STORE_SET] = STORE_FLAGS_REPLACE,
	    [WIRE_STORE_ADD] = STORE_FLAGS_ADD,
	    [WIRE_STORE_REMOVE] = STORE_FLAGS_REMOVE,
	};
	static const struct imap_step done = {"store-done", after_store};
	static const struct imap_step first = {"store-flags", flags_stored};
	static const struct imap_step mark = {"store-mark", mark_own};
	struct store_cmd *s = cmd->state;
	struct imap_box *box = imap_box(cmd->conn);
	struct store_change *change = cmd_change_of(cmd, STORE_CHANGE_FLAGS, box->mailbox);

	change->mode = modes[s->args.op];
	change->bounds = imap_rights_bounds(box->rights);
	change->flags = imap_flags_of(&s->args.flags);
	change->keywords =
	    store_change_names(change, s->args.flags.keywords, s->args.flags.n_keywords);
	change->keyword_count = s->args.flags.n_keywords;
	change->uids = roaring_bitmap_copy(s->uids);
	limit(cmd, s, change);
	s->told = box->modseq;
	look_own(cmd, s, change);
	if (!s->own)
		return cmd_change(cmd, change, &done);
	plan_own(cmd, s, change);
	if (s->marks && !touches_others(change)) {
		store_change_free(&change);
		return cmd_goto(cmd, &mark);
	}
	change->own_split = true;
	if (s->failed != NULL)
		roaring_bitmap_andnot_inplace(change->uids, s->failed);
	return cmd_change(cmd, change, &first);
}

static enum imap_next
cmd_store(struct imap_cmd *cmd)
{
	struct store_cmd *s = arena_new_object(cmd->arena, struct store_cmd);
	struct imap_box *box = imap_box(cmd->conn);
	const char *fault;
	unsigned needed;

	cmd->state = s;
	if (!wire_store_parse(&cmd->in, &s->args))
		return cmd_bad_syntax(cmd);
	fault = imap_params_find(cmd, &s->args.modifiers, find_modifier, &s->modifiers);
	if (fault != NULL)
		return cmd_bad(cmd, fault);
	if (s->args.flags.unknown.p != NULL)
		return cmd_bad(cmd, "No such system flag can be set");
	if (!imap_view_resolve(box, &s->args.set, cmd->uid, &s->uids))
		return cmd_bad(cmd, "Invalid message number");
	arena_on_free(cmd->arena, free_bitmap, s->uids);
	arena_on_free(cmd->arena, free_sets, s);
	if (box->read_only)
		return cmd_no(cmd, "READ-ONLY", "The mailbox is open read-only");
	needed = needs_of_store(&s->args);
	s->partly = (needed & ~box->rights) != 0;
	if (s->partly && (needed & box->rights) == 0)
		return cmd_no_right(cmd, needed);
	if (roaring_bitmap_is_empty(s->uids))
		return cmd_ok(cmd, "Nothing to store");
	return submit_store(cmd);
}

static enum imap_next
cmd_copy(struct imap_cmd *cmd)
{
	return imap_copy_start(cmd, false);
}

/* ---- EXPUNGE */

static enum imap_next
expunge_done(struct imap_cmd *cmd)
{
	/* If it fails half-way, some of very many are gone. */
	cmd->may_expunge = true;
	if (cmd->change->err != TS_OK)
		return cmd_err(cmd, cmd->change->err);
	/* RFC 7162 sections 3.2.7 and 3.2.9 */
	cmd->tell_modseq = imap_dialect(cmd->conn)->qresync && cmd->change->affected != NULL &&
	                   !roaring_bitmap_is_empty(cmd->change->affected);
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

	if (cmd->uid && imap_is_hidden(cmd->conn, STR("UIDPLUS")))
		return cmd_bad(cmd, "Unknown command");
	if (cmd->uid ? !wire_uid_expunge_parse(&cmd->in, &set) : !wire_none_parse(&cmd->in))
		return cmd_bad_syntax(cmd);
	if (cmd->uid && !imap_view_resolve(box, &set, true, &uids))
		return cmd_bad(cmd, "No such message");
	if (uids == NULL)
		uids = roaring_bitmap_copy(box->uids);
	if (box->read_only) {
		roaring_bitmap_free(uids);
		return cmd_no(cmd, "READ-ONLY", "The mailbox is open read-only");
	}
	if ((box->rights & AUTH_RIGHT_EXPUNGE) == 0) {
		roaring_bitmap_free(uids);
		return cmd_no_right(cmd, AUTH_RIGHT_EXPUNGE);
	}
	change = cmd_change_of(cmd, STORE_CHANGE_EXPUNGE, box->mailbox);
	change->uids = uids;
	return cmd_change(cmd, change, &done);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "STORE",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_UID | IMAP_TRAIT_NUMBERS,
        .start = cmd_store},
    {.name = "COPY",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_UID | IMAP_TRAIT_NUMBERS,
        .start = cmd_copy},
    {.name = "EXPUNGE",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_MAY_EXPUNGE | IMAP_TRAIT_UID,
        .start = cmd_expunge},
    {.name = NULL},
};

const struct imap_ext imap_ext_message = {
    .name = "message", .title = "STORE, COPY, EXPUNGE", .cmds = cmds};
