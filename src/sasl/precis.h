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

/* Whether n code points are allowed; code points unassigned in ICU's Unicode version are not. */
bool precis_allowed(const UChar32 *p, int32_t n, enum precis_class cls);
/* Whether a label satisfies the bidi rule; true if nothing in it is written right to left. */
bool precis_bidi_ok(const UChar32 *p, int32_t n);
#endif
