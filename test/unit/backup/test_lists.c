/* SPDX-License-Identifier: Apache-2.0 */
/* The lists of a backup: round trips, cut off, with flipped bits, with false counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "backup/lists.h"
#include "base/mem.h"

enum kind { CHUNK, IDS, USER, PROPERTIES, RECORDS, KINDS }; /* PROPERTIES: a user who has some */

static bool
is_chunk(enum kind kind)
{
	return kind == CHUNK || kind == IDS;
}

static bool
is_user(enum kind kind)
{
	return kind == USER || kind == PROPERTIES;
}

/* Parses bytes, and prints the result into out. */
static bool
again(enum kind kind, struct str bytes, struct buf *out)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct backup_message *messages = mem_zalloc(BACKUP_CHUNK_UIDS * sizeof(*messages));
	/* A copy of exactly this size: ASan sees one byte too many. */
	char *copy = mem_realloc(NULL, bytes.n + (bytes.n == 0));
	struct backup_record *records;
	struct backup_user user;
	size_t n;
	bool ok = false;

	if (bytes.n > 0)
		memcpy(copy, bytes.p, bytes.n);
	bytes.p = copy;
	if (is_chunk(kind) && (ok = backup_chunk_parse(bytes, 3, messages, &n)))
		backup_chunk_print(messages, n, out);
	if (is_user(kind) && (ok = backup_user_parse(bytes, arena, &user))) {
		assert_int_equal(user.told, backup_user_properties(&user) > 0);
		backup_user_print(&user, out);
	}
	if (kind == RECORDS && (ok = backup_records_parse(bytes, arena, &records, &n)))
		backup_records_print(records, n, out);
	mem_free(copy);
	mem_free(messages);
	arena_free(&arena);
	return ok;
}

static void
make(enum kind kind, struct buf *out)
{
	struct backup_message messages[] = {{.uid = 3072, .size = 0, .modseq = 1, .flags = {3}},
	    {.uid = 3073,
	        .size = UINT32_MAX,
	        .modseq = UINT64_MAX,
	        .blob = UINT64_MAX,
	        .internaldate = INT64_MIN,
	        .savedate = INT64_MAX,
	        .zone = -1440,
	        .flags = {UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX},
	        .hash = {{1, 2, 3}}},
	    {.uid = 4095, .size = 5, .internaldate = -1, .zone = 1440, .flags = {32, 0, 0, 1}}};
	struct str keywords[] = {STR("$Junk"), STR("a]")};
	struct backup_chunk chunks[] = {{0, 1, {{1}}}, {3, 1024, {{2}}}, {4194303, 1, {{3}}}};
	struct backup_mailbox mailboxes[] = {{.id = 1,
	                                         .name = STR("A"),
	                                         .use = 4,
	                                         .uidvalidity = UINT32_MAX,
	                                         .uidnext = UINT32_MAX,
	                                         .messages = 2,
	                                         .modseq = UINT64_MAX,
	                                         .bytes = UINT64_MAX,
	                                         .keywords = keywords,
	                                         .keyword_count = 2,
	                                         .chunks = chunks,
	                                         .chunk_count = 3},
	    {.name = STR("A/b"), .subscribed = true}, {.id = 2, .name = STR("INBOX")}};
	struct backup_property own[] = {{STR("acl/bob"), STR("lr")}, {STR("z"), STR("")}};
	struct backup_property some[] = {{STR("a\xff"), STR("\0\r\n")}};
	struct backup_user user = {
	    .name = STR("anna@example.org"), .mailboxes = mailboxes, .mailbox_count = 3};
	struct backup_record records[] = {{STR("user/anna"), STR("\0\1\2")}, {STR(""), STR("")}};

	if (kind == PROPERTIES) {
		user.properties = (struct backup_properties){own, 2};
		mailboxes[2].properties = (struct backup_properties){some, 1};
	}
	if (kind == IDS) {
		messages[1].has_ids = true;
		memset(messages[1].ids, 0xfe, sizeof(messages[1].ids));
	}
	if (is_chunk(kind))
		backup_chunk_print(messages, 3, out);
	else if (is_user(kind))
		backup_user_print(&user, out);
	else
		backup_records_print(records, 2, out);
}

static void
there_and_back(void **state)
{
	(void)state;
	for (enum kind k = CHUNK; k < KINDS; k++) {
		struct buf one = {0}, two = {0};

		make(k, &one);
		assert_true(again(k, buf_as_str(&one), &two));
		assert_true(str_eq(buf_as_str(&one), buf_as_str(&two)));
		/* One kind is not mistaken for another. */
		for (enum kind other = CHUNK; other < KINDS; other++)
			assert_true(other == k || (is_user(k) && is_user(other)) ||
			            (is_chunk(k) && is_chunk(other)) ||
			            !again(other, buf_as_str(&one), &two));
		buf_fini(&one);
		buf_fini(&two);
	}
}

static void
cut_off_or_longer(void **state)
{
	(void)state;
	for (enum kind k = CHUNK; k < KINDS; k++) {
		struct buf one = {0}, out = {0};

		make(k, &one);
		for (size_t n = 0; n < one.n; n++)
			assert_false(again(k, (struct str){one.p, n}, &out));
		buf_putc(&one, 0);
		assert_false(again(k, buf_as_str(&one), &out));
		buf_fini(&one);
		buf_fini(&out);
	}
}

/* Each flipped bit: refused, or the list prints and parses to the same. */
static void
bits_flipped(void **state)
{
	(void)state;
	for (enum kind k = CHUNK; k < KINDS; k++) {
		struct buf one = {0}, two = {0}, three = {0};

		make(k, &one);
		for (size_t bit = 0; bit < one.n * 8; bit++) {
			one.p[bit / 8] = (char)(one.p[bit / 8] ^ 1 << bit % 8);
			two.n = three.n = 0;
			if (again(k, buf_as_str(&one), &two)) {
				assert_true(again(k, buf_as_str(&two), &three));
				assert_true(str_eq(buf_as_str(&two), buf_as_str(&three)));
			}
			one.p[bit / 8] = (char)(one.p[bit / 8] ^ 1 << bit % 8);
		}
		buf_fini(&one);
		buf_fini(&two);
		buf_fini(&three);
	}
}

static void
counts_that_lie(void **state)
{
	static const char *const magics[] = {
	    "TSBKMSG1", "TSBKMSG2", "TSBKUSR1\1a", "TSBKUSR2\1a", "TSBKREC1"};
	static const uint64_t counts[] = {1, 1024, 1025, 65536, UINT32_MAX,
	    (uint64_t)UINT32_MAX + 1, UINT64_MAX / 32, UINT64_MAX / 2, UINT64_MAX};

	(void)state;
	for (enum kind k = CHUNK; k < KINDS; k++)
		for (size_t i = 0; i < sizeof(counts) / sizeof(*counts); i++) {
			struct buf b = {0}, out = {0};

			buf_puts(&b, magics[k]);
			buf_varint(&b, counts[i]);
			assert_false(again(k, buf_as_str(&b), &out));
			/* Also with the same number for everything that follows. */
			for (unsigned n = 0; n < 20; n++) {
				buf_varint(&b, counts[i]);
				assert_true(!again(k, buf_as_str(&b), &out) || counts[i] == 1);
			}
			buf_fini(&b);
			buf_fini(&out);
		}
}

static void
one_mailbox(struct buf *out, const char *keyword, struct str name, uint32_t second)
{
	struct str word = str_of(keyword);
	struct backup_chunk chunks[] = {{5, 1, {{1}}}, {second, 1, {{2}}}};
	struct backup_mailbox mailboxes[] = {{.id = 1,
	                                         .name = STR("M"),
	                                         .keywords = &word,
	                                         .keyword_count = 1,
	                                         .chunks = chunks,
	                                         .chunk_count = 2},
	    {.id = 2, .name = name}};
	struct backup_user user = {.name = STR("a"), .mailboxes = mailboxes, .mailbox_count = 2};

	backup_user_print(&user, out);
}

static void
order_and_words(void **state)
{
	static const struct {
		const char *keyword, *name;
		uint32_t second;
		bool ok;
	} cases[] = {{"fine", "N", 6, true}, {"fine", "M", 6, false}, {"fine", "L", 6, false},
	    {"fine", "N", 5, false}, {"fine", "N", 4, false}, {"", "N", 6, true},
	    {"two words", "N", 6, false}, {"a)", "N", 6, false}, {"a\r\n", "N", 6, false},
	    {"\\Seen", "N", 6, false}, {"a\"", "N", 6, false}, {"a\x7f", "N", 6, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buf b = {0}, out = {0};

		one_mailbox(&b, cases[i].keyword, str_of(cases[i].name), cases[i].second);
		assert_int_equal(again(USER, buf_as_str(&b), &out), cases[i].ok);
		buf_fini(&b);
		buf_fini(&out);
	}
}

static void
uids_of_the_chunk(void **state)
{
	static const struct {
		uint32_t a, b;
		bool ok;
	} cases[] = {{3072, 4095, true}, {3072, 4096, false}, {3071, 3072, false},
	    {3100, 3100, false}, {3101, 3100, false}, {0, 1, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct backup_message m[] = {{.uid = cases[i].a}, {.uid = cases[i].b}};
		struct buf b = {0}, out = {0};

		backup_chunk_print(m, 2, &b);
		assert_int_equal(again(CHUNK, buf_as_str(&b), &out), cases[i].ok);
		buf_fini(&b);
		buf_fini(&out);
	}
}

/* They come back where they were; and without any the form is the older one. */
static void
ids_of_messages(void **state)
{
	struct backup_message *messages = mem_zalloc(BACKUP_CHUNK_UIDS * sizeof(*messages));
	struct buf b = {0};
	size_t n;

	(void)state;
	make(CHUNK, &b);
	assert_true(str_has_prefix(buf_as_str(&b), STR("TSBKMSG1")));
	/* The other form of it, without any. */
	b.p[7] = '2';
	assert_false(backup_chunk_parse(buf_as_str(&b), 3, messages, &n));
	b.n = 0;
	make(IDS, &b);
	assert_true(str_has_prefix(buf_as_str(&b), STR("TSBKMSG2")));
	assert_true(backup_chunk_parse(buf_as_str(&b), 3, messages, &n));
	assert_int_equal(n, 3);
	assert_true(!messages[0].has_ids && messages[1].has_ids && !messages[2].has_ids);
	assert_true(messages[1].ids[0] == 0xfe && messages[1].ids[BACKUP_IDS_BYTES - 1] == 0xfe);
	assert_true(backup_chunk_has_ids(messages, 2) && !backup_chunk_has_ids(messages, 1));
	buf_fini(&b);
	mem_free(messages);
}

/* Everything comes back in its place; without properties the format is the older one. */
static void
properties_in_their_places(void **state)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct buf b = {0};
	struct backup_user user;

	(void)state;
	make(USER, &b);
	assert_true(str_has_prefix(buf_as_str(&b), STR("TSBKUSR1")));
	b.n = 0;
	make(PROPERTIES, &b);
	assert_true(str_has_prefix(buf_as_str(&b), STR("TSBKUSR2")));
	assert_true(backup_user_parse(buf_as_str(&b), arena, &user));
	assert_int_equal(user.properties.count, 2);
	assert_true(str_eq(user.properties.one[0].name, STR("acl/bob")));
	assert_true(str_eq(user.properties.one[0].value, STR("lr")));
	assert_true(str_eq(user.properties.one[1].name, STR("z")));
	assert_int_equal(user.properties.one[1].value.n, 0);
	assert_int_equal(user.mailboxes[0].properties.count, 0);
	assert_int_equal(user.mailboxes[2].properties.count, 1);
	assert_true(str_eq(user.mailboxes[2].properties.one[0].name, STR("a\xff")));
	assert_true(str_eq(user.mailboxes[2].properties.one[0].value, STR("\0\r\n")));
	assert_int_equal(user.mailboxes[0].chunk_count, 3);
	buf_fini(&b);
	arena_free(&arena);
}

/* Names as in the store, each once. */
static void
names_of_properties(void **state)
{
	char longest[1001];
	const struct {
		struct str first, second;
		bool ok;
	} cases[] = {{STR("a"), STR("b"), true}, {STR("b"), STR("a"), false},
	    {STR("a"), STR("a"), false}, {STR(""), STR("a"), false}, {STR("a"), STR("b\0c"), false},
	    {STR("a"), {longest, 1000}, true}, {STR("a"), {longest, 1001}, false}};

	(void)state;
	memset(longest, 'b', sizeof(longest));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct backup_property p[] = {
		    {cases[i].first, STR("1")}, {cases[i].second, STR("2")}};
		struct backup_mailbox mailbox = {.id = 1, .name = STR("M")};
		struct backup_user user = {
		    .name = STR("a"), .mailboxes = &mailbox, .mailbox_count = 1};
		struct buf b = {0}, out = {0};

		user.properties = (struct backup_properties){p, 2};
		backup_user_print(&user, &b);
		assert_int_equal(again(USER, buf_as_str(&b), &out), cases[i].ok);
		b.n = user.properties.count = 0;
		mailbox.properties = (struct backup_properties){p, 2};
		backup_user_print(&user, &b);
		assert_int_equal(again(USER, buf_as_str(&b), &out), cases[i].ok);
		buf_fini(&b);
		buf_fini(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(there_and_back),
	    cmocka_unit_test(cut_off_or_longer), cmocka_unit_test(bits_flipped),
	    cmocka_unit_test(counts_that_lie), cmocka_unit_test(order_and_words),
	    cmocka_unit_test(uids_of_the_chunk), cmocka_unit_test(ids_of_messages),
	    cmocka_unit_test(properties_in_their_places), cmocka_unit_test(names_of_properties)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
