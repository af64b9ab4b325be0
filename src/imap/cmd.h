/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_CMD_H
#define IMAP_CMD_H
/*
 * Commands: what they are, what they may wait for, and how they are answered.  Together with
 * imap/ext.h (the tables by which the engine finds them) and imap/view.h (the selected mailbox)
 * this is all that most files of imap/cmd and imap/ext need; for the rest see imap/place/rights.h,
 * imap/place/place.h, imap/tell.h, imap/errand.h.
 */
#include "imap/imap.h"
#include "imap/view.h"
#include "wire/cmd.h"
#include "wire/cmd/auth.h"
#include "wire/cmd/copy.h"
#include "wire/cmd/list.h"
#include "wire/cmd/mailbox.h"
#include "wire/cmd/select.h"
#include "wire/cmd/store.h"

/* ---- steps ---- */

struct imap_step {
	const char *name; /* for traces */
	enum imap_next (*run)(struct imap_cmd *cmd);
};

/* What the runner does after the tagged reply is printed. */
enum imap_after {
	IMAP_AFTER_NOTHING,
	IMAP_AFTER_NEW_TURN, /* UNAUTHENTICATE, PROXYAUTH */
	IMAP_AFTER_STARTTLS,
	IMAP_AFTER_LAYER, /* a login with a security layer, which begins */
	IMAP_AFTER_CLOSE  /* LOGOUT, fatal errors */
};

struct imap_cmd {
	struct arena *arena;
	struct imap_conn *conn;
	const struct imap_cmd_def *def; /* NULL: unknown command */
	struct str tag;
	bool uid;          /* UID FETCH, UID STORE, … */
	struct wire_in in; /* cursor after the command's name */
	const struct imap_step *step;
	void *state; /* the command's own state, in arena */
	uint64_t started_ns;
	uint64_t reserved; /* bytes outside its arena: cmd_reserve() */

	/* what the command waits for */
	struct imap_job *job;
	struct store_change *change;
	bool change_waits;            /* it is under way; else it has its result */
	bool upload_waits;            /* waiting for an upload to finish */
	bool waits_for_errands;       /* private: cmd_end_errands(): waits for some to end */
	bool ends_errands;            /* private: no more can begin */
	void *reach;                  /* private: imap/place/shared.h */
	struct imap_open *opening;    /* private: cmd_open_mailbox() */
	const struct imap_step *next; /* private: after change, timer, input, errands */
	bool running, yielded;   /* private: inside a step; waits for its turn or for drained() */
	bool midway;             /* the output ends inside a response: only its rest may follow */
	struct loop_timer timer; /* cmd_sleep */
	/* If set, the next line of input is the command's (AUTHENTICATE, IDLE), not a new command;
	 * without its CRLF, valid during the call. */
	void (*line)(struct imap_cmd *cmd, struct str line);
	size_t line_max; /* before login: longest length of that line, if above the normal limit */
	bool lets_tell;  /* while it waits, others may speak (IDLE): imap/tell.h */

	/* IMAP_TRAIT_STREAM: see cmd_literal_stream */
	struct str segment; /* text after the name, or the last message, up to the framer's stop */
	bool segment_last;  /* the command ends with it; else a literal is announced */
	bool literal_too_big; /* for cmd_literal_inline */
	void (*sink)(struct imap_cmd *cmd, struct str bytes);
	bool streaming, wants_input, held; /* private */
	size_t transcribed; /* private: while streaming: how much of the current input the
	                       transcript has */

	/* the tagged reply */
	enum imap_result result;
	enum imap_after after;
	struct imap_entry *entry; /* the login with which a new turn begins; NULL: none */
	struct str code;          /* without the brackets; empty: none */
	const char *text;         /* in English */
	const char *said; /* NULL, or text with its values, already in the client's language */
	bool may_expunge; /* EXPUNGE may precede the tagged reply (RFC 9051 7.5.1) */
	bool no_sync;     /* no untagged updates before the tagged reply */
	bool tell_capabilities; /* OK carries [CAPABILITY …] as it is after the command */
	bool tell_modseq;       /* OK carries [HIGHESTMODSEQ …] of what the client was told */
	bool greeting;          /* not a real command: precedes the greeting, which is its reply */
};

enum imap_next cmd_ok(struct imap_cmd *cmd, const char *text);
enum imap_next cmd_ok_code(struct imap_cmd *cmd, struct str code, const char *text);
enum imap_next cmd_no(
    struct imap_cmd *cmd, const char *code, const char *text); /* code may be NULL */
enum imap_next cmd_bad(struct imap_cmd *cmd, const char *text);
enum imap_next cmd_bad_code(struct imap_cmd *cmd, const char *code, const char *text);
/* For a text with values, at least one. */
enum imap_next cmd_no_with(struct imap_cmd *cmd, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* For the engine: the reply's text, translated; and printing the reply, which is the greeting if
 * the connection is logged in by its certificate. */
struct str cmd_text(const struct imap_cmd *cmd);
void imap_print_reply(struct imap_cmd *cmd);
/* Returns the response code that extensions print for cmd->change; hooks: the registry's. */
struct str cmd_code_of(struct imap_cmd *cmd, imap_code_f *const *hooks);
/* Debug builds abort at a code that no extension brings. */
#ifdef TS_DEBUG
void imap_check_code(const struct imap_conn *conn, struct str code);
#else
#define imap_check_code(conn, code) ((void)0)
#endif
/* BAD with the cursor's error text, or NO for errors that are not of grammar: [CANNOT] for an
 * impossible mailbox name, [LIMIT] for more than is allowed.  A NO counts as a failed attempt, with
 * all its consequences (cmd_is_attempt). */
enum imap_next cmd_bad_syntax(struct imap_cmd *cmd);
bool cmd_is_attempt(const struct imap_cmd *cmd); /* whether cmd_bad_syntax() says NO */
/* The only place that turns a ts_err into NO and a response code (respond.c). */
enum imap_next cmd_err(struct imap_cmd *cmd, enum ts_err err);
/* Same for a change that was refused; names the limit. */
enum imap_next cmd_change_err(struct imap_cmd *cmd, const struct store_change *change);
/* NO [OVERQUOTA]. */
enum imap_next cmd_no_quota(struct imap_cmd *cmd, enum store_quota_resource resource);
/* Use it instead of `cmd->step = &x; return IMAP_GO;` */
enum imap_next cmd_goto(struct imap_cmd *cmd, const struct imap_step *step);

/*
 * limits.connection_memory (memory.c).  A command that is about to hold much, because of what the
 * client asks for and not of what it sent, must check first: room for what goes into its arena,
 * which is counted automatically, reserve for memory elsewhere, until the command ends.
 */
/* Returns roughly the bytes it holds, without what errands of earlier users still hold. */
uint64_t imap_conn_memory(const struct imap_conn *conn);
uint64_t cmd_room(const struct imap_cmd *cmd);          /* bytes it may still take */
bool cmd_reserve(struct imap_cmd *cmd, uint64_t bytes); /* false: there is less; takes nothing */
enum imap_next cmd_no_room(struct imap_cmd *cmd);       /* NO [LIMIT] (RFC 5530 section 3) */

/*
 * A job: run() on a worker thread, then the command's step `next` on the loop.  Its memory is its
 * own arena (freed with the command); run() must not touch the connection.  Long work is WORK_LONG:
 * run() calls imap_job_should_stop() as it proceeds, and returns WORK_AGAIN to continue later, with
 * its state kept (work.h).  If the connection closes or its time is over (timeouts.job), the job is
 * cancelled; the connection waits for it.
 */
struct imap_job {
	struct work work;
	struct imap_cmd *cmd;
	const struct imap_step *next;
	enum work_end (*run)(struct imap_job *job);
	void *state; /* in cmd->arena: only the job may touch it while it runs */
};
typedef enum work_end imap_job_f(struct imap_job *job);
/* For the logged-in user. */
enum imap_next cmd_job(struct imap_cmd *cmd, enum work_kind kind, imap_job_f *run, void *state,
    const struct imap_step *next);
/* For others; waits: it may wait for other machines. */
enum imap_next cmd_job_of(struct imap_cmd *cmd, enum work_kind kind, struct work_who who,
    bool waits, imap_job_f *run, void *state, const struct imap_step *next);
/* For run(), between two pieces of work: returns whether it must return now. */
static inline bool
imap_job_should_stop(struct imap_job *job)
{
	return work_should_stop(&job->work);
}
/* Makes a change of that mailbox, or one with it as target, in its account. */
struct store_change *cmd_change_of(
    struct imap_cmd *cmd, enum store_change_kind kind, struct store_mailbox *mailbox);
/* Submits the change (sets done and arg) and continues with `next`, where cmd->change holds the
 * result.  On TS_UNKNOWN the connection gets BYE and next is not run. */
enum imap_next cmd_change(
    struct imap_cmd *cmd, struct store_change *change, const struct imap_step *next);
/* Continues with `next` in ms milliseconds. */
enum imap_next cmd_sleep(struct imap_cmd *cmd, uint64_t ms, const struct imap_step *next);
/* Continues with the command's step; for timers, input handlers and watches; on the loop. */
void imap_resume(struct imap_cmd *cmd);
/* Returns whether the command has used up its time slice, or filled the out queue: then return
 * IMAP_YIELD. */
bool cmd_should_yield(const struct imap_cmd *cmd);

/*
 * IMAP_TRAIT_STREAM: start() is called at the first literal, or at the command's end if it has
 * none; cmd->segment is the text after the command's name so far, for wire_append_feed() (do not
 * use cmd->in).  Unless cmd->segment_last, a literal is announced, and one of these must answer:
 *
 *   cmd_literal_inline  it becomes part of the segment; `next` runs at the next stop of the framer,
 *                       with the same segment plus what has arrived since.  Not allowed if
 *                       cmd->literal_too_big.
 *   cmd_literal_stream  its bytes go to sink() in pieces, on the loop (never an empty one); then
 *                       `next` runs with the segment after it.  sink() may call cmd_hold();
 *                       cmd_unhold() continues, later.
 *   cmd_no, cmd_bad …   at this point, or while bytes are streamed, refuses it: what the client
 *                       sends without waiting is skipped before the tagged reply is sent.
 *
 * The first two send the continuation request of a synchronizing literal.  A command may do
 * something else before it answers (a job: IMAP_WAIT); input waits.
 */
enum imap_next cmd_literal_inline(struct imap_cmd *cmd, const struct imap_step *next);
enum imap_next cmd_literal_stream(struct imap_cmd *cmd,
    void (*sink)(struct imap_cmd *cmd, struct str bytes), const struct imap_step *next);
void cmd_hold(struct imap_cmd *cmd);
void cmd_unhold(struct imap_cmd *cmd);

/*
 * Opens a mailbox by name, for commands that name one (open.c).  Continues with `next`, at once if
 * it is in memory, otherwise after a job.  Then open->mailbox is set (its reference goes with the
 * command), or open->err says why not: a mailbox hidden from the login is TS_NOT_FOUND, like one
 * that does not exist.  needed: of enum auth_right (imap/place/rights.h), for what the command does
 * there.  open must be in cmd->arena; its name must live as long.  Where the client gave a name,
 * `given` points to the spelling as given, and the name becomes that of the mailbox meant
 * (imap_mailbox_meant()); where the name is known already it is NULL.
 */
struct imap_open {
	struct str name;
	struct str *given;
	struct store_mailbox *mailbox;
	struct store_own
	    *own;        /* the user's own \Seen there, if it is somebody else's (store/reader.h) */
	unsigned rights; /* all that the login has there */
	enum ts_err err;
	unsigned missing; /* for TS_DENIED: the missing ones */
	/* private: what the name refers to, and what comes then */
	struct store_account *account, *user;
	struct str in_account;
	unsigned needed;
	bool foreign;
	const struct imap_step *next;
};
enum imap_next cmd_open_mailbox(
    struct imap_cmd *cmd, struct imap_open *open, unsigned needed, const struct imap_step *next);
/* Replies if there is no open->mailbox. */
enum imap_next cmd_open_err(struct imap_cmd *cmd, const struct imap_open *open);

/*
 * Tells a client that used another spelling of a mailbox's name than the stored one (RFC 9051
 * sections 5.1 and 6.3.9.7): LIST with OLDNAME, in IMAP4rev2.  given.p NULL: it did not.  attrs:
 * WIRE_ATTR_*.
 */
void imap_tell_name(struct imap_cmd *cmd, struct str given, struct str name, unsigned attrs);

/*
 * Modifiers and parameters of a command (RFC 4466): a name, and perhaps a value.  find() returns
 * the row of each, and the row's parse() parses it; *kept_r gets what they keep, in the order of
 * params.  Returns NULL, or what is wrong.
 */
typedef bool imap_parse_f(struct wire_in *in, const void **kept_r);
struct imap_param {
	const void *row;
	const void *kept;
};
typedef const void *imap_find_param_f(
    const struct imap_registry *reg, struct str name, imap_parse_f **parse_r);
const char *imap_params_find(struct imap_cmd *cmd, const struct wire_params *params,
    imap_find_param_f *find, struct imap_param **found_r);
/* One value, if there is one; raw as sent.  Returns NULL, or what is wrong. */
const char *imap_value_parse(
    struct imap_cmd *cmd, struct str raw, imap_parse_f *parse, const void **kept_r);
#endif
