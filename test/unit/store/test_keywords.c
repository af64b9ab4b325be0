/* SPDX-License-Identifier: Apache-2.0 */
/* Keywords: their length and number, and what happens to those that no message has. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "kit.h"
#include "store/check.h"
#include "store/disk/keywords.h"
#include "store/engine/rocks/rocks.h"
#include "store/memory/memory_int.h"

#define MSG "Subject: x\r\n\r\ntext\r\n"
#define LONG 256 /* one more than is permitted */

static const struct engine_class *const engines[] = {NULL, &engine_rocks_class};

static void
open_kit(struct kit *kit, const struct engine_class *engine, uint32_t max)
{
	*kit = (struct kit){.opt = {.engine = engine, .fold_after = 8}};
	kit_open(kit, 0);
	kit->opt.max_keywords = max;
	kit_reopen(kit);
}

static enum ts_err
add(struct kit *kit, uint32_t uid, const char *word)
{
	return kit_flags(kit, kit->inbox, uid, uid, STORE_FLAGS_ADD, 0, word);
}

static enum ts_err
drop(struct kit *kit, uint32_t uid, const char *word)
{
	return kit_flags(kit, kit->inbox, uid, uid, STORE_FLAGS_REMOVE, 0, word);
}

static int
number_of(struct kit *kit, const char *word)
{
	int n;

	store_mailbox_read_begin(kit->inbox);
	n = store_mailbox_keyword_find(kit->inbox, str_of(word));
	store_mailbox_read_end(kit->inbox);
	return n;
}

static bool
has_room(struct kit *kit)
{
	bool room;

	store_mailbox_read_begin(kit->inbox);
	room = store_mailbox_keyword_room(kit->inbox);
	store_mailbox_read_end(kit->inbox);
	return room;
}

static struct store_keywords *
table_of(struct kit *kit)
{
	struct store_keywords *table;

	store_mailbox_read_begin(kit->inbox);
	table = store_mailbox_keywords(kit->inbox);
	store_mailbox_read_end(kit->inbox);
	return table;
}

/* An APPEND, COPY or MOVE that is refused for one reason. */
static void
refused(struct kit *kit, struct store_change *c, enum store_limit limit)
{
	assert_int_equal(kit_run(kit, &c), TS_LIMIT);
	assert_int_equal(c->limit, limit);
	store_change_free(&c);
}

static struct store_change *
append_with(struct kit *kit, const struct str *word)
{
	struct store_change *c = kit_change(kit, STORE_CHANGE_APPEND);

	c->mailbox = kit->inbox;
	c->item_count = 1;
	c->items = arena_array(c->arena, 1, sizeof *c->items);
	c->items[0].upload = kit_upload(kit, STR(MSG));
	c->items[0].keywords = word;
	c->items[0].keyword_count = 1;
	return c;
}

static struct store_change *
move_to(struct kit *kit, enum store_change_kind kind, struct store_mailbox *target)
{
	struct store_change *c =
	    store_change_new(store_mailbox_account(target), kind, kit->loop, NULL, NULL);

	c->source = kit->inbox;
	c->mailbox = target;
	c->uids = kit_range(1, 1);
	return c;
}

/* Existing ones still work: they are read, removed, given to others, and kept across a restart. */
static void
old_long_one(struct kit *kit, const char *word)
{
	const struct str name = str_of(word);
	struct store_account *other;
	struct store_mailbox *box, *far;
	struct store_change *c = append_with(kit, &name);
	struct buf text = {0};

	c->restoring = true;
	assert_int_equal(kit_end(kit, c), TS_OK);
	assert_int_equal(add(kit, 1, word), TS_OK);
	kit_reopen(kit);
	assert_true(number_of(kit, word) >= STORE_FIRST_KEYWORD);
	assert_int_equal(kit_name(kit, STORE_CHANGE_CREATE, "Box", NULL), TS_OK);
	box = kit_mailbox(kit->account, "Box");
	assert_int_equal(store_account_load(kit->store, STR("bob"), true, &other), TS_OK);
	far = kit_mailbox(other, "INBOX");
	refused(kit, move_to(kit, STORE_CHANGE_COPY, box), STORE_LIMIT_KEYWORD_BYTES);
	refused(kit, move_to(kit, STORE_CHANGE_MOVE, box), STORE_LIMIT_KEYWORD_BYTES);
	refused(kit, move_to(kit, STORE_CHANGE_COPY, far), STORE_LIMIT_KEYWORD_BYTES);
	refused(kit, move_to(kit, STORE_CHANGE_MOVE, far), STORE_LIMIT_KEYWORD_BYTES);
	kit_expect(box, "");
	kit_expect(far, "");
	store_mailbox_unref(&box);
	store_mailbox_unref(&far);
	store_account_unref(&other);
	assert_int_equal(drop(kit, 1, word), TS_OK);
	buf_printf(&text, "1:[short] 3:[%s]", word);
	kit_expect(kit->inbox, buf_cstr(&text));
	buf_fini(&text);
	/* A renamed mailbox brings nothing new. */
	assert_int_equal(kit_name(kit, STORE_CHANGE_RENAME, "INBOX", "old"), TS_OK);
	kit_expect(kit->inbox, "");
}

static void
length(void **state)
{
	char word[LONG + 1];
	const struct str name = {word, LONG};
	(void)state;

	memset(word, 'w', LONG);
	word[LONG] = '\0';
	for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
		struct kit kit;
		struct store_change *c;

		open_kit(&kit, engines[i], 16);
		kit_append(&kit, kit.inbox, MSG, 0);
		assert_int_equal(add(&kit, 1, "short"), TS_OK);
		c = kit_change(&kit, STORE_CHANGE_FLAGS);
		c->mailbox = kit.inbox;
		c->keywords = &name;
		c->keyword_count = 1;
		refused(&kit, c, STORE_LIMIT_KEYWORD_BYTES);
		refused(&kit, append_with(&kit, &name), STORE_LIMIT_KEYWORD_BYTES);
		assert_int_equal(add(&kit, 1, word + 1), TS_OK);
		assert_int_equal(drop(&kit, 1, word + 1), TS_OK);
		kit_append(&kit, kit.inbox, MSG, 0);
		assert_int_equal(
		    kit_flags(&kit, kit.inbox, 2, 2, STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL),
		    TS_OK);
		assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
		old_long_one(&kit, word);
		kit_close(&kit);
	}
}

/* A full table accepts a new one as soon as one has no message; an EXPUNGE removes all those of a
 * message. */
static void
forgotten(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
		const struct str fresh = STR("fresh");
		struct kit kit;
		int number;

		open_kit(&kit, engines[i], 3);
		kit_append(&kit, kit.inbox, MSG, 0);
		kit_append(&kit, kit.inbox, MSG, 0);
		add(&kit, 1, "a");
		add(&kit, 1, "b");
		assert_true(has_room(&kit));
		add(&kit, 2, "c");
		assert_false(has_room(&kit));
		refused(&kit, append_with(&kit, &fresh), STORE_LIMIT_KEYWORDS);
		number = number_of(&kit, "b");
		assert_int_equal(drop(&kit, 1, "b"), TS_OK);
		assert_true(has_room(&kit));
		assert_int_equal(number_of(&kit, "b"), number);
		assert_int_equal(add(&kit, 2, "d"), TS_OK);
		assert_int_equal(number_of(&kit, "b"), -1);
		assert_int_equal(number_of(&kit, "d"), number);
		kit_expect(kit.inbox, "1:[a] 2:[d][c]");
		kit_reopen(&kit);
		kit_expect(kit.inbox, "1:[a] 2:[d][c]");
		assert_int_equal(number_of(&kit, "b"), -1);

		/* Emptied */
		kit_flags(&kit, kit.inbox, 1, 2, STORE_FLAGS_ADD, 1u << STORE_DELETED, NULL);
		assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
		assert_int_equal(kit_end(&kit, append_with(&kit, &fresh)), TS_OK);
		kit_expect(kit.inbox, "3:[fresh]");
		assert_int_equal(number_of(&kit, "a"), -1);
		while (store_background_step(kit.store))
			continue;
		kit_reopen(&kit);
		kit_expect(kit.inbox, "3:[fresh]");
		kit_close(&kit);
	}
}

/* A keyword that the change itself gives to a message is in use, although no message has it yet. */
static void
forgotten_by_itself(void **state)
{
	const struct str words[] = {STR("b"), STR("c")}, more[] = {STR("b"), STR("c"), STR("d")};
	struct kit kit;
	struct store_change *c;
	(void)state;

	open_kit(&kit, NULL, 2);
	kit_append(&kit, kit.inbox, MSG, 0);
	add(&kit, 1, "a");
	add(&kit, 1, "b");
	kit_flags(&kit, kit.inbox, 1, 1, STORE_FLAGS_REPLACE, 0, NULL);
	c = kit_change(&kit, STORE_CHANGE_FLAGS);
	c->mailbox = kit.inbox;
	c->keywords = more;
	c->keyword_count = 3;
	refused(&kit, c, STORE_LIMIT_KEYWORDS);
	assert_true(number_of(&kit, "a") >= 0); /* nothing was forgotten without need */
	c = kit_change(&kit, STORE_CHANGE_FLAGS);
	c->mailbox = kit.inbox;
	c->keywords = words;
	c->keyword_count = 2;
	assert_int_equal(kit_end(&kit, c), TS_OK);
	kit_expect(kit.inbox, "1:[c][b]");
	kit_crash(&kit);
	kit_expect(kit.inbox, "1:[c][b]");
	kit_close(&kit);
}

/* What was copied with a table keeps its meaning, whoever has the number now. */
static void
tables_stay(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof engines / sizeof *engines; i++) {
		struct kit kit;
		struct store_keywords *before, *after;
		struct store_message m;
		unsigned number;

		open_kit(&kit, engines[i], 1);
		kit_append(&kit, kit.inbox, MSG, 0);
		add(&kit, 1, "first");
		store_mailbox_read_begin(kit.inbox);
		assert_true(store_mailbox_message(kit.inbox, 1, &m));
		before = store_mailbox_keywords(kit.inbox);
		store_mailbox_read_end(kit.inbox);
		number = (unsigned)store_keywords_find(before, STR("FIRST"));
		assert_true(store_flags_has(&m.flags, number));
		drop(&kit, 1, "first");
		assert_int_equal(add(&kit, 1, "second"), TS_OK);
		after = table_of(&kit);
		assert_int_equal(store_keywords_find(after, STR("second")), number);
		assert_true(str_eq(store_keywords_name(before, number), STR("first")));
		assert_int_equal(store_keywords_find(before, STR("second")), -1);
		assert_true(store_keywords_id(before) != store_keywords_id(after));
		store_keywords_unref(&before);
		store_keywords_unref(&after);
		kit_close(&kit);
	}
}

/* An expunged message that a command still reads does not get the keyword that took its number. */
static void
holds_stay(void **state)
{
	struct kit kit;
	roaring_bitmap_t *all = kit_range(1, 2);
	struct store_hold *hold;
	struct store_keywords *table;
	struct store_message m[2];
	int number;
	(void)state;

	open_kit(&kit, NULL, 1);
	kit_append(&kit, kit.inbox, MSG, 1u << STORE_DELETED);
	kit_append(&kit, kit.inbox, MSG, 0);
	add(&kit, 1, "a");
	number = number_of(&kit, "a");
	store_mailbox_read_begin(kit.inbox);
	hold = store_hold_begin(kit.inbox, all);
	store_mailbox_read_end(kit.inbox);
	assert_int_equal(kit_expunge(&kit, kit.inbox), TS_OK);
	for (int given = 0; given < 2; given++) {
		if (given != 0)
			assert_int_equal(add(&kit, 2, "b"), TS_OK);
		store_mailbox_read_begin(kit.inbox);
		assert_int_equal(store_hold_window(hold, NULL, 1, m, 2), 2);
		table = store_mailbox_keywords(kit.inbox);
		store_mailbox_read_end(kit.inbox);
		assert_int_equal(store_keywords_find(table, STR("b")), given != 0 ? number : -1);
		assert_int_equal(store_flags_has(&m[0].flags, (unsigned)number), given == 0);
		assert_int_equal(store_flags_has(&m[1].flags, (unsigned)number), given != 0);
		assert_true(store_flags_has(&m[0].flags, STORE_DELETED));
		store_keywords_unref(&table);
	}
	store_hold_end(&hold);
	roaring_bitmap_free(all);
	kit_close(&kit);
}

/* After a flush of unknown outcome the table is read anew, with another id. */
static void
unknown_outcome(void **state)
{
	struct kit kit;
	(void)state;

	open_kit(&kit, NULL, 1);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	add(&kit, 1, "a");
	engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 1, TS_FULL, false);
	assert_int_equal(drop(&kit, 1, "a"), TS_FULL);
	assert_int_equal(add(&kit, 2, "b"), TS_LIMIT);
	for (int happened = 0; happened < 2; happened++) {
		struct store_keywords *before, *after;

		assert_int_equal(
		    drop(&kit, happened == 0 ? 1 : 2, happened == 0 ? "a" : "d"), TS_OK);
		before = table_of(&kit);
		engine_mem_fail(kit.disk, ENGINE_MEM_COMMIT, 1, TS_UNKNOWN, happened != 0);
		assert_int_equal(add(&kit, 1, happened == 0 ? "e" : "f"), TS_UNKNOWN);
		assert_int_equal(add(&kit, 2, "d"), happened == 0 ? TS_OK : TS_LIMIT);
		kit_expect(kit.inbox, happened == 0 ? "1: 2:[d]" : "1:[f] 2:");
		after = table_of(&kit);
		assert_true(store_keywords_id(before) != store_keywords_id(after));
		store_keywords_unref(&before);
		store_keywords_unref(&after);
	}
	kit_close(&kit);
}

/* A backup is restored as far as there is room. */
static void
restoring(void **state)
{
	const struct str words[] = {STR("a"), STR("b"), STR("c"), STR("B")};
	struct kit kit;
	struct store_change *c;
	(void)state;

	open_kit(&kit, NULL, 1);
	c = append_with(&kit, words);
	c->items[0].keyword_count = 4;
	c->restoring = true;
	assert_int_equal(kit_run(&kit, &c), TS_OK);
	assert_true(str_eq(buf_as_str(&c->lost), STR("\1b\1c")));
	store_change_free(&c);
	kit_expect(kit.inbox, "1:[a]");
	c = kit_change(&kit, STORE_CHANGE_FLAGS);
	c->mailbox = kit.inbox;
	c->mode = STORE_FLAGS_REPLACE;
	c->flags.w[0] = 1u << STORE_SEEN;
	c->keywords = words;
	c->keyword_count = 2;
	c->restoring = true;
	assert_int_equal(kit_run(&kit, &c), TS_OK);
	assert_true(str_eq(buf_as_str(&c->lost), STR("\1b")));
	store_change_free(&c);
	kit_expect(kit.inbox, "1:S[a]");
	kit_close(&kit);
}

/* What the new mailbox could refuse is refused before it exists. */
static void
rename_too_much(void **state)
{
	struct store_mailbox_info info;
	struct kit kit;
	struct store_change *c;
	(void)state;

	open_kit(&kit, NULL, 4);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit_append(&kit, kit.inbox, MSG, 0);
	kit.opt.copy_memory = 1;
	kit_reopen(&kit);
	c = kit_change(&kit, STORE_CHANGE_RENAME);
	c->name = STR("INBOX");
	c->new_name = STR("old");
	c->source = kit.inbox;
	refused(&kit, c, STORE_LIMIT_MEMORY);
	assert_false(store_account_lookup(kit.account, STR("old"), &info));
	kit_expect(kit.inbox, "1: 2:");
	kit_close(&kit);
}

/* ---- many steps against a plain model: folds, restarts and crashes between them */

#define WORDS 5
#define MESSAGES 3
#define MOST 2

static const char *const model_words[WORDS] = {"v", "w", "x", "y", "z"};

struct model {
	bool has[MESSAGES][WORDS];
};

static unsigned
in_use(const struct model *m, unsigned but)
{
	unsigned n = 0;

	for (unsigned w = 0; w < WORDS; w++) {
		bool any = false;

		for (unsigned i = 0; i < MESSAGES; i++)
			any |= m->has[i][w];
		n += any && w != but;
	}
	return n;
}

static void
compare(struct kit *kit, const struct model *m)
{
	struct store_keywords *table;

	store_mailbox_read_begin(kit->inbox);
	table = store_mailbox_keywords(kit->inbox);
	for (unsigned i = 0; i < MESSAGES; i++) {
		struct store_message got;

		assert_true(store_mailbox_message(kit->inbox, i + 1, &got));
		for (unsigned w = 0; w < WORDS; w++) {
			int f = store_keywords_find(table, str_of(model_words[w]));

			assert_int_equal(
			    f >= 0 && store_flags_has(&got.flags, (unsigned)f), m->has[i][w]);
		}
	}
	store_mailbox_read_end(kit->inbox);
	store_keywords_unref(&table);
}

static void
model_step(struct kit *kit, struct model *m, uint32_t random)
{
	unsigned i = random % MESSAGES, w = random / 8 % WORDS;

	if (random / 64 % 3 == 0) {
		assert_int_equal(drop(kit, i + 1, model_words[w]), TS_OK);
		m->has[i][w] = false;
	} else if (in_use(m, w) < MOST) {
		assert_int_equal(add(kit, i + 1, model_words[w]), TS_OK);
		m->has[i][w] = true;
	} else {
		assert_int_equal(add(kit, i + 1, model_words[w]), TS_LIMIT);
	}
	if (random / 256 % 16 == 0)
		while (store_background_step(kit->store))
			continue;
	if (random / 4096 % 32 == 0 && kit->disk != NULL)
		kit_crash(kit);
	else if (random / 4096 % 32 == 1)
		kit_reopen(kit);
}

static void
many_steps(void **state)
{
	(void)state;
	for (size_t e = 0; e < sizeof engines / sizeof *engines; e++) {
		struct model m = {{{false}}};
		struct kit kit;
		uint32_t random = 12345;

		open_kit(&kit, engines[e], MOST);
		for (unsigned i = 0; i < MESSAGES; i++)
			kit_append(&kit, kit.inbox, MSG, 0);
		for (unsigned n = 0; n < (engines[e] == NULL ? 3000u : 200u); n++) {
			random = random * 1664525 + 1013904223;
			model_step(&kit, &m, random >> 8);
			compare(&kit, &m);
		}
		kit_close(&kit);
	}
}

static struct check_result
checked(struct kit *kit, bool repair)
{
	struct check_result r;
	struct check_options opt = {.repair = repair};

	assert_int_equal(store_check(kit->store, &opt, &r), TS_OK);
	return r;
}

/* A name that is not a flag-keyword is refused everywhere: clients could not parse the response. */
static void
bad_names(void **state)
{
	static const char *const names[] = {"", " ", "a b", "a(", ")", "{1}", "%", "*", "\"", "\\",
	    "\\Seen", "]", "\x7f", "\xc3\xa4"};
	struct kit kit;

	(void)state;
	open_kit(&kit, NULL, 8);
	kit_append(&kit, kit.inbox, MSG, 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		struct str name = str_of(names[i]);
		struct store_change *c = kit_change(&kit, STORE_CHANGE_APPEND);

		assert_int_equal(add(&kit, 1, names[i]), TS_INVALID);
		c->mailbox = kit.inbox;
		c->item_count = 1;
		c->items = arena_array(c->arena, 1, sizeof *c->items);
		c->items[0].upload = kit_upload(&kit, STR(MSG));
		c->items[0].keywords = &name;
		c->items[0].keyword_count = 1;
		assert_int_equal(kit_end(&kit, c), TS_INVALID);
	}
	kit_expect(kit.inbox, "1:");
	kit_close(&kit);
}

/* If one exists nevertheless, no client sees it, the check names it, and a repair renames it. */
static void
bad_name_there(void **state)
{
	struct kit kit;
	struct store_keywords *table;
	int flag;

	(void)state;
	open_kit(&kit, NULL, 8);
	kit_append(&kit, kit.inbox, MSG, 0);
	assert_int_equal(add(&kit, 1, "good"), TS_OK);
	assert_int_equal(add(&kit, 1, "bad"), TS_OK);
	flag = number_of(&kit, "bad");
	assert_int_equal(checked(&kit, false).found, 0);
	keywords_put(&kit.inbox->state->keywords, (unsigned)flag, STR(""));
	keywords_put(&kit.inbox->head.keywords, (unsigned)flag, STR(""));
	/* A fold writes it down. */
	for (int i = 0; i < 20; i++)
		assert_int_equal(
		    kit_flags(&kit, kit.inbox, 1, 1,
		        i % 2 == 0 ? STORE_FLAGS_ADD : STORE_FLAGS_REMOVE, 1u << STORE_SEEN, NULL),
		    TS_OK);
	store_background_wait(kit.store);
	kit_reopen(&kit);
	kit_expect(kit.inbox, "1:[good][]"); /* the flag is still there */
	assert_int_equal(number_of(&kit, ""), -1);
	assert_int_equal(number_of(&kit, "bad"), -1);
	store_mailbox_read_begin(kit.inbox);
	table = store_mailbox_keywords(kit.inbox);
	store_mailbox_read_end(kit.inbox);
	assert_null(store_keywords_name(table, (unsigned)flag).p);
	assert_int_equal(keywords_stored(table, (unsigned)flag).n, 0);
	assert_non_null(keywords_stored(table, (unsigned)flag).p);
	store_keywords_unref(&table);
	assert_int_equal(checked(&kit, false).found, 1);
	assert_int_equal(checked(&kit, true).mended, 1);
	kit_reopen(&kit);
	assert_int_equal(checked(&kit, false).found, 0);
	assert_true(number_of(&kit, "good") >= 0);
	assert_int_not_equal(number_of(&kit, "good"), flag);
	kit_close(&kit);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(length),
	    cmocka_unit_test(forgotten),
	    cmocka_unit_test(forgotten_by_itself),
	    cmocka_unit_test(tables_stay),
	    cmocka_unit_test(holds_stay),
	    cmocka_unit_test(unknown_outcome),
	    cmocka_unit_test(restoring),
	    cmocka_unit_test(rename_too_much),
	    cmocka_unit_test(many_steps),
	    cmocka_unit_test(bad_names),
	    cmocka_unit_test(bad_name_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
