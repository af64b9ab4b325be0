/* SPDX-License-Identifier: Apache-2.0 */
/* What the process may do: descriptors, and the system user it runs as. */
#include "app/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

void
privileges_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

bool
privileges_drop(const struct server_settings *s)
{
	const struct passwd *pw;

	pw = getpwnam(s->user.p);
	if (pw == NULL) {
		log_msg(LOG_ERROR, NULL, "server.user: there is no user %s", s->user.p);
		return false;
	}
	if (mkdir(s->data.p, 0700) == 0 && chown(s->data.p, pw->pw_uid, pw->pw_gid) != 0)
		log_msg(LOG_WARNING, NULL, "cannot give %s to %s: %s", s->data.p, s->user.p,
		    strerror(errno));
	if (initgroups(pw->pw_name, pw->pw_gid) != 0 || setgid(pw->pw_gid) != 0 ||
	    setuid(pw->pw_uid) != 0) {
		log_msg(LOG_ERROR, NULL, "cannot become user %s: %s", s->user.p, strerror(errno));
		return false;
	}
	return true;
}
