/* SPDX-License-Identifier: Apache-2.0 */
/* Messages between the server and its helper: see helper.h. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "auth/helper/helper_int.h"
#include "base/clock.h"

union control {
	char bytes[CMSG_SPACE(sizeof(int))];
	struct cmsghdr align;
};

bool
helper_order_send(int fd, const struct helper_order *order, int passed)
{
	struct helper_order copy = *order;
	struct iovec iov = {.iov_base = &copy, .iov_len = sizeof(copy)};
	union control control = {{0}};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	ssize_t n;

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &passed, sizeof(int));
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)sizeof(copy);
}

bool
helper_order_receive(int fd, struct helper_order *order_r, int *passed_r)
{
	struct iovec iov = {.iov_base = order_r, .iov_len = sizeof(*order_r)};
	union control control = {{0}};
	struct msghdr msg = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = sizeof(control.bytes)};
	struct cmsghdr *c;
	ssize_t n;

	*passed_r = -1;
	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	c = CMSG_FIRSTHDR(&msg);
	if (c != NULL && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(passed_r, CMSG_DATA(c), sizeof(int));
	if (*passed_r >= 0 &&
	    (n != (ssize_t)sizeof(*order_r) || order_r->kind >= AUTH_HELPER_KINDS ||
	        order_r->ms > AUTH_HELPER_MS_MAX)) {
		close(*passed_r);
		*passed_r = -1;
	}
	return true;
}

/* Waits until the descriptor is ready; false: timeout. */
static bool
wait_for(int fd, short events, uint64_t deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	uint64_t now;
	int n;

	do {
		now = clock_mono_ms();
		if (now >= deadline)
			return false;
		n = poll(&p, 1, (int)(deadline - now));
	} while (n < 0 && errno == EINTR);
	return n > 0;
}

static bool
send_all(int fd, const char *p, size_t n, uint64_t deadline)
{
	while (n > 0) {
		ssize_t done = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (done < 0 && errno == EAGAIN) {
			if (!wait_for(fd, POLLOUT, deadline))
				return false;
			continue;
		}
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

static bool
receive_all(int fd, char *p, size_t n, uint64_t deadline)
{
	while (n > 0) {
		ssize_t done = recv(fd, p, n, MSG_DONTWAIT);

		if (done < 0 && errno == EAGAIN) {
			if (!wait_for(fd, POLLIN, deadline))
				return false;
			continue;
		}
		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return false;
		p += done;
		n -= (size_t)done;
	}
	return true;
}

bool
helper_msg_write(int fd, struct str bytes, uint64_t deadline)
{
	uint32_t n = (uint32_t)bytes.n;

	return bytes.n <= AUTH_HELPER_BYTES_MAX &&
	       send_all(fd, (const char *)&n, sizeof(n), deadline) &&
	       send_all(fd, bytes.p, bytes.n, deadline);
}

bool
helper_msg_read(int fd, struct buf *bytes, uint64_t deadline)
{
	uint32_t n;

	if (!receive_all(fd, (char *)&n, sizeof(n), deadline) || n > AUTH_HELPER_BYTES_MAX)
		return false;
	/* The length is trusted: the other side is one of our own processes. */
	if (!receive_all(fd, buf_room(bytes, n), n, deadline))
		return false;
	bytes->n += n;
	return true;
}
