/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ID (RFC 2971): the client's program, for log lines.  Name, version and vendor are kept with the
 * connection, even across UNAUTHENTICATE.
 *
 * RFC 2971 section 3 forbids servers to treat clients differently because of their ID.  If an
 * administrator asks for it, this one does: a client that has problems with an extension is not
 * shown it (`hide` blocks, imap/hide.h), which helps more people than the rule.  Likewise a client
 * that requests it by its ID is deferred while the server is busy (`defer_background_downloads`).
 *
 * Webmails and proxies that log in for somebody tell where that person is: from a front that the
 * configuration trusts, before a login, the address is believed, and kept with the turn: the front
 * tells it again for the next user.  All other fields are dropped.
 */
#include "wire/ext/id.h"
#include "auth/networks.h"
#include "base/log.h"
#include "imap/ext/list.h"
#include "imap/hide.h"
#include "net/network.h"

#define VALUE_MAX 64u /* bytes kept of a value */

struct settings {
	struct conf_list trusted_fronts; /* networks */
	int64_t defer_at;                /* jobs waiting for a worker; 0: never */
};

static struct str
field(const struct wire_id *id, const char *name)
{
	for (size_t i = 0; i < id->n; i++)
		if (str_ieq(id->v[i].name, str_of(name)))
			return id->v[i].value;
	return STR_NONE;
}

static void
keep_identity(struct imap_conn *conn, const struct wire_id *id)
{
	static const char *const kept[] = {"name", "version", "vendor"};
	struct str client = field(id, "name");
	struct buf text = {0};

	if (client.n > VALUE_MAX)
		client.n = VALUE_MAX;
	for (size_t k = 0; k < sizeof(kept) / sizeof(*kept); k++)
		for (size_t i = 0; i < id->n; i++) {
			struct str value = id->v[i].value;

			if (!str_ieq(id->v[i].name, str_of(kept[k])) || value.n == 0)
				continue;
			if (text.n > 0)
				buf_putc(&text, '/');
			buf_put(&text, value.p, value.n < VALUE_MAX ? value.n : VALUE_MAX);
			break;
		}
	/* A client may send ID repeatedly: replace its memory. */
	arena_free(&conn->id_arena);
	conn->id_name = conn->id_client = STR_NONE;
	if (text.n > 0) {
		conn->id_arena = arena_child(conn->session.arena, text.n + client.n + 2);
		conn->id_name = arena_str(conn->id_arena, buf_as_str(&text));
		conn->id_client = arena_str(conn->id_arena, client);
	}
	buf_fini(&text);
}

/* ---- what a front tells (x-originating-ip, x-originating-port, x-session-id) */

static bool
is_front(const struct imap_conn *conn)
{
	const struct settings *s = imap_ext_settings(conn, &imap_ext_id);
	const struct conf_list *fronts = &s->trusted_fronts;
	struct net_network address, network;

	if (fronts->n == 0 || !net_address_parse(conn->session.address, &address))
		return false;
	for (size_t i = 0; i < fronts->n; i++)
		if (net_network_parse(fronts->items[i], &network) == NULL &&
		    net_network_has(&network, &address))
			return true;
	return false;
}

/* IPv6 may be in brackets. */
static bool
parse_told(struct str text, struct buf *out)
{
	struct net_network address;

	if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']') {
		text.p++;
		text.n -= 2;
	}
	if (!net_address_parse(text, &address) || address.family == NET_FAMILY_UNIX)
		return false;
	net_network_print(&address, out);
	return true;
}

/* Anything but plain text is left out of log lines. */
static void
keep_session(struct imap_told *told, struct str session)
{
	size_t n = session.n < sizeof(told->session) ? session.n : sizeof(told->session) - 1;

	for (size_t i = 0; i < n; i++)
		if (session.p[i] <= ' ' || session.p[i] > '~')
			n = 0;
	if (n > 0)
		memcpy(told->session, session.p, n);
	told->session[n] = '\0';
}

static void
take_told(struct imap_conn *conn, const struct wire_id *id)
{
	struct str address = field(id, "x-originating-ip");
	struct imap_turn *turn = conn->turn;
	struct buf text = {0};
	uint64_t port = 0;

	/* Only what comes before the login counts for it. */
	if (address.n == 0 || turn->login != NULL || !is_front(conn))
		return;
	if (!parse_told(address, &text)) {
		imap_log(conn, LOG_WARNING, "ID: x-originating-ip is no address: passed over");
		buf_fini(&text);
		return;
	}
	if (turn->told == NULL)
		turn->told = arena_new_object(turn->arena, struct imap_told);
	TS_ASSERT(text.n < sizeof(turn->told->address));
	memcpy(turn->told->address, buf_cstr(&text), text.n + 1);
	turn->told->port =
	    str_u64(field(id, "x-originating-port"), 65535, &port) ? (unsigned)port : 0;
	keep_session(turn->told, field(id, "x-session-id"));
	buf_fini(&text);
}

static void
log_id(const struct imap_conn *conn)
{
	const struct imap_told *told = conn->turn->told;
	struct log_event e;

	if (!log_wants(LOG_INFO))
		return;
	imap_event(conn, &e, STR("id"));
	log_event_str(&e, "id", conn->id_name);
	if (told != NULL) {
		log_event_str(&e, "address", str_of(told->address));
		if (told->port > 0)
			log_event_u64(&e, "port", told->port);
		log_event_str(&e, "front", conn->session.address);
		if (told->session[0] != '\0')
			log_event_str(&e, "session", str_of(told->session));
	}
	log_event_put(&e, LOG_INFO);
}

/* What is shown may depend on the client's name (imap/hide.h). */
static void
tell_changes(struct imap_conn *conn, const struct buf *before)
{
	if (before->n == 0)
		return;
	imap_hides_look(conn);
	if (!str_eq(buf_as_str(before), imap_capabilities(conn)))
		wire_out_line(imap_out(conn), imap_capabilities(conn));
}

/* ---- background downloads (Apple's TN3189) */

static bool
mentions(struct str text, const char *word)
{
	struct str rest = text, w = str_of(word);

	for (; rest.n >= w.n; rest.p++, rest.n--)
		if (str_has_iprefix(rest, w))
			return true;
	return false;
}

/* Returns whether the client says that nobody waits for what it is about to do. */
static bool
is_background(const struct wire_id *id)
{
	struct str event = field(id, "event");

	return str_has_iprefix(field(id, "name"), STR("com.apple.")) &&
	       (mentions(event, "indexer") || mentions(event, "back-fill"));
}

static bool
must_come_later(struct imap_conn *conn, const struct wire_id *id)
{
	const struct settings *s = imap_ext_settings(conn, &imap_ext_id);
	size_t waiting;

	if (s->defer_at == 0 || !is_background(id))
		return false;
	waiting = work_pool_waiting(conn->server->workers);
	if (waiting < (size_t)s->defer_at)
		return false;
	imap_log(conn, LOG_INFO, "background download put off: %zu jobs wait", waiting);
	return true;
}

static enum imap_next
cmd_id(struct imap_cmd *cmd)
{
	static const struct wire_pair ours[] = {
	    {{"name", 4}, {"Turnstone", 9}},
	    {{"version", 7}, {TURNSTONE_VERSION, sizeof(TURNSTONE_VERSION) - 1}},
	};
	struct imap_conn *conn = cmd->conn;
	struct buf before = {0};
	struct wire_id id;
	bool later;

	if (!wire_id_parse(&cmd->in, &id))
		return cmd_bad_syntax(cmd);
	if (imap_hides_clients(conn))
		buf_str(&before, imap_capabilities(conn));
	keep_identity(conn, &id);
	take_told(conn, &id);
	log_id(conn);
	later = must_come_later(conn, &id);
	if (!later)
		wire_out_id(imap_out(conn), imap_dialect(conn), ours, sizeof(ours) / sizeof(*ours));
	tell_changes(conn, &before);
	buf_fini(&before);
	if (later)
		return cmd_no(cmd, "UNAVAILABLE", "The server is busy; try again later");
	return cmd_ok(cmd, "Pleased to meet you");
}

/* RFC 2971 section 3.3: 30 fields, with names of 30 bytes and values of 1,024, each in quotes and,
 * at worst, with a backslash before every byte. */
#define ID_MAX (30u * (2 * 30 + 2 * 1024 + 6) + 256)

/* Clients send it before login. */
static size_t
id_line_max(const struct imap_conn *conn, struct wire_in *in)
{
	(void)conn, (void)in;
	return ID_MAX;
}

/* ---- options */

static const struct conf_opt opts[] = {
    {.name = "trusted_fronts",
        .type = CONF_LIST,
        .max = 100,
        .offset = offsetof(struct settings, trusted_fronts),
        .prose = "Addresses and networks of webmails and proxies that log in on behalf of people "
                 "and announce their address with the ID command (`x-originating-ip`) before each "
                 "login. Limits for failed logins, grants and the log then use that address. From "
                 "anyone else it is ignored."},
    {.name = "defer_background_downloads",
        .type = CONF_INT,
        .def = "0",
        .max = 1000000,
        .offset = offsetof(struct settings, defer_at),
        .prose = "When the server is too busy for the background downloads of Apple's clients: if "
                 "at least this many jobs are waiting for a worker (`work_waiting` in `turnstone "
                 "status --all`), the ID of such a client is answered with NO [UNAVAILABLE], and "
                 "it comes back in about a day. 0: never. RFC 2971 says that a server must not act "
                 "on ID (section 3); these clients ask for it."},
};

static void
check(const void *settings, const struct conf_report *r)
{
	const struct settings *s = settings;

	auth_networks_check(r, "trusted_fronts", &s->trusted_fronts);
}

static const struct conf_table conf = {
    .name = "id",
    .prose = "ID: what fronts tell about their clients.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct settings),
    .check = check,
};

static const struct imap_cmd_def cmds[] = {
    {.name = "ID", .states = IMAP_ANY, .start = cmd_id, .line_max = id_line_max},
    {.name = NULL},
};

static const struct imap_cap caps[] = {
    {.word = "ID", .rfc = "2971", .states = IMAP_ANY},
    {.word = NULL},
};

const struct imap_ext imap_ext_id = {
    .name = "id", .title = "ID (RFC 2971)", .caps = caps, .cmds = cmds, .conf = &conf};
