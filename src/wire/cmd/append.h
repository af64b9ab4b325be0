/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_APPEND_H
#define WIRE_CMD_APPEND_H
/*
 * Parses and prints APPEND (RFC 9051 section 6.3.12, MULTIAPPEND RFC 3502, BINARY RFC 3516, the
 * UTF8 form of RFC 6855), whose messages are streamed, never collected.
 *
 * The framer (wire/frame.h) stops at each literal.  The text from the end of APPEND's name, or from
 * the end of the last message, up to there (including the line end) is a segment:
 *
 *	wire_append_init(&ap, arena, dialect, limits);
 *	at LITERAL, LITERAL_TOO_BIG or DONE of the framer, with the text so far:
 *	switch (wire_append_feed(&ap, segment)) {
 *	case WIRE_APPEND_STRING:   accept the literal inline and feed again, at the next
 *	                           stop, the same segment plus what has arrived since
 *	case WIRE_APPEND_MESSAGE:  ap.message describes it; refuse, or stream its
 *	                           ap.message.size bytes, wire_frame_cut(), and feed the
 *	                           segment that follows
 *	case WIRE_APPEND_END:      the command is complete; ap.n_messages >= 1
 *	case WIRE_APPEND_BAD:      ap.error; wire_frame_refuse() unless the framer was DONE
 *	}
 *
 * The first segment is wire_in_rest() after wire_cmd_head().  Segments may be freed once fed; names
 * and flags are copied to the arena.
 *
 * A client prints the same pieces, and sends the bytes of each message between them:
 *
 *	wire_append_print(&b, dialect, mailbox);
 *	for each message:  wire_append_message_print(&b, &message);   wait for "+" if .sync
 *	                   its bytes
 *	                   wire_append_message_end(&b, &message);
 *	wire_cmd_end(&b);
 *
 * The response is the code APPENDUID (wire/code.h).
 */
#include "wire/date.h"
#include "wire/flags.h"

enum wire_append_result {
	WIRE_APPEND_STRING,
	WIRE_APPEND_MESSAGE,
	WIRE_APPEND_END,
	WIRE_APPEND_BAD,
};

struct wire_append_message {
	uint64_t size; /* 0 in MULTIAPPEND cancels the whole command (RFC 3502 section 6.3.11) */
	bool literal8, sync;
	bool utf8; /* UTF8 (~{n}, RFC 6855 section 4); also sets literal8 */
	struct wire_flags flags;
	bool has_time;
	struct wire_time time;
};

struct wire_append {
	struct str mailbox; /* valid from the first MESSAGE on */
	struct wire_append_message message;
	size_t n_messages;         /* including this one */
	struct str given;          /* as in struct wire_in, for the mailbox */
	bool impossible, too_much; /* as in struct wire_in */
	const char *error;
	/* private */
	struct arena *arena;
	const struct wire_dialect *dialect;
	const struct wire_limits *limits;
};

void wire_append_init(struct wire_append *ap, struct arena *arena,
    const struct wire_dialect *dialect, const struct wire_limits *limits);
enum wire_append_result wire_append_feed(struct wire_append *ap, struct str segment);

void wire_append_print(struct buf *b, const struct wire_dialect *d, struct str mailbox);
/* Prints through the line end after the literal's head. */
void wire_append_message_print(struct buf *b, const struct wire_append_message *m);
void wire_append_message_end(struct buf *b, const struct wire_append_message *m);
#endif
