/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_IMAP_SITE_H
#define TEST_IMAP_SITE_H
/*
 * A whole server in one process for tests: the mem engine, the real store, real users, the real
 * IMAP engine, on a fake loop with fake streams.  Nothing happens except inside site_run(), and
 * with lanes 0 in a fixed order.
 */
#include "imap/place/place.h"
#include "net/stream_fake.h"
#include "store/engine/mem/mem.h"

#define SITE_CLIENTS 10
#define SITE_EVENTS 8
#define SITE_SHARES 4

struct site_client {
	struct stream_fake *fake;
	struct imap_conn *conn; /* NULL after its end */
};

struct site {
	struct engine_mem_disk *disk;
	struct store *store;
	struct auth *auth;
	struct loop *loop;
	struct conf *conf;
	struct imap_server server;
	struct imap_loop il;
	bool own_tls;
	struct site_client clients[SITE_CLIENTS];
	struct site_event {    /* a change between two readings; private */
		unsigned left; /* readings until then */
		struct store_change *change;
	} events[SITE_EVENTS];
	size_t event_count;
	uint64_t readings; /* so far */
	bool changing;
	struct site_share { /* a namespace with somebody's mail; private */
		char prefix[64];
		struct store_account *account;
		unsigned rights;
		bool by_acl; /* rights are those that the mailbox's list gives */
	} shares[SITE_SHARES];
	struct imap_space spaces[SITE_SHARES];
	struct texts_set *languages; /* NULL, or those of the options; other settings keep them */
	/* NULL, or called at the end of each reading, for changes that the test makes itself. */
	void (*looked)(void *arg);
	void *looked_arg;
};

struct site_options {
	struct str conf; /* text of a configuration file */
	unsigned lanes;
	unsigned keywords;            /* the most per mailbox; 0: the store's default */
	bool starttls;                /* offered; the handshake is fake */
	struct tls_slot *tls;         /* NULL, or from site_tls(); remains the caller's */
	struct engine_mem_disk *disk; /* NULL: a new one; taken over */
	const struct imap_ext *ext;   /* NULL, or one that the server does not have */
	struct texts_set *languages;  /* NULL, or catalogues; taken over */
};

/* A certificate that is never shown: fake streams have no real handshake. */
struct tls_slot *site_tls(void);
struct site *site_new(const struct site_options *options);
/* Loads another configuration file, as a reload does. */
void site_reload(struct site *site, struct str text);
/* Ends all clients first. */
void site_free(struct site **site);

/* Adds a user with one cheap verifier.  acts_for: a pattern, or NULL. */
void site_user(
    struct site *site, const char *name, const char *password, const char *acts_for, bool admin);
/* Adds a grant; mailboxes are separated by commas, NULL: all; rights NULL: all. */
void site_grant(struct site *site, const char *who, const char *target, const char *mailboxes,
    const char *rights);
/* Removes that user's grants. */
void site_revoke(struct site *site, const char *who);
/* For future logins: names with this prefix lead to that user's mail, with these rights.  Called
 * again, it changes the rights, also for those who are logged in.  "acl": those that each mailbox's
 * access control list gives. */
/* Puts an entry into the list of rights of a mailbox, which is made if there is none; identifier:
 * in its prepared form. */
void site_acl(struct site *site, const char *owner, const char *mailbox, const char *identifier,
    const char *rights);
void site_share(struct site *site, const char *prefix, const char *user, const char *rights);
/* Adds a message; makes the account and the mailbox if missing.  flags: "\Seen work". */
void site_message(
    struct site *site, const char *user, const char *mailbox, const char *flags, struct str bytes);
/* One that was brought back from a backup: each byte of its ids is that number. */
void site_restored(
    struct site *site, const char *user, const char *mailbox, unsigned char n, struct str bytes);
void site_mailbox(struct site *site, const char *user, const char *mailbox);
/* A limit of the user, or (not empty) of a mailbox; STORAGE in units of 1,024 bytes. */
void site_quota(struct site *site, const char *user, enum store_quota_resource resource,
    uint64_t limit, const char *mailbox);
/*
 * Makes something happen between two readings: after the n-th reading (from 1) of a mailbox or of a
 * list of mailboxes, counted from now, `what` is done before the reader continues, as if by another
 * session.  Lanes 0.  False: unknown.
 *	expunge USER MAILBOX UID
 *	flags USER MAILBOX UID FLAGS     these are added
 *	append USER MAILBOX [FLAGS]
 *	delete USER MAILBOX
 */
bool site_meanwhile(struct site *site, unsigned n, struct str what);
/* Connects client i; address NULL: 192.0.2.1.  mute: it does not continue the TLS handshake. */
void site_connect(struct site *site, unsigned i, const char *address, bool tls, bool mute);
/* Runs until there is nothing left to do. */
void site_run(struct site *site);
/* Advances the clock, for the loop and for the store. */
void site_advance(struct site *site, uint64_t ms);
/* Client i's connection breaks, and is freed. */
void site_disconnect(struct site *site, unsigned i);
#endif
