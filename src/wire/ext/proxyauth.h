/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_PROXYAUTH_H
#define WIRE_EXT_PROXYAUTH_H
/* Parses and prints PROXYAUTH: a user's name, as an astring. */
#include "wire/out.h"

bool wire_proxyauth_parse(struct wire_in *in, struct str *user_r);
void wire_proxyauth_print(struct buf *b, const struct wire_dialect *d, struct str user);
#endif
