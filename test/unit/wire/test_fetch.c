/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "over.h"
#include "wire/cmd/fetch.h"
#include "wire/cmd/search.h"
#include "wire/cmd/store.h"

#define EQ(s, z) assert_true(str_eq((s), STR(z)))

static bool
parse_fetch(const char *items, struct wire_fetch *c)
{
	char *text = arena_printf(arena, " 1 %s\r\n", items);
	struct wire_in in = over(text);
	bool ok = wire_fetch_parse(&in, c);

	assert_true(ok == (in.error == NULL));
	return ok;
}

/* An item, printed as the response would name it. */
static void
items_print_as_they_parse(void **state)
{
	static const struct {
		const char *item, *printed;
		bool peek;
	} cases[] = {
	    {"BODY[]", "BODY[]", false},
	    {"body.peek[]", "BODY[]", true},
	    {"BODY[TEXT]<0.10>", "BODY[TEXT]<0>", false},
	    {"BODY.PEEK[1.20.3.mime]<5.1>", "BODY[1.20.3.MIME]<5>", true},
	    {"BODY[4294967295]", "BODY[4294967295]", false},
	    {"BODY[2.HEADER]", "BODY[2.HEADER]", false},
	    {"BODY[header.fields (To \"From\")]", "BODY[HEADER.FIELDS (To From)]", false},
	    {"BODY[3.HEADER.FIELDS.NOT ({3}\r\nX a y)]<9223372036854775807.1>",
	        "BODY[3.HEADER.FIELDS.NOT (\"X a\" y)]<9223372036854775807>", false},
	    {"BINARY[]", "BINARY[]", false},
	    {"BINARY.PEEK[1.2]<0.4294967295>", "BINARY[1.2]<0>", true},
	    {"BINARY.SIZE[1]", "BINARY.SIZE[1]", true},
	};
	struct buf b = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (int list = 0; list < 2; list++) {
			struct wire_fetch c;

			if (!parse_fetch(
			        arena_printf(arena, list ? "(%s)" : "%s", cases[i].item), &c))
				fail_msg("%s was refused", cases[i].item);
			assert_int_equal(c.n_items, 1);
			assert_true(c.items[0].peek == cases[i].peek);
			b.n = 0;
			wire_out_fetch_section(&b, &wire_dialect_rev1, &c.items[0]);
			assert_string_equal(buf_cstr(&b), cases[i].printed);
		}
	}
	buf_fini(&b);
}

static void
plain_items(void **state)
{
	struct wire_fetch c;

	(void)state;
	assert_true(
	    parse_fetch("(flags internaldate uid rfc822.size envelope bodystructure body rfc822 "
	                "rfc822.header rfc822.text)",
	        &c));
	assert_int_equal(c.n_items, 10);
	for (size_t i = 0; i < 10; i++)
		assert_int_equal(c.items[i].id, wire_fetch_names[i].id);
	assert_true(c.items[8].peek);
	assert_false(c.items[9].peek);
	assert_true(parse_fetch("all", &c));
	assert_int_equal(c.n_items, 4);
	assert_true(parse_fetch("FAST", &c));
	assert_int_equal(c.n_items, 3);
	assert_true(parse_fetch("FULL (CHANGEDSINCE 7)", &c));
	assert_int_equal(c.n_items, 5);
	assert_int_equal(c.items[4].id, WIRE_FETCH_BODY);
	assert_int_equal(c.modifiers.n, 1);
}

static void
items_of_extensions(void **state)
{
	struct wire_fetch c;

	(void)state;
	assert_true(parse_fetch("(PREVIEW (LAZY) modseq FULL)", &c));
	assert_int_equal(c.n_items, 3);
	assert_int_equal(c.items[0].id, WIRE_FETCH_OTHER);
	EQ(c.items[0].name, "PREVIEW");
	EQ(c.items[0].args, "(LAZY)");
	EQ(c.items[1].name, "MODSEQ");
	assert_null(c.items[1].args.p);
	assert_int_equal(c.items[2].id, WIRE_FETCH_OTHER); /* a macro stands alone */
	assert_true(parse_fetch("PREVIEW (LAZY)", &c));
	EQ(c.either, "(LAZY)");
	assert_null(c.items[0].args.p);
	assert_true(parse_fetch("PREVIEW (LAZY) (CHANGEDSINCE 5)", &c));
	EQ(c.items[0].args, "(LAZY)");
	assert_null(c.either.p);
	EQ(c.modifiers.v[0].name, "CHANGEDSINCE");
	assert_true(parse_fetch("(PREVIEW (LAZY)) (CHANGEDSINCE 5)", &c));
	EQ(c.items[0].args, "(LAZY)");
	assert_true(parse_fetch("(PREVIEW) (CHANGEDSINCE 5)", &c));
	assert_null(c.either.p);
	assert_null(c.items[0].args.p);
	assert_false(parse_fetch("FLAGS (CHANGEDSINCE 5) (LAZY)", &c));
	assert_true(parse_fetch("MODSEQ (CHANGEDSINCE 5)", &c));
	assert_null(c.items[0].args.p);
	EQ(c.modifiers.v[0].value, "5");
}

static void
what_is_no_fetch(void **state)
{
	static const char *const cases[] = {"", "()", "( )", "(UID", "UID FLAGS", "UID)", "BODY[",
	    "BODY[1", "BODY[1.]", "BODY[.1]", "BODY[0]", "BODY[01]", "BODY[4294967296]",
	    "BODY[MIME]", "BODY[FOO]", "BODY[1.2.FOO]", "BODY[HEADER.FIELDS]",
	    "BODY[HEADER.FIELDS ()]", "BODY[HEADER.FIELDS (a]", "BODY[HEADER.FIELDS (a) ]",
	    "BODY[TEXT]<0>", "BODY[TEXT]<0.0>", "BODY[TEXT]<1.2", "BODY[TEXT]<-1.2>",
	    "BODY[TEXT]<9223372036854775808.1>", "BODY<0.1>", "BODY.PEEK", "BINARY", "BINARY.SIZE",
	    "BINARY.PEEK", "BINARY[TEXT]", "BINARY[1.MIME]", "BINARY.SIZE[1]<0.1>", "UID[1]",
	    "RFC822[]", "BODY[]x", "BODY[]]", "ALL UID", "\"UID\"", "BODY[1.HEADER", "[1]", "<0.1>",
	    "UID (", "UID ()x"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_fetch c;

		if (parse_fetch(cases[i], &c))
			fail_msg("%s was taken", cases[i]);
	}
}

static void
stores(void **state)
{
	static const char *const bad[] = {"", " 1", " 1 FLAGS", " 1 FLAGS ", " 1 *FLAGS ()",
	    " 1 + FLAGS ()", " 1 FLAGS.LOUD ()", " 1 FLAGS (\\Seen", " 1 FLAGS () x",
	    " 1 FLAGS \\Seen)", " 1 (X)FLAGS ()", " x FLAGS ()"};
	struct wire_store c;
	struct wire_in in = over(" 1:3 +Flags.Silent (\\Seen hot)\r\n");

	(void)state;
	assert_true(wire_store_parse(&in, &c));
	assert_int_equal(c.op, WIRE_STORE_ADD);
	assert_true(c.silent);
	assert_int_equal(c.flags.system, WIRE_FLAG_SEEN);
	assert_int_equal(c.flags.n_keywords, 1);
	in = over(" $ (UNCHANGEDSINCE 12345678901) -FLAGS \\Seen \\Odd\r\n");
	assert_true(wire_store_parse(&in, &c));
	assert_int_equal(c.op, WIRE_STORE_REMOVE);
	assert_false(c.silent);
	EQ(c.modifiers.v[0].value, "12345678901");
	EQ(c.flags.unknown, "\\Odd");
	in = over(" 1 FLAGS ()\r\n");
	assert_true(wire_store_parse(&in, &c));
	assert_int_equal(c.op, WIRE_STORE_SET);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		in = over(bad[i]);
		if (wire_store_parse(&in, &c))
			fail_msg("%s was taken", bad[i]);
	}
}

/* The tree as text: (and a b), !a, (or a b). */
static void
show(struct buf *b, const struct wire_key *k)
{
	static const char *const words[] = {"(and", "(or", "(not"};
	struct wire_key *c;

	switch (k->id) {
	case WIRE_KEY_AND:
	case WIRE_KEY_OR:
	case WIRE_KEY_NOT:
		buf_puts(b, words[k->id]);
		for (c = k->child; c != NULL; c = c->next) {
			buf_putc(b, ' ');
			show(b, c);
		}
		buf_putc(b, ')');
		return;
	case WIRE_KEY_SET:
		wire_set_print(b, &k->set);
		return;
	case WIRE_KEY_OTHER:
		buf_printf(b, "%.*s=%llu", STR_ARG(k->text), (unsigned long long)k->number);
		return;
	default:
		break;
	}
	buf_puts(b, wire_name_of(wire_key_names, k->id));
	if (k->id == WIRE_KEY_UID) {
		buf_putc(b, '=');
		wire_set_print(b, &k->set);
	}
	if (k->field.p != NULL)
		buf_printf(b, "[%.*s]", STR_ARG(k->field));
	if (k->text.p != NULL)
		buf_printf(b, "=%.*s", STR_ARG(k->text));
	if (k->number != 0)
		buf_printf(b, "=%llu", (unsigned long long)k->number);
	if (k->day != 0)
		buf_printf(b, "=%d", (int)k->day);
}

static bool
modseq_key(struct wire_in *in, struct str name, struct wire_key *key, void *arg)
{
	if (!str_eq(name, STR("MODSEQ")))
		return false;
	++*(int *)arg;
	return wire_in_sp(in) && wire_in_number64(in, &key->number);
}

static void
search_keys(void **state)
{
	static const struct {
		const char *text, *tree;
	} cases[] = {
	    {"ALL", "(and ALL)"},
	    {"1:3,* unseen", "(and 1:3,* UNSEEN)"},
	    {"$", "(and $)"},
	    {"UID 5:*", "(and UID=5:*)"},
	    {"NOT SEEN", "(and (not SEEN))"},
	    {"NOT NOT SEEN", "(and (not (not SEEN)))"},
	    {"OR SEEN NOT OLD NEW", "(and (or SEEN (not OLD)) NEW)"},
	    {"OR (SEEN FLAGGED) OR DRAFT RECENT", "(and (or (and SEEN FLAGGED) DRAFT RECENT))"},
	    /* nested ORs are one, on either side */
	    {"OR OR SEEN OLD OR DRAFT RECENT NEW", "(and (or SEEN OLD DRAFT RECENT) NEW)"},
	    {"OR NOT OR SEEN OLD DRAFT", "(and (or (not (or SEEN OLD)) DRAFT))"},
	    {" ( SEEN   OLD )  NEW ", "(and (and SEEN OLD) NEW)"},
	    {"KEYWORD \"a\" LARGER \"5\" OLDER \"7\"", "(and KEYWORD=a LARGER=5 OLDER=7)"},
	    {"(SEEN)", "(and (and SEEN))"},
	    {"FROM {3}\r\na b SUBJECT \"\"", "(and FROM=a b SUBJECT=)"},
	    {"BCC a CC b TO c BODY d TEXT e", "(and BCC=a CC=b TO=c BODY=d TEXT=e)"},
	    {"HEADER Message-ID <x@y>", "(and HEADER[Message-ID]=<x@y>)"},
	    {"KEYWORD a UNKEYWORD $b", "(and KEYWORD=a UNKEYWORD=$b)"},
	    {"BEFORE 2-Jan-1970 ON \"3-Jan-1970\" SINCE 4-Jan-1970", "(and BEFORE=1 ON=2 SINCE=3)"},
	    {"SENTBEFORE 2-Jan-1970 SENTON 3-Jan-1970 SENTSINCE 4-Jan-1970",
	        "(and SENTBEFORE=1 SENTON=2 SENTSINCE=3)"},
	    {"LARGER 9223372036854775807 SMALLER 5", "(and LARGER=9223372036854775807 SMALLER=5)"},
	    {"OLDER 60 YOUNGER 4294967295", "(and OLDER=60 YOUNGER=4294967295)"},
	    {"UNANSWERED UNDELETED UNDRAFT UNFLAGGED ANSWERED DELETED",
	        "(and UNANSWERED UNDELETED UNDRAFT UNFLAGGED ANSWERED DELETED)"},
	    {"MODSEQ 77 SEEN", "(and MODSEQ=77 SEEN)"},
	};
	struct buf b = {0};
	int calls = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_in in = over(arena_printf(arena, " %s\r\n", cases[i].text));
		struct wire_search c;

		if (!wire_search_parse(&in, &c, modseq_key, &calls))
			fail_msg("%s: %s", cases[i].text, in.error);
		b.n = 0;
		show(&b, c.root);
		assert_string_equal(buf_cstr(&b), cases[i].tree);
	}
	assert_int_equal(calls, 1);
	buf_fini(&b);
}

static void
search_heads(void **state)
{
	struct wire_search c;
	struct wire_in in = over(" RETURN (Min COUNT SAVE) CHARSET utf-8 TEXT {2}\r\n\xC3\xA9\r\n");

	(void)state;
	assert_true(wire_search_parse(&in, &c, NULL, NULL));
	assert_true(c.has_return);
	assert_int_equal(c.returns, WIRE_RETURN_MIN | WIRE_RETURN_COUNT | WIRE_RETURN_SAVE);
	EQ(c.charset, "utf-8");
	EQ(c.root->child->text, "\xC3\xA9");
	in = over(" RETURN () SEEN\r\n");
	assert_true(wire_search_parse(&in, &c, NULL, NULL));
	assert_int_equal(c.returns, WIRE_RETURN_ALL);
	assert_null(c.charset.p);
	in = over(" RETURN (PARTIAL -1:-9 ALL) SEEN\r\n");
	assert_true(wire_search_parse(&in, &c, NULL, NULL));
	assert_int_equal(c.returns, WIRE_RETURN_ALL);
	EQ(c.return_other.v[0].value, "-1:-9");
	in = over(" SEEN\r\n");
	assert_true(wire_search_parse(&in, &c, NULL, NULL));
	assert_false(c.has_return);
}

static void
what_is_no_search(void **state)
{
	static const char *const cases[] = {"", " ", " ()", " (SEEN", " SEEN)", " NOT", " NOT ",
	    " OR SEEN", " OR SEEN )", " FOO", " FROM", " FROM ", " HEADER a", " KEYWORD \\Seen",
	    " KEYWORD \"a b\"", " KEYWORD \"\"", " KEYWORD \"\\\\Seen\"", " LARGER \"5",
	    " LARGER \"\"", " LARGER 5\"", " BEFORE 1-1-2000", " LARGER x",
	    " LARGER 9223372036854775808", " OLDER 0", " UID x", " UID", " RETURN SEEN",
	    " RETURN (MIN", " RETURN (MIN)", " RETURN (MIN 5) SEEN", " CHARSET", " CHARSET x",
	    " CHARSET x SEEN CHARSET y SEEN", " SEEN RETURN ()", " 0", " 1:", " SEEN \r\nx",
	    " ((((SEEN)))", " MODSEQ", " MODSEQ x", " NOT()"};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wire_in in = over(cases[i]);
		struct wire_search c;
		int calls = 0;

		if (wire_search_parse(&in, &c, modseq_key, &calls))
			fail_msg("%s was taken", cases[i]);
		assert_non_null(in.error);
	}
}

/* part n times, then SEEN, then tail n times. */
static bool
nested(const char *part, const char *tail, int n)
{
	struct buf b = {0};
	struct wire_search c;
	struct wire_in in;
	bool ok;

	buf_putc(&b, ' ');
	for (int i = 0; i < n; i++)
		buf_puts(&b, part);
	buf_puts(&b, "SEEN");
	for (int i = 0; i < n; i++)
		buf_puts(&b, tail);
	wire_in_init(&in, buf_as_str(&b), arena, NULL, NULL);
	ok = wire_search_parse(&in, &c, NULL, NULL);
	assert_true(ok == (in.error == NULL));
	buf_fini(&b);
	return ok;
}

static void
nesting_is_bounded(void **state)
{
	(void)state;
	assert_true(nested("(", ")", 50));
	assert_false(nested("(", ")", 51));
	assert_false(nested("(", ")", 100000));
	assert_true(nested("NOT ", "", 50));
	assert_false(nested("NOT ", "", 51));
	assert_true(nested("OR OLD ", "", 400));
	assert_true(nested("OR NOT ", " OLD", 25));
	assert_false(nested("OR NOT ", " OLD", 26));
	assert_true(nested("OLD ", "", 999));
	assert_false(nested("OLD ", "", 1000));
}

int
main(void)
{
#define WITH_ARENA(t) cmocka_unit_test_setup_teardown(t, begin, end)
	const struct CMUnitTest tests[] = {
	    WITH_ARENA(items_print_as_they_parse),
	    WITH_ARENA(plain_items),
	    WITH_ARENA(items_of_extensions),
	    WITH_ARENA(what_is_no_fetch),
	    WITH_ARENA(stores),
	    WITH_ARENA(search_keys),
	    WITH_ARENA(search_heads),
	    WITH_ARENA(what_is_no_search),
	    WITH_ARENA(nesting_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
