/* SPDX-License-Identifier: Apache-2.0 */
/* Serves one request in the helper: reads it, calls the handler of its kind, answers. */
#include <unistd.h>

#include "auth/helper/helper_int.h"
#include "base/mem.h"

static auth_helper_fn *const handlers[AUTH_HELPER_KINDS] = {
    [AUTH_HELPER_PAM] = auth_helper_pam,
    [AUTH_HELPER_LDAP] = auth_helper_ldap,
    [AUTH_HELPER_OAUTH] = auth_helper_oauth,
    [AUTH_HELPER_COMMAND] = auth_helper_command,
};

void
helper_serve(enum auth_helper_kind kind, int fd, uint64_t deadline)
{
	struct buf request = {0}, reply = {0};

	if (helper_msg_read(fd, &request, deadline) &&
	    handlers[kind](buf_as_str(&request), deadline, &reply))
		(void)helper_msg_write(fd, buf_as_str(&reply), deadline);
	buf_wipe_fini(&request);
	buf_wipe_fini(&reply);
	close(fd);
}
