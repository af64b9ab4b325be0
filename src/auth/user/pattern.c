/* SPDX-License-Identifier: Apache-2.0 */
/* Names in patterns: see pattern.h. */
#include "auth/user/pattern.h"

#include "sasl/names.h"

bool
auth_pattern_ok(struct str pattern)
{
	for (const char *at; (at = str_chr(pattern, '%')) != NULL;) {
		if (at + 1 == pattern.p + pattern.n || strchr("und%", at[1]) == NULL ||
		    at[1] == '\0')
			return false;
		pattern = str_range(at + 2, pattern.p + pattern.n);
	}
	return true;
}

static bool
has_one_of(struct str pattern, char a, char b)
{
	for (const char *at; (at = str_chr(pattern, '%')) != NULL;) {
		if (at + 1 == pattern.p + pattern.n)
			return false;
		if (at[1] == a || at[1] == b)
			return true;
		pattern = str_range(at + 2, pattern.p + pattern.n);
	}
	return false;
}

bool
auth_pattern_has_domain(struct str pattern)
{
	return has_one_of(pattern, 'u', 'd');
}

bool
auth_pattern_has_name(struct str pattern)
{
	return has_one_of(pattern, 'u', 'n');
}

static void
put_replacement(struct str s, auth_escape_fn *escape, struct buf *out)
{
	if (escape != NULL)
		escape(s, out);
	else
		buf_str(out, s);
}

void
auth_pattern_expand(struct str pattern, struct str name, auth_escape_fn *escape, struct buf *out)
{
	struct str local = name, domain = STR_NONE;

	(void)sasl_name_split(name, &local, &domain);
	for (const char *at; (at = str_chr(pattern, '%')) != NULL;) {
		buf_str(out, str_range(pattern.p, at));
		if (at + 1 == pattern.p + pattern.n)
			return;
		if (at[1] == 'u')
			put_replacement(name, escape, out);
		else if (at[1] == 'n')
			put_replacement(local, escape, out);
		else if (at[1] == 'd')
			put_replacement(domain, escape, out);
		else
			buf_putc(out, at[1]);
		pattern = str_range(at + 2, pattern.p + pattern.n);
	}
	buf_str(out, pattern);
}

/* A domain in the form that names have. */
static bool
same_domain(struct str configured, struct str domain)
{
	struct buf a = {0};
	bool same = false;

	if (configured.n == 0 || domain.n == 0)
		return configured.n == domain.n;
	if (sasl_name_full(STR("x"), configured, &a))
		same = a.n == domain.n + 2 && memcmp(a.p + 2, domain.p, domain.n) == 0;
	buf_fini(&a);
	return same;
}

bool
auth_domains_take(
    const struct conf_list *domains, struct str default_domain, bool any_domain, struct str name)
{
	struct str local, domain;

	if (!sasl_name_split(name, &local, &domain))
		return false;
	if (domains->n == 0)
		return any_domain || same_domain(default_domain, domain);
	for (size_t i = 0; i < domains->n; i++)
		if (same_domain(domains->items[i], domain))
			return true;
	return false;
}
