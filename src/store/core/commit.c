/* SPDX-License-Identifier: Apache-2.0 */
/* Batches that bypass the lanes, and the consequences of a failed one. */
#include <stdlib.h>

#include "base/log.h"
#include "store/core/core_int.h"

enum ts_err
store_commit(struct store *store, struct engine_batch *batch)
{
	uint64_t generation = atomic_load(&store->generation);
	enum ts_err err = engine_commit(store->engine, batch);

	if (err != TS_OK && err != TS_FULL)
		(void)store_reopen(store, generation);
	return err;
}

enum ts_err
store_reopen(struct store *store, uint64_t generation)
{
	enum ts_err err = TS_OK;

	pthread_mutex_lock(&store->reopen_mutex);
	if (atomic_load(&store->generation) == generation) {
		char *text = NULL;

		err = engine_reopen(store->engine, &text);
		if (err == TS_OK)
			atomic_fetch_add(&store->generation, 1);
		if (err == TS_OK)
			log_msg(LOG_WARNING, NULL,
			    "store: the engine was reopened after a failed write: it works "
			    "again%s%s",
			    text != NULL ? ": " : "", text != NULL ? text : "");
		else if (text != NULL) /* else it was tried a moment ago */
			log_msg(LOG_ERROR, NULL,
			    "store: the engine cannot be reopened after a failed write: %s: %s",
			    ts_err_name(err), text);
		free(text);
	}
	pthread_mutex_unlock(&store->reopen_mutex);
	return err;
}
