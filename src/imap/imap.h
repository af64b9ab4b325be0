/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_IMAP_H
#define IMAP_IMAP_H
/*
 * The server's engine: its lifetimes, and how a process runs it (imap_loop_init(),
 * imap_conn_start()).  What commands are made of is in imap/cmd.h, what extensions bring in
 * imap/ext.h.  Bytes become commands, and commands are run, in imap/conn; the selected mailbox is
 * in imap/box, names and rights are in imap/place, what is written down is in imap/log.
 *
 * Six lifetimes, each with its own arena, each freed as a whole:
 *
 *   struct imap_server  start to exit
 *   struct imap_conn    accept to close; nothing about any user
 *   struct imap_turn    accept, or the OK of UNAUTHENTICATE or PROXYAUTH, to the next one or close
 *   struct imap_login   authentication to UNAUTHENTICATE, PROXYAUTH, LOGOUT or close
 *   struct imap_box     SELECT to whatever leaves the mailbox
 *   struct imap_cmd     tag read to tagged reply printed
 *
 * UNAUTHENTICATE is imap_turn_next() and imap_turn_free() of the old one: there is no
 * reset function and there is no field to forget.
 *
 * How a FETCH travels: the stream's data() offers bytes; conn/input.c frames
 * one command, finds its row, and checks state and traits; conn/run.c runs its
 * first step, which parses the rest.  A step either finishes the command (cmd_ok,
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
 * an AUTHENTICATE that came in the same segment.  PROXYAUTH is the same with a login that the new
 * turn begins with.
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
#include "imap/pace.h"
#include "imap/registry.h"
#include "imap/tell.h"
#include "net/loop.h"
#include "net/session.h"
#include "net/stream.h"
#include "net/work.h"
#include "sasl/mech.h"
#include "store/quota.h"
#include "store/store.h"
#include "wire/frame.h"
#include "wire/response.h"

struct conf;
struct imap_errand;   /* imap/errand.h */
struct imap_hides;    /* imap/hide.h */
struct imap_layer;    /* imap/layer.h */
struct imap_settings; /* imap/settings.h */
struct tally;         /* net/tally.h */
struct texts;         /* texts/texts.h */
struct texts_set;
struct transcript; /* imap/log/transcript.h */
struct transcript_files;
struct imap_space; /* imap/place/place.h */
struct failures;

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

enum imap_result { IMAP_RESULT_NONE, IMAP_RESULT_OK, IMAP_RESULT_NO, IMAP_RESULT_BAD };

struct imap_command_stats {  /* of one command */
	uint64_t results[4]; /* by enum imap_result */
	uint64_t times[IMAP_TIMES + 1], ns;
};

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
	struct session_server sessions;       /* connections; net/session.h */
	struct tally *users;                  /* logins */
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
	struct texts_set *languages; /* a reference; NULL: none but English */
	const struct texts *texts;   /* while no language is chosen; NULL: English (i-default) */
	struct stream_limits stream_limits;
	struct wire_frame_limits login_limits, limits; /* before and after login */
	struct wire_limits wire_limits;
	struct imap_hides *hides; /* imap/hide.h; NULL: none */
	bool hides_any;           /* or hide_capabilities */
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
	struct session_loop sessions; /* of each imap_conn */
	struct imap_rules *rules;     /* in force; a reference */
	uint64_t serial;              /* the last that was given to a turn or a box */
	uint64_t slice_ns;     /* how long a command may compute before others have their turn */
	uint64_t slice_end_ns; /* until when the running one may go on */
	struct pace pace;
	struct imap_stats { /* numbers of 64 bits, all of them */
		struct session_stats sessions;
		uint64_t logins, switches, commands, failed_logins;
		uint64_t login_results[IMAP_LOGIN_RESULTS], errors[TS_ERR_COUNT];
		uint64_t credential[2], account[2], mailbox[2]; /* in memory: no, yes */
		uint64_t selected; /* filled in by who sums: mailboxes selected now */
	} stats;
	/* By the registry's order; behind the last, unknown ones. */
	struct imap_command_stats commands[IMAP_CMD_MAX];
};

/* index: of the loop among the server's loops, so that connection ids differ.  languages: NULL, or
 * catalogues, of which references are taken, also below. */
void imap_loop_init(struct imap_loop *il, struct imap_server *server, unsigned index,
    struct loop *loop, struct conf *conf, struct texts_set *languages);
/* New settings, for turns that begin from now on.  On the loop's thread. */
void imap_loop_configure(struct imap_loop *il, struct conf *conf, struct texts_set *languages);
/* Says BYE to every connection.  They are gone some iterations later (session_loop_is_empty()). */
void imap_loop_shutdown(struct imap_loop *il, const char *text);
/* When it does not run any more and no connection is left. */
void imap_loop_fini(struct imap_loop *il);

struct imap_entrance {          /* how a listener lets clients in; outlives its connections */
	bool implicit_tls;      /* the handshake comes first, then the greeting */
	bool preauth;           /* then who shows a certificate is logged in at once */
	struct tls_terms terms; /* for TLS, whenever it begins */
};

struct imap_conn {
	/* Stream, id, timer …; the address of the client is rather imap_client_address(). */
	struct session session;
	struct imap_loop *il;
	struct imap_server *server;
	const struct imap_entrance *entrance;
	struct imap_turn *turn;      /* never NULL */
	struct imap_cmd *cmd;        /* NULL: none in progress */
	struct imap_errand *errands; /* that wait or are under way, also those of earlier turns */
	struct wire_frame frame;     /* of the command being received */
	uint64_t stream_left;        /* bytes of a streamed literal still to come */
	size_t segment_at;     /* of a streaming command: where its segment begins in the input */
	size_t drop;           /* bytes of input that were used already */
	struct loop_task task; /* goes on with a command that yielded; pace_ask() */
	struct pace_place pace;
	struct arena *id_arena;   /* of id_name */
	struct str id_name;       /* ID: name/version/vendor, for log lines (kept over a switch) */
	struct str id_client;     /* the name alone, for imap/hide.h (likewise) */
	unsigned bad_commands;    /* BADs in a row */
	unsigned failed_logins;   /* before the first login */
	unsigned failed_switches; /* after UNAUTHENTICATE */
	unsigned failed_in_row;   /* since the last login that was one */
	unsigned turns; /* users that were here before: the idle time-out between turns applies */
	unsigned input; /* enum conn_input */
	uint64_t commands; /* statistics */
};

struct imap_told { /* about the client, by a front before the login of this turn (ID) */
	char address[46], session[65]; /* ends in NUL; session may be empty */
	unsigned port;                 /* 0: not told */
};

struct imap_turn {
	struct arena *arena;
	uint64_t serial;           /* no other on this loop has it, or will have it */
	struct imap_rules *rules;  /* a reference */
	struct imap_login *login;  /* NULL: not authenticated */
	struct imap_told *told;    /* NULL: nothing was */
	bool *hides;               /* which of rules->hides apply; NULL: there are none */
	uint64_t hide_key;         /* another when they are others */
	const struct texts *texts; /* the language that was chosen, of rules->languages */
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
	/* How authcid was authenticated, by this login or by the one that handed it on (PROXYAUTH).
	 */
	struct str mechanism;
	enum auth_proof proof;
	bool authcid_vouched;          /* as in struct auth_login */
	unsigned strength;             /* of the security layer that was made; 0: none */
	int64_t ends;                  /* with its token; 0: it does not */
	struct imap_layer *layers;     /* the newest; NULL: none.  imap/layer.h */
	struct transcript *transcript; /* NULL: nobody asked for one */
	uint64_t commands, bytes_in, bytes_out, since_ms; /* of the connection at its start */
	struct imap_counts {                              /* for the line at its end */
		uint64_t fetched, appended, expunged, selected;
	} counts;
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
	/* MODSEQs (RFC 7162): the client knows all changes up to ... */
	uint64_t complete;
	bool modseq_told; /* it was told of one since the last tagged reply */
	bool behind;      /* it was told to go by an earlier one: imap_modseq_before_reply() */
	bool recents;     /* the session has \Recent: not under rev2 */
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
 *	conn = imap_conn_new(il, address, front);
 *	stream = stream_new(loop, fd, tls, imap_conn_events(), conn);
 *	imap_conn_start(conn, stream, &entrance);
 * It frees itself some time after the stream has ended.  front: see session_set_front().
 */
struct imap_conn *imap_conn_new(struct imap_loop *il, struct str address, const char *front);
const struct stream_events *imap_conn_events(void);
void imap_conn_start(
    struct imap_conn *conn, struct stream *stream, const struct imap_entrance *entrance);
/* For whom the client's certificate stands, as of now; see stream_identity(). */
const struct tls_identity *imap_identity(const struct imap_conn *conn);
/* The client's address for limits and the log: what a trusted front told in this turn, or the
 * connection's. */
struct str imap_client_address(const struct imap_conn *conn);
/*
 * Texts for people (respond.c): English here, translated where they are printed, into the language
 * of the connection's turn.  Response codes and log lines are not.  cmd_ok(), cmd_no() and the
 * like (imap/cmd.h) do it for tagged replies; these are for all else.  tools/check_printing.sh
 * knows no other way to print a text.
 */
void imap_say(struct imap_conn *conn, enum wire_cond cond, struct str code, const char *text);
static inline void
imap_say_ok(struct imap_conn *conn, struct str code, const char *text)
{
	imap_say(conn, WIRE_OK, code, text);
}
/* After wire_out_ok_begin() and the contents of a code. */
void imap_say_end(struct imap_conn *conn, const char *text);
void imap_say_continue(struct imap_conn *conn, const char *text); /* "+ text" */
/* What they are translated by; NULL: they stay English. */
static inline const struct texts *
imap_texts(const struct imap_conn *conn)
{
	return conn->turn->texts;
}

/* Untagged BYE, then close when the out queue is flushed.  Inside of a response that is printed in
 * pieces (cmd->midway) it closes without a word: whatever came would be taken for a part of it. */
void imap_bye(struct imap_conn *conn, const char *code, const char *text);

struct imap_turn *imap_turn_new(struct imap_conn *conn);
/* Frees it, which is that of the connection, or was. */
void imap_turn_free(struct imap_conn *conn, struct imap_turn **turn);
struct imap_entry { /* a login that is about to begin */
	const struct auth_login *who;
	const struct auth_request *req;
	struct store_account *account; /* its reference goes to the login */
	struct tally_place *place;     /* private: counted, but not a login yet */
};
/*
 * Puts a new turn in its place; what is the old one's is there yet, but counts no more.  entry:
 * NULL, or the login that the new turn begins with, prepared by imap_login_enter().  Then what was
 * authenticated (identity, mechanism, proof, where it came from) and the layers go from the old
 * login to the new one, and nothing else does.
 */
struct imap_turn *imap_turn_next(struct imap_conn *conn, struct imap_entry *entry);
/* False: limits.logins_per_user are there, and the account stays the caller's. */
bool imap_login_open(struct imap_conn *conn, struct imap_entry *entry);
/* For the next turn.  False as above.  The entry has to live until then; what is not taken by a
 * login is given back with the arena, also the account. */
bool imap_login_enter(struct imap_conn *conn, struct imap_entry *entry, struct arena *arena);
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
#endif
