/* SPDX-License-Identifier: Apache-2.0 */
/* The command's end of a channel: a request, what is told and asked meanwhile, the answer. */
#include "control/talk.h"

#include "control/frame.h"

static bool
give_piece(const struct channel *ch, const struct talk_bulk *bulk)
{
	struct buf piece = {0};
	bool ok;

	if (bulk != NULL && bulk->give != NULL && bulk->give(&piece, bulk->arg))
		ok = frame_write(ch, FRAME_PIECE, buf_as_str(&piece));
	else
		ok = frame_write(ch, FRAME_END, STR(""));
	buf_wipe_fini(&piece);
	return ok;
}

static void
tell_progress(const struct talk_bulk *bulk, struct buf *frame)
{
	uint64_t done, total;

	if (bulk == NULL || bulk->progress == NULL || frame->n < 16)
		return;
	done = frame_u64(frame->p);
	total = frame_u64(frame->p + 8);
	bulk->progress(buf_cstr(frame) + 16, done, total, bulk->arg);
}

/* One frame; true: there is more to come. */
static bool
handle(const struct channel *ch, enum frame_type type, struct buf *frame,
    const struct talk_bulk *bulk, struct buf *text, enum talk_answer *answer_r)
{
	switch (type) {
	case FRAME_PROGRESS:
		tell_progress(bulk, frame);
		return true;
	case FRAME_DATA:
		return bulk != NULL && bulk->take != NULL &&
		       bulk->take(buf_as_str(frame), bulk->arg);
	case FRAME_WANT:
		return give_piece(ch, bulk);
	case FRAME_TEXT:
		buf_str(text, buf_as_str(frame));
		return true;
	case FRAME_OK:
		*answer_r = TALK_OK;
		return false;
	case FRAME_FAILED:
		*answer_r = TALK_FAILED;
		return false;
	case FRAME_REQUEST:
	case FRAME_PIECE:
	case FRAME_END:
		break;
	}
	return false; /* nothing a server says */
}

enum talk_answer
talk(int fd, struct str wire, const struct talk_bulk *bulk, struct buf *text)
{
	struct channel ch = {.fd = fd, .stop = -1, .patience = -1};
	enum talk_answer answer = TALK_NONE;
	struct buf frame = {0};
	enum frame_type type;

	if (bulk != NULL && bulk->begin != NULL && !bulk->begin(bulk->arg))
		return TALK_NOT_ASKED;
	/* A server that refuses at once does not read: what it says is there all the same. */
	(void)frame_write(&ch, FRAME_REQUEST, wire);
	while (frame_read(&ch, FRAME_BYTES_MAX, &type, &frame) == FRAME_READ &&
	       handle(&ch, type, &frame, bulk, text, &answer))
		frame.n = 0;
	buf_wipe_fini(&frame);
	return answer;
}
