/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_DEFLATE_H
#define NET_DEFLATE_H
/*
 * DEFLATE (RFC 1951) as a layer of a stream, for COMPRESS (RFC 4978).
 *
 * Small when idle.  Output has no memory: what is flushed together is compressed by itself, which a
 * peer that has seen the rest decodes as well, so there is nothing between two flushes, and what
 * was sent for one user cannot show in what is sent for the next.  Little output, such as a line to
 * say that the server is still there, goes out as it is, in a stored block.  Input refers to what
 * came before, at most 32 KiB of it: that history is packed when no input came for DEFLATE_IDLE_MS
 * on the loop's clock, and unpacked with the next byte.
 *
 * The layer's own end is a final block.  The peer's may be one, too, or a flush (RFC 8437 section 4
 * does not say which), and bare bytes may stand right behind it:
 *
 *	a final block, as Z_FINISH makes it                                          exact
 *	an empty stored block, as Z_SYNC_FLUSH and Z_FULL_FLUSH make it,             exact
 *	the same, and an empty final block behind it, perhaps in a later segment     exact
 *	an empty block that ends within a byte (Z_PARTIAL_FLUSH), or nothing at all  only when
 *	                                          nothing comes behind it in the same segment
 *
 * No command begins with a byte below 0x20, and each of these that goes on does.  What is bare has
 * to look like a command, "tag word": a peer that goes on compressing is found out, however its
 * bytes come.
 *
 * All that zlib holds is wiped when it is given back.
 */
#include "net/layer.h"
#include "net/loop.h"

#define DEFLATE_IDLE_MS 1000
/* What a layer may hold: 32 KiB of history and the decoder's state.  For limits. */
#define DEFLATE_MEMORY (size_t)(40 * 1024)

/* level: 1 (fast) to 9 (small). */
struct stream_layer *deflate_layer_new(struct loop *loop, int level)
    __attribute__((returns_nonnull));
/* When it was popped, or never pushed, or its stream has ended.  Where its end is still looked for
 * it is freed when that was found. */
void deflate_layer_free(struct stream_layer *layer);
/* Bytes of the heap that it holds now.  For tests. */
size_t deflate_layer_bytes(struct stream_layer *layer);
#endif
