/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_LAYER_H
#define NET_LAYER_H
/*
 * Layers of a stream, above its transport (which includes TLS): a stack, the newest on top.
 *
 *      consumer
 *         |   application's bytes
 *      newest layer       for example COMPRESS
 *         |
 *      oldest layer       for example a SASL security layer (RFC 4422 section 3.7)
 *         |   bytes of the wire
 *      transport
 *
 * A layer applies to both directions, from its push to its pop: from the byte after the last one
 * that the consumer took, and after the last one that it put.  Input that arrived before and was
 * not taken belongs to the new layer.
 *
 * Bytes from the wire wait in the layers, undecoded, until the consumer wants input; they are
 * decoded about 64 KiB at a time, so that highly compressed input is never held whole.  Output is
 * encoded once, in order, when it is flushed or when the stack changes.  A layer that fails ends
 * the stream with STREAM_END_LAYER; its reason is logged.
 *
 * The owner of a layer keeps it until it is popped and released, or closed() was called.  A stream
 * without layers only has a pointer for them.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/str.h"

struct stream;
struct stream_layer;

enum layer_tail {
	LAYER_TAIL_MORE,  /* all of it belonged to the layer, and more may come */
	LAYER_TAIL_ENDED, /* unused bytes are the peer's plain bytes */
	LAYER_TAIL_LOOKS, /* likewise, and the layer wants to look at more of them */
	LAYER_TAIL_BROKEN,
};

struct stream_layer_class {
	const char *name; /* for the log: "SASL security layer" */
	/*
	 * Uses bytes of in and appends their meaning, not much more than room bytes.  Called with
	 * the rest and more input until it appends nothing, the last time with an empty in; the
	 * consumer is shown what was appended in between.  So a layer must stop at each point where
	 * it may end if the consumer may find its end, and plain bytes after it, in these bytes.
	 * Returns false if broken, with the reason in layer->why.
	 */
	bool (*decode)(struct stream_layer *layer, struct str in, size_t room, struct buf *out,
	    size_t *used_r);
	/* Uses all of in.  The peer can decode what it appends without more input. */
	bool (*encode)(struct stream_layer *layer, struct str in, struct buf *out);
	/* Forgets everything encoded so far: nothing of it shows in later output.  NULL: nothing is
	 * remembered. */
	void (*forget)(struct stream_layer *layer);
	/* Appends the end of the layer's output.  NULL: nothing marks it. */
	bool (*finish)(struct stream_layer *layer, struct buf *out);
	/*
	 * NULL: the peer waits for the end to be confirmed, so no input may be there
	 * when the layer is popped.  Else the layer's end can be found in the bytes:
	 * called when it was popped, and with further bytes until it does not ask for
	 * more; then released() is.  Above another layer the peer has to wait: there
	 * it is called before the layer is popped, and no bare bytes may follow.
	 */
	enum layer_tail (*tail)(struct stream_layer *layer, struct str in, size_t *used_r);
	/* The stream no longer uses it: it is popped, or the stream ends.  May be NULL. */
	void (*released)(struct stream_layer *layer);
	/* Whoever sent what is broken may be told: see stream_events.broken. */
	bool tells;
	/* It computes much: see stream_events.working. */
	bool works;
};

struct stream_layer { /* embedded in the owner; zeroed, with class set */
	const struct stream_layer_class *class;
	const char *why;            /* set by a function that fails: English, static */
	struct stream_layer *below; /* private from here on */
	struct buf raw;             /* not decoded yet */
	size_t raw_off;
};

/*
 * Puts layer on top.  Inside data() the input changes when data() returns, which it should do at
 * once: stream_moved() tells.
 */
void stream_push(struct stream *s, struct stream_layer *layer);
bool stream_moved(const struct stream *s);
bool stream_has_layers(const struct stream *s);
/* For when another party speaks from here on while the layers stay: encodes what was put so far,
 * then makes all layers forget it. */
void stream_forget(struct stream *s);
/*
 * Returns whether all layers may end here: looks for input that came too early, in the layers and
 * on the wire.  Call it outside data(), where nothing can arrive before stream_pop().
 */
bool stream_may_pop(struct stream *s);
/* Removes the newest layer; call it outside data().  Newest first, if there are several. */
void stream_pop(struct stream *s);
#endif
