/* SPDX-License-Identifier: Apache-2.0 */
/* See kit_watch.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kit_watch.h"

#include "store/check.h"
#include "store/memory/memory_int.h"

enum ts_err
kit_commit(const struct engine_batch *batch, void *arg)
{
	struct kit_commits *seen = arg;

	if (engine_batch_count(batch) > seen->most)
		seen->most = engine_batch_count(batch);
	assert_true(seen->commits < KIT_COMMITS_MAX);
	seen->image[seen->commits++] = engine_mem_image(seen->kit->disk);
	return TS_OK;
}

uint64_t
kit_commits_done(const struct kit *kit)
{
	struct store_stats s;

	store_stats(kit->store, &s);
	return s.engine.commits;
}

static void
tell(const struct check_finding *f, void *arg)
{
	print_message("%.*s %u: %s\n", STR_ARG(f->mailbox), f->uid, f->what);
	++*(unsigned *)arg;
}

void
kit_assert_clean(struct kit *kit)
{
	unsigned found = 0;
	struct check_options opt = {.found = tell, .arg = &found};
	struct check_result r;

	store_background_wait(kit->store);
	assert_int_equal(store_check(kit->store, &opt, &r), TS_OK);
	assert_int_equal(found, 0);
	assert_false(rename_pending(kit->store, kit->account->id));
}
