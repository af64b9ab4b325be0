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
 * to data(); only what is not consumed is copied and kept.  Output: append to
 * stream_out(), then stream_kick(): all output of one iteration of the loop is
 * sent together at its end.  Memory is released once all is written: an idle
 * stream holds no buffers.
 *
 * A stream belongs to one loop; make all calls on that loop's thread.  The loop
 * calls callbacks, never inside a call into this stream.
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
	STREAM_END_PEER,    /* the peer closed, and everything it sent was shown */
	STREAM_END_ERROR,   /* the socket broke (reset, ...) */
	STREAM_END_TLS,     /* TLS failed, or plaintext followed STARTTLS */
	STREAM_END_LAYER,   /* a layer could not decode or encode (net/layer.h) */
	STREAM_END_TIMEOUT, /* no handshake in time, or the peer accepted no output for too long */
};
/* Returns a name for the log. */
const char *stream_end_name(enum stream_end why);

struct stream_events {
	/*
	 * Receives all input not consumed yet; returns how much it consumed.  The rest is shown
	 * again with more input after it, or after stream_resume().  Leaving bytes unconsumed
	 * without pausing asks for more input, which is read without a limit, so the consumer must
	 * bound what it waits for.
	 */
	size_t (*data)(void *arg, struct str in);
	/* Waiting output was above the high mark and has fallen to the low one.  May be NULL. */
	void (*drained)(void *arg);
	/*
	 * The stream has ended and is freed as soon as this returns.  Called
	 * last and exactly once for each stream, even after stream_abort().
	 */
	void (*closed)(void *arg, enum stream_end why);
	/* The TLS handshake is done.  May be NULL. */
	void (*secured)(void *arg);
	/* What came cannot be decoded (net/layer.h); the stream is about to end.  What is put now
	 * still goes out.  May be NULL. */
	void (*broken)(void *arg);
	/* A layer begins to compute, on input or output, or has done so.  Not inside of what the
	 * stream is asked to do.  May be NULL. */
	void (*working)(void *arg, bool begins);
};

struct stream_limits {
	size_t pending;        /* most input kept while paused; more is left to the kernel */
	size_t high, low;      /* marks for waiting output */
	uint32_t handshake_ms; /* for a TLS handshake */
	uint32_t close_ms;     /* for the last output after stream_close() */
	uint32_t stall_ms;     /* longest time without any output accepted; 0: forever */
};
/* 64 KiB; 256 KiB, 64 KiB; 30 s; 5 s; 5 min */
extern const struct stream_limits stream_default_limits;

/*
 * Takes over fd, a connected socket (makes it non-blocking and sets
 * TCP_NODELAY).  tls: NULL, or a server handshake comes first (takes a
 * reference); output put before it is done waits.  If events is NULL, nothing
 * is read until stream_set_events().
 */
struct stream *stream_new(struct loop *loop, int fd, struct tls_ctx *tls,
    const struct stream_events *events, void *arg) __attribute__((returns_nonnull));
/* events must stay valid.  May be called inside a callback. */
void stream_set_events(struct stream *s, const struct stream_events *events, void *arg);
/* limits must stay valid as long as the stream. */
void stream_set_limits(struct stream *s, const struct stream_limits *limits);
/* Sets what TLS, if it comes, requires of the client.  terms must stay valid as long as the stream.
 * Call before the handshake. */
void stream_set_terms(struct stream *s, const struct tls_terms *terms);
struct loop *stream_loop(const struct stream *s);
/* Returns the socket; -1 for a fake stream. */
int stream_fd(const struct stream *s);

/*
 * Stops calls of data() until stream_resume(), which shows what is there in a
 * later iteration or at the end of this one.  Both may be called inside data(),
 * and do not nest: one resume ends any number of pauses.
 */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);
bool stream_is_paused(const struct stream *s);
/*
 * The peer will send no more; what it sent may still wait to be shown.  Known
 * even while paused.  When all was shown and the stream is not paused, output
 * is flushed and the stream ends by itself.
 */
bool stream_peer_ended(const struct stream *s);
/*
 * Inside data(): the consumed input is not all that the peer is sending (a
 * literal continues).  A peer that writes small pieces with Nagle's algorithm
 * on withholds the next one until the last is acknowledged, so the ACK is sent
 * at once instead of with the delay of RFC 1122 section 4.2.3.2.  Bytes that
 * data() leaves without pausing have the same effect.
 */
void stream_expect_more(struct stream *s);

/* Only append to it. */
struct buf *stream_out(struct stream *s);
void stream_kick(struct stream *s);
/*
 * Shows all output put from now on to tap(), once and in order: when it may be
 * sent, or at once by stream_tap_now().  NULL: stops that.  Do not call it
 * inside tap(), which must not put output itself.
 */
typedef void stream_tap_fn(void *arg, struct str bytes);
void stream_set_tap(struct stream *s, stream_tap_fn *tap, void *arg);
void stream_tap_now(struct stream *s);
/* Counts what was put so far as shown. */
void stream_tap_skip(struct stream *s);
/* Bytes put and not handed to the kernel yet. */
size_t stream_out_pending(const struct stream *s);

/*
 * After either of these there is no callback except closed().  Close first
 * writes what waits, within limits->close_ms; abort drops it.  Calling them
 * again is fine.
 */
void stream_close(struct stream *s);
void stream_abort(struct stream *s);

/*
 * STARTTLS, server side.  Put the OK into stream_out() first: it is flushed in plaintext, later
 * output goes through TLS.  Then come the handshake and secured().
 *
 * No plaintext after the command is ever used (RFC 3501 and RFC 9051, section 6.2.1).  If this is
 * called inside data(), data() must consume all it was shown, or the stream ends with
 * STREAM_END_TLS.  If it is called later, it returns TS_INVALID if input is waiting: then close.
 * It also returns TS_INVALID if TLS or a layer is on already.
 */
TS_CHECKED enum ts_err stream_starttls(struct stream *s, struct tls_ctx *tls);

struct stream_tls_info {
	const char *version; /* "TLSv1.3" */
	const char *cipher;
	bool peer_cert; /* the client showed a certificate */
	bool compresses;
};

struct sasl_binding; /* sasl/mech.h */

/* Returns whether the handshake is done. */
bool stream_is_tls(const struct stream *s);
/*
 * Returns for whom the client's certificate stands, by what the slot holds now; never NULL.  Cheap
 * if nothing has changed since last time (net/tls/peer.h).  The strings are valid until the next
 * call.
 */
const struct tls_identity *stream_identity(struct stream *s, struct tls_slot *slot);
/* In closed(): returns why the handshake failed if the client's certificate was the cause, else
 * NULL. */
const char *stream_refusal(const struct stream *s);
/* Returns false without TLS.  The strings are static. */
bool stream_tls_info(const struct stream *s, struct stream_tls_info *info_r);
/* Returns whether there is a channel binding for SASL: tls-exporter (RFC 9266) with TLS 1.3,
 * tls-unique (RFC 5929) with TLS 1.2 and its extended master secret, without which it binds nothing
 * (RFC 7627). */
bool stream_binds(const struct stream *s);
/* Returns false, with *binding_r all zeros, if there is none. */
bool stream_tls_binding(const struct stream *s, struct sasl_binding *binding_r);
#endif
