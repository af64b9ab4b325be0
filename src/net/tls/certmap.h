/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NET_TLS_CERTMAP_H
#define NET_TLS_CERTMAP_H
/*
 * For whom a client's certificate stands: rules, of which the first that
 * matches decides.  A rule has conditions, which must all hold, and gives a
 * user: a fixed name, or one taken from the certificate.  Whether the
 * certificate is genuine and valid is not decided here (trust.h).
 *
 * Users' names are prepared (RFC 8265); subjects and issuers are compared as
 * names (RFC 5280 section 7.1), never as text.  Immutable and reference
 * counted; safe from any thread.
 */
#include <openssl/x509.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum certmap_from { /* where the user's name comes from */
	CERTMAP_FIXED,
	CERTMAP_SAN_EMAIL, /* the e-mail address that matched */
	CERTMAP_CN,        /* the only common name of the subject */
};

/* Empty fields are not conditions.  At least one condition is needed. */
struct certmap_rule {
	struct str name;            /* for the log */
	struct str subject, issuer; /* RFC 4514, the most specific part first */
	struct str san_email; /* "x@example.com", or "*@example.com" for any address of that host */
	struct str san_uri;   /* whole, or with "*" as its last segment */
	struct str fingerprint; /* "sha256:" and 64 hex digits; colons between them are allowed */
	struct str user;        /* CERTMAP_FIXED */
	enum certmap_from from;
};

enum certmap_part { /* the part of a rule that is wrong */
	CERTMAP_PART_NONE,
	CERTMAP_PART_SUBJECT,
	CERTMAP_PART_ISSUER,
	CERTMAP_PART_SAN_EMAIL,
	CERTMAP_PART_SAN_URI,
	CERTMAP_PART_FINGERPRINT,
	CERTMAP_PART_USER,
};

struct certmap_fault {
	size_t rule;
	enum certmap_part part;
	const char *why; /* English, static */
};

struct certmap; /* opaque */

/* Copies the rules.  Returns NULL with *fault_r saying which is wrong. */
struct certmap *certmap_new(const struct certmap_rule *rules, size_t n, struct str default_domain,
    struct certmap_fault *fault_r);
struct certmap *certmap_ref(struct certmap *map);
/* Releases one reference, sets *map to NULL.  NULL is fine. */
void certmap_free(struct certmap **map);

/*
 * On true appends the user's prepared name to user, and sets *rule_r (may be NULL) to the rule's
 * name, valid as long as the map.  On false *why_r says why.  A rule that matches but gives no
 * valid name ends the search.
 */
bool certmap_find(const struct certmap *map, X509 *cert, struct buf *user, struct str *rule_r,
    const char **why_r);

/*
 * Parses a distinguished name in the form of RFC 4514.  Returns NULL with *why_r if it is invalid
 * or empty.  Types: those of RFC 4514 section 3, others that OpenSSL knows by name, dotted numbers.
 */
X509_NAME *certmap_name_parse(struct str text, const char **why_r);
/* Appends a name in that form. */
void certmap_name_print(const X509_NAME *name, struct buf *out);
/* Appends the SHA-256 of the certificate: "sha256:" and hex digits. */
void certmap_fingerprint(const X509 *cert, struct buf *out);
#endif
