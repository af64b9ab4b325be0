/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_NORMAL_H
#define BASE_NORMAL_H
/* Texts in one spelling. */
#include "base/arena.h"

/*
 * The text in Unicode's normal form C, the one spelling in which names of mailboxes are kept (RFC
 * 9051 section 5.1, RFC 5198): whoever takes a name from outside asks for it.  utf8 itself when it
 * is in that form, or no UTF-8; else a copy in the arena.  STR_NONE: memory ran out (arena_oom).
 */
struct str str_normal(struct arena *a, struct str utf8);
#endif
