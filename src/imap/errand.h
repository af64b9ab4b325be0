/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_ERRAND_H
#define IMAP_ERRAND_H
/*
 * Errands: work that belongs to a login, or to its selected mailbox, and to no command.
 *
 * An errand is a job on a worker, or a change in the store, with an arena of its own.  It owns a
 * reference to everything it touches, which arena_on_free() releases, and knows nothing about the
 * connection: neither login nor box need exist any more while it runs.  Its result comes back to
 * the loop with the serial number of its turn (and of its box).  If that is still the current one,
 * done() gets the result, puts it where it belongs, and makes a teller due (imap/tell.h): it prints
 * nothing.  If not, even if the same user is back, the errand is dropped, and nobody ever hears of
 * it.
 *
 * The rules of time and share are those of commands: a job belongs to the login's user, runs in
 * slices, and is cancelled after timeouts.job; a change is waited for as long as timeouts.store
 * says.  A user may have limits.errands of them running on a connection; others wait for their
 * turn, in order.  What they hold counts as memory of the connection (imap_errand_reserve()).
 *
 * When its turn or box ends, a waiting errand is dropped at once, a running one is cancelled and
 * ends when its worker notices, and a change continues without it.
 *
 * What is still on a worker then counts for the user who started it, also when that user comes
 * back, and never for the next one: nobody's errand waits or is refused because of another user's.
 * It is bounded separately.  Of one user no more is left, on all connections, than the user's share
 * of the workers, since only what runs is left.  On one connection earlier turns may leave
 * limits.errands of them, holding up to limits.connection_memory: a command that would leave more
 * waits until enough of them have ended, for at most timeouts.job (cmd_end_errands()).  So the user
 * who left them is the one who waits.
 */
#include "imap/cmd.h"

struct imap_errand;

struct imap_errand_class {
	const char *name; /* for traces */
	enum work_kind kind;
	/* On a worker: may use only its state, and must call imap_errand_should_stop() as it
	 * proceeds.  NULL: it is started with a change. */
	enum work_end (*run)(struct imap_errand *errand);
	/* On the loop, if somebody still wants it; frees what it started after that. */
	void (*done)(struct imap_errand *errand, struct imap_conn *conn);
};

struct imap_errand {
	struct arena *arena;
	void *state;
	struct store_change *change; /* NULL, or with its result */

	/* private */
	const struct imap_errand_class *class;
	struct imap_conn *conn; /* which stays until all its errands have ended */
	uint64_t turn, box;     /* serial numbers; box 0: it belongs to the login */
	uint64_t reserved;
	bool under_way, dropped;
	struct work work;
	struct loop_timer timer;
	struct imap_errand *next;
};

/* Makes an errand for the login; of_box: for its selected mailbox.  state is zeroed, of that
 * size. */
struct imap_errand *imap_errand_new(struct imap_conn *conn, const struct imap_errand_class *class,
    size_t state_size, bool of_box) __attribute__((returns_nonnull));
/* Takes that much more of the connection's memory.  Returns false if it is not available; takes
 * nothing then. */
bool imap_errand_reserve(struct imap_errand *errand, uint64_t bytes);
/* Call one of them, after which it is no longer the caller's; or imap_errand_drop(). */
void imap_errand_start(struct imap_errand *errand);
void imap_errand_start_change(struct imap_errand *errand, struct store_change *change);
void imap_errand_drop(struct imap_errand *errand);

static inline bool
imap_errand_should_stop(struct imap_errand *errand)
{
	return work_should_stop(&errand->work);
}

/* For commands that end the turn (UNAUTHENTICATE, PROXYAUTH), once nothing can prevent that any
 * more: ends its errands, then continues with `next`. */
enum imap_next cmd_end_errands(struct imap_cmd *cmd, const struct imap_step *next);

/* For the engine.  The current turn, or box, ends: nobody wants what was started for it. */
void imap_errands_leave(struct imap_conn *conn, bool box_only);
/* Returns whether it counts for the current user.  In another turn only if the user is the same. */
static inline bool
imap_errand_counts(const struct imap_errand *errand)
{
	const struct imap_turn *turn = errand->conn->turn;

	return errand->turn == turn->serial ||
	       (turn->login != NULL && turn->login->who.user == errand->work.who.user);
}
#endif
