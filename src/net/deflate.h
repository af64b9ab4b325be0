/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_DEFLATE_H
#define NET_DEFLATE_H
/*
 * DEFLATE (RFC 1951) as a layer of a stream, for COMPRESS (RFC 4978).
 *
 * It is small when idle.  Output has no history: what is flushed together is compressed by itself,
 * which any peer can decode.  So nothing is kept between two flushes, and what was sent for one
 * user cannot influence what is sent for the next.  A little output, such as a keepalive line, is
 * sent uncompressed in a stored block.  Input may refer to the last 32 KiB: this history is packed
 * when no input came for DEFLATE_IDLE_MS on the loop's clock, and unpacked at the next byte.
 *
 * The layer's own end is a final block.  The peer's may be one, too, or a flush (RFC 8437 section 4
 * does not say which), and bare bytes may follow it directly:
 *
 *	a final block, as Z_FINISH makes it                                          exact
 *	an empty stored block, as Z_SYNC_FLUSH and Z_FULL_FLUSH make it,             exact
 *	the same, and an empty final block after it, perhaps in a later segment      exact
 *	an empty block that ends within a byte (Z_PARTIAL_FLUSH), or nothing at all  only if
 *	                                               nothing follows in the same segment
 *
 * No command begins with a byte below 0x20, but every continuation of these does.  Bare bytes must
 * look like a command, "tag word": so a peer that is still compressing is detected, however its
 * bytes are segmented.
 *
 * All memory of zlib is wiped when it is freed.
 */
#include "net/layer.h"
#include "net/loop.h"

#define DEFLATE_IDLE_MS 1000
/* The most memory that a layer holds: 32 KiB of history and the decoder's state. */
#define DEFLATE_MEMORY (size_t)(40 * 1024)

/* level: 1 (fast) to 9 (small). */
struct stream_layer *deflate_layer_new(struct loop *loop, int level)
    __attribute__((returns_nonnull));
/* For a layer that was popped or never pushed, or whose stream has ended.  If the peer's end has
 * not been found yet, the layer is freed when it is. */
void deflate_layer_free(struct stream_layer *layer);
/* Returns how many bytes of heap it holds now.  For tests. */
size_t deflate_layer_bytes(struct stream_layer *layer);
#endif
