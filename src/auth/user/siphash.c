/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SipHash by Aumasson and Bernstein: two rounds for each word of eight bytes, and four at the end
 * for each half of the result.
 */
#include "auth/user/siphash.h"

struct state {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t
rotate_left(uint64_t x, unsigned n)
{
	return x << n | x >> (64 - n);
}

static inline void
rounds(struct state *s, unsigned n)
{
	while (n-- > 0) {
		s->v0 += s->v1;
		s->v2 += s->v3;
		s->v1 = rotate_left(s->v1, 13) ^ s->v0;
		s->v3 = rotate_left(s->v3, 16) ^ s->v2;
		s->v0 = rotate_left(s->v0, 32);
		s->v2 += s->v1;
		s->v0 += s->v3;
		s->v1 = rotate_left(s->v1, 17) ^ s->v2;
		s->v3 = rotate_left(s->v3, 21) ^ s->v0;
		s->v2 = rotate_left(s->v2, 32);
	}
}

static inline uint64_t
word(const unsigned char *p, size_t n)
{
	uint64_t w = 0;

	for (size_t i = 0; i < n; i++)
		w |= (uint64_t)p[i] << (8 * i);
	return w;
}

static inline void
absorb(struct state *s, uint64_t w)
{
	s->v3 ^= w;
	rounds(s, 2);
	s->v0 ^= w;
}

struct siphash
siphash_of(const struct siphash_key *key, struct str in)
{
	const unsigned char *p = (const unsigned char *)in.p;
	struct state s = {key->k0 ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du ^ 0xee,
	    key->k0 ^ 0x6c7967656e657261u, key->k1 ^ 0x7465646279746573u};
	struct siphash out;
	size_t left = in.n;

	for (; left >= 8; p += 8, left -= 8)
		absorb(&s, word(p, 8));
	absorb(&s, word(p, left) | (uint64_t)in.n << 56);
	s.v2 ^= 0xee;
	rounds(&s, 4);
	out.lo = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	s.v1 ^= 0xdd;
	rounds(&s, 4);
	out.hi = s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
	return out;
}
