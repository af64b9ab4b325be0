/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUTH_SETTINGS_H
#define AUTH_SETTINGS_H
/*
 * The options of auth: which user databases there are, and their order.
 *
 * One table serves blocks of all types, since a block's keyword belongs to one
 * table; settings.c has a row for each option that says which types take it and
 * which need it.  A new type adds its word, its options and their rows.
 */
#include "conf/conf.h"

enum auth_db_type { AUTH_DB_PASSWD }; /* the index of its word */

struct auth_settings {
	struct conf_list databases; /* "store", and names of database blocks */
};

struct auth_db_settings { /* of a block */
	int type;         /* enum auth_db_type */
	struct str file;
	bool plain;
};

extern const struct conf_table auth_conf, auth_database_conf;

/* What hangs together over several options or blocks.  Appends a line for each fault; true when
 * there is none. */
bool auth_settings_check(const struct conf *conf, struct buf *faults);
/* The block of that name; NULL: there is none. */
const struct auth_db_settings *auth_settings_database(const struct conf *conf, struct str name);
#endif
