/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PAM, in the helper: each check has its own process, so a module may block, leak, start programs
 * and change the process.
 */
#include <pwd.h>
#include <security/pam_appl.h>
#include <stdlib.h>
#include <string.h>

#include "auth/helper/helper_int.h"
#include "auth/helper/pam_wire.h"
#include "base/log.h"
#include "base/mem.h"

/* Answers each prompt without echo with the password, and no other prompt. */
static int
converse(int n, const struct pam_message **msg, struct pam_response **resp, void *arg)
{
	struct pam_response *list;

	*resp = NULL;
	if (n <= 0 || n > PAM_MAX_NUM_MSG)
		return PAM_CONV_ERR;
	list = calloc((size_t)n, sizeof(*list)); /* PAM frees the list */
	for (int i = 0; list != NULL && i < n; i++) {
		if (msg[i]->msg_style == PAM_PROMPT_ECHO_OFF) {
			list[i].resp = strdup(arg);
		} else if (msg[i]->msg_style == PAM_PROMPT_ECHO_ON) {
			for (int j = 0; j < i; j++)
				if (list[j].resp != NULL) {
					mem_wipe(list[j].resp, strlen(list[j].resp));
					free(list[j].resp);
				}
			free(list);
			return PAM_CONV_ERR;
		}
	}
	*resp = list;
	return list == NULL ? PAM_BUF_ERR : PAM_SUCCESS;
}

/* PAM must not delay failures: the server does. */
static void
no_delay(int status, unsigned microseconds, void *arg)
{
	(void)status;
	(void)microseconds;
	(void)arg;
}

static enum auth_pam_answer
answer_of(int code)
{
	switch (code) {
	case PAM_SUCCESS:
		return AUTH_PAM_OK;
	case PAM_ACCT_EXPIRED:
	case PAM_NEW_AUTHTOK_REQD:
	case PAM_AUTHTOK_EXPIRED:
	case PAM_CRED_EXPIRED:
		return AUTH_PAM_CLOSED;
	case PAM_OPEN_ERR:
	case PAM_SYMBOL_ERR:
	case PAM_SERVICE_ERR:
	case PAM_BUF_ERR:
	case PAM_AUTHINFO_UNAVAIL:
	case PAM_ABORT:
	case PAM_MODULE_UNKNOWN:
	case PAM_CONV_ERR:
		return AUTH_PAM_UNAVAILABLE;
	default:
		return AUTH_PAM_FAILED;
	}
}

static int
start(const struct auth_pam_request *r, const char *user, const struct pam_conv *conv,
    pam_handle_t **pamh)
{
	if (r->confdir.n > 0)
		return pam_start_confdir(r->service.p, user, conv, r->confdir.p, pamh);
	return pam_start(r->service.p, user, conv, pamh);
}

static enum auth_pam_answer
check_password(const struct auth_pam_request *r)
{
	/* PAM's pointer is not const; converse() only reads. */
	struct pam_conv conv = {.conv = converse};
	union {
		void (*fn)(int, unsigned, void *);
		const void *item;
	} delay = {.fn = no_delay};
	char *password = mem_strdup(r->password.p);
	pam_handle_t *pamh = NULL;
	enum auth_pam_answer answer;
	const char *step = "pam_start";
	int code;

	conv.appdata_ptr = password;
	code = start(r, r->user.p, &conv, &pamh);
	if (code == PAM_SUCCESS) {
		(void)pam_set_item(pamh, PAM_FAIL_DELAY, delay.item);
		if (r->address.n > 0)
			(void)pam_set_item(pamh, PAM_RHOST, r->address.p);
		step = "pam_authenticate";
		code = pam_authenticate(pamh, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
	}
	answer = answer_of(code);
	if (code == PAM_SUCCESS) {
		step = "pam_acct_mgmt";
		code = pam_acct_mgmt(pamh, PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK);
		answer = answer_of(code);
		if (answer == AUTH_PAM_FAILED) /* the password is right, but not the account */
			answer = AUTH_PAM_CLOSED;
	}
	if (answer == AUTH_PAM_UNAVAILABLE || answer == AUTH_PAM_CLOSED)
		log_msg(LOG_WARNING, "auth", "PAM service %s, user %s: %s: %s", r->service.p,
		    r->user.p, step, pam_strerror(pamh, code));
	if (pamh != NULL)
		(void)pam_end(pamh, code);
	mem_wipe(password, r->password.n);
	mem_free(password);
	return answer;
}

static enum auth_pam_answer
look_up_system_user(const struct auth_pam_request *r)
{
	struct passwd pw, *found = NULL;
	char text[16384];
	int code = getpwnam_r(r->user.p, &pw, text, sizeof(text), &found);

	if (code != 0) {
		log_msg(LOG_WARNING, "auth", "user %s cannot be looked up: %s", r->user.p,
		    strerrordesc_np(code));
		return AUTH_PAM_UNAVAILABLE;
	}
	return found != NULL ? AUTH_PAM_OK : AUTH_PAM_FAILED;
}

bool
auth_helper_pam(struct str request, uint64_t deadline, struct buf *reply)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	struct auth_pam_request r;
	bool ok;

	(void)deadline; /* the supervisor kills the process then */
	arena_wipe_on_free(arena);
	ok = auth_pam_request_parse(request, arena, &r);
	if (ok)
		buf_putc(reply, (char)(r.look_up ? look_up_system_user(&r) : check_password(&r)));
	arena_free(&arena);
	return ok;
}
