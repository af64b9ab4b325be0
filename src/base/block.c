/* SPDX-License-Identifier: Apache-2.0 */
#include "base/block.h"

#include "base/err.h"
#include "base/log.h"

static bool watched;
static __thread bool on_loop, on_worker;

bool
block_on_loop(bool on)
{
	bool was = on_loop;

	on_loop = on;
	return was;
}

bool
block_on_worker(bool on)
{
	bool was = on_worker;

	on_worker = on;
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
block_for_flush(const char *what)
{
	block_here(what);
	if (!on_worker || !watched)
		return;
	log_msg(LOG_ERROR, NULL, "on a worker's thread: %s", what);
	TS_WRONG("a call that waits for a flush on a worker's thread");
}

void
block_watch(void)
{
	watched = true;
}
