/* SPDX-License-Identifier: Apache-2.0 */
/* A backup's copy of a user is as of one moment, and independent of later changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "../store/kit.h"

#include "control/ops/backup_int.h"

struct meddler {
	struct kit *kit;
	unsigned skip, left, number;
	bool armed;
};

/* Without a new MODSEQ.  value NULL: removes it. */
static void
set(struct kit *kit, struct store_mailbox *mb, const char *value)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_PROPERTIES);

	c->mailbox = mb;
	c->quiet = true;
	c->properties = arena_array(c->arena, 1, sizeof(*c->properties));
	c->properties[0] = (struct store_property_op){.name = STR("number"),
	    .value = arena_str(c->arena, value != NULL ? str_of(value) : STR("")),
	    .remove = value == NULL};
	c->property_count = 1;
	assert_int_equal(kit_end(kit, c), TS_OK);
}

/* After some of the reader's looks. */
static void
looked(void *arg)
{
	struct meddler *m = arg;
	char text[16];

	if (!m->armed || m->left == 0 || (m->skip > 0 && m->skip-- > 0))
		return;
	m->armed = false;
	m->left--;
	snprintf(text, sizeof(text), "%u", ++m->number);
	set(m->kit, m->kit->inbox, text);
	set(m->kit, NULL, text);
	m->armed = true;
}

static const struct copy *
copy_of(const struct reader *rd, const char *name)
{
	for (size_t i = 0; i < rd->copy_count; i++)
		if (str_eq(buf_as_str(&rd->copies[i].name), str_of(name)))
			return &rd->copies[i];
	fail_msg("%s is not in the copy", name);
	return NULL;
}

/* False: there were fewer looks. */
static bool
copy_while_it_changes(struct kit *kit, struct meddler *m, unsigned skip, unsigned times)
{
	struct reader rd = {.account = store_account_ref(kit->account)};
	const struct copy *c;
	struct str own, its;
	char want[16];

	m->skip = skip;
	m->left = times;
	m->armed = true;
	backup_copy_user(&rd, NULL, 0);
	m->armed = false;
	snprintf(want, sizeof(want), "%u", m->number);
	/* The store's own may be freed. */
	set(kit, kit->inbox, NULL);
	set(kit, NULL, NULL);
	c = copy_of(&rd, "INBOX");
	own = store_properties_get(rd.properties, STR("number"));
	its = store_properties_get(c->properties, STR("number"));
	assert_true(str_eq(own, its));
	assert_true(own.p == NULL || str_eq(own, str_of(want)));
	assert_ptr_equal(c->info.properties, c->properties);
	assert_null(copy_of(&rd, "Bare")->properties);
	backup_forget_copies(&rd);
	assert_null(rd.properties);
	store_account_unref(&rd.account);
	return m->left == 0;
}

static void
properties_of_one_moment(void **state)
{
	struct kit kit = {0};
	struct meddler m = {.kit = &kit};
	unsigned skip = 0;

	(void)state;
	kit_open(&kit, 0);
	kit.opt.looked = looked;
	kit.opt.looked_arg = &m;
	kit_reopen(&kit);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Bare", NULL), TS_OK);
	for (unsigned times = 1; times < 8; times++)
		assert_true(copy_while_it_changes(&kit, &m, 0, times));
	while (copy_while_it_changes(&kit, &m, skip, 1))
		skip++;
	assert_true(skip > 3);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(properties_of_one_moment)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
