/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LMTP_SITE_H
#define LMTP_SITE_H
/*
 * One LMTP connection to a server with the mem engine, on a fake loop, with users a and b of
 * example.net: for tests and the fuzzer.
 */
#include "lmtp/lmtp.h"
#include "lmtp/settings.h"
#include "site.h"

struct lmtp_site {
	struct site *site;
	struct conf *conf;
	struct lmtp_server server;
	struct lmtp_loop ll;
	struct stream_fake *fake;     /* NULL: not connected */
	struct engine_mem_disk *disk; /* set before the begin: of an earlier site; taken over */
};

/* conf: text of the options; lanes: as in site_options.  tls: a slot, which stays the caller's, or
 * NULL. */
void lmtp_site_begin(struct lmtp_site *s, struct str conf, unsigned lanes, struct tls_slot *tls);
/* Nothing may be left: no connection, no arena. */
void lmtp_site_end(struct lmtp_site *s);
/* Connects; tls: implicit TLS. */
void lmtp_site_connect(struct lmtp_site *s, bool tls);
void lmtp_site_disconnect(struct lmtp_site *s);
/* Sets a property of an account, which is made if it is missing, or (not NULL) of a mailbox; value
 * NULL: removes it. */
void lmtp_site_property(struct lmtp_site *s, const char *account, const char *mailbox,
    const char *name, const char *value);
#endif
