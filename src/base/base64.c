/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 of RFC 4648 section 4: see base64.h. */
#include "base/base64.h"

static const char alphabet[64] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"};

void
base64_encode(struct str in, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)in.p;
	size_t left = in.n;
	char *to;

	if (left == 0)
		return;
	to = buf_room(out, (left + 2) / 3 * 4);
	if (to == NULL)
		return;
	for (; left >= 3; left -= 3, p += 3) {
		*to++ = alphabet[p[0] >> 2];
		*to++ = alphabet[(p[0] & 3) << 4 | p[1] >> 4];
		*to++ = alphabet[(p[1] & 15) << 2 | p[2] >> 6];
		*to++ = alphabet[p[2] & 63];
	}
	if (left > 0) {
		*to++ = alphabet[p[0] >> 2];
		*to++ = alphabet[(p[0] & 3) << 4 | (left == 2 ? p[1] >> 4 : 0)];
		*to++ = left == 2 ? alphabet[(p[1] & 15) << 2] : '=';
		*to++ = '=';
	}
	out->n = (size_t)(to - out->p);
}

/* Returns the six bits of a character, 64 for one outside the alphabet. */
static uint32_t
sextet(unsigned char c)
{
	if (c >= 'A' && c <= 'Z')
		return (uint32_t)(c - 'A');
	if (c >= 'a' && c <= 'z')
		return (uint32_t)(c - 'a' + 26);
	if (c >= '0' && c <= '9')
		return (uint32_t)(c - '0' + 52);
	if (c == '+')
		return 62;
	return c == '/' ? 63 : 64;
}

/* Decodes a group of four with n characters that are not padding, into n - 1 bytes. */
static bool
decode_group(const unsigned char *p, size_t n, unsigned char *to)
{
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		uint32_t v = i < n ? sextet(p[i]) : 0;

		if (v == 64)
			return false;
		bits = bits << 6 | v;
	}
	/* RFC 4648 section 3.5: unused bits must be zero. */
	if ((n == 2 && (bits & 0xFFFF) != 0) || (n == 3 && (bits & 0xFF) != 0))
		return false;
	to[0] = (unsigned char)(bits >> 16);
	if (n > 2)
		to[1] = (unsigned char)(bits >> 8);
	if (n > 3)
		to[2] = (unsigned char)bits;
	return true;
}

bool
base64_decode(struct str in, struct buf *out)
{
	const unsigned char *p = (const unsigned char *)in.p;
	unsigned char *to;
	size_t pad;

	if (in.n == 0)
		return true;
	if (in.n % 4 != 0)
		return false;
	pad = p[in.n - 1] != '=' ? 0 : p[in.n - 2] != '=' ? 1 : 2;
	to = (unsigned char *)buf_room(out, in.n / 4 * 3);
	if (to == NULL)
		return false;
	for (size_t i = 0; i < in.n; i += 4, to += 3)
		if (!decode_group(p + i, i + 4 == in.n ? 4 - pad : 4, to))
			return false;
	out->n += in.n / 4 * 3 - pad;
	return true;
}
