/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_RENDER_H
#define IMAP_RENDER_H
/*
 * Render: FETCH responses for a window of messages, in pieces of bounded size.
 *
 * The loop fills the window (records and sequence numbers), and renders it if the items need
 * nothing more: imap_render_run() with needs 0.  For summaries or bodies imap_render_run() runs on
 * a worker: it reads the mailbox's state through the store, and of the connection only the view,
 * which does not change while a command is in progress.
 *
 * Literals are read in pieces.  If the summary does not say how long one is (BINARY,
 * HEADER.FIELDS), it is processed twice: to measure it, and to send it.  One that fits into a piece
 * is read once.
 *
 * The command's hold keeps messages readable that others expunge meanwhile; one that could not be
 * kept sets `expunged`.
 *
 * A message whose summary or body cannot be read gets no response and sets `failed`.  If the read
 * fails after part of a literal was handed over, nothing valid can follow: `broken`.
 */
#include "imap/cmd.h"
#include "mail/fields.h"
#include "mail/summary.h"
#include "mail/surrogate.h"
#include "mail/text/decode.h"

#define IMAP_RENDER_WINDOW 256u
#define IMAP_RENDER_PIECE (256u * 1024)

struct imap_render_message {
	struct store_message record;
	uint32_t seq;
	bool tell_flags; /* send FLAGS even if not requested: this command set \Seen */
	size_t summary_off, summary_n; /* in `summaries` */
	enum ts_err summary_err;
};

struct imap_render {
	/* what and how; constant during the command */
	struct store *store;
	struct store_mailbox *mailbox;
	struct store_hold *hold; /* NULL: the window has everything needed */
	const struct imap_box *box;
	const struct wire_dialect *dialect;
	const struct wire_fetch_item *items;
	struct mail_names *names; /* for each item: the names of HEADER.FIELDS */
	size_t item_count;
	unsigned needs;                      /* of the current window */
	bool has_flags, has_uid, has_modseq; /* among the items */
	bool surrogates; /* send messages with UTF-8 in their header as surrogates */
	bool may_need;   /* more, for some messages: imap_render_needs_of() */

	/* the window */
	struct imap_render_message *messages; /* room for `window` of them */
	size_t window;                        /* at most IMAP_RENDER_WINDOW */
	size_t count;
	struct imap_keywords *keywords; /* as of the window's moment; NULL: no flags are sent */
	struct buf summaries;           /* of the messages before summaries_end: read in pieces */
	size_t summaries_end;

	/* position: message, item, bytes of a literal */
	size_t message, item;
	bool begun;           /* the head of its response was printed */
	size_t message_start; /* in out, if begun; SIZE_MAX: partly handed over */
	struct mail_summary summary;
	bool summary_open;
	/* If surrogates may be sent and no summaries are read: the front of the message, which
	 * shows whether its header is ASCII, and otherwise the message's own summary. */
	struct buf front, lone;
	bool front_read;
	enum ts_err front_err;
	struct imap_render_source { /* of the literal being measured or sent */
		enum imap_render_way { IMAP_AS_IS, IMAP_DECODED, IMAP_CHOSEN } way;
		bool active, measuring, size_only;
		uint64_t begin, len; /* range in the blob */
		uint64_t done;       /* bytes of it that were read */
		uint64_t size;       /* resulting size, as measured so far */
		bool nul;
		uint64_t skip, take; /* bytes of the result still to skip, to send */
		enum mail_encoding encoding;
		struct mail_decoder decoder;
		struct mail_choice choice;
		/* for a message sent as a surrogate */
		bool surrogate;
		uint32_t part; /* the first part whose header has not been passed */
		struct mail_surrogate header;
	} source;

	/* results */
	struct buf out;
	roaring_bitmap_t *downgraded; /* UIDs; NULL: no surrogate was sent */
	bool failed, expunged, broken, item_failed;
	const struct imap_refusal *refused; /* by an item's locate(); NULL: by none */
};

/* An item that an extension implements: item->ext points to one of these. */
struct imap_claimed {
	const struct imap_fetch_item *row;
	const void *args;
};

static inline const struct imap_claimed *
imap_claimed(const struct wire_fetch_item *item)
{
	return item->ext;
}

/* Returns what an item needs: a mask of enum imap_needs. */
unsigned imap_render_needs(const struct wire_fetch_item *item);
/* Returns what the extensions' items need of this message beyond that. */
unsigned imap_render_needs_of(const struct imap_render *r, const struct store_message *record);
/* Sets the items, which must stay valid, and with them arena a. */
void imap_render_items(
    struct imap_render *r, struct arena *a, const struct wire_fetch_item *items, size_t n);
/* BLOCKING unless needs is 0.  Renders until the window is done (message == count) or out has a
 * piece; then returns true, and the caller empties out.  Returns false if enough(), which is called
 * between pieces, returned true: continue later with the same call.  enough may be NULL. */
bool imap_render_run(struct imap_render *r, bool (*enough)(void *arg), void *arg);
void imap_render_next_window(struct imap_render *r);
void imap_render_fini(struct imap_render *r);
#endif
