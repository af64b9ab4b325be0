/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_EXT_NAMESPACE_H
#define WIRE_EXT_NAMESPACE_H
/* Parses and prints NAMESPACE (RFC 2342, RFC 9051 section 7.3.1).  The command has no arguments. */
#include "wire/out.h"

struct wire_namespace {
	struct str prefix; /* UTF-8; may be empty */
	char delimiter;    /* 0: NIL */
};
/* personal, other users', shared: n == 0 means NIL. */
struct wire_namespaces {
	const struct wire_namespace *v;
	size_t n;
};
void wire_out_namespace(
    struct buf *b, const struct wire_dialect *d, const struct wire_namespaces sets[3]);
/* Skips what extensions add to a namespace. */
bool wire_in_namespace(struct wire_in *in, struct wire_namespaces sets_r[3]);
#endif
