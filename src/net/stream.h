/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_STREAM_H
#define NET_STREAM_H
/*
 * Stream: the bytes of one connection, both ways, through its layers.
 *
 *      consumer
 *         |        layers, if any: SASL, compression (net/layer.h)
 *      transport   socket, TLS on the socket, or a test (net/stream_fake.h)
 *
 * Input: the stream reads into a buffer shared by the whole loop and shows it
 * to data(); only what was not consumed is copied and kept.
 * Output: append to stream_out(), then stream_kick(): all that is put in one
 * iteration of the loop goes out together at its end.  When all is written the
 * memory is given back: an idle stream holds no buffers.
 *
 * A stream belongs to one loop, all calls to that loop's thread.  Callbacks are
 * called by the loop, never inside a call into this stream.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/loop.h"
#include "net/tls/peer.h"
#include "net/tls/tls.h"

struct stream; /* opaque */

enum stream_end {
	STREAM_END_LOCAL,   /* stream_close or stream_abort */
	STREAM_END_PEER,    /* the peer closed, and all it had sent was shown */
	STREAM_END_ERROR,   /* the socket broke (reset, ...) */
	STREAM_END_TLS,     /* TLS failed, or clear bytes stood behind STARTTLS */
	STREAM_END_LAYER,   /* a layer could not decode or encode (net/layer.h) */
	STREAM_END_TIMEOUT, /* no handshake in time, or the peer took no output for too long */
};
/* For the log. */
const char *stream_end_name(enum stream_end why);

struct stream_events {
	/*
	 * All input not yet consumed; returns how much of it is.  The rest is
	 * shown again with more input behind it, or after stream_resume().  Who
	 * leaves bytes unconsumed without pausing asks for more input: it is read
	 * without a limit, so the consumer bounds what it waits for.
	 */
	size_t (*data)(void *arg, struct str in);
	/* Waiting output was above the high mark and is down at the low one.  May be NULL. */
	void (*drained)(void *arg);
	/*
	 * The stream has ended and is freed as soon as this returns; the last
	 * call.  Comes exactly once for each stream, also after stream_abort().
	 */
	void (*closed)(void *arg, enum stream_end why);
	/* The TLS handshake is done.  May be NULL. */
	void (*secured)(void *arg);
};

struct stream_limits {
	size_t pending;        /* input kept while paused; more is left to the kernel */
	size_t high, low;      /* marks for waiting output */
	uint32_t handshake_ms; /* for a TLS handshake */
	uint32_t close_ms;     /* for the last output after stream_close() */
	uint32_t stall_ms;     /* no waiting output was taken at all; 0: for ever */
};
/* 64 KiB; 256 KiB, 64 KiB; 30 s; 5 s; 5 min */
extern const struct stream_limits stream_default_limits;

/*
 * Takes over fd, a connected socket (made non-blocking here; TCP_NODELAY set).
 * tls: NULL, or a server's handshake comes first (a reference is taken); output
 * put before it is done waits.  events may be NULL for the moment: nothing is
 * read until stream_set_events().
 */
struct stream *stream_new(struct loop *loop, int fd, struct tls_ctx *tls,
    const struct stream_events *events, void *arg) __attribute__((returns_nonnull));
/* events must stay valid.  May be called inside a callback. */
void stream_set_events(struct stream *s, const struct stream_events *events, void *arg);
/* limits must stay valid as long as the stream. */
void stream_set_limits(struct stream *s, const struct stream_limits *limits);
/* What TLS, when it comes, wants of the client; must stay valid as long as the stream.  Before the
 * handshake. */
void stream_set_terms(struct stream *s, const struct tls_terms *terms);
struct loop *stream_loop(const struct stream *s);
/* The socket; -1 for a fake stream. */
int stream_fd(const struct stream *s);

/*
 * No data() until stream_resume(), which shows what is there in a later
 * iteration or at the end of this one.  Both may be called inside data(), and
 * do not count: one resume ends any number of pauses.
 */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
bool stream_is_paused(const struct stream *s);
/*
 * The peer will send no more; what it sent may still wait to be shown.  Known
 * also while paused.  When all was shown and the stream is not paused, output
 * is flushed and the stream ends by itself.
 */
bool stream_peer_ended(const struct stream *s);
/*
 * Inside data(): what was consumed is not all of what the peer is sending (a
 * literal goes on).  A peer that writes it in small pieces, with Nagle's
 * algorithm on, keeps the next one back until the last is acknowledged, so the
 * ACK goes out at once instead of with the delay of RFC 1122 section 4.2.3.2.
 * Bytes that data() leaves without pausing mean the same.
 */
void stream_expect_more(struct stream *s);

/* Append only. */
struct buf *stream_out(struct stream *s);
void stream_kick(struct stream *s);
/*
 * From now on all output that is put is shown to tap(), once and in order: when
 * it may go out, and at once by stream_tap_now().  NULL: no more of it.  Not
 * inside tap(), which must not put output itself.
 */
typedef void stream_tap_fn(void *arg, struct str bytes);
void stream_set_tap(struct stream *s, stream_tap_fn *tap, void *arg);
void stream_tap_now(struct stream *s);
/* What was put until now counts as shown. */
void stream_tap_skip(struct stream *s);
/* Bytes put and not yet handed to the kernel. */
size_t stream_out_pending(const struct stream *s);

/*
 * No callback but closed() after either of these.  Close writes what is waiting
 * first, within limits->close_ms; abort drops it.  Calling them again is fine.
 */
void stream_close(struct stream *s);
void stream_abort(struct stream *s);

/*
 * STARTTLS, the server's side.  Put the OK into stream_out() first: it is
 * flushed in clear, what is put later goes through TLS.  Then comes the
 * handshake, and secured().
 *
 * No clear byte behind the command is ever used (RFC 3501 and RFC 9051, section
 * 6.2.1).  Called inside data(), data() must consume all it was shown, or the
 * stream ends with STREAM_END_TLS.  Called later, TS_INVALID comes back if
 * input is waiting: then close.  TS_INVALID, too, if TLS or a layer is on already.
 */
TS_CHECKED enum ts_err stream_starttls(struct stream *s, struct tls_ctx *tls);

struct stream_tls_info {
	const char *version; /* "TLSv1.3" */
	const char *cipher;
	bool peer_cert; /* the client showed a certificate */
};

struct sasl_binding; /* sasl/mech.h */

/* The handshake is done. */
bool stream_is_tls(const struct stream *s);
/*
 * For whom the client's certificate stands, by what the slot holds now: never NULL.  Cheap when
 * nothing changed since the last time (net/tls/peer.h).  The strings are good until it is asked
 * again.
 */
const struct tls_identity *stream_identity(struct stream *s, struct tls_slot *slot);
/* Why the handshake failed, if that was because of the client's certificate; else NULL.  In
 * closed(). */
const char *stream_refusal(const struct stream *s);
/* False without TLS.  The strings are static. */
bool stream_tls_info(const struct stream *s, struct stream_tls_info *info_r);
/* Is there a channel binding for SASL: tls-exporter (RFC 9266) with TLS 1.3, tls-unique (RFC 5929)
 * with TLS 1.2 and its extended master secret, without which it binds nothing (RFC 7627)? */
bool stream_binds(const struct stream *s);
/* False, and *binding_r all zeros, when there is none. */
bool stream_tls_binding(const struct stream *s, struct sasl_binding *binding_r);
#endif
