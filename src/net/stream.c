/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Streams, see stream.h: order of events, buffers, limits and life cycle.
 *
 * All work is done in two functions that only the loop calls: stream_ready() when the transport can
 * continue, and turn() at the end of an iteration in which something was requested.  The consumer's
 * calls set flags and ask for a turn, so nothing ever happens inside them.
 *
 * Bytes come up in read_input() and go down in push_out(): there they pass through the layers above
 * the transport (layer.c), if there are any.
 */
#include "net/stream.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/stream_int.h"
#include "sasl/mech.h"

const char *
stream_end_name(enum stream_end why)
{
	static const char *const names[] = {
	    [STREAM_END_LOCAL] = "closed here",
	    [STREAM_END_PEER] = "closed",
	    [STREAM_END_ERROR] = "broken",
	    [STREAM_END_TLS] = "TLS failed",
	    [STREAM_END_LAYER] = "layer failed",
	    [STREAM_END_TIMEOUT] = "timeout",
	};

	return names[why];
}

const struct stream_limits stream_default_limits = {
    .pending = 64 * 1024,
    .high = 256 * 1024,
    .low = 64 * 1024,
    .handshake_ms = 30 * 1000,
    .close_ms = 5 * 1000,
    .stall_ms = 300 * 1000,
};

static size_t
unread(const struct stream *s)
{
	return s->in.n - s->in_off;
}

/* Counts unread input, decoded or not. */
static size_t
waiting(const struct stream *s)
{
	return unread(s) + (s->layers != NULL ? layers_waiting(s) : 0);
}

static void
ask_turn(struct stream *s)
{
	loop_at_end(s->loop, &s->turn);
}

void
stream_die(struct stream *s, enum stream_end why)
{
	if (s->state == STREAM_DEAD)
		return;
	/* Whoever closes first determines the reason. */
	if (s->state != STREAM_CLOSING && s->state != STREAM_LINGER)
		s->why = why;
	s->state = STREAM_DEAD;
	loop_timer_clear(&s->timer);
	s->transport->drop(s);
}

static void
call_closed(struct stream *s)
{
	layers_drop(s); /* closed() may free them */
	if (s->transport->ended != NULL)
		s->transport->ended(s);
	if (s->events != NULL)
		s->events->closed(s->arg, s->why);
	SSL_free(s->ssl);
	tls_peer_free(&s->peer);
	tls_ctx_free(&s->tls);
	mem_free(s->refusal);
	buf_wipe_fini(&s->in);
	buf_fini(&s->out);
	s->loop->users--;
	mem_free(s);
}

static void
begin_close(struct stream *s, enum stream_end why)
{
	if (s->state == STREAM_TLS_WAIT || s->state == STREAM_HANDSHAKE) {
		stream_die(s, why);
		return;
	}
	if (s->state != STREAM_OPEN)
		return;
	s->state = STREAM_CLOSING;
	s->why = why;
	loop_timer_clear(&s->timer);
	loop_timer_set(&s->timer, s->limits->close_ms);
	ask_turn(s);
}

void
stream_end_broken(struct stream *s, bool tells)
{
	s->broke = tells && s->state == STREAM_OPEN;
	begin_close(s, STREAM_END_LAYER);
}

static void
on_timer(void *arg)
{
	stream_die(arg, STREAM_END_TIMEOUT);
}

/* --- input --- */

static bool
wants_input(const struct stream *s)
{
	return s->state == STREAM_OPEN && !s->eof && !s->read_wants_out && s->events != NULL &&
	       (!s->paused || waiting(s) < s->limits->pending);
}

static bool
may_show(const struct stream *s)
{
	return s->state == STREAM_OPEN && !s->paused && s->events != NULL;
}

/* Drops what was consumed; moves a long rest only if it is the smaller part. */
static void
consume(struct stream *s, size_t used)
{
	s->in_off += used;
	if (s->in_off == s->in.n) {
		buf_wipe_fini(&s->in);
		s->in_off = 0;
	} else if (s->in_off > s->in.n / 2) {
		size_t n = s->in.n;

		buf_consume(&s->in, s->in_off);
		mem_wipe(s->in.p + s->in.n, n - s->in.n);
		s->in_off = 0;
	}
}

/*
 * Keeps bytes of the loop's buffer for later.  They may be part of a password,
 * so they are wiped there and from outgrown memory.
 */
static void
keep_bytes(struct stream *s, struct str fresh)
{
	if (s->in.cap - s->in.n < fresh.n) {
		struct buf bigger = {0};

		(void)buf_room(&bigger, (s->in.n + fresh.n) * 2);
		buf_str(&bigger, buf_as_str(&s->in));
		buf_wipe_fini(&s->in);
		s->in = bigger;
	}
	buf_str(&s->in, fresh);
	mem_wipe((void *)(uintptr_t)fresh.p, fresh.n);
}

static size_t
call_data(struct stream *s, struct str in)
{
	size_t used;

	s->in_data = true;
	used = s->events->data(s->arg, in);
	s->in_data = false;
	TS_ASSERT(used <= in.n);
	/*
	 * RFC 3501 and RFC 9051 section 6.2.1: plaintext after STARTTLS may be an attacker's.  What
	 * is still in the kernel fails as a handshake.
	 */
	if (s->state == STREAM_TLS_WAIT && used < in.n) {
		log_msg(LOG_INFO, NULL, "plaintext followed STARTTLS: connection closed");
		stream_die(s, STREAM_END_TLS);
	}
	return used;
}

/* Gives what data() left to a layer that was pushed inside it. */
static void
hand_on(struct stream *s)
{
	if (s->layers != NULL && s->layers->moved)
		layers_settle_in(s);
}

static void
show_kept(struct stream *s)
{
	s->again = false;
	if (s->layers != NULL)
		s->layers->more = true;
	if (unread(s) > 0)
		consume(s, call_data(s, (struct str){s->in.p + s->in_off, unread(s)}));
	hand_on(s);
}

static bool
may_decode(const struct stream *s)
{
	return s->layers != NULL && s->layers->more && may_show(s);
}

/* Shows some of what the layers hold; the rest after others had their turn. */
static void
show_decoded(struct stream *s)
{
	if (!layers_pull(s))
		return;
	consume(s, call_data(s, (struct str){s->in.p + s->in_off, unread(s)}));
	hand_on(s);
	ask_turn(s);
}

/* Passes new bytes from the loop's buffer upwards. */
static void
show_fresh(struct stream *s, struct str fresh)
{
	size_t used;

	if (s->layers != NULL && layers_take(s, &fresh)) {
		if (may_decode(s))
			show_decoded(s);
		return;
	}
	if (unread(s) > 0 || !may_show(s)) {
		keep_bytes(s, fresh);
		if (may_show(s))
			show_kept(s);
		return;
	}
	used = call_data(s, fresh);
	if (used < fresh.n)
		keep_bytes(s, (struct str){fresh.p + used, fresh.n - used});
	hand_on(s);
}

/*
 * A peer may withhold the rest until it sees an ACK.  If the read emptied the socket and no output
 * is about to carry one, sends it by itself.  For complete input this costs nothing, even if it is
 * shown again after others had their turn.
 */
static void
ack_part(struct stream *s)
{
	bool part = waiting(s) > 0 ? !s->again : s->expects;

	if (wants_input(s) && !s->paused && !s->more && part && stream_out_pending(s) == 0)
		s->transport->ack(s);
}

static void
read_input(struct stream *s)
{
	char *p = loop_scratch(s->loop);
	size_t cap = LOOP_SCRATCH, n;

	s->more = s->expects = false;
	if (s->paused && s->limits->pending - waiting(s) < cap)
		cap = s->limits->pending - waiting(s);
	switch (s->transport->read(s, p, cap, &n)) {
	case IO_OK:
		if (n == cap && s->transport->buffered(s))
			stream_poke(s);
		show_fresh(s, (struct str){p, n});
		ack_part(s);
		break;
	case IO_WANT_OUT:
		s->read_wants_out = true;
		break;
	case IO_END:
		s->eof = s->peer_ended = true;
		break;
	case IO_BROKEN:
		stream_die(s, STREAM_END_ERROR);
		break;
	case IO_TLS_FAILED:
		stream_die(s, STREAM_END_TLS);
		break;
	case IO_WANT_IN:
		break;
	}
}

/* Waits for the client's first byte: until then a stranger costs no TLS state. */
static void
shake_hands(struct stream *s)
{
	s->more = s->out_blocked = false;
	if (!s->transport->tls && !s->transport->secure(s)) {
		stream_die(s, STREAM_END_TLS);
		return;
	}
	switch (s->transport->handshake(s)) {
	case IO_OK:
		s->transport->ack(s);
		s->state = STREAM_OPEN;
		s->secured = true;
		s->binds = stream_tls_binding(s, &(struct sasl_binding){{0}});
		s->peer = s->transport->peer(s);
		loop_timer_clear(&s->timer);
		stream_poke(s);
		if (s->events != NULL && s->events->secured != NULL)
			s->events->secured(s->arg);
		break;
	case IO_WANT_OUT:
		s->out_blocked = true;
		break;
	case IO_WANT_IN: /* some clients write each record of a flight separately */
		s->transport->ack(s);
		break;
	case IO_END:
	case IO_BROKEN:
	case IO_TLS_FAILED:
		stream_die(s, STREAM_END_TLS);
		break;
	}
}

static void
linger(struct stream *s)
{
	enum io got;

	s->more = false;
	got = s->transport->discard(s);
	if (got != IO_OK && got != IO_WANT_IN)
		stream_die(s, s->why);
}

/* Reads at most once per step, so that one peer cannot monopolize the loop. */
static void
do_one_step(struct stream *s)
{
	if (s->state == STREAM_HANDSHAKE && s->more)
		shake_hands(s);
	else if (s->state == STREAM_LINGER)
		linger(s);
	else if (s->again && may_show(s)) {
		s->expects = false;
		show_kept(s);
		ack_part(s); /* while it was paused none was sent */
	} else if (may_decode(s))
		show_decoded(s);
	else if (s->more && wants_input(s))
		read_input(s);
	if ((s->state == STREAM_OPEN && s->more && wants_input(s)) || may_decode(s))
		ask_turn(s);
	if (s->eof && may_show(s) && !s->again && !may_decode(s))
		begin_close(s, STREAM_END_PEER);
}

/* --- output --- */

void
stream_out_used(struct stream *s, size_t n)
{
	s->out_off += n;
	if (s->state == STREAM_TLS_WAIT)
		s->clear_left -= n;
	if (s->out_off == s->out.n) {
		buf_fini(&s->out);
		s->out_off = s->tapped = 0;
	} else if (s->out_off > s->out.n / 2) {
		buf_consume(&s->out, s->out_off);
		s->tapped -= s->tapped < s->out_off ? s->tapped : s->out_off;
		s->out_off = 0;
	}
}

/* Returns what to write next; *encoded_r: it comes from the layers. */
static struct str
next_out(struct stream *s, bool *encoded_r)
{
	struct str bytes = s->layers != NULL ? layers_next(s) : STR_NONE;

	*encoded_r = bytes.n > 0;
	if (bytes.n > 0 || s->state == STREAM_DEAD || stream_has_layers(s))
		return bytes;
	bytes = buf_behind(&s->out, s->out_off);
	if (s->state == STREAM_TLS_WAIT)
		bytes.n = s->clear_left;
	return bytes;
}

/* What comes next goes through the layers first. */
static bool
has_to_encode(const struct stream *s)
{
	return stream_has_layers(s) && layers_unsent(s) == 0 && s->out.n > s->out_off;
}

/* Passes bytes downwards.  Returns whether any were accepted. */
static bool
push_out(struct stream *s)
{
	bool any = false, encoded;
	struct str bytes;
	size_t n;

	for (;;) {
		bytes = next_out(s, &encoded);
		if (bytes.n == 0)
			return any;
		switch (s->transport->write(s, bytes, &n)) {
		case IO_OK:
			if (encoded)
				layers_wrote(s, n);
			else
				stream_out_used(s, n);
			any = true;
			if (encoded && has_to_encode(s)) {
				ask_turn(s); /* the rest after others had their turn */
				return any;
			}
			break;
		case IO_WANT_IN:
			s->write_wants_in = true;
			s->out_blocked = true;
			return any;
		case IO_WANT_OUT:
			s->out_blocked = true;
			return any;
		case IO_TLS_FAILED:
			stream_die(s, STREAM_END_TLS);
			return any;
		case IO_END:
		case IO_BROKEN:
			stream_die(s, STREAM_END_ERROR);
			return any;
		}
	}
}

/* Output that nobody accepts must not be kept forever. */
static void
guard_stall(struct stream *s, bool progress)
{
	if (s->state != STREAM_OPEN || s->limits->stall_ms == 0)
		return;
	if (!s->out_blocked)
		loop_timer_clear(&s->timer);
	else if (progress || !loop_timer_is_set(&s->timer))
		loop_timer_set(&s->timer, s->limits->stall_ms);
}

static void
flush(struct stream *s)
{
	stream_tap_now(s);
	if (s->out_blocked || s->state == STREAM_HANDSHAKE || s->state == STREAM_LINGER)
		return;
	if (stream_out_pending(s) > s->limits->high)
		s->above = true;
	guard_stall(s, push_out(s));
	if (s->state == STREAM_OPEN && s->above && stream_out_pending(s) <= s->limits->low) {
		s->above = false;
		if (s->events != NULL && s->events->drained != NULL)
			s->events->drained(s->arg);
	}
}

/* Does what follows once everything has been sent. */
static void
after_flush(struct stream *s)
{
	if (s->state == STREAM_TLS_WAIT && s->clear_left == 0 && s->layers == NULL) {
		s->state = STREAM_HANDSHAKE;
	} else if (s->state == STREAM_CLOSING && stream_out_pending(s) == 0) {
		if (s->transport->shut(s) && !s->eof)
			s->state = STREAM_LINGER;
		else
			stream_die(s, s->why);
	}
}

static void
watch(struct stream *s)
{
	bool in = wants_input(s) || s->write_wants_in || s->state == STREAM_LINGER ||
	          (s->state == STREAM_HANDSHAKE && !s->out_blocked);

	if (s->state != STREAM_DEAD)
		s->transport->watch(
		    s, in, (s->out_blocked && !s->write_wants_in) || s->read_wants_out);
}

/* --- called by the loop --- */

static void
tell_broken(struct stream *s)
{
	bool tell = s->broke && s->state == STREAM_CLOSING;

	s->broke = false;
	if (tell && s->events != NULL && s->events->broken != NULL)
		s->events->broken(s->arg);
}

static void
turn(struct loop_task *task)
{
	struct stream *s = (struct stream *)(void *)((char *)task - offsetof(struct stream, turn));

	if (s->gone) {
		call_closed(s);
		return;
	}
	if (s->state == STREAM_DEAD)
		return;
	do_one_step(s);
	tell_broken(s);
	if (s->state != STREAM_DEAD)
		flush(s);
	if (s->state != STREAM_DEAD)
		after_flush(s);
	watch(s);
}

void
stream_ready(struct stream *s, bool in, bool out)
{
	if (s->state == STREAM_DEAD)
		return;
	if (out || (in && s->write_wants_in)) {
		s->out_blocked = s->write_wants_in = false;
		ask_turn(s);
	}
	if (in || (out && (s->read_wants_out || s->state == STREAM_HANDSHAKE))) {
		s->more = true;
		s->read_wants_out = false;
	}
	if (in)
		do_one_step(s);
	watch(s);
}

void
stream_set_peer_ended(struct stream *s)
{
	s->peer_ended = true;
}

void
stream_gone(struct stream *s)
{
	TS_ASSERT(s->state == STREAM_DEAD);
	s->gone = true;
	ask_turn(s);
}

void
stream_poke(struct stream *s)
{
	s->more = true;
	ask_turn(s);
}

/* --- called by the consumer --- */

struct stream *
stream_make(struct loop *loop, const struct transport *transport)
{
	struct stream *s = mem_zalloc(sizeof(*s));

	s->loop = loop;
	s->limits = &stream_default_limits;
	s->transport = transport;
	s->fd = -1;
	s->turn.fn = turn;
	loop_timer_init(&s->timer, loop, on_timer, s);
	loop->users++;
	ask_turn(s);
	return s;
}

void
stream_begin_tls(struct stream *s)
{
	s->clear_left = s->out.n - s->out_off;
	s->state = STREAM_TLS_WAIT;
	loop_timer_clear(&s->timer);
	loop_timer_set(&s->timer, s->limits->handshake_ms);
	ask_turn(s);
}

void
stream_set_events(struct stream *s, const struct stream_events *events, void *arg)
{
	s->events = events;
	s->arg = arg;
	s->again = true;
	if (s->state != STREAM_DEAD)
		ask_turn(s);
}

void
stream_set_limits(struct stream *s, const struct stream_limits *limits)
{
	s->limits = limits;
	if (s->state == STREAM_TLS_WAIT || s->state == STREAM_HANDSHAKE) {
		loop_timer_clear(&s->timer);
		loop_timer_set(&s->timer, limits->handshake_ms);
	}
}

void
stream_set_terms(struct stream *s, const struct tls_terms *terms)
{
	TS_ASSERT(!s->secured);
	s->terms = terms;
}

struct loop *
stream_loop(const struct stream *s)
{
	return s->loop;
}

int
stream_fd(const struct stream *s)
{
	return s->fd;
}

void
stream_pause(struct stream *s)
{
	s->paused = true;
}

void
stream_resume(struct stream *s)
{
	s->paused = false;
	s->again = true;
	if (s->state == STREAM_OPEN)
		ask_turn(s);
}

bool
stream_is_paused(const struct stream *s)
{
	return s->paused;
}

bool
stream_peer_ended(const struct stream *s)
{
	return s->peer_ended;
}

void
stream_expect_more(struct stream *s)
{
	s->expects = true;
}

struct buf *
stream_out(struct stream *s)
{
	return &s->out;
}

void
stream_set_tap(struct stream *s, stream_tap_fn *tap, void *arg)
{
	s->tap = tap;
	s->tap_arg = arg;
	s->tapped = s->out.n;
}

void
stream_tap_now(struct stream *s)
{
	size_t from = s->tapped;

	if (s->tap == NULL || from >= s->out.n)
		return;
	s->tapped = s->out.n;
	s->tap(s->tap_arg, (struct str){s->out.p + from, s->out.n - from});
}

void
stream_tap_skip(struct stream *s)
{
	s->tapped = s->out.n;
}

void
stream_kick(struct stream *s)
{
	if (s->state != STREAM_DEAD)
		ask_turn(s);
}

size_t
stream_out_pending(const struct stream *s)
{
	return s->out.n - s->out_off + (s->layers != NULL ? layers_unsent(s) : 0);
}

void
stream_close(struct stream *s)
{
	begin_close(s, STREAM_END_LOCAL);
}

void
stream_abort(struct stream *s)
{
	stream_die(s, STREAM_END_LOCAL);
}

enum ts_err
stream_starttls(struct stream *s, struct tls_ctx *tls)
{
	/* Inside data() the bytes after the command are checked when it returns. */
	if (s->state != STREAM_OPEN || s->transport->tls || stream_has_layers(s) ||
	    (!s->in_data && unread(s) > 0))
		return TS_INVALID;
	s->tls = tls != NULL ? tls_ctx_ref(tls) : NULL;
	stream_begin_tls(s);
	return TS_OK;
}

bool
stream_is_tls(const struct stream *s)
{
	return s->secured;
}

const struct tls_identity *
stream_identity(struct stream *s, struct tls_slot *slot)
{
	if (s->transport->identity != NULL)
		return s->transport->identity(s);
	if (s->peer == NULL || slot == NULL)
		return &tls_identity_none;
	return tls_peer_identity(s->peer, slot, clock_wall_s());
}

const char *
stream_refusal(const struct stream *s)
{
	return s->refusal;
}

bool
stream_binds(const struct stream *s)
{
	return s->binds;
}

bool
stream_tls_binding(const struct stream *s, struct sasl_binding *binding_r)
{
	*binding_r = (struct sasl_binding){{0}};
	return s->secured && s->transport->binding != NULL && s->transport->binding(s, binding_r);
}

bool
stream_tls_info(const struct stream *s, struct stream_tls_info *info_r)
{
	*info_r = (struct stream_tls_info){0};
	if (s->secured)
		s->transport->info(s, info_r);
	return s->secured;
}
