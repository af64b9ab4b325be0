/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_IMAP_H
#define IMAP_IMAP_H
/*
 * The server's engine: its lifetimes, and how a process runs it (imap_loop_init(),
 * imap_conn_start()).  imap/cmd.h describes commands, imap/ext.h what extensions bring.  imap/conn
 * turns bytes into commands and runs them; the selected mailbox is in imap/box, names and rights
 * are in imap/place, logs in imap/log.
 *
 * Six lifetimes, each with its own arena, each freed as a whole:
 *
 *   struct imap_server  start to exit
 *   struct imap_conn    accept to close; nothing about any user
 *   struct imap_turn    accept, or the OK of UNAUTHENTICATE or PROXYAUTH, to the next one or close
 *   struct imap_login   authentication to UNAUTHENTICATE, PROXYAUTH, LOGOUT or close
 *   struct imap_box     SELECT to whatever closes the mailbox
 *   struct imap_cmd     tag read to tagged reply printed
 *
 * UNAUTHENTICATE is imap_turn_next(), and imap_turn_free() of the old turn: there is no reset
 * function, so no field can be forgotten.
 *
 * The way of a FETCH: the stream's data() offers bytes; conn/input.c frames one command, finds its
 * row, and checks state and traits; conn/run.c runs its first step, which parses the rest.  A step
 * either finishes the command (cmd_ok, cmd_no, cmd_bad), or names the next step and says what it
 * waits for: a job on a worker, a change in the store, the out queue to drain, a timer, input.
 * Steps print into the stream's out buffer, which is flushed once per loop iteration.  No byte
 * after a command is looked at before its tagged reply is printed, so each command is a barrier for
 * those after it.
 *
 * The way of a switch: UNAUTHENTICATE's only step calls cmd_ok() and asks for a new turn; the
 * runner replaces the old turn, prints the tagged reply with the capabilities of the new one, frees
 * the old one (with its login, box, watches, layers and secrets), and only then looks at the next
 * byte, which is usually the "A" of an AUTHENTICATE that came in the same segment.  PROXYAUTH does
 * the same, with a new turn that begins with a login.
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
#include "store/reader.h"
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
struct imap_space;   /* imap/place/place.h */
struct imap_reached; /* imap/place/shared.h */
struct auth_sharing; /* auth/sharing.h */
struct failures;

/* Upper bounds of the classes of commands' times, in microseconds; one more class is open-ended. */
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

struct imap_spaces { /* namespaces besides the personal one */
	const struct imap_space *v;
	size_t n;
};

struct imap_server {
	struct imap_registry reg;
	struct store *store;
	struct auth *auth;
	struct work_pool *workers;
	struct work_pool *waiters; /* for work that waits for other machines; NULL: there is none */
	struct tls_slot *tls;      /* NULL: no STARTTLS */
	struct sasl_mech_list more_mechs;
	struct imap_spaces spaces; /* used by every login, besides those of users */
	void *app;
	struct session_server sessions;       /* connections; net/session.h */
	struct tally *users;                  /* logins */
	struct failures *failures;            /* failed logins, by address */
	struct failures *failed_accounts;     /* by the claimed account */
	struct transcript_files *transcripts; /* NULL: transcripts cannot be written */
	struct imap_loop *loops;
	unsigned loop_count;
};

/* Returns the owner of a login's jobs, as numbers hashed with a secret of the server. */
struct work_who imap_work_who(const struct imap_server *server, const struct auth_login *who);
/* Returns the pool in which a job of cmd_job_of() runs. */
struct work_pool *imap_job_pool(const struct imap_server *server, bool waits);
/* Makes the counters (the caller fills in the rest), and frees them when no connection is left. */
void imap_server_init(struct imap_server *server);
void imap_server_fini(struct imap_server *server);

/*
 * The settings and what follows from them.  A loop makes one whenever the configuration is read,
 * and each turn keeps the one from its start: after a reload the next login on an old connection is
 * like one on a new connection, and an open one continues as it began.
 */
struct imap_rules {
	unsigned refs; /* all on one loop */
	struct conf *conf;
	const struct imap_settings *settings;
	struct texts_set *languages; /* referenced; NULL: English only */
	const struct texts *texts; /* used until a language is chosen; NULL: English (i-default) */
	struct stream_limits stream_limits;
	struct wire_frame_limits login_limits, limits; /* before and after login */
	struct wire_limits wire_limits;
	struct imap_spaces spaces;                  /* the server's, and those of its users */
	struct imap_sharing {                       /* imap/place/shared.h */
		const struct auth_sharing *options; /* conf has them */
		struct auth *auth;
	} sharing;
	struct imap_hides *hides; /* imap/hide.h; NULL: none */
	bool hides_any;           /* or hide_capabilities */
	struct imap_caps {        /* capabilities last printed in a state, plain and with TLS */
		uint64_t when;    /* a bit for each condition that held */
		uint64_t key;     /* of those with `words` */
		struct buf text;
	} caps[3][2];
};

struct imap_loop { /* the engine's state per event loop; used by its thread only */
	struct imap_server *server;
	struct loop *loop;
	struct arena_pool pool;
	struct session_loop sessions; /* has all imap_conns */
	struct imap_rules *rules;     /* currently valid; referenced */
	uint64_t serial;              /* the last one given to a turn or a box */
	uint64_t slice_ns;            /* how long a command may compute before others get a turn */
	uint64_t slice_end_ns;        /* when the running command's slice ends */
	struct pace pace;
	struct imap_stats { /* 64-bit numbers only */
		struct session_stats sessions;
		uint64_t logins, switches, commands, failed_logins;
		uint64_t login_results[IMAP_LOGIN_RESULTS], errors[TS_ERR_COUNT];
		uint64_t credential[2], account[2], mailbox[2]; /* found in memory: no, yes */
		uint64_t selected; /* mailboxes currently selected; filled in when summed */
	} stats;
	/* In the registry's order; after the last, unknown commands. */
	struct imap_command_stats commands[IMAP_CMD_MAX];
};

/* index: the loop's among the server's loops, so that connection ids differ.  languages: NULL, or
 * catalogues, which are referenced; the same below. */
void imap_loop_init(struct imap_loop *il, struct imap_server *server, unsigned index,
    struct loop *loop, struct conf *conf, struct texts_set *languages);
/* Applies new settings to turns that begin from now on.  Call on the loop's thread. */
void imap_loop_configure(struct imap_loop *il, struct conf *conf, struct texts_set *languages);
/* Sends BYE to every connection.  They are gone some iterations later (session_loop_is_empty()). */
void imap_loop_shutdown(struct imap_loop *il, const char *text);
/* Call when it no longer runs and no connection is left. */
void imap_loop_fini(struct imap_loop *il);

struct imap_entrance {          /* how a listener lets clients in; outlives its connections */
	bool implicit_tls;      /* handshake first, then the greeting */
	bool preauth;           /* and then clients that show a certificate are logged in at once */
	struct tls_terms terms; /* for TLS, whenever it begins */
};

struct imap_conn {
	/* Stream, id, timer …; for the client's address use imap_client_address(). */
	struct session session;
	struct imap_loop *il;
	struct imap_server *server;
	const struct imap_entrance *entrance;
	struct imap_turn *turn;      /* never NULL */
	struct imap_cmd *cmd;        /* NULL: none in progress */
	struct imap_errand *errands; /* waiting or running, including those of earlier turns */
	struct wire_frame frame;     /* of the command being received */
	uint64_t stream_left;        /* bytes of a streamed literal still to come */
	size_t segment_at;           /* of a streaming command: start of its segment in the input */
	size_t drop;                 /* bytes of input used already */
	struct loop_task task;       /* continues a command that yielded; pace_ask() */
	struct pace_place pace;
	struct arena *id_arena; /* of id_name */
	struct str id_name;     /* ID: name/version/vendor, for log lines (kept across switches) */
	struct str id_client;   /* only the name, for imap/hide.h (kept as well) */
	unsigned bad_commands;  /* BADs in a row */
	unsigned failed_logins; /* before the first login */
	unsigned failed_switches; /* after UNAUTHENTICATE */
	unsigned failed_in_row;   /* since the last successful login */
	unsigned turns;    /* earlier users; if any, the idle time-out between turns applies */
	unsigned input;    /* enum conn_input */
	uint64_t commands; /* statistics */
};

struct imap_told { /* what a front told about the client before this turn's login (ID) */
	char address[46], session[65]; /* NUL-terminated; session may be empty */
	unsigned port;                 /* 0: unknown */
};

struct imap_turn {
	struct arena *arena;
	uint64_t serial;           /* unique on this loop, for good */
	struct imap_rules *rules;  /* referenced */
	struct imap_login *login;  /* NULL: not authenticated */
	struct imap_told *told;    /* NULL: nothing */
	bool *hides;               /* which of rules->hides apply; NULL: there are none */
	uint64_t hide_key;         /* differs if they do */
	const struct texts *texts; /* the chosen language, of rules->languages */
	unsigned char *slots;
};

struct imap_login {
	struct arena *arena;
	struct str authcid, user;
	struct auth_grant *grant; /* referenced; NULL: acts as themselves */
	uint64_t generation;      /* of what the decision was based on: struct auth_login */
	bool acts_for_others, server_admin, vouched;
	bool may_unauthenticate;
	struct store_account *account; /* has the mail of the personal namespace; see place.h */
	/* The turn's rules have these two.  Accounts of others that this login has looked into;
	 * NULL: none.  imap/place/shared.h. */
	struct imap_spaces spaces;
	const struct imap_sharing *sharing;
	struct imap_reached *reached;
	struct wire_dialect dialect; /* from what was ENABLEd; passed to every printer */
	struct imap_box *box;        /* NULL: nothing is selected */
	struct link tellers;         /* imap/tell.h */
	unsigned char *slots;
	struct tally *users;            /* where it is counted, */
	struct tally_place *user_place; /* and its place there */
	struct work_who who;            /* owner of its jobs */
	/* How authcid was authenticated, by this login or by the one before it (PROXYAUTH). */
	struct str mechanism;
	enum auth_proof proof;
	bool authcid_vouched;          /* as in struct auth_login */
	unsigned strength;             /* of the negotiated security layer; 0: none */
	int64_t ends;                  /* when its token ends; 0: never */
	struct imap_layer *layers;     /* the newest; NULL: none.  imap/layer.h */
	struct transcript *transcript; /* NULL: not wanted */
	uint64_t commands, bytes_in, bytes_out, since_ms; /* the connection's, at its start */
	struct imap_counts {                              /* for the line at its end */
		uint64_t fetched, appended, expunged, selected;
	} counts;
};

/* The client's view of the selected mailbox. */
struct imap_box {
	struct arena *arena;
	const struct imap_registry *reg;
	struct store_mailbox *mailbox;
	struct store_reader reader; /* of it, for this user; own is referenced */
	uint64_t serial;            /* like that of a turn */
	struct store_watch *watch;
	struct store_watch *own_watch; /* on the user's own \Seen; NULL: it needs none */
	/* Due: the watch fired, or the last imap_sync() did not tell everything. */
	struct imap_teller teller;
	unsigned rights;      /* of enum auth_right, for this login; imap_rights_ask() */
	unsigned rights_told; /* those on which PERMANENTFLAGS was based */
	bool examined;
	bool read_only;            /* EXAMINEd, or no right to change anything */
	roaring_bitmap_t *uids;    /* as told to the client; sequence number = rank */
	roaring_bitmap_t *recent;  /* \Recent for this session (rev1) */
	roaring_bitmap_t *pending; /* UIDs whose flags the next imap_sync() must tell */
	roaring_bitmap_t
	    *silent; /* or NULL.  The next imap_sync() does not tell the flags of ... */
	/* ... these UIDs if they have one of these MODSEQs (0: none).  Freed by it */
	uint64_t silent_modseq[2];
	roaring_bitmap_t *saved; /* "$" (RFC 5182): UIDs; NULL: the empty set */
	uint64_t modseq;         /* changes up to here are included in uids, pending and expunged */
	roaring_bitmap_t *expunged; /* those of uids that are gone; not told yet */
	/* MODSEQs (RFC 7162): the client knows all changes up to ... */
	uint64_t complete;
	uint64_t modseq_told; /* the highest one that it saw since the last tagged reply */
	bool behind;          /* it was given an earlier one to use: imap_modseq_before_reply() */
	bool recents;         /* the session has \Recent: not under rev2 */
	uint32_t uidvalidity;
	struct str name;
	uint64_t keywords_told; /* table of the last FLAGS response; store_keywords_id() */
	bool room_told;         /* and that it said that more can be created */
	unsigned char *slots;
};

/* Returns the turn's settings. */
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

struct imap_box *imap_box(const struct imap_conn *conn); /* NULL: nothing is selected */

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
/* Returns for whom the client's certificate stands now; see stream_identity(). */
const struct tls_identity *imap_identity(const struct imap_conn *conn);
/* Returns the client's address for limits and the log: as told by a trusted front in this turn, or
 * else the connection's. */
struct str imap_client_address(const struct imap_conn *conn);
/*
 * Texts for people (respond.c): in English here, translated when printed into the language of the
 * connection's turn.  Response codes and log lines are not translated.  cmd_ok(), cmd_no() and the
 * like (imap/cmd.h) do it for tagged replies; these functions are for all else.
 * tools/check_printing.sh allows no other way to print a text.
 */
void imap_say(struct imap_conn *conn, enum wire_cond cond, struct str code, const char *text);
static inline void
imap_say_ok(struct imap_conn *conn, struct str code, const char *text)
{
	imap_say(conn, WIRE_OK, code, text);
}
/* Call after wire_out_ok_begin() and the contents of a code. */
void imap_say_end(struct imap_conn *conn, const char *text);
void imap_say_continue(struct imap_conn *conn, const char *text); /* "+ text" */
/* Returns what translates them; NULL: they stay English. */
static inline const struct texts *
imap_texts(const struct imap_conn *conn)
{
	return conn->turn->texts;
}

/* Sends an untagged BYE, then closes once the out queue is flushed.  Inside a response that is
 * printed in pieces (cmd->midway) it closes silently: any text would be taken for part of it. */
void imap_bye(struct imap_conn *conn, const char *code, const char *text);

struct imap_turn *imap_turn_new(struct imap_conn *conn);
/* Frees a turn, which is or was the connection's. */
void imap_turn_free(struct imap_conn *conn, struct imap_turn **turn);
struct imap_entry { /* a login that is about to begin */
	const struct auth_login *who;
	const struct auth_request *req;
	struct store_account *account; /* the login takes over its reference */
	struct tally_place *place;     /* private: counted, but not a login yet */
};
/*
 * Replaces the turn; the old one still exists, but no longer counts.  entry: NULL, or the login
 * with which the new turn begins, prepared by imap_login_enter().  In that case the authenticated
 * identity (including mechanism, proof and origin) and the layers move from the old login to the
 * new one; nothing else does.
 */
struct imap_turn *imap_turn_next(struct imap_conn *conn, struct imap_entry *entry);
/* Returns false if there are limits.logins_per_user already; the caller then keeps the account. */
bool imap_login_open(struct imap_conn *conn, struct imap_entry *entry);
/* For the next turn.  Returns false as above.  The entry must live until then; what no login takes
 * over, including the account, is released with the arena. */
bool imap_login_enter(struct imap_conn *conn, struct imap_entry *entry, struct arena *arena);
struct imap_keywords {                /* of a mailbox, as of a certain read */
	struct store_keywords *table; /* referenced; imap_drop_keywords() */
	bool room;                    /* more can be created */
};
/* What SELECT reports besides the view, as of the moment when the view was taken. */
struct imap_selected {
	uint32_t uidnext;
	uint32_t unseen; /* UID of the first message without \Seen; 0: none */
	struct imap_keywords keywords;
};
/* Selects an open mailbox.  It takes references of its own. */
struct imap_open;
struct imap_box *imap_box_open(struct imap_conn *conn, const struct imap_open *open, bool read_only,
    struct imap_selected *selected_r);
void imap_box_free(struct imap_conn *conn);

/* Returns the connection's out buffer, and prepares what goes with it. */
struct buf *imap_out(struct imap_conn *conn);
/* Adds fields about the client's certificate, if there is one. */
void imap_event_certificate(const struct imap_conn *conn, struct log_event *e);
const struct wire_dialect *imap_dialect(const struct imap_conn *conn); /* rev1 when not logged in */
/* Returns "CAPABILITY IMAP4rev1 …" for the current state; owned by the loop, valid until the next
 * call. */
struct str imap_capabilities(const struct imap_conn *conn);
/* Starts an event with the connection's fields: conn; user, and authcid if it differs; and, while a
 * command runs, tag, command and ms. */
void imap_event(const struct imap_conn *conn, struct log_event *e, struct str message);
void imap_log(const struct imap_conn *conn, int level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
#endif
