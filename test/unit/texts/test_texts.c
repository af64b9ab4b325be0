/* SPDX-License-Identifier: Apache-2.0 */
/* Catalogues: what is found in them, and what is refused at loading. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "po.h"
#include "texts/texts.h"

#define MISSING "Not permitted; missing: %s"
#define TWO "%zu of %s"
#define CUT "%.*s is too long"

static struct texts *
make(const struct po_entry *entries, size_t n, struct buf *refused)
{
	struct buf mo = {0};
	const char *why;
	struct texts *t;

	po_put(&mo, entries, n);
	t = texts_new(buf_as_str(&mo), refused, &why);
	assert_non_null(t);
	assert_null(why);
	buf_fini(&mo);
	return t;
}

static void
found_by_the_english_text(void **state)
{
	static const struct po_entry entries[] = {{STR("No such mailbox"), STR("Kein Postfach")},
	    {STR("Done"), STR("Fertig \xc3\xa4")}, {STR("Closed"), STR("")}};
	struct buf refused = {0};
	struct texts *t = make(entries, 3, &refused);

	(void)state;
	assert_string_equal(texts_find(t, "No such mailbox"), "Kein Postfach");
	assert_string_equal(texts_find(t, "Done"), "Fertig \xc3\xa4");
	assert_string_equal(texts_find(t, "Closed"), "Closed");
	assert_string_equal(texts_find(t, "Done "), "Done ");
	assert_string_equal(texts_find(t, ""), "");
	assert_int_equal(texts_count(t), 2);
	assert_int_equal(refused.n, 0);
	texts_free(&t);
}

/* Without a catalogue it is the same pointer: nothing was looked up. */
static void
english_is_the_identity(void **state)
{
	const char *text = "Done";

	(void)state;
	assert_ptr_equal(texts_find(NULL, text), text);
}

static void __attribute__((format(printf, 3, 4)))
print(const struct texts *t, struct buf *out, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	texts_vprint(t, out, format, ap);
	va_end(ap);
}

static void
values_go_into_the_translated_format(void **state)
{
	static const struct po_entry entries[] = {{STR(MISSING), STR("Es fehlt %s, 100%%")},
	    {STR(TWO), STR("Von %2$s: %1$zu, %2$s")}, {STR("No * or %"), STR("Weder * noch %")}};
	struct buf refused = {0}, out = {0};
	struct texts *t = make(entries, 3, &refused);

	(void)state;
	assert_string_equal(texts_translate(t, "No * or %"), "Weder * noch %");
	print(t, &out, MISSING, "l");
	assert_string_equal(buf_cstr(&out), "Es fehlt l, 100%");
	out.n = 0;
	print(t, &out, TWO, (size_t)3, "five");
	assert_string_equal(buf_cstr(&out), "Von five: 3, five");
	out.n = 0;
	print(NULL, &out, TWO, (size_t)3, "five");
	assert_string_equal(buf_cstr(&out), "3 of five");
	texts_free(&t);
	buf_fini(&out);
}

/* A format must take from the stack what the caller puts there. */
static void
other_conversions_are_refused(void **state)
{
	static const struct po_entry wrong[] = {{STR(MISSING), STR("%d")},
	    {STR(MISSING), STR("none")}, {STR(MISSING), STR("%s %s")}, {STR(MISSING), STR("%n")},
	    {STR(MISSING), STR("%*s")}, {STR(MISSING), STR("%2$s")}, {STR(MISSING), STR("%")},
	    {STR(MISSING), STR("%ls")}, {STR(TWO), STR("%s of %zu")}, {STR(TWO), STR("%u of %s")},
	    {STR(TWO), STR("%1$zu of %s")}, {STR(TWO), STR("%1$zu of %1$zu")},
	    {STR(TWO), STR("%2$zu of %1$s")}, {STR(TWO), STR("%1$zu of %10$s")},
	    {STR("Done"), STR("%s")}, {STR("Done"), STR("100 %")}, {STR(CUT), STR("%n")},
	    {STR(CUT), STR(CUT)}, {STR("%f left"), STR("noch %f")}, {STR("%s or %"), STR("%s %s")},
	    {STR("%d %n"), STR("%d %n")}, {STR("5 % of it"), STR("%s")}};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		struct buf refused = {0}, line = {0};
		struct texts *t = make(&wrong[i], 1, &refused);

		if (texts_count(t) != 0)
			fail_msg("taken: %s", wrong[i].said.p);
		assert_int_equal(texts_refused(t), 1);
		buf_printf(&line,
		    "\"%s\": the conversions (%%s) are not those of the English text\n",
		    wrong[i].english.p);
		assert_string_equal(buf_cstr(&refused), buf_cstr(&line));
		assert_string_equal(texts_translate(t, wrong[i].english.p), wrong[i].english.p);
		texts_free(&t);
		buf_fini(&refused);
		buf_fini(&line);
	}
}

static void
what_breaks_a_line_is_refused(void **state)
{
	static char longest[TEXTS_LENGTH_MAX + 2];
	struct po_entry wrong[] = {{STR("a"), STR("b\r\n* BYE c")}, {STR("d"), STR("e\nf")},
	    {STR("g"), STR("h\0i")}, {STR("j\0k"), STR("l\0m")}, {STR("menu\4n"), STR("o")},
	    {STR("p"), STR("\xff")}, {STR("q"), {longest, TEXTS_LENGTH_MAX + 1}},
	    {STR("r"), {longest + 1, TEXTS_LENGTH_MAX}}};
	struct buf refused = {0};
	struct texts *t;

	(void)state;
	memset(longest, 'x', sizeof(longest) - 1);
	t = make(wrong, 8, &refused);
	assert_int_equal(texts_count(t), 1);
	assert_string_equal(texts_translate(t, "r"), longest + 1);
	assert_int_equal(texts_refused(t), 7);
	assert_non_null(strstr(buf_cstr(&refused), "\"a\": a line break, or another control"));
	assert_non_null(strstr(buf_cstr(&refused), "\"j\": a plural form"));
	assert_non_null(strstr(buf_cstr(&refused), "\"p\": not UTF-8"));
	assert_non_null(strstr(buf_cstr(&refused), "\"q\": too long"));
	texts_free(&t);
	buf_fini(&refused);
}

/* ---- files */

static void
other_files_are_refused(void **state)
{
	struct buf mo = {0}, latin = {0}, refused = {0};
	const char *why;

	(void)state;
	assert_null(texts_new(STR(""), &refused, &why));
	assert_string_equal(why, "not a catalogue (.mo)");
	assert_null(texts_new(STR("msgid \"\"\nmsgstr \"Language: de\"\n"), &refused, &why));
	assert_string_equal(why, "not a catalogue (.mo)");
	po_put(&mo, NULL, 0);
	buf_str(&latin, buf_as_str(&mo));
	memcpy(memmem(latin.p, latin.n, "UTF-8", 5), "8859_", 5);
	assert_null(texts_new(buf_as_str(&latin), &refused, &why));
	assert_string_equal(why, "its header does not say charset=UTF-8");
	buf_fini(&mo);
	buf_fini(&latin);
}

/* Whatever a byte becomes and wherever the file ends, nothing is read beyond it (sanitizers
 * check). */
static void
damaged_files(void **state)
{
	static const struct po_entry entries[] = {
	    {STR("Done"), STR("Fertig")}, {STR(MISSING), STR("Es fehlt %s")}};
	static const unsigned char bytes[] = {0, 1, 0x7f, 0xff};
	struct buf mo = {0}, refused = {0};
	const char *why;

	(void)state;
	po_put(&mo, entries, 2);
	for (size_t n = 0; n < mo.n; n++)
		for (size_t k = 0; k < sizeof(bytes); k++) {
			char *copy = malloc(mo.n - (k == 0 ? n : 0));
			struct str s = {copy, mo.n - (k == 0 ? n : 0)};
			struct texts *t;

			memcpy(copy, mo.p, s.n);
			if (k > 0)
				copy[n] = (char)bytes[k];
			t = texts_new(s, &refused, &why);
			assert_int_equal(t == NULL, why != NULL);
			if (t != NULL)
				(void)texts_find(t, "Done");
			texts_free(&t);
			free(copy);
		}
	buf_fini(&mo);
	buf_fini(&refused);
}

static void
big_endian_files(void **state)
{
	static const struct po_entry entries[] = {{STR("Done"), STR("Fertig")}};
	struct buf mo = {0}, refused = {0};
	struct texts *t;
	const char *why;

	(void)state;
	po_put(&mo, entries, 1);
	for (size_t at = 0; at < 28 + 16 * 2; at += 4) {
		struct rd rd = rd_of((struct str){mo.p + at, 4});
		uint32_t v = rd_be32(&rd);

		memcpy(mo.p + at, &v, 4);
	}
	t = texts_new(buf_as_str(&mo), &refused, &why);
	assert_non_null(t);
	assert_string_equal(texts_find(t, "Done"), "Fertig");
	texts_free(&t);
	buf_fini(&mo);
}

/* ---- folders */

static char folder[64];

static void
write_file(const char *name, struct str bytes)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	assert_non_null(f);
	fwrite(bytes.p, 1, bytes.n, f);
	fclose(f);
}

static void
drop_file(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	unlink(path);
}

static void
a_folder_has_a_file_for_each_language(void **state)
{
	static const char *const names[] = {
	    "de.mo", "pt-BR.mo", "PT-br.mo", "x_y.mo", "fr.mo", "README", "-.mo"};
	static const struct po_entry good[] = {{STR("Done"), STR("Fertig")}};
	struct po_entry bad[12];
	struct buf mo = {0}, odd = {0}, faults = {0}, warnings = {0};
	const struct texts_language *l;
	struct texts_set *set, *same;

	(void)state;
	strcpy(folder, "/tmp/turnstone-texts-XXXXXX");
	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < 12; i++)
		bad[i] = (struct po_entry){STR("Done"), STR("%s")};
	po_put(&mo, good, 1);
	po_put(&odd, bad, 12);
	write_file("de.mo", buf_as_str(&mo));
	write_file("pt-BR.mo", buf_as_str(&odd));
	write_file("x_y.mo", buf_as_str(&mo));
	write_file("-.mo", buf_as_str(&mo));
	write_file("fr.mo", STR("msgid"));
	write_file("README", STR("no catalogue"));
	set = texts_set_load(folder, &faults, &warnings);
	assert_int_equal(texts_set_languages(set, &l), 2);
	assert_string_equal(l[0].tag, "de");
	assert_string_equal(l[1].tag, "pt-BR");
	assert_string_equal(texts_find(texts_set_find(set, STR("DE")), "Done"), "Fertig");
	assert_string_equal(texts_find(texts_set_find(set, STR("pt-br")), "Done"), "Done");
	assert_null(texts_set_find(set, STR("fr")));
	/* It names the file and the entry, if that helps, then how many there are. */
	assert_non_null(strstr(buf_cstr(&faults), "/fr.mo: not a catalogue (.mo)\n"));
	assert_non_null(strstr(buf_cstr(&warnings), "/pt-BR.mo: \"Done\": the conversions (%s)"));
	assert_non_null(strstr(buf_cstr(&warnings), "/pt-BR.mo: 2 entries more are refused\n"));
	assert_non_null(strstr(buf_cstr(&warnings), "/x_y.mo: passed over"));
	assert_non_null(strstr(buf_cstr(&warnings), "/-.mo: passed over"));
	/* Whoever holds it keeps it. */
	same = texts_set_ref(set);
	texts_set_unref(&set);
	assert_string_equal(texts_find(texts_set_find(same, STR("de")), "Done"), "Fertig");
	texts_set_unref(&same);
	/* Tags are case-insensitive. */
	write_file("PT-br.mo", buf_as_str(&mo));
	faults.n = 0;
	set = texts_set_load(folder, &faults, &warnings);
	assert_non_null(strstr(buf_cstr(&faults), ": this language has another file\n"));
	texts_set_unref(&set);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		drop_file(names[i]);
	rmdir(folder);
	/* No folder: a fault, and no language. */
	faults.n = 0;
	set = texts_set_load(folder, &faults, &warnings);
	assert_non_null(strstr(buf_cstr(&faults), ": No such file or directory\n"));
	assert_int_equal(texts_set_languages(set, &l), 0);
	texts_set_unref(&set);
	buf_fini(&mo);
	buf_fini(&odd);
	buf_fini(&faults);
	buf_fini(&warnings);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(found_by_the_english_text),
	    cmocka_unit_test(english_is_the_identity),
	    cmocka_unit_test(values_go_into_the_translated_format),
	    cmocka_unit_test(other_conversions_are_refused),
	    cmocka_unit_test(what_breaks_a_line_is_refused),
	    cmocka_unit_test(other_files_are_refused),
	    cmocka_unit_test(damaged_files),
	    cmocka_unit_test(big_endian_files),
	    cmocka_unit_test(a_folder_has_a_file_for_each_language),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
