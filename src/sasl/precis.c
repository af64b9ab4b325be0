/* SPDX-License-Identifier: Apache-2.0 */
/* The string classes of PRECIS: see precis.h. */
#include "sasl/precis.h"

#include <stddef.h>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>

#include "base/err.h"

enum verdict { PVALID, FREE_PVALID, DISALLOWED, CONTEXT };

/* Facts about the whole string, for rules that look at all of it. */
struct facts {
	bool kana_or_han;     /* RFC 5892 A.7 */
	bool arabic_digits;   /* A.8: U+0660 to U+0669 */
	bool extended_digits; /* A.9: U+06F0 to U+06F9 */
};

/* RFC 8264 section 9.6, which is RFC 5892 section 2.6. */
static bool
exception(UChar32 c, enum verdict *verdict_r)
{
	switch (c) {
	case 0x00DF:
	case 0x03C2:
	case 0x06FD:
	case 0x06FE:
	case 0x0F0B:
	case 0x3007:
		*verdict_r = PVALID;
		return true;
	case 0x00B7:
	case 0x0375:
	case 0x05F3:
	case 0x05F4:
	case 0x30FB:
		*verdict_r = CONTEXT;
		return true;
	case 0x0640:
	case 0x07FA:
	case 0x302E:
	case 0x302F:
	case 0x303B:
		*verdict_r = DISALLOWED;
		return true;
	default:
		break;
	}
	if ((c >= 0x0660 && c <= 0x0669) || (c >= 0x06F0 && c <= 0x06F9)) {
		*verdict_r = CONTEXT;
		return true;
	}
	if (c >= 0x3031 && c <= 0x3035) {
		*verdict_r = DISALLOWED;
		return true;
	}
	return false;
}

/* RFC 8264 section 9.17: toNFKC(c) is not c. */
static bool
has_compat(UChar32 c)
{
	UErrorCode err = U_ZERO_ERROR;
	const UNormalizer2 *nfkc = unorm2_getNFKCInstance(&err);
	UChar text[2];
	int32_t n = 0;

	if (U_FAILURE(err))
		TS_WRONG("ICU has no NFKC data");
	if (unorm2_isInert(nfkc, c))
		return false;
	U16_APPEND_UNSAFE(text, n, c);
	return unorm2_quickCheck(nfkc, text, n, &err) == UNORM_NO;
}

static bool
old_hangul(UChar32 c)
{
	int32_t t = u_getIntPropertyValue(c, UCHAR_HANGUL_SYLLABLE_TYPE);

	return t == U_HST_LEADING_JAMO || t == U_HST_VOWEL_JAMO || t == U_HST_TRAILING_JAMO;
}

static enum verdict
by_category(UChar32 c)
{
	uint32_t m = U_GET_GC_MASK(c);

	/* LetterDigits (section 9.1); before that, characters with a compatibility form (9.17). */
	if (has_compat(c))
		return FREE_PVALID;
	if ((m & (U_GC_LL_MASK | U_GC_LU_MASK | U_GC_LO_MASK | U_GC_ND_MASK | U_GC_LM_MASK |
	             U_GC_MN_MASK | U_GC_MC_MASK)) != 0)
		return PVALID;
	/* OtherLetterDigits, Spaces, Symbols, Punctuation (sections 9.18, 9.14 to 9.16). */
	if ((m & (U_GC_LT_MASK | U_GC_NL_MASK | U_GC_NO_MASK | U_GC_ME_MASK | U_GC_ZS_MASK |
	             U_GC_S_MASK | U_GC_P_MASK)) != 0)
		return FREE_PVALID;
	return DISALLOWED;
}

/* The order of the tests is that of RFC 8264 section 8. */
static enum verdict
verdict_of(UChar32 c)
{
	enum verdict v;

	if (exception(c, &v))
		return v;
	if (u_charType(c) == U_UNASSIGNED)
		return DISALLOWED;
	if (c >= 0x21 && c <= 0x7E)
		return PVALID;
	if (u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL))
		return CONTEXT;
	if (old_hangul(c) || u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) ||
	    u_hasBinaryProperty(c, UCHAR_NONCHARACTER_CODE_POINT) ||
	    u_charType(c) == U_CONTROL_CHAR)
		return DISALLOWED;
	return by_category(c);
}

static bool
is_script(UChar32 c, UScriptCode script)
{
	UErrorCode err = U_ZERO_ERROR;

	return uscript_getScript(c, &err) == script && U_SUCCESS(err);
}

/* RFC 5892 A.1: between joining letters, with any transparent ones in between. */
static bool
joins_around(const UChar32 *p, int32_t n, int32_t at)
{
	int32_t i = at - 1, t;

	while (i >= 0 && u_getIntPropertyValue(p[i], UCHAR_JOINING_TYPE) == U_JT_TRANSPARENT)
		i--;
	if (i < 0)
		return false;
	t = u_getIntPropertyValue(p[i], UCHAR_JOINING_TYPE);
	if (t != U_JT_LEFT_JOINING && t != U_JT_DUAL_JOINING)
		return false;
	i = at + 1;
	while (i < n && u_getIntPropertyValue(p[i], UCHAR_JOINING_TYPE) == U_JT_TRANSPARENT)
		i++;
	if (i >= n)
		return false;
	t = u_getIntPropertyValue(p[i], UCHAR_JOINING_TYPE);
	return t == U_JT_RIGHT_JOINING || t == U_JT_DUAL_JOINING;
}

#define VIRAMA 9 /* the canonical combining class */

static bool
context_ok(const UChar32 *p, int32_t n, int32_t at, const struct facts *facts)
{
	UChar32 before = at > 0 ? p[at - 1] : 0, after = at + 1 < n ? p[at + 1] : 0;

	switch (p[at]) {
	case 0x200C: /* ZERO WIDTH NON-JOINER */
		return (at > 0 && u_getCombiningClass(before) == VIRAMA) || joins_around(p, n, at);
	case 0x200D: /* ZERO WIDTH JOINER, A.2 */
		return at > 0 && u_getCombiningClass(before) == VIRAMA;
	case 0x00B7: /* MIDDLE DOT, A.3: the Catalan one */
		return before == 'l' && after == 'l';
	case 0x0375: /* GREEK LOWER NUMERAL SIGN, A.4 */
		return at + 1 < n && is_script(after, USCRIPT_GREEK);
	case 0x05F3: /* HEBREW PUNCTUATION GERESH and GERSHAYIM, A.5 and A.6 */
	case 0x05F4:
		return at > 0 && is_script(before, USCRIPT_HEBREW);
	case 0x30FB: /* KATAKANA MIDDLE DOT, A.7 */
		return facts->kana_or_han;
	default: /* digits of the two Arabic kinds do not mix, A.8 and A.9 */
		return !(facts->arabic_digits && facts->extended_digits);
	}
}

static struct facts
find_facts(const UChar32 *p, int32_t n)
{
	struct facts f = {false, false, false};

	for (int32_t i = 0; i < n; i++) {
		if (p[i] >= 0x0660 && p[i] <= 0x0669)
			f.arabic_digits = true;
		else if (p[i] >= 0x06F0 && p[i] <= 0x06F9)
			f.extended_digits = true;
		else if (is_script(p[i], USCRIPT_HIRAGANA) || is_script(p[i], USCRIPT_KATAKANA) ||
		         is_script(p[i], USCRIPT_HAN))
			f.kana_or_han = true;
	}
	return f;
}

bool
precis_allowed(const UChar32 *p, int32_t n, enum precis_class cls)
{
	struct facts facts = find_facts(p, n);

	for (int32_t i = 0; i < n; i++) {
		enum verdict v = verdict_of(p[i]);

		if (v == DISALLOWED || (v == FREE_PVALID && cls == PRECIS_IDENTIFIER) ||
		    (v == CONTEXT && !context_ok(p, n, i, &facts)))
			return false;
	}
	return true;
}

#define DIR(d) (1u << (d))
/* RFC 5893 section 2, rules 2 and 5: what may appear in both directions. */
#define NEUTRAL                                                                                    \
	(DIR(U_EUROPEAN_NUMBER_SEPARATOR) | DIR(U_COMMON_NUMBER_SEPARATOR) |                       \
	    DIR(U_EUROPEAN_NUMBER_TERMINATOR) | DIR(U_OTHER_NEUTRAL) | DIR(U_BOUNDARY_NEUTRAL) |   \
	    DIR(U_DIR_NON_SPACING_MARK))
#define RTL_LETTERS (DIR(U_RIGHT_TO_LEFT) | DIR(U_RIGHT_TO_LEFT_ARABIC))
#define NUMBERS (DIR(U_EUROPEAN_NUMBER) | DIR(U_ARABIC_NUMBER))

bool
precis_bidi_ok(const UChar32 *p, int32_t n)
{
	uint32_t all = 0, first, last;
	int32_t end = n;

	for (int32_t i = 0; i < n; i++)
		all |= DIR(u_charDirection(p[i]));
	if ((all & (RTL_LETTERS | DIR(U_ARABIC_NUMBER))) == 0)
		return true;
	while (end > 0 && u_charDirection(p[end - 1]) == U_DIR_NON_SPACING_MARK)
		end--;
	if (end == 0)
		return false;
	first = DIR(u_charDirection(p[0]));
	last = DIR(u_charDirection(p[end - 1]));
	if ((first & RTL_LETTERS) != 0) /* rules 2 to 4 */
		return (all & ~(RTL_LETTERS | NUMBERS | NEUTRAL)) == 0 &&
		       (last & (RTL_LETTERS | NUMBERS)) != 0 && (all & NUMBERS) != NUMBERS;
	/* Rule 1 requires a letter first; rule 5 forbids Arabic numbers and letters of the other
	   direction, and the label has one of them. */
	return false;
}
