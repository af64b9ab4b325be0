/* SPDX-License-Identifier: Apache-2.0 */
/* See readback.h. */
#include "readback.h"

#include <stdio.h>

#include "wire/cmd/condstore.h"
#include "wire/cmd/fetch.h"
#include "wire/cmd/list.h"
#include "wire/cmd/search.h"
#include "wire/ext/enable.h"
#include "wire/ext/id.h"
#include "wire/ext/namespace.h"
#include "wire/ext/quota.h"
#include "wire/response.h"

struct reading {
	struct wire_response head;
	struct wire_in in;
	const struct wire_dialect *d;
	struct buf b; /* printed again; empty: no printer for all of it */
};

static bool
read_list(struct reading *r)
{
	struct wire_list_row row;
	bool ok = wire_in_list(&r->in, &row);

	row.lsub = str_eq(r->head.name, STR("LSUB"));
	if (ok)
		wire_out_list(&r->b, r->d, &row);
	return ok;
}

static bool
read_status(struct reading *r)
{
	struct wire_status_data data;
	struct buf other = {0};
	bool ok = wire_in_status(&r->in, &data);

	if (ok) {
		wire_out_params(&other, &data.other);
		wire_out_status(&r->b, r->d, data.mailbox, &data.values, buf_as_str(&other));
	}
	buf_fini(&other);
	return ok;
}

static bool
read_namespace(struct reading *r)
{
	struct wire_namespaces sets[3];
	bool ok = wire_in_namespace(&r->in, sets);

	if (ok)
		wire_out_namespace(&r->b, r->d, sets);
	return ok;
}

static bool
read_quota(struct reading *r)
{
	struct wire_quota quota;
	bool ok = wire_in_quota(&r->in, &quota);

	if (ok)
		wire_out_quota(&r->b, r->d, &quota);
	return ok;
}

static bool
read_quotaroot(struct reading *r)
{
	struct wire_quotaroot roots;
	bool ok = wire_in_quotaroot(&r->in, &roots);

	if (ok)
		wire_out_quotaroot(&r->b, r->d, &roots);
	return ok;
}

static bool
read_id(struct reading *r)
{
	struct wire_id id;
	bool ok = wire_in_id(&r->in, &id);

	if (ok)
		wire_out_id(&r->b, r->d, id.v, id.n);
	return ok;
}

static bool
read_words(struct reading *r)
{
	struct wire_names words;
	bool ok = wire_in_capability(&r->in, &words);

	if (ok && str_eq(r->head.name, STR("ENABLED")))
		wire_out_enabled(&r->b, &words);
	else if (ok)
		wire_out_words_line(&r->b, "CAPABILITY", words.v, words.n);
	return ok;
}

static bool
read_flags(struct reading *r)
{
	struct wire_flags flags;
	bool ok = wire_in_flags_line(&r->in, &flags);

	if (ok)
		wire_out_flags_line(&r->b, flags.system, flags.keywords, flags.n_keywords);
	return ok;
}

static bool
read_search(struct reading *r)
{
	struct wire_search_data data;
	bool ok = wire_in_search(&r->in, &data);

	if (!ok)
		return false;
	wire_out_search_begin(&r->b);
	wire_out_search_add(&r->b, data.v, data.n);
	if (data.modseq > 0)
		wire_out_search_end_modseq(&r->b, data.modseq);
	else
		wire_out_search_end(&r->b);
	return true;
}

static bool
read_esearch(struct reading *r)
{
	struct wire_esearch e;
	bool ok = wire_in_esearch(&r->in, &e);

	if (ok)
		wire_out_esearch(&r->b, &e);
	return ok;
}

/* Items are in the order of the request, and strings as mail prints them. */
static bool
read_fetch(struct reading *r)
{
	struct wire_fetch_data data;

	return wire_in_fetch(&r->in, &data);
}

static bool
read_number(struct reading *r)
{
	char name[16];

	snprintf(name, sizeof(name), "%.*s", STR_ARG(r->head.name));
	wire_out_number(&r->b, r->head.number, name);
	return wire_in_end(&r->in);
}

static bool
read_vanished(struct reading *r)
{
	struct wire_vanished vanished;
	struct wire_set_out set;

	if (!wire_in_vanished(&r->in, &vanished))
		return false;
	wire_out_vanished_begin(&r->b, vanished.earlier, &set);
	for (size_t i = 0; i < vanished.uids.n; i++)
		wire_set_out_add(&set, vanished.uids.v[i].lo, vanished.uids.v[i].hi);
	wire_out_vanished_end(&set);
	return true;
}

static const struct {
	const char *name;
	bool (*read)(struct reading *r);
} readers[] = {
    {"LIST", read_list},
    {"LSUB", read_list},
    {"STATUS", read_status},
    {"NAMESPACE", read_namespace},
    {"QUOTA", read_quota},
    {"QUOTAROOT", read_quotaroot},
    {"ID", read_id},
    {"CAPABILITY", read_words},
    {"ENABLED", read_words},
    {"FLAGS", read_flags},
    {"SEARCH", read_search},
    {"ESEARCH", read_esearch},
    {"FETCH", read_fetch},
    {"EXISTS", read_number},
    {"RECENT", read_number},
    {"EXPUNGE", read_number},
    {"VANISHED", read_vanished},
};

static bool
read_cond(struct reading *r, enum wire_cond cond)
{
	struct wire_status_line line;
	struct buf code = {0};

	if (!wire_in_cond(&r->in, &line))
		return false;
	wire_out_code(&code, r->d, &line.code);
	wire_out_cond(&r->b, r->head.tag, cond, buf_as_str(&code), line.text);
	buf_fini(&code);
	return true;
}

static bool
read_continue(struct reading *r)
{
	struct str text;

	return wire_in_continue(&r->in, &text);
}

/* Responses that only an extension knows are accepted. */
static bool
read_response(struct reading *r)
{
	enum wire_cond cond;

	if (!wire_in_response(&r->in, &r->head))
		return false;
	if (r->head.kind == WIRE_CONTINUE)
		return read_continue(r);
	if (wire_cond_of(&r->head, &cond))
		return read_cond(r, cond);
	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if (str_eq(r->head.name, str_of(readers[i].name)))
			return readers[i].read(r);
	return r->head.kind == WIRE_UNTAGGED;
}

static bool
read_in(struct str response, const struct wire_dialect *d, const char **why_r)
{
	struct arena *a = arena_new(NULL, ARENA_OTHER, 1024);
	struct reading r = {.d = d};
	bool ok;

	wire_in_init(&r.in, response, a, d, NULL);
	ok = read_response(&r);
	*why_r = ok ? "printed anew it is another" : r.in.error != NULL ? r.in.error : "unknown";
	ok = ok && (r.b.n == 0 || str_eq(buf_as_str(&r.b), response));
	buf_fini(&r.b);
	arena_free(&a);
	return ok;
}

/* Nothing says which dialect it was printed in. */
static bool
check(struct str response)
{
	static const struct wire_dialect utf8 = {.rev2 = true, .utf8 = true};
	const char *why, *other;

	if (read_in(response, &wire_dialect_rev1, &why) || read_in(response, &utf8, &other))
		return true;
	fprintf(stderr, "%s: %.*s\n", why, STR_ARG(response));
	return false;
}

bool
readback_line(struct readback *r, struct str line)
{
	static const struct wire_frame_limits limits = {.line = 1u << 20,
	    .literal = 1u << 26,
	    .command = 1u << 28,
	    .literals = 100000,
	    .bare_lf = true};
	enum wire_frame_result result;
	bool ok = true;

	if (r->lost) {
		r->lost = false;
		return true;
	}
	buf_str(&r->bytes, line);
	while ((result = wire_frame_scan(&r->frame, &limits, buf_as_str(&r->bytes))) ==
	       WIRE_FRAME_LITERAL)
		wire_frame_accept(&r->frame);
	if (result == WIRE_FRAME_MORE)
		return true;
	if (result == WIRE_FRAME_DONE)
		ok = check(buf_as_str(&r->bytes));
	r->bytes.n = 0;
	r->frame = (struct wire_frame){0};
	return ok;
}

void
readback_skipped(struct readback *r, struct str bytes)
{
	bool lost = bytes.n > 0 && bytes.p[bytes.n - 1] != '\n';

	readback_fini(r);
	r->lost = lost;
}

void
readback_fini(struct readback *r)
{
	buf_fini(&r->bytes);
	*r = (struct readback){0};
}
