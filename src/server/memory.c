/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: how much is in use, and returning it after a peak (server/process/trim.h). */
#include <malloc.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/server_int.h"

/* What a connection costs in OpenSSL and in the kernel's side of a stream, besides its arenas. */
#define CONNECTION_BYTES 16384

void
server_memory_note(struct server_loop *sl)
{
	const struct imap_loop *il = sl->il;
	uint64_t conns = il->stats.sessions.open + sl->lmtp.stats.sessions.open;

	atomic_store(
	    &sl->memory, il->pool.live_bytes + sl->lmtp.pool.live_bytes + conns * CONNECTION_BYTES);
}

static uint64_t
in_use(const struct server *server)
{
	uint64_t bytes = store_state_bytes(server->store);

	for (unsigned i = 0; i < server->loop_count; i++)
		bytes += atomic_load(&server->loops[i].memory);
	return bytes;
}

void
server_memory_look(struct server *server)
{
	uint64_t began;

	if (!trim_due(&server->trim, in_use(server)))
		return;
	began = clock_mono_ns();
	(void)malloc_trim(0);
	atomic_fetch_add(&server->trims, 1);
	log_msg(LOG_DEBUG, NULL, "memory of a peak was given back in %llu ms",
	    (unsigned long long)((clock_mono_ns() - began) / 1000000));
}

bool
server_resident(const struct server *server, uint64_t *bytes_r)
{
	char text[128];
	ssize_t n = server->statm >= 0 ? pread(server->statm, text, sizeof(text), 0) : -1;
	struct str rest = {text, n > 0 ? (size_t)n : 0}, size, pages;
	uint64_t count;

	if (!str_split(&rest, ' ', &size) || !str_split(&rest, ' ', &pages) ||
	    !str_u64(pages, UINT32_MAX, &count))
		return false;
	*bytes_r = count * (uint64_t)sysconf(_SC_PAGESIZE);
	return true;
}
