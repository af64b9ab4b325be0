/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEXTS_TEXTS_H
#define TEXTS_TEXTS_H
/*
 * texts: what the server says to people, in their language.  The English text is the key: a
 * catalogue maps it to a translation, and a text without one stays English.
 *
 * Texts are written in English where they are said and translated where they are printed, so most
 * code passes an English `const char *` around.  tools/texts.py collects them in po/turnstone.pot:
 * literal arguments of the functions that it lists, and literals in N_() (base/str.h) for those
 * that reach such a function through a variable.  A text with values is a printf format; it is
 * translated before the values go in.
 *
 * Catalogues are the .mo files of gettext's msgfmt, in UTF-8, one for each language.  They come
 * from outside, so each entry is checked when the file is read (texts_new()).
 * doc/decisions/10-texts.md says why glibc's gettext() does not do.
 */
#include "base/buf.h"
#include "base/str.h"

struct texts; /* a catalogue; never changes */

/* The translation of an English text, or the text itself.  t may be NULL: English. */
const char *texts_translate(const struct texts *t, const char *english)
    __attribute__((format_arg(2)));
static inline const char *__attribute__((format_arg(2)))
texts_find(const struct texts *t, const char *english)
{
	return t == NULL ? english : texts_translate(t, english);
}
/* Appends a text with values: the format is translated. */
void texts_vprint(const struct texts *t, struct buf *out, const char *format, va_list ap)
    __attribute__((format(printf, 3, 0)));

/* ---- reading them ---- */

#define TEXTS_FILE_MAX (4u << 20) /* bytes of a catalogue */
#define TEXTS_LENGTH_MAX 500      /* bytes of a translation: it goes into one line */
#define TEXTS_LANGUAGES_MAX 100   /* catalogues in a folder */

/*
 * Makes a catalogue of the bytes of a .mo file.  NULL, and why, if they are not one in UTF-8.
 * An entry that must not be used is left out, so that its text stays English, and told in *refused
 * as a line `"ENGLISH": why`: conversions (%s) that are not those of the English text, a line
 * break, a NUL, more than TEXTS_LENGTH_MAX, a plural form or a context, which no text here has.
 */
struct texts *texts_new(struct str mo, struct buf *refused, const char **why_r);
void texts_free(struct texts **t); /* NULL is fine */
size_t texts_count(const struct texts *t);
size_t texts_refused(const struct texts *t);
/* For tests: calls missed() with each text that has no translation. */
void texts_on_miss(struct texts *t, void (*missed)(const char *english));

/* The catalogues of a folder: one snapshot, counted; any thread may take and drop references. */
struct texts_set;
struct texts_language {
	char tag[36]; /* RFC 5646: "de", "pt-BR" */
	struct texts *texts;
};

/*
 * Reads FOLDER/LANGUAGE.mo for every language there is.  Appends lines `FILE: what is wrong`: to
 * faults for what cannot be used, to warnings for entries that are refused (the first ones of
 * a file, then how many more) and for files that are not named after a language.  Blocks.  Never
 * NULL.
 */
struct texts_set *texts_set_load(const char *folder, struct buf *faults, struct buf *warnings);
struct texts_set *texts_set_ref(struct texts_set *set); /* NULL is fine, also below */
void texts_set_unref(struct texts_set **set);
/* In the order of the tags. */
size_t texts_set_languages(const struct texts_set *set, const struct texts_language **languages_r);
/* Without regard to case; NULL: there is none. */
const struct texts *texts_set_find(const struct texts_set *set, struct str tag);

/* ---- private, shared by the files of this folder ---- */

/* Do both formats convert the same values in the same way?  Those of the translation may stand in
 * another order, with numbers (%2$s).  A text without conversions has none in its translation; one
 * with a conversion that is not known here has no translation. */
bool texts_same_conversions(const char *english, const char *said);
#endif
