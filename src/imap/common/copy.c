/* SPDX-License-Identifier: Apache-2.0 */
/* See copy.h. */
#include "imap/common/copy.h"

#include "imap/common/seen.h"
#include "imap/place/rights.h"

struct copy_cmd {
	struct wire_copy args;
	struct imap_open open;
	roaring_bitmap_t *uids;
	roaring_bitmap_t *seen; /* those of them that the user has read */
	bool move;
	bool expunged;
	size_t count;
	struct str code;
};

static void
free_uids(void *arg)
{
	struct copy_cmd *c = arg;

	roaring_bitmap_free(c->uids);
	if (c->seen != NULL)
		roaring_bitmap_free(c->seen);
}

static struct str
code_of(struct imap_cmd *cmd)
{
	return cmd_code_of(cmd, cmd->conn->server->reg.copied);
}

/* RFC 6851 section 4.3: the code is sent untagged, before the EXPUNGE responses.  A MOVE that
 * failed half-way has moved some for good, and says which. */
static void
tell_moved(struct imap_cmd *cmd)
{
	if (cmd->change->pair_count == 0)
		return;
	imap_say_ok(cmd->conn, code_of(cmd), "Moved");
	cmd->may_expunge = true;
}

static enum imap_next
copy_answer(struct imap_cmd *cmd)
{
	const struct copy_cmd *c = cmd->state;

	if (c->expunged)
		return cmd_no(cmd, "EXPUNGEISSUED", "Some of the messages have been expunged");
	if (c->count == 0)
		return cmd_ok(cmd, "None of the messages exist");
	if (!c->move)
		return cmd_ok_code(cmd, c->code, "Copied");
	cmd->tell_modseq = imap_dialect(cmd->conn)->qresync; /* RFC 6851 section 4.4 */
	return cmd_ok(cmd, "Done");
}

static enum imap_next
copy_marked(struct imap_cmd *cmd)
{
	if (cmd->change->err != TS_OK)
		return cmd_change_err(cmd, cmd->change);
	return copy_answer(cmd);
}

/* The copies of messages that the user has read. */
static roaring_bitmap_t *
copied_seen(const struct copy_cmd *c, const struct store_change *change)
{
	roaring_bitmap_t *uids = roaring_bitmap_create();

	for (size_t i = 0; i < change->pair_count; i++)
		if (roaring_bitmap_contains(c->seen, change->pairs[i].source) &&
		    (c->open.rights & AUTH_RIGHT_SEEN) != 0)
			roaring_bitmap_add(uids, change->pairs[i].target);
	return uids;
}

/* Where \Seen of the target is the user's own, the copies get it so. */
static enum imap_next
mark_copies(struct imap_cmd *cmd)
{
	static const struct imap_step done = {"copy-marked", copy_marked};
	const struct copy_cmd *c = cmd->state;
	struct store_reader reader = imap_open_reader(&c->open);
	roaring_bitmap_t *uids = copied_seen(c, cmd->change);
	struct store_change *change;

	if (roaring_bitmap_is_empty(uids)) {
		roaring_bitmap_free(uids);
		return copy_answer(cmd);
	}
	change = imap_seen_change(cmd, &reader, uids, STORE_FLAGS_ADD);
	return change != NULL ? cmd_change(cmd, change, &done) : copy_answer(cmd);
}

static enum imap_next
copy_done(struct imap_cmd *cmd)
{
	struct copy_cmd *c = cmd->state;
	struct store_change *change = cmd->change;

	/* Some were gone at the start, or after the first piece of a MOVE. */
	c->expunged = change->err == TS_CONDITION ||
	              (change->err == TS_OK && !cmd->uid &&
	                  change->pair_count < roaring_bitmap_get_cardinality(c->uids));
	c->count = change->pair_count;
	c->code = c->move || c->count == 0 ? STR_NONE : code_of(cmd);
	if (c->move)
		tell_moved(cmd);
	if (c->expunged && c->count == 0)
		return copy_answer(cmd);
	if (!c->expunged && change->err == TS_NOT_FOUND)
		return cmd_no_target(cmd, c->open.name);
	if (!c->expunged && change->err != TS_OK)
		return cmd_change_err(cmd, change);
	return mark_copies(cmd);
}

/* Takes what the user has read of them, always, since \Seen of the target may become the user's own
 * before the copies are there; and gives it to the change, where that is not what the mailbox
 * says. */
static void
look_at_seen(struct imap_cmd *cmd, struct copy_cmd *c, struct store_change *change)
{
	struct store_reader reader = imap_box(cmd->conn)->reader;
	const roaring_bitmap_t *seen;
	bool own;

	store_reader_begin(&reader);
	own = store_reader_is_own(&reader);
	seen = store_reader_flagged(&reader, STORE_SEEN);
	c->seen = seen != NULL ? roaring_bitmap_and(c->uids, seen) : roaring_bitmap_create();
	store_reader_end(&reader);
	if (own)
		change->seen = roaring_bitmap_copy(c->seen);
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
		return cmd_ok(cmd, "None of the messages exist");
	if (!cmd_reserve(cmd, roaring_bitmap_get_cardinality(c->uids) * PAIR))
		return cmd_no_room(cmd);
	change =
	    cmd_change_of(cmd, c->move ? STORE_CHANGE_MOVE : STORE_CHANGE_COPY, c->open.mailbox);
	change->source = imap_box(cmd->conn)->mailbox;
	/* RFC 2180 section 4.4.1: all of them, or none. */
	change->all_or_none = !cmd->uid;
	change->bounds = imap_rights_bounds(c->open.rights);
	change->uids = roaring_bitmap_copy(c->uids);
	look_at_seen(cmd, c, change);
	return cmd_change(cmd, change, &done);
}

enum imap_next
imap_copy_start(struct imap_cmd *cmd, bool move)
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
		return cmd_bad(cmd, "Invalid message number");
	arena_on_free(cmd->arena, free_uids, c);
	if (move && box->read_only)
		return cmd_no(cmd, "READ-ONLY", "The mailbox is open read-only");
	/* RFC 6851 section 4.2: the rights for COPY, STORE of \Deleted and EXPUNGE. */
	missing = (AUTH_RIGHT_DELETED | AUTH_RIGHT_EXPUNGE) & ~box->rights;
	if (move && missing != 0)
		return cmd_no_right(cmd, missing);
	c->open.name = c->args.mailbox;
	c->open.given = &cmd->in.given;
	return cmd_open_mailbox(cmd, &c->open, AUTH_RIGHT_INSERT, &opened);
}
