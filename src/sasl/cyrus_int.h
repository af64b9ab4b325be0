/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_CYRUS_INT_H
#define SASL_CYRUS_INT_H
/* Shared by cyrus.c (the library) and cyrus_exchange.c (an exchange). */
#include <sasl/sasl.h>
#include <sasl/saslplug.h>

#include "sasl/cyrus.h"

#define CYRUS_SERVICE "imap"
/* The longest Kerberos token, with tickets that carry groups. */
#define CYRUS_RESPONSE_MAX (64 * 1024)
#define CYRUS_AUXPROP "turnstone"

struct cyrus_mech {
	struct sasl_mech mech; /* first */
	struct sasl_cyrus *cyrus;
	char *name;
};

struct sasl_cyrus {
	struct sasl_cyrus_users users;
	struct cyrus_mech *mechs;
	const struct sasl_mech **list;
	size_t n;
	char *names; /* all names, separated by spaces */
	char *host, *realm, *keytab;
	struct buf default_domain;
	struct str *realms;
	size_t realm_n;
	sasl_security_properties_t props;
	bool digest_md5_encrypts;
	sasl_callback_t callbacks[6];
};

/* cyrus_exchange.c: fills in all but name and flags. */
void cyrus_mech_init(struct sasl_mech *mech);
int cyrus_auxprop_init(const sasl_utils_t *utils, int max_version, int *version_r,
    sasl_auxprop_plug_t **plug_r, const char *name);
/* The security properties required of a mechanism, with or without TLS.  False: it cannot be used.
 */
bool cyrus_mech_props(const struct cyrus_mech *m, bool tls, sasl_security_properties_t *props_r);
#endif
