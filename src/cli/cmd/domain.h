/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CMD_DOMAIN_H
#define CLI_CMD_DOMAIN_H
/*
 * What has to be published for a domain: DNS records, and how clients are set
 * up.  Made from the domain, the host's names and the listeners; printed by
 * domain_print.c.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"

enum { DOMAIN_RECORDS = 48, DOMAIN_CLIENTS = 16, DOMAIN_NOTES = 16, DOMAIN_TTL = 3600 };

struct domain_record {
	struct str name, type, value;
	const char *what; /* why it is there; NULL: as the one before */
	bool open;        /* something has to be filled in, or decided, before it is published */
};

struct domain_client { /* a way for clients to come in */
	uint16_t port;
	bool tls; /* from the first byte; else by STARTTLS */
};

struct domain_help {
	struct arena *arena;
	struct str domain, host, mx, user; /* user: what a client gives as name */
	struct domain_record records[DOMAIN_RECORDS];
	size_t record_count;
	struct domain_client clients[DOMAIN_CLIENTS]; /* TLS first */
	size_t client_count;
	struct str notes[DOMAIN_NOTES]; /* of this configuration: to look at first */
	size_t note_count;
};

struct domain_wish {
	struct str domain, host, mx; /* host or mx STR_NONE: chosen */
	const struct str *addresses; /* of the host */
	size_t address_count;
};

/* A domain of at least two labels, in ASCII; appended in lower case, without the dot at its end.
 * NULL, or what is wrong with it. */
const char *domain_check(struct str text, struct buf *out);
/* NULL, or what is wrong with the wish, static. */
const char *domain_make(
    const struct conf *conf, const struct domain_wish *wish, struct domain_help *help_r);
void domain_fini(struct domain_help *help);

void domain_print(const struct domain_help *help, struct buf *out);
void domain_print_json(const struct domain_help *help, struct buf *out);
/* The file that Thunderbird and others ask for: config-v1.1.xml. */
void domain_print_autoconfig(const struct domain_help *help, struct buf *out);
#endif
