/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_HIDE_H
#define IMAP_HIDE_H
/*
 * Capabilities that are hidden: from everybody (hide_capabilities), or by `hide` blocks from users,
 * groups and clients.  What is hidden is not shown, and the rows that a capability stands for
 * (imap/ext.h) are found by nobody, so that their words are BAD.  What was ENABLEd before stays.
 *
 * Which blocks apply is decided when a turn begins, when its login does, and at ID; until then it
 * stays, whatever becomes of groups.
 */
#include "imap/imap.h"

struct imap_hide_settings { /* of a block */
	struct conf_list capabilities, users, clients;
};
extern const struct conf_table imap_hide_conf;

/* Of a configuration; NULL: there are no blocks. */
struct imap_hides *imap_hides_new(const struct conf *conf, struct str default_domain);
void imap_hides_free(struct imap_hides **hides);
/* For a turn that begins. */
void imap_hides_begin(const struct imap_conn *conn, struct imap_turn *turn);
/* The login of the connection's turn, or the name of its client, is another. */
void imap_hides_look(struct imap_conn *conn);
/* Does it depend on the client's name? */
bool imap_hides_clients(const struct imap_conn *conn);

/* Is there anything hidden at all? */
static inline bool
imap_hides_any(const struct imap_conn *conn)
{
	return conn->turn->rules->hides_any;
}
/* word: as struct imap_cap has it. */
bool imap_is_hidden(const struct imap_conn *conn, struct str word);
/* The same for what is not to be shown, which mechanisms that are off are not, either. */
bool imap_word_hidden(const struct imap_conn *conn, struct str word);
/* A row of an extension, or NULL; NULL: it is hidden, too. */
const void *imap_shown(const struct imap_conn *conn, const void *row);
#endif
