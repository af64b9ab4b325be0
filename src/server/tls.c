/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: the server's own, and which of its clients' it trusts. */
#include "server/server_int.h"

#include "base/log.h"
#include "server/check/config_check.h"
#include "server/process/cert.h"

/* No certificate is configured: uses its own in the data folder in force, which a reload does not
 * change. */
static bool
self_signed(const struct server *server, struct buf *cert, struct buf *key, struct buf *why)
{
	const struct server_settings *s = conf_get(server->started, &server_conf);
	struct buf folder = {0}, text = {0};
	bool ok;

	buf_printf(&folder, "%s/tls", s->data.p);
	buf_printf(cert, "%s/cert.pem", buf_cstr(&folder));
	buf_printf(key, "%s/key.pem", buf_cstr(&folder));
	ok = cert_make(buf_cstr(&folder), &text);
	if (ok)
		log_msg(LOG_INFO, NULL,
		    "no tls.certificate is set: using the self-signed one in %s (clients verify "
		    "it with its ca.pem)",
		    buf_cstr(&folder));
	else
		config_check_fault(server->started, s, "server.data", why, "%s", buf_cstr(&text));
	buf_fini(&folder);
	buf_fini(&text);
	return ok;
}

enum ts_err
server_make_tls(struct server *server, const struct conf *conf, bool expired, struct buf *why,
    struct tls_ctx **ctx_r)
{
	const struct tls_settings *s = conf_get(conf, &tls_conf);
	struct buf cert = {0}, key = {0};
	/* config_check() has printed the warnings. */
	struct settings_tls_how how = {.tickets = server->tickets, .expired = expired};
	enum ts_err err = TS_IO;

	*ctx_r = NULL;
	if (s->certificate.n > 0 || self_signed(server, &cert, &key, why)) {
		if (s->certificate.n == 0) {
			how.cert_file = buf_cstr(&cert);
			how.key_file = buf_cstr(&key);
		}
		err = settings_make_tls(conf, &how, why, ctx_r);
	}
	if (err == TS_OK)
		tls_tickets_set_period(server->tickets, s->ticket_time);
	buf_fini(&cert);
	buf_fini(&key);
	return err;
}

bool
server_open_tls(struct server *server)
{
	struct tls_ctx *ctx = NULL;
	struct buf why = {0};
	struct str rest, line;
	/* A certificate that expired last night must not shut everybody out of their mail. */
	bool ok = server_make_tls(server, server->conf, true, &why, &ctx) == TS_OK;

	if (ok)
		tls_slot_set(server->tls, ctx);
	rest = buf_as_str(&why);
	while (rest.n > 0 && str_split(&rest, '\n', &line))
		log_msg(LOG_ERROR, NULL, "%.*s", STR_ARG(line));
	tls_ctx_free(&ctx);
	buf_fini(&why);
	return ok;
}
