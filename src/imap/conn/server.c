/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's state per process and per loop, and the settings of a loop (struct imap_rules),
 * which turns keep.
 */
#include "base/mem.h"
#include "imap/conn/conn_int.h"
#include "imap/hide.h"
#include "imap/log/transcript.h"
#include "imap/place/shared.h"
#include "net/tally.h"
#include "texts/texts.h"

void
imap_server_init(struct imap_server *server)
{
	session_server_init(&server->sessions);
	server->users = tally_new();
	server->failures = failures_new();
	server->failed_accounts = failures_new();
}

void
imap_server_fini(struct imap_server *server)
{
	session_server_fini(&server->sessions);
	tally_free(&server->users);
	failures_free(&server->failures);
	failures_free(&server->failed_accounts);
}

/* ---- settings */

static struct imap_rules *
rules_new(struct conf *conf, const struct imap_server *server)
{
	const struct imap_settings *s = conf_get(conf, &imap_conf);
	struct imap_rules *rules = mem_zalloc(sizeof(*rules));

	rules->refs = 1;
	rules->conf = conf_ref(conf);
	rules->settings = s;
	imap_sharing_init(rules, server);
	rules->hides = imap_hides_new(conf, auth_default_domain(server->auth));
	rules->hides_any = rules->hides != NULL || s->hide_capabilities.n > 0;
	rules->stream_limits = (struct stream_limits){
	    .pending = s->pipeline,
	    .high = s->out_high,
	    .low = s->out_low,
	    .handshake_ms = (uint32_t)s->handshake_time,
	    .close_ms = stream_default_limits.close_ms,
	    .stall_ms = (uint32_t)s->output_time,
	};
	rules->limits = (struct wire_frame_limits){
	    .line = s->line,
	    .literal = s->literal,
	    .command = s->command,
	    .literals = (uint32_t)s->literals,
	};
	rules->login_limits = (struct wire_frame_limits){
	    .line = s->login_command,
	    .literal = s->login_command,
	    .command = s->login_command,
	    .literals = 8,
	};
	rules->wire_limits = (struct wire_limits){
	    .set_ranges = (uint32_t)s->set_ranges,
	    .search_keys = (uint32_t)s->search_keys,
	    .search_depth = (uint32_t)s->nesting,
	    .list_depth = (uint32_t)s->nesting,
	    .items = (uint32_t)s->items,
	};
	return rules;
}

void
imap_rules_unref(struct imap_rules **rules)
{
	struct imap_rules *r = *rules;

	*rules = NULL;
	if (r == NULL || --r->refs > 0)
		return;
	imap_forget_capabilities(r);
	imap_hides_free(&r->hides);
	imap_sharing_fini(r);
	texts_set_unref(&r->languages);
	conf_unref(&r->conf);
	mem_free(r);
}

/* Stops transcripts for users no longer listed. */
static void
end_transcripts(struct imap_loop *il)
{
	struct imap_conn *conn;

	LIST_EACH (conn, &il->sessions.list, session.link)
		if (transcript_of(conn) != NULL && !transcript_wanted(conn))
			transcript_end(&imap_login(conn)->transcript, "no longer asked for");
}

void
imap_loop_configure(struct imap_loop *il, struct conf *conf, struct texts_set *languages)
{
	imap_rules_unref(&il->rules);
	il->rules = rules_new(conf, il->server);
	il->rules->languages = texts_set_ref(languages);
	end_transcripts(il);
}

/* ---- loops */

/* A command that computes longer than this lets other connections run. */
#define SLICE_NS 2000000u

void
imap_loop_init(struct imap_loop *il, struct imap_server *server, unsigned index, struct loop *loop,
    struct conf *conf, struct texts_set *languages)
{
	*il = (struct imap_loop){
	    .server = server,
	    .loop = loop,
	    .sessions = {.server = &server->sessions, .loop = loop, .stats = &il->stats.sessions},
	    .slice_ns = SLICE_NS,
	};
	session_loop_init(&il->sessions, index, server->loop_count);
	pace_init(il);
	imap_loop_configure(il, conf, languages);
}

void
imap_loop_shutdown(struct imap_loop *il, const char *text)
{
	struct imap_conn *conn;

	LIST_EACH (conn, &il->sessions.list, session.link)
		imap_bye(conn, NULL, text);
}

void
imap_loop_fini(struct imap_loop *il)
{
	TS_ASSERT(session_loop_is_empty(&il->sessions));
	pace_fini(il);
	imap_rules_unref(&il->rules);
}
