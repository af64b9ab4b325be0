/* SPDX-License-Identifier: Apache-2.0 */
/*
 * X-UNAUTHENTICATE (Sun Messaging Server): the word by which JavaMail's pool recognises a server
 * that has UNAUTHENTICATE.  The command is that of RFC 8437, without an X.
 *
 * The pool uses it when a connection that acts for one user (PROXYAUTH) is wanted for another, so
 * it is shown only to identities that may act for others and may UNAUTHENTICATE.
 */
#include "imap/ext/list.h"

enum who { WHO_NOBODY, WHO_ADMINS };

struct settings {
	int who; /* enum who */
};

static bool
serves(const struct imap_conn *conn)
{
	const struct settings *s = imap_ext_settings(conn, &imap_ext_x_unauthenticate);
	const struct imap_login *login = imap_login(conn);

	return s->who == WHO_ADMINS && login->acts_for_others && login->may_unauthenticate;
}

static const char *const who_words[] = {"off", "admins", NULL};

static const struct conf_opt opts[] = {
    {.name = "x_unauthenticate",
        .type = CONF_ENUM,
        .def = "admins",
        .words = who_words,
        .offset = offsetof(struct settings, who),
        .prose = "To whom X-UNAUTHENTICATE is shown, the word by which JavaMail finds out that it "
                 "may send UNAUTHENTICATE: to nobody, or to identities that may act for others and "
                 "that `unauthenticate` serves."},
};

static const struct conf_table conf = {
    .name = "x_unauthenticate",
    .prose = "X-UNAUTHENTICATE: for JavaMail's pool of connections.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct settings),
};

static const struct imap_cap caps[] = {
    {.word = "X-UNAUTHENTICATE",
        .states = IMAP_LOGGED_IN,
        .when = serves,
        .shown = "for those who act for others and may UNAUTHENTICATE (`x_unauthenticate`)"},
    {.word = NULL},
};

const struct imap_ext imap_ext_x_unauthenticate = {
    .name = "x_unauthenticate", .title = "X-UNAUTHENTICATE", .caps = caps, .conf = &conf};
