/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tables.h"

static struct conf *
good(const char *text)
{
	struct conf_faults faults = {0};
	struct conf *conf = NULL;

	if (conf_parse(tables, str_of(text), "f", "/d", &faults, &conf) != TS_OK)
		fail_msg("refused: %s", faults.n > 0 ? faults.text[0] : "and no fault told");
	assert_int_equal(faults.n, 0);
	return conf;
}

/* Expects exactly these faults in text, one a line. */
static void
bad_str(struct str text, const char *want)
{
	struct conf_faults faults = {0};
	struct conf *conf = NULL;
	struct buf b = {0};

	if (conf_parse(tables, text, "f", "/d", &faults, &conf) != TS_INVALID)
		fail_msg("taken: %.*s", STR_ARG(text));
	assert_null(conf);
	for (size_t i = 0; i < faults.n; i++)
		buf_printf(&b, "%s\n", faults.text[i]);
	assert_string_equal(buf_cstr(&b), want);
	buf_fini(&b);
	conf_faults_fini(&faults);
	assert_int_equal(faults.n, 0);
}

static void
bad(const char *text, const char *want)
{
	bad_str(str_of(text), want);
}

#define ASSERT_STR(got, literal) assert_true(str_eq((got), STR(literal)))

static void
no_file_is_all_defaults(void **state)
{
	struct conf_faults faults = {0};
	struct conf *conf;
	const struct limits *l;
	const struct mail *m;

	(void)state;
	assert_int_equal(conf_load(tables, NULL, &faults, &conf), TS_OK);
	l = conf_get(conf, &limit_table);
	m = conf_get(conf, &mail_table);
	assert_int_equal(l->line, 65536);
	assert_int_equal(l->idle, 1800000);
	assert_int_equal(l->depth, 20);
	assert_int_equal(l->shift, 0);
	assert_true(l->strict);
	assert_int_equal(l->level, 1);
	assert_int_equal(m->domain.n, 0);
	ASSERT_STR(m->store, "mail");
	assert_int_equal(m->words.n, 2);
	ASSERT_STR(m->words.items[1], "two");
	assert_int_equal(m->hosts.n, 0);
	assert_int_equal(conf_blocks(conf, &listener_table).n, 0);
	assert_false(conf_given(conf, l, "limits.line"));
	conf_unref(&conf);
	assert_null(conf);
	conf_unref(&conf);
}

static void
all_forms_of_the_syntax(void **state)
{
	static const char *const forms[] = {
	    "limits { line = 8K; parser { depth = 7 } }\nstore.path = \"a b\"\nwords = [x, \"y\"]",
	    "limits.line=8192;limits.parser.depth:7;store.path=a b;words=x;words=y;",
	    "limits { line 8k\n parser.depth 7\n }\nstore { path a b }\nwords [\n x,\n y,\n]\n",
	    "{\"limits\": {\"line\": \"8KB\", \"parser\": {\"depth\": 7}},"
	    " \"store\": {\"path\": \"a\\u0020b\"}, \"words\": [\"x\", \"y\"]}\n",
	    "# one\nlimits # two\n{ /* three /* nested */ } */ line = 8k # four\n"
	    "parser\n{ depth = 7; }; }\nstore { path = 'a b' }\nwords = x\nwords = [y]",
	    "\xef\xbb\xbflimits parser { depth: 7 }\r\nlimits = { line = 8k }\r\n"
	    "store.path = <<END\na b\nEND\r\nwords = x, words = [y]\r\n",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(forms); i++) {
		struct conf *conf;
		const struct mail *m;

		conf = good(forms[i]);
		m = conf_get(conf, &mail_table);
		assert_int_equal(((const struct limits *)conf_get(conf, &limit_table))->line, 8192);
		assert_int_equal(((const struct limits *)conf_get(conf, &limit_table))->depth, 7);
		ASSERT_STR(m->store, "/d/a b");
		assert_int_equal(m->words.n, 2);
		ASSERT_STR(m->words.items[0], "x");
		ASSERT_STR(m->words.items[1], "y");
		conf_unref(&conf);
	}
}

static void
strings_say_what_they_say(void **state)
{
	static const struct {
		const char *text;
		struct str want;
	} rows[] = {
	    {"hosts = plain words # no more", STR("plain words")},
	    {"hosts = %{user}/mail;", STR("%{user}/mail")},
	    {"hosts { }\nhosts = x", STR_NONE},
	    {"hosts = \"a # b; c, }\"", STR("a # b; c, }")},
	    {"hosts = \"\\\"\\\\\\/\\n\\t\\u00e9\\ud83d\\ude00\"",
	        STR("\"\\/\n\t\xc3\xa9\xf0\x9f\x98\x80")},
	    {"hosts = 'it\\'s \\n'", STR("it's \\n")},
	    {"hosts = <<END\na {\n# b\n END\nEND\nshift = 1", STR("a {\n# b\n END")},
	    {"hosts = <<E\nE\n", STR("")},
	    {"hosts = http://x.test/y", STR("http://x.test/y")},
	    {"hosts: ::1", STR("::1")},
	    {"hosts = \"\"", STR("")},
	    {"hosts = $HOME/${x}", STR("$HOME/${x}")},
	    {"hosts = a /* b */", STR("a")},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct conf *conf;
		const struct mail *m;

		if (rows[i].want.p == NULL) {
			bad(rows[i].text, "f:1: hosts: takes a value; it is not a section\n");
			continue;
		}
		conf = good(rows[i].text);
		m = conf_get(conf, &mail_table);
		assert_int_equal(m->hosts.n, 1);
		if (!str_eq(m->hosts.items[0], rows[i].want))
			fail_msg("row %zu: %.*s", i, STR_ARG(m->hosts.items[0]));
		conf_unref(&conf);
	}
}

static void
values_of_each_type(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} times[] = {{"30", 30000}, {"1500ms", 1500}, {"1h30m", 5400000}, {"2W", 1209600000},
	    {"1d1s", 86401000}, {"\"5 m\"", 0}, {"5min", 300000}};
	static const struct {
		const char *text;
		bool value;
	} bools[] = {{"yes", true}, {"No", false}, {"ON", true}, {"off", false}, {"true", true},
	    {"\"false\"", false}};

	(void)state;
	for (size_t i = 0; i < COUNT(times); i++) {
		struct buf b = {0};
		struct conf *conf;

		buf_printf(&b, "limits.idle = %s", times[i].text);
		if (times[i].ms > 0) {
			conf = good(buf_cstr(&b));
			assert_int_equal(
			    ((const struct limits *)conf_get(conf, &limit_table))->idle,
			    times[i].ms);
			conf_unref(&conf);
		} else {
			bad(buf_cstr(&b),
			    "f:1: limits.idle: must be a duration such as 250ms, 30s, "
			    "5m, 2h or 7d, not \"5 m\"\n");
		}
		buf_fini(&b);
	}
	for (size_t i = 0; i < COUNT(bools); i++) {
		struct buf b = {0};
		struct conf *conf;

		buf_printf(&b, "limits.parser.strict %s", bools[i].text);
		conf = good(buf_cstr(&b));
		assert_int_equal(
		    ((const struct limits *)conf_get(conf, &limit_table))->strict, bools[i].value);
		conf_unref(&conf);
		buf_fini(&b);
	}
}

static void
faults_of_values(void **state)
{
	(void)state;
	bad("limits.line = 1000", "f:1: limits.line: must be 1K to 1M, not \"1000\"\n");
	bad("limits.line = 2M", "f:1: limits.line: must be 1K to 1M, not \"2M\"\n");
	bad("limits.line = 8Q",
	    "f:1: limits.line: must be a size such as 4096, 64K, 8M or 2G, not \"8Q\"\n");
	bad("limits.line = 1K1K",
	    "f:1: limits.line: must be a size such as 4096, 64K, 8M or 2G, not \"1K1K\"\n");
	bad("limits.line = -1",
	    "f:1: limits.line: must be a size such as 4096, 64K, 8M or 2G, not \"-1\"\n");
	bad("limits.line = 99999999999999999999",
	    "f:1: limits.line: must be a size such as 4096, 64K, 8M or 2G, not "
	    "\"99999999999999999999\"\n");
	bad("limits.line = 9999999999T",
	    "f:1: limits.line: must be a size such as 4096, 64K, 8M or 2G, not \"9999999999T\"\n");
	bad("limits.idle = 5x",
	    "f:1: limits.idle: must be a duration such as 250ms, 30s, 5m, 2h or 7d, not \"5x\"\n");
	bad("limits.idle = 5m5",
	    "f:1: limits.idle: must be a duration such as 250ms, 30s, 5m, 2h or "
	    "7d, not \"5m5\"\n");
	bad("shift = --1", "f:1: shift: must be a number, not \"--1\"\n");
	bad("shift = 0x1", "f:1: shift: must be a number, not \"0x1\"\n");
}

static void
faults_are_told_all_at_once_with_lines(void **state)
{
	(void)state;
	bad("# a comment\n"
	    "limits {\n"
	    "	lime = 3\n"
	    "	parser {\n"
	    "		# more\n"
	    "		depth = 1000;\n"
	    "		strict = maybe\n"
	    "	}\n"
	    "}\n"
	    "\n"
	    "limits.line = 1; limits.idle = 10ms\n"
	    "log.level = inform\n"
	    "shift = -11\n"
	    "listener a { port = 70000 }\n"
	    "listener b {\n"
	    "	tls = imap\n"
	    "}\n",
	    "f:3: limits.lime: there is no such option; did you mean limits.line?\n"
	    "f:6: limits.parser.depth: must be 1 to 100, not \"1000\"\n"
	    "f:7: limits.parser.strict: must be yes or no, not \"maybe\"\n"
	    "f:11: limits.line: must be 1K to 1M, not \"1\"\n"
	    "f:11: limits.idle: must be 1s or more, not \"10ms\"\n"
	    "f:12: log.level: must be one of debug, info, warning, not \"inform\"; did you mean "
	    "info?\n"
	    "f:13: shift: must be -10 to 10, not \"-11\"\n"
	    "f:14: listener a: port: must be 1 to 65535, not \"70000\"\n"
	    "f:16: listener b: tls: must be one of none, starttls, imaps, not \"imap\"; did you "
	    "mean "
	    "imaps?\n"
	    "f:15: listener b: port: must be given: a number\n");
}

static void
faults_of_names(void **state)
{
	(void)state;
	bad("nothing = 1", "f:1: nothing: there is no such option\n");
	bad("\n\nlevel = info", "f:3: level: there is no such option; did you mean log.level?\n");
	bad("listner x { }", "f:1: listner: there is no such option; did you mean listener?\n");
	bad("limits = 3", "f:1: limits: is a section: write limits { ... }\n");
	bad("shift { a = 1 }", "f:1: shift: takes a value; it is not a section\n");
	bad("limits { line { a = 1 } }", "f:1: limits.line: takes a value; it is not a section\n");
	bad("shift = 1\nshift = 2", "f:2: shift: is given twice, first in line 1\n");
	bad("shift = [1, 2]", "f:1: shift: takes one value, not a list\n");
	bad("\nwords = [a, {b = c}, [d]]", "f:2: words: an item must be a text\n"
	                                   "f:2: words: an item must be a text\n");
	bad("words = [a, b,\n c, d, e]", "f:1: words: takes 1 to 4 items, not 5\n");
	bad("words = []", "f:1: words: takes 1 to 4 items, not 0\n");
	bad("default_domain = \"a domain of more than 30 letters\"",
	    "f:1: default_domain: must be 0 to 30 bytes, not \"a domain of more than 30 "
	    "letters\"\n");
}

static void
faults_of_blocks(void **state)
{
	(void)state;
	bad("listener {\n port = 1\n}",
	    "f:2: listener: each one has a name: listener NAME { port = ... }\n");
	bad("listener = x", "f:1: listener: must be sections: listener NAME { ... }\n");
	bad("listener x", "f:1: listener: must be sections: listener NAME { ... }\n");
	/* A value that seems to contain another option; other blanks and equal signs are text. */
	bad("default_domain = a shift = 1",
	    "f:1: text after the value; a semicolon is missing, or quotation marks\n");
	bad("listener a { port = 1 tls=none }",
	    "f:1: text after the value; a semicolon is missing, or quotation marks\n");
	bad("store.path = /a b limits.line\t= 1M\nshift = x",
	    "f:1: text after the value; a semicolon is missing, or quotation marks\n"
	    "f:2: shift: must be a number, not \"x\"\n");
	{
		struct conf *conf =
		    good("default_domain = (a=b) c (d=e)=\nstore.path = /a = b/C=d");
		const struct mail *m = conf_get(conf, &mail_table);

		ASSERT_STR(m->domain, "(a=b) c (d=e)=");
		ASSERT_STR(m->store, "/a = b/C=d");
		conf_unref(&conf);
	}
	bad("listener a { port = 1 }\nlistener a { port = 2 }",
	    "f:2: listener a: is given twice, first in line 1\n");
	bad("listener a { port = 1; prt = 2 }",
	    "f:1: listener a: prt: there is no such option; did you mean port?\n");
	bad("shift = 1\nlistener a {\n port = 993\n}",
	    "f:3: listener a: port: port 993 is for imaps\n");
	bad("listener a { port = 993; shift = 1 }",
	    "f:1: listener a: shift: there is no such option\n"
	    "f:1: listener a: port: port 993 is for imaps\n");
	bad("listener a { listener b { port = 1 } }",
	    "f:1: listener a: listener: there is no such option\n"
	    "f:1: listener a: port: must be given: a number\n");
}

/* Faults that a check finds are reported with those of single options, but not for an option that
 * already has a fault. */
static void
checks_tell_all_and_nothing_twice(void **state)
{
	(void)state;
	bad("shift = x\nlistener a {\n port = 993\n address = nowhere\n}",
	    "f:1: shift: must be a number, not \"x\"\n"
	    "f:3: listener a: port: port 993 is for imaps\n"
	    "f:4: listener a: address: is nowhere\n");
	bad("listener a {\n port = 993\n tls = impas\n}",
	    "f:3: listener a: tls: must be one of none, starttls, imaps, not \"impas\"; did you "
	    "mean imaps?\n");
	/* Of several options, the first that is given is blamed. */
	bad("listener a {\n port = 993\n\n tls = none\n}",
	    "f:4: listener a: tls: port 993 is for imaps\n");
	bad("hosts = [good, good,\n good,\n bad, bad]",
	    "f:3: hosts: bad: is bad\nf:3: hosts: bad: is bad\n");
	bad("hosts = good\nhosts = bad", "f:2: hosts: bad: is bad\n");
}

/* A file with faults: the rest is loaded, and faults can be traced to lines. */
static void
blame_of_what_is_sound(void **state)
{
	char path[] = "/tmp/conf-sound-XXXXXX";
	const char *text = "shift = x\nhosts = [a,\n b]\nlistener a {\n port = 993\n}\n";
	int fd = mkstemp(path);
	struct conf_faults faults = {0};
	struct conf *conf;
	struct buf out = {0}, want = {0};
	const void *block;

	(void)state;
	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	(void)close(fd);
	assert_true(conf_load_sound(tables, path, &faults, &conf));
	assert_int_equal(faults.n, 2);
	block = conf_blocks(conf, &listener_table).p[0].settings;
	assert_false(conf_blame(conf, conf_get(conf, &limit_table), "shift", &out));
	assert_false(conf_blame(conf, conf_get(conf, &limit_table), "limits.line shift", &out));
	assert_int_equal(out.n, 0);
	assert_true(conf_blame(conf, block, "address port", &out));
	buf_puts(&out, "\n");
	assert_true(
	    conf_blame(conf, block, "address", &out)); /* not given: the line of the block */
	buf_puts(&out, "\n");
	assert_true(conf_blame_item(conf, conf_get(conf, &mail_table), "hosts", 1, &out));
	buf_printf(&want, "%s:5: listener a: port\n%s:4: listener a: address\n%s:3: hosts: b", path,
	    path, path);
	assert_string_equal(buf_cstr(&out), buf_cstr(&want));
	buf_fini(&out);
	buf_fini(&want);
	conf_faults_fini(&faults);
	conf_unref(&conf);
	(void)unlink(path);
}

static void
blocks_are_kept_in_order(void **state)
{
	struct conf *conf =
	    good("listener z { port = 143 }\n"
	         "listener \"a b\" { port = 993; tls = imaps; greeting.wait = 1s }\n"
	         "listener.c.port = 1\nlistener.c.tls = none\n"
	         "listener { d { port = 2 } }\n");
	struct conf_blocks b = conf_blocks(conf, &listener_table);
	const struct listener *l;
	struct buf where = {0};

	(void)state;
	assert_int_equal(b.n, 4);
	ASSERT_STR(b.p[0].name, "z");
	ASSERT_STR(b.p[1].name, "a b");
	ASSERT_STR(b.p[2].name, "c");
	ASSERT_STR(b.p[3].name, "d");
	l = b.p[0].settings;
	assert_int_equal(l->port, 143);
	assert_int_equal(l->tls, 1);
	ASSERT_STR(l->address, "127.0.0.1");
	l = b.p[1].settings;
	assert_int_equal(l->port, 993);
	assert_int_equal(l->tls, 2);
	assert_int_equal(l->wait, 1000);
	l = b.p[2].settings;
	assert_int_equal(l->port, 1);
	assert_int_equal(l->tls, 0);
	conf_where(conf, l, "tls", &where);
	buf_putc(&where, '|');
	conf_where(conf, b.p[0].settings, "tls", &where);
	assert_string_equal(buf_cstr(&where), "f:4: listener c: tls|default of listener z: tls");
	assert_true(conf_given(conf, l, "tls"));
	assert_false(conf_given(conf, l, "address"));
	buf_fini(&where);
	conf_unref(&conf);
}

static void
faults_of_syntax(void **state)
{
	(void)state;
	bad("shift", "f:1: shift has no value (an empty one is \"\")\n");
	bad("shift =\nshift = 3", "f:1: shift has no value (an empty one is \"\")\n"
	                          "f:2: shift: is given twice, first in line 1\n");
	bad("listener a {\nport =\n}\nlistener b { port = ; tls = none }",
	    "f:2: listener a: port has no value (an empty one is \"\")\n"
	    "f:4: listener b: port has no value (an empty one is \"\")\n");
	bad("limits {\nline =\n}", "f:2: limits.line has no value (an empty one is \"\")\n");
	bad("limits.line =", "f:1: limits.line has no value (an empty one is \"\")\n");
	bad("limits {\nline = 8k\n", "f:1: a { is not closed\n");
	bad("}\nshift = x", "f:1: a } without its {\nf:2: shift: must be a number, not \"x\"\n");
	bad("words = [a,\nb\n", "f:1: a list is not closed by ]\n");
	bad("= 3\n= 4", "f:1: the name of an option must stand here\n"
	                "f:2: the name of an option must stand here\n");
	bad("]]\nshift = 1", "f:1: the name of an option must stand here\n");
	bad("'a", "f:1: a string is not closed on its line\n");
	bad("limits { \"a", "f:1: a string is not closed on its line\nf:1: a { is not closed\n");
	bad("hosts = \"a\nshift = 1", "f:1: a string is not closed on its line\n");
	bad("hosts = \"a\\\nshift = 1",
	    "f:1: an invalid escape after a backslash (a backslash itself "
	    "is \\\\)\n");
	bad("hosts = \"\\q\"",
	    "f:1: an invalid escape after a backslash (a backslash itself is \\\\)\n");
	bad("hosts = \"\\u0000\"",
	    "f:1: an invalid escape after a backslash (a backslash itself is \\\\)\n");
	bad("hosts = \"\\ud800x\"",
	    "f:1: an invalid escape after a backslash (a backslash itself is \\\\)\n");
	bad("hosts = \"a\" b\nshift = x",
	    "f:1: text after the value; a semicolon is missing, or quotation marks\n"
	    "f:2: shift: must be a number, not \"x\"\n");
	bad("/* a\n", "f:1: a comment is not closed\n");
	bad("shift 1 /* a\n", "f:1: a comment is not closed\n");
	bad(".include \"x\"\nshift = 1", "f:1: there are no macros and no includes here\n");
	bad("hosts = <<END\nx\n", "f:1: the text of <<END has no end\n");
	bad("hosts = <<end\nshift = x",
	    "f:1: after << comes a word in capitals, and nothing else on the line\n"
	    "f:2: shift: must be a number, not \"x\"\n");
}

static void
hostile_files(void **state)
{
	struct buf b = {0};
	struct conf_faults faults = {0};
	struct conf *conf;

	(void)state;
	bad_str(STR("shift = 1\n\nhosts = a\0b"), "f:3: a NUL byte, which no text contains\n");
	bad_str(STR("shift = 1\nhosts = \"\xff\""), "f:2: is not UTF-8 text\n");
	/* The rest is read; such a value is reported once. */
	bad_str(STR("# M\xfcller\nshift = 1\nhosts = [a, \xfc]\nlops = 1\nlimits { line = \xff }"),
	    "f:1: is not UTF-8 text\nf:3: is not UTF-8 text\nf:5: is not UTF-8 text\n"
	    "f:4: lops: there is no such option\n");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "a {");
	assert_int_equal(conf_parse(tables, buf_as_str(&b), "f", NULL, &faults, &conf), TS_INVALID);
	assert_string_equal(faults.text[0], "f:1: sections are nested deeper than 16");
	conf_faults_fini(&faults);
	b.n = 0;
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "nope = 1\n");
	assert_int_equal(conf_parse(tables, buf_as_str(&b), "f", NULL, &faults, &conf), TS_INVALID);
	assert_int_equal(faults.n, 101);
	assert_string_equal(faults.text[100], "f: and more faults");
	conf_faults_fini(&faults);
	b.n = 0;
	buf_puts(&b, "words = ");
	for (int i = 0; i < 100000; i++)
		buf_puts(&b, "[");
	assert_int_equal(conf_parse(tables, buf_as_str(&b), "f", NULL, &faults, &conf), TS_INVALID);
	conf_faults_fini(&faults);
	b.n = 0;
	for (int i = 0; i < 200000; i++)
		buf_puts(&b, "a.");
	buf_puts(&b, "a = 1");
	assert_int_equal(conf_parse(tables, buf_as_str(&b), "f", NULL, &faults, &conf), TS_INVALID);
	conf_faults_fini(&faults);
	b.n = 0;
	for (int i = 0; i < 257; i++)
		buf_printf(&b, "listener l%d { port = 1 }\n", i);
	assert_int_equal(conf_parse(tables, buf_as_str(&b), "f", NULL, &faults, &conf), TS_INVALID);
	assert_string_equal(faults.text[0], "f:257: listener: more than 256 of them");
	conf_faults_fini(&faults);
	b.n = 0;
	while (b.n <= 1024 * 1024)
		buf_puts(&b, "\n");
	bad_str(buf_as_str(&b), "f: the file is larger than 1048576 bytes\n");
	buf_fini(&b);
}

static void
files_and_paths(void **state)
{
	char dir[] = "/tmp/conf-test-XXXXXX", path[64], want[256];
	struct conf_faults faults = {0};
	struct conf *conf;
	const struct mail *m;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/t.conf", dir);
	assert_int_equal(conf_load(tables, path, &faults, &conf), TS_INVALID);
	(void)snprintf(
	    want, sizeof(want), "%s: cannot read the file: No such file or directory", path);
	assert_string_equal(faults.text[0], want);
	conf_faults_fini(&faults);

	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs("\n\ntls { cert = missing.pem }\n", f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(conf_load(tables, path, &faults, &conf), TS_INVALID);
	(void)snprintf(want, sizeof(want),
	    "%s:3: tls.cert: cannot read %s/missing.pem: No such file or directory", path, dir);
	assert_string_equal(faults.text[0], want);
	conf_faults_fini(&faults);

	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs("tls.cert = .\nstore.path = \"\"", f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(conf_load(tables, path, &faults, &conf), TS_INVALID);
	assert_int_equal(faults.n, 1);
	(void)snprintf(want, sizeof(want),
	    "%s:1: tls.cert: cannot read %s/.: it is a folder, not a file", path, dir);
	assert_string_equal(faults.text[0], want);
	conf_faults_fini(&faults);

	f = fopen(path, "w");
	assert_non_null(f);
	(void)fputs("tls.cert = t.conf; store.path = /var/x", f);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(conf_load(tables, path, &faults, &conf), TS_OK);
	m = conf_get(conf, &mail_table);
	assert_string_equal(m->cert.p, path);
	ASSERT_STR(m->store, "/var/x");
	conf_unref(&conf);

	assert_int_equal(conf_load(tables, dir, &faults, &conf), TS_INVALID); /* a folder */
	assert_int_equal(faults.n, 1);
	conf_faults_fini(&faults);
	(void)unlink(path);
	(void)rmdir(dir);
}

static void
a_restart_is_asked_for(void **state)
{
	struct conf *a = good("listener x { port = 1 }\nlistener gone { port = 2 }");
	struct conf *b = good("listener x { port = 2; tls = none }\nlimits.line = 8k\n"
	                      "limits.parser.depth = 3\nlistener gone { port = 2 }");
	struct conf *again = conf_ref(a);
	struct buf out = {0};

	(void)state;
	assert_true(conf_restart_needed(a, b, &out));
	assert_string_equal(buf_cstr(&out), "limits.parser.depth\nlistener x: port\n");
	out.n = 0;
	assert_false(conf_restart_needed(a, again, &out));
	assert_int_equal(out.n, 0);
	conf_unref(&a);
	assert_int_equal(conf_blocks(again, &listener_table).n, 2); /* still there */
	a = good("listener x { port = 1 }");
	assert_true(conf_restart_needed(a, again, &out));
	assert_string_equal(buf_cstr(&out), "listener gone: is new\n");
	out.n = 0;
	assert_true(conf_restart_needed(again, a, &out));
	assert_string_equal(buf_cstr(&out), "listener gone: is gone\n");
	conf_unref(&a);
	conf_unref(&b);
	conf_unref(&again);
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(no_file_is_all_defaults),
	    cmocka_unit_test(all_forms_of_the_syntax),
	    cmocka_unit_test(strings_say_what_they_say),
	    cmocka_unit_test(values_of_each_type),
	    cmocka_unit_test(faults_of_values),
	    cmocka_unit_test(faults_are_told_all_at_once_with_lines),
	    cmocka_unit_test(faults_of_names),
	    cmocka_unit_test(faults_of_blocks),
	    cmocka_unit_test(checks_tell_all_and_nothing_twice),
	    cmocka_unit_test(blame_of_what_is_sound),
	    cmocka_unit_test(blocks_are_kept_in_order),
	    cmocka_unit_test(faults_of_syntax),
	    cmocka_unit_test(hostile_files),
	    cmocka_unit_test(files_and_paths),
	    cmocka_unit_test(a_restart_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
