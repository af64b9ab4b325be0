/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_COMMON_TRY_H
#define IMAP_COMMON_TRY_H
/*
 * Shared by LOGIN, AUTHENTICATE and PROXYAUTH: from a claim to a login or a refusal.
 *
 * A command makes a try, fills in its request, and calls imap_try_verify(), which answers the
 * command.
 */
#include "auth/auth.h"
#include "imap/cmd.h"
#include "sasl/mech.h"

/* An attempt to log in; a successful one gives a struct imap_login. */
struct imap_try { /* stored in cmd->state; a job's while it runs */
	struct auth *auth;
	struct store *store;
	struct auth_request req;
	struct auth_login who;
	enum auth_result result;
	struct sasl_exchange *exchange; /* freed with the command */
	struct str response;            /* for its next move; in the command's arena */
	bool has_response, started;
	enum sasl_step step; /* result of a move on a worker */
	struct auth_scram scram;
	const char *why; /* the mechanism's reason to refuse; NULL: see the result */
	struct store_account *account;
	enum ts_err err;
	unsigned decided; /* how often */
	bool waited;      /* for as long as failed_wait() said, with these: */
	imap_job_f *job_run;
	const struct imap_step *job_next;
	uint64_t asked_ms; /* when the client had sent its credentials, on loop_now()'s clock */
	/* May be NULL.  Runs between a failed login and its NO. */
	const struct imap_step *when_failed;
	bool gave_up; /* the login being replaced had errands, which have ended */
};

/* Stores the try in cmd->state. */
struct imap_try *imap_try_new(struct imap_cmd *cmd, struct str mechanism);
/* Call when the request is complete: answers the command. */
enum imap_next imap_try_verify(struct imap_cmd *cmd);
/* Same for a name and a password: the name may be that of a user and a gateway (auth/gateway.h). */
enum imap_next imap_try_named(struct imap_cmd *cmd);
/* The mechanism refuses the client; why is for the log. */
enum imap_next imap_try_refuse(struct imap_cmd *cmd, const char *why);
/* Sends the NO to a failed login, once everything else about it is done. */
enum imap_next imap_try_failed(struct imap_cmd *cmd);
/* Returns whether the check stopped before a database that may be slow.  Then it must be repeated,
 * and imap_try_job() does that where it may wait. */
bool imap_try_must_wait(struct imap_try *s);
/* Runs a job on behalf of a stranger, with state cmd->state: bounded, and queued after the
 * stranger's other jobs. */
enum imap_next imap_try_job(struct imap_cmd *cmd, imap_job_f *run, const struct imap_step *next);
#endif
