/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket, both ends. */
#include "app/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { PATIENCE_S = 10 }; /* for a client that does not get on */

struct control {
	char *path;
	int fd, wake;
	struct ops ops;
	pthread_t thread;
};

static bool
address_of(const char *path, struct sockaddr_un *addr_r)
{
	*addr_r = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(addr_r->sun_path))
		return false;
	memcpy(addr_r->sun_path, path, strlen(path) + 1);
	return true;
}

static void
set_patience(int fd, int seconds)
{
	struct timeval tv = {.tv_sec = seconds};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
}

static bool
write_all(int fd, struct str bytes)
{
	while (bytes.n > 0) {
		ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes.p += n;
		bytes.n -= (size_t)n;
	}
	return true;
}

/* ---- the server's end ---- */

static bool
may_ask(int fd)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0)
		return false;
	if (peer.uid == 0 || peer.uid == geteuid())
		return true;
	log_msg(LOG_WARNING, "control", "refused: process %d of user %u may not ask", (int)peer.pid,
	    (unsigned)peer.uid);
	return false;
}

static bool
read_request(int fd, struct buf *wire)
{
	while (!request_complete(buf_as_str(wire))) {
		char *room = buf_room(wire, 4096);
		ssize_t n;

		if (wire->n > REQUEST_BYTES_MAX)
			return false;
		n = recv(fd, room, 4096, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		wire->n += (size_t)n;
	}
	return true;
}

static void
answer(struct control *control, int fd)
{
	struct request *req = mem_zalloc(sizeof(*req));
	struct buf wire = {0}, text = {0}, out = {0};
	bool ok = false;

	if (read_request(fd, &wire)) {
		if (request_parse(buf_as_str(&wire), req)) {
			ok = ops_run(&control->ops, req, &text);
			log_msg(LOG_INFO, "control", "%.*s %.*s: %s", STR_ARG(req->verb),
			    STR_ARG(request_get(req, "name")), ok ? "done" : "failed");
		} else {
			buf_puts(&text, "this is no request\n");
		}
		buf_puts(&out, ok ? "ok\n" : "failed\n");
		buf_str(&out, buf_as_str(&text));
		write_all(fd, buf_as_str(&out));
	}
	request_fini(req);
	mem_free(req);
	buf_wipe_fini(&wire);
	buf_fini(&text);
	buf_fini(&out);
}

static void *
control_thread(void *arg)
{
	struct control *control = arg;

	for (;;) {
		struct pollfd p[2] = {
		    {.fd = control->fd, .events = POLLIN}, {.fd = control->wake, .events = POLLIN}};
		int fd;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents != 0)
			break;
		if (p[0].revents == 0)
			continue;
		fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd < 0)
			continue;
		set_patience(fd, PATIENCE_S);
		if (may_ask(fd))
			answer(control, fd);
		close(fd);
	}
	return NULL;
}

static int
bind_socket(const char *path)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat st;
	mode_t old;
	int rc;

	if (fd < 0 || !address_of(path, &addr)) {
		errno = fd < 0 ? errno : ENAMETOOLONG;
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* What a killed server left; never a file that has another use. */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	/* Nobody may connect between bind and a chmod. */
	old = umask(0177);
	rc = bind(fd, (struct sockaddr *)&addr, sizeof(addr));
	umask(old);
	if (rc != 0 || listen(fd, 64) != 0) {
		rc = errno;
		close(fd);
		errno = rc;
		return -1;
	}
	return fd;
}

enum ts_err
control_new(const char *path, const struct ops *ops, struct control **control_r)
{
	struct control *control;
	int fd = bind_socket(path);

	if (fd < 0)
		return TS_FAIL(TS_IO, "cannot make the control socket %s: %s (see server.control)",
		    path, strerror(errno));
	control = mem_zalloc(sizeof(*control));
	control->path = mem_strdup(path);
	control->fd = fd;
	control->ops = *ops;
	control->wake = eventfd(0, EFD_CLOEXEC);
	TS_ASSERT(control->wake >= 0);
	TS_ASSERT(pthread_create(&control->thread, NULL, control_thread, control) == 0);
	*control_r = control;
	return TS_OK;
}

void
control_free(struct control **cp)
{
	struct control *control = *cp;

	if (control == NULL)
		return;
	*cp = NULL;
	TS_ASSERT(eventfd_write(control->wake, 1) == 0);
	pthread_join(control->thread, NULL);
	unlink(control->path);
	close(control->fd);
	close(control->wake);
	mem_free(control->path);
	mem_free(control);
}

/* ---- the client's end ---- */

static int
dial(const char *path, struct buf *text, enum control_answer *answer_r)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && address_of(path, &addr) &&
	    connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	*answer_r = errno == ENOENT || errno == ECONNREFUSED || errno == ENOTDIR ? CONTROL_NOBODY
	                                                                         : CONTROL_BROKEN;
	if (*answer_r == CONTROL_BROKEN)
		buf_printf(text, "the control socket %s: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

enum control_answer
control_ask(const char *path, struct str wire, struct buf *text)
{
	enum control_answer result = CONTROL_BROKEN;
	struct buf in = {0};
	int fd = dial(path, text, &result);
	ssize_t n = 1;

	if (fd < 0)
		return result;
	if (write_all(fd, wire))
		while (n > 0) {
			n = recv(fd, buf_room(&in, 65536), 65536, 0);
			if (n < 0 && errno == EINTR)
				n = 1;
			else if (n > 0)
				in.n += (size_t)n;
		}
	close(fd);
	if (str_has_prefix(buf_as_str(&in), STR("ok\n"))) {
		result = CONTROL_DONE;
		buf_put(text, in.p + 3, in.n - 3);
	} else if (str_has_prefix(buf_as_str(&in), STR("failed\n"))) {
		result = CONTROL_FAILED;
		buf_put(text, in.p + 7, in.n - 7);
	} else {
		buf_printf(
		    text, "the server on %s gave no answer: are you root or its user?\n", path);
	}
	buf_fini(&in);
	return result;
}
