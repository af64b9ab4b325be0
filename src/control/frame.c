/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over a socket, without trusting the other end. */
#include "control/frame.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "base/clock.h"
#include "base/err.h"

enum { HEAD = 5, SLICE_MS = 1000, STOPPING_MS = 2000 };

bool
channel_stopping(const struct channel *ch)
{
	struct pollfd p = {.fd = ch->stop, .events = POLLIN};

	return ch->stop >= 0 && poll(&p, 1, 0) > 0;
}

bool
channel_over(const struct channel *ch)
{
	struct pollfd p = {.fd = ch->fd, .events = POLLRDHUP};

	if (channel_stopping(ch))
		return true;
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

/* Waits until fd can be read or written.  Even when we must end, the peer gets a moment to finish
 * what it is sending and to receive the result. */
static bool
wait_for(const struct channel *ch, short events)
{
	uint64_t begin = clock_mono_ms();

	for (;;) {
		bool stopping = channel_stopping(ch);
		struct pollfd p[2] = {{.fd = ch->fd, .events = events},
		    {.fd = stopping ? -1 : ch->stop, .events = POLLIN}};
		int64_t patience = ch->patience, left = SLICE_MS;

		if (stopping && (patience < 0 || patience > STOPPING_MS))
			patience = STOPPING_MS;
		if (patience >= 0)
			left = patience - (int64_t)(clock_mono_ms() - begin);
		if (left <= 0)
			return false;
		if (poll(p, 2, left < SLICE_MS ? (int)left : SLICE_MS) < 0 && errno != EINTR)
			return false;
		if (p[0].revents != 0)
			return true;
	}
}

/* Writes head and bytes at once, because each write wakes the peer. */
static bool
write_parts(const struct channel *ch, struct iovec part[2])
{
	struct msghdr msg = {.msg_iov = part, .msg_iovlen = 2};

	while (part[0].iov_len + part[1].iov_len > 0) {
		ssize_t rc = sendmsg(ch->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);

		for (int i = 0; i < 2 && rc > 0; i++) {
			size_t n = part[i].iov_len < (size_t)rc ? part[i].iov_len : (size_t)rc;

			part[i].iov_base = (char *)part[i].iov_base + n;
			part[i].iov_len -= n;
			rc -= (ssize_t)n;
		}
		if (rc < 0 && errno == EAGAIN) {
			if (!wait_for(ch, POLLOUT))
				return false;
		} else if (rc < 0 && errno != EINTR) {
			return false;
		}
	}
	return true;
}

static bool
read_bytes(const struct channel *ch, char *p, size_t n)
{
	while (n > 0) {
		ssize_t rc = recv(ch->fd, p, n, MSG_DONTWAIT);

		if (rc > 0) {
			p += rc;
			n -= (size_t)rc;
		} else if (rc < 0 && errno == EAGAIN) {
			if (!wait_for(ch, POLLIN))
				return false;
		} else if (rc == 0 || errno != EINTR) {
			return false;
		}
	}
	return true;
}

bool
frame_write(const struct channel *ch, enum frame_type type, struct str bytes)
{
	char head[HEAD] = {(char)type, (char)(bytes.n >> 24), (char)(bytes.n >> 16),
	    (char)(bytes.n >> 8), (char)bytes.n};
	struct iovec part[2] = {{head, sizeof(head)}, {(char *)(uintptr_t)bytes.p, bytes.n}};

	TS_ASSERT(bytes.n <= FRAME_BYTES_MAX);
	return write_parts(ch, part);
}

bool
frame_write_all(const struct channel *ch, enum frame_type type, struct str bytes)
{
	while (bytes.n > 0) {
		size_t n = bytes.n < FRAME_BYTES_MAX ? bytes.n : FRAME_BYTES_MAX;

		if (!frame_write(ch, type, (struct str){bytes.p, n}))
			return false;
		bytes.p += n;
		bytes.n -= n;
	}
	return true;
}

static bool
is_type(char c)
{
	return c != '\0' && strchr("rpdwbetkf", c) != NULL;
}

enum frame_result
frame_read(const struct channel *ch, size_t max, enum frame_type *type_r, struct buf *bytes)
{
	unsigned char head[HEAD];
	size_t n;

	TS_ASSERT(max <= FRAME_BYTES_MAX);
	if (!read_bytes(ch, (char *)head, sizeof(head)))
		return FRAME_GONE;
	n = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	if (!is_type((char)head[0]) || n > max)
		return FRAME_BAD;
	*type_r = (enum frame_type)head[0];
	if (n == 0)
		return FRAME_READ;
	if (!read_bytes(ch, buf_room(bytes, n), n))
		return FRAME_GONE;
	bytes->n += n;
	return FRAME_READ;
}

uint64_t
frame_u64(const char *p)
{
	uint64_t n = 0;

	for (int i = 0; i < 8; i++)
		n = n << 8 | (unsigned char)p[i];
	return n;
}
