/* SPDX-License-Identifier: Apache-2.0 */
/* Makes grants from what people write and from records: see grant.h. */
#include "auth/grant/grant.h"
#include "auth/grant/groups.h"
#include "auth/user/user.h"
#include "base/normal.h"
#include "sasl/names.h"

enum { FORMAT = 1, SMALL = 512 };

/* ---- one or many users */

static const struct str group_word = {AUTH_GROUP_WORD, sizeof(AUTH_GROUP_WORD) - 1};

/* Classifies a prepared text. */
static struct auth_names
names_of(struct str text)
{
	const char *star = str_chr(text, '*');

	if (star == NULL)
		return (struct auth_names){AUTH_NAMES_ONE, text};
	if (text.n == 1)
		return (struct auth_names){AUTH_NAMES_ANY, text};
	if (star == text.p && text.n > 2 && text.p[1] == '@' &&
	    str_chr((struct str){text.p + 2, text.n - 2}, '*') == NULL)
		return (struct auth_names){AUTH_NAMES_DOMAIN, {text.p + 2, text.n - 2}};
	return (struct auth_names){AUTH_NAMES_PATTERN, text};
}

bool
auth_group_name_ok(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] <= ' ' || name.p[i] == 127 || name.p[i] == ':' ||
		    name.p[i] == ',')
			return false;
	return name.n > 0 && name.n <= AUTH_GROUP_NAME_MAX && str_is_utf8(name);
}

bool
auth_names_parse(
    struct str text, struct str default_domain, struct arena *arena, struct auth_names *names_r)
{
	struct buf b = {0};
	bool ok;

	if (str_has_iprefix(text, group_word)) {
		text = (struct str){text.p + group_word.n, text.n - group_word.n};
		*names_r = (struct auth_names){AUTH_NAMES_GROUP, arena_str(arena, text)};
		return auth_group_name_ok(text);
	}
	/* Only a whole name gets the default domain. */
	ok = str_chr(text, '*') != NULL ? sasl_name_prepare(text, &b)
	                                : sasl_name_full(text, default_domain, &b);
	/* A name that becomes the word by preparation (wide letters) would be printed like it. */
	ok = ok && !str_has_prefix(buf_as_str(&b), group_word);
	if (ok)
		*names_r = names_of(arena_str(arena, buf_as_str(&b)));
	buf_fini(&b);
	return ok;
}

void
auth_names_print(const struct auth_names *names, struct buf *out)
{
	if (names->kind == AUTH_NAMES_GROUP)
		buf_str(out, group_word);
	if (names->kind == AUTH_NAMES_DOMAIN)
		buf_puts(out, "*@");
	buf_str(out, names->text);
}

/* ---- from a spec */

static struct auth_grant *
grant_in(struct arena *arena, enum auth_grant_source source)
{
	struct auth_grant *grant = arena_new_object(arena, struct auth_grant);

	grant->refs = 1;
	grant->source = source;
	grant->rights = AUTH_RIGHTS_ALL;
	grant->until = AUTH_GRANT_FOR_GOOD;
	grant->arena = arena;
	return grant;
}

static bool __attribute__((format(printf, 3, 4)))
set_fault(struct auth_grant_fault *f, const char *field, const char *fmt, ...)
{
	va_list ap;

	f->field = field;
	f->text.n = 0;
	va_start(ap, fmt);
	buf_vprintf(&f->text, fmt, ap);
	va_end(ap);
	return false;
}

/* Sets a fault that ends with the value given. */
static bool
set_fault_of(struct auth_grant_fault *f, const char *field, const char *want, struct str given)
{
	return set_fault(
	    f, field, "%s, not \"%.*s\"", want, given.n > 60 ? 60 : (int)given.n, given.p);
}

static bool
is_grant_name(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if (!(name.p[i] >= '0' && name.p[i] <= '9') &&
		    !(ascii_lower((unsigned char)name.p[i]) >= 'a' &&
		        ascii_lower((unsigned char)name.p[i]) <= 'z') &&
		    (i == 0 || strchr("._-", name.p[i]) == NULL || name.p[i] == '\0'))
			return false;
	return name.n > 0 && name.n <= AUTH_GRANT_NAME_MAX && !str_eq(name, STR("acts-for"));
}

static bool
make_names(struct auth_grant *grant, struct str domain, const struct auth_grant_spec *spec,
    struct auth_grant_fault *f)
{
	static const char want[] =
	    "must be a user, a pattern in which '*' stands for any characters, or group:NAME";

	if (!is_grant_name(spec->name))
		return set_fault(f, "name",
		    "the name of a grant is 1 to %d letters and digits, with . _ - inside, and "
		    "not \"acts-for\"",
		    AUTH_GRANT_NAME_MAX);
	grant->name = arena_str(grant->arena, spec->name);
	if (!auth_names_parse(spec->who, domain, grant->arena, &grant->who))
		return set_fault_of(f, "who", want, spec->who);
	if (!auth_names_parse(spec->target, domain, grant->arena, &grant->target))
		return set_fault_of(f, "for", want, spec->target);
	return true;
}

static bool
is_mailbox(struct str name)
{
	for (size_t i = 0; i < name.n; i++)
		if ((unsigned char)name.p[i] < ' ' || name.p[i] == 127)
			return false;
	return name.n > 0 && name.n <= AUTH_MAILBOX_NAME_MAX && str_is_utf8(name);
}

/* Mailbox names neither begin nor end with the separator, nor contain two in a row. */
static bool
fits_none(struct str pattern)
{
	bool before = true;

	for (size_t i = 0; i < pattern.n; i++) {
		if (pattern.p[i] == '/' && before)
			return true;
		before = pattern.p[i] == '/';
	}
	return before;
}

const char *
auth_grant_mailbox_fault(struct str pattern)
{
	if (!is_mailbox(pattern))
		return "must be names of mailboxes in UTF-8, in which '*' stands for any "
		       "characters and '%' for any but '/'";
	if (fits_none(pattern))
		return "no mailbox has such a name: '/' only separates levels";
	return NULL;
}

static bool
make_mailboxes(
    struct auth_grant *grant, const struct auth_grant_spec *spec, struct auth_grant_fault *f)
{
	struct str *list = arena_array(grant->arena, spec->mailbox_count, sizeof(*list));

	if (spec->mailbox_count > AUTH_GRANT_ITEMS_MAX)
		return set_fault(f, "mailboxes", "at most %d of them", AUTH_GRANT_ITEMS_MAX);
	for (size_t i = 0; i < spec->mailbox_count; i++) {
		const char *why = auth_grant_mailbox_fault(spec->mailboxes[i]);

		if (why != NULL)
			return set_fault(f, "mailboxes", "%s, not \"%.*s\"", why,
			    spec->mailboxes[i].n > 60 ? 60 : (int)spec->mailboxes[i].n,
			    spec->mailboxes[i].p);
		list[i] = str_normal(grant->arena, arena_str(grant->arena, spec->mailboxes[i]));
	}
	grant->mailboxes = list;
	grant->mailbox_count = spec->mailbox_count;
	return true;
}

static bool
make_from(struct auth_grant *grant, const struct auth_grant_spec *spec, struct auth_grant_fault *f)
{
	struct net_network *list = arena_array(grant->arena, spec->from_count, sizeof(*list));

	if (spec->from_count > AUTH_GRANT_ITEMS_MAX)
		return set_fault(f, "from", "at most %d of them", AUTH_GRANT_ITEMS_MAX);
	for (size_t i = 0; i < spec->from_count; i++) {
		const char *why = net_network_parse(spec->from[i], &list[i]);

		if (why != NULL)
			return set_fault(f, "from", "%s, not \"%.*s\"", why,
			    spec->from[i].n > 60 ? 60 : (int)spec->from[i].n, spec->from[i].p);
	}
	grant->from = list;
	grant->from_count = spec->from_count;
	return true;
}

static bool
make_bounds(
    struct auth_grant *grant, const struct auth_grant_spec *spec, struct auth_grant_fault *f)
{
	char bad;

	if (spec->rights.n > 0 && !auth_rights_parse(spec->rights, &grant->rights, &bad))
		return set_fault(f, "rights",
		    "must be letters of lrswipkxtea (RFC 4314), not \"%.*s\"",
		    spec->rights.n > 60 ? 60 : (int)spec->rights.n, spec->rights.p);
	if (spec->until.n > 0 && !auth_until_parse(spec->until, &grant->until))
		return set_fault_of(f, "until",
		    "must be a day such as 2027-01-01 (its end), or a time such as "
		    "2027-01-01T12:30Z",
		    spec->until);
	return make_mailboxes(grant, spec, f) && make_from(grant, spec, f);
}

struct auth_grant *
auth_grant_new(enum auth_grant_source source, struct str default_domain,
    const struct auth_grant_spec *spec, struct auth_grant_fault *fault_r)
{
	struct auth_grant *grant = grant_in(arena_new(NULL, ARENA_OTHER, SMALL), source);

	if (!make_names(grant, default_domain, spec, fault_r) || !make_bounds(grant, spec, fault_r))
		auth_grant_unref(&grant);
	return grant;
}

/* ---- equality */

static bool
same_names(const struct auth_names *a, const struct auth_names *b)
{
	return a->kind == b->kind && str_eq(a->text, b->text);
}

bool
auth_grant_same(const struct auth_grant *a, const struct auth_grant *b)
{
	bool same = a->source == b->source && str_eq(a->name, b->name) &&
	            same_names(&a->who, &b->who) && same_names(&a->target, &b->target) &&
	            a->rights == b->rights && a->until == b->until &&
	            a->mailbox_count == b->mailbox_count && a->from_count == b->from_count;

	for (size_t i = 0; same && i < a->mailbox_count; i++)
		same = str_eq(a->mailboxes[i], b->mailboxes[i]);
	for (size_t i = 0; same && i < a->from_count; i++)
		same = net_network_equal(&a->from[i], &b->from[i]);
	return same;
}

/* ---- records */

static void
print_names(const struct auth_names *names, struct buf *out)
{
	struct buf text = {0};

	buf_putc(out, names->kind == AUTH_NAMES_GROUP ? 1 : 0);
	if (names->kind == AUTH_NAMES_DOMAIN)
		buf_puts(&text, "*@");
	buf_str(&text, names->text);
	buf_vstr(out, buf_as_str(&text));
	buf_fini(&text);
}

void
auth_grant_print(const struct auth_grant *grant, struct buf *out)
{
	buf_putc(out, FORMAT);
	buf_le64(out, (uint64_t)grant->made);
	buf_le64(out, (uint64_t)grant->until);
	buf_le32(out, grant->rights);
	print_names(&grant->who, out);
	print_names(&grant->target, out);
	buf_varint(out, grant->mailbox_count);
	for (size_t i = 0; i < grant->mailbox_count; i++)
		buf_vstr(out, grant->mailboxes[i]);
	buf_varint(out, grant->from_count);
	for (size_t i = 0; i < grant->from_count; i++) {
		buf_putc(out, (char)grant->from[i].family);
		buf_putc(out, (char)grant->from[i].bits);
		buf_put(out, grant->from[i].address, sizeof(grant->from[i].address));
	}
}

static struct auth_names
parse_names(struct rd *r, struct arena *arena)
{
	uint8_t group = rd_u8(r);
	struct str text = arena_str(arena, rd_vstr(r));

	if (group > 1 || text.n == 0 || (group == 1 && !auth_group_name_ok(text)))
		r->bad = true;
	return group == 1 ? (struct auth_names){AUTH_NAMES_GROUP, text} : names_of(text);
}

/* Reads how many items follow; 0 if the record is invalid or too short for them. */
static size_t
parse_count(struct rd *r)
{
	uint64_t n = rd_varint(r);

	if (n > AUTH_GRANT_ITEMS_MAX || n > rd_left(r))
		r->bad = true;
	return r->bad ? 0 : (size_t)n;
}

static void
parse_lists(struct rd *r, struct auth_grant *grant)
{
	struct str *mailboxes;
	struct net_network *from;

	grant->mailbox_count = parse_count(r);
	mailboxes = arena_array(grant->arena, grant->mailbox_count, sizeof(*mailboxes));
	for (size_t i = 0; i < grant->mailbox_count && !r->bad; i++) {
		mailboxes[i] = str_normal(grant->arena, arena_str(grant->arena, rd_vstr(r)));
		r->bad |= !is_mailbox(mailboxes[i]);
	}
	grant->mailboxes = mailboxes;
	grant->from_count = parse_count(r);
	from = arena_array(grant->arena, grant->from_count, sizeof(*from));
	for (size_t i = 0; i < grant->from_count && !r->bad; i++) {
		struct str address;

		from[i].family = rd_u8(r);
		from[i].bits = rd_u8(r);
		address = rd_bytes(r, sizeof(from[i].address));
		if (!r->bad)
			memcpy(from[i].address, address.p, address.n);
		r->bad |= !net_network_ok(&from[i]);
	}
	grant->from = from;
}

/* A record that is not understood must not become a grant with fewer restrictions. */
struct auth_grant *
auth_grant_parse(struct str name, struct str value)
{
	struct rd r = rd_of(value);
	struct auth_grant *grant;

	if (rd_u8(&r) != FORMAT || !is_grant_name(name))
		return NULL;
	grant = grant_in(arena_new(NULL, ARENA_OTHER, SMALL), AUTH_GRANT_STORE);
	grant->name = arena_str(grant->arena, name);
	grant->made = (int64_t)rd_le64(&r);
	grant->until = (int64_t)rd_le64(&r);
	grant->rights = rd_le32(&r);
	grant->who = parse_names(&r, grant->arena);
	grant->target = parse_names(&r, grant->arena);
	parse_lists(&r, grant);
	if (r.bad || rd_left(&r) > 0 || grant->rights == 0 ||
	    (grant->rights & ~(unsigned)AUTH_RIGHTS_ALL) != 0)
		auth_grant_unref(&grant);
	return grant;
}
