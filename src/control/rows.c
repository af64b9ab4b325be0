/* SPDX-License-Identifier: Apache-2.0 */
/* Writing, reading and printing rows of values. */
#include "control/rows.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "control/request.h"

enum { COLUMNS_MAX = 16 };

static void
put_pair(struct buf *out, char type, const char *key, struct str value)
{
	buf_putc(out, type);
	buf_putc(out, ' ');
	request_put(out, key, value);
}

void
row_str(struct buf *out, const char *key, struct str value)
{
	put_pair(out, 's', key, value);
}

void
row_u64(struct buf *out, const char *key, uint64_t value)
{
	buf_printf(out, "n %s %llu\n", key, (unsigned long long)value);
}

void
row_bool(struct buf *out, const char *key, bool value)
{
	put_pair(out, 'b', key, value ? STR("yes") : STR("no"));
}

void
row_list(struct buf *out, const char *key)
{
	put_pair(out, 'L', key, STR(""));
}

void
row_item(struct buf *out, const char *key, struct str value)
{
	put_pair(out, 'l', key, value);
}

void
row_end(struct buf *out)
{
	buf_putc(out, '\n');
}

bool
rows_next(struct str *rows, struct str *row_r)
{
	const char *end;

	if (rows->n == 0)
		return false;
	end = str_find(*rows, STR("\n\n"));
	*row_r = *rows;
	if (end == NULL) {
		*rows = STR("");
		return true;
	}
	*row_r = str_range(rows->p, end + 1);
	*rows = str_range(end + 2, rows->p + rows->n);
	return true;
}

bool
row_next(struct str *row, char *type_r, struct str *key_r, struct buf *value_r)
{
	struct str line, type;

	value_r->n = 0;
	if (!str_split(row, '\n', &line) || !str_split(&line, ' ', &type) || type.n != 1 ||
	    !str_split(&line, ' ', key_r))
		return false;
	*type_r = type.p[0];
	return request_unescape(line, value_r);
}

bool
row_find(struct str row, const char *key, size_t i, struct buf *value_r)
{
	struct str k;
	char type;

	while (row_next(&row, &type, &k, value_r))
		if (type != 'L' && str_eq(k, str_of(key)) && i-- == 0)
			return true;
	value_r->n = 0;
	return false;
}

/* ---- JSON ---- */

static void
json_row(struct json *j, struct str row)
{
	struct buf value = {0};
	struct str key;
	bool list = false;
	char type;

	json_open(j, '{');
	while (row_next(&row, &type, &key, &value)) {
		uint64_t n = 0;

		if (list && type != 'l')
			json_close(j, ']');
		list = type == 'l' || type == 'L';
		if (type != 'l')
			json_key_str(j, key);
		if (type == 'L')
			json_open(j, '[');
		else if (type == 'n' && str_u64(buf_as_str(&value), UINT64_MAX, &n))
			json_u64(j, n);
		else if (type == 'b')
			json_bool(j, str_eq(buf_as_str(&value), STR("yes")));
		else
			json_str(j, buf_as_str(&value));
	}
	if (list)
		json_close(j, ']');
	json_close(j, '}');
	buf_fini(&value);
}

static void
print_json_line(struct buf *out)
{
	buf_putc(out, '\n');
	(void)fwrite(out->p, 1, out->n, stdout);
	buf_fini(out);
}

void
rows_print_json(struct str rows)
{
	struct buf out = {0};
	struct json j = {.out = &out};
	struct str row;

	json_open(&j, '[');
	while (rows_next(&rows, &row))
		json_row(&j, row);
	json_close(&j, ']');
	print_json_line(&out);
}

void
row_print_json(struct str row)
{
	struct buf out = {0};
	struct json j = {.out = &out};

	json_row(&j, row);
	print_json_line(&out);
}

/* ---- tables ---- */

/* In characters, not bytes. */
static size_t
width_of(struct str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static void
cell(struct buf *out, const struct rows_column *c, struct str text, size_t width, bool last)
{
	size_t pad = width - width_of(text);

	for (size_t i = 0; c->right && i < pad; i++)
		buf_putc(out, ' ');
	while (text.n > 0) {
		size_t n = str_showable(text);

		if (n > 0)
			buf_put(out, text.p, n);
		else
			buf_putc(out, '?');
		n = n > 0 ? n : 1;
		text.p += n;
		text.n -= n;
	}
	for (size_t i = 0; !c->right && !last && i < pad; i++)
		buf_putc(out, ' ');
	buf_puts(out, last ? "\n" : "  ");
}

static void
widths(struct str rows, const struct rows_column *columns, size_t *width)
{
	struct buf value = {0};
	struct str row;

	for (size_t c = 0; columns[c].key != NULL; c++)
		width[c] = strlen(columns[c].title);
	while (rows_next(&rows, &row))
		for (size_t c = 0; columns[c].key != NULL; c++) {
			size_t n;

			row_find(row, columns[c].key, 0, &value);
			n = width_of(buf_as_str(&value));
			width[c] = n > width[c] ? n : width[c];
		}
	buf_fini(&value);
}

void
rows_print_table(struct str rows, const struct rows_column *columns)
{
	size_t width[COLUMNS_MAX];
	struct buf out = {0}, value = {0};
	struct str row;

	if (rows.n == 0)
		return;
	widths(rows, columns, width);
	for (size_t c = 0; columns[c].key != NULL; c++)
		cell(&out, &columns[c], str_of(columns[c].title), width[c],
		    columns[c + 1].key == NULL);
	while (rows_next(&rows, &row))
		for (size_t c = 0; columns[c].key != NULL; c++) {
			row_find(row, columns[c].key, 0, &value);
			cell(&out, &columns[c], buf_as_str(&value), width[c],
			    columns[c + 1].key == NULL);
		}
	(void)fwrite(out.p, 1, out.n, stdout);
	buf_fini(&value);
	buf_fini(&out);
}

bool
rows_tell_faults(struct str rows, const char *command, const char *kind)
{
	struct buf name = {0}, fault = {0};
	struct str row;
	bool any = false;

	while (rows_next(&rows, &row)) {
		if (!row_find(row, ROW_FAULT, 0, &fault))
			continue;
		row_find(row, "name", 0, &name);
		fprintf(stderr, "turnstone %s: %s %.*s: the record has an %.*s\n", command, kind,
		    STR_ARG(buf_as_str(&name)), STR_ARG(buf_as_str(&fault)));
		any = true;
	}
	buf_fini(&name);
	buf_fini(&fault);
	return any;
}
