/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_COMMON_TRY_H
#define IMAP_COMMON_TRY_H
/*
 * What LOGIN, AUTHENTICATE and PROXYAUTH share: from a claim to a login, or a refusal.
 *
 * A command makes a try, fills in its request, and calls imap_try_verify(), which answers the
 * command.
 */
#include "auth/auth.h"
#include "imap/cmd.h"
#include "sasl/mech.h"

/* A try to log in; what comes of one that succeeds is a struct imap_login. */
struct imap_try { /* cmd->state; a job's while it runs */
	struct auth *auth;
	struct store *store;
	struct auth_request req;
	struct auth_login who;
	enum auth_result result;
	struct sasl_exchange *exchange; /* freed with the command */
	struct str response;            /* for its next move, in the command's arena */
	bool has_response, started;
	enum sasl_step step; /* what a move on a worker came to */
	struct auth_scram scram;
	const char *why; /* refused by the mechanism; NULL: the result says it */
	struct store_account *account;
	enum ts_err err;
	unsigned decided; /* how often */
	bool waited;      /* as long as failed_wait() said, with these: */
	imap_job_f *job_run;
	const struct imap_step *job_next;
	uint64_t asked_ms; /* when the client had said what this is about, on loop_now()'s clock */
	/* Or NULL: what comes between a login that failed and the NO. */
	const struct imap_step *when_failed;
	bool gave_up; /* the login that is taken over had errands, which are over */
};

/* Becomes cmd->state. */
struct imap_try *imap_try_new(struct imap_cmd *cmd, struct str mechanism);
/* The request is complete: answers the command. */
enum imap_next imap_try_verify(struct imap_cmd *cmd);
/* The same of a name and a password: the name may be that of a user and a gateway (auth/gateway.h).
 */
enum imap_next imap_try_named(struct imap_cmd *cmd);
/* The mechanism refuses them; why is for the log. */
enum imap_next imap_try_refuse(struct imap_cmd *cmd, const char *why);
/* The NO to a login that failed, when all that belongs to it was done. */
enum imap_next imap_try_failed(struct imap_cmd *cmd);
/* Did the check stop before a database that may be slow?  Then it is to be done again, and
 * imap_try_job() does it where it may wait. */
bool imap_try_must_wait(struct imap_try *s);
/* A job on behalf of a stranger, whose state is cmd->state: bounded, and behind his own. */
enum imap_next imap_try_job(struct imap_cmd *cmd, imap_job_f *run, const struct imap_step *next);
#endif
