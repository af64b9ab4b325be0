/* SPDX-License-Identifier: Apache-2.0 */
/* Latencies as a histogram with steps of about 3 %, so that nothing is stored or sorted. */
#include "load.h"

static unsigned
hist_step(uint64_t ns)
{
	unsigned top;

	if (ns < 32)
		return (unsigned)ns;
	top = 63 - (unsigned)__builtin_clzll(ns);
	return (top - 4) * 32 + (unsigned)((ns >> (top - 5)) & 31);
}

static uint64_t
hist_value(unsigned step)
{
	unsigned top = step / 32 + 4;

	if (step < 32)
		return step;
	return (UINT64_C(32) + step % 32) << (top - 5);
}

void
load_hist_add(struct load_hist *h, uint64_t ns)
{
	h->count++;
	h->sum += ns;
	h->max = ns > h->max ? ns : h->max;
	h->step[hist_step(ns)]++;
}

void
load_hist_merge(struct load_hist *h, const struct load_hist *other)
{
	h->count += other->count;
	h->sum += other->sum;
	h->max = other->max > h->max ? other->max : h->max;
	for (unsigned i = 0; i < 64 * 32; i++)
		h->step[i] += other->step[i];
}

uint64_t
load_hist_at(const struct load_hist *h, unsigned per_mille)
{
	uint64_t below = 0, want = h->count * per_mille / 1000;

	for (unsigned i = 0; i < 64 * 32; i++) {
		below += h->step[i];
		if (below > want)
			return hist_value(i);
	}
	return h->max;
}
