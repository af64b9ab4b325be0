/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_STREAM_FAKE_H
#define NET_STREAM_FAKE_H
/*
 * A stream without a socket: the test is the peer.  Works on a fake loop; run
 * the loop after each of these calls.
 */
#include "net/stream.h"

struct stream_fake; /* opaque; owned by the test, outlives the stream */

/* tls: secured() comes at once, as on an imaps port. */
struct stream_fake *stream_fake_new(struct loop *loop, bool tls) __attribute__((returns_nonnull));
/* Aborts the stream if it still exists; then the loop must run once more. */
void stream_fake_free(struct stream_fake **fake);
/* Returns NULL after the stream has ended. */
struct stream *stream_fake_stream(struct stream_fake *fake);

/* Sends bytes from the peer. */
void stream_fake_push(struct stream_fake *fake, struct str bytes);
/* Delivers input in pieces of at most n bytes; 0 (the default): as pushed. */
void stream_fake_set_segment(struct stream_fake *fake, size_t n);
/* The peer stops sending, or the connection breaks. */
void stream_fake_end(struct stream_fake *fake);
void stream_fake_break(struct stream_fake *fake);
/* Breaks the connection at the n-th write from now on (0: never); and returns how many there
 * were. */
void stream_fake_fail_write(struct stream_fake *fake, uint64_t n);
uint64_t stream_fake_writes(const struct stream_fake *fake);
/* Returns how often input was acknowledged before the rest of it came. */
uint64_t stream_fake_acks(const struct stream_fake *fake);
/* The peer accepts n more bytes of output, then none; SIZE_MAX (the default): everything. */
void stream_fake_set_window(struct stream_fake *fake, size_t n);
/* held: the peer does not continue the TLS handshake; false (the default): it completes at once. */
void stream_fake_hold_handshake(struct stream_fake *fake, bool held);
/* Sets the certificate that the peer shows under TLS (default: none).  The test owns its
 * strings. */
void stream_fake_set_identity(struct stream_fake *fake, const struct tls_identity *identity);
/* Its TLS compresses (RFC 3749). */
void stream_fake_compress(struct stream_fake *fake);
/* Returns the bytes sent by the peer that the stream has not read yet: what the network holds. */
size_t stream_fake_untaken(const struct stream_fake *fake);
/* Returns what the stream wrote, encrypted or not; the test may consume it.  Stays after the
 * end. */
struct buf *stream_fake_output(struct stream_fake *fake);
bool stream_fake_ended(const struct stream_fake *fake, enum stream_end *why_r);
#endif
