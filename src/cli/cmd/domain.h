/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_CMD_DOMAIN_H
#define CLI_CMD_DOMAIN_H
/*
 * What to publish for a domain: DNS records, and how to configure clients.  Made from the domain,
 * the host's names and the listeners; domain_print.c prints it.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"

enum { DOMAIN_RECORDS = 48, DOMAIN_CLIENTS = 16, DOMAIN_NOTES = 16, DOMAIN_TTL = 3600 };

struct domain_record {
	struct str name, type, value;
	const char *what; /* what it is for; NULL: as the one before */
	bool open;        /* something must be filled in or decided before it is published */
};

struct domain_client { /* a way for clients to connect */
	uint16_t port;
	bool tls; /* implicit TLS; else STARTTLS */
};

struct domain_help {
	struct arena *arena;
	struct str domain, host, mx, user; /* user: the user name for clients */
	struct domain_record records[DOMAIN_RECORDS];
	size_t record_count;
	struct domain_client clients[DOMAIN_CLIENTS]; /* TLS first */
	size_t client_count;
	struct str notes[DOMAIN_NOTES]; /* about this configuration: to be checked first */
	size_t note_count;
};

struct domain_wish {
	struct str domain, host, mx; /* host or mx STR_NONE: chosen here */
	const struct str *addresses; /* of the host */
	size_t address_count;
};

/* Appends a domain with at least two labels, in ASCII, in lower case and without a final dot.
 * NULL, or what is wrong with it. */
const char *domain_check(struct str text, struct buf *out);
/* NULL, or what is wrong with the wish (a static string). */
const char *domain_make(
    const struct conf *conf, const struct domain_wish *wish, struct domain_help *help_r);
void domain_fini(struct domain_help *help);

void domain_print(const struct domain_help *help, struct buf *out);
void domain_print_json(const struct domain_help *help, struct buf *out);
/* The file that Thunderbird and others request: config-v1.1.xml. */
void domain_print_autoconfig(const struct domain_help *help, struct buf *out);
#endif
