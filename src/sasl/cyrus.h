/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_CYRUS_H
#define SASL_CYRUS_H
/*
 * Mechanisms of libsasl2 (Cyrus SASL) as mechanisms of sasl/mech.h.  They have security layers:
 * GSSAPI (RFC 4752), DIGEST-MD5 (RFC 2831) and others that are installed.
 *
 * The library's state is per process: open it once, before there are threads and before anything
 * else uses it.  It uses our locks and our memory (wiped when freed), and reads no configuration:
 * it asks us for each option, and all secrets come from sasl_cyrus_users.  It does not use password
 * files or databases of its own.
 *
 * Its mechanisms may wait for files and the network (SASL_BLOCKS).
 */
#include "sasl/mech.h"

enum sasl_cyrus_found { SASL_CYRUS_FOUND, SASL_CYRUS_UNKNOWN, SASL_CYRUS_UNAVAILABLE };

/* Looks up users; called on workers, may block. */
struct sasl_cyrus_users {
	/* Returns H(name:realm:password) of RFC 2831 section 2.1.2.1 for a name as the client sent
	 * it, and the stamp of its record. */
	enum sasl_cyrus_found (*digest_md5)(
	    void *arg, struct str name, unsigned char secret_r[16], uint64_t *stamp_r);
	void *arg;
};

struct sasl_cyrus_options { /* copied */
	const struct str *mechanisms;
	size_t mechanism_n;
	struct str host;           /* for Kerberos: imap/HOST */
	struct str realm;          /* for DIGEST-MD5; not empty */
	struct str default_domain; /* users of a realm with this name need no domain */
	const struct str *realms;  /* further realms for Kerberos */
	size_t realm_n;
	struct str keytab; /* empty: Kerberos' own choice */
	unsigned min_strength, max_strength;
	/* Whether DIGEST-MD5 may encrypt.  Its ciphers are broken (RFC 6331), and Debian 12's
	 * plugin leaks some 13 KiB with each such exchange. */
	bool digest_md5_encrypts;
	size_t buffer;
};

struct sasl_cyrus;

/* False: appends a line to why for each mechanism that is not available. */
bool sasl_cyrus_open(
    const struct sasl_cyrus_options *options, struct buf *why, struct sasl_cyrus **cyrus_r);
/* Call before the first exchange. */
void sasl_cyrus_set_users(struct sasl_cyrus *cyrus, const struct sasl_cyrus_users *users);
/* The mechanisms live as long as cyrus; names are in capitals. */
struct sasl_mech_list sasl_cyrus_mechs(const struct sasl_cyrus *cyrus);
/* Call when no exchange or layer is left; NULL is fine. */
void sasl_cyrus_close(struct sasl_cyrus **cyrus);

/*
 * The secret for DIGEST-MD5: H(name:realm:password), each part in ISO 8859-1 if possible (RFC 2831
 * section 2.1.2.1).
 */
void sasl_digest_md5_secret(
    struct str name, struct str realm, struct str password, unsigned char secret_r[16]);
#endif
