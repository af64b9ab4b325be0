/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_ERRAND_H
#define IMAP_ERRAND_H
/*
 * Errands: work that belongs to a login, or to its selected mailbox, and to no command.
 *
 * An errand is a job on a worker, or a change in the store, with an arena of its own.  It owns a
 * reference to everything it touches, as arena_on_free() lets go of, and knows nothing of the
 * connection: neither login nor box need be there any more while it runs.  What comes of it is
 * brought back to the loop with the serial number of its turn (and of its box).  If that is still
 * the one that is there, done() gets the result, puts it where it belongs, and makes a teller due
 * (imap/tell.h): it prints nothing.  If not, be it that the same user is back, the errand is
 * forgotten, and nobody ever hears of it.
 *
 * The rules of time and share are those of commands: a job is of the login's user, runs in slices,
 * and is given up after timeouts.job; a change is waited for as long as timeouts.store says.  A
 * user has limits.errands of them under way on a connection; others wait for their turn, in order.
 * What they hold is memory of the connection (imap_errand_reserve()).
 *
 * Where its turn or box ends, an errand that waits goes at once, one that runs is cancelled and
 * goes when its worker sees it, and a change goes on without it.
 *
 * What is still on a worker then counts for the user who started it, also when that user comes
 * back, and never for the next one: nobody's errand waits or is refused because of another user's.
 * It has bounds of its own.  Of one user no more is left, on all connections, than the user's share
 * of the workers, since only what runs is left.  On one connection earlier turns leave
 * limits.errands of them, which hold limits.connection_memory: a command that would leave more
 * waits until enough of them are over, for timeouts.job at most (cmd_end_errands()).  So who left
 * them waits.
 */
#include "imap/cmd.h"

struct imap_errand;

struct imap_errand_class {
	const char *name; /* for traces */
	enum work_kind kind;
	/* On a worker: may use its state only; asks imap_errand_should_stop() as it goes.  NULL: it
	 * is started with a change. */
	enum work_end (*run)(struct imap_errand *errand);
	/* On the loop, if there is still who wants it; what it started is freed then. */
	void (*done)(struct imap_errand *errand, struct imap_conn *conn);
};

struct imap_errand {
	struct arena *arena;
	void *state;
	struct store_change *change; /* NULL, or with its result */

	/* private */
	const struct imap_errand_class *class;
	struct imap_conn *conn; /* which stays until all its errands are over */
	uint64_t turn, box;     /* serial numbers; box 0: it is the login's */
	uint64_t reserved;
	bool under_way, dropped;
	struct work work;
	struct loop_timer timer;
	struct imap_errand *next;
};

/* For the login; of_box: for its selected mailbox.  Zeroed state of so many bytes. */
struct imap_errand *imap_errand_new(struct imap_conn *conn, const struct imap_errand_class *class,
    size_t state_size, bool of_box) __attribute__((returns_nonnull));
/* Takes so much more of the connection's memory; false: there is not so much, nothing is taken. */
bool imap_errand_reserve(struct imap_errand *errand, uint64_t bytes);
/* One of them, then it is not the caller's any more; or imap_errand_drop(). */
void imap_errand_start(struct imap_errand *errand);
void imap_errand_start_change(struct imap_errand *errand, struct store_change *change);
void imap_errand_drop(struct imap_errand *errand);

static inline bool
imap_errand_should_stop(struct imap_errand *errand)
{
	return work_should_stop(&errand->work);
}

/* For commands that end the turn (UNAUTHENTICATE, PROXYAUTH), when nothing can keep it from ending
 * any more: ends its errands, then goes on with `next`. */
enum imap_next cmd_end_errands(struct imap_cmd *cmd, const struct imap_step *next);

/* For the engine.  The turn, or the box, that is there now ends: nobody wants what was started for
 * it. */
void imap_errands_leave(struct imap_conn *conn, bool box_only);
/* Does it count for the user who is there?  In another turn only if it is the same one. */
static inline bool
imap_errand_counts(const struct imap_errand *errand)
{
	const struct imap_turn *turn = errand->conn->turn;

	return errand->turn == turn->serial ||
	       (turn->login != NULL && turn->login->who.user == errand->work.who.user);
}
#endif
