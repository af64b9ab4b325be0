/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_NAMES_H
#define SASL_NAMES_H
/*
 * Preparation of user names and passwords (PRECIS, RFC 8264 and RFC 8265), so that different
 * spellings of a name compare equal byte by byte.
 *
 * Prepare a name once, where it enters (a login, a command line), before you compare it, use it as
 * a key or match it.  Pure ASCII has a fast path.  All functions are safe in any thread.
 */
#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/*
 * UsernameCaseMapped (RFC 8265 section 3.3): width mapping, lower case, NFC, the bidi rule, and
 * only characters of IdentifierClass (no spaces, no controls).  Appends the result.  False: the
 * name is not allowed, empty, or longer than SASL_NAME_MAX before or after, or memory ran out
 * (out->oom, as in the functions below); out is unchanged then.
 */
bool sasl_name_prepare(struct str in, struct buf *out);

/*
 * OpaqueString (RFC 8265 section 4.2), for passwords: all spaces become U+0020, NFC, and only
 * characters of FreeformClass.  Appends the result; the caller wipes out.  False as above
 * (SASL_PASSWORD_MAX).
 */
bool sasl_password_prepare(struct str in, struct buf *out);

/*
 * Splits `local@domain`, or `local` (the domain is then empty).  False: there is more than one @,
 * or a part is empty.
 */
bool sasl_name_split(struct str name, struct str *local_r, struct str *domain_r);

/*
 * Appends the canonical form of a user's name, which serves as a key: prepared, and with
 * default_domain added if the name has no domain and default_domain is not empty.  default_domain
 * need not be prepared.  False as in sasl_name_prepare() and sasl_name_split(); out is unchanged
 * then.
 */
bool sasl_name_full(struct str name, struct str default_domain, struct buf *out);
#endif
