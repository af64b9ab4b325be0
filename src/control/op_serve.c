/* SPDX-License-Identifier: Apache-2.0 */
/* The server's end of a channel: one request, its operation, the answer. */
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "control/op.h"

enum { PROGRESS_MS = 100, GATHERED_BYTES = 64 << 10 };

struct channel_io {
	struct op_io io;
	const struct channel *ch;
	uint64_t told_ms; /* when progress was last sent; 0: never */
	/* Bulk data collected before it is sent, since each small piece would wake the command.  It
	 * is sent before anything else. */
	struct buf gathered;
	bool broken, ended;
};

static void
write_gathered(struct channel_io *c)
{
	if (!c->broken && c->gathered.n > 0)
		c->broken = channel_over(c->ch) ||
		            !frame_write_all(c->ch, FRAME_DATA, buf_as_str(&c->gathered));
	c->gathered.n = 0;
}

static void
io_progress(struct op_io *io, const char *what, uint64_t done, uint64_t total)
{
	struct channel_io *c = (struct channel_io *)(void *)io;
	uint64_t now = clock_mono_ms();
	struct buf text = {0};

	if (c->broken || (c->told_ms != 0 && now - c->told_ms < PROGRESS_MS && done != total))
		return;
	c->told_ms = now;
	write_gathered(c);
	if (c->broken)
		return;
	buf_be64(&text, done);
	buf_be64(&text, total);
	buf_put(&text, what, strnlen(what, 1024));
	c->broken = !frame_write(c->ch, FRAME_PROGRESS, buf_as_str(&text));
	buf_fini(&text);
}

static bool
io_send(struct op_io *io, struct str bytes)
{
	struct channel_io *c = (struct channel_io *)(void *)io;

	buf_str(&c->gathered, bytes);
	if (c->gathered.n >= GATHERED_BYTES)
		write_gathered(c);
	return !c->broken;
}

static bool
io_receive(struct op_io *io, struct buf *bytes)
{
	struct channel_io *c = (struct channel_io *)(void *)io;
	enum frame_type type;

	write_gathered(c);
	if (c->broken || c->ended)
		return false;
	if (!frame_write(c->ch, FRAME_WANT, STR("")) ||
	    frame_read(c->ch, FRAME_BYTES_MAX, &type, bytes) != FRAME_READ ||
	    (type != FRAME_PIECE && type != FRAME_END))
		c->broken = true;
	else if (type == FRAME_END)
		c->ended = true;
	return !c->broken && !c->ended;
}

static bool
io_gone(struct op_io *io)
{
	struct channel_io *c = (struct channel_io *)(void *)io;

	return c->broken || channel_over(c->ch);
}

static bool
carry_out(const struct channel *ch, const struct ops *ops, struct str wire, struct buf *text)
{
	struct channel_io c = {.io = {io_progress, io_send, io_receive, io_gone}, .ch = ch};
	struct request *req = mem_zalloc(sizeof(*req));
	const struct op *op = NULL;
	bool ok = false;

	if (!request_parse(wire, req))
		buf_puts(text, "not a valid request\n");
	else if ((op = ops->find(req->verb)) == NULL)
		buf_printf(text,
		    "the server does not know the request '%.*s': is it of another version?\n",
		    STR_ARG(req->verb));
	else if (op->needs_server && ops->server == NULL)
		buf_puts(text, "no server is running on this store\n");
	else if (channel_stopping(ch) && !op->while_stopping)
		buf_puts(text, "the server is shutting down: try again when it is back\n");
	else
		ok = op->run(ops, req, text, &c.io);
	if (op != NULL && ops->server != NULL)
		log_msg(LOG_INFO, "control", "%s%s%.*s: %s", op->verb,
		    request_get(req, "name").n > 0 ? " " : "", STR_ARG(request_get(req, "name")),
		    ok ? "done" : "failed");
	write_gathered(&c);
	buf_fini(&c.gathered);
	request_fini(req);
	mem_free(req);
	return ok && !c.broken;
}

void
op_serve(const struct channel *ch, const struct ops *ops)
{
	struct buf wire = {0}, text = {0};
	enum frame_type type;
	bool ok = false;

	switch (frame_read(ch, REQUEST_BYTES_MAX, &type, &wire)) {
	case FRAME_READ:
		if (type == FRAME_REQUEST)
			ok = carry_out(ch, ops, buf_as_str(&wire), &text);
		else
			buf_puts(&text, "a request comes first\n");
		break;
	case FRAME_BAD:
		buf_puts(&text, "not a valid request: is the command of another version than the "
		                "server?\n");
		break;
	case FRAME_GONE:
		buf_puts(&text, "the request did not come\n");
		break;
	}
	if (frame_write_all(ch, FRAME_TEXT, buf_as_str(&text)))
		frame_write(ch, ok ? FRAME_OK : FRAME_FAILED, STR(""));
	buf_wipe_fini(&wire);
	buf_fini(&text);
}
