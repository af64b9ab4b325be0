/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was in a mailbox before an import: its messages, sorted by size and date, and, once a
 * message with the same size and date is asked for, by checksum within these.  Equal ones are then
 * adjacent, and the first counts how many are taken: so ten thousand equal messages cost no more
 * than as many different ones.
 */
#include <stdlib.h>

#include "base/mem.h"
#include "control/ops/import_int.h"
#include "control/ops/ops.h"

#define READ_STEP ((uint64_t)256 << 10)

static int
by_size(const void *a, const void *b)
{
	const struct have *x = a, *y = b;

	if (x->size != y->size)
		return x->size < y->size ? -1 : 1;
	return x->date == y->date ? 0 : x->date < y->date ? -1 : 1;
}

/* Unreadable messages come last. */
static int
by_sum(const void *a, const void *b)
{
	const struct have *x = a, *y = b;

	if (x->readable != y->readable)
		return x->readable ? -1 : 1;
	return memcmp(x->sum, y->sum, IMPORT_SUM);
}

void
import_find_known(struct import *im)
{
	struct store_message *w = mem_zalloc(IMPORT_WINDOW * sizeof *w);
	size_t n, cap = 0;
	uint32_t from = 0;

	do {
		store_mailbox_read_begin(im->mailbox);
		n = store_mailbox_window(im->mailbox, NULL, from, w, IMPORT_WINDOW);
		store_mailbox_read_end(im->mailbox);
		if (im->have_count + n > cap) {
			cap = 2 * cap + n;
			im->have = mem_realloc(im->have, cap * sizeof *im->have);
		}
		for (size_t i = 0; i < n; i++)
			im->have[im->have_count++] = (struct have){
			    .date = w[i].internaldate, .blob = w[i].blob, .size = w[i].size};
		if (n > 0)
			from = w[n - 1].uid + 1;
	} while (n == IMPORT_WINDOW);
	if (im->have_count > 0)
		qsort(im->have, im->have_count, sizeof *im->have, by_size);
	mem_free(w);
}

static void
sum_blob(struct import *im, struct have *h)
{
	struct buf b = {0};
	bool ok = EVP_DigestInit_ex(im->md, EVP_sha256(), NULL) == 1;

	for (uint64_t at = 0; ok && at < h->size; at += READ_STEP) {
		b.n = 0;
		ok = store_read_blob(im->ops->store, h->blob, at, READ_STEP, &b) == TS_OK &&
		     EVP_DigestUpdate(im->md, b.p, b.n) == 1;
	}
	h->readable = ok && EVP_DigestFinal_ex(im->md, h->sum, NULL) == 1;
	buf_fini(&b);
}

/* The first of have[from, to) that is not less than want. */
static size_t
first_not_before(const struct have *have, size_t from, size_t to, const struct have *want,
    int (*order)(const void *a, const void *b))
{
	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (order(&have[mid], want) < 0)
			from = mid + 1;
		else
			to = mid;
	}
	return from;
}

/* The end of the messages with that size and date. */
static size_t
end_of(const struct import *im, size_t first)
{
	size_t low = first, high = im->have_count;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (by_size(&im->have[mid], &im->have[first]) == 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

bool
import_is_known(struct import *im, const struct mailstream_message *m, const unsigned char *sum)
{
	struct have want = {.size = (uint32_t)m->size, .date = m->internaldate, .readable = true};
	size_t first = first_not_before(im->have, 0, im->have_count, &want, by_size), end, at;
	struct have *head;

	if (first == im->have_count || by_size(&im->have[first], &want) != 0)
		return false;
	end = end_of(im, first);
	if (!im->have[first].summed) {
		for (size_t i = first; i < end; i++)
			sum_blob(im, &im->have[i]);
		qsort(&im->have[first], end - first, sizeof *im->have, by_sum);
		im->have[first].summed = true;
	}
	memcpy(want.sum, sum, IMPORT_SUM);
	at = first_not_before(im->have, first, end, &want, by_sum);
	if (at == end || by_sum(&im->have[at], &want) != 0)
		return false;
	head = &im->have[at];
	at += head->taken;
	if (at == end || by_sum(&im->have[at], &want) != 0)
		return false;
	head->taken++;
	return true;
}

void
import_known_fini(struct import *im)
{
	mem_free(im->have);
	im->have = NULL;
	im->have_count = 0;
}
