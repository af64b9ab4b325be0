/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEARCH and UID SEARCH (RFC 3501 and RFC 9051 section 6.4.4).  The program is
 * compiled and run as in criteria.h; the result is printed in pieces.
 * Extensions bring the RETURN options (ESEARCH, SEARCHRES).
 */
#include "imap/cmd.h"

#include "imap/common/criteria.h"

#define PRINT_PIECE 2048u
/* Most bytes of a number, twice, since buffers grow by doubling. */
#define HIT 22u

struct search {
	struct wire_search args;
	struct imap_criteria criteria;
	uint32_t from; /* printing: the next UID */
};

static struct imap_found
found_of(struct imap_cmd *cmd)
{
	struct search *s = cmd->state;
	const roaring_bitmap_t *uids = s->criteria.found;
	bool none = roaring_bitmap_is_empty(uids);
	struct imap_found found = {.cmd = cmd,
	    .args = &s->args,
	    .uids = uids,
	    .first = none ? 0 : roaring_bitmap_minimum(uids),
	    .last = none ? 0 : roaring_bitmap_maximum(uids)};

	imap_criteria_told(&s->criteria, &found);
	return found;
}

static enum imap_next
end_ok(struct imap_cmd *cmd)
{
	const struct search *s = cmd->state;
	struct imap_found found = found_of(cmd);

	return imap_criteria_ok(cmd, &s->criteria, &found, N_("Searched"));
}

/* ---- printing */

/* Gets up to max numbers from s->from on, as the client counts; neighbours in the view need no
 * search. */
static size_t
next_numbers(struct imap_cmd *cmd, uint32_t *numbers, size_t max)
{
	struct search *s = cmd->state;
	const roaring_bitmap_t *view = imap_box(cmd->conn)->uids;
	roaring_uint32_iterator_t it, at;
	uint32_t seq = 0;
	size_t n = 0;

	roaring_init_iterator(s->criteria.found, &it);
	roaring_init_iterator(view, &at);
	(void)roaring_move_uint32_iterator_equalorlarger(&it, s->from);
	for (; it.has_value && n < max; n++) {
		uint32_t uid = it.current_value;

		if (cmd->uid) {
			numbers[n] = uid;
		} else {
			if (seq > 0 && at.has_value && at.current_value == uid) {
				seq++;
			} else {
				seq = (uint32_t)roaring_bitmap_rank(view, uid);
				(void)roaring_move_uint32_iterator_equalorlarger(&at, uid);
			}
			roaring_advance_uint32_iterator(&at);
			numbers[n] = seq;
		}
		if (uid == UINT32_MAX) {
			s->from = 0;
			return n + 1;
		}
		s->from = uid + 1;
		roaring_advance_uint32_iterator(&it);
	}
	return n;
}

/* The whole line goes into the out buffer, since nothing may come in between; ten bytes a hit. */
static enum imap_next
print_search(struct imap_cmd *cmd)
{
	const struct search *s = cmd->state;
	struct imap_found found = found_of(cmd);
	struct buf *out = imap_out(cmd->conn);
	uint32_t numbers[PRINT_PIECE];
	size_t n;

	wire_out_search_begin(out);
	do {
		n = next_numbers(cmd, numbers, PRINT_PIECE);
		wire_out_search_add(out, numbers, n);
	} while (n == PRINT_PIECE);
	wire_out_search_end_modseq(out, imap_criteria_modseq(&s->criteria, &found));
	return end_ok(cmd);
}

static void
add_all(struct imap_cmd *cmd, struct wire_set_out *set)
{
	uint32_t numbers[PRINT_PIECE];
	size_t n;

	do {
		n = next_numbers(cmd, numbers, PRINT_PIECE);
		for (size_t i = 0; i < n; i++)
			wire_set_out_add(set, numbers[i], numbers[i]);
	} while (n == PRINT_PIECE);
}

static enum imap_next
print_esearch(struct imap_cmd *cmd)
{
	struct search *s = cmd->state;
	struct wire_esearch e = {.tag = cmd->tag, .uid = cmd->uid};
	struct imap_found found = found_of(cmd);
	struct wire_set_out all;

	if (!imap_criteria_tell(&s->criteria, &found, &e)) /* RETURN (SAVE) */
		return end_ok(cmd);
	wire_out_esearch_begin(imap_out(cmd->conn), &e, &all);
	if ((e.has & WIRE_RETURN_ALL) != 0)
		add_all(cmd, &all);
	wire_set_out_end(&all);
	imap_criteria_print(&s->criteria, &found, imap_out(cmd->conn));
	wire_out_esearch_end(imap_out(cmd->conn), &all);
	return end_ok(cmd);
}

/* ---- running */

static enum imap_next
search_found(struct imap_cmd *cmd)
{
	struct search *s = cmd->state;

	if (s->criteria.failed)
		return imap_criteria_unreadable(cmd, &s->criteria);
	/* Each line goes into the out buffer as a whole. */
	if (!cmd_reserve(cmd, roaring_bitmap_get_cardinality(s->criteria.found) * HIT))
		return imap_criteria_no_room(cmd, &s->criteria);
	/* RFC 9051 section 6.4.4: with rev2 always ESEARCH. */
	if (s->args.has_return || imap_dialect(cmd->conn)->rev2)
		return print_esearch(cmd);
	return print_search(cmd);
}

static enum imap_next
cmd_search(struct imap_cmd *cmd)
{
	static const struct imap_step found = {"search-found", search_found};
	struct search *s = arena_new_object(cmd->arena, struct search);
	bool parsed = wire_search_parse(&cmd->in, &s->args, imap_criteria_key, cmd->conn);

	cmd->state = s;
	s->criteria.args = &s->args;
	return imap_criteria_start(cmd, &s->criteria, parsed, NULL, &found);
}

static const struct imap_cmd_def cmds[] = {
    {.name = "SEARCH",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_UID | IMAP_TRAIT_NUMBERS,
        .start = cmd_search},
    {.name = NULL},
};

const struct imap_ext imap_ext_search = {.name = "search", .title = "SEARCH", .cmds = cmds};
