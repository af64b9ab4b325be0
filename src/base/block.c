/* SPDX-License-Identifier: Apache-2.0 */
#include "base/block.h"

#include "base/err.h"
#include "base/log.h"

static bool watched;
static __thread bool on_loop;

bool
block_on_loop(bool on)
{
	bool was = on_loop;

	on_loop = on;
	return was;
}

void
block_here(const char *what)
{
	if (!on_loop || !watched)
		return;
	log_msg(LOG_ERROR, NULL, "on a loop's thread: %s", what);
	TS_WRONG("a call that may block on a loop's thread");
}

void
block_watch(void)
{
	watched = true;
}
