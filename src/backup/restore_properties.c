/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of accounts and mailboxes: compares what is there with what the run has. */
#include "backup/restore_int.h"
#include "store/quota.h"

enum what { ADD, PUT, REMOVE, /* as in questions */ NOTHING };

struct putting {
	struct rest *r;
	bool of_mailbox;
	struct buf q;
};

/* ---- the account ---- */

static bool
take_account_item(char type, struct str bytes, void *arg)
{
	struct rest *r = arg;

	if (type == 'y')
		buf_str(&r->properties, bytes);
	return type == 'y';
}

bool
restore_open_account(struct rest *r, struct str name, bool known)
{
	struct buf q = {0};
	bool ok;

	r->properties.n = 0;
	r->target.n = 0;
	buf_putc(&q, 'A');
	buf_vstr(&q, name);
	buf_varint(&q, known ? 1 : 0);
	ok = dialogue_ask(r->d, buf_as_str(&q), take_account_item, r);
	buf_fini(&q);
	return ok;
}

/* ---- properties ---- */

static bool
flush_properties(struct putting *p)
{
	bool ok = p->q.n == 0 || restore_tell(p->r, &p->q);

	p->q.n = 0;
	return ok;
}

static bool
too_large(struct putting *p, struct str name)
{
	struct buf what = {0};

	buf_printf(&what, "the property %.*s is left out: it is too large", STR_ARG(name));
	restore_damaged(p->r, &what);
	buf_fini(&what);
	return true;
}

static bool
do_property(struct putting *p, enum what what, struct str name, struct str value)
{
	/* That is the store's, and came with the mailbox if it could. */
	if (p->of_mailbox && store_property_is_reserved(name))
		return true;
	if (name.n + value.n > DIALOGUE_PIECE - 2 * STORE_NAME_MAX)
		return too_large(p, name);
	if (p->q.n + name.n + value.n > DIALOGUE_PIECE - 2 * STORE_NAME_MAX && !flush_properties(p))
		return false;
	if (p->q.n == 0) {
		buf_putc(&p->q, 'Y');
		buf_varint(&p->q, p->of_mailbox ? 1 : 0);
		if (p->of_mailbox)
			buf_vstr(&p->q, buf_as_str(&p->r->target));
	}
	buf_varint(&p->q, (uint64_t)what);
	buf_vstr(&p->q, name);
	buf_vstr(&p->q, value);
	return true;
}

static bool
next_there(struct rd *there, struct backup_property *has)
{
	*has = (struct backup_property){0};
	if (rd_left(there) == 0)
		return false;
	has->name = rd_vstr(there);
	has->value = rd_vstr(there);
	return !there->bad;
}

enum pass { REMOVING, PUTTING, LIMITING /* the limits of quotas that PUTTING leaves out */ };

/* Is it for this pass, if there is none (c < 0), an excess one, or one of the same name? */
static enum what
for_pass(const struct putting *p, enum pass pass, int c, const struct backup_property *want,
    const struct backup_property *has)
{
	bool exact = p->r->job->exact;
	bool limit = c < 0 && store_quota_is_property(want->name);

	if (pass == REMOVING)
		return c > 0 ? REMOVE : NOTHING;
	if (c > 0 || limit != (pass == LIMITING) || (c == 0 && !exact))
		return NOTHING;
	if (c == 0 && str_eq(want->value, has->value))
		return NOTHING;
	return exact && pass == PUTTING ? PUT : ADD; /* a limit that came meanwhile stays */
}

/* Both are in order of names. */
static bool
compare_all(struct putting *p, const struct backup_properties *want, enum pass pass)
{
	struct rd there = rd_of(buf_as_str(&p->r->properties));
	struct backup_property has;
	bool more = next_there(&there, &has), ok = true;

	for (size_t i = 0; ok && (i < want->count || more);) {
		int c = !more ? -1 : i == want->count ? 1 : str_cmp(want->one[i].name, has.name);
		const struct backup_property *one = c > 0 ? &has : &want->one[i];
		enum what what = for_pass(p, pass, c, one, &has);

		if (what != NOTHING)
			ok = do_property(p, what, one->name, what == REMOVE ? STR("") : one->value);
		if (c >= 0)
			more = next_there(&there, &has);
		i += c <= 0;
	}
	return ok;
}

bool
restore_properties(
    struct rest *r, bool of_mailbox, const struct backup_properties *properties, bool all)
{
	struct putting p = {.r = r, .of_mailbox = of_mailbox};
	bool ok = true;

	/* First what makes room for the others. */
	if (r->job->exact && all)
		ok = compare_all(&p, properties, REMOVING);
	ok = ok && compare_all(&p, properties, PUTTING) && flush_properties(&p);
	buf_fini(&p.q);
	return ok;
}

bool
restore_limits(struct rest *r, bool of_mailbox, const struct backup_properties *properties)
{
	struct putting p = {.r = r, .of_mailbox = of_mailbox};
	bool ok = compare_all(&p, properties, LIMITING) && flush_properties(&p);

	buf_fini(&p.q);
	return ok;
}
