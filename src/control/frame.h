/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_FRAME_H
#define CONTROL_FRAME_H
/*
 * What a command and the process that carries out its request exchange: frames of a type (one
 * byte), a length (four bytes, big-endian) and that many bytes.
 *
 *	command                       server
 *	REQUEST  request.h    ->
 *	                      <-      PROGRESS  done, total (8 bytes each), what
 *	                      <-      DATA      bulk data
 *	                      <-      WANT      (empty) the next piece, please
 *	PIECE    bulk data    ->
 *	END      (empty)      ->                there is no next piece
 *	                      <-      TEXT      a piece of the answer's text
 *	                      <-      OK or FAILED  (empty) the end
 *
 * The command sends only when asked, so neither side ever has to read and write at the same time.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

enum frame_type {
	FRAME_REQUEST = 'r',
	FRAME_PROGRESS = 'p',
	FRAME_DATA = 'd',
	FRAME_WANT = 'w',
	FRAME_PIECE = 'b',
	FRAME_END = 'e',
	FRAME_TEXT = 't',
	FRAME_OK = 'k',
	FRAME_FAILED = 'f'
};

enum { FRAME_BYTES_MAX = 1 << 20 };

struct channel {
	int fd;
	int stop;         /* readable when we must end; the peer then has 2 s; -1: never */
	int64_t patience; /* milliseconds to wait for a peer that is stuck; -1: no limit */
};

/* BLOCKING.  False: the peer is gone or timed out.  At most FRAME_BYTES_MAX bytes. */
bool frame_write(const struct channel *ch, enum frame_type type, struct str bytes);
/* The same, in as many frames as needed; none for no bytes. */
bool frame_write_all(const struct channel *ch, enum frame_type type, struct str bytes);

enum frame_result {
	FRAME_READ,
	FRAME_GONE, /* the connection ended, perhaps within a frame; timed out; or we must end */
	FRAME_BAD   /* unknown type, or too long: another version, or not a peer at all */
};
/* BLOCKING.  Appends the bytes.  max: the most to accept, up to FRAME_BYTES_MAX. */
enum frame_result frame_read(
    const struct channel *ch, size_t max, enum frame_type *type_r, struct buf *bytes);

/* Whether we must end.  Does not block. */
bool channel_stopping(const struct channel *ch);
/* The same, or whether the peer has gone. */
bool channel_over(const struct channel *ch);

/* Eight bytes, big-endian (buf_be64()). */
uint64_t frame_u64(const char *p);
#endif
