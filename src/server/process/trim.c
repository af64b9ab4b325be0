/* SPDX-License-Identifier: Apache-2.0 */
/* Returning memory to the system: see trim.h. */
#include "server/process/trim.h"

#include <malloc.h>

enum { LARGE_BLOCK = 1 << 20, TOP = 4 << 20 };

bool
trim_due(struct trim *t, uint64_t bytes)
{
	uint64_t fell = t->last > bytes ? t->last - bytes : 0, free;

	t->last = bytes;
	if (bytes >= t->peak) {
		t->peak = bytes;
		return false;
	}
	free = t->peak - bytes;
	/* It is still falling: wait for the rest. */
	if (free < TRIM_LEAST || free < t->peak / 4 || fell > t->peak / 16)
		return false;
	t->peak = bytes;
	return true;
}

void
trim_init(void)
{
	/* By default, glibc raises both as memory is freed, up to 32 and 64 MiB. */
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
	(void)mallopt(M_TRIM_THRESHOLD, TOP);
}
