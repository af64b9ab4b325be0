/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of mailboxes that come from file systems and other servers.
 *
 * If CREATE refuses a name, its characters are replaced by similar ones: '*', '%', '#' by their
 * full-width forms, controls by their pictures (U+2400 on).  That is reversible, so two names stay
 * two.  If that does not work (invalid UTF-8, empty or too many levels, too long, characters that
 * could be replacements), the name gets a hash of the original, and so does a name that another
 * mailbox has.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define HASH_FUNCTION(p, n, hash) ((hash) = (unsigned)XXH3_64bits((p), (n)))
#include <uthash.h>

#include "base/arena.h"
#include "base/mem.h"
#include "port/port.h"
#include "wire/utf7.h"

#define LEVELS 50u
#define BYTES ((size_t)960) /* followed by a hash */

/* ---- one name ---- */

struct fit {
	struct buf *out;
	unsigned levels;
	bool exact;   /* it is reversible */
	bool changed; /* something was replaced */
	bool unsure;  /* something looks like a replacement */
};

static void
replace(struct fit *f, const char *by, bool exact)
{
	buf_puts(f->out, by);
	f->changed = true;
	f->exact = f->exact && exact;
}

static void
put_control(struct fit *f, unsigned char c)
{
	char picture[] = {(char)0xe2, (char)0x90, (char)(0x80 + (c == 0x7f ? 0x21 : c)), 0};

	replace(f, picture, true);
}

static bool
is_replacement(struct str c)
{
	static const char *const wide[] = {"\uff0a", "\uff05", "\uff03"};

	for (size_t i = 0; i < sizeof(wide) / sizeof(*wide); i++)
		if (str_eq(c, str_of(wide[i])))
			return true;
	return c.n == 3 && memcmp(c.p, "\xe2\x90", 2) == 0;
}

/* Returns the bytes of the character that s begins with; 0: invalid UTF-8. */
static size_t
length(struct str s)
{
	for (size_t n = 1; n <= 4 && n <= s.n; n++)
		if (str_is_utf8((struct str){s.p, n}))
			return n;
	return 0;
}

static void
put_char(struct fit *f, struct str c, bool first)
{
	unsigned char b = (unsigned char)c.p[0];

	if (b < ' ' || b == 0x7f)
		put_control(f, b);
	else if (b == '*')
		replace(f, "\uff0a", true);
	else if (b == '%')
		replace(f, "\uff05", true);
	else if (b == '#' && first)
		replace(f, "\uff03", true);
	else if (c.n > 1 && !wire_name_ok(c))
		replace(f, "\ufffd", false);
	else
		buf_str(f->out, c);
	f->unsure = f->unsure || is_replacement(c);
}

static void
put_level(struct fit *f, struct str level)
{
	bool first = f->out->n == 0;

	if (!first && f->levels < LEVELS)
		buf_putc(f->out, '/');
	else if (!first)
		replace(f, "_", false);
	f->levels++;
	for (size_t at = 0, n; at < level.n; at += n) {
		struct str rest = {level.p + at, level.n - at};

		n = length(rest);
		if (n > 0)
			put_char(f, (struct str){rest.p, n}, first && at == 0);
		else
			replace(f, "\ufffd", false);
		n += n == 0;
	}
}

static void
cut_name(struct buf *b)
{
	size_t n = BYTES;

	while (n > 0 && ((unsigned char)b->p[n] & 0xc0) == 0x80)
		n--;
	while (n > 0 && b->p[n - 1] == '/')
		n--;
	b->n = n;
}

static void
put_hash(struct str said, uint64_t seed, struct buf *out)
{
	if (out->n > BYTES)
		cut_name(out);
	buf_printf(out, " ~%08x", (unsigned)XXH3_64bits_withSeed(said.p, said.n, seed));
}

static void
make_normal(struct buf *b)
{
	struct arena *a = arena_new(NULL, ARENA_OTHER, 1024);
	struct str name = wire_name_kept(a, buf_as_str(b));

	if (name.p != b->p) {
		b->n = 0;
		buf_str(b, name);
	}
	arena_free(&a);
}

static void
fit(struct str said, struct buf *out)
{
	struct fit f = {.out = out, .exact = true};
	struct str rest = said, level;

	while (str_split(&rest, '/', &level))
		if (level.n > 0)
			put_level(&f, level);
		else
			f.exact = false;
	if (said.n > 0 && said.p[said.n - 1] == '/')
		f.exact = false;
	make_normal(out);
	if (!f.exact || (f.changed && f.unsure) || out->n > BYTES)
		put_hash(said, 0, out);
}

/* ---- all ---- */

void
port_place_add(struct port_place **places, size_t *n, const char *path, struct str said)
{
	struct buf z = {0};

	if ((*n & (*n + 1)) == 0)
		*places = mem_realloc(*places, (2 * *n + 2) * sizeof(**places));
	buf_str(&z, said);
	(*places)[(*n)++] =
	    (struct port_place){.path = mem_strdup(path), .said = mem_strdup(buf_cstr(&z))};
	buf_fini(&z);
}

void
port_places_free(struct port_place *places, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		mem_free(places[i].path);
		mem_free(places[i].said);
		mem_free(places[i].name);
	}
	mem_free(places);
}

struct name { /* a name in use */
	UT_hash_handle hh;
	const char *text;
};

static bool
is_taken(struct name *taken, const char *text)
{
	struct name *found;

	HASH_FIND_STR(taken, text, found);
	return found != NULL;
}

static void
mark_taken(struct name **taken, const char *text)
{
	struct name *name;

	if (is_taken(*taken, text))
		return;
	name = mem_zalloc(sizeof *name);
	name->text = text;
	HASH_ADD_KEYPTR(hh, *taken, name->text, strlen(name->text), name);
}

static void
put_top(const struct port *port, const char *said, struct buf *out)
{
	if (port->mailbox == NULL) {
		buf_puts(out, said);
		return;
	}
	buf_puts(out, port->mailbox);
	if (!port->inbox_is_top || !str_ieq(str_of(said), STR("INBOX")))
		buf_printf(out, "/%s", said);
}

/* Returns the name unchanged if CREATE accepts it; else NULL, and *why_r. */
static char *
name_as_is(struct str said, const char **why_r)
{
	struct arena *a = arena_new(NULL, ARENA_OTHER, 1024);
	struct str name = wire_name_kept(a, said);
	struct buf z = {0};
	char *copy = NULL;

	*why_r = wire_name_fault(name);
	if (*why_r == NULL) {
		buf_str(&z, name);
		copy = mem_strdup(buf_cstr(&z));
	}
	buf_fini(&z);
	arena_free(&a);
	return copy;
}

static void
name_otherwise(struct port *port, const char *dir, struct port_place *place, const char *why,
    struct name **taken)
{
	struct buf said = {0}, name = {0}, text = {0};
	const char *none;

	put_top(port, place->said, &said);
	fit(buf_as_str(&said), &name);
	for (uint64_t seed = 0; (place->name = name_as_is(buf_as_str(&name), &none)) == NULL ||
	                        is_taken(*taken, place->name);
	     seed++) {
		mem_free(place->name);
		name.n = 0;
		fit(buf_as_str(&said), &name);
		put_hash(buf_as_str(&said), seed, &name);
	}
	mark_taken(taken, place->name);
	buf_printf(&text, "is called %s here: %s", place->name, why);
	port_say(port, dir, place->path, buf_cstr(&text));
	port->renamed++;
	buf_fini(&said);
	buf_fini(&name);
	buf_fini(&text);
}

static int
by_said(const void *a, const void *b)
{
	const struct port_place *x = a, *y = b;
	int c = strcmp(x->said, y->said);

	return c != 0 ? c : strcmp(x->path, y->path);
}

static int
by_place_name(const void *a, const void *b)
{
	const struct port_place *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c != 0 ? c : by_said(a, b);
}

void
port_places(struct port *port, const char *dir, struct port_place *places, size_t n)
{
	const char **why = mem_zalloc((n + 1) * sizeof(*why));
	struct name *taken = NULL, *one, *next;

	if (n > 0)
		qsort(places, n, sizeof *places, by_said);
	for (size_t i = 0; i < n; i++) {
		struct buf full = {0};

		put_top(port, places[i].said, &full);
		places[i].name = name_as_is(buf_as_str(&full), &why[i]);
		if (places[i].name != NULL)
			mark_taken(&taken, places[i].name);
		buf_fini(&full);
	}
	for (size_t i = 0; i < n; i++)
		if (places[i].name == NULL)
			name_otherwise(port, dir, &places[i], why[i], &taken);
	HASH_ITER(hh, taken, one, next)
	{
		HASH_DEL(taken, one);
		mem_free(one);
	}
	mem_free(why);
	if (n > 0)
		qsort(places, n, sizeof *places, by_place_name);
}

bool
port_top_ok(const struct port *port)
{
	const char *why = NULL;

	if (port->mailbox != NULL)
		mem_free(name_as_is(str_of(port->mailbox), &why));
	if (why != NULL)
		fprintf(stderr, "turnstone %s: --mailbox %s: %s\n", port->cmd, port->mailbox, why);
	return why == NULL;
}
