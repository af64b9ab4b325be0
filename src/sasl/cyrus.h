/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_CYRUS_H
#define SASL_CYRUS_H
/*
 * Mechanisms of libsasl2 (Cyrus SASL), which have security layers: GSSAPI (RFC 4752), DIGEST-MD5
 * (RFC 2831) and what else is installed, as mechanisms of sasl/mech.h.
 *
 * The library has one state for the process: open it once, before there are threads and before
 * anything else uses it.  It gets our locks and our memory (which is wiped when it is given back),
 * and reads no configuration: it asks us for each of its options, and all secrets come from
 * sasl_cyrus_users.  No password file and no database of its own is looked at.
 *
 * Its mechanisms may wait for files and the network (SASL_BLOCKS).
 */
#include "sasl/mech.h"

enum sasl_cyrus_found { SASL_CYRUS_FOUND, SASL_CYRUS_UNKNOWN, SASL_CYRUS_UNAVAILABLE };

/* Where users are; called on workers, may block. */
struct sasl_cyrus_users {
	/* H(name:realm:password) of RFC 2831 section 2.1.2.1 for a name as the client sent it, and
	 * the stamp of the record that it is in. */
	enum sasl_cyrus_found (*digest_md5)(
	    void *arg, struct str name, unsigned char secret_r[16], uint64_t *stamp_r);
	void *arg;
};

struct sasl_cyrus_options { /* copied */
	const struct str *mechanisms;
	size_t mechanism_n;
	struct str host;           /* of Kerberos: imap/HOST */
	struct str realm;          /* of DIGEST-MD5; not empty */
	struct str default_domain; /* a realm of this name is that of users without a domain */
	const struct str *realms;  /* further ones of Kerberos */
	size_t realm_n;
	struct str keytab; /* empty: Kerberos' own choice */
	unsigned min_strength, max_strength;
	/* May DIGEST-MD5 encrypt?  Its ciphers are broken (RFC 6331), and the plugin of Debian 12
	 * loses some 13 KiB with each such exchange. */
	bool digest_md5_encrypts;
	size_t buffer;
};

struct sasl_cyrus;

/* False: a sentence for each mechanism that cannot be had is appended to why, a line each. */
bool sasl_cyrus_open(
    const struct sasl_cyrus_options *options, struct buf *why, struct sasl_cyrus **cyrus_r);
/* Before the first exchange. */
void sasl_cyrus_set_users(struct sasl_cyrus *cyrus, const struct sasl_cyrus_users *users);
/* They live as long as cyrus; names in capitals. */
struct sasl_mech_list sasl_cyrus_mechs(const struct sasl_cyrus *cyrus);
/* When no exchange and no layer is left; NULL is fine. */
void sasl_cyrus_close(struct sasl_cyrus **cyrus);

/*
 * The secret of DIGEST-MD5 for a user: H(name:realm:password), each part in ISO 8859-1 if it can
 * be (RFC 2831 section 2.1.2.1).
 */
void sasl_digest_md5_secret(
    struct str name, struct str realm, struct str password, unsigned char secret_r[16]);
#endif
