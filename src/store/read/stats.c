/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics of a store. */
#include "store/read/read_int.h"

const struct store_options *
store_options_of(const struct store *store)
{
	return &store->opt;
}

void
store_refused_space(const struct store *store, struct engine_space *space_r)
{
	engine_space(store->engine, space_r);
}

void
store_stats(struct store *store, struct store_stats *s)
{
	*s = (struct store_stats){
	    .accounts_loaded = atomic_load(&store->accounts_loaded),
	    .mailboxes_loaded = atomic_load(&store->mailboxes_loaded),
	    .state_bytes = atomic_load(&store->state_bytes),
	    .watches = atomic_load(&store->watches),
	    .changes_pending = atomic_load(&store->pending),
	    .changes = atomic_load(&store->changes),
	    .batches = atomic_load(&store->batches),
	    .batch_max = atomic_load(&store->batch_max),
	    .holds = atomic_load(&store->holds),
	    .held_messages = atomic_load(&store->held_messages),
	    .held_bytes = atomic_load(&store->held_bytes),
	    .held_refused = atomic_load(&store->held_refused),
	    .lanes = store->lane_count,
	    .batch_sizes.sum = atomic_load(&store->batch_changes),
	    .flush_ns.sum = atomic_load(&store->flush_ns),
	};
	for (size_t i = 0; i <= STORE_CLASSES; i++) {
		s->batch_sizes.n[i] = atomic_load(&store->batch_sizes[i]);
		s->flush_ns.n[i] = atomic_load(&store->flush_times[i]);
	}
	engine_stats(store->engine, &s->engine);
}

void
store_pace(const struct store *store, uint64_t *batches_r, uint64_t *changes_r, uint64_t *ns_r)
{
	*batches_r = atomic_load(&store->batches);
	*changes_r = atomic_load(&store->batch_changes);
	*ns_r = atomic_load(&store->flush_ns);
}

uint64_t
store_state_bytes(const struct store *store)
{
	return atomic_load(&store->state_bytes);
}
