/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LAYER_H
#define NET_LAYER_H
/*
 * Layers of a stream, above its transport (TLS is part of that): a stack, the
 * newest on top.
 *
 *      consumer
 *         |   application's bytes
 *      newest layer       COMPRESS, say
 *         |
 *      oldest layer       a SASL security layer (RFC 4422 section 3.7), say
 *         |   bytes of the wire
 *      transport
 *
 * A layer holds in both directions from one point on to another: from behind
 * the last byte that the consumer took, and behind the last byte it put, when
 * it was pushed, until the same two points when it is popped.  What came in
 * before and was not taken belongs to the new layer.
 *
 * Bytes of the wire wait in the layers, undecoded, until the consumer wants
 * input; about 64 KiB at a time are decoded, so that what a peer compressed well
 * is not held whole.  Output is encoded when it is flushed, or when the stack
 * changes: once, in order.  A layer that cannot go on ends the stream with
 * STREAM_END_LAYER; its reason is logged.
 *
 * The layer is its owner's, who keeps it until it was popped or closed() was
 * called.  A stream without layers holds a pointer for them, nothing else.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

struct stream;
struct stream_layer;

enum layer_tail {
	LAYER_TAIL_MORE,  /* all of it was the layer's, and more of it may come */
	LAYER_TAIL_ENDED, /* what was not used is the peer's bare bytes */
	LAYER_TAIL_BROKEN,
};

struct stream_layer_class {
	const char *name; /* for the log: "SASL security layer" */
	/*
	 * Uses bytes of in and appends what they stand for, not much more than
	 * room bytes.  Called with the rest and more until it appends nothing, at
	 * the last with an empty in; what it appended is shown to the consumer in
	 * between.  So a layer whose end the consumer may find in these bytes, and
	 * bare ones behind them, stops at each point where it may end.  False: broken,
	 * layer->why says how.
	 */
	bool (*decode)(struct stream_layer *layer, struct str in, size_t room, struct buf *out,
	    size_t *used_r);
	/* Uses all of in.  What it appends can be decoded by the peer without more. */
	bool (*encode)(struct stream_layer *layer, struct str in, struct buf *out);
	/* What was encoded until now is forgotten: nothing of it shows in what is encoded from now
	 * on.  NULL: nothing is remembered. */
	void (*forget)(struct stream_layer *layer);
	/* The end of the layer's output.  NULL: nothing marks it. */
	bool (*finish)(struct stream_layer *layer, struct buf *out);
	/*
	 * NULL: the peer waits for the end to be confirmed, so no input may be there
	 * when the layer is popped.  Else the layer's end can be found in the bytes:
	 * called when it was popped, and with further bytes until it does not ask for
	 * more; then released() is.  Only for the oldest layer: above another one
	 * the peer has to wait.
	 */
	enum layer_tail (*tail)(struct stream_layer *layer, struct str in, size_t *used_r);
	/* Popped, and the stream has no use for it any more.  May be NULL. */
	void (*released)(struct stream_layer *layer);
};

struct stream_layer { /* embedded in the owner's; zeroed, with class set */
	const struct stream_layer_class *class;
	const char *why;            /* set by a function that fails: English, static */
	struct stream_layer *below; /* the rest is the stream's */
	struct buf raw;             /* not decoded yet */
	size_t raw_off;
};

/*
 * Puts layer on top.  Inside data() the input changes when data() returns, which
 * it should do at once: stream_moved() tells it.
 */
void stream_push(struct stream *s, struct stream_layer *layer);
bool stream_moved(const struct stream *s);
bool stream_has_layers(const struct stream *s);
/* Somebody else speaks from here on, while the layers stay: what was put until now is encoded, and
 * then forgotten by all of them. */
void stream_forget(struct stream *s);
/*
 * May all layers end here?  Looks for input that came too early, in the layers and on the wire.
 * Not inside data(), and where nothing can come between this and stream_pop().
 */
bool stream_may_pop(struct stream *s);
/* Takes the newest layer off; not inside data().  Newest first, if there are several. */
void stream_pop(struct stream *s);
#endif
