/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_LDAP_WIRE_H
#define AUTH_HELPER_LDAP_WIRE_H
/* What an LDAP database and its helper say to each other.  Filters and DNs are whole: names in
 * them are escaped by whoever asks. */
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"

enum auth_ldap_limit { AUTH_LDAP_URIS = 16, AUTH_LDAP_PASSWORDS = 8 };

struct auth_ldap_request {
	/* The server, and how it is spoken to: requests that are equal in this share connections.
	 */
	struct str uris[AUTH_LDAP_URIS];
	size_t uri_count;
	bool starttls;
	struct str ca_file, bind_dn, bind_password_file;
	uint64_t connect_ms;
	uint64_t connections; /* idle ones that are kept */

	bool verify; /* bind as dn with password; else find one entry */
	struct str dn, password;
	struct str base, filter;
	int scope;                                     /* enum auth_ldap_scope */
	struct str name_attribute, password_attribute; /* empty: not wanted */
	struct str disabled_filter; /* of an entry that it matches; empty: none is */
};

enum auth_ldap_answer {
	AUTH_LDAP_OK = 1,
	AUTH_LDAP_NO, /* no such entry; a wrong password */
	AUTH_LDAP_UNAVAILABLE,
};

struct auth_ldap_reply {
	enum auth_ldap_answer answer;
	/* of an entry that was found */
	bool disabled;
	struct str dn, name;
	struct str passwords[AUTH_LDAP_PASSWORDS];
	size_t password_count;
};

void auth_ldap_request_print(const struct auth_ldap_request *r, struct buf *out);
/* The first bytes of a request that was printed: all that connections depend on. */
struct str auth_ldap_request_server(struct str printed);
bool auth_ldap_request_parse(struct str in, struct arena *arena, struct auth_ldap_request *r_r);
void auth_ldap_reply_print(const struct auth_ldap_reply *r, struct buf *out);
bool auth_ldap_reply_parse(struct str in, struct arena *arena, struct auth_ldap_reply *r_r);
#endif
