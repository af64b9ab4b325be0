/* SPDX-License-Identifier: Apache-2.0 */
/* What the process may do: open files, and the system user it runs as. */
#include "server/process/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "imap/settings.h"
#include "lmtp/settings.h"

/* Files open besides connections: the engine's tables (512) and log, large messages, libraries,
 * control socket, loops. */
enum { OWN_FILES = 1024, CAPS_MAX = 64 };

void
privileges_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* Whoever left the limits at their defaults did not ask for so many connections. */
static bool
limits_given(const struct conf *conf)
{
	return conf_given(conf, conf_get(conf, &imap_conf), "limits.connections") ||
	       conf_given(conf, conf_get(conf, &lmtp_conf), "lmtp.limits.connections");
}

void
privileges_check_file_limit(const struct conf *conf)
{
	const struct imap_settings *imap_settings = conf_get(conf, &imap_conf);
	const struct lmtp_settings *lmtp_settings = conf_get(conf, &lmtp_conf);
	uint64_t imap = (uint64_t)imap_settings->connections;
	uint64_t lmtp = (uint64_t)lmtp_settings->connections, need = imap + lmtp + OWN_FILES;
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
		return;
	/* Root may exceed its hard limit, up to the system's. */
	limit.rlim_cur = limit.rlim_max = need;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0)
		return;
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	log_msg(limits_given(conf) ? LOG_WARNING : LOG_DEBUG, NULL,
	    "limits.connections is %llu and lmtp.limits.connections %llu, which needs %llu open "
	    "files, but the process may have %llu: further connections will wait (raise "
	    "LimitNOFILE= of the unit or `ulimit -Hn`, or lower these limits)",
	    (unsigned long long)imap, (unsigned long long)lmtp, (unsigned long long)need,
	    (unsigned long long)limit.rlim_cur);
}

/* Ensures that no program this process could start gets a capability. */
static bool
drop_capabilities(void)
{
	for (int cap = 0; cap < CAPS_MAX; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL)
			return false;
	return prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0;
}

static bool
clear_capabilities(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2] = {{0}, {0}};

	return syscall(SYS_capset, &head, none) == 0;
}

static bool
become(const struct passwd *pw)
{
	return drop_capabilities() && initgroups(pw->pw_name, pw->pw_gid) == 0 &&
	       setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == 0 &&
	       setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == 0 && clear_capabilities() &&
	       prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
}

/* Verifies that there is no way back. */
static bool
became(const struct passwd *pw)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	return getresuid(&r, &e, &s) == 0 && r == pw->pw_uid && e == pw->pw_uid &&
	       s == pw->pw_uid && getresgid(&rg, &eg, &sg) == 0 && rg == pw->pw_gid &&
	       eg == pw->pw_gid && sg == pw->pw_gid && setresuid(0, 0, 0) != 0 &&
	       setresgid(0, 0, 0) != 0 && setgroups(0, NULL) != 0;
}

static bool
own_data(const struct server_settings *s, const struct passwd *pw)
{
	struct buf why = {0};
	bool ok = settings_make_folders(s->data.p, pw, &why);

	if (!ok)
		log_msg(LOG_ERROR, NULL, "server.data: %s", buf_cstr(&why));
	buf_fini(&why);
	return ok;
}

static const struct passwd *
find_user(const char *name, struct buf *why)
{
	const struct passwd *pw = getpwnam(name);

	if (pw != NULL && pw->pw_uid != 0)
		return pw;
	if (pw == NULL)
		buf_printf(why, "there is no user %s on this system", name);
	else
		buf_printf(why, "%s is root; name another user", name);
	return NULL;
}

static bool
become_for_good(const struct passwd *pw, struct buf *why)
{
	if (!become(pw)) {
		buf_printf(why, "cannot become user %s: %s", pw->pw_name, strerror(errno));
		return false;
	}
	if (!became(pw)) {
		buf_printf(why, "user %s could become root again", pw->pw_name);
		return false;
	}
	return true;
}

bool
privileges_become(const char *name, struct buf *why)
{
	const struct passwd *pw = find_user(name, why);

	if (pw != NULL && geteuid() != 0) {
		buf_puts(why, "only root can become another user");
		pw = NULL;
	}
	return pw != NULL && become_for_good(pw, why);
}

static bool
drop_to_user(const struct server_settings *s, bool with_data)
{
	struct buf why = {0};
	const struct passwd *pw = find_user(s->user.p, &why);
	bool ok = pw != NULL && (!with_data || own_data(s, pw)) && become_for_good(pw, &why);

	if (why.n > 0)
		log_msg(LOG_ERROR, NULL, "server.user: %s", buf_cstr(&why));
	buf_fini(&why);
	return ok;
}

bool
privileges_drop(const struct server_settings *s)
{
	return drop_to_user(s, true);
}

bool
privileges_drop_helper(const struct server_settings *s)
{
	return drop_to_user(s, false);
}

void
privileges_shed(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	/* Drops what the unit granted for the ports, which are open. */
	if (geteuid() != 0) {
		(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
		(void)clear_capabilities();
	}
}
