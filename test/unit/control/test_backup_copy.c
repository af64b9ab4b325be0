/* SPDX-License-Identifier: Apache-2.0 */
/* What a backup copies of a user is of one moment, and its own, whatever happens meanwhile. */
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
	unsigned left, number;
	bool armed;
};

/* Quietly: no MODSEQ tells of it.  Value NULL: it goes. */
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

/* After each look of the reader's, as long as it is to. */
static void
looked(void *arg)
{
	struct meddler *m = arg;
	char text[16];

	if (!m->armed || m->left == 0)
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

static void
properties_of_one_moment(void **state)
{
	struct kit kit = {0};
	struct meddler m = {.kit = &kit};
	struct reader rd = {0};

	(void)state;
	kit_open(&kit, 0);
	kit.opt.looked = looked;
	kit.opt.looked_arg = &m;
	kit_reopen(&kit);
	assert_int_equal(kit_name(&kit, STORE_CHANGE_CREATE, "Bare", NULL), TS_OK);
	for (unsigned left = 0; left < 8; left++) {
		char want[16];

		m.left = left;
		m.armed = true;
		rd.account = store_account_ref(kit.account);
		backup_copy_user(&rd, NULL, 0);
		m.armed = false;
		assert_int_equal(m.left, 0);
		snprintf(want, sizeof(want), "%u", m.number);
		/* What the store has of them may go. */
		set(&kit, kit.inbox, NULL);
		set(&kit, NULL, NULL);
		if (m.number > 0 && left > 0) {
			const struct copy *c = copy_of(&rd, "INBOX");

			assert_true(str_eq(
			    store_properties_get(rd.properties, STR("number")), str_of(want)));
			assert_true(str_eq(
			    store_properties_get(c->properties, STR("number")), str_of(want)));
			assert_ptr_equal(c->info.properties, c->properties);
		}
		assert_null(copy_of(&rd, "Bare")->properties);
		backup_forget_copies(&rd);
		assert_null(rd.properties);
		store_account_unref(&rd.account);
	}
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(properties_of_one_moment)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
