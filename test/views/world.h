/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEWS_WORLD_H
#define TEST_VIEWS_WORLD_H
/*
 * Sessions on a whole server in this process, on a fake loop: the test decides what happens when.
 * Changes that no session makes are made directly in the store, like those of another connection;
 * they may be made at a hold point, at the end of any reading of a mailbox.
 */
#include "site.h"
#include "viewer.h"

#define READY 8

struct world {
	struct site *site;
	struct store_account *account;
	struct store_mailbox *boxes[MAILBOXES];
	struct truth truth;
	struct viewer sessions[SITE_CLIENTS];
	unsigned viewer_count;
	/* NULL: all sessions are alice's, who has the mailboxes.  Else they are in turn hers, and
	 * bob's and carol's with these rights, as soon as world_share() is called. */
	const char *const *rights;
	/* At the end of the n-th reading since `looks` was 0; NULL: nothing happens. */
	void (*hold)(struct world *world, unsigned n);
	unsigned looks;
	bool tasks; /* the end of each task of the loop is a hold point, too */
	void *arg;
	struct ready { /* uploaded texts, for APPENDs */
		uint32_t id;
		struct store_upload *upload;
	} ready[READY];
	unsigned ready_count;
};

/* Starts a server with three users; it can be used for several runs. */
void world_open(struct world *world);
void world_close(struct world *world);
/* Begins a run: two empty mailboxes and this many sessions, logged in; resync: each second one uses
 * QRESYNC. */
void world_begin(struct world *world, uint64_t seed, unsigned sessions, bool resync);
void world_end(struct world *world);
/* How long a command computes before others get a turn: one piece of its work, or to its end.  No
 * clock decides that. */
void world_slices(struct world *world, bool shortest);
/* Shares the mailboxes. */
void world_share(struct world *world);

/* Passes the session's output to the server, up to so many bytes. */
void world_send(struct world *world, unsigned session, size_t most);
/* Passes the server's output to the sessions. */
void world_take(struct world *world);
/* Does both until nothing happens any more. */
void world_run(struct world *world);

/* ---- changes that another connection makes, on the first mailbox ---- */

enum change {
	CHANGE_NONE,
	CHANGE_EXPUNGE_FIRST,
	CHANGE_EXPUNGE_SOME, /* every other one */
	CHANGE_EXPUNGE_ALL,
	CHANGE_MOVE_SECOND, /* to the other mailbox */
	CHANGE_APPEND,
	CHANGE_APPEND_KEYWORD, /* a new one */
	CHANGE_KEYWORD,        /* another, on the third */
	CHANGE_SEEN,           /* on all */
	CHANGE_FLAGS,          /* others, on some */
	CHANGE_DELETED,        /* on the last */
	CHANGE_APPEND_EXPUNGE, /* one is added, one removed */
	CHANGE_DELIVER,        /* one is added to both mailboxes, as by LMTP */
	CHANGES
};
extern const char *const change_names[CHANGES];
/* Makes the change; each takes a moment of the truth.  Blobs that nobody needs any more are freed
 * at once. */
void world_change(struct world *world, enum change change);
/* Prepares what changes need; not at a hold point. */
void world_prepare(struct world *world);
/* Adds so many messages, at most READY. */
void world_append(struct world *world, unsigned count, uint32_t flags);
#endif
