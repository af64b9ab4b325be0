/* SPDX-License-Identifier: Apache-2.0 */
/* Strings with lengths: see str.h. */
#include "base/str.h"

bool
str_ieq(struct str a, struct str b)
{
	if (a.n != b.n)
		return false;
	for (size_t i = 0; i < a.n; i++) /* usually they also have the same case */
		if (a.p[i] != b.p[i] &&
		    ascii_lower((unsigned char)a.p[i]) != ascii_lower((unsigned char)b.p[i]))
			return false;
	return true;
}

int
str_cmp(struct str a, struct str b)
{
	size_t n = a.n < b.n ? a.n : b.n;
	int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

	if (c != 0)
		return c;
	return a.n < b.n ? -1 : a.n > b.n;
}

int
str_icmp(struct str a, struct str b)
{
	for (size_t i = 0; i < a.n && i < b.n; i++) {
		int x = ascii_lower((unsigned char)a.p[i]), y = ascii_lower((unsigned char)b.p[i]);

		if (x != y)
			return x - y;
	}
	return a.n < b.n ? -1 : a.n > b.n;
}

bool
str_has_prefix(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_eq((struct str){s.p, prefix.n}, prefix);
}

bool
str_has_iprefix(struct str s, struct str prefix)
{
	return s.n >= prefix.n && str_ieq((struct str){s.p, prefix.n}, prefix);
}

bool
str_has_suffix(struct str s, struct str suffix)
{
	return s.n >= suffix.n && str_eq((struct str){s.p + (s.n - suffix.n), suffix.n}, suffix);
}

const char *
str_chr(struct str s, char c)
{
	return s.n > 0 ? memchr(s.p, c, s.n) : NULL;
}

const char *
str_find(struct str s, struct str part)
{
	if (part.n == 0)
		return s.p;
	return s.n >= part.n ? memmem(s.p, s.n, part.p, part.n) : NULL;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str
str_trim(struct str s)
{
	while (s.n > 0 && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool
str_split(struct str *rest, char sep, struct str *part_r)
{
	const char *at;

	if (rest->p == NULL)
		return false;
	at = str_chr(*rest, sep);
	if (at == NULL) {
		*part_r = *rest;
		*rest = STR_NONE;
		return true;
	}
	*part_r = str_range(rest->p, at);
	*rest = str_range(at + 1, rest->p + rest->n);
	return true;
}

bool
str_u64(struct str s, uint64_t max, uint64_t *value_r)
{
	uint64_t v = 0;

	if (s.n == 0)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		unsigned d = (unsigned)(unsigned char)s.p[i] - '0';

		if (d > 9 || v > (UINT64_MAX - d) / 10)
			return false;
		v = v * 10 + d;
	}
	if (v > max)
		return false;
	*value_r = v;
	return true;
}

/* Returns the length of the UTF-8 sequence at p, or 0 if it is invalid (RFC 3629 section 4). */
static size_t
utf8_length(const unsigned char *p, size_t n)
{
	size_t len;
	unsigned char low = 0x80, high = 0xBF;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xC2 && p[0] <= 0xDF)
		len = 2;
	else if (p[0] >= 0xE0 && p[0] <= 0xEF)
		len = 3;
	else if (p[0] >= 0xF0 && p[0] <= 0xF4)
		len = 4;
	else
		return 0;
	if (len > n)
		return 0;
	if (p[0] == 0xE0)
		low = 0xA0;
	else if (p[0] == 0xED)
		high = 0x9F;
	else if (p[0] == 0xF0)
		low = 0x90;
	else if (p[0] == 0xF4)
		high = 0x8F;
	if (p[1] < low || p[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++)
		if ((p[i] & 0xC0) != 0x80)
			return 0;
	return len;
}

size_t
str_showable(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t n = utf8_length(p, s.n);

	if (n == 1)
		return p[0] >= ' ' && p[0] != 0x7f;
	if (n == 2)
		return p[0] == 0xC2 && p[1] < 0xA0 ? 0 : n;
	if (n == 3 && p[0] == 0xE2 && p[1] == 0x80)
		return p[2] == 0x8E || p[2] == 0x8F || (p[2] >= 0xA8 && p[2] <= 0xAE) ? 0 : n;
	if (n == 3 && p[0] == 0xE2 && p[1] == 0x81)
		return p[2] >= 0xA6 && p[2] <= 0xA9 ? 0 : n;
	if (n == 3 && p[0] == 0xEF && p[1] == 0xBB && p[2] == 0xBF)
		return 0;
	return n;
}

/* Returns how many bytes at the start are ASCII, checking whole words: may be up to seven too
 * few. */
static size_t
ascii_words(const unsigned char *p, size_t n)
{
	size_t i = 0;
	uint64_t word;

	for (; n - i >= sizeof(word); i += sizeof(word)) {
		memcpy(&word, p + i, sizeof(word));
		if ((word & 0x8080808080808080u) != 0)
			break;
	}
	return i;
}

bool
str_is_utf8(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;
	size_t left = s.n, len;

	while (left > 0) {
		len = ascii_words(p, left);
		if (len == 0)
			len = utf8_length(p, left);
		if (len == 0)
			return false;
		p += len;
		left -= len;
	}
	return true;
}

bool
str_is_ascii(struct str s)
{
	const unsigned char *p = (const unsigned char *)s.p;

	for (size_t i = ascii_words(p, s.n); i < s.n; i++)
		if (p[i] >= 0x80)
			return false;
	return true;
}

/* Counts letters to change, add or drop (Levenshtein).  For short words only. */
static size_t
distance(struct str a, struct str b)
{
	size_t row[65];

	if (a.n > 64 || b.n > 64)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t corner = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t best = corner + (ascii_lower((unsigned char)a.p[i - 1]) !=
			                           ascii_lower((unsigned char)b.p[j - 1]));

			corner = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.n];
}

const char *
str_nearest(struct str s, const char *const *words, size_t n)
{
	size_t best = s.n < 4 ? 2 : s.n < 9 ? 3 : 4; /* must be closer than that */
	const char *word = NULL;

	for (size_t i = 0; i < n; i++) {
		size_t d = distance(s, str_of(words[i]));

		if (d < best && d < strlen(words[i])) {
			best = d;
			word = words[i];
		}
	}
	return word;
}
