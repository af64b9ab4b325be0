/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_STREAM_INT_H
#define NET_STREAM_INT_H
/*
 * The interface between stream.c (order, buffers, limits, life cycle) and its
 * transports (sockets, TLS, tests).  Size matters: there is one of these for
 * each idle connection.
 */
#include <openssl/ssl.h>

#include "net/layer.h"
#include "net/loop_int.h"
#include "net/stream.h"

enum io {
	IO_OK,       /* something was done */
	IO_WANT_IN,  /* nothing to read for now */
	IO_WANT_OUT, /* nothing can be written for now */
	IO_END,      /* the peer has stopped sending */
	IO_BROKEN,
	IO_TLS_FAILED,
};

/* All are called on a stream that is not dead; the only call back into stream.c is
 * stream_poke(). */
struct transport {
	/* Sets n_r, to more than 0, only with IO_OK. */
	enum io (*read)(struct stream *s, char *p, size_t cap, size_t *n_r);
	enum io (*write)(struct stream *s, struct str bytes, size_t *n_r);
	/* Returns whether input waits inside that watch() does not see. */
	bool (*buffered)(struct stream *s);
	/* Acknowledges what was read now. */
	void (*ack)(struct stream *s);
	/* Puts TLS on top by replacing s->transport.  Returns false if out of memory. */
	bool (*secure)(struct stream *s);
	enum io (*handshake)(struct stream *s);
	/*
	 * Ends the output.  Returns true if there is unread input, which would
	 * make the kernel reset the connection and lose output still on its
	 * way.
	 */
	bool (*shut)(struct stream *s);
	/* Reads and drops input. */
	enum io (*discard)(struct stream *s);
	/* Calls stream_ready() when the stream can be read (want_in) or written (want_out). */
	void (*watch)(struct stream *s, bool want_in, bool want_out);
	/* Closes at once; must call stream_gone() later. */
	void (*drop)(struct stream *s);
	void (*info)(const struct stream *s, struct stream_tls_info *info_r);
	/* TLS only: see stream_tls_binding(). */
	bool (*binding)(const struct stream *s, struct sasl_binding *binding_r);
	/* TLS only: returns the client that showed a certificate, or NULL.  Called once. */
	struct tls_peer *(*peer)(struct stream *s);
	/* Tests only, else NULL: whom a certificate stands for, instead of what peer() returned. */
	const struct tls_identity *(*identity)(const struct stream *s);
	/* The stream is over, because of s->why; closed() follows.  May be NULL. */
	void (*ended)(struct stream *s);
	bool tls;
};

enum stream_state {
	STREAM_OPEN,
	STREAM_TLS_WAIT,  /* the OK of STARTTLS is being sent; nothing is read */
	STREAM_HANDSHAKE, /* no input, and no output except TLS's own */
	STREAM_CLOSING,   /* the last output is being sent; nothing is read */
	STREAM_LINGER,    /* all is written; input is dropped until the peer ends */
	STREAM_DEAD,      /* waits for stream_gone() */
};

struct stream_layers {             /* exists while a layer is on, or its last bytes are unsent */
	struct stream_layer *top;  /* the newest */
	struct stream_layer *tail; /* popped; looks for its end in the input */
	struct buf wire;           /* encoded; precedes everything in out */
	size_t wire_off;
	bool moved; /* pushed inside data(): what that leaves belongs to the new layer */
	bool more;  /* something may be decoded */
};

struct stream {
	struct loop *loop;
	const struct stream_events *events;
	void *arg;
	const struct stream_limits *limits;
	const struct transport *transport;
	struct buf in, out;
	size_t in_off, out_off;       /* consumed, written */
	struct stream_layers *layers; /* NULL: none */
	stream_tap_fn *tap;           /* NULL: nobody watches output */
	void *tap_arg;
	size_t tapped;           /* of out: shown to the tap */
	size_t clear_left;       /* of out, in STREAM_TLS_WAIT: still to be sent in plaintext */
	struct loop_task turn;   /* for the end of the iteration */
	struct loop_timer timer; /* handshake, close or stall, by state */
	SSL *ssl;
	struct tls_ctx *tls;
	const struct tls_terms *terms; /* NULL: ask for no certificate */
	struct tls_peer *peer;         /* NULL: none was shown */
	char *refusal; /* why the handshake failed because of a certificate, or NULL */
	struct stream_fake *fake;
	int fd;
	enum stream_state state : 8;
	enum stream_end why : 8;
	bool paused : 1;
	bool in_data : 1;        /* inside events->data */
	bool again : 1;          /* show what is kept */
	bool expects : 1;        /* stream_expect_more() */
	bool more : 1;           /* try to read */
	bool eof : 1;            /* all that the peer sent has been read */
	bool peer_ended : 1;     /* the peer has ended; perhaps not all has been read */
	bool out_blocked : 1;    /* the peer accepts no more until the transport is writable */
	bool above : 1;          /* waiting output was above the high mark */
	bool read_wants_out : 1; /* TLS must write before it can read */
	bool write_wants_in : 1; /* TLS must read before it can write */
	bool secured : 1;
	bool binds : 1; /* there is a channel binding */
	bool broke : 1; /* events->broken is to be called */
	bool gone : 1;  /* transport closed: stream_gone() was called */
	int watching;   /* the socket transport's */
	uv_poll_t poll; /* the socket transport's */
};

/* Makes a stream on a transport that is in place; stream.c manages it from there. */
struct stream *stream_make(struct loop *loop, const struct transport *transport)
    __attribute__((returns_nonnull));
/* Uses TLS from the first byte on. */
void stream_begin_tls(struct stream *s);

/* Called by the transport's callbacks, that is, by the loop: */
void stream_ready(struct stream *s, bool in, bool out);
/* The peer has stopped sending; there may be more to read. */
void stream_set_peer_ended(struct stream *s);
/* Closes immediately; callbacks come later.  Fine on a dead stream. */
void stream_die(struct stream *s, enum stream_end why);
/* After drop(): nothing of the stream is in use any more. */
void stream_gone(struct stream *s);
/* Something may be readable although no stream_ready() comes. */
void stream_poke(struct stream *s);
/* For layer.c.  A layer broke: the stream ends when its output is written.  tells: events->broken
 * is called first. */
void stream_end_broken(struct stream *s, bool tells);
/* Counts n more bytes of out as sent. */
void stream_out_used(struct stream *s, size_t n);

/* Returns what comes after off; p may be NULL if it is empty. */
static inline struct str
buf_behind(const struct buf *b, size_t off)
{
	return off == 0 ? buf_as_str(b) : (struct str){b->p + off, b->n - off};
}

/* layer.c; only while s->layers is set, except layers_drop(). */

/* Counts bytes from the wire that are not decoded yet. */
size_t layers_waiting(const struct stream *s);
/* Takes bytes from the wire.  Returns false if *fresh, perhaps shortened, is for the consumer. */
bool layers_take(struct stream *s, struct str *fresh);
/* Decodes some more into s->in; returns whether there was any.  Sets layers->more if there may be
 * more. */
bool layers_pull(struct stream *s);
/* Gives the contents of s->in to the new layer. */
void layers_settle_in(struct stream *s);
/* Returns bytes for the wire that precede those in out, encoded now if need be; empty: none.  Then
 * report how many were written. */
struct str layers_next(struct stream *s);
void layers_wrote(struct stream *s, size_t n);
/* Counts bytes that are encoded but not written. */
size_t layers_unsent(const struct stream *s);
/* At the stream's end: leaves the layers to their owners. */
void layers_drop(struct stream *s);
#endif
