/* SPDX-License-Identifier: Apache-2.0 */
/* The certificate that the server shows. */
#include "app/server_priv.h"

#include "app/cert.h"
#include "base/log.h"

enum ts_err
server_make_tls(const struct conf *conf, struct buf *why, struct tls_ctx **ctx_r)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	enum ts_err err = app_tls_new(conf, why, ctx_r);
	struct buf folder = {0}, cert = {0}, key = {0};

	if (err != TS_NOT_FOUND)
		return err;
	buf_printf(&folder, "%s/tls", s->data.p);
	buf_printf(&cert, "%s/cert.pem", buf_cstr(&folder));
	buf_printf(&key, "%s/key.pem", buf_cstr(&folder));
	err = TS_IO;
	if (cert_make(buf_cstr(&folder), why)) {
		struct tls_options opt = {.cert_file = buf_cstr(&cert), .key_file = buf_cstr(&key)};

		log_msg(LOG_INFO, NULL,
		    "no tls.certificate is set: using the self-signed one in %s (clients verify "
		    "it with its ca.pem)",
		    buf_cstr(&folder));
		err = tls_ctx_new(&opt, why, ctx_r);
	}
	buf_fini(&folder);
	buf_fini(&cert);
	buf_fini(&key);
	return err;
}

bool
server_open_tls(struct server *server)
{
	struct tls_ctx *ctx = NULL;
	struct buf why = {0};
	bool ok = server_make_tls(server->conf, &why, &ctx) == TS_OK;

	if (ok)
		tls_slot_set(server->tls, ctx);
	else
		log_msg(LOG_ERROR, NULL, "%s", buf_cstr(&why));
	tls_ctx_free(&ctx);
	buf_fini(&why);
	return ok;
}
