/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the framer and every command's parser over a client's bytes.  The first byte chooses the
 * dialect, line endings and how the bytes arrive (all at once or one at a time); both ways must
 * find the same commands.  Results are read to their last byte, to expose any that lie outside the
 * input and the arena; then they are printed, and must parse again to the same.
 */
#include "base/err.h"
#include "same.h"
#include "wire/cmd.h"
#include "wire/ext/compress.h"
#include "wire/ext/enable.h"
#include "wire/ext/proxyauth.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct wire_dialect utf8 = {.rev2 = true, .utf8 = true};

struct run {
	struct arena *arena;
	const struct wire_dialect *dialect;
	volatile unsigned sum; /* so that reading is not optimised away */
};

static void
touch(struct run *r, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		r->sum = r->sum * 31 + (unsigned char)s.p[i];
}

static void
touch_names(struct run *r, const struct wire_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		touch(r, names->v[i]);
}

static void
touch_params(struct run *r, const struct wire_params *params)
{
	for (size_t i = 0; i < params->n; i++) {
		touch(r, params->v[i].name);
		touch(r, params->v[i].value);
	}
}

static void
touch_set(struct run *r, const struct wire_set *set)
{
	struct wire_set resolved = wire_set_resolve(set, 1000, r->arena);

	for (size_t i = 0; i < set->n; i++)
		TS_ASSERT(set->v[i].lo >= 1 && set->v[i].lo <= set->v[i].hi);
	for (size_t i = 1; i < resolved.n; i++)
		TS_ASSERT(resolved.v[i].lo > resolved.v[i - 1].hi + 1);
}

/* A client's name is valid UTF-8, and prints unchanged. */
static void
check_mailbox(struct run *r, struct str name)
{
	struct buf b = {0};
	struct wire_in in;
	struct str back;

	TS_ASSERT(str_is_utf8(name) && name.n > 0);
	wire_out_mailbox(&b, r->dialect, name);
	wire_in_init(&in, buf_as_str(&b), r->arena, r->dialect, NULL);
	TS_ASSERT(wire_in_mailbox(&in, &back) && wire_in_end(&in));
	TS_ASSERT(str_eq(name, back));
	buf_fini(&b);
}

static void
touch_key(struct run *r, const struct wire_key *key)
{
	for (; key != NULL; key = key->next) {
		touch(r, key->text);
		touch(r, key->field);
		touch_set(r, &key->set);
		touch_key(r, key->child);
	}
}

static void
touch_item(struct run *r, const struct wire_fetch_item *item)
{
	touch(r, item->name);
	touch(r, item->args);
	touch_names(r, &item->section.fields);
}

/* A cursor over the printed text, copied to the run's arena and terminated. */
static struct wire_in
again(struct run *r, struct buf *b)
{
	struct wire_in in;
	struct str text;

	wire_cmd_end(b);
	text = arena_str(r->arena, buf_as_str(b));
	buf_fini(b);
	wire_in_init(&in, text, r->arena, r->dialect, NULL);
	return in;
}

static bool
run_none(struct run *r, struct wire_in *in)
{
	(void)r;
	return wire_none_parse(in);
}

static bool
run_authenticate(struct run *r, struct wire_in *in)
{
	struct wire_authenticate c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_authenticate_parse(in, &c))
		return false;
	touch(r, c.mech);
	touch(r, c.initial);
	wire_authenticate_print(&b, &c);
	back = again(r, &b);
	TS_ASSERT(wire_authenticate_parse(&back, &d) && same_authenticate(&c, &d));
	return true;
}

static bool
run_login(struct run *r, struct wire_in *in)
{
	struct wire_login c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_login_parse(in, &c))
		return false;
	touch(r, c.user);
	touch(r, c.password);
	wire_login_print(&b, r->dialect, &c);
	back = again(r, &b);
	TS_ASSERT(wire_login_parse(&back, &d) && same_login(&c, &d));
	return true;
}

static bool
run_proxyauth(struct run *r, struct wire_in *in)
{
	struct str user, again_user;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_proxyauth_parse(in, &user))
		return false;
	touch(r, user);
	wire_proxyauth_print(&b, r->dialect, user);
	back = again(r, &b);
	TS_ASSERT(wire_proxyauth_parse(&back, &again_user) && str_eq(user, again_user));
	return true;
}

static bool
run_compress(struct run *r, struct wire_in *in)
{
	struct buf b = {0};
	struct wire_in back;

	if (!wire_compress_parse(in))
		return false;
	wire_compress_print(&b);
	back = again(r, &b);
	TS_ASSERT(wire_compress_parse(&back));
	return true;
}

static bool
run_enable(struct run *r, struct wire_in *in)
{
	struct wire_names c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_enable_parse(in, &c))
		return false;
	touch_names(r, &c);
	wire_enable_print(&b, &c);
	back = again(r, &b);
	TS_ASSERT(wire_enable_parse(&back, &d) && same_names(&c, &d));
	return true;
}

static bool
run_id(struct run *r, struct wire_in *in)
{
	struct wire_id c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_id_parse(in, &c))
		return false;
	for (size_t i = 0; i < c.n; i++) {
		touch(r, c.v[i].name);
		touch(r, c.v[i].value);
	}
	wire_id_print(&b, r->dialect, &c);
	back = again(r, &b);
	TS_ASSERT(wire_id_parse(&back, &d) && same_id(&c, &d));
	return true;
}

static bool
run_select(struct run *r, struct wire_in *in)
{
	struct wire_select c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_select_parse(in, &c))
		return false;
	check_mailbox(r, c.mailbox);
	touch_params(r, &c.params);
	wire_select_print(&b, r->dialect, &c);
	back = again(r, &b);
	TS_ASSERT(wire_select_parse(&back, &d) && same_select(&c, &d));
	return true;
}

static bool
run_create(struct run *r, struct wire_in *in)
{
	struct wire_create c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_create_parse(in, &c))
		return false;
	check_mailbox(r, c.mailbox);
	touch_names(r, &c.use);
	touch_params(r, &c.params);
	wire_create_print(&b, r->dialect, &c);
	back = again(r, &b);
	TS_ASSERT(wire_create_parse(&back, &d) && same_create(&c, &d));
	return true;
}

static bool
run_mailbox(struct run *r, struct wire_in *in)
{
	struct str name;

	if (!wire_mailbox_parse(in, &name))
		return false;
	check_mailbox(r, name);
	return true;
}

static bool
run_rename(struct run *r, struct wire_in *in)
{
	struct wire_rename c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_rename_parse(in, &c))
		return false;
	check_mailbox(r, c.from);
	check_mailbox(r, c.to);
	wire_rename_print(&b, r->dialect, &c);
	back = again(r, &b);
	TS_ASSERT(wire_rename_parse(&back, &d) && str_eq(c.from, d.from) && str_eq(c.to, d.to));
	return true;
}

static bool
run_status(struct run *r, struct wire_in *in)
{
	struct wire_status c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_status_parse(in, &c))
		return false;
	check_mailbox(r, c.mailbox);
	touch_names(r, &c.items.other);
	wire_status_print(&b, r->dialect, &c);
	back = again(r, &b);
	TS_ASSERT(wire_status_parse(&back, &d) && same_status(&c, &d));
	return true;
}

/* A pattern that matches nothing has no spelling. */
static void
check_list(struct run *r, const struct wire_list *c)
{
	struct wire_list d;
	struct buf b = {0};
	struct wire_in back;

	if (c->reference.p == NULL)
		return;
	for (size_t i = 0; i < c->patterns.n; i++)
		if (c->patterns.v[i].p == NULL)
			return;
	wire_list_print(&b, r->dialect, c);
	back = again(r, &b);
	TS_ASSERT(wire_list_parse(&back, &d));
	d.extended = c->extended; /* a list of one pattern prints as a pattern */
	TS_ASSERT(same_list(c, &d));
}

static bool
run_list(struct run *r, struct wire_in *in)
{
	struct wire_list c;

	if (!wire_list_parse(in, &c))
		return false;
	touch(r, c.reference);
	touch_names(r, &c.patterns);
	touch_names(r, &c.status.other);
	touch_params(r, &c.select_other);
	touch_params(r, &c.return_other);
	check_list(r, &c);
	return true;
}

static bool
run_lsub(struct run *r, struct wire_in *in)
{
	struct wire_list c;

	if (!wire_lsub_parse(in, &c))
		return false;
	touch_names(r, &c.patterns);
	check_list(r, &c);
	return true;
}

static bool
run_copy(struct run *r, struct wire_in *in)
{
	struct wire_copy c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_copy_parse(in, &c))
		return false;
	touch_set(r, &c.set);
	check_mailbox(r, c.mailbox);
	wire_copy_print(&b, r->dialect, &c);
	back = again(r, &b);
	TS_ASSERT(wire_copy_parse(&back, &d) && same_copy(&c, &d));
	return true;
}

static bool
run_expunge(struct run *r, struct wire_in *in)
{
	struct wire_set set, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_uid_expunge_parse(in, &set))
		return false;
	touch_set(r, &set);
	wire_uid_expunge_print(&b, &set);
	back = again(r, &b);
	TS_ASSERT(wire_uid_expunge_parse(&back, &d) && same_set(&set, &d));
	return true;
}

static bool
run_fetch(struct run *r, struct wire_in *in)
{
	struct wire_fetch c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_fetch_parse(in, &c))
		return false;
	TS_ASSERT(c.n_items > 0);
	touch_set(r, &c.set);
	for (size_t i = 0; i < c.n_items; i++)
		touch_item(r, &c.items[i]);
	touch_params(r, &c.modifiers);
	wire_fetch_print(&b, r->dialect, &c);
	back = again(r, &b);
	TS_ASSERT(wire_fetch_parse(&back, &d) && same_fetch(&c, &d));
	return true;
}

static bool
run_store(struct run *r, struct wire_in *in)
{
	struct wire_store c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_store_parse(in, &c))
		return false;
	touch_set(r, &c.set);
	for (size_t i = 0; i < c.flags.n_keywords; i++)
		touch(r, c.flags.keywords[i]);
	touch(r, c.flags.unknown);
	touch_params(r, &c.modifiers);
	wire_store_print(&b, &c);
	back = again(r, &b);
	TS_ASSERT(wire_store_parse(&back, &d) && same_store(&c, &d));
	return true;
}

static bool
run_search(struct run *r, struct wire_in *in)
{
	struct wire_search c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_search_parse(in, &c, NULL, NULL))
		return false;
	TS_ASSERT(c.root->child != NULL && c.n_keys <= wire_limits_default.search_keys);
	touch(r, c.charset);
	touch_params(r, &c.return_other);
	touch_key(r, c.root);
	wire_search_print(&b, r->dialect, &c, NULL, NULL);
	back = again(r, &b);
	TS_ASSERT(wire_search_parse(&back, &d, NULL, NULL) && same_search(&c, &d));
	return true;
}

static bool
run_setacl(struct run *r, struct wire_in *in)
{
	struct wire_setacl c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_setacl_parse(in, &c))
		return false;
	check_mailbox(r, c.mailbox);
	touch(r, c.identifier);
	wire_setacl_print(&b, r->dialect, &c);
	back = again(r, &b);
	TS_ASSERT(wire_setacl_parse(&back, &d) && same_setacl(&c, &d));
	return true;
}

static bool
run_acl_one(struct run *r, struct wire_in *in)
{
	struct wire_acl_one c, d;
	struct buf b = {0};
	struct wire_in back;

	if (!wire_acl_one_parse(in, &c))
		return false;
	check_mailbox(r, c.mailbox);
	touch(r, c.identifier);
	wire_acl_one_print(&b, r->dialect, &c);
	back = again(r, &b);
	TS_ASSERT(wire_acl_one_parse(&back, &d) && same_acl_one(&c, &d));
	return true;
}

typedef bool run_f(struct run *r, struct wire_in *in);

static const struct {
	const char *name;
	run_f *fn;
} commands[] = {
    {"NOOP", run_none},
    {"AUTHENTICATE", run_authenticate},
    {"LOGIN", run_login},
    {"PROXYAUTH", run_proxyauth},
    {"COMPRESS", run_compress},
    {"ENABLE", run_enable},
    {"ID", run_id},
    {"SELECT", run_select},
    {"CREATE", run_create},
    {"DELETE", run_mailbox},
    {"RENAME", run_rename},
    {"STATUS", run_status},
    {"LIST", run_list},
    {"LSUB", run_lsub},
    {"SETACL", run_setacl},
    {"LISTRIGHTS", run_acl_one},
    {"COPY", run_copy},
    {"EXPUNGE", run_expunge},
    {"FETCH", run_fetch},
    {"STORE", run_store},
    {"SEARCH", run_search},
};

static void
run_command(struct run *r, struct str text)
{
	struct wire_head head;
	struct wire_in in;
	bool ok;

	wire_in_init(&in, text, r->arena, r->dialect, NULL);
	if (!wire_cmd_head(&in, &head)) {
		TS_ASSERT(in.error != NULL);
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (str_eq(head.name, str_of(commands[i].name))) {
			ok = commands[i].fn(r, &in);
			TS_ASSERT(ok == (in.error == NULL));
			TS_ASSERT(in.error_at <= text.n);
		}
}

/* The stream of commands, as a server reads it. */
struct walk {
	struct str left;
	size_t there; /* bytes of left that have arrived */
	bool slowly;
};

static bool
more(struct walk *w)
{
	if (w->there == w->left.n)
		return false;
	w->there = w->slowly ? w->there + 1 : w->left.n;
	return true;
}

static void
consume(struct walk *w, size_t n)
{
	TS_ASSERT(n <= w->there);
	w->left.p += n;
	w->left.n -= n;
	w->there -= n;
}

/* False: the bytes ended before. */
static bool
refuse(struct walk *w, struct wire_frame *f)
{
	bool done = false;

	wire_frame_refuse(f);
	do
		consume(w, wire_frame_skip(f, (struct str){w->left.p, w->there}, &done));
	while (!done && more(w));
	*f = (struct wire_frame){0};
	return done;
}

/* Returns how many commands and parts of APPEND it found. */
static size_t
walk_all(struct run *r, struct str bytes, bool slowly, bool bare_lf)
{
	const struct wire_frame_limits limits = {
	    .line = 2000, .literal = 100, .command = 4000, .literals = 5, .bare_lf = bare_lf};
	struct walk w = {bytes, slowly ? 0 : bytes.n, slowly};
	struct wire_frame f = {0};
	struct wire_append ap;
	bool appending = false;
	size_t n = 0;

	for (;;) {
		struct str text = {w.left.p, w.there};
		enum wire_frame_result result = wire_frame_scan(&f, &limits, text);
		struct wire_head head;
		struct wire_in in;

		if (result == WIRE_FRAME_MORE) {
			if (more(&w))
				continue;
			return n;
		}
		if (result == WIRE_FRAME_LINE_TOO_LONG || result == WIRE_FRAME_BAD) {
			appending = false;
			if (!refuse(&w, &f))
				return n;
			continue;
		}
		text.n = result == WIRE_FRAME_DONE ? f.end : f.lit.data;
		TS_ASSERT(text.n <= w.there && text.n > 0 && text.p[text.n - 1] == '\n');
		wire_in_init(&in, text, r->arena, r->dialect, NULL);
		if (!appending && wire_cmd_head(&in, &head) && str_eq(head.name, STR("APPEND"))) {
			wire_append_init(&ap, r->arena, r->dialect, NULL);
			appending = true;
		}
		if (appending) {
			enum wire_append_result fed =
			    wire_append_feed(&ap, ap.n_messages == 0 ? wire_in_rest(&in) : text);

			n++;
			if (fed == WIRE_APPEND_MESSAGE && f.lit.size < 1000) {
				TS_ASSERT(ap.message.size == f.lit.size);
				consume(&w, text.n);
				while (w.there < f.lit.size && more(&w))
					;
				consume(&w, w.there < f.lit.size ? w.there : (size_t)f.lit.size);
				wire_frame_cut(&f);
				continue;
			}
			if (fed == WIRE_APPEND_STRING && result == WIRE_FRAME_LITERAL) {
				appending = false; /* the head is parsed again with the literal */
				wire_frame_accept(&f);
				continue;
			}
			TS_ASSERT((fed == WIRE_APPEND_BAD) == (ap.error != NULL));
			appending = false;
			if (fed == WIRE_APPEND_END)
				TS_ASSERT(result == WIRE_FRAME_DONE);
		} else if (result == WIRE_FRAME_LITERAL) {
			wire_frame_accept(&f);
			continue;
		}
		if (result != WIRE_FRAME_DONE) {
			if (!refuse(&w, &f))
				return n;
			continue;
		}
		n++;
		if (!slowly)
			run_command(r, text);
		consume(&w, text.n);
		f = (struct wire_frame){0};
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run r = {.dialect = &wire_dialect_rev1};
	struct str bytes;
	size_t fast, slow;
	bool bare_lf;

	if (size < 1)
		return 0;
	if ((data[0] & 1) != 0)
		r.dialect = &utf8;
	bare_lf = (data[0] & 2) != 0;
	bytes = (struct str){(const char *)data + 1, size - 1};
	r.arena = arena_new(NULL, ARENA_OTHER, 1024);
	fast = walk_all(&r, bytes, false, bare_lf);
	slow = walk_all(&r, bytes, true, bare_lf);
	TS_ASSERT(fast == slow);
	arena_free(&r.arena);
	return 0;
}
