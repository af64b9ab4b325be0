/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tables.h"

static struct conf *
good(struct str text)
{
	struct conf_faults faults = {0};
	struct conf *conf = NULL;

	if (conf_parse(tables, text, "f", "/d", &faults, &conf) != TS_OK)
		fail_msg("refused: %s\n%.*s", faults.n > 0 ? faults.text[0] : "", STR_ARG(text));
	return conf;
}

/* Removes one # before anything but a space, as one does to edit a sample. */
static void
uncomment(struct str text, struct buf *out)
{
	struct str line;

	while (str_split(&text, '\n', &line)) {
		size_t n = 0;

		while (n < line.n && line.p[n] == '\t')
			n++;
		if (n < line.n && line.p[n] == '#' && n + 1 < line.n && line.p[n + 1] != ' ') {
			buf_put(out, line.p, n);
			buf_put(out, line.p + n + 1, line.n - n - 1);
		} else {
			buf_str(out, line);
		}
		buf_putc(out, '\n');
	}
}

static void
the_sample_gives_the_defaults(void **state)
{
	struct buf sample = {0}, edited = {0}, shown = {0}, want = {0};
	struct conf *defaults = good(STR("")), *conf;

	(void)state;
	conf_print_defaults(tables, &sample);
	conf_print_show(defaults, &want);
	conf = good(buf_as_str(&sample));
	conf_print_show(conf, &shown);
	assert_string_equal(buf_cstr(&shown), buf_cstr(&want));
	assert_int_equal(conf_blocks(conf, &listener_table).n, 0);
	conf_unref(&conf);

	uncomment(buf_as_str(&sample), &edited);
	/* The port has no default: 0 shows that, and is refused. */
	{
		struct str text = buf_as_str(&edited);
		const char *zero = str_find(text, STR("port = 0;"));

		assert_non_null(zero);
		edited.p[zero - edited.p + 7] = '9';
	}
	conf = good(buf_as_str(&edited));
	shown.n = 0;
	conf_print_show(conf, &shown);
	buf_puts(&want,
	    "listener \"NAME\" {\n\taddress = \"127.0.0.1\";\n\tport = 9; # default: 0\n"
	    "\ttls = starttls;\n\tgreeting {\n\t\twait = 250ms;\n\t}\n}\n");
	assert_string_equal(buf_cstr(&shown), buf_cstr(&want));
	conf_unref(&conf);
	conf_unref(&defaults);
	buf_fini(&sample);
	buf_fini(&edited);
	buf_fini(&shown);
	buf_fini(&want);
}

static void
the_sample_is_readable(void **state)
{
	struct buf sample = {0};
	struct str rest, line;

	(void)state;
	conf_print_defaults(tables, &sample);
	assert_non_null(str_find(buf_as_str(&sample),
	    STR("limits {\n\t# The longest line.\n"
	        "\t# (a size such as 4096, 64K, 8M or 2G, 1K to 1M)\n\t#line = 64K;\n")));
	assert_non_null(str_find(buf_as_str(&sample), STR("\n#words = [\"one\", \"two\"];\n")));
	assert_non_null(str_find(buf_as_str(&sample),
	    STR("# Where to listen.\n#listener NAME {\n#\t# Where to listen.\n"
	        "#\t# (a text; changes need a restart)\n#\taddress = \"127.0.0.1\";\n")));
	rest = buf_as_str(&sample);
	while (str_split(&rest, '\n', &line))
		assert_true(line.n <= 80);
	buf_fini(&sample);
}

static void
what_is_shown_reads_the_same(void **state)
{
	static const char *const texts[] = {
	    "",
	    "limits { line = 1025; idle = 90s; parser { depth 1; strict off } }\nlog.level = "
	    "warning",
	    "limits.line = 1M; limits.idle = 1001ms; shift = -3",
	    "default_domain = \"q\\\" \\\\ # ; \\n\\t\\u0001\"; store.path = \"\"; words = "
	    "[\"a,b\", \"\"]",
	    "hosts = [ü, 'x y', \"[\", \"}\", <<EOT\nmany\nlines\nEOT\n]",
	    "listener \"a \\\" {\" { port = 3 }\nlistener b.c { port = 4; greeting.wait = 0 }",
	    "limits.idle = 2w; words = one, words = two",
	};

	(void)state;
	for (size_t i = 0; i < COUNT(texts); i++) {
		struct buf once = {0}, twice = {0};
		struct conf *conf = good(str_of(texts[i]));

		conf_print_show(conf, &once);
		conf_unref(&conf);
		conf = good(buf_as_str(&once));
		conf_print_show(conf, &twice);
		conf_unref(&conf);
		assert_string_equal(buf_cstr(&once), buf_cstr(&twice));
		buf_fini(&once);
		buf_fini(&twice);
	}
}

static void
what_differs_is_marked(void **state)
{
	struct conf *conf = good(STR("limits.line = 8k\nhosts = x\nlog.level = info"));
	struct buf b = {0};

	(void)state;
	conf_print_show(conf, &b);
	assert_string_equal(buf_cstr(&b), "limits {\n"
	                                  "\tline = 8K; # default: 64K\n"
	                                  "\tidle = 30m;\n"
	                                  "\tparser {\n"
	                                  "\t\tdepth = 20;\n"
	                                  "\t\tstrict = yes;\n"
	                                  "\t}\n"
	                                  "}\n"
	                                  "shift = 0;\n"
	                                  "log {\n"
	                                  "\tlevel = info;\n"
	                                  "}\n"
	                                  "default_domain = \"\";\n"
	                                  "store {\n"
	                                  "\tpath = \"/d/mail\";\n"
	                                  "}\n"
	                                  "tls {\n"
	                                  "\tcert = \"\";\n"
	                                  "}\n"
	                                  "words = [\"one\", \"two\"];\n"
	                                  "hosts = [\"x\"]; # default: []\n");
	conf_unref(&conf);
	buf_fini(&b);
}

static void
manuals_have_rows(void **state)
{
	struct buf b = {0};

	(void)state;
	conf_print_markdown(tables, &b);
	assert_non_null(str_find(buf_as_str(&b),
	    STR("| `limits.parser.depth` | a number | `20` | restart | How deep parentheses \\| "
	        "brackets may nest. |\n")));
	assert_non_null(
	    str_find(buf_as_str(&b), STR("### listener NAME { ... }\n\nWhere to listen.")));
	assert_non_null(str_find(buf_as_str(&b), STR("| `port` | a number | `must be given` |")));
	b.n = 0;
	conf_print_roff(tables, &b);
	assert_non_null(str_find(
	    buf_as_str(&b), STR(".It Ic limits.line\nTakes a size such as 4096, 64K, 8M or 2G")));
	buf_fini(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_sample_gives_the_defaults),
	    cmocka_unit_test(the_sample_is_readable),
	    cmocka_unit_test(what_is_shown_reads_the_same),
	    cmocka_unit_test(what_differs_is_marked),
	    cmocka_unit_test(manuals_have_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
