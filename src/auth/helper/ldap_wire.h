/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_HELPER_LDAP_WIRE_H
#define AUTH_HELPER_LDAP_WIRE_H
/* Messages between an LDAP database and the helper.  Filters and DNs are complete: the sender has
 * escaped the names in them. */
#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"

enum auth_ldap_limit { AUTH_LDAP_URIS = 16, AUTH_LDAP_PASSWORDS = 8 };

struct auth_ldap_request {
	/* The server and how to connect to it.  Requests that are equal here share connections. */
	struct str uris[AUTH_LDAP_URIS];
	size_t uri_count;
	bool starttls;
	struct str ca_file, bind_dn, bind_password_file;
	uint64_t connect_ms;
	uint64_t connections; /* idle connections to keep */

	bool verify; /* bind as dn with password; else find one entry */
	struct str dn, password;
	struct str base, filter;
	int scope;                                     /* enum auth_ldap_scope */
	struct str name_attribute, password_attribute; /* empty: not requested */
	struct str disabled_filter; /* users whose entry matches it are disabled; empty: none */
};

enum auth_ldap_answer {
	AUTH_LDAP_OK = 1,
	AUTH_LDAP_NO, /* no such entry, or a wrong password */
	AUTH_LDAP_UNAVAILABLE,
};

struct auth_ldap_reply {
	enum auth_ldap_answer answer;
	/* of the entry found */
	bool disabled;
	struct str dn, name;
	struct str passwords[AUTH_LDAP_PASSWORDS];
	size_t password_count;
};

void auth_ldap_request_print(const struct auth_ldap_request *r, struct buf *out);
/* The part of a printed request that connections depend on. */
struct str auth_ldap_request_server(struct str printed);
bool auth_ldap_request_parse(struct str in, struct arena *arena, struct auth_ldap_request *r_r);
void auth_ldap_reply_print(const struct auth_ldap_reply *r, struct buf *out);
bool auth_ldap_reply_parse(struct str in, struct arena *arena, struct auth_ldap_reply *r_r);
#endif
