/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_IMAP_H
#define IMAP_IMAP_H
/*
 * The server's engine: lifetimes, dispatch, steps.
 *
 * Six lifetimes, each with its own arena, each freed as a whole:
 *
 *   struct imap_server  start to exit
 *   struct imap_conn    accept to close; nothing about any user
 *   struct imap_turn    accept, or the OK of UNAUTHENTICATE, to the next one or close
 *   struct imap_login   authentication to UNAUTHENTICATE, LOGOUT or close
 *   struct imap_box     SELECT to whatever leaves the mailbox
 *   struct imap_cmd     tag read to tagged reply printed
 *
 * UNAUTHENTICATE is imap_turn_next() and imap_turn_free() of the old one: there is no
 * reset function and there is no field to forget.
 *
 * How a FETCH travels: the stream's data() offers bytes; imap_input() frames
 * one command, finds its row, checks state and traits, parses, and starts its
 * first step under imap_run().  A step either finishes the command (cmd_ok,
 * cmd_no, cmd_bad), or names the next step and says what it waits for: a job
 * on a worker, a change in the store, the out queue to drain, a timer, input.
 * Steps print into the stream's out buffer; it is flushed once per loop
 * iteration.  No byte behind a command is looked at before its tagged reply is
 * printed, so each command is a barrier for those behind it.
 *
 * How a switch travels: UNAUTHENTICATE's only step calls cmd_ok() and asks for
 * a new turn; the runner puts a new one in the old one's place, prints the tagged reply with the
 * capabilities that hold in it, frees the old one (login, box, watches, layers, secrets go with
 * it), and only then looks at the next byte, which is usually the "A" of
 * an AUTHENTICATE that came in the same segment.
 */
#include <roaring/roaring.h>
#include <stdbool.h>
#include <stdint.h>

#include "auth/auth.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "base/log.h"
#include "base/str.h"
#include "imap/ext.h"
#include "imap/pace.h"
#include "net/loop.h"
#include "net/stream.h"
#include "net/work.h"
#include "sasl/mech.h"
#include "store/store.h"
#include "wire/cmd.h"
#include "wire/cmd/auth.h"
#include "wire/cmd/copy.h"
#include "wire/cmd/enable.h"
#include "wire/cmd/fetch_data.h"
#include "wire/cmd/id.h"
#include "wire/cmd/list.h"
#include "wire/cmd/mailbox.h"
#include "wire/cmd/namespace.h"
#include "wire/cmd/select.h"
#include "wire/cmd/store.h"
#include "wire/frame.h"
#include "wire/response.h"

struct conf;
struct imap_errand;   /* imap/errand.h */
struct imap_layer;    /* imap/layer.h */
struct imap_registry; /* below */
struct imap_settings; /* imap/settings.h */
struct tally;         /* net/tally.h */
struct transcript;    /* imap/transcript.h */
struct transcript_files;
struct imap_space; /* imap/place.h */
struct tally_place;
struct failures;

/* ---- steps ---- */

struct imap_step {
	const char *name; /* for traces */
	enum imap_next (*run)(struct imap_cmd *cmd);
};

enum imap_tell_when { /* times at which something may be told unasked, a mask: imap/tell.h */
	IMAP_TELL_REPLY = 1u << 0,   /* before a tagged reply */
	IMAP_TELL_WAITING = 1u << 1, /* while a command lets others speak */
	IMAP_TELL_QUIET = 1u << 2    /* while no command is in progress */
};

struct imap_teller {
	unsigned when; /* at such times it is asked */
	bool due; /* there is something: it is worth a time of its own, and is asked until it is
	             not due any more */
	/*
	 * Tells a bounded piece (IMAP_PRINT_BYTES), all of one moment, and sets due: is there more?
	 * Before a reply, and where IDLE begins, it is asked whether it is due or not.  expunge:
	 * EXPUNGE may go out.  False: the connection got BYE.
	 */
	bool (*tell)(struct imap_teller *teller, struct imap_conn *conn, bool expunge);
	struct link link; /* private */
};

enum imap_result { IMAP_RESULT_NONE, IMAP_RESULT_OK, IMAP_RESULT_NO, IMAP_RESULT_BAD };

/* What the runner does after the tagged reply is printed. */
enum imap_after {
	IMAP_AFTER_NOTHING,
	IMAP_AFTER_NEW_TURN, /* UNAUTHENTICATE */
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
	struct wire_in in; /* cursor behind the command's name */
	const struct imap_step *step;
	void *state; /* the command's own, in arena */
	uint64_t started_ns;
	uint64_t reserved; /* bytes outside of its arena: cmd_reserve() */

	/* what is waited for */
	struct imap_job *job;
	struct store_change *change;
	bool change_waits;            /* it is under way; else what it brought */
	bool upload_waits;            /* the end of an upload is waited for */
	const struct imap_step *next; /* private: after change, timer, input */
	bool running, yielded; /* private: inside a step; waits for its turn or for drained() */
	bool midway;           /* the output ends inside of a response: only its rest may follow */
	struct loop_timer timer; /* cmd_sleep */
	/* Set: the next line of input is the command's (AUTHENTICATE, IDLE), not a new command;
	 * without its CRLF, valid during the call. */
	void (*line)(struct imap_cmd *cmd, struct str line);
	size_t line_max; /* before login that line may be so long, if it is more than others may */
	bool lets_tell;  /* while it waits others may speak (IDLE): imap/tell.h */

	/* IMAP_TRAIT_STREAM: see cmd_literal_stream */
	struct str segment; /* text behind the name, or the last message, up to the framer's stop */
	bool segment_last;  /* it ends the command; else a literal is announced */
	bool literal_too_big; /* for cmd_literal_inline */
	void (*sink)(struct imap_cmd *cmd, struct str bytes);
	bool streaming, wants_input, held; /* private */
	size_t transcribed; /* private: streaming: of the input at hand, what the transcript has */

	/* the tagged reply */
	enum imap_result result;
	enum imap_after after;
	struct str code; /* inside [ ], without the brackets; empty: none */
	struct str text;
	bool
	    may_expunge; /* EXPUNGE responses may go out before the tagged reply (RFC 9051 7.5.1) */
	bool no_sync;    /* no untagged updates before the tagged reply */
	bool tell_capabilities; /* OK carries [CAPABILITY …] of what holds then */
	bool greeting; /* no command but what comes before the greeting, which is its reply */
};

enum imap_next cmd_ok(struct imap_cmd *cmd, const char *text);
enum imap_next cmd_ok_code(struct imap_cmd *cmd, struct str code, const char *text);
enum imap_next cmd_no(
    struct imap_cmd *cmd, const char *code, const char *text); /* code may be NULL */
enum imap_next cmd_bad(struct imap_cmd *cmd, const char *text);
/* The response code that extensions print for cmd->change; hooks: of the registry. */
struct str cmd_code_of(struct imap_cmd *cmd, imap_code_f *const *hooks);
/* Debug builds abort at a code that no extension brings. */
#ifdef TS_DEBUG
void imap_check_code(const struct imap_conn *conn, struct str code);
#else
#define imap_check_code(conn, code) ((void)0)
#endif
/* BAD with the cursor's error text; NO for what is no fault of grammar: [CANNOT] for a mailbox name
 * that is none, [LIMIT] for more than is allowed.  A NO is an attempt that failed, so the command
 * owes what it owes then (cmd_is_attempt). */
enum imap_next cmd_bad_syntax(struct imap_cmd *cmd);
bool cmd_is_attempt(const struct imap_cmd *cmd); /* cmd_bad_syntax() says NO */
/* The only place that turns a ts_err into NO and a response code (respond.c). */
enum imap_next cmd_err(struct imap_cmd *cmd, enum ts_err err);
/* The same for a change that was refused; says which limit. */
enum imap_next cmd_change_err(struct imap_cmd *cmd, const struct store_change *change);
/* For `cmd->step = &x; return IMAP_GO;` */
enum imap_next cmd_goto(struct imap_cmd *cmd, const struct imap_step *step);

/*
 * limits.connection_memory (memory.c).  A command that is about to hold much, by what the client
 * asks for and not by what it sent, looks first: room for what goes into its arena, which is
 * counted by itself, reserve for what is elsewhere, until the command ends.
 */
uint64_t imap_conn_memory(const struct imap_conn *conn); /* bytes that it holds, about */
uint64_t cmd_room(const struct imap_cmd *cmd);           /* bytes that it may take yet */
bool cmd_reserve(struct imap_cmd *cmd, uint64_t bytes);  /* false: not so many; nothing is taken */
enum imap_next cmd_no_room(struct imap_cmd *cmd);        /* NO [LIMIT] (RFC 5530 section 3) */

/*
 * A job: run() on a worker thread, then the command's step `next` on the loop.
 * Its memory is its own arena (freed with the command); run() must touch
 * nothing of the connection.  What may take long is WORK_LONG: run() asks
 * imap_job_should_stop() as it goes, and returns WORK_AGAIN to go on later, with its state
 * as it left it (work.h).  When the connection closes, or its time is over
 * (timeouts.job), the job is cancelled; the connection waits for it.
 */
struct imap_job {
	struct work work;
	struct imap_cmd *cmd;
	const struct imap_step *next;
	enum work_end (*run)(struct imap_job *job);
	void *state; /* in cmd->arena: only the job may touch it while it runs */
};
typedef enum work_end imap_job_f(struct imap_job *job);
/* For the user who is logged in. */
enum imap_next cmd_job(struct imap_cmd *cmd, enum work_kind kind, imap_job_f *run, void *state,
    const struct imap_step *next);
/* For somebody else; waits: it may wait for other machines. */
enum imap_next cmd_job_of(struct imap_cmd *cmd, enum work_kind kind, struct work_who who,
    bool waits, imap_job_f *run, void *state, const struct imap_step *next);
/* For run(), between two pieces of work: has it to return now? */
static inline bool
imap_job_should_stop(struct imap_job *job)
{
	return work_should_stop(&job->work);
}
/* A change of that mailbox, or with it for a target, in the account that it is in. */
struct store_change *cmd_change_of(
    struct imap_cmd *cmd, enum store_change_kind kind, struct store_mailbox *mailbox);
/* Submits the change (done and arg are set here) and goes on with `next`; cmd->change holds the
 * result then.  On TS_UNKNOWN the connection gets BYE and next is not run. */
enum imap_next cmd_change(
    struct imap_cmd *cmd, struct store_change *change, const struct imap_step *next);
/* Goes on with `next` in ms milliseconds. */
enum imap_next cmd_sleep(struct imap_cmd *cmd, uint64_t ms, const struct imap_step *next);
/* Goes on with the command's step; from timers, input handlers, watches; on the loop. */
void imap_resume(struct imap_cmd *cmd);
/* Has the command used up its time slice, or filled the out queue?  Then return IMAP_YIELD. */
bool cmd_should_yield(const struct imap_cmd *cmd);

/*
 * IMAP_TRAIT_STREAM: start() is called at the first literal, or at the command's end when it has
 * none; cmd->segment is the text behind the command's name so far, for wire_append_feed() (cmd->in
 * is not to be used).  Unless cmd->segment_last, a literal is announced, and one of these answers:
 *
 *   cmd_literal_inline  it becomes part of the segment; `next` runs at the next stop of the framer,
 *                       with the same segment and what came since.  Not if cmd->literal_too_big.
 *   cmd_literal_stream  its bytes go to sink() in pieces, on the loop (never a piece of none);
 *                       then `next` runs with the segment behind it.  sink() may call cmd_hold();
 *                       cmd_unhold() goes on, later.
 *   cmd_no, cmd_bad …   at this point, or while bytes are streamed, refuses it: what the client
 *                       sends without waiting is skipped before the tagged reply goes out.
 *
 * The continuation request of a synchronising literal is sent by the first two.  A command may do
 * something else before it answers (a job: IMAP_WAIT); input waits.
 */
enum imap_next cmd_literal_inline(struct imap_cmd *cmd, const struct imap_step *next);
enum imap_next cmd_literal_stream(struct imap_cmd *cmd,
    void (*sink)(struct imap_cmd *cmd, struct str bytes), const struct imap_step *next);
void cmd_hold(struct imap_cmd *cmd);
void cmd_unhold(struct imap_cmd *cmd);

/*
 * A mailbox by name, for commands that name one (open.c).  Goes on with `next`,
 * at once when it is in memory, after a job when it is not; then open->mailbox
 * is set (its reference goes with the command) or open->err says why not: one
 * that is hidden from the login is TS_NOT_FOUND, as one that is not there.
 * needed: of enum auth_right (imap/rights.h), what the command does there.
 * open must be in cmd->arena; its name must live as long.
 */
struct imap_open {
	struct str name;
	struct store_mailbox *mailbox;
	unsigned rights; /* all that the login has there */
	enum ts_err err;
	unsigned missing; /* TS_DENIED: these */
	/* private: where the name leads */
	struct store_account *account;
	struct str in_account;
};
enum imap_next cmd_open_mailbox(
    struct imap_cmd *cmd, struct imap_open *open, unsigned needed, const struct imap_step *next);
/* The reply when there is no open->mailbox. */
enum imap_next cmd_open_err(struct imap_cmd *cmd, const struct imap_open *open);

/*
 * A client that spelt a mailbox's name otherwise than it is kept is told (RFC 9051 sections 5.1 and
 * 6.3.9.7): LIST with OLDNAME, in IMAP4rev2.  given.p NULL: it did not.  attrs: WIRE_ATTR_*.
 */
void imap_tell_name(struct imap_cmd *cmd, struct str given, struct str name, unsigned attrs);

/*
 * Modifiers and parameters of a command (RFC 4466): a name, and perhaps a value.  Each is found by
 * find(), which gives its row, and read by the row's parse(); *kept_r gets what they keep, in the
 * order of params.  NULL, or what is wrong.
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
/* One value, where there is one; raw as it was sent.  NULL, or what is wrong. */
const char *imap_value_parse(
    struct imap_cmd *cmd, struct str raw, imap_parse_f *parse, const void **kept_r);

/* System flags of the grammar as flags of the store. */
struct store_flags imap_flags_of(const struct wire_flags *flags);

/* ---- the registry of extensions (imap/ext.h) ---- */

#define IMAP_EXT_MAX 64
#define IMAP_CMD_MAX 128

/* Upper ends of the classes of commands' times, in microseconds; one more class is open. */
#define IMAP_TIMES 14
extern const uint32_t imap_times_us[IMAP_TIMES];

enum imap_login_result {
	IMAP_LOGIN_OK,
	IMAP_LOGIN_FAILED,
	IMAP_LOGIN_DENIED,
	IMAP_LOGIN_DISABLED,
	IMAP_LOGIN_UNAVAILABLE,
	IMAP_LOGIN_LIMIT,
	IMAP_LOGIN_RESULTS
};

struct imap_command_stats {  /* of one command */
	uint64_t results[4]; /* by enum imap_result */
	uint64_t times[IMAP_TIMES + 1], ns;
};

enum imap_word { /* kinds of names that extensions bring */
	IMAP_WORD_COMMAND,
	IMAP_WORD_ENABLE,
	IMAP_WORD_CODE,
	IMAP_WORD_FETCH,
	IMAP_WORD_FETCH_MODIFIER,
	IMAP_WORD_STORE_MODIFIER,
	IMAP_WORD_SEARCH_KEY,
	IMAP_WORD_SEARCH_RETURN,
	IMAP_WORD_STATUS,
	IMAP_WORD_LIST_SELECT,
	IMAP_WORD_LIST_RETURN,
	IMAP_WORD_SELECT,
	IMAP_WORD_CREATE,
	IMAP_WORD_APPEND,
	IMAP_WORD_KINDS
};

#define IMAP_HOOKS_MAX 8

struct imap_registry { /* made once at start, constant afterwards */
	const struct imap_ext *ext[IMAP_EXT_MAX];
	size_t count;
	struct imap_slots { /* of one lifetime */
		size_t at[IMAP_EXT_MAX], total;
		bool freed; /* a slot has a free() */
	} slots[IMAP_LIVES];
	struct imap_row {         /* an open hash table by kind and name */
		const char *name; /* NULL: free */
		const void *row;
		enum imap_word kind;
	} words[1024];
	unsigned word_count;
	const struct imap_cmd_def *cmds[IMAP_CMD_MAX];
	unsigned cmd_count;  /* less than IMAP_CMD_MAX */
	unsigned list_attrs; /* WIRE_ATTR_*: those that are shown only where a row has them */
	/* Hooks: each array ends in NULL. */
	imap_code_f *created[IMAP_HOOKS_MAX + 1], *appended[IMAP_HOOKS_MAX + 1],
	    *copied[IMAP_HOOKS_MAX + 1], *stored[IMAP_HOOKS_MAX + 1];
	void (*selected[IMAP_HOOKS_MAX + 1])(struct imap_conn *conn);
	void (*flags_printed[IMAP_HOOKS_MAX + 1])(
	    const struct imap_box *box, const struct store_message *record, struct buf *out);
	void (*expunged[IMAP_HOOKS_MAX + 1])(struct imap_box *box);
	/* By imap_state() / 2.  A switch looks at both lists twice. */
	struct imap_cap_list { /* in the order in which capabilities are shown */
		const struct imap_cap *cap[64];
		unsigned n;
	} conditional[3], wordy[3]; /* those with a condition; those that print words */
};
void imap_registry_build(
    struct imap_registry *reg, const struct imap_ext *const *all, size_t count);
/* The engine's table of options and those of the extensions, up to 1 + count of them. */
size_t imap_conf_tables(
    const struct imap_ext *const *all, size_t count, const struct conf_table **tables);
/* Memory for the slots of an owner with this arena.  They are freed before what was entered into
 * the arena until now. */
unsigned char *imap_slots_new(
    const struct imap_registry *reg, enum imap_life life, struct arena *owner);
/* By name, without case; NULL: no extension has it. */
const struct imap_cmd_def *imap_registry_find(const struct imap_registry *reg, struct str name);
const struct imap_enable *imap_registry_enable(const struct imap_registry *reg, struct str name);
const struct imap_code *imap_registry_code(const struct imap_registry *reg, struct str name);
const struct imap_fetch_item *imap_registry_fetch_item(
    const struct imap_registry *reg, struct str name);
const struct imap_fetch_modifier *imap_registry_fetch_modifier(
    const struct imap_registry *reg, struct str name);
const struct imap_store_modifier *imap_registry_store_modifier(
    const struct imap_registry *reg, struct str name);
const struct imap_search_key *imap_registry_search_key(
    const struct imap_registry *reg, struct str name);
const struct imap_search_return *imap_registry_search_return(
    const struct imap_registry *reg, struct str name);
const struct imap_status_item *imap_registry_status_item(
    const struct imap_registry *reg, struct str name);
const struct imap_list_select *imap_registry_list_select(
    const struct imap_registry *reg, struct str name);
const struct imap_list_return *imap_registry_list_return(
    const struct imap_registry *reg, struct str name);
const struct imap_select_param *imap_registry_select_param(
    const struct imap_registry *reg, struct str name);
const struct imap_create_param *imap_registry_create_param(
    const struct imap_registry *reg, struct str name);
const struct imap_append_data *imap_registry_append_data(
    const struct imap_registry *reg, struct str name);

/* ---- lifetimes ---- */

struct imap_spaces { /* namespaces beside the personal one */
	const struct imap_space *v;
	size_t n;
};

struct imap_server {
	struct imap_registry reg;
	struct store *store;
	struct auth *auth;
	struct work_pool *workers;
	struct work_pool *waiters; /* for what waits for other machines; NULL: nothing does */
	struct tls_slot *tls;      /* NULL: STARTTLS is not offered */
	struct sasl_mech_list more_mechs;
	struct imap_spaces spaces; /* of every login */
	void *app;
	_Atomic unsigned conns;               /* open now, on all loops */
	struct tally *addresses, *users;      /* connections, logins */
	struct failures *failures;            /* logins, by address */
	struct failures *failed_accounts;     /* by the account that was claimed */
	struct transcript_files *transcripts; /* NULL: nowhere to write them */
	struct imap_loop *loops;
	unsigned loop_count;
};

/* Whose jobs those of a login are: numbers, by a secret of the server. */
struct work_who imap_work_who(const struct imap_server *server, const struct auth_login *who);
/* Where a job of cmd_job_of() runs. */
struct work_pool *imap_job_pool(const struct imap_server *server, bool waits);
/* Makes what counts (the caller fills in the rest), and frees it when no connection is left. */
void imap_server_init(struct imap_server *server);
void imap_server_fini(struct imap_server *server);

/*
 * The settings and what follows from them.  A loop makes one whenever the configuration is read,
 * and each turn holds the one of its beginning: after a reload the next login on an old connection
 * is like one on a new connection, and one that is open goes on as it began.
 */
struct imap_rules {
	unsigned refs; /* all on one loop */
	struct conf *conf;
	const struct imap_settings *settings;
	struct stream_limits stream_limits;
	struct wire_frame_limits login_limits, limits; /* before and after login */
	struct wire_limits wire_limits;
	struct imap_caps {     /* capabilities that were printed last in a state, clear and TLS */
		uint64_t when; /* which conditions held, a bit each */
		uint64_t key;  /* of those with `words` */
		struct buf text;
	} caps[3][2];
};

struct imap_loop { /* what the engine has per event loop; touched by its thread only */
	struct imap_server *server;
	struct loop *loop;
	struct arena_pool pool;
	struct link conns;
	struct imap_rules *rules; /* in force; a reference */
	uint64_t next_conn_id, conn_id_step;
	uint64_t serial;       /* the last that was given to a turn or a box */
	uint64_t slice_ns;     /* how long a command may compute before others have their turn */
	uint64_t slice_end_ns; /* until when the running one may go on */
	struct pace pace;
	struct imap_stats { /* numbers of 64 bits, all of them */
		uint64_t conns, conns_total, logins, switches, commands, failed_logins;
		uint64_t bytes_in, bytes_out; /* of connections that are gone */
		uint64_t login_results[IMAP_LOGIN_RESULTS], errors[TS_ERR_COUNT];
		uint64_t credential[2], account[2], mailbox[2]; /* in memory: no, yes */
		uint64_t selected; /* filled in by who sums: mailboxes selected now */
	} stats;
	/* By the registry's order; behind the last, unknown ones. */
	struct imap_command_stats commands[IMAP_CMD_MAX];
};

/* index: of the loop among the server's loops, so that connection ids differ. */
void imap_loop_init(struct imap_loop *il, struct imap_server *server, unsigned index,
    struct loop *loop, struct conf *conf);
/* New settings, for turns that begin from now on.  On the loop's thread. */
void imap_loop_configure(struct imap_loop *il, struct conf *conf);
/* Says BYE to every connection.  They are gone some iterations later (stats.conns is 0). */
void imap_loop_shutdown(struct imap_loop *il, const char *text);
/* When it does not run any more and stats.conns is 0. */
void imap_loop_fini(struct imap_loop *il);

struct imap_entrance {          /* how a listener lets clients in; outlives its connections */
	bool implicit_tls;      /* the handshake comes first, then the greeting */
	bool preauth;           /* then who shows a certificate is logged in at once */
	struct tls_terms terms; /* for TLS, whenever it begins */
};

struct imap_conn {
	struct arena *arena;
	struct imap_loop *il;
	struct imap_server *server;
	struct stream *stream; /* NULL: it has ended; a job or a task is waited for */
	struct link link;
	uint64_t id;
	const struct imap_entrance *entrance;
	struct str address; /* where it comes from; of the client rather imap_client_address() */
	struct str front;   /* told us that address (PROXY protocol); empty: it is the socket's */
	struct imap_turn *turn;      /* never NULL */
	struct imap_cmd *cmd;        /* NULL: none in progress */
	struct imap_errand *errands; /* that wait or are under way, also those of earlier turns */
	struct wire_frame frame;     /* of the command being received */
	uint64_t stream_left;        /* bytes of a streamed literal still to come */
	size_t segment_at;       /* of a streaming command: where its segment begins in the input */
	size_t drop;             /* bytes of input that were used already */
	struct loop_timer timer; /* login, idle, store time-outs */
	struct loop_task task;   /* goes on with a command that yielded; pace_ask() */
	struct pace_place pace;
	uint64_t since_ms;        /* accepted, on loop_now()'s clock */
	uint64_t heard_ms;        /* when the client last sent something, on the same */
	uint64_t login_deadline;  /* of the first login, on the same */
	struct arena *id_arena;   /* of id_name */
	struct str id_name;       /* ID: name/version/vendor, for log lines (kept over a switch) */
	unsigned bad_commands;    /* BADs in a row */
	unsigned failed_logins;   /* before the first login */
	unsigned failed_switches; /* after UNAUTHENTICATE */
	unsigned failed_in_row;   /* since the last login that was one */
	unsigned turns; /* users that were here before: the idle time-out between turns applies */
	struct tally_place *address_place; /* NULL: not counted */
	unsigned input;                    /* enum conn_input */
	bool closing;                      /* no more input; freed when the last job ended */
	bool greeted;
	bool in_data;       /* inside data(): input goes on when it returns */
	const char *ending; /* how it ends, for the login's last line; or NULL */
	uint64_t commands, bytes_in, bytes_out; /* statistics */
};

struct imap_told { /* about the client, by a front before the login of this turn (ID) */
	char address[46], session[65]; /* ends in NUL; session may be empty */
	unsigned port;                 /* 0: not told */
};

struct imap_turn {
	struct arena *arena;
	uint64_t serial;          /* no other on this loop has it, or will have it */
	struct imap_rules *rules; /* a reference */
	struct imap_login *login; /* NULL: not authenticated */
	struct imap_told *told;   /* NULL: nothing was */
	unsigned char *slots;
};

struct imap_login {
	struct arena *arena;
	struct str authcid, user;
	struct auth_grant *grant; /* a reference; NULL: acts as themselves */
	uint64_t generation;      /* of what it was decided on: struct auth_login */
	bool acts_for_others, server_admin, vouched;
	bool may_unauthenticate;
	struct store_account *account; /* whose mail the personal namespace has; see place.h */
	struct imap_spaces spaces;
	struct wire_dialect dialect; /* from what was ENABLEd; every printer gets it */
	struct imap_box *box;        /* NULL: nothing selected */
	struct link tellers;         /* imap/tell.h */
	unsigned char *slots;
	struct tally *users;            /* where it is counted, */
	struct tally_place *user_place; /* and with whom */
	struct work_who who;            /* whose its jobs are */
	struct str mechanism;
	struct imap_layer *layers;     /* the newest; NULL: none.  imap/layer.h */
	struct transcript *transcript; /* NULL: nobody asked for one */
	uint64_t commands, bytes_in, bytes_out, since_ms; /* of the connection at its start */
	struct imap_tally {                               /* for the line at its end */
		uint64_t fetched, appended, expunged, selected;
	} tally;
};

/* The client's picture of the selected mailbox. */
struct imap_box {
	struct arena *arena;
	const struct imap_registry *reg;
	struct store_mailbox *mailbox;
	uint64_t serial; /* as that of a turn */
	struct store_watch *watch;
	/* Due: the watch fired, or not all was told by the last imap_sync(). */
	struct imap_teller teller;
	unsigned rights;      /* of enum auth_right: what the login may here; imap_rights_ask() */
	unsigned rights_told; /* those of which PERMANENTFLAGS spoke */
	bool examined;
	bool read_only;            /* EXAMINEd, or no right to change anything */
	roaring_bitmap_t *uids;    /* what the client was told; sequence number = rank */
	roaring_bitmap_t *recent;  /* \Recent for this session (rev1) */
	roaring_bitmap_t *pending; /* UIDs whose flags are to be told by the next imap_sync() */
	roaring_bitmap_t
	    *silent;             /* or NULL.  The next imap_sync() does not tell the flags of ... */
	uint64_t silent_modseq;  /* ... these UIDs where they have this MODSEQ.  Freed by it */
	roaring_bitmap_t *saved; /* "$" (RFC 5182): UIDs; NULL: the empty set */
	uint64_t modseq;         /* changes up to here are in uids, pending and expunged */
	roaring_bitmap_t *expunged; /* those of uids that are gone; not told yet */
	bool recents;               /* the session has \Recent: not under rev2 */
	uint32_t uidvalidity;
	struct str name;
	uint64_t keywords_told; /* the table that was in a FLAGS response; store_keywords_id() */
	bool room_told;         /* and that more can be made */
	unsigned char *slots;
};

/* Those of the turn. */
static inline const struct imap_settings *
imap_settings(const struct imap_conn *conn)
{
	return conn->turn->rules->settings;
}

unsigned imap_state(const struct imap_conn *conn);
static inline struct imap_login *
imap_login(const struct imap_conn *conn)
{
	return conn->turn->login;
}

struct imap_box *imap_box(const struct imap_conn *conn); /* NULL: nothing selected */

/*
 * conn.c.  How a connection begins, on its loop:
 *	conn = imap_conn_new(il, address);
 *	stream = stream_new(loop, fd, tls, imap_conn_events(), conn);
 *	imap_conn_start(conn, stream, &entrance);
 * It frees itself some time after the stream has ended.
 */
struct imap_conn *imap_conn_new(struct imap_loop *il, struct str address);
const struct stream_events *imap_conn_events(void);
void imap_conn_start(
    struct imap_conn *conn, struct stream *stream, const struct imap_entrance *entrance);
/* For whom the client's certificate stands, as of now; see stream_identity(). */
const struct tls_identity *imap_identity(const struct imap_conn *conn);
/* The client's address for limits and the log: what a trusted front told in this turn, or the
 * connection's. */
struct str imap_client_address(const struct imap_conn *conn);
/* Untagged BYE, then close when the out queue is flushed.  Inside of a response that is printed in
 * pieces (cmd->midway) it closes without a word: whatever came would be taken for a part of it. */
void imap_bye(struct imap_conn *conn, const char *code, const char *text);

struct imap_turn *imap_turn_new(struct imap_conn *conn);
/* Frees it, which is that of the connection, or was. */
void imap_turn_free(struct imap_conn *conn, struct imap_turn **turn);
/* Puts a new turn in its place; what is the old one's is there yet, but counts no more. */
struct imap_turn *imap_turn_next(struct imap_conn *conn);
/* False: limits.logins_per_user are there; the account stays the caller's. */
bool imap_login_open(struct imap_conn *conn, const struct auth_login *who, struct str mechanism,
    struct store_account *account);
struct imap_keywords {                /* of a mailbox, as they were when they were read */
	struct store_keywords *table; /* a reference; imap_drop_keywords() */
	bool room;                    /* more can be made */
};
/* What SELECT tells besides the view: of the moment in which the view was taken. */
struct imap_selected {
	uint32_t uidnext;
	uint32_t unseen; /* UID of the first message without \Seen; 0: none */
	struct imap_keywords keywords;
};
/* Selects: takes the reference to mailbox, on which the login has these rights. */
struct imap_box *imap_box_open(struct imap_conn *conn, struct store_mailbox *mailbox,
    struct str name, unsigned rights, bool read_only, struct imap_selected *selected_r);
void imap_box_free(struct imap_conn *conn);

/* The out buffer of the connection, and what goes with it. */
struct buf *imap_out(struct imap_conn *conn);
/* Fields about the client's certificate: nothing without one. */
void imap_event_certificate(const struct imap_conn *conn, struct log_event *e);
const struct wire_dialect *imap_dialect(const struct imap_conn *conn); /* rev1 when not logged in */
/* "CAPABILITY IMAP4rev1 …" for what holds now; the loop's, good until it is asked for another. */
struct str imap_capabilities(const struct imap_conn *conn);
/* An event with the fields of the connection: conn; user, and authcid if it is another; of the
 * command that runs tag, command and ms. */
void imap_event(const struct imap_conn *conn, struct log_event *e, struct str message);
void imap_log(const struct imap_conn *conn, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- the selected mailbox (view.c, sync.c) ---- */

/* The mailbox's keywords.  Between store_mailbox_read_begin and _end, in the reading that gave the
 * messages whose flags are to be printed with them. */
void imap_read_keywords(const struct imap_box *box, struct imap_keywords *keywords);
void imap_drop_keywords(struct imap_keywords *keywords);
/* "* FLAGS (…)" and "* OK [PERMANENTFLAGS (…)]" of the selected mailbox; keywords_told is set. */
void imap_print_known_flags(struct imap_conn *conn, const struct imap_keywords *keywords);
/* The same if the client was told others: before a FETCH response with flags. */
void imap_tell_keywords(struct imap_conn *conn, const struct imap_keywords *keywords);
/* Untagged responses of one step end when so much was printed. */
#define IMAP_PRINT_BYTES ((size_t)64 * 1024)
/* "* n FETCH (FLAGS (…))" (with UID where uid is set), flags as they are now, for each of set from
 * a UID on that is in the view; they count as told only when imap_sync() comes to them.  Returns
 * the UID to go on from when IMAP_PRINT_BYTES were printed, 0 when all are done; adds to *told how
 * many were printed. */
uint32_t imap_print_fetch_flags(
    struct imap_conn *conn, const roaring_bitmap_t *set, uint32_t from, bool uid, uint64_t *told);
/* Sets of the client -> UIDs of the view.  seq: sequence numbers, else UIDs.  False: a sequence
 * number beyond the view (BAD, RFC 9051 6.4.4 and 9 "seq-number").  The bitmap is the caller's. */
bool imap_view_resolve(
    const struct imap_box *box, const struct wire_set *set, bool uid, roaring_bitmap_t **uids_r);
/* The same for what changes nothing and shows no message (SEARCH): what is beyond names nothing. */
roaring_bitmap_t *imap_view_select(
    const struct imap_box *box, const struct wire_set *set, bool uid);
uint32_t imap_view_seq(const struct imap_box *box, uint32_t uid); /* 0: not in the view */
uint32_t imap_view_uid(const struct imap_box *box, uint32_t seq); /* 0: none */
/* For the log: a message that is there cannot be read.  Any thread. */
void imap_log_unreadable(const struct store_mailbox *mailbox, uint32_t uid);
/* Appends "FLAGS (\Seen $Forwarded …)" and what extensions print with it; flags in force, \Recent
 * from the view (box->recent is empty in rev2).  keywords: of the reading that gave msg. */
void imap_print_flags(const struct imap_box *box, const struct imap_keywords *keywords,
    const struct store_message *msg, struct buf *out);
#endif
