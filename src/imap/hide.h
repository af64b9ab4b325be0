/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_HIDE_H
#define IMAP_HIDE_H
/*
 * Capabilities that are hidden: from everybody (hide_capabilities), or by `hide` blocks from users,
 * groups and clients.  A hidden capability is not shown, and look-ups do not find the rows it
 * stands for (imap/ext.h), so their words are BAD.  What was ENABLEd before stays enabled.
 *
 * It is decided which blocks apply when a turn begins, when its login does, and at ID; in between
 * it does not change, whatever happens to groups.
 */
#include "imap/imap.h"

struct imap_hide_settings { /* of a block */
	struct conf_list capabilities, users, clients;
};
extern const struct conf_table imap_hide_conf;

/* Makes the hides of a configuration; NULL: there are no blocks. */
struct imap_hides *imap_hides_new(const struct conf *conf, struct str default_domain);
void imap_hides_free(struct imap_hides **hides);
/* Call for a turn that begins. */
void imap_hides_begin(const struct imap_conn *conn, struct imap_turn *turn);
/* Call when the login of the connection's turn, or the name of its client, has changed. */
void imap_hides_look(struct imap_conn *conn);
/* Returns whether anything depends on the client's name. */
bool imap_hides_clients(const struct imap_conn *conn);

/* Returns whether anything is hidden at all. */
static inline bool
imap_hides_any(const struct imap_conn *conn)
{
	return conn->turn->rules->hides_any;
}
/* word: as in struct imap_cap. */
bool imap_is_hidden(const struct imap_conn *conn, struct str word);
/* Same for words not to be shown, which include mechanisms that are off. */
bool imap_word_hidden(const struct imap_conn *conn, struct str word);
/* Returns a row of an extension; NULL if row is NULL or hidden. */
const void *imap_shown(const struct imap_conn *conn, const void *row);
#endif
