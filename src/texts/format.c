/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The conversions of printf formats.  A translation is a format from a file: it must take the same
 * arguments as the English text.
 */
#include "texts/texts.h"

enum { CONVERSIONS_MAX = 9 };

struct conversions {
	struct str v[CONVERSIONS_MAX]; /* "s", ".3u", in the order of the values */
	size_t n;
	bool numbered;
};

/* Takes "2$" after a percent sign; 0: none. */
static size_t
take_number(const char **p)
{
	size_t n = 0;

	if ((*p)[0] >= '1' && (*p)[0] <= '9' && (*p)[1] == '$') {
		n = (size_t)((*p)[0] - '0');
		*p += 2;
	}
	return n;
}

static bool
keep_conversion(struct conversions *c, size_t number, struct str spec)
{
	bool numbered = number > 0;

	if (c->n > 0 && numbered != c->numbered)
		return false; /* undefined for printf */
	c->numbered = numbered;
	if (!numbered)
		number = c->n + 1;
	if (number > CONVERSIONS_MAX)
		return false;
	if (c->v[number - 1].n > 0)
		return str_eq(c->v[number - 1], spec); /* a value may be used twice */
	c->v[number - 1] = spec;
	c->n++;
	return true;
}

/* False: a conversion that is not allowed in texts. */
static bool
read_format(const char *p, struct conversions *c)
{
	*c = (struct conversions){.n = 0};
	while ((p = strchr(p, '%')) != NULL) {
		const char *spec = p + 1;
		size_t number = take_number(&spec);
		size_t n = strspn(spec, "0123456789.-+ #hlzjt");

		p = spec + n;
		if (*p == '%' && n == 0 && number == 0) {
			p++;
			continue;
		}
		if (*p == '\0' || strchr("sdiuxXc", *p) == NULL ||
		    !keep_conversion(c, number, str_range(spec, p + 1)))
			return false;
	}
	return true;
}

/* Text like "cannot hold * or %" is not a valid format, so it is printed as it is. */
static bool
is_no_format(const char *english)
{
	const char *percent = strchr(english, '%');

	return percent != NULL && percent[1] == '\0';
}

bool
texts_same_conversions(const char *english, const char *said)
{
	struct conversions a, b;

	if (is_no_format(english))
		return true;
	if (!read_format(english, &a) || !read_format(said, &b))
		return false;
	for (size_t i = 0; i < CONVERSIONS_MAX; i++)
		if (!str_eq(a.v[i], b.v[i]))
			return false;
	return true;
}
