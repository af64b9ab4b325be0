/* SPDX-License-Identifier: Apache-2.0 */
/* Checks the files that a database's settings name before they are needed. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "auth/db.h"
#include "auth/settings/settings.h"
#include "auth/user/file.h"
#include "net/tls/tls.h"

enum { SECRET_MAX = 4096 };

void
auth_db_tell(
    const struct auth_db_make *make, const char *option, const struct buf *lines, struct buf *out)
{
	struct str rest = buf_as_str(lines), line;

	while (rest.n > 0 && str_split(&rest, '\n', &line))
		if (line.n > 0 && conf_blame(make->conf, make->settings, option, out))
			buf_printf(out, ": %.*s\n", STR_ARG(line));
}

/* Whether only the sandbox forbids the file, not its mode: the helper, which reads it, is outside.
 */
static bool
is_hidden(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), code = errno;

	if (fd >= 0)
		(void)close(fd);
	return fd < 0 && code == EACCES && faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0;
}

bool
auth_db_ca_ok(const struct auth_db_make *make, const char *option, struct str file, struct buf *why)
{
	static const char *const certificates[] = {"CERTIFICATE", NULL};
	struct buf text = {0}, other = {0};
	bool hidden = file.n > 0 && is_hidden(file.p);
	bool ok = file.n == 0 || hidden || tls_certificates_ok(file.p, &text);

	if (hidden && make->warnings != NULL) {
		buf_printf(&text,
		    "what %s holds is not known to the running server: run `turnstone config "
		    "check`",
		    file.p);
		auth_db_tell(make, option, &text, make->warnings);
	} else {
		auth_db_tell(make, option, &text, why);
	}
	if (file.n > 0 && !hidden && make->warnings != NULL) {
		tls_name_other_blocks(file.p, certificates, &other);
		auth_db_tell(make, option, &other, make->warnings);
	}
	buf_fini(&text);
	buf_fini(&other);
	return ok;
}

bool
auth_db_secret_ok(
    const struct auth_db_make *make, const char *option, struct str file, struct buf *why)
{
	struct buf secret = {0}, text = {0};
	struct stat seen;
	const char *fault = NULL;

	if (file.n > 0 && !is_hidden(file.p))
		fault = auth_file_read(file.p, SECRET_MAX, &secret, &seen);
	if (file.n > 0 && fault == NULL && secret.n > 0 && strchr("\r\n", secret.p[0]) != NULL)
		fault = "its first line is empty";
	if (file.n > 0 && fault == NULL && secret.n == 0 && !is_hidden(file.p))
		fault = "it is empty";
	if (fault != NULL)
		buf_printf(&text, "%s: %s", file.p, fault);
	auth_db_tell(make, option, &text, why);
	buf_wipe_fini(&secret);
	buf_fini(&text);
	return fault == NULL;
}
