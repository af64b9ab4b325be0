/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_STREAM_INT_H
#define NET_STREAM_INT_H
/*
 * What stream.c (order, buffers, limits, life) and its transports (sockets,
 * TLS, tests) know of each other.  Size matters: there is one of these for
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
	IO_END,      /* the peer ended its sending */
	IO_BROKEN,
	IO_TLS_FAILED,
};

/* All are called on a stream that is not dead; the only call back into
 * stream.c is stream_poke(). */
struct transport {
	/* n_r is set, and not 0, with IO_OK only. */
	enum io (*read)(struct stream *s, char *p, size_t cap, size_t *n_r);
	enum io (*write)(struct stream *s, struct str bytes, size_t *n_r);
	/* Input waits inside that watch() does not see. */
	bool (*buffered)(struct stream *s);
	/* Acknowledges what was read now. */
	void (*ack)(struct stream *s);
	/* Puts TLS on top: s->transport is another one now.  False: no memory. */
	bool (*secure)(struct stream *s);
	enum io (*handshake)(struct stream *s);
	/*
	 * No more output.  True: there is unread input, which would make the
	 * kernel reset the connection and destroy output still on its way.
	 */
	bool (*shut)(struct stream *s);
	/* Reads and drops. */
	enum io (*discard)(struct stream *s);
	/* Calls stream_ready() when the stream can be read (want_in), written (want_out). */
	void (*watch)(struct stream *s, bool want_in, bool want_out);
	/* Closes at once; stream_gone() must be called, later. */
	void (*drop)(struct stream *s);
	void (*info)(const struct stream *s, struct stream_tls_info *info_r);
	/* Of TLS: see stream_tls_binding(). */
	bool (*binding)(const struct stream *s, struct sasl_binding *binding_r);
	/* Of TLS: who showed a certificate, asked once, or NULL. */
	struct tls_peer *(*peer)(struct stream *s);
	/* Of a test, else NULL: for whom a certificate stands, instead of what peer() gave. */
	const struct tls_identity *(*identity)(const struct stream *s);
	/* The stream is over, for s->why; closed() follows.  May be NULL. */
	void (*ended)(struct stream *s);
	bool tls;
};

enum stream_state {
	STREAM_OPEN,
	STREAM_TLS_WAIT,  /* the OK of STARTTLS goes out; nothing is read */
	STREAM_HANDSHAKE, /* no input, no output but TLS's own */
	STREAM_CLOSING,   /* the last output goes out; nothing is read */
	STREAM_LINGER,    /* all is written; input is dropped until the peer ends */
	STREAM_DEAD,      /* waits for stream_gone() */
};

struct stream_layers { /* there while a layer is on, or its last bytes are not away yet */
	struct stream_layer *top;  /* the newest */
	struct stream_layer *tail; /* popped; looks for its end in the input */
	struct buf wire;           /* encoded; before all that is in out */
	size_t wire_off;
	bool moved; /* pushed inside data(): what it leaves is the new layer's */
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
	stream_tap_fn *tap;           /* NULL: nobody looks at output */
	void *tap_arg;
	size_t tapped;           /* of out: shown to it */
	size_t clear_left;       /* of out, in STREAM_TLS_WAIT: what still goes out in clear */
	struct loop_task turn;   /* the end of the iteration */
	struct loop_timer timer; /* handshake, close or stall, by state */
	SSL *ssl;
	struct tls_ctx *tls;
	const struct tls_terms *terms; /* NULL: no certificate is asked for */
	struct tls_peer *peer;         /* NULL: none was shown */
	char *refusal; /* why a handshake failed because of a certificate, or NULL */
	struct stream_fake *fake;
	int fd;
	enum stream_state state : 8;
	enum stream_end why : 8;
	bool paused : 1;
	bool in_data : 1;        /* inside events->data */
	bool again : 1;          /* show what is kept */
	bool expects : 1;        /* stream_expect_more() */
	bool more : 1;           /* try to read */
	bool eof : 1;            /* all that the peer sent was read */
	bool peer_ended : 1;     /* the peer has ended; maybe not all was read */
	bool out_blocked : 1;    /* the peer takes no more for now */
	bool above : 1;          /* waiting output was above the high mark */
	bool read_wants_out : 1; /* TLS must write before it can read */
	bool write_wants_in : 1; /* TLS must read before it can write */
	bool secured : 1;
	bool binds : 1; /* there is a channel binding */
	bool gone : 1;  /* the transport is closed: stream_gone() was called */
	int watching;   /* the socket transport's */
	uv_poll_t poll; /* the socket transport's */
};

/* A new stream on a transport that is already in place; stream.c takes it from there. */
struct stream *stream_make(struct loop *loop, const struct transport *transport)
    __attribute__((returns_nonnull));
/* TLS from the first byte on. */
void stream_begin_tls(struct stream *s);

/* From the transport's callbacks, that is from the loop: */
void stream_ready(struct stream *s, bool in, bool out);
/* The peer has ended its sending; there may be more to read. */
void stream_set_peer_ended(struct stream *s);
/* Closes without further ado; callbacks come later.  Fine on a dead stream. */
void stream_die(struct stream *s, enum stream_end why);
/* After drop(): nothing of the stream is in use any more. */
void stream_gone(struct stream *s);
/* Something may be read although no stream_ready() comes. */
void stream_poke(struct stream *s);
/* For layer.c.  A layer broke: the stream ends when its output is written. */
void stream_end_broken(struct stream *s);
/* n more bytes of out are on their way. */
void stream_out_used(struct stream *s, size_t n);

/* What is behind off; p may be NULL when it is empty. */
static inline struct str
buf_behind(const struct buf *b, size_t off)
{
	return off == 0 ? buf_as_str(b) : (struct str){b->p + off, b->n - off};
}

/* layer.c; only where s->layers is set, but for layers_drop(). */

/* Bytes of the wire that are not decoded. */
size_t layers_waiting(const struct stream *s);
/* Takes bytes of the wire; false: *fresh, perhaps less than it was, is for the consumer. */
bool layers_take(struct stream *s, struct str *fresh);
/* Decodes some more into s->in: was there anything?  layers->more is set when there may be more. */
bool layers_pull(struct stream *s);
/* What is in s->in is the new layer's. */
void layers_settle_in(struct stream *s);
/* Bytes for the wire that come before those in out, encoded now if need be; empty: there are none.
 * Then what was written of them. */
struct str layers_next(struct stream *s);
void layers_wrote(struct stream *s, size_t n);
/* How many are encoded and not written. */
size_t layers_unsent(const struct stream *s);
/* At the stream's end: leaves the layers to their owners. */
void layers_drop(struct stream *s);
#endif
