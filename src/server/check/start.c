/* SPDX-License-Identifier: Apache-2.0 */
/* What a start asks of the machine: users, addresses, folders.  See config_check.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/listen.h"
#include "server/check/config_check.h"
#include "server/process/inherit.h"

/* ---- users and groups ---- */

enum { NAMES_MAX = 512 };

/* Names of /etc/passwd or /etc/group, to look for a near one in. */
static const char *
nearest_name(struct str name, const char *file, struct buf *out)
{
	const char *words[NAMES_MAX], *guess;
	char line[1024];
	size_t n = 0;
	FILE *f = fopen(file, "re");

	while (f != NULL && n < NAMES_MAX && fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, ":\n")] = '\0';
		words[n++] = mem_strdup(line);
	}
	if (f != NULL)
		(void)fclose(f);
	guess = str_nearest(name, words, n);
	if (guess != NULL)
		buf_puts(out, guess);
	for (size_t i = 0; i < n; i++)
		mem_free((void *)(uintptr_t)words[i]);
	return out->n > 0 ? buf_cstr(out) : NULL;
}

/* kind: "user" or "group". */
static void
no_such(const struct conf *conf, const void *settings, const char *option, struct str name,
    const char *kind, struct buf *faults)
{
	struct buf near = {0};
	const char *guess =
	    nearest_name(name, strcmp(kind, "user") == 0 ? "/etc/passwd" : "/etc/group", &near);

	config_check_fault(conf, settings, option, faults, "there is no %s %s%s%s%s", kind, name.p,
	    guess != NULL ? "; did you mean " : "", guess != NULL ? guess : "",
	    guess != NULL ? "?" : "");
	buf_fini(&near);
}

const struct passwd *
config_check_becomes(const struct conf *conf)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	const struct passwd *pw = s->user.n > 0 && geteuid() == 0 ? getpwnam(s->user.p) : NULL;

	return pw != NULL && pw->pw_uid != 0 ? pw : NULL;
}

static void
check_user(const struct conf *conf, struct buf *faults)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	const struct passwd *pw = s->user.n > 0 ? getpwnam(s->user.p) : NULL;

	if (s->user.n > 0 && pw == NULL)
		no_such(conf, s, "server.user", s->user, "user", faults);
	else if (pw != NULL && pw->pw_uid == 0)
		config_check_fault(conf, s, "server.user", faults,
		    "%s is root; name a user of the server's own", s->user.p);
}

/* ---- listeners ---- */

static bool
has_capability(unsigned capability)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}, {0}};

	return syscall(SYS_capget, &head, data) == 0 &&
	       (data[0].effective & (1u << capability)) != 0;
}

/* The first port that everybody may bind. */
static int64_t
first_free_port(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_unprivileged_port_start", "re");
	char line[32] = "";
	int64_t port = 1024;

	if (f != NULL && fgets(line, sizeof(line), f) != NULL)
		port = strtoll(line, NULL, 10);
	if (f != NULL)
		(void)fclose(f);
	return port;
}

/* What keeps somebody from making a file there; NULL: nothing. */
static const char *
place_fault(const char *path, struct buf *text)
{
	const char *slash = strrchr(path, '/');
	struct stat st;

	buf_put(text, path, slash == NULL || slash == path ? 1 : (size_t)(slash - path));
	if (stat(buf_cstr(text), &st) != 0)
		return strerrordesc_np(errno);
	if (!S_ISDIR(st.st_mode))
		return "is not a folder";
	if (faccessat(AT_FDCWD, buf_cstr(text), W_OK | X_OK, AT_EACCESS) != 0)
		return strerrordesc_np(errno);
	return NULL;
}

static bool
is_in_group(gid_t group)
{
	gid_t groups[1024];
	int n = getgroups(1024, groups);

	for (int i = 0; i < n; i++)
		if (groups[i] == group)
			return true;
	return group == getegid();
}

/* Only who has the right gives a file away. */
static void
check_owner(const struct conf *conf, const struct app_listener *l, struct buf *faults)
{
	const struct passwd *pw = l->s.owner.n > 0 ? getpwnam(l->s.owner.p) : NULL;
	const struct group *gr = l->s.group.n > 0 ? getgrnam(l->s.group.p) : NULL;

	if (l->s.owner.n > 0 && pw == NULL)
		no_such(conf, l->given, "owner", l->s.owner, "user", faults);
	else if (pw != NULL && pw->pw_uid != geteuid() && !has_capability(CAP_CHOWN))
		config_check_fault(conf, l->given, "owner", faults,
		    "only root can give the socket to user %s: leave it out, or start as root",
		    l->s.owner.p);
	if (l->s.group.n > 0 && gr == NULL)
		no_such(conf, l->given, "group", l->s.group, "group", faults);
	else if (gr != NULL && !is_in_group(gr->gr_gid) && !has_capability(CAP_CHOWN))
		config_check_fault(conf, l->given, "group", faults,
		    "only root and the members of group %s can give the socket to it",
		    l->s.group.p);
}

static void
check_control(const struct conf *conf, struct buf *faults)
{
	struct buf path = {0};
	struct stat st;

	app_control_path(conf, &path);
	if (lstat(buf_cstr(&path), &st) == 0 && !S_ISSOCK(st.st_mode))
		config_check_fault(conf, conf_get(conf, &server_conf), "server.control server.data",
		    faults, "%s is there already, and is not a socket", buf_cstr(&path));
	buf_fini(&path);
}

static void
check_socket_path(const struct conf *conf, const struct app_listener *l, struct buf *faults)
{
	struct buf folder = {0};
	struct stat st;
	const char *why = place_fault(l->s.path.p, &folder);

	if (why != NULL)
		config_check_fault(
		    conf, l->given, "path", faults, "the folder %s: %s", buf_cstr(&folder), why);
	else if (lstat(l->s.path.p, &st) == 0 && !S_ISSOCK(st.st_mode))
		config_check_fault(conf, l->given, "path", faults,
		    "%s is there already, and is not a socket", l->s.path.p);
	check_owner(conf, l, faults);
	buf_fini(&folder);
}

static void
check_address(const struct conf *conf, const struct app_listener *l, struct buf *faults)
{
	const char *why = l->s.address.n > 0 ? listener_address_fault(l->s.address.p) : NULL;

	if (why != NULL && app_listener_blame(conf, l, "address", faults))
		buf_printf(faults, ": %.*s: %s\n", STR_ARG(l->s.address), why);
}

/* As whoever asks, here and now. */
static void
check_port(const struct conf *conf, const struct app_listener *l, struct buf *faults)
{
	if (l->s.port == 0 || l->s.port >= first_free_port() ||
	    has_capability(CAP_NET_BIND_SERVICE))
		return;
	if (app_listener_blame(conf, l, "port", faults))
		buf_printf(
		    faults, ": port %lld: %s\n", (long long)l->s.port, listener_advice(EACCES));
}

/* Handed over by systemd: then nothing is bound for it. */
static bool
is_handed_over(const struct server_inherited *in, struct str name)
{
	for (unsigned i = 0; i < in->n; i++)
		if (str_eq(str_of(in->names[i]), name))
			return true;
	return false;
}

static void
check_listeners(const struct config_check *how, const struct conf *conf, struct buf *faults)
{
	struct server_inherited in;
	struct app_listener *list;
	struct buf told = {0};
	size_t n, sockets = 0;

	server_inherited_look(&in);
	(void)app_listeners(conf, how->args, &told, &list, &n);
	for (size_t i = 0; i < n; i++) {
		const struct app_listener *l = &list[i];

		sockets += (l->s.path.n > 0) + l->has_port;
		if (is_handed_over(&in, l->name))
			continue;
		if (l->s.path.n > 0)
			check_socket_path(conf, l, faults);
		if (l->has_port)
			check_address(conf, l, faults);
		if (l->has_port)
			check_port(conf, l, faults);
		if (sockets > SERVER_LISTENERS_MAX) {
			if (app_listener_blame(conf, l, "port path", faults))
				buf_printf(faults, ": more than %d sockets to listen on\n",
				    SERVER_LISTENERS_MAX);
			break;
		}
	}
	server_inherited_fini(&in);
	mem_free(list);
	buf_fini(&told);
}

static void
check_metrics(const struct conf *conf, struct buf *faults)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	const char *why;

	if (s->metrics_port == 0)
		return;
	why = listener_address_fault(s->metrics_address.p);
	/* What is no address at all was told before. */
	if (why != NULL && !str_has_prefix(str_of(why), STR("is not a numeric")))
		config_check_fault(
		    conf, s, "metrics.address", faults, "%s: %s", s->metrics_address.p, why);
	if (config_check_becomes(conf) != NULL && s->metrics_port < first_free_port())
		config_check_fault(conf, s, "metrics.port", faults,
		    "port %lld is bound as user %s, who may not: choose %lld or above",
		    (long long)s->metrics_port, s->user.p, (long long)first_free_port());
}

void
config_check_machine(const struct config_check *how, const struct conf *conf, struct buf *faults,
    struct buf *warnings)
{
	(void)warnings;
	check_user(conf, faults);
	check_listeners(how, conf, faults);
	check_control(conf, faults);
	check_metrics(conf, faults);
}
