/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When memory runs out at any point, the printers and parsers must report it and leave nothing
 * behind: this runs base and wire under an allocator that fails at a different point each time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../oom.h"

#include "base/base64.h"
#include "base/normal.h"
#include "gen.h"
#include "wire/cmd.h"
#include "wire/ext/enable.h"
#include "wire/response.h"
#include "wire/utf7.h"

#define ROUNDS 60

static const struct wire_dialect utf8 = {.rev2 = true, .utf8 = true};

/* A value, and how it prints and parses to the same. */
struct subject {
	struct gen g;
	const struct wire_dialect *d;
	const void *x;
	void (*print)(const struct subject *s, struct buf *b);
	bool (*parse)(const struct subject *s, struct wire_in *in);
};

/* A small first chunk, so that most of what is parsed needs another. */
static bool
print_and_parse(void *arg, bool *oom)
{
	const struct subject *s = arg;
	struct arena *a = arena_try_new(NULL, ARENA_OTHER, 16, oom);
	struct buf b = {.oom = oom};
	struct wire_in in;
	bool ok = false;

	if (a != NULL) {
		s->print(s, &b);
		if (!*oom) {
			wire_in_init(&in, buf_as_str(&b), a, s->d, NULL);
			ok = s->parse(s, &in);
			/* A failure belongs to the cursor; it does not blame the peer. */
			assert_true(ok == (in.error == NULL));
			assert_true(!in.impossible && !in.too_much);
			assert_true(!ok || !*oom);
		}
	}
	buf_fini(&b);
	arena_free(&a);
	return ok;
}

/* GEN makes x, PRINT prints it, PARSE makes y of that; SAME compares. */
#define SUBJECT(name, type, GEN, PRINT, PARSE, SAME)                                               \
	static void print_##name(const struct subject *s, struct buf *b)                           \
	{                                                                                          \
		const struct type *x = s->x;                                                       \
                                                                                                   \
		(void)x;                                                                           \
		PRINT;                                                                             \
	}                                                                                          \
	static bool parse_##name(const struct subject *s, struct wire_in *in)                      \
	{                                                                                          \
		const struct type *x = s->x;                                                       \
		struct wire_response head;                                                         \
		struct type y = {0};                                                               \
                                                                                                   \
		(void)head;                                                                        \
		if (!(PARSE))                                                                      \
			return false;                                                              \
		assert_true(SAME);                                                                 \
		return true;                                                                       \
	}                                                                                          \
	static void test_##name(void **state)                                                      \
	{                                                                                          \
		struct gen g = {.state = 7};                                                       \
		unsigned long most = 0;                                                            \
                                                                                                   \
		(void)state;                                                                       \
		for (unsigned i = 0; i < ROUNDS; i++) {                                            \
			struct type x;                                                             \
			struct subject s = {.d = i % 2 == 0 ? &wire_dialect_rev1 : &utf8,          \
			    .x = &x,                                                               \
			    .print = print_##name,                                                 \
			    .parse = parse_##name};                                                \
			unsigned long n;                                                           \
                                                                                                   \
			g.a = arena_new(NULL, ARENA_OTHER, 4096);                                  \
			x = GEN;                                                                   \
			n = oom_each(print_and_parse, &s);                                         \
			most = n > most ? n : most;                                                \
			arena_free(&g.a);                                                          \
		}                                                                                  \
		assert_true(most > 1);                                                             \
	}

#define COMMAND(subject, PRINT)                                                                    \
	SUBJECT(subject, wire_##subject, gen_##subject(&g), PRINT, wire_##subject##_parse(in, &y), \
	    same_##subject(x, &y))

COMMAND(authenticate, wire_authenticate_print(b, x))
COMMAND(login, wire_login_print(b, s->d, x))
COMMAND(id, wire_id_print(b, s->d, x))
COMMAND(select, wire_select_print(b, s->d, x))
COMMAND(create, wire_create_print(b, s->d, x))
COMMAND(status, wire_status_print(b, s->d, x))
COMMAND(list, wire_list_print(b, s->d, x))
COMMAND(copy, wire_copy_print(b, s->d, x))
COMMAND(store, wire_store_print(b, x))
COMMAND(fetch, wire_fetch_print(b, s->d, x))
SUBJECT(search, wire_search, gen_search(&g), wire_search_print(b, s->d, x, NULL, NULL),
    wire_search_parse(in, &y, gen_key_ext, NULL), same_search(x, &y))
SUBJECT(enable, wire_names, gen_enable(&g), wire_enable_print(b, x), wire_enable_parse(in, &y),
    same_names(x, &y))

#define HEAD wire_in_response(in, &head)
SUBJECT(list_row, wire_list_row, gen_list_row(&g), wire_out_list(b, s->d, x),
    HEAD &&wire_in_list(in, &y), (y.lsub = x->lsub, same_list_row(x, &y)))
SUBJECT(esearch, wire_esearch, gen_esearch(&g), wire_out_esearch(b, x),
    HEAD &&wire_in_esearch(in, &y), same_esearch(x, &y))
SUBJECT(fetch_data, wire_fetch_data, gen_fetch_data(&g), wire_out_fetch(b, s->d, 1, x),
    HEAD &&wire_in_fetch(in, &y), same_fetch_data(x, &y))
SUBJECT(id_response, wire_id, gen_id(&g), wire_out_id(b, s->d, x->v, x->n),
    HEAD &&wire_in_id(in, &y), same_id(x, &y))
SUBJECT(words, wire_names, gen_enable(&g), wire_out_enabled(b, x), HEAD &&wire_in_enabled(in, &y),
    same_names(x, &y))

SUBJECT(setquota, wire_quota, gen_quota(&g, false), wire_setquota_print(b, s->d, x),
    wire_setquota_parse(in, &y), same_quota(x, &y))
SUBJECT(quota, wire_quota, gen_quota(&g, true), wire_out_quota(b, s->d, x),
    HEAD &&wire_in_quota(in, &y), same_quota(x, &y))
SUBJECT(quotaroot, wire_quotaroot, gen_quotaroot(&g), wire_out_quotaroot(b, s->d, x),
    HEAD &&wire_in_quotaroot(in, &y), same_names(&x->roots, &y.roots))

COMMAND(setacl, wire_setacl_print(b, s->d, x))
COMMAND(acl_one, wire_acl_one_print(b, s->d, x))
SUBJECT(acl, wire_acl, gen_acl(&g), wire_out_acl(b, s->d, x), HEAD &&wire_in_acl(in, &y),
    same_acl(x, &y))
SUBJECT(listrights, wire_listrights, gen_listrights(&g), wire_out_listrights(b, s->d, x),
    HEAD &&wire_in_listrights(in, &y), same_listrights(x, &y))
SUBJECT(myrights, wire_myrights, gen_myrights(&g), wire_out_myrights(b, s->d, x),
    HEAD &&wire_in_myrights(in, &y), same_myrights(x, &y))

static void
put_code(const struct wire_code *x, const struct wire_dialect *d, struct buf *b)
{
	struct buf code = buf_like(b);

	wire_out_code(&code, d, x);
	wire_out_cond(b, STR("a"), WIRE_OK, buf_as_str(&code), STR("Done"));
	buf_fini(&code);
}

static bool
read_code(struct wire_in *in, struct wire_code *y)
{
	struct wire_status_line line;
	bool ok = wire_in_cond(in, &line);

	*y = line.code;
	return ok;
}

SUBJECT(
    code, wire_code, gen_code(&g), put_code(x, s->d, b), HEAD &&read_code(in, &y), same_code(x, &y))

static void
put_status_data(const struct wire_status_data *x, const struct wire_dialect *d, struct buf *b)
{
	struct buf other = buf_like(b);

	wire_out_params(&other, &x->other);
	wire_out_status(b, d, x->mailbox, &x->values, buf_as_str(&other));
	buf_fini(&other);
}

SUBJECT(status_data, wire_status_data, gen_status_data(&g), put_status_data(x, s->d, b),
    HEAD &&wire_in_status(in, &y), same_status_data(x, &y))

struct three {
	struct wire_namespaces v[3];
};

static struct three
gen_three(struct gen *g)
{
	struct three t;

	gen_namespaces(g, t.v);
	return t;
}

SUBJECT(namespaces, three, gen_three(&g), wire_out_namespace(b, s->d, x->v),
    HEAD &&wire_in_namespace(in, y.v), same_namespaces(x->v, y.v))

/* ---- APPEND, and what is smaller */

static bool
append(void *arg, bool *oom)
{
	const struct wire_append_message *m = arg;
	struct arena *a = arena_try_new(NULL, ARENA_OTHER, 16, oom);
	struct buf b = {.oom = oom};
	struct wire_append ap;
	bool ok = false;

	if (a != NULL) {
		wire_append_init(&ap, a, NULL, NULL);
		wire_append_print(&b, &wire_dialect_rev1, STR("Entw\xC3\xBCrfe"));
		wire_append_message_print(&b, m);
		if (!*oom)
			ok = wire_append_feed(&ap, buf_as_str(&b)) == WIRE_APPEND_MESSAGE &&
			     same_append_message(m, &ap.message);
	}
	buf_fini(&b);
	arena_free(&a);
	return ok;
}

static void
appends(void **state)
{
	struct gen g = {.state = 7};

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++) {
		struct wire_append_message m;

		g.a = arena_new(NULL, ARENA_OTHER, 4096);
		m = gen_append_message(&g);
		assert_true(oom_each(append, &m) > 2);
		arena_free(&g.a);
	}
}

/* Names that are not in normalization form C, and INBOX in lower case: both are copied. */
static bool
keep_names(void *arg, bool *oom)
{
	struct arena *a = arena_try_new(NULL, ARENA_OTHER, 16, oom);
	struct str name = STR_NONE, decomposed = STR("u\xCC\x88");
	struct wire_set all = {.v = (struct wire_range *)arg, .n = 1}, set = {0};
	bool ok = false;

	if (a != NULL) {
		name = wire_name_kept(a, STR("inbox/a"));
		ok = str_eq(name, STR("INBOX/a")) &&
		     str_eq(str_normal(a, decomposed), STR("\xC3\xBC"));
		set = wire_set_resolve(&all, 9, a);
		ok = ok && set.n == 1 && set.v[0].hi == 9;
	}
	arena_free(&a);
	return ok;
}

static bool
base64(void *arg, bool *oom)
{
	struct buf text = {.oom = oom}, bytes = {.oom = oom};
	bool ok;

	(void)arg;
	base64_encode(
	    STR("seventy bytes at least, so that the buffer has to grow, and grows again"), &text);
	ok = base64_decode(buf_as_str(&text), &bytes) && bytes.n == 71;
	buf_printf(&bytes, "%s", "");
	ok = ok && buf_cstr(&bytes) != NULL;
	buf_wipe_fini(&text);
	buf_wipe_fini(&bytes);
	return ok;
}

/* Each way to fill a buffer, with one that cannot grow. */
static bool
buffers(void *arg, bool *oom)
{
	struct buf b = {.oom = oom};
	size_t before;

	(void)arg;
	for (int i = 0; i < 40; i++) {
		buf_putc(&b, 'a');
		buf_u64(&b, 17);
		buf_be16(&b, 1);
		buf_be32(&b, 1);
		buf_be64(&b, 1);
		buf_le32(&b, 1);
		buf_le64(&b, 1);
		buf_varint(&b, 300);
		buf_vstr(&b, STR("abc"));
		buf_printf(&b, "%d", i);
	}
	before = b.n;
	buf_puts(&b, "");
	assert_true(b.n == before && buf_failed(&b) == *oom);
	buf_fini(&b);
	assert_true(b.oom == oom);
	return !*oom;
}

static void
small_things(void **state)
{
	struct wire_range one = {.lo = 3, .hi = UINT32_MAX, .hi_star = true};

	(void)state;
	assert_true(oom_each(keep_names, &one) > 2);
	assert_true(oom_each(base64, NULL) > 1);
	assert_true(oom_each(buffers, NULL) > 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_authenticate),
	    cmocka_unit_test(test_login),
	    cmocka_unit_test(test_id),
	    cmocka_unit_test(test_select),
	    cmocka_unit_test(test_create),
	    cmocka_unit_test(test_status),
	    cmocka_unit_test(test_list),
	    cmocka_unit_test(test_copy),
	    cmocka_unit_test(test_store),
	    cmocka_unit_test(test_fetch),
	    cmocka_unit_test(test_search),
	    cmocka_unit_test(test_enable),
	    cmocka_unit_test(test_list_row),
	    cmocka_unit_test(test_esearch),
	    cmocka_unit_test(test_fetch_data),
	    cmocka_unit_test(test_id_response),
	    cmocka_unit_test(test_words),
	    cmocka_unit_test(test_setquota),
	    cmocka_unit_test(test_quota),
	    cmocka_unit_test(test_quotaroot),
	    cmocka_unit_test(test_setacl),
	    cmocka_unit_test(test_acl_one),
	    cmocka_unit_test(test_acl),
	    cmocka_unit_test(test_listrights),
	    cmocka_unit_test(test_myrights),
	    cmocka_unit_test(test_code),
	    cmocka_unit_test(test_status_data),
	    cmocka_unit_test(test_namespaces),
	    cmocka_unit_test(appends),
	    cmocka_unit_test(small_things),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
