/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A catalogue in memory, made from a .mo file (gettext manual, "The Format of GNU MO Files"): two
 * tables of lengths and offsets, one for the English texts and one for the translations, in the
 * writer's byte order.  The file's hash table is not used.
 */
#include "texts/texts.h"

#include <stdlib.h>

#include "base/mem.h"

#define MAGIC 0x950412deu
enum { HEADER = 28, ROW = 8 };

struct entry {
	const char *english, *said; /* in bytes */
};

struct texts {
	char *bytes; /* the file's */
	struct entry *v;
	size_t n, refused;
	void (*missed)(const char *english);
};

struct mo {
	struct str bytes;
	bool big; /* endian */
	uint32_t n, english, said;
};

static uint32_t
read_word(const struct mo *mo, size_t at)
{
	struct rd rd = rd_of((struct str){mo->bytes.p + at, 4});

	return mo->big ? rd_be32(&rd) : rd_le32(&rd);
}

static bool
read_header(struct str bytes, struct mo *mo)
{
	*mo = (struct mo){.bytes = bytes};
	if (bytes.n < HEADER)
		return false;
	mo->big = read_word(mo, 0) != MAGIC;
	if (read_word(mo, 0) != MAGIC || read_word(mo, 4) >> 16 > 1) /* major version */
		return false;
	mo->n = read_word(mo, 8);
	mo->english = read_word(mo, 12);
	mo->said = read_word(mo, 16);
	return mo->n <= bytes.n / ROW && mo->english <= bytes.n - (size_t)mo->n * ROW &&
	       mo->said <= bytes.n - (size_t)mo->n * ROW;
}

/* Without the NUL after it, which is required. */
static bool
read_string(const struct mo *mo, uint32_t table, size_t i, struct str *s_r)
{
	size_t n = read_word(mo, table + i * ROW), at = read_word(mo, table + i * ROW + 4);

	if (at >= mo->bytes.n || n >= mo->bytes.n - at || mo->bytes.p[at + n] != '\0')
		return false;
	*s_r = (struct str){mo->bytes.p + at, n};
	return true;
}

static bool
has_control(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' || s.p[i] == '\x7f')
			return true;
	return false;
}

/* Checks a translation; NULL: valid. */
static const char *
fault_of(struct str english, struct str said)
{
	if (str_chr(english, '\0') != NULL || str_chr(said, '\0') != NULL)
		return "a plural form, or a NUL";
	if (str_chr(english, '\4') != NULL)
		return "a context";
	if (has_control(said))
		return "a line break, or another control character";
	if (said.n > TEXTS_LENGTH_MAX)
		return "too long";
	if (!str_is_utf8(said))
		return "not UTF-8";
	if (!texts_same_conversions(english.p, said.p))
		return "the conversions (%s) are not those of the English text";
	return NULL;
}

static void
add(struct texts *t, struct str english, struct str said, struct buf *refused)
{
	const char *why = fault_of(english, said);

	if (why == NULL) {
		t->v[t->n++] = (struct entry){english.p, said.p};
		return;
	}
	t->refused++;
	english.n = strnlen(english.p, english.n);
	buf_printf(refused, "\"%.*s\": %s\n", STR_ARG(english), why);
}

static int
compare(const void *a, const void *b)
{
	return strcmp(((const struct entry *)a)->english, ((const struct entry *)b)->english);
}

/* Checks the header: the translation of the empty text. */
static bool
says_utf8(struct str header)
{
	const char *charset = str_find(header, STR("charset="));

	return charset != NULL &&
	       str_has_iprefix(str_range(charset, header.p + header.n), STR("charset=UTF-8"));
}

static const char *
take_entries(struct texts *t, const struct mo *mo, struct buf *refused)
{
	bool utf8 = false;

	for (size_t i = 0; i < mo->n; i++) {
		struct str english, said;

		if (!read_string(mo, mo->english, i, &english) ||
		    !read_string(mo, mo->said, i, &said))
			return "a damaged catalogue";
		if (english.n == 0)
			utf8 = says_utf8(said);
		else if (said.n > 0)
			add(t, english, said, refused);
	}
	qsort(t->v, t->n, sizeof(*t->v), compare);
	return utf8 ? NULL : "its header does not say charset=UTF-8";
}

struct texts *
texts_new(struct str bytes, struct buf *refused, const char **why_r)
{
	struct texts *t;
	struct mo mo;

	*why_r = "not a catalogue (.mo)";
	if (!read_header(bytes, &mo))
		return NULL;
	t = mem_zalloc(sizeof(*t));
	t->bytes = mem_dup(bytes.p, bytes.n);
	mo.bytes.p = t->bytes;
	t->v = mem_zalloc(((size_t)mo.n + 1) * sizeof(*t->v));
	*why_r = take_entries(t, &mo, refused);
	if (*why_r != NULL)
		texts_free(&t);
	return t;
}

void
texts_free(struct texts **tp)
{
	struct texts *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	mem_free(t->bytes);
	mem_free(t->v);
	mem_free(t);
}

size_t
texts_count(const struct texts *t)
{
	return t->n;
}

size_t
texts_refused(const struct texts *t)
{
	return t->refused;
}

void
texts_on_miss(struct texts *t, void (*missed)(const char *english))
{
	t->missed = missed;
}

const char *
texts_translate(const struct texts *t, const char *english)
{
	struct entry key = {.english = english};
	const struct entry *found = bsearch(&key, t->v, t->n, sizeof(*t->v), compare);

	if (found == NULL && t->missed != NULL)
		t->missed(english);
	return found != NULL ? found->said : english;
}

void
texts_vprint(const struct texts *t, struct buf *out, const char *format, va_list ap)
{
	buf_vprintf(out, texts_find(t, format), ap);
}
