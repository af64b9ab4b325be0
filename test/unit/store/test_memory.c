/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Compares the memory that the store counts with what malloc really allocated.  If malloc does not
 * say (sanitizers have their own), there is nothing to compare.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "kit.h"

#include "base/mem.h"
#include "store/memory/memory_int.h"

#define F(flag) (1u << (flag))
#define MSG "Subject: one\r\n\r\nHello\r\n"

enum { ACCOUNTS = 400, FOLDERS = 3, MESSAGES = 12 };

static size_t
given(void)
{
	return mallinfo2().uordblks + mallinfo2().hblkhd;
}

static void
near(size_t counted, size_t really, const char *what)
{
	print_message("%s: counted %zu of %zu bytes\n", what, counted, really);
	if (really == 0)
		return;
	assert_true(counted * 10 >= really * 9);
	assert_true(counted * 10 <= really * 12);
}

/* ---- many accounts of a few messages ---- */

static struct str
name_of(char text[64], unsigned i)
{
	(void)snprintf(text, 64, "user%04u@mail.example.org", i);
	return str_of(text);
}

static void
fill_account(struct kit *kit, unsigned i)
{
	struct store_account *ada = kit->account;
	char name[64];

	assert_int_equal(
	    store_account_load(kit->store, name_of(name, i), true, &kit->account), TS_OK);
	for (unsigned m = 0; m < FOLDERS; m++) {
		(void)snprintf(name, sizeof name, "Folder number %u", m);
		assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, name, NULL), TS_OK);
	}

	struct store_mailbox *mb = kit_mailbox(kit->account, "INBOX");

	for (unsigned m = 0; m < i % MESSAGES; m++)
		kit_append(kit, mb, MSG, m % 2 == 0 ? F(STORE_SEEN) : 0);
	if (i % MESSAGES > 2) {
		assert_int_equal(
		    kit_flags(kit, mb, 1, 2, STORE_FLAGS_ADD, F(STORE_FLAGGED), "Important"),
		    TS_OK);
		assert_int_equal(
		    kit_flags(kit, mb, 3, 3, STORE_FLAGS_ADD, F(STORE_DELETED), "$Later"), TS_OK);
	}
	if (i % 5 == 0)
		assert_int_equal(kit_expunge(kit, mb), TS_OK);
	store_mailbox_unref(&mb);
	store_account_unref(&kit->account);
	kit->account = ada;
}

static uint64_t
counted(const struct kit *kit)
{
	struct store_stats st;

	store_stats(kit->store, &st);
	return st.state_bytes;
}

static void
many_accounts(void **state)
{
	static struct store_account *account[ACCOUNTS];
	static struct store_mailbox *mb[ACCOUNTS][FOLDERS + 1];
	struct kit kit = {0};
	char name[64];
	(void)state;

	kit_open(&kit, 0);
	for (unsigned i = 0; i < ACCOUNTS; i++)
		fill_account(&kit, i);
	kit_reopen(&kit);
	while (store_background_step(kit.store))
		;

	uint64_t before = counted(&kit);
	size_t really = given();

	for (unsigned i = 0; i < ACCOUNTS; i++) {
		assert_int_equal(
		    store_account_load(kit.store, name_of(name, i), false, &account[i]), TS_OK);
		mb[i][FOLDERS] = kit_mailbox(account[i], "INBOX");
		for (unsigned m = 0; m < FOLDERS; m++) {
			(void)snprintf(name, sizeof name, "Folder number %u", m);
			mb[i][m] = kit_mailbox(account[i], name);
		}
	}
	near(counted(&kit) - before, given() - really, "many accounts");
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		for (unsigned m = 0; m <= FOLDERS; m++)
			store_mailbox_unref(&mb[i][m]);
		store_account_unref(&account[i]);
	}
	kit_close(&kit);
}

/* ---- states ---- */

static roaring_bitmap_t *
some(uint32_t from, uint32_t to, uint32_t step)
{
	roaring_bitmap_t *set = roaring_bitmap_create();

	for (uint32_t uid = from; uid <= to; uid += step)
		roaring_bitmap_add(set, uid);
	return set;
}

static void
apply(struct state *s, struct delta *d)
{
	s->counters.modseq = d->modseq;
	state_apply(s, d);
	delta_free(&d);
	state_measure_some(s);
}

static void
add(struct state *s, uint32_t uid)
{
	struct delta *d = delta_new(s->counters.modseq + 1);
	struct store_message *m = delta_add_message(d);

	*m = (struct store_message){.uid = uid, .size = 1000, .modseq = d->modseq, .blob = uid};
	if (uid % 3 == 0)
		store_flags_set(&m->flags, STORE_SEEN);
	apply(s, d);
}

static void
flag(struct state *s, unsigned flag, roaring_bitmap_t *uids)
{
	struct delta *d = delta_new(s->counters.modseq + 1);
	char name[64];

	if (flag >= STORE_FIRST_KEYWORD && store_keywords_name(s->keywords, flag).p == NULL) {
		(void)snprintf(name, sizeof name, "a-keyword-of-some-length-%u", flag);
		delta_add_keyword(d, flag, str_of(name));
	}
	delta_add_flag(d, flag, true, uids);
	apply(s, d);
}

static void
expunge(struct state *s, roaring_bitmap_t *uids)
{
	struct delta *d = delta_new(s->counters.modseq + 1);

	d->expunged = uids;
	apply(s, d);
}

static void
one_state(uint32_t messages, uint32_t keywords, uint32_t expunges, const char *what)
{
	size_t before = given();
	struct state *s = state_new();

	for (uint32_t uid = 1; uid <= messages; uid++)
		add(s, uid);
	for (uint32_t k = 0; k < keywords; k++)
		flag(s, STORE_FIRST_KEYWORD + k, some(1 + k, messages, 1 + k % 7));
	for (uint32_t k = 0; k < expunges; k++)
		expunge(s, some(1 + k * (messages / expunges), 1 + k * (messages / expunges), 1));
	/* so that it is measured when the remembered changes no longer grow */
	for (uint32_t k = 0; k < 48; k++)
		flag(s, STORE_FLAGGED, some(2, messages, 2 + k % 16));
	near(s->record_bytes + s->set_bytes, given() - before, what);
	state_free(&s);
}

static void
states(void **state)
{
	(void)state;
	one_state(20000, 0, 0, "many messages");
	one_state(3000, 180, 0, "many keywords");
	one_state(9000, 3, 3000, "many expunges");
	one_state(100000, 20, 10, "large sets");
}

/*
 * malloc counts what is in a thread's cache as allocated, so the figures would depend on what was
 * freed before.  The cache can only be switched off when a program starts.
 */
static void
start_without_cache(char **argv)
{
	if (getenv("GLIBC_TUNABLES") != NULL)
		return;
	assert_int_equal(setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1), 0);
	(void)execv("/proc/self/exe", argv);
}

int
main(int argc, char **argv)
{
	(void)argc;
	start_without_cache(argv);

	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(many_accounts),
	    cmocka_unit_test(states),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
