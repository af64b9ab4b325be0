/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: frames, requests and their operations, on a store with the mem engine that
 * has users a and b and some mail; without a server, so operations that need one refuse.  The input
 * is what a command sends.  The byte 0xff is an escape; the next byte says what happens:
 *	r p d w b e t k f   begin a frame of this type; its length is filled in
 *	s   in a frame: a record of a mailstream begins with its tag, as import
 *	    takes it; length and checksum are filled in
 *	!   what follows is sent as it is, outside of any frame
 *	n   the next connection; until then a server has one request to answer
 *	u   the next commit's outcome is unknown
 *	F   … finds the disk full
 * Bytes before the first escape are a frame of type r.  Each answer must be frames followed by one
 * result.  At the end the store must be valid; after a restore, `check` may find faults, but must
 * answer.
 */
#include <sys/socket.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/log.h"
#include "control/ops/ops.h"
#include "port/mailstream.h"
#include "site.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The capacity of the sockets' buffers when nobody reads. */
enum { WIRE_MAX = 100000, ANSWER_MAX = 8 << 20 };

struct peer {
	struct site *site;
	struct ops ops;
	struct buf wire, frame, record;
	char type; /* of the current frame; 0: none */
	bool recording;
	bool restored; /* records were written that nobody has checked */
};

static void
no_log(enum log_level level, const char *context, const char *text, void *arg)
{
	(void)level, (void)context, (void)text, (void)arg;
}

static struct site *
make_site(void)
{
	struct site *site = site_new(&(struct site_options){.conf = STR("")});

	site_user(site, "a", "b", "*", true);
	site_user(site, "b", "b", NULL, false);
	site_mailbox(site, "a", "Work");
	site_message(site, "a", "INBOX", "\\Seen word", STR("Subject: one\r\n\r\ntext\r\n"));
	site_message(site, "a", "Work", "\\Deleted", STR("Subject: two\r\n\r\ntext\r\n"));
	return site;
}

/* ---- what is sent ---- */

static void
end_record(struct peer *p)
{
	struct str body = buf_as_str(&p->record);
	char tag = body.n > 0 ? body.p[0] : '\0';

	if (p->recording && body.n > 0) {
		body = (struct str){.p = body.p + 1, .n = body.n - 1};
		buf_putc(&p->frame, tag);
		buf_vstr(&p->frame, body);
		buf_le64(&p->frame, XXH3_64bits_withSeed(body.p, body.n, (unsigned char)tag));
	}
	p->recording = false;
	p->record.n = 0;
}

static void
end_frame(struct peer *p)
{
	end_record(p);
	if (p->type != '\0') {
		buf_putc(&p->wire, p->type);
		buf_be32(&p->wire, (uint32_t)p->frame.n);
		buf_str(&p->wire, buf_as_str(&p->frame));
	}
	p->type = '\0';
	p->frame.n = 0;
}

static void
put(struct peer *p, char c)
{
	buf_putc(p->recording ? &p->record : p->type != '\0' ? &p->frame : &p->wire, c);
}

/* Hashing a password is slow by design, so no request has one. */
static void
without_passwords(struct buf *wire)
{
	const char *at;

	while ((at = str_find(buf_as_str(wire), STR("password"))) != NULL)
		wire->p[at - wire->p] = 'P';
}

/* ---- what comes back ---- */

static void
read_all(int fd, struct buf *answer)
{
	ssize_t n = 1;

	while (n > 0) {
		n = recv(fd, buf_room(answer, 65536), 65536, MSG_DONTWAIT);
		if (n > 0)
			answer->n += (size_t)n;
	}
}

/* Returns the type of the last frame. */
static char
look_at(struct str answer)
{
	struct rd r = rd_of(answer);
	char type = '\0';

	while (rd_left(&r) > 0) {
		TS_ASSERT(type != FRAME_OK && type != FRAME_FAILED);
		type = (char)rd_u8(&r);
		TS_ASSERT(strchr("pdwtkf", type) != NULL && type != '\0');
		rd_bytes(&r, rd_be32(&r));
		TS_ASSERT(!r.bad);
	}
	return type;
}

/* Serves a request and checks the answer.  Returns 0 if the answer is larger than what is buffered
 * for a peer that does not read. */
static char
serve(struct peer *p, struct str wire, struct buf *answer)
{
	struct channel ch = {.stop = -1, .patience = 0};
	int fd[2], room = ANSWER_MAX;
	char result = '\0';

	TS_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd) == 0);
	(void)setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	if (wire.n > WIRE_MAX)
		wire.n = WIRE_MAX;
	TS_ASSERT(wire.n == 0 || send(fd[0], wire.p, wire.n, 0) == (ssize_t)wire.n);
	ch.fd = fd[1];
	op_serve(&ch, &p->ops);
	close(fd[1]);
	read_all(fd[0], answer);
	close(fd[0]);
	if (answer->n < WIRE_MAX / 2) {
		result = look_at(buf_as_str(answer));
		TS_ASSERT(result == FRAME_OK || result == FRAME_FAILED);
	}
	return result;
}

static void
next_connection(struct peer *p)
{
	struct buf answer = {0};

	end_frame(p);
	without_passwords(&p->wire);
	p->restored |= str_find(buf_as_str(&p->wire), STR("restore")) != NULL;
	(void)serve(p, buf_as_str(&p->wire), &answer);
	p->wire.n = 0;
	buf_fini(&answer);
}

static void
event(struct peer *p, char what)
{
	switch (what) {
	case 's':
		end_record(p);
		p->recording = p->type != '\0';
		break;
	case '!':
		end_frame(p);
		break;
	case 'n':
		next_connection(p);
		p->type = FRAME_REQUEST;
		break;
	case 'u':
		engine_mem_fail(p->site->disk, ENGINE_MEM_COMMIT, 1, TS_UNKNOWN, false);
		break;
	case 'F':
		engine_mem_fail(p->site->disk, ENGINE_MEM_COMMIT, 1, TS_FULL, false);
		break;
	default:
		if (what != '\0' && strchr("rpdwbetkf", what) != NULL) {
			end_frame(p);
			p->type = what;
		}
	}
}

static void
check(struct peer *p)
{
	static const char request[] = "r\0\0\0\7check\n\n";
	struct buf answer = {0};
	char result = serve(p, (struct str){.p = request, .n = sizeof(request) - 1}, &answer);
	bool sound = str_find(buf_as_str(&answer), STR("\nfound: 0\n")) != NULL;

	TS_ASSERT((result == FRAME_OK && sound) || p->restored);
	buf_fini(&answer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct peer p = {.type = FRAME_REQUEST};

	log_set_sink(no_log, NULL);
	p.site = make_site();
	p.ops = (struct ops){.find = ops_find, .store = p.site->store, .auth = p.site->auth};
	for (size_t at = 0; at < size; at++)
		if (data[at] == 0xff && at + 1 < size)
			event(&p, (char)data[++at]);
		else
			put(&p, (char)data[at]);
	next_connection(&p);
	engine_mem_fail(p.site->disk, ENGINE_MEM_COMMIT, 0, TS_OK, false);
	check(&p);
	buf_fini(&p.wire);
	buf_fini(&p.frame);
	buf_fini(&p.record);
	site_free(&p.site);
	return 0;
}
