/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PREVIEW (RFC 8970): the beginning of a message's text.
 *
 * It is made with the summary when a message arrives (mail/preview.h).  For messages that arrived
 * before that existed, it is made on request and not kept: that reads a bounded piece of the
 * message, so PREVIEW (LAZY) returns NIL instead.
 */
#include "mail/preview.h"
#include "imap/cmd.h"
#include "wire/ext/preview.h"

#define PIECE 16384u /* bytes read at a time */

static bool
read_modifiers(struct wire_in *in, const void **args_r)
{
	struct wire_preview *preview = arena_new_object(in->arena, struct wire_preview);

	*args_r = preview;
	return wire_preview_parse(in, preview);
}

static bool
is_lazy(const struct imap_fetched *message)
{
	const struct wire_preview *preview = message->args;

	return preview != NULL && preview->lazy;
}

static void
make(const struct imap_fetched *message, struct buf *out)
{
	struct mail_preview p;
	struct mail_range want;
	struct buf bytes = {0};

	mail_preview_begin(&p, message->summary);
	while (mail_preview_wants(&p, &want)) {
		if (want.len > PIECE)
			want.len = PIECE;
		bytes.n = 0;
		if (!message->read(message, want, &bytes))
			break;
		mail_preview_feed(&p, buf_as_str(&bytes));
	}
	wire_out_string(out, &wire_dialect_rev1, mail_preview_text(&p));
	mail_preview_fini(&p);
	buf_fini(&bytes);
}

static void
print_preview(const struct imap_fetched *message, struct buf *out)
{
	struct str text = mail_summary_text(message->summary, MAIL_TEXT_PREVIEW);

	if (text.p == NULL && !is_lazy(message))
		make(message, out);
	else
		wire_out_nstring(out, &wire_dialect_rev1, text);
}

static const struct imap_fetch_item fetch_items[] = {
    {.name = "PREVIEW",
        .needs = IMAP_NEEDS_SUMMARY | IMAP_NEEDS_BLOB,
        .logged = true, /* RFC 8970 section 8 */
        .parse = read_modifiers,
        .print = print_preview},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "PREVIEW", .rfc = "8970", .states = IMAP_LOGGED_IN},
    {.word = NULL},
};

const struct imap_ext imap_ext_preview = {
    .name = "preview",
    .title = "PREVIEW (RFC 8970)",
    .caps = caps,
    .fetch_items = fetch_items,
};
