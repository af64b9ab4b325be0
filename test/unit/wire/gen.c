/* SPDX-License-Identifier: Apache-2.0 */
/* See gen.h. */
#include "gen.h"

#define DAY_MIN (-719528) /* 1 Jan 0000 */
#define DAYS 3652425      /* of ten thousand years */

uint64_t
gen_u64(struct gen *g)
{
	uint64_t z = g->state += 0x9E3779B97F4A7C15u;

	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

unsigned
gen_below(struct gen *g, unsigned n)
{
	return (unsigned)(gen_u64(g) % n);
}

bool
gen_one_in(struct gen *g, unsigned n)
{
	return gen_below(g, n) == 0;
}

/* Small numbers more often than large ones. */
static uint64_t
number63(struct gen *g)
{
	return (gen_u64(g) >> 1) >> gen_below(g, 63);
}

static uint32_t
nz_number(struct gen *g)
{
	uint32_t n = (uint32_t)(gen_u64(g) >> (32 + gen_below(g, 32)));

	return n > 0 ? n : 1;
}

/* ---- words */

static struct str
of_chars(struct gen *g, const char *chars, unsigned n)
{
	char *p = arena_zalloc(g->a, n + 1);

	for (unsigned i = 0; i < n; i++)
		p[i] = chars[gen_below(g, (unsigned)strlen(chars))];
	return (struct str){p, n};
}

struct str
gen_atom(struct gen *g)
{
	return of_chars(g, "abcXYZ019-_.$+&!#'/:;=?@^`|~[}", 1 + gen_below(g, 8));
}

/* In capitals, and unknown to wire. */
static struct str
name(struct gen *g)
{
	struct str rest = of_chars(g, "ABCDEFGHIJ0123456789-.", gen_below(g, 6));

	return str_of(arena_printf(g->a, "X%.*s", STR_ARG(rest)));
}

struct str
gen_text(struct gen *g)
{
	static const char *const chars[] = {"abc", "abc \"\\()[]{}%*", "a\r\n", "\x80\xC3\xFF z"};
	static const char *const whole[] = {
	    "", "NIL", "nil", "\xC3\xA9t\xC3\xA9", "{5}", "~{1}", "\""};

	if (gen_one_in(g, 4))
		return str_of(whole[gen_below(g, 7)]);
	return of_chars(g, chars[gen_below(g, 4)], gen_one_in(g, 50) ? 1500 : gen_below(g, 12));
}

static struct str
nstring(struct gen *g)
{
	return gen_one_in(g, 4) ? STR_NONE : gen_text(g);
}

struct str
gen_mailbox(struct gen *g)
{
	static const char *const parts[] = {"INBOX", "Work", "Entw\xC3\xBCrfe", "a&b", "&", "x y",
	    "\xE6\x97\xA5\xE6\x9C\xAC", "\xF0\x9F\x98\x80", "\"q\"", "\\", "100%", "(1)", "]",
	    "nil"};
	const char *first = parts[gen_below(g, 14)], *second = parts[gen_below(g, 14)];

	if (gen_one_in(g, 2))
		return str_of(first);
	return str_of(arena_printf(g->a, "%s/%s", first, second));
}

/* A reference or a pattern. */
static struct str
pattern(struct gen *g)
{
	static const char *const patterns[] = {"", "*", "%", "INBOX/%", "Entw\xC3\xBC*", "&%"};

	return gen_one_in(g, 3) ? gen_mailbox(g) : str_of(patterns[gen_below(g, 6)]);
}

/* Raw, like a parameter's value. */
static struct str
value(struct gen *g)
{
	static const char *const values[] = {"17", "1:4,9", "*", "$", "\"a \\\"b\"", "()",
	    "(a (b \")\") 5)", "{3}\r\na)b", "(~{2}\r\n()"};

	return str_of(values[gen_below(g, 8)]);
}

/* A value in a response, which may also be a word. */
static struct str
told_value(struct gen *g)
{
	return gen_one_in(g, 4) ? STR("NIL") : value(g);
}

static struct wire_names
names(struct gen *g, unsigned least, struct str (*one)(struct gen *g))
{
	struct wire_names list = {.n = least + gen_below(g, 4)};

	list.v = arena_array(g->a, list.n, sizeof(*list.v));
	for (size_t i = 0; i < list.n; i++)
		list.v[i] = one(g);
	return list;
}

static struct wire_params
params(struct gen *g, bool told)
{
	struct wire_params list = {.n = gen_below(g, 4)};

	list.v = arena_array(g->a, list.n, sizeof(*list.v));
	for (size_t i = 0; i < list.n; i++) {
		list.v[i].name = name(g);
		if (told)
			list.v[i].value = told_value(g);
		else if (gen_one_in(g, 2))
			list.v[i].value = value(g);
	}
	return list;
}

static struct wire_range
range(struct gen *g)
{
	struct wire_range r = {.lo = nz_number(g), .hi = nz_number(g)};

	if (gen_one_in(g, 4))
		return (struct wire_range){UINT32_MAX, UINT32_MAX, true, true};
	if (gen_one_in(g, 3))
		return (struct wire_range){r.lo, UINT32_MAX, false, true};
	if (gen_one_in(g, 3) || r.lo > r.hi)
		r.hi = r.lo;
	return r;
}

struct wire_set
gen_set(struct gen *g)
{
	struct wire_set set = {.n = 1 + gen_below(g, 5)};

	if (gen_one_in(g, 8))
		return (struct wire_set){.saved = true};
	set.v = arena_array(g->a, set.n, sizeof(*set.v));
	for (size_t i = 0; i < set.n; i++)
		set.v[i] = range(g);
	return set;
}

static struct str
told_flag(struct gen *g)
{
	return gen_one_in(g, 4) ? STR("\\Xyz") : gen_atom(g);
}

struct wire_flags
gen_flags(struct gen *g, bool told)
{
	struct wire_names keywords = names(g, 0, told ? told_flag : gen_atom);
	struct wire_flags f = {.keywords = keywords.v, .n_keywords = keywords.n};

	f.system = gen_below(g, told ? 64 : 32);
	if (told)
		f.star = gen_one_in(g, 2);
	else if (gen_one_in(g, 4))
		f.unknown = gen_one_in(g, 2) ? STR("\\Recent") : STR("\\*");
	return f;
}

static struct wire_time
moment(struct gen *g)
{
	return (struct wire_time){
	    .unix_s = (DAY_MIN + 1 + (int64_t)gen_below(g, DAYS - 2)) * 86400 + gen_below(g, 86400),
	    .zone_min = (int16_t)((int)gen_below(g, 2879) - 1439)};
}

/* ---- commands */

struct wire_authenticate
gen_authenticate(struct gen *g)
{
	struct wire_authenticate c = {.mech = name(g), .has_initial = gen_one_in(g, 2)};

	if (c.has_initial)
		c.initial = gen_text(g);
	return c;
}

struct wire_login
gen_login(struct gen *g)
{
	return (struct wire_login){.user = gen_text(g), .password = gen_text(g)};
}

struct wire_names
gen_enable(struct gen *g)
{
	return names(g, 1, name);
}

struct wire_id
gen_id(struct gen *g)
{
	struct wire_id id = {.n = gen_below(g, 4)};

	id.v = arena_array(g->a, id.n, sizeof(*id.v));
	for (size_t i = 0; i < id.n; i++)
		id.v[i] = (struct wire_pair){gen_text(g), nstring(g)};
	return id;
}

struct wire_select
gen_select(struct gen *g)
{
	return (struct wire_select){.mailbox = gen_mailbox(g), .params = params(g, false)};
}

static struct str
use(struct gen *g)
{
	return gen_one_in(g, 2) ? STR("\\Sent") : STR("\\Xyz");
}

struct wire_create
gen_create(struct gen *g)
{
	struct wire_create c = {
	    .mailbox = gen_mailbox(g), .has_use = gen_one_in(g, 2), .params = params(g, false)};

	if (c.has_use)
		c.use = names(g, 0, use);
	return c;
}

static struct wire_status_items
items(struct gen *g)
{
	return (struct wire_status_items){
	    .mask = 1 + gen_below(g, (1u << WIRE_STATUS_COUNT) - 1), .other = names(g, 0, name)};
}

struct wire_status
gen_status(struct gen *g)
{
	return (struct wire_status){.mailbox = gen_mailbox(g), .items = items(g)};
}

struct wire_list
gen_list(struct gen *g)
{
	struct wire_list c = {.reference = pattern(g), .patterns = names(g, 1, pattern)};

	if (gen_one_in(g, 2)) {
		c.select = gen_below(g, 16);
		if (c.select != 0)
			c.select |= WIRE_LIST_SUBSCRIBED; /* RECURSIVEMATCH is never alone */
		c.select_other = params(g, false);
	}
	if (gen_one_in(g, 2)) {
		c.returns = gen_below(g, 16);
		c.return_other = params(g, false);
	}
	if ((c.returns & WIRE_LIST_RET_STATUS) != 0)
		c.status = items(g);
	c.extended = c.select != 0 || c.select_other.n > 0 || c.patterns.n > 1 || c.returns != 0 ||
	             c.return_other.n > 0 || gen_one_in(g, 2);
	return c;
}

struct wire_copy
gen_copy(struct gen *g)
{
	return (struct wire_copy){.set = gen_set(g), .mailbox = gen_mailbox(g)};
}

struct wire_store
gen_store(struct gen *g)
{
	return (struct wire_store){.set = gen_set(g),
	    .modifiers = params(g, false),
	    .op = gen_below(g, 3),
	    .silent = gen_one_in(g, 2),
	    .flags = gen_flags(g, false)};
}

static struct wire_section
section(struct gen *g, bool binary)
{
	struct wire_section s = {.n_part = gen_below(g, 4)};

	s.part = arena_array(g->a, s.n_part, sizeof(*s.part));
	for (size_t i = 0; i < s.n_part; i++)
		s.part[i] = nz_number(g);
	if (binary)
		return s;
	s.what = gen_below(g, s.n_part > 0 ? WIRE_SECTION_MIME + 1 : WIRE_SECTION_MIME);
	if (s.what == WIRE_SECTION_HEADER_FIELDS || s.what == WIRE_SECTION_HEADER_FIELDS_NOT)
		s.fields = names(g, 1, gen_text);
	return s;
}

static struct wire_fetch_item
item(struct gen *g)
{
	struct wire_fetch_item i = {.id = gen_below(g, WIRE_FETCH_COUNT)};

	i.peek = i.id == WIRE_FETCH_RFC822_HEADER || i.id == WIRE_FETCH_BINARY_SIZE;
	if (i.id == WIRE_FETCH_OTHER) {
		i.name = name(g);
		i.args = gen_one_in(g, 2) ? STR("(a \"b\" (5))") : STR_NONE;
	}
	if (i.id < WIRE_FETCH_BODY_SECTION || i.id > WIRE_FETCH_BINARY_SIZE)
		return i;
	i.section = section(g, i.id != WIRE_FETCH_BODY_SECTION);
	if (i.id == WIRE_FETCH_BINARY_SIZE)
		return i;
	i.peek = gen_one_in(g, 2);
	i.has_partial = gen_one_in(g, 2);
	if (i.has_partial) {
		i.from = number63(g);
		i.length = number63(g) | 1;
	}
	return i;
}

struct wire_fetch
gen_fetch(struct gen *g)
{
	struct wire_fetch c = {
	    .set = gen_set(g), .n_items = 1 + gen_below(g, 5), .modifiers = params(g, false)};

	c.items = arena_array(g->a, c.n_items, sizeof(*c.items));
	for (size_t i = 0; i < c.n_items; i++)
		c.items[i] = item(g);
	return c;
}

/* ---- SEARCH */

static struct wire_key *key(struct gen *g, struct wire_search *c, unsigned depth, bool within_or);

static struct wire_key *
keys(struct gen *g, struct wire_search *c, unsigned n, unsigned depth, bool within_or)
{
	struct wire_key *first = NULL, **tail = &first;

	for (unsigned i = 0; i < n; i++) {
		*tail = key(g, c, depth, within_or);
		tail = &(*tail)->next;
	}
	return first;
}

static void
leaf(struct gen *g, struct wire_key *k)
{
	k->id = WIRE_KEY_ALL + gen_below(g, WIRE_KEY_COUNT - WIRE_KEY_ALL);
	if (k->id == WIRE_KEY_OTHER)
		k->text = name(g);
	else if (k->id >= WIRE_KEY_SET)
		k->set = gen_set(g);
	else if (k->id >= WIRE_KEY_OLDER)
		k->number = nz_number(g);
	else if (k->id >= WIRE_KEY_LARGER)
		k->number = number63(g);
	else if (k->id >= WIRE_KEY_BEFORE)
		k->day = DAY_MIN + (int32_t)gen_below(g, DAYS);
	else if (k->id >= WIRE_KEY_BCC)
		k->text = gen_text(g);
	else if (k->id >= WIRE_KEY_KEYWORD)
		k->text = gen_atom(g);
	if (k->id == WIRE_KEY_HEADER)
		k->field = gen_text(g);
}

static struct wire_key *
key(struct gen *g, struct wire_search *c, unsigned depth, bool within_or)
{
	struct wire_key *k = arena_new_object(g->a, struct wire_key);
	unsigned n = 2 + gen_below(g, 2);

	c->n_keys++;
	if (depth == 0 || gen_one_in(g, 2)) {
		leaf(g, k);
		return k;
	}
	k->id = within_or ? WIRE_KEY_NOT : gen_below(g, 3);
	if (k->id == WIRE_KEY_OR) /* each OR has two keys */
		c->n_keys += n - 2;
	k->child = keys(g, c, k->id == WIRE_KEY_NOT ? 1 : n, depth - 1, k->id == WIRE_KEY_OR);
	return k;
}

bool
gen_key_ext(struct wire_in *in, struct str key_name, struct wire_key *k, void *arg)
{
	(void)in, (void)k, (void)arg;
	return key_name.p[0] == 'X';
}

struct wire_search
gen_search(struct gen *g)
{
	struct wire_search c = {.has_return = gen_one_in(g, 2)};

	if (c.has_return) {
		c.returns = 1 + gen_below(g, 31);
		c.return_other = params(g, false);
	}
	if (gen_one_in(g, 3))
		c.charset = STR("UTF-8");
	c.root = arena_new_object(g->a, struct wire_key);
	c.root->id = WIRE_KEY_AND;
	c.root->child = keys(g, &c, 1 + gen_below(g, 3), 3, false);
	return c;
}

struct wire_sort
gen_sort(struct gen *g)
{
	struct wire_sort c = {.n = 1 + gen_below(g, 3), .search = gen_search(g)};

	c.search.charset = gen_text(g);
	c.keys = arena_array(g->a, c.n, sizeof(*c.keys));
	for (size_t i = 0; i < c.n; i++)
		c.keys[i] = (struct wire_sort_key){gen_atom(g), gen_one_in(g, 2)};
	return c;
}

struct wire_thread
gen_thread(struct gen *g)
{
	struct wire_thread c = {.algorithm = gen_atom(g), .search = gen_search(g)};

	c.search.charset = gen_text(g);
	c.search.has_return = false;
	c.search.returns = 0;
	c.search.return_other = (struct wire_params){.n = 0};
	return c;
}

struct wire_append_message
gen_append_message(struct gen *g)
{
	struct wire_append_message m = {.size = number63(g),
	    .literal8 = gen_one_in(g, 2),
	    .sync = gen_one_in(g, 2),
	    .flags = gen_flags(g, false),
	    .has_time = gen_one_in(g, 2)};

	m.utf8 = m.literal8 && gen_one_in(g, 2);
	if (m.has_time)
		m.time = moment(g);
	return m;
}

/* ---- responses */

struct wire_code
gen_code(struct gen *g)
{
	static const char *const numbers[] = {"UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ"};
	struct wire_code c = {.kind = gen_below(g, WIRE_CODE_SET + 1)};

	switch (c.kind) {
	case WIRE_CODE_PLAIN:
		c.name = name(g);
		c.args = gen_one_in(g, 2) ? of_chars(g, "ab (\"\\", gen_below(g, 9)) : STR_NONE;
		break;
	case WIRE_CODE_NUMBER:
		c.name = str_of(numbers[gen_below(g, 4)]);
		c.number = number63(g);
		break;
	case WIRE_CODE_FLAGS:
		c.name = STR("PERMANENTFLAGS");
		c.flags = gen_flags(g, true);
		break;
	case WIRE_CODE_WORDS:
		c.name = STR("CAPABILITY");
		c.words = names(g, 0, gen_atom);
		break;
	case WIRE_CODE_CHARSETS:
		c.name = STR("BADCHARSET");
		c.words = names(g, 0, gen_atom);
		break;
	case WIRE_CODE_APPENDUID:
		c.name = STR("APPENDUID");
		break;
	case WIRE_CODE_COPYUID:
		c.name = STR("COPYUID");
		break;
	case WIRE_CODE_SET:
		c.name = gen_one_in(g, 2) ? STR("MODIFIED") : STR("DOWNGRADED");
		break;
	}
	if (c.kind == WIRE_CODE_APPENDUID || c.kind == WIRE_CODE_COPYUID) {
		c.number = nz_number(g);
		c.to = gen_set(g);
	}
	if (c.kind == WIRE_CODE_SET || c.kind == WIRE_CODE_COPYUID)
		c.from = gen_set(g);
	return c;
}

static char
delimiter(struct gen *g)
{
	return "\0/.\\\""[gen_below(g, 5)];
}

static struct str
unknown_attr(struct gen *g)
{
	return gen_one_in(g, 2) ? STR("\\Xyz") : STR("\\x-1");
}

struct wire_list_row
gen_list_row(struct gen *g)
{
	return (struct wire_list_row){.lsub = gen_one_in(g, 4),
	    .attrs = gen_below(g, WIRE_ATTR_IMPORTANT << 1),
	    .other_attrs = names(g, 0, unknown_attr),
	    .delimiter = delimiter(g),
	    .name = gen_mailbox(g),
	    .childinfo = gen_one_in(g, 2) ? gen_below(g, 16) : 0,
	    .oldname = gen_one_in(g, 4) ? gen_mailbox(g) : STR_NONE,
	    .other = params(g, true)};
}

struct wire_status_data
gen_status_data(struct gen *g)
{
	struct wire_status_data s = {.mailbox = gen_mailbox(g), .other = params(g, true)};

	s.values.mask = gen_below(g, 1u << WIRE_STATUS_COUNT);
	for (unsigned i = 0; i < WIRE_STATUS_COUNT; i++)
		if ((s.values.mask & 1u << i) != 0)
			s.values.v[i] = number63(g);
	return s;
}

/* The name of a quota root: that of a mailbox, in any form, or empty. */
static struct str
root_name(struct gen *g)
{
	return gen_one_in(g, 3) ? STR("") : gen_mailbox(g);
}

struct wire_quota
gen_quota(struct gen *g, bool usage)
{
	struct wire_quota q = {.root = root_name(g), .n = gen_below(g, 4)};

	q.v = arena_array(g->a, q.n, sizeof(*q.v));
	for (size_t i = 0; i < q.n; i++)
		q.v[i] =
		    (struct wire_quota_resource){name(g), usage ? number63(g) : 0, number63(g)};
	return q;
}

struct wire_quotaroot
gen_quotaroot(struct gen *g)
{
	return (struct wire_quotaroot){.mailbox = gen_mailbox(g), .roots = names(g, 0, root_name)};
}

/* Rights of a response: without "c" and "d". */
static struct str
rights(struct gen *g)
{
	return of_chars(g, "lrswipkxtea0189z", gen_below(g, 6));
}

static struct str
tied_rights(struct gen *g)
{
	return of_chars(g, "lrswipkxtea0189z", 1 + gen_below(g, 3));
}

struct wire_setacl
gen_setacl(struct gen *g)
{
	return (struct wire_setacl){.mailbox = gen_mailbox(g),
	    .identifier = gen_text(g),
	    .mode = (enum wire_acl_mode)gen_below(g, 3),
	    .rights = of_chars(g, "lrswipkxteacdz5", gen_below(g, 8))};
}

struct wire_acl_one
gen_acl_one(struct gen *g)
{
	return (struct wire_acl_one){gen_mailbox(g), gen_text(g)};
}

struct wire_acl
gen_acl(struct gen *g)
{
	struct wire_acl acl = {.mailbox = gen_mailbox(g), .n = gen_below(g, 4)};

	acl.v = arena_array(g->a, acl.n, sizeof(*acl.v));
	for (size_t i = 0; i < acl.n; i++)
		acl.v[i] = (struct wire_acl_entry){gen_text(g), rights(g)};
	return acl;
}

struct wire_listrights
gen_listrights(struct gen *g)
{
	return (struct wire_listrights){
	    gen_mailbox(g), gen_text(g), rights(g), names(g, 0, tied_rights)};
}

struct wire_myrights
gen_myrights(struct gen *g)
{
	return (struct wire_myrights){gen_mailbox(g), rights(g)};
}

void
gen_namespaces(struct gen *g, struct wire_namespaces sets_r[3])
{
	for (int i = 0; i < 3; i++) {
		size_t n = gen_below(g, 3);
		struct wire_namespace *v = arena_array(g->a, n, sizeof(*v));

		for (size_t k = 0; k < n; k++)
			v[k] = (struct wire_namespace){pattern(g), delimiter(g)};
		sets_r[i] = (struct wire_namespaces){v, n};
	}
}

struct wire_search_data
gen_search_data(struct gen *g)
{
	struct wire_search_data s = {.n = gen_below(g, 9)};

	s.v = arena_array(g->a, s.n, sizeof(*s.v));
	for (size_t i = 0; i < s.n; i++)
		s.v[i] = nz_number(g);
	s.modseq = gen_one_in(g, 3) ? number63(g) | 1 : 0;
	return s;
}

struct wire_esearch
gen_esearch(struct gen *g)
{
	struct wire_esearch e = {.uid = gen_one_in(g, 2), .has = gen_below(g, 16)};

	if (!gen_one_in(g, 4))
		e.tag = gen_atom(g);
	e.min = (e.has & WIRE_RETURN_MIN) != 0 ? nz_number(g) : 0;
	e.max = (e.has & WIRE_RETURN_MAX) != 0 ? nz_number(g) : 0;
	e.count = (e.has & WIRE_RETURN_COUNT) != 0 ? number63(g) : 0;
	if ((e.has & WIRE_RETURN_ALL) != 0)
		e.all = gen_set(g);
	e.other = params(g, true);
	return e;
}

static void
envelope(struct gen *g, struct wire_envelope *e)
{
	e->date = nstring(g);
	e->subject = nstring(g);
	e->in_reply_to = nstring(g);
	e->message_id = nstring(g);
	for (int i = 0; i < WIRE_ENVELOPE_LISTS; i++) {
		size_t n = gen_below(g, 3);
		struct wire_address *v = arena_array(g->a, n, sizeof(*v));

		for (size_t k = 0; k < n; k++)
			v[k] =
			    (struct wire_address){nstring(g), nstring(g), nstring(g), nstring(g)};
		e->lists[i] = (struct wire_addresses){v, n};
	}
}

static struct wire_body_fields
fields(struct gen *g)
{
	struct wire_body_fields f = {.n = 2 * gen_below(g, 3)};

	f.v = arena_array(g->a, f.n, sizeof(*f.v));
	for (size_t i = 0; i < f.n; i++)
		f.v[i] = gen_text(g);
	return f;
}

static void
extension(struct gen *g, struct wire_body *b)
{
	b->n_extension = gen_below(g, 7);
	if (b->n_extension >= 1 && b->kind == WIRE_BODY_MULTIPART)
		b->params = fields(g);
	else if (b->n_extension >= 1)
		b->md5 = nstring(g);
	if (b->n_extension >= 2 && gen_one_in(g, 2)) {
		b->disposition = gen_text(g);
		b->disposition_params = fields(g);
	}
	if (b->n_extension >= 3)
		b->languages = names(g, 0, gen_text);
	if (b->n_extension >= 4)
		b->location = nstring(g);
	if (b->n_extension <= 4)
		return;
	b->further.n = b->n_extension - 4;
	b->further.v = arena_array(g->a, b->further.n, sizeof(*b->further.v));
	for (size_t i = 0; i < b->further.n; i++)
		b->further.v[i] = told_value(g);
}

static void
body(struct gen *g, struct wire_body *b, unsigned depth)
{
	static const char *const types[] = {"x", "Text", "MESSAGE"};
	struct wire_body **tail = &b->child;
	unsigned children = 0;

	b->kind = gen_below(g, depth > 0 ? 4 : 2);
	if (b->kind == WIRE_BODY_MULTIPART) {
		children = 1 + gen_below(g, 3);
		b->subtype = gen_text(g);
	} else {
		b->type = str_of(types[b->kind]);
		b->subtype = b->kind == WIRE_BODY_MESSAGE ? STR("rfc822") : gen_text(g);
		b->params = fields(g);
		b->id = nstring(g);
		b->description = nstring(g);
		b->encoding = gen_text(g);
		b->size = number63(g);
		b->lines = b->kind != WIRE_BODY_BASIC ? number63(g) : 0;
	}
	if (b->kind == WIRE_BODY_MESSAGE) {
		children = 1;
		b->envelope = arena_new_object(g->a, struct wire_envelope);
		envelope(g, b->envelope);
	}
	for (; children > 0; children--, tail = &(*tail)->next) {
		*tail = arena_new_object(g->a, struct wire_body);
		body(g, *tail, depth - 1);
	}
	extension(g, b);
}

static struct wire_fetch_content
content(struct gen *g)
{
	struct wire_fetch_content c = {.item = {.id = WIRE_FETCH_BODY_SECTION + gen_below(g, 6)}};

	if (c.item.id <= WIRE_FETCH_BINARY_SIZE)
		c.item.section = section(g, c.item.id != WIRE_FETCH_BODY_SECTION);
	if (c.item.id == WIRE_FETCH_BINARY_SIZE) {
		c.size = number63(g);
		return c;
	}
	if (c.item.id <= WIRE_FETCH_BINARY && gen_one_in(g, 2)) {
		c.item.has_partial = true;
		c.item.from = number63(g);
	}
	c.bytes = gen_one_in(g, 4) ? (struct str){"a\0)b", 4} : nstring(g);
	return c;
}

struct wire_fetch_data
gen_fetch_data(struct gen *g)
{
	struct wire_fetch_data f = {
	    .has = 1 + gen_below(g, (2u << WIRE_FETCH_BODY) - 1), .n_contents = gen_below(g, 3)};

	if ((f.has & 1u << WIRE_FETCH_FLAGS) != 0)
		f.flags = gen_flags(g, true);
	if ((f.has & 1u << WIRE_FETCH_INTERNALDATE) != 0)
		f.internaldate = moment(g);
	if ((f.has & 1u << WIRE_FETCH_UID) != 0)
		f.uid = nz_number(g);
	if ((f.has & 1u << WIRE_FETCH_RFC822_SIZE) != 0)
		f.size = number63(g);
	if ((f.has & 1u << WIRE_FETCH_ENVELOPE) != 0)
		envelope(g, &f.envelope);
	if ((f.has & 1u << WIRE_FETCH_BODYSTRUCTURE) != 0)
		body(g, &f.bodystructure, 3);
	if ((f.has & 1u << WIRE_FETCH_BODY) != 0)
		body(g, &f.body, 3);
	f.contents = arena_array(g->a, f.n_contents, sizeof(*f.contents));
	for (size_t i = 0; i < f.n_contents; i++)
		f.contents[i] = content(g);
	f.other = params(g, true);
	return f;
}
