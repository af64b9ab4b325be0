/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GRANT_GRANT_H
#define AUTH_GRANT_GRANT_H
/*
 * auth/grant: a single grant, and the search for the one that decides.  Start here; index.h is the
 * search, groups.h the groups of users.  auth/grants.h has the grants in force, and says which of
 * several decides.
 *
 * A grant says who may act for whom, and how far.  It is immutable and reference-counted; a login
 * that acts under one holds a reference until it ends.  Its rights are an upper bound: the login
 * has only the rights that both the user has and the grant allows.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "net/network.h"

/* The rights of RFC 4314 section 2.1; a mask. */
enum auth_right {
	AUTH_RIGHT_LOOKUP = 1u << 0,      /* l */
	AUTH_RIGHT_READ = 1u << 1,        /* r */
	AUTH_RIGHT_SEEN = 1u << 2,        /* s */
	AUTH_RIGHT_WRITE = 1u << 3,       /* w: flags other than \Seen and \Deleted */
	AUTH_RIGHT_INSERT = 1u << 4,      /* i */
	AUTH_RIGHT_POST = 1u << 5,        /* p */
	AUTH_RIGHT_CREATE = 1u << 6,      /* k */
	AUTH_RIGHT_DELETE = 1u << 7,      /* x: the mailbox */
	AUTH_RIGHT_DELETED = 1u << 8,     /* t: \Deleted */
	AUTH_RIGHT_EXPUNGE = 1u << 9,     /* e */
	AUTH_RIGHT_ADMINISTER = 1u << 10, /* a */
	AUTH_RIGHTS_ALL = (1u << 11) - 1
};

enum auth_grant_source {
	AUTH_GRANT_CONFIG, /* a block of the configuration */
	AUTH_GRANT_STORE,  /* `turnstone grant add` */
	AUTH_GRANT_USER,   /* `turnstone user add --acts-for`: a pattern in the user's own record */
};

enum auth_names_kind {
	AUTH_NAMES_ONE,     /* a user */
	AUTH_NAMES_DOMAIN,  /* "*@domain": kept without the "*@" */
	AUTH_NAMES_ANY,     /* "*" */
	AUTH_NAMES_PATTERN, /* '*' stands for any characters (auth_glob()) */
	AUTH_NAMES_GROUP,   /* "group:NAME": kept without the "group:" */
};

struct auth_names { /* one or many users; prepared */
	enum auth_names_kind kind;
	struct str text;
};

enum auth_grant_limit {
	AUTH_GRANT_NAME_MAX = 64,    /* bytes of a grant's name */
	AUTH_GRANT_ITEMS_MAX = 256,  /* mailboxes, networks */
	AUTH_GROUP_NAME_MAX = 256,   /* bytes */
	AUTH_MAILBOX_NAME_MAX = 1000 /* bytes of a pattern */
};

#define AUTH_GRANT_FOR_GOOD INT64_MAX

struct auth_grant { /* read-only */
	_Atomic unsigned refs;
	atomic_bool gone; /* no grant in force is equal to it */
	enum auth_grant_source source;
	struct str name;               /* its name; "acts-for" for AUTH_GRANT_USER */
	struct auth_names who, target; /* who acts; for whom */
	unsigned rights;               /* of enum auth_right: the most it gives */
	/* The mailboxes that the login can see; none listed: all. */
	const struct str *mailboxes;
	size_t mailbox_count;
	const struct net_network
	    *from; /* the client's address must be in one of these; none listed: any */
	size_t from_count;
	int64_t until;       /* seconds since 1970; expired from then on */
	int64_t made;        /* nanoseconds since 1970; 0 if from the configuration */
	uint64_t mark;       /* private, guarded by the lock of changes */
	struct arena *arena; /* private: all of it */
};

/* An unrestricted grant named "acts-for": what --acts-for gives. */
struct auth_grant *auth_grant_new_full(void);
struct auth_grant *auth_grant_ref(struct auth_grant *grant);
/* Sets *grant to NULL; NULL is fine. */
void auth_grant_unref(struct auth_grant **grant);

/* ---- parsing what people write */

struct auth_grant_spec {
	struct str name;
	struct str who;    /* a user, a pattern, or "group:NAME" */
	struct str target; /* likewise: `for` */
	const struct str *mailboxes;
	size_t mailbox_count;
	struct str rights; /* letters; empty: all */
	const struct str *from;
	size_t from_count;
	struct str until; /* for auth_until_parse(); empty: no end */
};

struct auth_grant_fault {
	const char *field; /* "name", "who", "for", "mailboxes", "rights", "from", "until" */
	struct buf text;   /* a sentence about it; the caller calls buf_fini() */
};

/* Adds the default domain to users without one.  NULL: fault_r, which must be {0}, says why. */
struct auth_grant *auth_grant_new(enum auth_grant_source source, struct str default_domain,
    const struct auth_grant_spec *spec, struct auth_grant_fault *fault_r);
/* Returns what is wrong with a pattern for mailbox names; NULL: nothing. */
const char *auth_grant_mailbox_fault(struct str pattern);
/* Whether two grants are equal, apart from the time they were made. */
bool auth_grant_same(const struct auth_grant *a, const struct auth_grant *b);
/* Parses a name, a pattern or "group:NAME", prepared, into the arena; false: invalid. */
bool auth_names_parse(
    struct str text, struct str default_domain, struct arena *arena, struct auth_names *names_r);
/* Appends it as people write it. */
void auth_names_print(const struct auth_names *names, struct buf *out);

/*
 * Parses a point in time, in UTC unless it has an offset.  "2027-01-01" means the end of that day;
 * "2027-01-01T12:30" means that moment, with or without seconds, and with "Z" or an offset such as
 * "+02:00" after it (RFC 3339 section 5.6).
 */
bool auth_until_parse(struct str text, int64_t *until_r);
/* Appends "2027-01-01T12:30:00Z". */
void auth_until_print(int64_t until, struct buf *out);

/* ---- records of the store */

/*
 * The value, format 1 (the store adds its checksum); the key is "grant/" and the name:
 *
 *	byte     1, the format
 *	8 bytes  made, 8 bytes until, little-endian
 *	4 bytes  rights, little-endian: the bits of enum auth_right
 *	who, then for: a byte (0: name or pattern, 1: group), varint length, bytes
 *	varint   number of mailboxes, then each: varint length, bytes
 *	varint   number of networks, then each: a byte family, a byte bits, 16 bytes address
 */
void auth_grant_print(const struct auth_grant *grant, struct buf *out);
/* NULL: not a record of a known format. */
struct auth_grant *auth_grant_parse(struct str name, struct str value);

/* ---- what a grant allows */

/* Returns why a login under this grant must end, a static sentence; NULL: it may go on.  now:
 * seconds since 1970.  Any thread. */
extern const char auth_grant_withdrawn[]; /* one of these sentences */
const char *auth_grant_ended(const struct auth_grant *grant, int64_t now);

/*
 * Whether the grant covers a mailbox name.  name is a name in the store, with '/' between levels;
 * the mailbox need not exist (CREATE asks before it does).  INBOX matches in any case, also as the
 * first level.  Always true without a grant (NULL).
 *
 * A name covers only itself, neither the levels below nor those above it: "Voicemail" is one
 * mailbox; "Voicemail*", or the two items "Voicemail" and "Voicemail/" with a '*', cover it and
 * everything below.  LIST shows levels above as \NonExistent where it must.
 */
bool auth_grant_mailbox(const struct auth_grant *grant, struct str name);
/* Whether the grant gives a right of the mask; NULL gives all of them. */
static inline bool
auth_grant_allows(const struct auth_grant *grant, unsigned rights)
{
	return grant == NULL || (grant->rights & rights) == rights;
}

/*
 * Parses the letters of RFC 4314 section 2.1 and the two obsolete ones of section 2.1.1: c means k
 * and x, d means e and t.  False: *bad_r is an invalid letter, or 0 if there are no letters.
 */
bool auth_rights_parse(struct str letters, unsigned *rights_r, char *bad_r);
/* Appends the letters, without c and d: "lrswipkxtea". */
void auth_rights_print(unsigned rights, struct buf *out);
#endif
