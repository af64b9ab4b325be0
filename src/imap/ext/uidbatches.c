/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UIDBATCHES (RFC 10022): cuts the selected mailbox into ranges of UIDs with so many messages each,
 * from the newest on.
 *
 * The ends of ranges come by rank in the view, so the command takes a look for each range, however
 * many messages there are.  That is why no client is refused because it asks again (the RFC's NO
 * [LIMIT]), nor because a range is wide; NO [TOOMANY] means that there is no room for the reply.
 * A range ends where the next one begins, the last one with UID 1.
 */
#include "wire/ext/uidbatches.h"
#include "imap/ext/list.h"

/* Bytes of a range, twice, since buffers grow by doubling. */
#define RANGE 44u

struct settings {
	int64_t min;
};

/* Prints the batches from `first` to `last`, counted from 0. */
static void
print_batches(struct imap_cmd *cmd, uint64_t size, uint64_t first, uint64_t last)
{
	const roaring_bitmap_t *view = imap_box(cmd->conn)->uids;
	uint64_t n = roaring_bitmap_get_cardinality(view);
	struct buf *out = imap_out(cmd->conn);
	uint32_t high, low;

	wire_out_uidbatches_begin(out, cmd->tag);
	if (n > first * size) {
		/* The highest one is that of the next newer batch's lowest, less one. */
		(void)roaring_bitmap_select(
		    view, (uint32_t)(n - first * size - (first > 0 ? 0 : 1)), &high);
		if (first > 0)
			high--;
		for (uint64_t batch = first; batch <= last && n > batch * size; batch++) {
			low = 1;
			if (n > (batch + 1) * size)
				(void)roaring_bitmap_select(
				    view, (uint32_t)(n - (batch + 1) * size), &low);
			wire_out_uidbatches_add(out, batch == first, high, low);
			high = low - 1;
		}
	}
	wire_out_uidbatches_end(out);
}

static enum imap_next
cmd_uidbatches(struct imap_cmd *cmd)
{
	const struct settings *settings = imap_ext_settings(cmd->conn, &imap_ext_uidbatches);
	uint64_t n = roaring_bitmap_get_cardinality(imap_box(cmd->conn)->uids), first, last, most;
	struct wire_uidbatches args;

	if (!wire_uidbatches_parse(&cmd->in, &args))
		return cmd_bad_syntax(cmd);
	if (args.some && args.first > args.last)
		return cmd_bad_code(cmd, "CLIENTBUG", "The first batch is after the last one");
	if (args.size < settings->min)
		return cmd_no(cmd, "TOOFEW", "A batch must have more messages");
	most = (n + args.size - 1) / args.size;
	first = args.some ? args.first - 1 : 0;
	last = args.some && args.last < most ? args.last - 1 : most;
	if (last >= first && !cmd_reserve(cmd, (last - first + 1) * RANGE))
		return cmd_no(cmd, "TOOMANY", "Too many batches at once");
	print_batches(cmd, args.size, first, last);
	return cmd_ok(cmd, "Done");
}

static const struct conf_opt opts[] = {
    {.name = "limits.uidbatches_min",
        .type = CONF_INT,
        .def = "500",
        .min = 1,
        .max = 500,
        .offset = offsetof(struct settings, min),
        .prose =
            "The fewest messages that a client may ask for in a batch (UIDBATCHES): NO [TOOFEW] "
            "below. Clients do not ask for fewer than 500 (RFC 10022)."},
};

static const struct conf_table conf = {
    .name = "uidbatches",
    .prose = "UIDBATCHES: a mailbox in ranges of UIDs.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct settings),
};

static const struct imap_cmd_def cmds[] = {
    {.name = "UIDBATCHES",
        .states = IMAP_SELECTED,
        .traits = IMAP_TRAIT_MAY_EXPUNGE,
        .start = cmd_uidbatches},
    {.name = NULL},
};

static const struct imap_code codes[] = {
    {"CLIENTBUG", "5530", "UIDBATCHES: the first batch is after the last one"},
    {"TOOFEW", "10022", "UIDBATCHES: batches of so few messages are not made"},
    {"TOOMANY", "10022", "UIDBATCHES: there is no room for so many ranges"},
    {NULL, NULL, NULL},
};

static const struct imap_cap caps[] = {
    {.word = "UIDBATCHES", .rfc = "10022", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_uidbatches = {.name = "uidbatches",
    .title = "UIDBATCHES (RFC 10022)",
    .caps = caps,
    .cmds = cmds,
    .codes = codes,
    .conf = &conf};
