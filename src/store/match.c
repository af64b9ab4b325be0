/* SPDX-License-Identifier: Apache-2.0 */
/* LIST patterns: see match.h.  The set of places in the pattern is followed through the name. */
#include "store/match.h"

#include "base/mem.h"

#define SMALL 256

/* Places reached without taking a byte: over a wildcard one may go on at once. */
static void
close_over(const struct str pattern, unsigned char *at)
{
	for (size_t i = 0; i < pattern.n; i++)
		if (at[i] != 0 && (pattern.p[i] == '*' || pattern.p[i] == '%'))
			at[i + 1] = 1;
}

static bool
step(struct str pattern, const unsigned char *at, unsigned char *next, char c, bool fold)
{
	bool any = false;

	memset(next, 0, pattern.n + 1);
	for (size_t i = 0; i < pattern.n; i++) {
		char p = pattern.p[i];

		if (at[i] == 0)
			continue;
		if (p == '*' || (p == '%' && c != '/'))
			next[i] = 1;
		else if (p == c ||
		         (fold && ascii_lower((unsigned char)p) == ascii_lower((unsigned char)c)))
			next[i + 1] = 1;
		else
			continue;
		any = true;
	}
	return any;
}

bool
store_match(struct str pattern, struct str name)
{
	unsigned char small[2][SMALL + 1];
	unsigned char *at = small[0], *next = small[1], *swap, *heap = NULL;
	bool inbox = str_eq(name, STR("INBOX")) || str_has_prefix(name, STR("INBOX/"));
	bool result;
	size_t i;

	if (pattern.n > SMALL) {
		heap = mem_zalloc(2 * (pattern.n + 1));
		at = heap;
		next = heap + pattern.n + 1;
	}
	memset(at, 0, pattern.n + 1);
	at[0] = 1;
	close_over(pattern, at);
	for (i = 0; i < name.n; i++) {
		if (!step(pattern, at, next, name.p[i], inbox && i < 5))
			break;
		close_over(pattern, next);
		swap = at;
		at = next;
		next = swap;
	}
	result = i == name.n && at[pattern.n] != 0;
	mem_free(heap);
	return result;
}
