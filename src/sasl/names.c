/* SPDX-License-Identifier: Apache-2.0 */
/* Prepares names and passwords (RFC 8265): see names.h. */
#include "sasl/names.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>

#include "base/err.h"
#include "base/mem.h"
#include "sasl/mech.h"
#include "sasl/precis.h"

/* In UTF-16 units: enough for anything within the limits in bytes. */
#define TEXT_MAX (3 * (SASL_PASSWORD_MAX + 2))

struct text {
	int32_t n;
	UChar p[TEXT_MAX];
};

struct points {
	int32_t n;
	UChar32 p[TEXT_MAX];
};

/* Work space for non-ASCII text; wiped, because it may hold passwords. */
struct work {
	struct text a, b;
	struct points points;
};

typedef bool rule_f(struct work *w); /* changes a in place; b is scratch space */

static const UNormalizer2 *
normalizer(bool compat)
{
	UErrorCode err = U_ZERO_ERROR;
	const UNormalizer2 *n = compat ? unorm2_getNFKCInstance(&err) : unorm2_getNFCInstance(&err);

	if (U_FAILURE(err))
		TS_WRONG("ICU has no normalization data");
	return n;
}

static void
to_points(struct work *w)
{
	UChar32 c;

	w->points.n = 0;
	for (int32_t i = 0; i < w->a.n;) {
		U16_NEXT(w->a.p, i, w->a.n, c);
		w->points.p[w->points.n++] = c;
	}
}

static bool
to_nfc(struct work *w)
{
	UErrorCode err = U_ZERO_ERROR;

	w->b.n = unorm2_normalize(normalizer(false), w->a.p, w->a.n, w->b.p, TEXT_MAX, &err);
	if (U_FAILURE(err))
		return false;
	memcpy(w->a.p, w->b.p, (size_t)w->b.n * sizeof(UChar));
	w->a.n = w->b.n;
	return true;
}

/* RFC 8265 section 3.3.2 step 1: maps full- and half-width characters. */
static bool
map_width(struct work *w)
{
	const UNormalizer2 *nfkc = normalizer(true);

	to_points(w);
	w->a.n = 0;
	for (int32_t i = 0; i < w->points.n; i++) {
		UChar32 c = w->points.p[i];
		int32_t type = u_getIntPropertyValue(c, UCHAR_DECOMPOSITION_TYPE);
		UErrorCode err = U_ZERO_ERROR;
		bool failed = false;

		if (type == U_DT_WIDE || type == U_DT_NARROW) {
			int32_t n = unorm2_getRawDecomposition(
			    nfkc, c, w->a.p + w->a.n, TEXT_MAX - w->a.n, &err);

			if (U_FAILURE(err) || n < 0)
				return false;
			w->a.n += n;
			continue;
		}
		U16_APPEND(w->a.p, w->a.n, TEXT_MAX, c, failed);
		if (failed)
			return false;
	}
	return true;
}

static bool
to_lower(struct work *w)
{
	UErrorCode err = U_ZERO_ERROR;

	/* The root locale: no Turkish dotless i. */
	w->b.n = u_strToLower(w->b.p, TEXT_MAX, w->a.p, w->a.n, "", &err);
	if (U_FAILURE(err))
		return false;
	memcpy(w->a.p, w->b.p, (size_t)w->b.n * sizeof(UChar));
	w->a.n = w->b.n;
	return true;
}

static bool
all_in_class(struct work *w, enum precis_class cls)
{
	to_points(w);
	return precis_allowed(w->points.p, w->points.n, cls);
}

/* The bidi rule applies to labels: the local part, and each label of the domain. */
static bool
bidi_ok(const struct points *s)
{
	int32_t from = 0;
	bool in_domain = false;

	for (int32_t i = 0; i <= s->n; i++) {
		bool cut = i == s->n || s->p[i] == '@' || (in_domain && s->p[i] == '.');

		if (!cut)
			continue;
		if (!precis_bidi_ok(s->p + from, i - from))
			return false;
		in_domain = true;
		from = i + 1;
	}
	return true;
}

static bool
name_rules(struct work *w)
{
	if (!map_width(w) || !all_in_class(w, PRECIS_IDENTIFIER) || !to_lower(w) || !to_nfc(w) ||
	    !all_in_class(w, PRECIS_IDENTIFIER))
		return false;
	return bidi_ok(&w->points);
}

/* RFC 8265 section 4.2.2. */
static bool
password_rules(struct work *w)
{
	for (int32_t i = 0; i < w->a.n; i++) /* all spaces (Zs) are in the BMP */
		if (u_charType(w->a.p[i]) == U_SPACE_SEPARATOR)
			w->a.p[i] = ' ';
	return to_nfc(w) && all_in_class(w, PRECIS_FREEFORM);
}

/* Applies the rules until nothing changes (RFC 8264 section 7: at most four times). */
static bool
apply(struct work *w, rule_f *rules)
{
	for (int turn = 0; turn < 4; turn++) {
		struct text before = w->a;
		bool same, ok = rules(w);

		same = ok && w->a.n == before.n &&
		       memcmp(w->a.p, before.p, (size_t)before.n * sizeof(UChar)) == 0;
		mem_wipe(&before, sizeof(before));
		if (!ok || same)
			return ok;
	}
	return false;
}

static bool
prepare_unicode(struct work *w, struct str in, rule_f *rules, int32_t max, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	int32_t n = 0;

	u_strFromUTF8(w->a.p, TEXT_MAX, &w->a.n, in.p, (int32_t)in.n, &err);
	if (U_FAILURE(err) || !apply(w, rules) || w->a.n == 0)
		return false;
	if (buf_room(out, (size_t)max + 1) == NULL)
		return false;
	u_strToUTF8(out->p + out->n, max, &n, w->a.p, w->a.n, &err);
	if (U_FAILURE(err) || n > max)
		return false;
	out->n += (size_t)n;
	return true;
}

static bool
prepare_long_way(struct str in, rule_f *rules, size_t max, struct buf *out)
{
	struct work *w;
	bool ok;

	if (!str_is_utf8(in))
		return false;
	w = mem_try_zalloc(sizeof(*w), out->oom);
	if (w == NULL)
		return false;
	ok = prepare_unicode(w, in, rules, (int32_t)max, out);
	mem_wipe(w, sizeof(*w));
	mem_free(w);
	return ok;
}

/* Whether all bytes are printable ASCII, from low on. */
static bool
is_printable(struct str s, char low)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < low || s.p[i] > '~')
			return false;
	return true;
}

bool
sasl_name_prepare(struct str in, struct buf *out)
{
	char *to;

	if (in.n == 0 || in.n > SASL_NAME_MAX)
		return false;
	if (!is_printable(in, '!'))
		return prepare_long_way(in, name_rules, SASL_NAME_MAX, out);
	to = buf_room(out, in.n);
	if (to == NULL)
		return false;
	for (size_t i = 0; i < in.n; i++)
		to[i] = (char)ascii_lower((unsigned char)in.p[i]);
	out->n += in.n;
	return true;
}

bool
sasl_password_prepare(struct str in, struct buf *out)
{
	if (in.n == 0 || in.n > SASL_PASSWORD_MAX)
		return false;
	if (!is_printable(in, ' '))
		return prepare_long_way(in, password_rules, SASL_PASSWORD_MAX, out);
	buf_str(out, in);
	return !buf_failed(out);
}

bool
sasl_name_split(struct str name, struct str *local_r, struct str *domain_r)
{
	const char *at = str_chr(name, '@');

	*local_r = name;
	*domain_r = STR_NONE;
	if (at == NULL)
		return name.n > 0;
	*local_r = str_range(name.p, at);
	*domain_r = str_range(at + 1, name.p + name.n);
	return local_r->n > 0 && domain_r->n > 0 && str_chr(*domain_r, '@') == NULL;
}

bool
sasl_name_full(struct str name, struct str default_domain, struct buf *out)
{
	size_t was = out->n;
	struct str local, domain;

	/* Prepare first, then split: a fullwidth @ becomes an @. */
	if (!sasl_name_prepare(name, out))
		return false;
	if (!sasl_name_split((struct str){out->p + was, out->n - was}, &local, &domain))
		goto refused;
	if (domain.n == 0 && default_domain.n > 0) {
		size_t at = out->n;

		buf_putc(out, '@');
		if (buf_failed(out) || !sasl_name_prepare(default_domain, out) ||
		    str_chr((struct str){out->p + at + 1, out->n - at - 1}, '@') != NULL)
			goto refused;
	}
	if (out->n - was <= SASL_NAME_MAX && !buf_failed(out))
		return true;
refused:
	out->n = was;
	return false;
}
