/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: test_extension_table [--write] doc/imap-extensions.md
 *
 * The tables in the documentation come from those of the extensions: this program prints what is
 * between the marks.  Without --write it compares them, and checks that each capability has a line
 * in the table of transcripts, and that the tests named there exist.
 */
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "imap/ext/list.h"

#define BEGIN "<!-- made from the tables in src/imap -->\n"
#define END "<!-- end of what is made -->\n"

/* ---- printing */

static const char *
states_of(unsigned states)
{
	switch (states) {
	case IMAP_ANY:
		return "always";
	case IMAP_NOAUTH:
		return "before login";
	case IMAP_LOGGED_IN:
		return "after login";
	default:
		return "with a mailbox selected";
	}
}

static void
put_cap(struct buf *out, const struct imap_cap *cap)
{
	buf_printf(out, "| %s%s | %s | %s%s%s |\n", cap->word,
	    cap->value != NULL || cap->words != NULL ? "…" : "", cap->rfc != NULL ? cap->rfc : "",
	    states_of(cap->states), cap->shown != NULL ? ", " : "",
	    cap->shown != NULL ? cap->shown : "");
}

static void
put_code(struct buf *out, const struct imap_code *code)
{
	buf_printf(out, "| %s | %s | %s |\n", code->name, code->rfc, code->when);
}

/* Appends "FETCH BINARY, BINARY.SIZE; ": the names in a table with rows of any kind. */
static void
put_names(struct buf *out, const char *kind, const void *rows, size_t size)
{
	const char *between = kind;

	for (const char *row = rows; row != NULL; row += size) {
		const char *name = *(const char *const *)row;

		if (name == NULL)
			break;
		if (name[0] == '(') /* the engine's own */
			continue;
		buf_printf(out, "%s %s", between, name);
		between = ",";
	}
	if (between != kind)
		buf_puts(out, "; ");
}

#define NAMES(kind, rows) put_names(out, kind, ext->rows, sizeof(*ext->rows))

static void
put_ext(struct buf *out, const struct imap_ext *ext)
{
	buf_printf(out, "| %s | %s | ", ext->name, ext->title);
	NAMES("command", cmds);
	NAMES("ENABLE", enables);
	NAMES("FETCH", fetch_items);
	NAMES("FETCH modifier", fetch_modifiers);
	NAMES("STORE modifier", store_modifiers);
	NAMES("SEARCH", search_keys);
	NAMES("SEARCH RETURN", search_returns);
	NAMES("SORT", sort_keys);
	NAMES("STATUS", status_items);
	NAMES("LIST", list_selects);
	NAMES("LIST RETURN", list_returns);
	NAMES("SELECT", select_params);
	NAMES("CREATE", create_params);
	NAMES("APPEND", append_data);
	NAMES("NOTIFY", notify_events);
	NAMES("code", codes);
	for (size_t i = 0; ext->conf != NULL && i < ext->conf->n; i++)
		buf_printf(out, "option `%s`; ", ext->conf->opts[i].name);
	if (str_has_suffix(buf_as_str(out), STR("; ")))
		out->n -= 2;
	buf_puts(out, " |\n");
}

#define EACH_ROW(type, rows, put)                                                                  \
	for (size_t i = 0; i < imap_all_extensions_count; i++)                                     \
		for (const struct type *r = imap_all_extensions[i]->rows;                          \
		     r != NULL && *(const char *const *)r != NULL; r++)                            \
	put(out, r)

static void
put_all(struct buf *out)
{
	buf_puts(out, "\n## Capabilities\n\n| Word | RFC | Shown |\n| --- | --- | --- |\n");
	EACH_ROW(imap_cap, caps, put_cap);
	buf_puts(out, "\n## What brings what\n\n| File | Title | Brings |\n| --- | --- | --- |\n");
	for (size_t i = 0; i < imap_all_extensions_count; i++)
		put_ext(out, imap_all_extensions[i]);
	buf_puts(out, "\n## Response codes\n\n| Code | RFC | When |\n| --- | --- | --- |\n");
	EACH_ROW(imap_code, codes, put_code);
	buf_putc(out, '\n');
}

/* ---- the document */

static void
read_file(const char *path, struct buf *text)
{
	FILE *f = fopen(path, "r");
	char piece[4096];
	size_t n;

	if (f == NULL) {
		perror(path);
		exit(1);
	}
	while ((n = fread(piece, 1, sizeof(piece), f)) > 0)
		buf_put(text, piece, n);
	fclose(f);
	(void)buf_cstr(text);
}

static void
write_file(const char *path, const struct buf *text)
{
	FILE *f = fopen(path, "w");

	if (f == NULL || fwrite(text->p, 1, text->n, f) != text->n || fclose(f) != 0) {
		perror(path);
		exit(1);
	}
}

/* Whether a line of the hand-written table begins with the word. */
static bool
is_tried(const char *rest, const struct imap_cap *cap)
{
	struct buf line = {0};
	bool found;

	buf_printf(&line, "\n| %s ", cap->word);
	if (cap->value != NULL || cap->words != NULL)
		line.n--;
	found = strstr(rest, buf_cstr(&line)) != NULL;
	if (!found)
		fprintf(stderr, "%s: no line says where it is tried\n", cap->word);
	buf_fini(&line);
	return found;
}

static bool
all_tried(const char *rest)
{
	bool ok = true;

	for (size_t i = 0; i < imap_all_extensions_count; i++)
		for (const struct imap_cap *c = imap_all_extensions[i]->caps;
		     c != NULL && c->word != NULL; c++)
			ok = is_tried(rest, c) && ok;
	return ok;
}

/* Whether the test exists: "login" is test/imap/login.imt or login.c, "test_sasl.py" is in
 * test/e2e. */
static bool
is_there(const char *root, struct str name)
{
	static const struct {
		const char *folder, *ending;
	} places[] = {{"test/imap/", ".imt"}, {"test/imap/", ".c"}, {"test/e2e/", ""}};
	bool found = str_eq(name, STR("all"));

	for (size_t i = 0; i < sizeof(places) / sizeof(*places) && !found; i++) {
		struct buf path = {0};
		glob_t files;

		buf_printf(
		    &path, "%s%s%.*s%s", root, places[i].folder, STR_ARG(name), places[i].ending);
		found = glob(buf_cstr(&path), 0, NULL, &files) == 0;
		globfree(&files);
		buf_fini(&path);
	}
	if (!found)
		fprintf(stderr, "%.*s: no such test\n", STR_ARG(name));
	return found;
}

/* For a line of a table whose last column names tests: "| ID | id, id_front; test_fronts.py |". */
static bool
tests_are_there(const char *root, struct str line)
{
	struct str cell = STR(""), name;
	bool ok = true;

	for (struct str one; str_split(&line, '|', &one);)
		if (str_trim(one).n > 0)
			cell = str_trim(one);
	if (str_eq(cell, STR("Transcripts")) || str_eq(cell, STR("---")))
		return true;
	while (str_split(&cell, ' ', &name)) {
		while (name.n > 0 && (name.p[name.n - 1] == ',' || name.p[name.n - 1] == ';'))
			name.n--;
		ok = is_there(root, name) && ok;
	}
	return ok;
}

static bool
all_there(const char *path, const char *rest)
{
	struct buf root = {0};
	struct str text = str_of(rest);
	bool ok = true;

	if (str_has_suffix(str_of(path), STR("doc/imap-extensions.md")))
		buf_put(&root, path, strlen(path) - strlen("doc/imap-extensions.md"));
	for (struct str line; str_split(&text, '\n', &line);)
		if (str_has_prefix(line, STR("| ")))
			ok = tests_are_there(buf_cstr(&root), line) && ok;
	buf_fini(&root);
	return ok;
}

int
main(int argc, char **argv)
{
	bool writes = argc == 3 && strcmp(argv[1], "--write") == 0, ok;
	const char *path = argv[argc - 1], *begin, *end;
	struct buf text = {0}, made = {0};

	if (argc != 2 && !writes)
		return 2;
	read_file(path, &text);
	begin = strstr(text.p, BEGIN);
	end = strstr(text.p, END);
	if (begin == NULL || end == NULL) {
		fprintf(stderr, "%s: the marks are missing\n", path);
		return 1;
	}
	buf_put(&made, text.p, (size_t)(begin - text.p) + strlen(BEGIN));
	put_all(&made);
	buf_puts(&made, end);
	ok = all_tried(end);
	ok = all_there(path, end) && ok;
	if (writes) {
		write_file(path, &made);
	} else if (!str_eq(buf_as_str(&made), buf_as_str(&text))) {
		fprintf(stderr, "%s is old; make it new: %s --write %s\n", path, argv[0], path);
		ok = false;
	}
	buf_fini(&made);
	buf_fini(&text);
	return ok ? 0 : 1;
}
