/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of the helper. */
#include "auth/helper/helper.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/helper/helper_int.h"
#include "base/block.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

struct auth_helper {
	pid_t pid;
	int sockets[HELPER_SOCKETS];
	struct helper_shared *shared;
	_Atomic uint64_t requests, unanswered;
};

static void
close_both(int sockets[HELPER_SOCKETS])
{
	for (unsigned i = 0; i < HELPER_SOCKETS; i++)
		if (sockets[i] >= 0)
			close(sockets[i]);
}

/* Makes the ends of the server and the helper; one message is one order. */
static bool
make_sockets(int ours[HELPER_SOCKETS], int theirs[HELPER_SOCKETS])
{
	for (unsigned i = 0; i < HELPER_SOCKETS; i++)
		ours[i] = theirs[i] = -1;
	for (unsigned i = 0; i < HELPER_SOCKETS; i++) {
		int pair[2];

		if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
			return false;
		ours[i] = pair[0];
		theirs[i] = pair[1];
	}
	return true;
}

struct auth_helper *
auth_helper_start(const struct auth_helper_options *opt)
{
	struct auth_helper *h = mem_zalloc(sizeof(*h));
	int theirs[HELPER_SOCKETS];
	bool ok = make_sockets(h->sockets, theirs);

	h->pid = -1;
	h->shared = mmap(
	    NULL, sizeof(*h->shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (ok && h->shared != MAP_FAILED)
		h->pid = fork();
	if (h->pid == 0)
		helper_supervise(opt, theirs, h->shared);
	if (h->pid < 0)
		log_msg(LOG_ERROR, "auth", "the auth helper cannot be started: %s",
		    strerrordesc_np(errno));
	close_both(theirs);
	if (h->pid < 0)
		auth_helper_stop(&h);
	return h;
}

void
auth_helper_hang_up(struct auth_helper *h)
{
	/* The supervisor notices and ends the other processes, which closes their ends of the
	 * sockets.
	 */
	for (unsigned i = 0; i < HELPER_SOCKETS; i++)
		(void)shutdown(h->sockets[i], SHUT_RDWR);
}

void
auth_helper_stop(struct auth_helper **hp)
{
	struct auth_helper *h = *hp;

	*hp = NULL;
	if (h == NULL)
		return;
	close_both(h->sockets);
	if (h->pid > 0)
		while (waitpid(h->pid, NULL, 0) < 0 && errno == EINTR)
			;
	if (h->shared != MAP_FAILED)
		munmap(h->shared, sizeof(*h->shared));
	mem_free(h);
}

/* Opens a socket to whoever serves this kind of request; -1: failed. */
static int
place_order(struct auth_helper *h, enum auth_helper_kind kind, uint64_t ms)
{
	struct helper_order order = {.kind = kind, .ms = (uint32_t)ms};
	int pair[2];
	bool ok;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
		return -1;
	/* If the queue is full, it holds more orders than there can be workers. */
	ok = helper_order_send(h->sockets[helper_socket_of(kind)], &order, pair[1]);
	close(pair[1]);
	if (ok)
		return pair[0];
	close(pair[0]);
	return -1;
}

enum ts_err
auth_helper_call(struct auth_helper *h, enum auth_helper_kind kind, struct str request, uint64_t ms,
    struct buf *reply)
{
	uint64_t deadline = clock_mono_ms() + ms;
	bool ok;
	int fd;

	block_here("auth_helper_call");
	if (h == NULL)
		return TS_UNAVAILABLE;
	if (ms > AUTH_HELPER_MS_MAX)
		ms = AUTH_HELPER_MS_MAX;
	fd = place_order(h, kind, ms);
	ok = fd >= 0 && helper_msg_write(fd, request, deadline) &&
	     helper_msg_read(fd, reply, deadline);
	if (fd >= 0)
		close(fd);
	atomic_fetch_add_explicit(&h->requests, 1, memory_order_relaxed);
	if (!ok)
		atomic_fetch_add_explicit(&h->unanswered, 1, memory_order_relaxed);
	return ok ? TS_OK : TS_UNAVAILABLE;
}

void
auth_helper_state(struct auth_helper *h, struct auth_helper_state *state_r)
{
	struct pollfd p = {.fd = h->sockets[HELPER_PROCESS], .events = 0};

	*state_r = (struct auth_helper_state){
	    .alive = poll(&p, 1, 0) == 0,
	    .supervisor = h->pid,
	    .network = atomic_load(&h->shared->network),
	    .restarts = atomic_load(&h->shared->restarts),
	    .requests = atomic_load(&h->requests),
	    .unanswered = atomic_load(&h->unanswered),
	    .killed = atomic_load(&h->shared->killed),
	};
}
