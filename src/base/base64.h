/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H
/*
 * Base64 of RFC 4648 section 4: the standard alphabet, padded.
 *
 * Decoding is strict: no white space, a length that is a multiple of four,
 * padding only at the end, and zero in the unused bits before it (section 3.5),
 * so that each byte string has exactly one form.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* Appends the encoded form: 4 bytes for each 3, rounded up. */
void base64_encode(struct str in, struct buf *out);
/* Appends the decoded bytes.  Returns false if in is not base64 or memory ran out (out->oom); out
 * is then unchanged. */
bool base64_decode(struct str in, struct buf *out);
#endif
