/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack of layers, see layer.h.  stream.c calls in here where bytes move up
 * and down, and only if there is a stack.
 */
#include "net/layer.h"

#include "base/log.h"
#include "base/mem.h"
#include "net/stream_int.h"

enum {
	CHUNK = 64 * 1024, /* decoded or encoded at a time */
	PEEK = 64,
};

static struct str
raw_of(const struct stream_layer *l)
{
	return buf_behind(&l->raw, l->raw_off);
}

static void
raw_used(struct stream_layer *l, size_t n)
{
	TS_ASSERT(n <= l->raw.n - l->raw_off);
	l->raw_off += n;
	if (l->raw_off == l->raw.n) {
		buf_wipe_fini(&l->raw);
		l->raw_off = 0;
	} else if (l->raw_off > l->raw.n / 2) {
		buf_consume(&l->raw, l->raw_off);
		l->raw_off = 0;
	}
}

static struct stream_layer *
oldest(const struct stream *s)
{
	struct stream_layer *l = s->layers->top;

	while (l != NULL && l->below != NULL)
		l = l->below;
	return l;
}

static void
broken(struct stream *s, const struct stream_layer *l)
{
	log_msg(LOG_INFO, NULL, "%s failed: %s: connection closed", l->class->name,
	    l->why != NULL ? l->why : "no reason given");
	stream_end_broken(s, l->class->tells);
}

/* ---- life ---- */

static struct stream_layers *
layers_of(struct stream *s)
{
	if (s->layers == NULL)
		s->layers = mem_zalloc(sizeof(*s->layers));
	return s->layers;
}

/* Frees memory as soon as nothing is in it. */
static void
tidy(struct stream *s)
{
	struct stream_layers *ls = s->layers;

	if (ls == NULL || ls->top != NULL || ls->tail != NULL || ls->wire.n > 0)
		return;
	buf_wipe_fini(&ls->wire);
	mem_free(ls);
	s->layers = NULL;
}

static void
release(struct stream_layer *l)
{
	l->below = NULL;
	buf_wipe_fini(&l->raw);
	l->raw_off = 0;
	if (l->class->released != NULL)
		l->class->released(l);
}

static void
end_tail(struct stream *s)
{
	struct stream_layer *l = s->layers->tail;

	s->layers->tail = NULL;
	if (l != NULL)
		release(l);
}

void
layers_drop(struct stream *s)
{
	struct stream_layer *l, *below;

	if (s->layers == NULL)
		return;
	for (l = s->layers->top; l != NULL; l = below) {
		below = l->below;
		release(l); /* its end may have been looked for, and not found: stream_may_pop() */
	}
	s->layers->top = NULL;
	end_tail(s);
	s->layers->wire.n = 0;
	tidy(s);
}

/* ---- input ---- */

size_t
layers_waiting(const struct stream *s)
{
	const struct stream_layer *l = oldest(s);

	return l != NULL ? l->raw.n - l->raw_off : 0;
}

enum pull { PULL_NOTHING, PULL_SOME, PULL_BROKEN };

/* Decodes more bytes of this layer, appending to out. */
static enum pull
pull(struct stream *s, struct stream_layer *l, struct buf *out)
{
	size_t before = out->n, used;
	enum pull below;

	for (;;) {
		used = 0;
		if (!l->class->decode(l, raw_of(l), CHUNK, out, &used)) {
			broken(s, l);
			return PULL_BROKEN;
		}
		raw_used(l, used);
		if (out->n > before)
			return PULL_SOME;
		if (used > 0 && raw_of(l).n > 0)
			continue;
		below = l->below != NULL ? pull(s, l->below, &l->raw) : PULL_NOTHING;
		if (below != PULL_SOME)
			return below;
	}
}

/* For whoever keeps an account of what is computed for whom. */
static void
working(struct stream *s, bool begins)
{
	if (s->layers->top->class->works && s->events != NULL && s->events->working != NULL)
		s->events->working(s->arg, begins);
}

bool
layers_pull(struct stream *s)
{
	struct stream_layers *ls = s->layers;

	if (ls->top == NULL) {
		ls->more = false;
		return false;
	}
	working(s, true);
	ls->more = pull(s, ls->top, &s->in) == PULL_SOME;
	working(s, false);
	return ls->more;
}

/* Gives a popped layer its last bytes. */
static void
feed_tail(struct stream *s, struct str *fresh)
{
	struct stream_layer *l = s->layers->tail;
	size_t used = 0;
	enum layer_tail got = l->class->tail(l, *fresh, &used);

	TS_ASSERT(used <= fresh->n);
	if (used > 0)
		*fresh = (struct str){fresh->p + used, fresh->n - used};
	if (got == LAYER_TAIL_MORE || got == LAYER_TAIL_LOOKS)
		return;
	if (got == LAYER_TAIL_BROKEN)
		broken(s, l);
	end_tail(s);
	tidy(s);
}

bool
layers_take(struct stream *s, struct str *fresh)
{
	if (s->layers->tail != NULL) {
		feed_tail(s, fresh);
		if (fresh->n == 0 || s->state != STREAM_OPEN)
			return true;
	}
	if (s->layers == NULL || s->layers->top == NULL)
		return false;
	buf_str(&oldest(s)->raw, *fresh);
	mem_wipe((void *)(uintptr_t)fresh->p, fresh->n); /* compressed is not encrypted */
	s->layers->more = true;
	return true;
}

void
layers_settle_in(struct stream *s)
{
	struct stream_layers *ls = s->layers;

	ls->moved = false;
	if (s->in.n > s->in_off)
		buf_put(&ls->top->raw, s->in.p + s->in_off, s->in.n - s->in_off);
	buf_wipe_fini(&s->in);
	s->in_off = 0;
	ls->more = true;
	stream_kick(s);
}

/* ---- output ---- */

static bool
encode_down(struct stream *s, struct stream_layer *l, struct str in, struct buf *out)
{
	struct buf between = {0};
	bool ok;

	if (l->below == NULL)
		ok = l->class->encode(l, in, out);
	else
		ok = l->class->encode(l, in, &between);
	if (!ok)
		broken(s, l);
	else if (between.n > 0)
		ok = encode_down(s, l->below, buf_as_str(&between), out);
	buf_wipe_fini(&between);
	return ok;
}

/* Encodes the next of what was put, at most max bytes. */
static bool
encode_out(struct stream *s, size_t max)
{
	size_t n = s->out.n - s->out_off;

	if (n > max)
		n = max;
	if (n > 0 && !encode_down(s, s->layers->top, (struct str){s->out.p + s->out_off, n},
	                 &s->layers->wire)) {
		stream_die(s, STREAM_END_LAYER); /* the peer could not decode anything more */
		return false;
	}
	stream_out_used(s, n);
	return true;
}

struct str
layers_next(struct stream *s)
{
	struct stream_layers *ls = s->layers;

	bool ok;

	if (ls->wire.n == 0 && ls->top != NULL && s->out.n > s->out_off) {
		working(s, true);
		ok = encode_out(s, CHUNK);
		working(s, false);
		if (!ok)
			return STR_NONE;
	}
	return buf_behind(&ls->wire, ls->wire_off);
}

void
layers_wrote(struct stream *s, size_t n)
{
	struct stream_layers *ls = s->layers;

	ls->wire_off += n;
	if (ls->wire_off < ls->wire.n)
		return;
	buf_wipe_fini(&ls->wire);
	ls->wire_off = 0;
	tidy(s);
}

size_t
layers_unsent(const struct stream *s)
{
	return s->layers->wire.n - s->layers->wire_off;
}

/* Sends what was put so far through the stack as it is now. */
static bool
settle_out(struct stream *s)
{
	struct stream_layers *ls = s->layers;

	stream_tap_now(s);
	if (ls->top != NULL)
		return encode_out(s, SIZE_MAX);
	/* TLS may have begun to send these bytes and needs the same again: keep their order. */
	if (s->out.n > s->out_off)
		buf_put(&ls->wire, s->out.p + s->out_off, s->out.n - s->out_off);
	stream_out_used(s, s->out.n - s->out_off);
	return true;
}

/* ---- the consumer's ---- */

void
stream_push(struct stream *s, struct stream_layer *layer)
{
	struct stream_layers *ls = layers_of(s);

	TS_ASSERT(layer->below == NULL && layer->raw.n == 0 && !ls->moved);
	end_tail(s);
	if (!settle_out(s))
		return;
	layer->below = ls->top;
	ls->top = layer;
	ls->moved = true;
	if (!s->in_data)
		layers_settle_in(s);
}

bool
stream_moved(const struct stream *s)
{
	return s->layers != NULL && s->layers->moved;
}

bool
stream_has_layers(const struct stream *s)
{
	return s->layers != NULL && s->layers->top != NULL;
}

/* Returns whether input is on the wire already, plain or for a layer. */
static bool
transport_has_input(struct stream *s)
{
	char bytes[PEEK];
	size_t n;
	enum io got;

	if (s->state != STREAM_OPEN || s->eof)
		return false;
	got = s->transport->read(s, bytes, sizeof(bytes), &n);
	mem_wipe(bytes, sizeof(bytes));
	switch (got) {
	case IO_OK:
		return true;
	case IO_END:
		s->eof = s->peer_ended = true;
		return false;
	case IO_WANT_OUT:
		s->read_wants_out = true;
		return false;
	case IO_BROKEN:
		stream_die(s, STREAM_END_ERROR);
		return false;
	case IO_TLS_FAILED:
		stream_die(s, STREAM_END_TLS);
		return false;
	case IO_WANT_IN:
		return false;
	}
	return false;
}

/* What is not decoded yet may be as much as nothing. */
static bool
nothing_follows(struct stream_layer *l, bool last)
{
	struct str rest = raw_of(l);
	size_t used = 0;
	enum layer_tail got;

	if (rest.n == 0 || (last && l->class->tail != NULL)) /* the tail decides itself, later */
		return true;
	if (l->class->tail == NULL)
		return false;
	got = l->class->tail(l, rest, &used);
	if (got == LAYER_TAIL_BROKEN || used < rest.n)
		return false;
	raw_used(l, used);
	return true;
}

bool
stream_may_pop(struct stream *s)
{
	struct stream_layer *last = oldest(s);

	TS_ASSERT(!s->in_data && last != NULL);
	if (s->in.n > s->in_off)
		return false;
	for (struct stream_layer *l = s->layers->top; l != NULL; l = l->below)
		if (!nothing_follows(l, l == last))
			return false;
	return last->class->tail != NULL || !transport_has_input(s);
}

/* The last layer is removed: look for the end of its bytes. */
static void
begin_tail(struct stream *s, struct stream_layer *l)
{
	struct buf raw = l->raw;
	size_t off = l->raw_off;
	struct str rest = buf_behind(&raw, off);

	l->raw = (struct buf){0};
	l->raw_off = 0;
	s->layers->tail = l;
	feed_tail(s, &rest);
	if (rest.n > 0 && s->state == STREAM_OPEN) {
		buf_str(&s->in, rest);
		s->again = true;
	}
	buf_wipe_fini(&raw);
}

void
stream_forget(struct stream *s)
{
	struct stream_layers *ls = s->layers;

	if (ls == NULL || ls->top == NULL || !settle_out(s))
		return;
	for (struct stream_layer *l = ls->top; l != NULL; l = l->below)
		if (l->class->forget != NULL)
			l->class->forget(l);
	stream_kick(s);
}

void
stream_pop(struct stream *s)
{
	struct stream_layers *ls = s->layers;
	struct stream_layer *l = ls->top;
	struct buf last = {0};
	bool ok;

	TS_ASSERT(!s->in_data && l != NULL);
	ok = settle_out(s) && (l->class->finish == NULL || l->class->finish(l, &last));
	if (ok && last.n > 0)
		ok = l->below != NULL ? encode_down(s, l->below, buf_as_str(&last), &ls->wire)
		                      : (buf_str(&ls->wire, buf_as_str(&last)), true);
	buf_wipe_fini(&last);
	if (!ok && s->state != STREAM_DEAD) {
		broken(s, l);
		stream_die(s, STREAM_END_LAYER);
	}
	ls->top = l->below;
	if (ls->top == NULL && l->class->tail != NULL && s->state == STREAM_OPEN) {
		l->below = NULL;
		begin_tail(s, l);
	} else
		release(l);
	tidy(s);
	if (s->state != STREAM_DEAD)
		stream_kick(s);
}
