/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Round trips: what the printers of commands and responses print, their parsers read back
 * unchanged, for thousands of values of each kind in each dialect.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gen.h"
#include "wire/cmd.h"
#include "wire/cmd/condstore.h"
#include "wire/ext/enable.h"
#include "wire/ext/objectid.h"
#include "wire/frame.h"
#include "wire/response.h"

#define ROUNDS 2000

static const struct wire_dialect dialects[] = {{.rev2 = false}, {.rev2 = true, .utf8 = true},
    {.separator = '.'}, {.rev2 = true, .utf8 = true, .separator = '.'}};

/* One round: a value, its printed form, and a cursor over that. */
struct round {
	struct gen g;
	const struct wire_dialect *d;
	struct buf b;
	struct wire_in in;
};

static void
fail_round(const struct round *r, const char *what)
{
	print_error("%s: %s\n%.*s\n", what, r->in.error != NULL ? r->in.error : "not the same",
	    STR_ARG(buf_as_str(&r->b)));
	fail();
}

/* The framer finds the end of what was printed, and not before. */
static void
check_frame(const struct round *r)
{
	static const struct wire_frame_limits limits = {
	    .line = 1u << 20, .literal = 1u << 20, .command = 1u << 24, .literals = 100000};
	struct wire_frame f = {0};
	enum wire_frame_result result;

	while ((result = wire_frame_scan(&f, &limits, buf_as_str(&r->b))) == WIRE_FRAME_LITERAL)
		wire_frame_accept(&f);
	if (result != WIRE_FRAME_DONE || f.end != r->b.n)
		fail_round(r, "framer");
}

static void
begin_cmd(struct round *r)
{
	r->b.n = 0;
	wire_cmd_print(
	    &r->b, &(struct wire_head){.tag = STR("a1"), .name = STR("NAME"), .uid = true});
}

static void
read_cmd(struct round *r)
{
	struct wire_head head;

	wire_cmd_end(&r->b);
	check_frame(r);
	wire_in_init(&r->in, buf_as_str(&r->b), r->g.a, r->d, NULL);
	assert_true(wire_cmd_head(&r->in, &head) && head.uid && str_eq(head.tag, STR("a1")) &&
	            str_eq(head.name, STR("NAME")));
}

static struct wire_response
read_response(struct round *r, const char *name)
{
	struct wire_response head;

	check_frame(r);
	wire_in_init(&r->in, buf_as_str(&r->b), r->g.a, r->d, NULL);
	if (!wire_in_response(&r->in, &head) || !str_eq(head.name, str_of(name)))
		fail_round(r, "head");
	return head;
}

typedef void round_f(struct round *r);

static void
run(round_f *fn)
{
	struct round r = {.g = {.state = 42}};

	for (unsigned i = 0; i < ROUNDS; i++) {
		r.g.a = arena_new(NULL, ARENA_OTHER, 4096);
		r.d = &dialects[i % (sizeof(dialects) / sizeof(*dialects))];
		r.b.n = 0;
		fn(&r);
		arena_free(&r.g.a);
	}
	buf_fini(&r.b);
}

#define CHECK(r, what, parsed, same)                                                               \
	do {                                                                                       \
		if (!(parsed) || !(same))                                                          \
			fail_round((r), (what));                                                   \
	} while (0)

/* ---- commands */

#define COMMAND(subject, printed)                                                                  \
	static void round_##subject(struct round *r)                                               \
	{                                                                                          \
		struct wire_##subject x = gen_##subject(&r->g), y;                                 \
                                                                                                   \
		begin_cmd(r);                                                                      \
		printed;                                                                           \
		read_cmd(r);                                                                       \
		CHECK(r, #subject, wire_##subject##_parse(&r->in, &y), same_##subject(&x, &y));    \
	}

COMMAND(authenticate, wire_authenticate_print(&r->b, &x))
COMMAND(login, wire_login_print(&r->b, r->d, &x))
COMMAND(id, wire_id_print(&r->b, r->d, &x))
COMMAND(select, wire_select_print(&r->b, r->d, &x))
COMMAND(create, wire_create_print(&r->b, r->d, &x))
COMMAND(status, wire_status_print(&r->b, r->d, &x))
COMMAND(list, wire_list_print(&r->b, r->d, &x))
COMMAND(copy, wire_copy_print(&r->b, r->d, &x))
COMMAND(store, wire_store_print(&r->b, &x))
COMMAND(fetch, wire_fetch_print(&r->b, r->d, &x))

static bool
same_sort(const struct wire_sort *a, const struct wire_sort *b)
{
	if (a->n != b->n || !same_search(&a->search, &b->search))
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->keys[i].reverse != b->keys[i].reverse ||
		    !str_eq(a->keys[i].name, b->keys[i].name))
			return false;
	return true;
}

static void
round_sort(struct round *r)
{
	struct wire_sort x = gen_sort(&r->g), y;

	begin_cmd(r);
	wire_sort_print(&r->b, r->d, &x, NULL, NULL);
	read_cmd(r);
	CHECK(r, "sort", wire_sort_parse(&r->in, &y, gen_key_ext, NULL), same_sort(&x, &y));
}

static void
round_thread(struct round *r)
{
	struct wire_thread x = gen_thread(&r->g), y;

	begin_cmd(r);
	wire_thread_print(&r->b, r->d, &x, NULL, NULL);
	read_cmd(r);
	CHECK(r, "thread", wire_thread_parse(&r->in, &y, gen_key_ext, NULL),
	    str_eq(x.algorithm, y.algorithm) && same_search(&x.search, &y.search));
}

static void
round_search(struct round *r)
{
	struct wire_search x = gen_search(&r->g), y;

	begin_cmd(r);
	wire_search_print(&r->b, r->d, &x, NULL, NULL);
	read_cmd(r);
	CHECK(r, "search", wire_search_parse(&r->in, &y, gen_key_ext, NULL), same_search(&x, &y));
}

static void
round_enable(struct round *r)
{
	struct wire_names x = gen_enable(&r->g), y;

	begin_cmd(r);
	wire_enable_print(&r->b, &x);
	read_cmd(r);
	CHECK(r, "enable", wire_enable_parse(&r->in, &y), same_names(&x, &y));
	r->b.n = 0;
	wire_out_enabled(&r->b, &x);
	read_response(r, "ENABLED");
	CHECK(r, "enabled", wire_in_enabled(&r->in, &y), same_names(&x, &y));
	r->b.n = 0;
	wire_out_words_line(&r->b, "CAPABILITY", x.v, x.n);
	read_response(r, "CAPABILITY");
	CHECK(r, "capability", wire_in_capability(&r->in, &y), same_names(&x, &y));
	assert_true(wire_words_have(&y, x.v[0]) && !wire_words_have(&y, STR("none")));
}

static void
round_rename(struct round *r)
{
	struct wire_rename x = {.from = gen_mailbox(&r->g), .to = gen_mailbox(&r->g)}, y;
	struct str name;

	begin_cmd(r);
	wire_rename_print(&r->b, r->d, &x);
	read_cmd(r);
	CHECK(r, "rename", wire_rename_parse(&r->in, &y),
	    same_str(x.from, y.from) && same_str(x.to, y.to) && y.given.p == NULL);
	begin_cmd(r);
	wire_mailbox_print(&r->b, r->d, x.to);
	read_cmd(r);
	CHECK(r, "delete", wire_mailbox_parse(&r->in, &name), same_str(name, x.to));
}

static void
round_expunge(struct round *r)
{
	struct wire_set x = gen_set(&r->g), y;

	begin_cmd(r);
	wire_uid_expunge_print(&r->b, &x);
	read_cmd(r);
	CHECK(r, "expunge", wire_uid_expunge_parse(&r->in, &y), same_set(&x, &y));
}

static void
round_sasl(struct round *r)
{
	struct str x = gen_text(&r->g), y;
	struct wire_response head;

	wire_sasl_line_print(&r->b, x);
	assert_int_equal(wire_sasl_line_parse(r->g.a, buf_as_str(&r->b), &y), WIRE_SASL_DATA);
	assert_true(same_str(x, y));
	r->b.n = 0;
	wire_sasl_cancel_print(&r->b);
	assert_int_equal(wire_sasl_line_parse(r->g.a, buf_as_str(&r->b), &y), WIRE_SASL_CANCEL);
	r->b.n = 0;
	wire_done_print(&r->b);
	assert_true(wire_done_parse(buf_as_str(&r->b)));
	r->b.n = 0;
	wire_out_challenge(&r->b, x);
	head = read_response(r, "");
	assert_int_equal(head.kind, WIRE_CONTINUE);
	CHECK(r, "challenge", wire_in_challenge(&r->in, &y), same_str(x, y));
}

/* Several messages, fed as the server does: the text does not contain the messages' bytes. */
static void
round_append(struct round *r)
{
	struct str mailbox = gen_mailbox(&r->g);
	struct wire_append_message m = {0};
	unsigned n = 1 + gen_below(&r->g, 3);
	enum wire_append_result result;
	struct wire_append ap;

	wire_append_init(&ap, r->g.a, r->d, NULL);
	wire_append_print(&r->b, r->d, mailbox);
	for (unsigned i = 0; i < n; i++) {
		m = gen_append_message(&r->g);
		wire_append_message_print(&r->b, &m);
		result = wire_append_feed(&ap, buf_as_str(&r->b));
		CHECK(r, "append", result == WIRE_APPEND_MESSAGE,
		    same_append_message(&m, &ap.message));
		r->b.n = 0;
		wire_append_message_end(&r->b, &m);
	}
	wire_cmd_end(&r->b);
	CHECK(r, "append end", wire_append_feed(&ap, buf_as_str(&r->b)) == WIRE_APPEND_END,
	    same_str(ap.mailbox, mailbox) && ap.n_messages == n);
}

/* ---- responses */

static void
round_list_row(struct round *r)
{
	struct wire_list_row x = gen_list_row(&r->g), y;

	wire_out_list(&r->b, r->d, &x);
	read_response(r, x.lsub ? "LSUB" : "LIST");
	CHECK(r, "LIST", wire_in_list(&r->in, &y), (y.lsub = x.lsub, same_list_row(&x, &y)));
}

static void
round_status_data(struct round *r)
{
	struct wire_status_data x = gen_status_data(&r->g), y;
	struct buf other = {0};

	wire_out_params(&other, &x.other);
	wire_out_status(&r->b, r->d, x.mailbox, &x.values, buf_as_str(&other));
	buf_fini(&other);
	read_response(r, "STATUS");
	CHECK(r, "STATUS", wire_in_status(&r->in, &y), same_status_data(&x, &y));
}

static void
round_namespace(struct round *r)
{
	struct wire_namespaces x[3], y[3];

	gen_namespaces(&r->g, x);
	wire_out_namespace(&r->b, r->d, x);
	read_response(r, "NAMESPACE");
	CHECK(r, "NAMESPACE", wire_in_namespace(&r->in, y), same_namespaces(x, y));
}

static void
round_getquota(struct round *r)
{
	struct wire_quota x = gen_quota(&r->g, false);
	struct str root;

	begin_cmd(r);
	wire_getquota_print(&r->b, r->d, x.root);
	read_cmd(r);
	CHECK(r, "GETQUOTA", wire_getquota_parse(&r->in, &root), str_eq(root, x.root));
}

static void
round_setquota(struct round *r)
{
	struct wire_quota x = gen_quota(&r->g, false), y;

	begin_cmd(r);
	wire_setquota_print(&r->b, r->d, &x);
	read_cmd(r);
	CHECK(r, "SETQUOTA", wire_setquota_parse(&r->in, &y), same_quota(&x, &y));
}

static void
round_quota(struct round *r)
{
	struct wire_quota x = gen_quota(&r->g, true), y;

	wire_out_quota(&r->b, r->d, &x);
	read_response(r, "QUOTA");
	CHECK(r, "QUOTA", wire_in_quota(&r->in, &y), same_quota(&x, &y));
}

static void
round_quotaroot(struct round *r)
{
	struct wire_quotaroot x = gen_quotaroot(&r->g), y;

	wire_out_quotaroot(&r->b, r->d, &x);
	read_response(r, "QUOTAROOT");
	CHECK(r, "QUOTAROOT", wire_in_quotaroot(&r->in, &y),
	    str_eq(x.mailbox, y.mailbox) && same_names(&x.roots, &y.roots));
}

static void
round_setacl(struct round *r)
{
	struct wire_setacl x = gen_setacl(&r->g), y;

	begin_cmd(r);
	wire_setacl_print(&r->b, r->d, &x);
	read_cmd(r);
	CHECK(r, "setacl", wire_setacl_parse(&r->in, &y), same_setacl(&x, &y));
}

static void
round_acl_one(struct round *r)
{
	struct wire_acl_one x = gen_acl_one(&r->g), y;

	begin_cmd(r);
	wire_acl_one_print(&r->b, r->d, &x);
	read_cmd(r);
	CHECK(r, "acl_one", wire_acl_one_parse(&r->in, &y), same_acl_one(&x, &y));
}

static void
round_acl(struct round *r)
{
	struct wire_acl x = gen_acl(&r->g), y;

	wire_out_acl(&r->b, r->d, &x);
	read_response(r, "ACL");
	CHECK(r, "ACL", wire_in_acl(&r->in, &y), same_acl(&x, &y));
}

static void
round_listrights(struct round *r)
{
	struct wire_listrights x = gen_listrights(&r->g), y;

	wire_out_listrights(&r->b, r->d, &x);
	read_response(r, "LISTRIGHTS");
	CHECK(r, "LISTRIGHTS", wire_in_listrights(&r->in, &y), same_listrights(&x, &y));
}

static void
round_myrights(struct round *r)
{
	struct wire_myrights x = gen_myrights(&r->g), y;

	wire_out_myrights(&r->b, r->d, &x);
	read_response(r, "MYRIGHTS");
	CHECK(r, "MYRIGHTS", wire_in_myrights(&r->in, &y), same_myrights(&x, &y));
}

static void
round_id_response(struct round *r)
{
	struct wire_id x = gen_id(&r->g), y;

	wire_out_id(&r->b, r->d, x.v, x.n);
	read_response(r, "ID");
	CHECK(r, "ID", wire_in_id(&r->in, &y), same_id(&x, &y));
}

/* A tree in the order of its response: there are at least two siblings below a message, and a
 * thread may lack its first message. */
static void
print_random_thread(struct round *r, struct wire_thread_out *o, unsigned depth,
    struct wire_thread_data *x, size_t parent)
{
	unsigned children = depth == 0 || gen_one_in(&r->g, 2) ? 0 : 2 + gen_below(&r->g, 2);
	unsigned numbers = gen_below(&r->g, 4) + (children == 0);

	wire_out_thread_open(o);
	for (unsigned i = 0; i < numbers; i++) {
		x->v[x->n++] = (struct wire_thread_message){1 + gen_below(&r->g, 999), parent};
		parent = x->n;
		wire_out_thread_number(o, x->v[x->n - 1].number);
	}
	if (numbers == 0) {
		x->v[x->n++] = (struct wire_thread_message){0, parent};
		parent = x->n;
	}
	for (unsigned i = 0; i < children; i++)
		print_random_thread(r, o, depth - 1, x, parent);
	wire_out_thread_close(o);
}

static bool
same_threads(const struct wire_thread_data *a, const struct wire_thread_data *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (a->v[i].number != b->v[i].number || a->v[i].parent != b->v[i].parent)
			return false;
	return true;
}

static void
round_thread_data(struct round *r)
{
	struct wire_thread_out o = {.b = &r->b};
	struct wire_thread_message v[1000];
	struct wire_thread_data x = {.v = v}, y;

	wire_out_thread_begin(&o);
	for (unsigned n = gen_below(&r->g, 4); n > 0; n--)
		print_random_thread(r, &o, 3, &x, 0);
	wire_out_thread_end(&o);
	read_response(r, "THREAD");
	CHECK(r, "THREAD", wire_in_thread(&r->in, &y), same_threads(&x, &y));
}

static void
round_sort_data(struct round *r)
{
	struct wire_search_data x = gen_search_data(&r->g), y;

	wire_out_sort_begin(&r->b);
	wire_out_sort_add(&r->b, x.v, x.n);
	wire_out_sort_end(&r->b, x.modseq);
	read_response(r, "SORT");
	CHECK(r, "SORT", wire_in_sort(&r->in, &y), same_search_data(&x, &y));
}

static void
round_search_data(struct round *r)
{
	struct wire_search_data x = gen_search_data(&r->g), y;

	wire_out_search_begin(&r->b);
	wire_out_search_add(&r->b, x.v, x.n);
	if (x.modseq > 0)
		wire_out_search_end_modseq(&r->b, x.modseq);
	else
		wire_out_search_end(&r->b);
	read_response(r, "SEARCH");
	CHECK(r, "SEARCH", wire_in_search(&r->in, &y), same_search_data(&x, &y));
}

static void
round_esearch(struct round *r)
{
	struct wire_esearch x = gen_esearch(&r->g), y;

	wire_out_esearch(&r->b, &x);
	read_response(r, "ESEARCH");
	CHECK(r, "ESEARCH", wire_in_esearch(&r->in, &y), same_esearch(&x, &y));
}

static void
round_fetch_data(struct round *r)
{
	struct wire_fetch_data x = gen_fetch_data(&r->g), y;
	struct wire_response head;

	wire_out_fetch(&r->b, r->d, 12, &x);
	head = read_response(r, "FETCH");
	assert_true(head.has_number && head.number == 12);
	CHECK(r, "FETCH", wire_in_fetch(&r->in, &y), same_fetch_data(&x, &y));
}

static void
round_objectid(struct round *r)
{
	static const char chars[] = "abzAZ09_-";
	struct str x = {NULL, gen_one_in(&r->g, 4) ? 0 : 1 + gen_below(&r->g, WIRE_OBJECTID_MAX)},
	           y;
	char *p = arena_zalloc(r->g.a, x.n + 1);

	for (size_t i = 0; i < x.n; i++)
		p[i] = chars[gen_below(&r->g, sizeof(chars) - 1)];
	x.p = x.n > 0 ? p : NULL;
	wire_out_objectid(&r->b, x);
	wire_in_init(&r->in, buf_as_str(&r->b), r->g.a, r->d, NULL);
	CHECK(r, "object id", wire_in_objectid_told(&r->in, &y), same_str(x, y));
	wire_in_init(&r->in, x, r->g.a, r->d, NULL);
	assert_true(x.n == 0 || (wire_in_objectid(&r->in, &y) && str_eq(x, y)));
}

static void
round_modseq(struct round *r)
{
	struct wire_modseq_key x = {.modseq = gen_u64(&r->g) >> 1}, y;
	uint64_t told = 0;

	if (gen_one_in(&r->g, 2)) {
		x.entry = gen_text(&r->g);
		x.type = gen_below(&r->g, 3);
	}
	wire_out_modseq_key(&r->b, r->d, &x);
	wire_in_init(&r->in, buf_as_str(&r->b), r->g.a, r->d, NULL);
	/* a quoted string has no line ends */
	if (x.entry.p == NULL ||
	    (memchr(x.entry.p, '\r', x.entry.n) == NULL &&
	        memchr(x.entry.p, '\n', x.entry.n) == NULL && str_is_utf8(x.entry)))
		CHECK(r, "MODSEQ", wire_in_modseq_key(&r->in, &y),
		    x.modseq == y.modseq && x.type == y.type && same_str(x.entry, y.entry));
	r->b.n = 0;
	wire_out_modseq(&r->b, x.modseq);
	wire_in_init(&r->in, buf_as_str(&r->b), r->g.a, r->d, NULL);
	assert_true(wire_in_modseq_told(&r->in, &told) && told == x.modseq);
}

/* n numbers that ascend, in ranges. */
static struct wire_set
ascending(struct round *r, unsigned n)
{
	struct wire_set set = {.v = arena_zalloc(r->g.a, n * sizeof(struct wire_range))};
	uint32_t last = 0;

	while (n > 0) {
		unsigned run = 1 + gen_below(&r->g, n);

		last += 1 + gen_below(&r->g, 1000);
		set.v[set.n++] = (struct wire_range){.lo = last, .hi = last + run - 1};
		last += run - 1;
		n -= run;
	}
	return set;
}

static void
round_qresync(struct round *r)
{
	struct wire_qresync x = {.uidvalidity = 1 + (uint32_t)(gen_u64(&r->g) >> 33),
	                        .modseq = gen_u64(&r->g) >> 1},
	                    y;
	unsigned pairs = gen_below(&r->g, 20);

	if (gen_one_in(&r->g, 2))
		x.known = ascending(r, 1 + gen_below(&r->g, 20));
	if (pairs > 0) {
		x.numbers = ascending(r, pairs);
		x.uids = ascending(r, pairs);
	}
	wire_out_qresync(&r->b, &x);
	wire_in_init(&r->in, buf_as_str(&r->b), r->g.a, r->d, NULL);
	CHECK(r, "QRESYNC", wire_in_qresync(&r->in, &y),
	    x.uidvalidity == y.uidvalidity && x.modseq == y.modseq &&
	        same_set(&x.known, &y.known) && same_set(&x.numbers, &y.numbers) &&
	        same_set(&x.uids, &y.uids));
}

static void
round_vanished(struct round *r)
{
	struct wire_vanished x = {.earlier = gen_one_in(&r->g, 2),
	                         .uids = ascending(r, 1 + gen_below(&r->g, 20))},
	                     y;
	struct wire_set_out set;

	wire_out_vanished_begin(&r->b, x.earlier, &set);
	for (size_t i = 0; i < x.uids.n; i++)
		wire_set_out_add(&set, x.uids.v[i].lo, x.uids.v[i].hi);
	wire_out_vanished_end(&set);
	read_response(r, "VANISHED");
	CHECK(r, "VANISHED", wire_in_vanished(&r->in, &y), x.earlier == y.earlier);
	x.uids = wire_set_resolve(&x.uids, UINT32_MAX, r->g.a);
	y.uids = wire_set_resolve(&y.uids, UINT32_MAX, r->g.a);
	assert_true(same_set(&x.uids, &y.uids));
}

static void
round_flags_line(struct round *r)
{
	struct wire_flags x = gen_flags(&r->g, true), y;

	x.star = false;
	wire_out_flags_line(&r->b, x.system, x.keywords, x.n_keywords);
	read_response(r, "FLAGS");
	CHECK(r, "FLAGS", wire_in_flags_line(&r->in, &y), same_flags(&x, &y));
}

static void
round_number(struct round *r)
{
	uint32_t n = (uint32_t)gen_u64(&r->g);
	struct wire_response head;

	wire_out_number(&r->b, n, "EXISTS");
	head = read_response(r, "EXISTS");
	assert_true(head.has_number && head.number == n && wire_in_end(&r->in));
}

/* A status response with any code and any text that it may have. */
static void
round_cond(struct round *r)
{
	static const char *const texts[] = {"Done", "]x [y]", "\xC3\xA9 (\"\\", "a"};
	static const char *const names[] = {"OK", "NO", "BAD", "BYE", "PREAUTH"};
	struct str text = str_of(texts[gen_below(&r->g, 4)]);
	enum wire_cond cond = gen_below(&r->g, 5), again = WIRE_OK;
	bool tagged = gen_one_in(&r->g, 2);
	struct wire_code x = {0};
	struct wire_status_line y;
	struct wire_response head;
	struct buf code = {0};

	if (!gen_one_in(&r->g, 4))
		x = gen_code(&r->g);
	wire_out_code(&code, r->d, &x);
	wire_out_cond(&r->b, tagged ? STR("a.1") : STR_NONE, cond, buf_as_str(&code), text);
	buf_fini(&code);
	head = read_response(r, names[cond]);
	assert_int_equal(head.kind, tagged ? WIRE_TAGGED : WIRE_UNTAGGED);
	assert_true(!tagged || str_eq(head.tag, STR("a.1")));
	assert_true(wire_cond_of(&head, &again) && again == cond);
	CHECK(
	    r, "status", wire_in_cond(&r->in, &y), same_code(&x, &y.code) && str_eq(text, y.text));
}

#define TEST(subject)                                                                              \
	static void subject##_both_ways(void **state)                                              \
	{                                                                                          \
		(void)state;                                                                       \
		run(round_##subject);                                                              \
	}
TEST(authenticate)
TEST(login)
TEST(id)
TEST(select)
TEST(create)
TEST(status)
TEST(list)
TEST(copy)
TEST(store)
TEST(fetch)
TEST(search)
TEST(sort)
TEST(thread)
TEST(enable)
TEST(rename)
TEST(expunge)
TEST(sasl)
TEST(append)
TEST(list_row)
TEST(status_data)
TEST(namespace)
TEST(getquota)
TEST(setquota)
TEST(quota)
TEST(quotaroot)
TEST(setacl)
TEST(acl_one)
TEST(acl)
TEST(listrights)
TEST(myrights)
TEST(id_response)
TEST(search_data)
TEST(sort_data)
TEST(thread_data)
TEST(esearch)
TEST(fetch_data)
TEST(modseq)
TEST(qresync)
TEST(vanished)
TEST(flags_line)
TEST(objectid)
TEST(number)
TEST(cond)

int
main(void)
{
#define ROW(subject) cmocka_unit_test(subject##_both_ways)
	const struct CMUnitTest tests[] = {
	    ROW(authenticate),
	    ROW(login),
	    ROW(id),
	    ROW(select),
	    ROW(create),
	    ROW(status),
	    ROW(list),
	    ROW(copy),
	    ROW(store),
	    ROW(fetch),
	    ROW(search),
	    ROW(sort),
	    ROW(thread),
	    ROW(enable),
	    ROW(rename),
	    ROW(expunge),
	    ROW(sasl),
	    ROW(append),
	    ROW(list_row),
	    ROW(status_data),
	    ROW(namespace),
	    ROW(getquota),
	    ROW(setquota),
	    ROW(quota),
	    ROW(quotaroot),
	    ROW(setacl),
	    ROW(acl_one),
	    ROW(acl),
	    ROW(listrights),
	    ROW(myrights),
	    ROW(id_response),
	    ROW(search_data),
	    ROW(sort_data),
	    ROW(thread_data),
	    ROW(esearch),
	    ROW(fetch_data),
	    ROW(modseq),
	    ROW(qresync),
	    ROW(vanished),
	    ROW(flags_line),
	    ROW(objectid),
	    ROW(number),
	    ROW(cond),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
