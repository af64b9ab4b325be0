/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_NAMES_H
#define SASL_NAMES_H
/*
 * Preparation of user names and passwords (PRECIS, RFC 8264 and RFC 8265), so
 * that what people write in different ways compares equal byte by byte.
 *
 * A name is prepared once, where it enters (a login, a command line), before
 * it is compared, used as a key or matched.  Pure ASCII, nearly all there is,
 * takes a short way.  All functions are safe in any thread.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * UsernameCaseMapped (RFC 8265 section 3.3): width mapping, lower case, NFC,
 * the bidi rule, and only what IdentifierClass allows (so no blanks and no
 * controls).  Appends the result.  False when the name is not allowed, empty or
 * longer than SASL_NAME_MAX before or after, or memory ran out (out->oom, as in
 * the others); out is then as it was.
 */
bool sasl_name_prepare(struct str in, struct buf *out);

/*
 * OpaqueString (RFC 8265 section 4.2) for passwords: blanks of any kind become
 * U+0020, NFC, and what FreeformClass allows.  Appends; out is to be wiped.
 * False as above (SASL_PASSWORD_MAX).
 */
bool sasl_password_prepare(struct str in, struct buf *out);

/*
 * Cuts `local@domain`, or `local` (domain is then empty).  False when there is
 * more than one @, or a part of it is empty.
 */
bool sasl_name_split(struct str name, struct str *local_r, struct str *domain_r);

/*
 * The one form of a user's name that is used as a key: prepared, and with
 * default_domain behind it when it has no domain and default_domain is not
 * empty.  default_domain need not be prepared.  False as sasl_name_prepare and
 * sasl_name_split; out is then as it was.
 */
bool sasl_name_full(struct str name, struct str default_domain, struct buf *out);
#endif
