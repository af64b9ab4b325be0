/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket: binding it, accepting and counting connections. */
#include "control/control.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

struct control {
	char *path;
	int fd;
	int stopping; /* readable: operations must end; nobody reads it */
	int closing;  /* readable: the accepting thread must end */
	struct ops ops;
	unsigned most;
	int64_t patience;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t fewer;
	unsigned running; /* under lock */
};

struct visit {
	struct control *control;
	int fd;
};

static bool
unix_address(const char *path, struct sockaddr_un *addr_r)
{
	*addr_r = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(addr_r->sun_path))
		return false;
	memcpy(addr_r->sun_path, path, strlen(path) + 1);
	return true;
}

int
control_dial(const char *path)
{
	struct sockaddr_un addr;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), saved;

	if (fd < 0)
		return -1;
	if (!unix_address(path, &addr))
		errno = ENAMETOOLONG;
	else if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* Says why, without waiting: the text fits into the socket's buffer. */
static void
turn_away(int fd, const char *why)
{
	struct channel ch = {.fd = fd, .stop = -1, .patience = 0};

	if (frame_write(&ch, FRAME_TEXT, str_of(why)))
		frame_write(&ch, FRAME_FAILED, STR(""));
	close(fd);
}

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

static void
count_out(struct control *control)
{
	pthread_mutex_lock(&control->lock);
	control->running--;
	pthread_cond_broadcast(&control->fewer);
	pthread_mutex_unlock(&control->lock);
}

static void *
visit_thread(void *arg)
{
	struct visit *v = arg;
	struct control *control = v->control;
	struct channel ch = {.fd = v->fd, .stop = control->stopping, .patience = control->patience};

	op_serve(&ch, &control->ops);
	close(v->fd);
	mem_free(v);
	count_out(control);
	return NULL;
}

/* Counts a connection; false: too many. */
static bool
count_in(struct control *control)
{
	bool ok;

	pthread_mutex_lock(&control->lock);
	ok = control->running < control->most;
	if (ok)
		control->running++;
	pthread_mutex_unlock(&control->lock);
	return ok;
}

static void
welcome(struct control *control, int fd)
{
	struct visit *v;
	pthread_attr_t attr;
	pthread_t thread;

	if (!may_ask(fd)) {
		turn_away(fd, "the server answers only root and the user it runs as\n");
		return;
	}
	if (!count_in(control)) {
		turn_away(fd, "too many commands are running: wait for one to end, or raise "
		              "server.control_connections\n");
		return;
	}
	v = mem_zalloc(sizeof(*v));
	*v = (struct visit){.control = control, .fd = fd};
	TS_ASSERT(pthread_attr_init(&attr) == 0);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	if (pthread_create(&thread, &attr, visit_thread, v) != 0) {
		turn_away(fd, "the system cannot start another thread for the server\n");
		mem_free(v);
		count_out(control);
	}
	pthread_attr_destroy(&attr);
}

static void *
accept_thread(void *arg)
{
	struct control *control = arg;

	for (;;) {
		struct pollfd p[2] = {{.fd = control->fd, .events = POLLIN},
		    {.fd = control->closing, .events = POLLIN}};
		int fd;

		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents != 0)
			break;
		if (p[0].revents == 0)
			continue;
		fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			welcome(control, fd);
		else if (errno == EMFILE || errno == ENFILE)
			usleep(10000); /* it stays readable: do not spin */
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

	if (fd < 0 || !unix_address(path, &addr)) {
		errno = fd < 0 ? errno : ENAMETOOLONG;
		if (fd >= 0)
			close(fd);
		return -1;
	}
	/* Removes the socket of a killed server, but never any other file. */
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	/* Nobody may connect before the mode is set. */
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
control_new(const struct control_options *opt, const struct ops *ops, struct control **control_r)
{
	struct control *control;
	int fd = bind_socket(opt->path);

	if (fd < 0) {
		log_msg(LOG_ERROR, NULL, "server.control: cannot make the socket %s: %s", opt->path,
		    strerrordesc_np(errno));
		return TS_IO;
	}
	control = mem_zalloc(sizeof(*control));
	control->path = mem_strdup(opt->path);
	control->fd = fd;
	control->ops = *ops;
	control->most = opt->connections;
	control->patience = opt->patience;
	control->stopping = eventfd(0, EFD_CLOEXEC);
	control->closing = eventfd(0, EFD_CLOEXEC);
	TS_ASSERT(control->stopping >= 0 && control->closing >= 0);
	pthread_mutex_init(&control->lock, NULL);
	pthread_cond_init(&control->fewer, NULL);
	TS_ASSERT(pthread_create(&control->thread, NULL, accept_thread, control) == 0);
	*control_r = control;
	return TS_OK;
}

static void
wait_for_visits(struct control *control)
{
	pthread_mutex_lock(&control->lock);
	while (control->running > 0)
		pthread_cond_wait(&control->fewer, &control->lock);
	pthread_mutex_unlock(&control->lock);
}

void
control_stop(struct control *control)
{
	TS_ASSERT(eventfd_write(control->stopping, 1) == 0);
	wait_for_visits(control);
}

void
control_free(struct control **cp)
{
	struct control *control = *cp;

	if (control == NULL)
		return;
	*cp = NULL;
	control_stop(control);
	TS_ASSERT(eventfd_write(control->closing, 1) == 0);
	pthread_join(control->thread, NULL);
	wait_for_visits(control);
	unlink(control->path);
	close(control->fd);
	close(control->stopping);
	close(control->closing);
	pthread_cond_destroy(&control->fewer);
	pthread_mutex_destroy(&control->lock);
	mem_free(control->path);
	mem_free(control);
}
