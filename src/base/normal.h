/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_NORMAL_H
#define BASE_NORMAL_H
/* Texts in one spelling. */
#include "base/arena.h"

/*
 * Returns the text in Unicode's normal form C, the one spelling of mailbox names in the store (RFC
 * 9051 section 5.1, RFC 5198); call it for names from outside.  Returns utf8 itself if it is in
 * that form or not UTF-8; else a copy in the arena.  STR_NONE: memory ran out (arena_oom).
 */
struct str str_normal(struct arena *a, struct str utf8);
#endif
