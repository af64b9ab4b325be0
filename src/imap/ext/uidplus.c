/* SPDX-License-Identifier: Apache-2.0 */
/*
 * UIDPLUS (RFC 4315): reports the UIDs that messages got.  Its other half, UID EXPUNGE, is the UID
 * form of EXPUNGE (imap/cmd/message.c).
 */
#include "imap/cmd.h"

static void
print_appenduid(const struct imap_cmd *cmd, const struct store_change *change, struct buf *code)
{
	(void)cmd;
	wire_out_code_appenduid(code, change->uidvalidity,
	    &(struct wire_set){.v = &(struct wire_range){.lo = change->first_uid,
	                           .hi = change->first_uid + (uint32_t)change->item_count - 1},
	        .n = 1});
}

/* "COPYUID 38505 304,319:320 3956:3958" (section 3), the sets in the same order. */
static void
print_copyuid(const struct imap_cmd *cmd, const struct store_change *change, struct buf *code)
{
	struct wire_set_out set;

	(void)cmd;
	wire_out_code_copyuid_begin(code, change->uidvalidity, &set);
	for (size_t i = 0; i < change->pair_count; i++)
		wire_set_out_add(&set, change->pairs[i].source, change->pairs[i].source);
	wire_out_code_copyuid_to(&set);
	for (size_t i = 0; i < change->pair_count; i++)
		wire_set_out_add(&set, change->pairs[i].target, change->pairs[i].target);
	wire_set_out_end(&set);
}

static const struct imap_code codes[] = {
    {.name = "APPENDUID", .rfc = "4315", .when = "APPEND: the UIDs that the messages got"},
    {.name = "COPYUID",
        .rfc = "4315",
        .when = "COPY and MOVE: the UIDs of the messages, and those that they got"},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "UIDPLUS", .rfc = "4315", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_uidplus = {
    .name = "uidplus",
    .title = "UIDPLUS (RFC 4315)",
    .caps = caps,
    .codes = codes,
    .appended = print_appenduid,
    .copied = print_copyuid,
};
