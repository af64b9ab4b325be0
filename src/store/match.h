/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_MATCH_H
#define STORE_MATCH_H
/*
 * LIST patterns (RFC 9051 section 6.3.9): '*' stands for any bytes, '%' for any
 * without the separator.  INBOX at the first level matches without case
 * (section 5.1).  Time is at most pattern times name, whatever the pattern.
 */
#include "base/str.h"

bool store_match(struct str pattern, struct str name);
#endif
