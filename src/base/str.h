/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_STR_H
#define BASE_STR_H
/*
 * base: the foundation of everything else, which knows nothing about mail: strings and buffers,
 * arenas, errors, clock, log, JSON.  Memory never runs out here: a failed allocation ends the
 * process (mem.h).  Start with this header, then buf.h, arena.h, err.h.
 *
 * A length travels with its pointer.  struct str does not own its bytes; they
 * may hold NUL and need not end in one.  Case folding here is ASCII only
 * (protocol words); text for people is folded by ICU in mail.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
	const char *p;
	size_t n;
};

#define STR(literal) ((struct str){"" literal, sizeof(literal) - 1})
#define STR_NONE ((struct str){NULL, 0})
/* Marks a text for people that is translated where it is printed (texts/texts.h).  For
 * tools/texts.py, which cannot find it otherwise. */
#define N_(text) text
/* For printf("%.*s", STR_ARG(s)). */
#define STR_ARG(s) (int)(s).n, ((s).p != NULL ? (s).p : "")

static inline struct str
str_of(const char *z)
{
	return (struct str){z, z != NULL ? strlen(z) : 0};
}

static inline struct str
str_range(const char *from, const char *end)
{
	return (struct str){from, (size_t)(end - from)};
}

static inline bool
str_eq(struct str a, struct str b)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a length has a text */
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static inline unsigned char
ascii_lower(unsigned char c)
{
	return c >= 'A' && c <= 'Z' ? (unsigned char)(c + 32) : c;
}

static inline unsigned char
ascii_upper(unsigned char c)
{
	return c >= 'a' && c <= 'z' ? (unsigned char)(c - 32) : c;
}

/* Compares, ignoring the case of ASCII letters. */
bool str_ieq(struct str a, struct str b);
/* Returns <0, 0, >0 like memcmp; a prefix sorts first. */
int str_cmp(struct str a, struct str b);
int str_icmp(struct str a, struct str b);
bool str_has_prefix(struct str s, struct str prefix);
bool str_has_iprefix(struct str s, struct str prefix);
bool str_has_suffix(struct str s, struct str suffix);
/* Returns the first occurrence of c, or NULL. */
const char *str_chr(struct str s, char c);
/* Returns the first occurrence of part (memmem), or NULL. */
const char *str_find(struct str s, struct str part);
/* Removes blanks, tabs, CR and LF from both ends. */
struct str str_trim(struct str s);
/* Takes everything up to sep off *rest; returns false if *rest was used up.  Without sep takes
 * all. */
bool str_split(struct str *rest, char sep, struct str *part_r);
/* Parses decimal digits only, the whole string, up to max.  Returns false otherwise. */
bool str_u64(struct str s, uint64_t max, uint64_t *value_r);
/* Returns whether it is well-formed UTF-8 (RFC 3629: no surrogates, shortest form, up to
 * U+10FFFF). */
bool str_is_utf8(struct str s);
/* Returns the bytes of the character at the start of s, which is not empty, if it may go to a
 * terminal; 0: show its first byte in another way.  Not for terminals: invalid UTF-8, the controls
 * C0, DEL and C1, and what changes the order or the lines of a text (U+200E, U+200F, U+2028 to
 * U+202E, U+2066 to U+2069, U+FEFF). */
size_t str_showable(struct str s);
bool str_is_ascii(struct str s);
/* Returns the one of n words that s may be a typo of, or NULL.  Ignores case. */
const char *str_nearest(struct str s, const char *const *words, size_t n);
#endif
