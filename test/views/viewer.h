/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_VIEWS_VIEWER_H
#define TEST_VIEWS_VIEWER_H
/*
 * A client: its commands, and what it may believe about its selected mailbox.
 *
 * The driver calls viewer_next(), or one of the viewer_…() for a given command, sends `out`, and
 * passes whatever arrives to viewer_take(), which reads every response and compares it with what
 * the client believes and with the truth.
 */
#include "truth.h"

enum verb {
	V_LOGIN,
	V_ENABLE,
	V_RESYNC,
	V_SELECT,
	V_EXAMINE,
	V_CLOSE,
	V_UNSELECT,
	V_NOOP,
	V_CHECK,
	V_IDLE,
	V_FETCH,
	V_STORE,
	V_SEARCH,
	V_EXPUNGE,
	V_COPY,
	V_MOVE,
	V_APPEND,
	V_STATUS,
	V_LOGOUT,
	VERBS
};

enum item { /* of FETCH */
	ITEM_UID = 1,
	ITEM_FLAGS = 2,
	ITEM_SIZE = 4,
	ITEM_ENVELOPE = 8,
	ITEM_STRUCTURE = 16,
	ITEM_BODY = 32,
	ITEM_PEEK = 64, /* with ITEM_BODY */
	ITEM_MODSEQ = 128
};

enum key { KEY_ALL, KEY_FLAG, KEY_UNFLAG, KEY_SUBJECT, KEY_TEXT, KEYS };

struct kept { /* of a mailbox, when it was left: resync.h */
	uint32_t uidvalidity;
	uint64_t modseq;
	struct known {
		uint32_t uid, flags;
	} * v; /* the first messages, all of which are known */
	size_t n;
};

struct act { /* a command that was sent */
	unsigned tag;
	enum verb verb;
	bool uid, silent, all, idling, done;
	bool refused; /* the user has no right to this */
	uint64_t sent, done_sent;
	struct numbers uids; /* of the requested messages; with all: every known one */
	struct numbers at;   /* their numbers */
	unsigned items;
	enum key key;
	uint32_t which, value;  /* STORE; SEARCH: which flag */
	uint32_t id;            /* SEARCH */
	struct mailbox *box;    /* the mailbox it is about */
	struct mailbox *target; /* COPY, MOVE, APPEND, STATUS */
	struct numbers ids;     /* APPEND: texts */
	uint32_t flags;         /* APPEND */
	struct removal *removal;
	char *code;       /* MOVE: from COPYUID */
	bool searched;    /* SEARCH, STATUS: the result has arrived */
	struct kept kept; /* SELECT with QRESYNC: what has not vanished; v NULL: without */
};

/* A message as the client knows it. */
struct seat {
	uint32_t uid; /* 0: unknown */
	uint32_t flags;
	bool flagged;   /* flags are known */
	uint64_t since; /* its EXISTS came after that moment */
	uint64_t floor[FLAGS];
	unsigned got_tag, got; /* items that this command has brought */
};

/* Everything it keeps about a mailbox, from one selection to the next if it wants to continue with
 * it. */
struct belief {
	struct mailbox *box; /* NULL: none is selected */
	uint32_t uidvalidity, uidnext;
	bool read_only;
	unsigned selection; /* a unique number */
	uint32_t keywords;  /* as in FLAGS */
	bool flags_told;
	uint32_t recent;
	struct seat *seats;
	size_t count, cap, first; /* first: how many there were at its selection */
};

#define PIPELINE 4

struct viewer {
	struct truth *truth;
	char name[16];
	unsigned user;
	const char *prefix, *rights; /* of the mailboxes' names; rights NULL: all */
	uint64_t random;
	bool rev2, resync, logged_in, bye;
	struct kept kept[MAILBOXES]; /* with resync */
	/* HIGHESTMODSEQ as the client goes by it; since the last tagged reply the highest MODSEQ,
	 * and the code (0: none) */
	uint64_t modseq, seen, code;
	enum habit { HABIT_ANYTHING, HABIT_CHURN, HABIT_LOOK } habit;
	struct belief belief;
	struct act *acts[PIPELINE + 1]; /* in progress, the oldest first */
	size_t act_count;
	struct mailbox *selecting; /* where it will be after all replies */
	bool will_read_only;
	unsigned tag;
	uint64_t answered; /* when the last command was answered */
	uint64_t commands;
	struct buf in, out;
};

/* resync: in IMAP4rev2, with QRESYNC. */
void viewer_init(struct viewer *s, struct truth *truth, unsigned number, bool rev2, bool resync);
void viewer_fini(struct viewer *s);
/* The session is another user's, who finds the mailboxes behind the prefix and has these rights
 * (RFC 4314).  Call it first. */
void viewer_as(struct viewer *s, unsigned user, const char *prefix, const char *rights);
bool viewer_may(const struct viewer *s, char right);
/* The flags that the rights let it change. */
uint32_t viewer_flags(const struct viewer *s);
/* The mailbox's name, as this user writes it. */
void viewer_name(const struct viewer *s, const struct mailbox *box, struct buf *out);

/* Takes what the server sent. */
void viewer_take(struct viewer *s, struct str bytes);

/* ---- asking; uids and numbers are taken from the belief ---- */

void viewer_login(struct viewer *s, const char *user, const char *password);
void viewer_select(struct viewer *s, struct mailbox *box, bool read_only);
/* NOOP, CHECK, CLOSE, UNSELECT, EXPUNGE, LOGOUT, IDLE. */
void viewer_simple(struct viewer *s, enum verb verb);
void viewer_done(struct viewer *s); /* ends IDLE */
/* chosen: numbers; NULL: 1:* (an empty mailbox has none). */
void viewer_fetch(struct viewer *s, const struct numbers *chosen, bool uid, unsigned items);
void viewer_store(struct viewer *s, const struct numbers *chosen, bool uid, char mode,
    uint32_t flags, bool silent);
void viewer_search(struct viewer *s, bool uid, enum key key, uint32_t what);
void viewer_uid_expunge(struct viewer *s, const struct numbers *chosen);
void viewer_copy(
    struct viewer *s, const struct numbers *chosen, bool uid, bool move, struct mailbox *target);
void viewer_status(struct viewer *s, struct mailbox *box);
void viewer_append(struct viewer *s, struct mailbox *target, unsigned count, uint32_t flags);

/* One more command, chosen by its seed, if it may have one more in progress. */
void viewer_next(struct viewer *s);
/* Whether it may use message numbers, or whether pending responses may shift them. */
bool viewer_may_number(const struct viewer *s);
bool viewer_idles(const struct viewer *s); /* in IDLE, before DONE */

/* At the end, when all have sent NOOP and read all flags: their beliefs are the same, and they are
 * the truth. */
void sessions_agree(struct viewer *const *sessions, size_t n);
#endif
