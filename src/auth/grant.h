/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_GRANT_H
#define AUTH_GRANT_H
/*
 * Grants: who may act for whom, and how far.
 *
 * A grant never changes; it is counted, and a login that acts by one keeps a
 * reference until it ends.  Rights are an upper bound: the login has what the
 * user may and the grant allows, both.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

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

struct auth_grant { /* to be read */
	_Atomic unsigned refs;
	enum auth_grant_source source;
	struct str name; /* of its own; "acts-for" for AUTH_GRANT_USER */
	unsigned rights; /* of enum auth_right: at the most these */
	/* Which mailboxes there are for the login; none named: all. */
	const struct str *mailboxes;
	size_t mailbox_count;
};

/* A grant without bounds, named "acts-for": what --acts-for gives. */
struct auth_grant *auth_grant_new_full(void);
struct auth_grant *auth_grant_ref(struct auth_grant *grant);
/* Sets *grant to NULL; NULL is fine. */
void auth_grant_unref(struct auth_grant **grant);

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
