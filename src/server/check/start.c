/* SPDX-License-Identifier: Apache-2.0 */
/* What a start needs from the machine: users, addresses, folders.  See config_check.h. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/magic.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/listen.h"
#include "server/check/config_check.h"
#include "server/process/inherit.h"

/* ---- users and groups ---- */

enum { NAMES_MAX = 512, GROUP_TEXT_MAX = 1 << 20 /* members of a group */ };

/* Looks for a similar name in /etc/passwd or /etc/group. */
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

/* What the checks of the machine need. */
struct machine {
	const struct config_check *how;
	const struct conf *conf;
	struct buf *faults, *warnings;
};

enum found { FOUND, UNKNOWN, UNSEEN /* from inside a sandbox that hides the users */ };

static enum found
not_found(const struct config_check *how)
{
	return how->sandboxed ? UNSEEN : UNKNOWN;
}

static enum found
find_user(const struct config_check *how, struct str name, uid_t *uid_r)
{
	struct passwd pw, *found = NULL;
	char text[4096];

	if (getpwnam_r(name.p, &pw, text, sizeof(text), &found) != 0 || found == NULL)
		return not_found(how);
	*uid_r = pw.pw_uid;
	return FOUND;
}

static enum found
find_group(const struct config_check *how, struct str name, gid_t *gid_r)
{
	struct group gr, *found = NULL;
	char *text = mem_zalloc(GROUP_TEXT_MAX);
	bool ok = getgrnam_r(name.p, &gr, text, GROUP_TEXT_MAX, &found) == 0 && found != NULL;

	if (ok)
		*gid_r = gr.gr_gid;
	mem_free(text);
	return ok ? FOUND : not_found(how);
}

/* kind: "user" or "group". */
static void
no_such(const struct machine *m, const void *settings, const char *option, struct str name,
    const char *kind)
{
	struct buf near = {0};
	const char *guess =
	    nearest_name(name, strcmp(kind, "user") == 0 ? "/etc/passwd" : "/etc/group", &near);

	config_check_fault(m->conf, settings, option, m->faults, "there is no %s %s%s%s%s", kind,
	    name.p, guess != NULL ? "; did you mean " : "", guess != NULL ? guess : "",
	    guess != NULL ? "?" : "");
	buf_fini(&near);
}

static void
not_known(const struct machine *m, enum found found, const void *settings, const char *option,
    struct str name, const char *kind)
{
	struct buf what = {0};

	if (found == UNSEEN) {
		buf_printf(&what, "whether there is a %s %s", kind, name.p);
		config_check_unseen(
		    m->how, m->conf, settings, option, buf_cstr(&what), m->warnings);
	} else if (found == UNKNOWN) {
		no_such(m, settings, option, name, kind);
	}
	buf_fini(&what);
}

bool
config_check_becomes(const struct config_check *how, const struct conf *conf, uid_t *uid_r)
{
	const struct server_settings *s = conf_get(conf, &server_conf);

	return s->user.n > 0 && how->starter->uid == 0 && find_user(how, s->user, uid_r) == FOUND &&
	       *uid_r != 0;
}

static void
check_system_user(const struct machine *m)
{
	const struct server_settings *s = conf_get(m->conf, &server_conf);
	uid_t uid;
	enum found found = s->user.n > 0 ? find_user(m->how, s->user, &uid) : UNSEEN;

	if (s->user.n == 0)
		return;
	not_known(m, found, s, "server.user", s->user, "user");
	if (found == FOUND && uid == 0)
		config_check_fault(m->conf, s, "server.user", m->faults,
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

void
config_starter_now(struct config_starter *starter_r)
{
	*starter_r = (struct config_starter){.uid = geteuid(),
	    .low_ports = has_capability(CAP_NET_BIND_SERVICE),
	    .chown = has_capability(CAP_CHOWN)};
}

/* The first port that anybody may bind. */
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

const char *
config_check_folder_fault(const char *folder)
{
	static const long kernels[] = {PROC_SUPER_MAGIC, SYSFS_MAGIC, CGROUP_SUPER_MAGIC,
	    CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, TRACEFS_MAGIC, SECURITYFS_MAGIC,
	    DEVPTS_SUPER_MAGIC};
	struct statfs fs;

	if (statfs(folder, &fs) != 0)
		return NULL;
	for (size_t i = 0; i < sizeof(kernels) / sizeof(*kernels); i++)
		if ((long)fs.f_type == kernels[i])
			return "belongs to the kernel and cannot hold files";
	return NULL;
}

/* Why the user who starts the server cannot make a file there; NULL: that user can. */
static const char *
place_fault(const struct machine *m, const char *path, struct buf *text)
{
	const char *slash = strrchr(path, '/');
	bool is_starter = m->how->starter->uid == geteuid();
	struct stat st;

	buf_put(text, path, slash == NULL || slash == path ? 1 : (size_t)(slash - path));
	if (stat(buf_cstr(text), &st) != 0)
		return is_starter || errno != EACCES ? strerrordesc_np(errno) : NULL;
	if (!S_ISDIR(st.st_mode))
		return "is not a folder";
	if (is_starter && faccessat(AT_FDCWD, buf_cstr(text), W_OK | X_OK, AT_EACCESS) != 0)
		return strerrordesc_np(errno);
	return config_check_folder_fault(buf_cstr(text));
}

/* A server started without that right has not changed its groups either. */
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

/* Giving a file away needs the right to do so. */
static void
check_owner(const struct machine *m, const struct settings_listener *l)
{
	const struct config_starter *starter = m->how->starter;
	uid_t uid;
	gid_t gid;
	enum found found = UNSEEN;

	if (l->s.owner.n > 0) {
		found = find_user(m->how, l->s.owner, &uid);
		not_known(m, found, l->given, "owner", l->s.owner, "user");
	}
	if (found == FOUND && uid != starter->uid && !starter->chown)
		config_check_fault(m->conf, l->given, "owner", m->faults,
		    "only root can give the socket to user %s: leave it out, or start as root",
		    l->s.owner.p);
	found = UNSEEN;
	if (l->s.group.n > 0) {
		found = find_group(m->how, l->s.group, &gid);
		not_known(m, found, l->given, "group", l->s.group, "group");
	}
	if (found == FOUND && !starter->chown && !is_in_group(gid))
		config_check_fault(m->conf, l->given, "group", m->faults,
		    "only root and the members of group %s can give the socket to it",
		    l->s.group.p);
}

static void
check_control(const struct machine *m)
{
	struct buf path = {0};
	struct stat st;

	settings_control_path(m->conf, &path);
	if (lstat(buf_cstr(&path), &st) == 0 && !S_ISSOCK(st.st_mode))
		config_check_fault(m->conf, conf_get(m->conf, &server_conf),
		    "server.control server.data", m->faults,
		    "%s already exists and is not a socket", buf_cstr(&path));
	buf_fini(&path);
}

static void
check_socket_path(const struct machine *m, const struct settings_listener *l)
{
	struct buf folder = {0};
	struct stat st;
	const char *why = place_fault(m, l->s.path.p, &folder);

	if (why != NULL)
		config_check_fault(m->conf, l->given, "path", m->faults, "the folder %s: %s",
		    buf_cstr(&folder), why);
	else if (lstat(l->s.path.p, &st) == 0 && !S_ISSOCK(st.st_mode))
		config_check_fault(m->conf, l->given, "path", m->faults,
		    "%s already exists and is not a socket", l->s.path.p);
	check_owner(m, l);
	buf_fini(&folder);
}

static void
check_address(const struct machine *m, const struct settings_listener *l)
{
	const char *why = l->s.address.n > 0 ? listener_address_fault(l->s.address.p) : NULL;

	if (why != NULL && settings_listener_blame(m->conf, l, "address", m->faults))
		buf_printf(m->faults, ": %.*s: %s\n", STR_ARG(l->s.address), why);
}

static void
check_port(const struct machine *m, const struct settings_listener *l)
{
	if (l->s.port == 0 || l->s.port >= first_free_port() || m->how->starter->low_ports)
		return;
	if (settings_listener_blame(m->conf, l, "port", m->faults))
		buf_printf(
		    m->faults, ": port %lld: %s\n", (long long)l->s.port, listener_advice(EACCES));
}

/* Whether systemd passes in a socket: then nothing is bound. */
static bool
is_handed_over(const struct server_inherited *in, struct str name)
{
	for (unsigned i = 0; i < in->n; i++)
		if (str_eq(str_of(in->names[i]), name))
			return true;
	return false;
}

static void
check_listeners(const struct machine *m)
{
	struct server_inherited in;
	struct settings_listener *list;
	struct buf told = {0};
	size_t n, sockets = 0;

	server_inherited_look(&in);
	(void)settings_listeners(m->conf, m->how->args, &told, &list, &n);
	for (size_t i = 0; i < n; i++) {
		const struct settings_listener *l = &list[i];

		sockets += (l->s.path.n > 0) + l->has_port;
		if (is_handed_over(&in, l->name))
			continue;
		if (l->s.path.n > 0)
			check_socket_path(m, l);
		check_address(m, l);
		if (l->has_port)
			check_port(m, l);
		if (sockets > SERVER_LISTENERS_MAX) {
			if (settings_listener_blame(m->conf, l, "port path", m->faults))
				buf_printf(m->faults, ": more than %d sockets to listen on\n",
				    SERVER_LISTENERS_MAX);
			break;
		}
	}
	server_inherited_fini(&in);
	mem_free(list);
	buf_fini(&told);
}

static void
check_metrics(const struct machine *m)
{
	const struct server_settings *s = conf_get(m->conf, &server_conf);
	const char *why;
	uid_t uid;

	if (s->metrics_port == 0)
		return;
	why = listener_address_fault(s->metrics_address.p);
	/* An invalid address was reported before. */
	if (why != NULL && !str_has_prefix(str_of(why), STR("is not a numeric")))
		config_check_fault(
		    m->conf, s, "metrics.address", m->faults, "%s: %s", s->metrics_address.p, why);
	if (s->metrics_port >= first_free_port())
		return;
	if (config_check_becomes(m->how, m->conf, &uid))
		config_check_fault(m->conf, s, "metrics.port", m->faults,
		    "port %lld is bound as user %s, who may not: choose %lld or above",
		    (long long)s->metrics_port, s->user.p, (long long)first_free_port());
	else if (!m->how->starter->low_ports)
		config_check_fault(m->conf, s, "metrics.port", m->faults, "port %lld: %s",
		    (long long)s->metrics_port, listener_advice(EACCES));
}

void
config_check_machine(const struct config_check *how, const struct conf *conf, struct buf *faults,
    struct buf *warnings)
{
	struct machine m = {how, conf, faults, warnings};

	check_system_user(&m);
	check_listeners(&m);
	check_control(&m);
	check_metrics(&m);
}
