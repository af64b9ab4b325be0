/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_IMAP_ZIP_H
#define TEST_IMAP_ZIP_H
/*
 * The client's side of COMPRESS=DEFLATE (RFC 4978) for transcripts.  Its own stream ends behind a
 * line "TAG UNAUTHENTICATE", in capitals, the server's where that says so.
 */
#include "base/buf.h"

struct zip; /* opaque */

/* How the client ends its stream; all else that it sends ends with Z_SYNC_FLUSH. */
enum zip_last { ZIP_SYNC, ZIP_FULL, ZIP_FINISH, ZIP_EMPTY, ZIP_PARTIAL, ZIP_LASTS };
extern const char *const zip_lasts[ZIP_LASTS + 1]; /* names of these; NULL */

struct zip *zip_new(void) __attribute__((returns_nonnull));
void zip_free(struct zip **zip);
void zip_wrap(struct zip *zip, struct str text, enum zip_last last, struct buf *wire);
/* Takes bytes of the server's stream off in; what is behind its end stays there. */
void zip_unwrap(struct zip *zip, struct buf *in, struct buf *plain);
/* The server's stream has ended. */
bool zip_over(const struct zip *zip);
#endif
