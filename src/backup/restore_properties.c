/* SPDX-License-Identifier: Apache-2.0 */
/* Properties of accounts and mailboxes: compares what is there with what the run has. */
#include "backup/restore_int.h"
#include "store/store.h"

enum what { ADD, PUT, REMOVE }; /* as in questions */

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
	if (p->of_mailbox && store_property_is_object_id(name))
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

/* Both are in order of names.  Removes those in excess, or puts missing ones. */
static bool
compare_all(struct putting *p, const struct backup_properties *want, bool removing)
{
	struct rd there = rd_of(buf_as_str(&p->r->properties));
	bool exact = p->r->job->exact, ok = true;
	struct backup_property has;
	bool more = next_there(&there, &has);

	for (size_t i = 0; ok && (i < want->count || more);) {
		int c = !more ? -1 : i == want->count ? 1 : str_cmp(want->one[i].name, has.name);

		if (removing && c > 0)
			ok = do_property(p, REMOVE, has.name, STR(""));
		else if (!removing &&
		         (c < 0 || (c == 0 && exact && !str_eq(want->one[i].value, has.value))))
			ok = do_property(
			    p, exact ? PUT : ADD, want->one[i].name, want->one[i].value);
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
		ok = compare_all(&p, properties, true);
	ok = ok && compare_all(&p, properties, false) && flush_properties(&p);
	buf_fini(&p.q);
	return ok;
}
