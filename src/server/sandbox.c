/* SPDX-License-Identifier: Apache-2.0 */
/* Whether the server runs in a sandbox, and which files it can reach. */
#include "server/process/sandbox.h"

#include "auth/settings/settings.h"
#include "base/log.h"
#include "imap/settings.h"
#include "server/process/privileges.h"
#include "server/process/sasl.h"
#include "server/server_int.h"

static void
add_folder(struct sandbox_paths *paths, enum sandbox_access access, const char *file)
{
	if (file != NULL && file[0] != '\0')
		sandbox_add_folder_of(paths, access, file);
}

static void
collect_paths(const struct server *server, struct sandbox_paths *paths)
{
	const struct server_settings *s = server_settings_of(server);
	const struct tls_settings *tls = conf_get(server->conf, &tls_conf);
	const struct auth_settings *auth = conf_get(server->conf, &auth_conf);
	const struct imap_settings *imap = conf_get(server->conf, &imap_conf);
	struct conf_blocks dbs = conf_blocks(server->conf, &auth_database_conf);
	struct conf_blocks certificates = conf_blocks(server->conf, &certificate_conf);
	struct buf control = {0};

	sandbox_add_system(paths);
	sandbox_add(paths, SANDBOX_WRITE, s->data.p);
	settings_control_path(server->conf, &control);
	add_folder(paths, SANDBOX_WRITE, buf_cstr(&control));
	buf_fini(&control);
	add_folder(paths, SANDBOX_WRITE, s->pid_file.p);
	for (size_t i = 0; i < server->listener_count; i++) /* sockets are removed at shutdown */
		add_folder(paths, SANDBOX_WRITE, server->listeners[i].path.p);
	add_folder(paths, SANDBOX_WRITE, args_get(server->args, "ready-file"));
	/* The folders, since a replaced file is a new file: for the next reload. */
	add_folder(paths, SANDBOX_READ, settings_path(server->args));
	add_folder(paths, SANDBOX_READ, tls->certificate.p);
	add_folder(paths, SANDBOX_READ, tls->key.p);
	add_folder(paths, SANDBOX_READ, auth->group_file.p);
	if (imap->languages.n > 0)
		sandbox_add(paths, SANDBOX_READ, imap->languages.p);
	server_sasl_sandbox(server->conf, paths);
	for (size_t i = 0; i < dbs.n; i++) {
		const struct auth_db_settings *db = dbs.p[i].settings;

		add_folder(paths, SANDBOX_READ, db->file.p);
		add_folder(paths, SANDBOX_READ, db->jwks.p);
		/* Checked here before the helper, which is outside, is given the name. */
		add_folder(paths, SANDBOX_READ, db->ca_file.p);
	}
	add_folder(paths, SANDBOX_READ, tls->ocsp_response.p);
	add_folder(paths, SANDBOX_READ, tls->client_ca.p);
	add_folder(paths, SANDBOX_READ, tls->client_crl.p);
	for (size_t i = 0; i < certificates.n; i++) {
		const struct certificate_settings *c = certificates.p[i].settings;

		add_folder(paths, SANDBOX_READ, c->certificate.p);
		add_folder(paths, SANDBOX_READ, c->key.p);
		add_folder(paths, SANDBOX_READ, c->ocsp_response.p);
	}
}

/* Logs each line. */
static void
log_lines(enum log_level level, const struct buf *why)
{
	struct str rest = buf_as_str(why), line;

	while (str_split(&rest, '\n', &line))
		if (line.n > 0)
			log_msg(level, "sandbox", "%.*s", STR_ARG(line));
	if (rest.n > 0)
		log_msg(level, "sandbox", "%.*s", STR_ARG(rest));
}

bool
server_enter_sandbox(struct server *server)
{
	const struct server_settings *s = server_settings_of(server);
	struct sandbox_paths paths = {0};
	struct buf why = {0};
	bool must = s->sandbox == SANDBOX_REQUIRE, ok;

	if (s->sandbox == SANDBOX_OFF || (s->sandbox == SANDBOX_AUTO && s->user.n == 0))
		return true;
	if (!settings_make_folders(s->data.p, NULL, &why)) {
		log_msg(LOG_ERROR, NULL, "server.data: %s", buf_cstr(&why));
		buf_fini(&why);
		return false;
	}
	privileges_shed();
	collect_paths(server, &paths);
	ok = sandbox_enter(&paths, &server->sandbox, &why);
	log_lines(must ? LOG_ERROR : LOG_WARNING, &why);
	if (!ok && must)
		log_msg(LOG_ERROR, "sandbox", "server.sandbox = require: not started without");
	if (server->sandbox.seccomp || server->sandbox.landlock > 0)
		log_msg(LOG_INFO, "sandbox", "in force: seccomp %s, Landlock %s",
		    server->sandbox.seccomp ? "yes" : "no",
		    server->sandbox.landlock > 0 ? "yes" : "no");
	sandbox_paths_fini(&paths);
	buf_fini(&why);
	return ok || !must;
}
