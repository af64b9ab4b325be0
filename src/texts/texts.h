/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEXTS_TEXTS_H
#define TEXTS_TEXTS_H
/*
 * texts: the server's texts for people, in their language.  The English text is the key: a
 * catalogue maps it to a translation, and a text without one stays English.
 *
 * The code has English texts and translates them when it prints them, so most functions pass an
 * English `const char *`.  tools/texts.py collects them in po/turnstone.pot: the literal arguments
 * of the functions it lists, and literals in N_() (base/str.h) that reach such a function through a
 * variable.  A text with values is a printf format, and is translated before the values are
 * inserted.
 *
 * Catalogues are .mo files from gettext's msgfmt, in UTF-8, one for each language.  They come from
 * outside, so each entry is checked when the file is read (texts_new()).
 * doc/decisions/10-texts.md says why glibc's gettext() is not used.
 */
#include "base/buf.h"
#include "base/str.h"

struct texts; /* an immutable catalogue */

/* Returns the translation of an English text, or the text itself.  t NULL: English. */
const char *texts_translate(const struct texts *t, const char *english)
    __attribute__((format_arg(2)));
static inline const char *__attribute__((format_arg(2)))
texts_find(const struct texts *t, const char *english)
{
	return t == NULL ? english : texts_translate(t, english);
}
/* Translates the format and appends it with its values. */
void texts_vprint(const struct texts *t, struct buf *out, const char *format, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* ---- reading catalogues ---- */

#define TEXTS_FILE_MAX (4u << 20) /* bytes of a catalogue */
#define TEXTS_LENGTH_MAX 500      /* bytes of a translation, which must fit in a line */
#define TEXTS_LANGUAGES_MAX 100   /* catalogues in a folder */

/*
 * Makes a catalogue from the bytes of a .mo file in UTF-8.  NULL: *why_r says why not.  An invalid
 * entry is left out, so its text stays English, and reported in *refused as a line `"ENGLISH":
 * why`: conversions (%s) other than those of the English text, a line break, a NUL, more than
 * TEXTS_LENGTH_MAX bytes, or a plural form or context, which no text here has.
 */
struct texts *texts_new(struct str mo, struct buf *refused, const char **why_r);
void texts_free(struct texts **t); /* NULL is fine */
size_t texts_count(const struct texts *t);
size_t texts_refused(const struct texts *t);
/* For tests: calls missed() with each text that has no translation. */
void texts_on_miss(struct texts *t, void (*missed)(const char *english));

/* The catalogues of a folder: a reference-counted snapshot; any thread may take and drop
 * references. */
struct texts_set;
struct texts_language {
	char tag[36]; /* RFC 5646: "de", "pt-BR" */
	struct texts *texts;
};

/*
 * Reads all FOLDER/LANGUAGE.mo.  Appends lines `FILE: what is wrong`: to faults for files that
 * cannot be used, to warnings for rejected entries (the first ones of a file, then their number)
 * and for files whose name is not a language.  Blocks.  Never returns NULL.
 */
struct texts_set *texts_set_load(const char *folder, struct buf *faults, struct buf *warnings);
struct texts_set *texts_set_ref(struct texts_set *set); /* NULL is fine, also below */
void texts_set_unref(struct texts_set **set);
/* The languages in the order of their tags. */
size_t texts_set_languages(const struct texts_set *set, const struct texts_language **languages_r);
/* Finds a tag, case-insensitive; NULL: none. */
const struct texts *texts_set_find(const struct texts_set *set, struct str tag);

/* ---- private, shared by the files of this folder ---- */

/* Whether both formats convert the same values in the same way.  The translation may change the
 * order with numbers (%2$s).  A text without conversions must have none in its translation; a text
 * with an unknown conversion cannot be translated. */
bool texts_same_conversions(const char *english, const char *said);
#endif
