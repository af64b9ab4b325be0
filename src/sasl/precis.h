/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_PRECIS_H
#define SASL_PRECIS_H
/*
 * The string classes of RFC 8264, the contextual rules of RFC 5892 appendix A
 * and the bidi rule of RFC 5893, from ICU's character properties.  For names.c.
 */
#include <stdbool.h>
#include <stdint.h>

#include <unicode/utypes.h>

enum precis_class { PRECIS_IDENTIFIER, PRECIS_FREEFORM };

/* n code points; what is unassigned in this ICU's Unicode version is refused. */
bool precis_allowed(const UChar32 *p, int32_t n, enum precis_class cls);
/* One label: true also when there is nothing that is written from right to left. */
bool precis_bidi_ok(const UChar32 *p, int32_t n);
#endif
