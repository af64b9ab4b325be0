/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROXYAUTH (Sun Messaging Server): the holder of a grant becomes another user without
 * authenticating again.
 *
 * It is decided like any login, except for the proof, which the login has given: the grant, the
 * user, limits, the audit line.  Then the runner makes a new turn with a new login, and frees the
 * old one, as for UNAUTHENTICATE: what was ENABLEd, selected, watched or requested goes with it.
 * Only who authenticated, how, from where, and the layers of the stream are kept
 * (imap_turn_next()).  Until the OK the old login is unchanged, so a NO changes nothing.
 *
 * Clients that send an authorization identity at login, and then PROXYAUTH for the same user, get
 * OK; there is nothing to do.
 */
#include "wire/ext/proxyauth.h"
#include "imap/common/try.h"
#include "imap/ext/list.h"
#include "sasl/names.h"

enum who { WHO_NOBODY, WHO_ADMINS };

struct settings {
	int who; /* enum who */
};

static bool
may_proxy(const struct imap_conn *conn)
{
	const struct settings *s = imap_ext_settings(conn, &imap_ext_proxyauth);

	return s->who == WHO_ADMINS && imap_login(conn)->acts_for_others;
}

static bool
is_in_effect(const struct imap_conn *conn, struct str user)
{
	struct buf name = {0};
	bool same = sasl_name_full(user, auth_default_domain(conn->server->auth), &name) &&
	            str_eq(buf_as_str(&name), imap_login(conn)->user);

	buf_fini(&name);
	return same;
}

/* The authenticated identity acts; a certificate is judged again, since it may have expired or been
 * revoked meanwhile. */
static enum imap_next
verify(struct imap_cmd *cmd, struct str user)
{
	const struct imap_login *login = imap_login(cmd->conn);
	struct imap_try *s = imap_try_new(cmd, arena_str(cmd->arena, login->mechanism));
	const struct tls_identity *id;

	s->req.proof = AUTH_BY_LOGIN;
	s->req.vouched = login->authcid_vouched;
	s->req.layer = login->strength;
	s->req.authcid = arena_str(cmd->arena, login->authcid);
	s->req.authzid = user;
	if (user.n == 0)
		return imap_try_refuse(cmd, "no user is named");
	if (login->proof == AUTH_BY_CERTIFICATE) {
		id = imap_identity(cmd->conn);
		if (id->standing != TLS_PEER_KNOWN)
			return imap_try_refuse(cmd, id->why);
		s->req.authcid = arena_str(cmd->arena, id->user);
	}
	return imap_try_verify(cmd);
}

static enum imap_next
cmd_proxyauth(struct imap_cmd *cmd)
{
	struct str user;

	if (!may_proxy(cmd->conn))
		return cmd_bad(cmd, "Unknown command");
	if (!wire_proxyauth_parse(&cmd->in, &user))
		return cmd_bad_syntax(cmd);
	if (!is_in_effect(cmd->conn, user))
		return verify(cmd, user);
	cmd->tell_capabilities = true;
	return cmd_ok(cmd, "Already acting for that user");
}

static const char *const who_words[] = {"off", "admins", NULL};

static const struct conf_opt opts[] = {
    {.name = "proxyauth",
        .type = CONF_ENUM,
        .def = "admins",
        .words = who_words,
        .offset = offsetof(struct settings, who),
        .prose =
            "Who may continue as another user with PROXYAUTH, without authenticating again: nobody "
            "(off), or identities that may act for others (admins). No capability announces it."},
};

static const struct conf_table conf = {
    .name = "proxyauth",
    .prose = "PROXYAUTH: switching users as JavaMail, imaplib and Mail::IMAPClient do.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct settings),
};

static const struct imap_cmd_def cmds[] = {
    {.name = "PROXYAUTH", .states = IMAP_AUTH, .start = cmd_proxyauth},
    {.name = NULL},
};

const struct imap_ext imap_ext_proxyauth = {
    .name = "proxyauth", .title = "PROXYAUTH", .cmds = cmds, .conf = &conf};
