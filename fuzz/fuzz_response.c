/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the parsers of responses over a server's bytes.  The first byte chooses the dialect; the
 * framer finds the responses.  Results are printed, and must parse again to the same.
 */
#include "base/err.h"
#include "same.h"
#include "wire/cmd/condstore.h"
#include "wire/ext/enable.h"
#include "wire/frame.h"
#include "wire/response.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wire_dialect utf8 = {.rev2 = true, .utf8 = true};

#define YEAR_1 (-62135596800LL)
#define YEAR_9999 253370764800LL

static bool
has_line_end(struct str s)
{
	return str_chr(s, '\r') != NULL || str_chr(s, '\n') != NULL;
}

struct run {
	struct arena *arena;
	const struct wire_dialect *dialect;
	struct wire_response head;
	struct wire_in in, back;
	struct buf b;
};

/* Moves the cursor to the printed text, after its name. */
static struct wire_in *
again(struct run *r)
{
	struct str text = arena_str(r->arena, buf_as_str(&r->b));
	struct wire_response head;

	wire_in_init(&r->back, text, r->arena, r->dialect, NULL);
	TS_ASSERT(wire_in_response(&r->back, &head) && head.kind == r->head.kind);
	return &r->back;
}

static bool
run_list(struct run *r)
{
	struct wire_list_row x, y;

	if (!wire_in_list(&r->in, &x))
		return false;
	if (x.name.p == NULL)
		return true;
	x.lsub = str_eq(r->head.name, STR("LSUB"));
	wire_out_list(&r->b, r->dialect, &x);
	TS_ASSERT(wire_in_list(again(r), &y));
	y.lsub = x.lsub;
	TS_ASSERT(same_list_row(&x, &y));
	return true;
}

static bool
run_status(struct run *r)
{
	struct wire_status_data x, y;
	struct buf other = {0};

	if (!wire_in_status(&r->in, &x))
		return false;
	if (x.mailbox.p == NULL)
		return true;
	wire_out_params(&other, &x.other);
	wire_out_status(&r->b, r->dialect, x.mailbox, &x.values, buf_as_str(&other));
	buf_fini(&other);
	TS_ASSERT(wire_in_status(again(r), &y) && same_status_data(&x, &y));
	return true;
}

/* A prefix that is not a mailbox name has no spelling. */
static bool
run_namespace(struct run *r)
{
	struct wire_namespaces x[3], y[3];

	if (!wire_in_namespace(&r->in, x))
		return false;
	for (int i = 0; i < 3; i++)
		for (size_t k = 0; k < x[i].n; k++)
			if (x[i].v[k].prefix.p == NULL)
				return true;
	wire_out_namespace(&r->b, r->dialect, x);
	TS_ASSERT(wire_in_namespace(again(r), y) && same_namespaces(x, y));
	return true;
}

static bool
run_id(struct run *r)
{
	struct wire_id x, y;

	if (!wire_in_id(&r->in, &x))
		return false;
	wire_out_id(&r->b, r->dialect, x.v, x.n);
	TS_ASSERT(wire_in_id(again(r), &y) && same_id(&x, &y));
	return true;
}

static bool
run_words(struct run *r)
{
	struct wire_names x, y;

	if (!wire_in_capability(&r->in, &x))
		return false;
	wire_out_words_line(&r->b, "CAPABILITY", x.v, x.n);
	TS_ASSERT(wire_in_capability(again(r), &y) && same_names(&x, &y));
	return true;
}

static bool
run_flags(struct run *r)
{
	struct wire_flags x, y;

	if (!wire_in_flags_line(&r->in, &x))
		return false;
	x.star = false;
	wire_out_flags_line(&r->b, x.system, x.keywords, x.n_keywords);
	TS_ASSERT(wire_in_flags_line(again(r), &y) && same_flags(&x, &y));
	return true;
}

static bool
run_search(struct run *r)
{
	struct wire_search_data x, y;

	if (!wire_in_search(&r->in, &x))
		return false;
	wire_out_search_begin(&r->b);
	wire_out_search_add(&r->b, x.v, x.n);
	wire_out_search_end_modseq(&r->b, x.modseq);
	TS_ASSERT(wire_in_search(again(r), &y) && same_search_data(&x, &y));
	return true;
}

static bool
run_vanished(struct run *r)
{
	struct wire_vanished x, y;
	struct wire_set_out set;

	if (!wire_in_vanished(&r->in, &x))
		return false;
	wire_out_vanished_begin(&r->b, x.earlier, &set);
	for (size_t i = 0; i < x.uids.n; i++)
		wire_set_out_add(&set, x.uids.v[i].lo, x.uids.v[i].hi);
	wire_out_vanished_end(&set);
	TS_ASSERT(wire_in_vanished(again(r), &y) && x.earlier == y.earlier);
	return true;
}

static bool
run_esearch(struct run *r)
{
	struct wire_esearch x, y;

	if (!wire_in_esearch(&r->in, &x))
		return false;
	if (!str_is_ascii(x.tag) || has_line_end(x.tag))
		return true; /* not a valid tag */
	wire_out_esearch(&r->b, &x);
	TS_ASSERT(wire_in_esearch(again(r), &y) && same_esearch(&x, &y));
	return true;
}

static bool
run_fetch(struct run *r)
{
	struct wire_fetch_data x, y;

	if (!wire_in_fetch(&r->in, &x))
		return false;
	if (x.internaldate.unix_s < YEAR_1 || x.internaldate.unix_s > YEAR_9999)
		return true; /* clamped */
	wire_out_fetch(&r->b, r->dialect, 1, &x);
	TS_ASSERT(wire_in_fetch(again(r), &y) && same_fetch_data(&x, &y));
	return true;
}

static bool
run_acl(struct run *r)
{
	struct wire_acl x, y;

	if (!wire_in_acl(&r->in, &x))
		return false;
	if (x.mailbox.p == NULL)
		return true;
	wire_out_acl(&r->b, r->dialect, &x);
	TS_ASSERT(wire_in_acl(again(r), &y) && same_acl(&x, &y));
	return true;
}

static bool
run_listrights(struct run *r)
{
	struct wire_listrights x, y;

	if (!wire_in_listrights(&r->in, &x))
		return false;
	if (x.mailbox.p == NULL)
		return true;
	wire_out_listrights(&r->b, r->dialect, &x);
	TS_ASSERT(wire_in_listrights(again(r), &y) && same_listrights(&x, &y));
	return true;
}

static bool
run_myrights(struct run *r)
{
	struct wire_myrights x, y;

	if (!wire_in_myrights(&r->in, &x))
		return false;
	if (x.mailbox.p == NULL)
		return true;
	wire_out_myrights(&r->b, r->dialect, &x);
	TS_ASSERT(wire_in_myrights(again(r), &y) && same_myrights(&x, &y));
	return true;
}

static bool
run_cond(struct run *r, enum wire_cond cond)
{
	struct wire_status_line x, y;
	struct buf code = {0};

	if (!wire_in_cond(&r->in, &x))
		return false;
	if (x.text.n == 0 || x.text.p[0] == '[' ||
	    has_line_end(str_range(r->in.start, x.text.p + x.text.n)))
		return true; /* printed differently */
	wire_out_code(&code, r->dialect, &x.code);
	wire_out_cond(&r->b, r->head.tag, cond, buf_as_str(&code), x.text);
	buf_fini(&code);
	TS_ASSERT(wire_in_cond(again(r), &y) && same_code(&x.code, &y.code));
	TS_ASSERT(str_eq(x.text, y.text));
	return true;
}

static bool
run_continue(struct run *r)
{
	struct wire_in copy = r->in;
	struct str text, bytes, back;

	TS_ASSERT(wire_in_continue(&copy, &text));
	if (!wire_in_challenge(&r->in, &bytes))
		return false;
	wire_out_challenge(&r->b, bytes);
	TS_ASSERT(wire_in_challenge(again(r), &back) && str_eq(bytes, back));
	return true;
}

typedef bool run_f(struct run *r);

static const struct {
	const char *name;
	run_f *fn;
} responses[] = {
    {"LIST", run_list},
    {"LSUB", run_list},
    {"STATUS", run_status},
    {"NAMESPACE", run_namespace},
    {"ACL", run_acl},
    {"LISTRIGHTS", run_listrights},
    {"MYRIGHTS", run_myrights},
    {"ID", run_id},
    {"CAPABILITY", run_words},
    {"FLAGS", run_flags},
    {"SEARCH", run_search},
    {"ESEARCH", run_esearch},
    {"VANISHED", run_vanished},
    {"FETCH", run_fetch},
};

static void
run_response(struct run *r, struct str text)
{
	enum wire_cond cond;
	bool ok = true;

	wire_in_init(&r->in, text, r->arena, r->dialect, NULL);
	r->b.n = 0;
	if (!wire_in_response(&r->in, &r->head))
		ok = false;
	else if (r->head.kind == WIRE_CONTINUE)
		ok = run_continue(r);
	else if (wire_cond_of(&r->head, &cond))
		ok = run_cond(r, cond);
	else if (r->head.kind == WIRE_UNTAGGED)
		for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++)
			if (str_eq(r->head.name, str_of(responses[i].name)))
				ok = responses[i].fn(r);
	TS_ASSERT(ok == (r->in.error == NULL));
	TS_ASSERT(r->in.error_at <= text.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct wire_frame_limits limits = {
	    .line = 4000, .literal = 4000, .command = 20000, .literals = 50, .bare_lf = true};
	struct run r = {.dialect = &wire_dialect_rev1};
	struct wire_frame f = {0};
	struct str left;

	if (size < 1)
		return 0;
	if ((data[0] & 1) != 0)
		r.dialect = &utf8;
	left = (struct str){(const char *)data + 1, size - 1};
	r.arena = arena_new(NULL, ARENA_OTHER, 1024);
	for (;;) {
		enum wire_frame_result result = wire_frame_scan(&f, &limits, left);

		if (result == WIRE_FRAME_LITERAL) {
			wire_frame_accept(&f);
			continue;
		}
		if (result != WIRE_FRAME_DONE)
			break;
		run_response(&r, (struct str){left.p, f.end});
		left = str_range(left.p + f.end, left.p + left.n);
		f = (struct wire_frame){0};
	}
	buf_fini(&r.b);
	arena_free(&r.arena);
	return 0;
}
