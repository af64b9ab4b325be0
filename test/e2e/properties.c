/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets and shows properties in a store that no server has open, for tests: no client can set them
 * yet.
 *
 *	properties FOLDER put ACCOUNT MAILBOX NAME VALUE ...
 *	properties FOLDER quiet ACCOUNT MAILBOX NAME VALUE ...
 *	properties FOLDER remove ACCOUNT MAILBOX NAME ...
 *	properties FOLDER show ACCOUNT
 *
 * MAILBOX "-" is the account itself; VALUE is hexadecimal.  quiet: without a new MODSEQ.  show
 * prints a line for each: the mailbox or "-", the name, and the value in hexadecimal, separated by
 * tabs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/engine/rocks/rocks.h"
#include "store/store.h"

static void
must(enum ts_err err, const char *what)
{
	if (err == TS_OK)
		return;
	fprintf(stderr, "%s: %s\n", what, ts_err_name(err));
	exit(1);
}

static struct str
from_hex(struct arena *arena, const char *hex)
{
	struct buf b = {0};
	struct str s;
	unsigned byte;

	for (; sscanf(hex, "%2x", &byte) == 1; hex += 2)
		buf_putc(&b, (char)byte);
	s = arena_str(arena, buf_as_str(&b));
	buf_fini(&b);
	return s;
}

static void
change(struct store_account *account, const char *mailbox, const char *how, char **words, int n)
{
	struct store_change *c =
	    store_change_new(account, STORE_CHANGE_PROPERTIES, NULL, NULL, NULL);
	bool remove = strcmp(how, "remove") == 0;
	struct store_mailbox *mb = NULL;

	if (strcmp(mailbox, "-") != 0)
		must(store_mailbox_load(account, str_of(mailbox), &mb), mailbox);
	c->mailbox = mb;
	c->quiet = strcmp(how, "quiet") == 0;
	c->properties = arena_array(c->arena, (size_t)n, sizeof(*c->properties));
	for (int i = 0; i < n; i += remove ? 1 : 2)
		c->properties[c->property_count++] =
		    (struct store_property_op){.name = str_of(words[i]),
		        .value = remove ? STR("") : from_hex(c->arena, words[i + 1]),
		        .remove = remove};
	must(store_submit_wait(c), "the change");
	store_change_free(&c);
	store_mailbox_unref(&mb);
}

static void
show_table(struct str mailbox, const struct store_properties *properties)
{
	for (size_t i = 0; i < store_properties_count(properties); i++) {
		struct str name, value;

		store_properties_at(properties, i, &name, &value);
		printf("%.*s\t%.*s\t", STR_ARG(mailbox), STR_ARG(name));
		for (size_t at = 0; at < value.n; at++)
			printf("%02x", (unsigned char)value.p[at]);
		putchar('\n');
	}
}

static bool
show_mailbox(const struct store_mailbox_info *info, void *arg)
{
	(void)arg;
	show_table(info->name, info->properties);
	return true;
}

static void
show(struct store_account *account)
{
	struct store_properties *own = store_account_properties(account);

	show_table(STR("-"), own);
	store_properties_unref(&own);
	store_account_list(account, show_mailbox, NULL);
}

int
main(int argc, char **argv)
{
	struct store_options opt;
	struct store_account *account = NULL;
	struct store *store;
	char *text = NULL;

	if (argc < 4 || (argc < 6 && strcmp(argv[2], "show") != 0)) {
		fprintf(stderr, "properties FOLDER put|quiet|remove|show ACCOUNT ...\n");
		return 2;
	}
	store_options_default(&opt);
	opt.engine = &engine_rocks_class;
	opt.engine_options.path = argv[1];
	opt.engine_options.free_space_mark = 0;
	opt.lanes = 1;
	must(store_open(&opt, &store, &text), argv[1]);
	free(text);
	if (strcmp(argv[2], "show") != 0) {
		must(store_account_load(store, str_of(argv[3]), true, &account), argv[3]);
		change(account, argv[4], argv[2], argv + 5, argc - 5);
	} else if (store_account_load(store, str_of(argv[3]), false, &account) == TS_OK) {
		show(account);
	}
	store_account_unref(&account);
	store_close(&store);
	return 0;
}
