/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_IMAP_SITE_H
#define TEST_IMAP_SITE_H
/*
 * A whole server in one process for tests: the mem engine, the real store,
 * real users, the real IMAP engine, on a fake loop with fake streams.  Nothing
 * happens but inside site_run(), and with lanes 0 in a fixed order.
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
	struct site_share { /* a namespace of somebody's mail; private */
		char prefix[64];
		struct store_account *account;
		unsigned rights;
	} shares[SITE_SHARES];
	struct imap_space spaces[SITE_SHARES];
	struct texts_set *languages; /* NULL, or those of the options; other settings keep them */
	/* NULL, or a test's: at the end of each reading, for changes that the test makes itself. */
	void (*looked)(void *arg);
	void *looked_arg;
};

struct site_options {
	struct str conf; /* text of a configuration file */
	unsigned lanes;
	unsigned keywords;            /* the most of a mailbox; 0: the store's default */
	bool starttls;                /* offered; the handshake is a fake one */
	struct tls_slot *tls;         /* NULL, or what site_tls() gave, which stays the caller's */
	struct engine_mem_disk *disk; /* NULL: a new one; taken */
	const struct imap_ext *ext;   /* NULL, or one more than the server has */
	struct texts_set *languages;  /* NULL, or catalogues; taken */
};

/* A certificate to be shown by nobody: the handshake of a fake stream is none. */
struct tls_slot *site_tls(void);
struct site *site_new(const struct site_options *options);
/* As a reload does: another configuration file. */
void site_reload(struct site *site, struct str text);
/* Ends all clients first. */
void site_free(struct site **site);

/* A user with one cheap verifier.  acts_for: a pattern, or NULL. */
void site_user(
    struct site *site, const char *name, const char *password, const char *acts_for, bool admin);
/* Who may act for whom; NULL mailboxes: all, separated by commas; NULL rights: all. */
void site_grant(struct site *site, const char *who, const char *target, const char *mailboxes,
    const char *rights);
/* Takes the grants of that user back. */
void site_revoke(struct site *site, const char *who);
/* For logins to come: names that begin with prefix are those of that user's mail, with these
 * rights. Given again it changes the rights, also for those who are logged in. */
void site_share(struct site *site, const char *prefix, const char *user, const char *rights);
/* Adds a message; the account and the mailbox are made when missing.  flags: "\Seen work". */
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
 * Something happens between two readings: when the n-th reading (from 1) of a
 * mailbox or of a list of them, from now on, has ended, `what` is done before
 * its reader goes on, as by another session.  Lanes 0.  False: nothing that is
 * known.
 *	expunge USER MAILBOX UID
 *	flags USER MAILBOX UID FLAGS     these are added
 *	append USER MAILBOX [FLAGS]
 *	delete USER MAILBOX
 */
bool site_meanwhile(struct site *site, unsigned n, struct str what);
/* Connects client i; address NULL: 192.0.2.1.  mute: it does not go on with a TLS handshake. */
void site_connect(struct site *site, unsigned i, const char *address, bool tls, bool mute);
/* Runs until nothing is to be done. */
void site_run(struct site *site);
/* So much time passes, for the loop and for the store. */
void site_advance(struct site *site, uint64_t ms);
/* The connection of client i is gone (and freed). */
void site_disconnect(struct site *site, unsigned i);
#endif
