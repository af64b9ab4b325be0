/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets and modified UTF-7.  The first byte chooses: a set prints to one that parses to the same,
 * and resolving keeps its members; a name decodes and encodes to the same bytes, and vice versa.
 */
#include "base/err.h"
#include "wire/set.h"
#include "wire/utf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
parse(struct arena *a, struct str text, struct wire_set *set_r)
{
	struct wire_in in;

	wire_in_init(&in, text, a, NULL, NULL);
	return wire_in_set(&in, set_r) && wire_in_end(&in);
}

static bool
has(const struct wire_set *set, uint32_t max, uint32_t n)
{
	for (size_t i = 0; i < set->n; i++) {
		struct wire_range r = wire_range_resolve(set->v[i], max);

		if (n >= r.lo && n <= r.hi)
			return true;
	}
	return false;
}

static void
check_set(struct str text)
{
	struct arena *a = arena_new(NULL, ARENA_OTHER, 1024);
	struct wire_set set, again, resolved;
	struct buf b = {0};

	if (parse(a, text, &set)) {
		wire_set_print(&b, &set);
		TS_ASSERT(parse(a, buf_as_str(&b), &again));
		TS_ASSERT(again.n == set.n && again.saved == set.saved);
		for (size_t i = 0; i < set.n; i++)
			TS_ASSERT(set.v[i].lo == again.v[i].lo && set.v[i].hi == again.v[i].hi &&
			          set.v[i].lo_star == again.v[i].lo_star &&
			          set.v[i].hi_star == again.v[i].hi_star);
		resolved = wire_set_resolve(&set, 7, a);
		for (uint32_t n = 1; n < 20; n++)
			TS_ASSERT(has(&set, 7, n) == has(&resolved, 7, n));
		for (size_t i = 0; i < set.n && i < 100; i++) {
			TS_ASSERT(has(&resolved, 7, set.v[i].lo_star ? 7 : set.v[i].lo));
			TS_ASSERT(has(&resolved, 7, set.v[i].hi_star ? 7 : set.v[i].hi));
		}
	}
	buf_fini(&b);
	arena_free(&a);
}

static void
check_name(struct str text)
{
	struct buf there = {0}, back = {0};

	if (wire_utf7_to_utf8(&there, text)) {
		TS_ASSERT(str_is_utf8(buf_as_str(&there)));
		wire_utf8_to_utf7(&back, buf_as_str(&there));
		TS_ASSERT(str_eq(buf_as_str(&back), text));
	}
	there.n = back.n = 0;
	if (str_is_utf8(text)) {
		wire_utf8_to_utf7(&there, text);
		TS_ASSERT(wire_utf7_to_utf8(&back, buf_as_str(&there)));
		TS_ASSERT(str_eq(buf_as_str(&back), text));
		(void)wire_name_ok(text);
	}
	buf_fini(&there);
	buf_fini(&back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text;

	if (size < 1)
		return 0;
	text = (struct str){(const char *)data + 1, size - 1};
	if ((data[0] & 1) != 0)
		check_set(text);
	else
		check_name(text);
	return 0;
}
