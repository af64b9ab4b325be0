/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GRANT_GRANT_H
#define AUTH_GRANT_GRANT_H
/*
 * auth/grant: what a grant is, and finding the one that decides.  Start here; index.h finds,
 * groups.h has who belongs together.  Which grants are in force: auth/grants.h.
 *
 * Grants: who may act for whom, and how far.
 *
 * A grant never changes; it is counted, and a login that acts by one keeps a
 * reference until it ends.  Rights are an upper bound: the login has what the
 * user may and the grant allows, both.  Which of several grants decides: auth/grants.h.
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
	AUTH_RIGHT_WRITE = 1u << 3,       /* w: flags but \Seen and \Deleted */
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
	AUTH_GRANT_NAME_MAX = 64,    /* bytes of its name */
	AUTH_GRANT_ITEMS_MAX = 256,  /* mailboxes, networks */
	AUTH_GROUP_NAME_MAX = 256,   /* bytes */
	AUTH_MAILBOX_NAME_MAX = 1000 /* bytes of a pattern */
};

#define AUTH_GRANT_FOR_GOOD INT64_MAX

struct auth_grant { /* to be read */
	_Atomic unsigned refs;
	atomic_bool gone; /* none that is in force is like it any more */
	enum auth_grant_source source;
	struct str name;               /* of its own; "acts-for" for AUTH_GRANT_USER */
	struct auth_names who, target; /* who acts; for whom */
	unsigned rights;               /* of enum auth_right: at the most these */
	/* Which mailboxes there are for the login; none named: all. */
	const struct str *mailboxes;
	size_t mailbox_count;
	const struct net_network *from; /* the client's address is in one of them; none: any */
	size_t from_count;
	int64_t until;       /* seconds since 1970; from this on it does not fit */
	int64_t made;        /* nanoseconds since 1970; 0 for one of the configuration */
	uint64_t mark;       /* private, under the lock of changes */
	struct arena *arena; /* private: all of it */
};

/* A grant without bounds, named "acts-for": what --acts-for gives. */
struct auth_grant *auth_grant_new_full(void);
struct auth_grant *auth_grant_ref(struct auth_grant *grant);
/* Sets *grant to NULL; NULL is fine. */
void auth_grant_unref(struct auth_grant **grant);

/* ---- from what people write */

struct auth_grant_spec {
	struct str name;
	struct str who;    /* a user, a pattern, or "group:NAME" */
	struct str target; /* likewise: `for` */
	const struct str *mailboxes;
	size_t mailbox_count;
	struct str rights; /* letters; empty: all */
	const struct str *from;
	size_t from_count;
	struct str until; /* auth_until_parse(); empty: for good */
};

struct auth_grant_fault {
	const char *field; /* "name", "who", "for", "mailboxes", "rights", "from", "until" */
	struct buf text;   /* a sentence about it; the owner calls buf_fini() */
};

/* Users without a domain get the default one.  NULL: fault_r (that is {0} before) says why. */
struct auth_grant *auth_grant_new(enum auth_grant_source source, struct str default_domain,
    const struct auth_grant_spec *spec, struct auth_grant_fault *fault_r);
/* What is wrong with a pattern for names of mailboxes; NULL: nothing. */
const char *auth_grant_mailbox_fault(struct str pattern);
/* Do they say the same, whenever they were made? */
bool auth_grant_same(const struct auth_grant *a, const struct auth_grant *b);
/* One name or pattern, "group:NAME" too, prepared into the arena; false: it is none. */
bool auth_names_parse(
    struct str text, struct str default_domain, struct arena *arena, struct auth_names *names_r);
/* Appends it as it is written. */
void auth_names_print(const struct auth_names *names, struct buf *out);

/*
 * A point in time, UTC unless it says otherwise: "2027-01-01" is the end of that day;
 * "2027-01-01T12:30", with or without seconds, and "Z" or an offset such as "+02:00" behind it
 * (RFC 3339 section 5.6) is that moment.
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
/* NULL: not a record of a format that we know. */
struct auth_grant *auth_grant_parse(struct str name, struct str value);

/* ---- how far */

/* Why a login that acts by it does not go on: a sentence, static; NULL: it does.  now: seconds
 * since 1970.  Any thread. */
extern const char auth_grant_withdrawn[]; /* one of them */
const char *auth_grant_ended(const struct auth_grant *grant, int64_t now);

/*
 * Is there a mailbox of that name for who acts by the grant?  name is one of the store, with '/'
 * between its levels, whether there is such a mailbox or not (CREATE asks for names to come); INBOX
 * in any case is one, also as the first level.  True for NULL: who acts as themselves.
 *
 * Each name stands for itself: what the grant names does not bring what is below it ("Voicemail" is
 * one mailbox, "Voicemail*" or two items, "Voicemail" and "Voicemail/" with a '*', are it and all
 * below), nor the levels above it, which are for LIST to show as \NonExistent where it has to.
 */
bool auth_grant_mailbox(const struct auth_grant *grant, struct str name);
/* The same for a right of the mask; all of them are there for NULL. */
static inline bool
auth_grant_allows(const struct auth_grant *grant, unsigned rights)
{
	return grant == NULL || (grant->rights & rights) == rights;
}

/*
 * Letters of RFC 4314 section 2.1, and the two older ones of section 2.1.1: c is k and x, d is e
 * and t.  False: *bad_r is a letter that is none of them, or there is none at all (bad_r 0).
 */
bool auth_rights_parse(struct str letters, unsigned *rights_r, char *bad_r);
/* Appends the letters, without c and d: "lrswipkxtea". */
void auth_rights_print(unsigned rights, struct buf *out);
#endif
