/* SPDX-License-Identifier: Apache-2.0 */
/* A transport without a socket, see stream_fake.h. */
#include "net/stream_fake.h"

#include "base/mem.h"
#include "net/stream_int.h"
#include "sasl/mech.h"

struct stream_fake {
	struct stream *stream; /* NULL after its end */
	struct buf in, out;
	size_t in_off;
	size_t segment, window;
	uint64_t acks, writes,
	    fail_write; /* fail_write: the write that breaks the connection; 0: none */
	bool end, broken, ended, mute, compresses;
	enum stream_end why;
	struct tls_identity identity;
};

static const struct transport fake_tls_transport;

static enum io
fake_read(struct stream *s, char *p, size_t cap, size_t *n_r)
{
	struct stream_fake *f = s->fake;
	size_t n = f->in.n - f->in_off;

	if (f->broken)
		return IO_BROKEN;
	if (n == 0)
		return f->end ? IO_END : IO_WANT_IN;
	if (f->segment > 0 && n > f->segment)
		n = f->segment;
	if (n > cap)
		n = cap;
	memcpy(p, f->in.p + f->in_off, n);
	f->in_off += n;
	if (f->in_off == f->in.n)
		f->in.n = f->in_off = 0;
	*n_r = n;
	return IO_OK;
}

static enum io
fake_write(struct stream *s, struct str bytes, size_t *n_r)
{
	struct stream_fake *f = s->fake;

	if (++f->writes == f->fail_write)
		f->broken = true;
	if (f->broken)
		return IO_BROKEN;
	*n_r = bytes.n < f->window ? bytes.n : f->window;
	if (*n_r == 0)
		return IO_WANT_OUT;
	buf_put(&f->out, bytes.p, *n_r);
	if (f->window != SIZE_MAX)
		f->window -= *n_r;
	return IO_OK;
}

static bool
fake_buffered(struct stream *s)
{
	(void)s;
	return false;
}

static void
fake_ack(struct stream *s)
{
	s->fake->acks++;
}

static bool
fake_secure(struct stream *s)
{
	s->transport = &fake_tls_transport;
	return true;
}

static enum io
fake_handshake(struct stream *s)
{
	if (s->fake->broken)
		return IO_BROKEN;
	return s->fake->mute ? IO_WANT_IN : IO_OK;
}

static bool
fake_shut(struct stream *s)
{
	(void)s;
	return false;
}

static enum io
fake_discard(struct stream *s)
{
	(void)s;
	return IO_END;
}

static void
unblock(struct stream *s)
{
	s->out_blocked = false;
	stream_kick(s);
}

/* There is no poll: what is wanted and available is reported in the next turn. */
static void
fake_watch(struct stream *s, bool want_in, bool want_out)
{
	struct stream_fake *f = s->fake;

	if (want_in && s->state == STREAM_HANDSHAKE
	        ? !f->mute
	        : want_in && (f->in.n > f->in_off || f->end || f->broken))
		stream_poke(s);
	if (want_out && f->window > 0)
		unblock(s);
}

static void
fake_drop(struct stream *s)
{
	stream_gone(s);
}

static void
fake_info(const struct stream *s, struct stream_tls_info *info_r)
{
	*info_r = (struct stream_tls_info){.version = "TLSv1.3",
	    .cipher = "FAKE",
	    .compresses = s->fake != NULL && s->fake->compresses};
}

static bool
fake_binding(const struct stream *s, struct sasl_binding *binding_r)
{
	(void)s;
	binding_r->name = STR("tls-exporter");
	binding_r->n = 32;
	memset(binding_r->data, 'b', 32);
	return true;
}

static struct tls_peer *
fake_peer(struct stream *s)
{
	(void)s; /* fake_identity() */
	return NULL;
}

static const struct tls_identity *
fake_identity(const struct stream *s)
{
	return s->fake != NULL && stream_is_tls(s) ? &s->fake->identity : &tls_identity_none;
}

static void
fake_ended(struct stream *s)
{
	struct stream_fake *f = s->fake;

	if (f == NULL) /* the test is done with it */
		return;
	f->stream = NULL;
	f->ended = true;
	f->why = s->why;
}

#define FAKE_TRANSPORT                                                                             \
	.read = fake_read, .write = fake_write, .buffered = fake_buffered, .ack = fake_ack,        \
	.secure = fake_secure, .handshake = fake_handshake, .shut = fake_shut,                     \
	.discard = fake_discard, .watch = fake_watch, .drop = fake_drop, .info = fake_info,        \
	.binding = fake_binding, .peer = fake_peer, .identity = fake_identity, .ended = fake_ended

static const struct transport fake_transport = {FAKE_TRANSPORT};
static const struct transport fake_tls_transport = {FAKE_TRANSPORT, .tls = true};

struct stream_fake *
stream_fake_new(struct loop *loop, bool tls)
{
	struct stream_fake *f = mem_zalloc(sizeof(*f));

	f->window = SIZE_MAX;
	f->identity = tls_identity_none;
	f->stream = stream_make(loop, &fake_transport);
	f->stream->fake = f;
	if (tls)
		stream_begin_tls(f->stream);
	return f;
}

void
stream_fake_free(struct stream_fake **fake)
{
	struct stream_fake *f = *fake;

	*fake = NULL;
	if (f == NULL)
		return;
	if (f->stream != NULL) {
		stream_die(f->stream, STREAM_END_LOCAL);
		f->stream->fake = NULL;
	}
	buf_fini(&f->in);
	buf_fini(&f->out);
	mem_free(f);
}

void
stream_fake_set_identity(struct stream_fake *fake, const struct tls_identity *identity)
{
	fake->identity = *identity;
}

struct stream *
stream_fake_stream(struct stream_fake *fake)
{
	return fake->stream;
}

static void
poke(struct stream_fake *f)
{
	if (f->stream != NULL)
		stream_poke(f->stream);
}

void
stream_fake_push(struct stream_fake *fake, struct str bytes)
{
	TS_ASSERT(!fake->end);
	buf_str(&fake->in, bytes);
	poke(fake);
}

void
stream_fake_set_segment(struct stream_fake *fake, size_t n)
{
	fake->segment = n;
}

void
stream_fake_fail_write(struct stream_fake *fake, uint64_t n)
{
	fake->writes = 0;
	fake->fail_write = n;
}

uint64_t
stream_fake_writes(const struct stream_fake *fake)
{
	return fake->writes;
}

uint64_t
stream_fake_acks(const struct stream_fake *fake)
{
	return fake->acks;
}

void
stream_fake_end(struct stream_fake *fake)
{
	fake->end = true;
	if (fake->stream != NULL)
		stream_set_peer_ended(fake->stream);
	poke(fake);
}

void
stream_fake_break(struct stream_fake *fake)
{
	fake->broken = true;
	if (fake->stream != NULL)
		stream_die(fake->stream, STREAM_END_ERROR);
}

void
stream_fake_set_window(struct stream_fake *fake, size_t n)
{
	fake->window = n;
	if (fake->stream != NULL && n > 0)
		unblock(fake->stream);
}

void
stream_fake_hold_handshake(struct stream_fake *fake, bool held)
{
	fake->mute = held;
	poke(fake);
}

void
stream_fake_compress(struct stream_fake *fake)
{
	fake->compresses = true;
}

size_t
stream_fake_untaken(const struct stream_fake *fake)
{
	return fake->in.n - fake->in_off;
}

struct buf *
stream_fake_output(struct stream_fake *fake)
{
	return &fake->out;
}

bool
stream_fake_ended(const struct stream_fake *fake, enum stream_end *why_r)
{
	if (fake->ended && why_r != NULL)
		*why_r = fake->why;
	return fake->ended;
}
