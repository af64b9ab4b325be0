/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CONTROL_FRAME_H
#define CONTROL_FRAME_H
/*
 * What travels between a command and who carries out its request: frames of a
 * type (one byte), a length (four bytes, the highest first) and that many bytes.
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
 * The command speaks only when asked, so neither side ever has to read and
 * write at the same time.
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
	int stop;         /* readable when we shall end; the peer then has 2 s; -1: never */
	int64_t patience; /* milliseconds for a peer that does not get on; -1: for ever */
};

/* BLOCKING.  False: the peer is gone, or was waited for in vain.  At most FRAME_BYTES_MAX bytes. */
bool frame_write(const struct channel *ch, enum frame_type type, struct str bytes);
/* The same, in as many frames as it takes; none for no bytes. */
bool frame_write_all(const struct channel *ch, enum frame_type type, struct str bytes);

enum frame_result {
	FRAME_READ,
	FRAME_GONE, /* the end of the connection, perhaps within a frame; in vain; we shall end */
	FRAME_BAD   /* no such type, or too long: this peer is of another version, or no peer */
};
/* BLOCKING.  The bytes are appended.  max: the most to take, up to FRAME_BYTES_MAX. */
enum frame_result frame_read(
    const struct channel *ch, size_t max, enum frame_type *type_r, struct buf *bytes);

/* Shall we end?  Does not block. */
bool channel_stopping(const struct channel *ch);
/* The same, or has the peer gone? */
bool channel_over(const struct channel *ch);

/* Eight bytes, the highest first (buf_be64()). */
uint64_t frame_u64(const char *p);
#endif
