/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An import that changes nothing: it reports what would be added, what exists already, and what
 * limits and names exclude.  Only a real run knows whether a name that had mail before allows a new
 * mailbox its UIDVALIDITY, and what others change in the meantime.
 */
#include "base/mem.h"
#include "control/ops/import_int.h"
#include "control/ops/ops.h"

static bool
count_mailbox(const struct store_mailbox_info *info, void *arg)
{
	struct import *im = arg;

	im->dryness.mailboxes += info->id != 0;
	return true;
}

void
import_dry_begin(struct import *im)
{
	properties_dry_begin(
	    &im->dryness.properties, store_options_of(im->ops->store), im->account);
	if (im->account != NULL)
		store_account_list(im->account, count_mailbox, im);
	else
		im->dryness.mailboxes = 1; /* INBOX */
}

static bool
is_made(const struct import *im, struct str name)
{
	struct rd made = rd_of(buf_as_str(&im->dryness.made));

	while (rd_left(&made) > 0)
		if (str_eq(rd_vstr(&made), name))
			return true;
	return im->account == NULL && str_eq(name, STR("INBOX"));
}

static enum ts_err
make_dry(struct import *im, struct str name)
{
	struct import_dry *dry = &im->dryness;

	if (is_made(im, name))
		return TS_OK;
	if (dry->mailboxes >= store_options_of(im->ops->store)->max_mailboxes)
		return TS_LIMIT;
	dry->mailboxes++;
	buf_vstr(&dry->made, name);
	dry->new = true;
	return TS_OK;
}

static void
add_word(struct import_dry *dry, struct str word)
{
	dry->word[dry->words++] = arena_str(dry->arena, word);
}

static void
find_words(struct import *im)
{
	struct store_keywords *table;

	store_mailbox_read_begin(im->mailbox);
	table = store_mailbox_keywords(im->mailbox);
	for (unsigned f = STORE_FIRST_KEYWORD; f < store_keywords_end(table); f++)
		if (store_mailbox_flagged(im->mailbox, f) != NULL)
			add_word(&im->dryness, store_keywords_name(table, f));
	store_mailbox_read_end(im->mailbox);
	store_keywords_unref(&table);
}

enum ts_err
import_dry_mailbox(struct import *im, const struct mailstream_mailbox *m)
{
	struct import_dry *dry = &im->dryness;
	struct store_counters c = {.uidnext = 1};
	enum ts_err err = TS_NOT_FOUND;

	dry->properties.more = 0;
	if (im->account != NULL)
		err = store_mailbox_load(im->account, m->name, &im->mailbox);
	if (err == TS_NOT_FOUND)
		err = make_dry(im, m->name);
	if (err != TS_OK)
		return err;
	dry->arena = arena_new(NULL, ARENA_OTHER, 1024);
	dry->word = arena_array(dry->arena, STORE_KEYWORDS_MAX, sizeof *dry->word);
	dry->open = true;
	if (im->mailbox != NULL) {
		store_mailbox_counters(im->mailbox, &c);
		find_words(im);
	}
	im->next = c.uidnext;
	im->keep_uids = c.uidnext == 1 || c.uidvalidity == m->uidvalidity;
	if (!im->keep_uids && m->uidvalidity != 0)
		buf_printf(im->out,
		    "note: %.*s has UIDVALIDITY %u, not %u: the name has had mail already\n",
		    STR_ARG(m->name), c.uidvalidity, m->uidvalidity);
	return TS_OK;
}

struct seek {
	struct str name;
	bool found;
};

static bool
is_sought(const struct store_mailbox_info *info, void *arg)
{
	struct seek *seek = arg;

	seek->found = str_eq(info->name, seek->name);
	return !seek->found;
}

void
import_dry_subscription(struct import *im, struct str name)
{
	struct seek seek = {.name = name, .found = is_made(im, name)};

	if (!seek.found && im->account != NULL)
		store_account_list(im->account, is_sought, &seek);
	if (!seek.found)
		buf_printf(im->out, "would subscribe: %.*s\n", STR_ARG(name));
}

void
import_dry_end_mailbox(struct import *im)
{
	struct import_dry *dry = &im->dryness;

	if (dry->open)
		buf_printf(im->out, "would come: %u %llu %llu %.*s\n", dry->new ? 1 : 0,
		    (unsigned long long)dry->added, (unsigned long long)dry->known,
		    STR_ARG(buf_as_str(&im->name)));
	arena_free(&dry->arena);
	dry->words = 0;
	dry->added = dry->known = 0;
	dry->open = dry->new = false;
}

static bool
has_word(const struct import_dry *dry, struct str word)
{
	for (size_t i = 0; i < dry->words; i++)
		if (str_ieq(dry->word[i], word))
			return true;
	return false;
}

void
import_dry_message(struct import *im, const struct mailstream_message *m)
{
	const struct store_options *opt = store_options_of(im->ops->store);
	struct import_dry *dry = &im->dryness;
	struct rd words = rd_of(m->keywords);
	size_t before = dry->words;

	while (rd_left(&words) > 0) {
		struct str word = rd_vstr(&words);
		const char *why = NULL;

		if (has_word(dry, word))
			continue;
		if (word.n > opt->keyword_bytes)
			why = IMPORT_LONG_KEYWORD;
		else if (dry->words >= opt->max_keywords)
			why = IMPORT_MANY_KEYWORDS;
		if (why != NULL) {
			dry->words = before;
			import_leave_out(im, m, why);
			return;
		}
		add_word(dry, word);
	}
	(void)import_uid_of(im, m);
	im->added++;
	dry->added++;
}

void
import_dry_fini(struct import *im)
{
	arena_free(&im->dryness.arena);
	buf_fini(&im->dryness.made);
}
