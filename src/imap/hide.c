/* SPDX-License-Identifier: Apache-2.0 */
/* See hide.h. */
#include "imap/hide.h"

#include "auth/grants.h"
#include "auth/user/user.h"
#include "base/mem.h"
#include "imap/settings.h"

struct hide {
	const struct imap_hide_settings *settings;
	struct auth_names *users;
	size_t user_count;
	struct str *clients; /* in lower case */
};

struct imap_hides {
	struct arena *arena;
	bool clients; /* a block depends on them */
	size_t n;
	struct hide v[];
};

/* ---- from the configuration */

static struct str
small(struct arena *a, struct str text)
{
	char *p = arena_array(a, text.n + 1, 1);

	for (size_t i = 0; i < text.n; i++)
		p[i] = (char)(text.p[i] >= 'A' && text.p[i] <= 'Z' ? text.p[i] | 0x20 : text.p[i]);
	return (struct str){p, text.n};
}

static void
read_block(struct imap_hides *hides, struct hide *hide, const struct imap_hide_settings *s,
    struct str default_domain)
{
	struct arena *a = hides->arena;

	hide->settings = s;
	hide->users = arena_array(a, s->users.n + 1, sizeof(*hide->users));
	/* With the default domain a name may be too long to be anybody's. */
	for (size_t i = 0; i < s->users.n; i++)
		hide->user_count += auth_names_parse(
		    s->users.items[i], default_domain, a, &hide->users[hide->user_count]);
	hide->clients = arena_array(a, s->clients.n + 1, sizeof(*hide->clients));
	for (size_t i = 0; i < s->clients.n; i++)
		hide->clients[i] = small(a, s->clients.items[i]);
	hides->clients |= s->clients.n > 0;
}

struct imap_hides *
imap_hides_new(const struct conf *conf, struct str default_domain)
{
	struct conf_blocks blocks = conf_blocks(conf, &imap_hide_conf);
	struct imap_hides *hides;

	if (blocks.n == 0)
		return NULL;
	hides = mem_zalloc(sizeof(*hides) + blocks.n * sizeof(hides->v[0]));
	hides->arena = arena_new(NULL, ARENA_OTHER, 1024);
	hides->n = blocks.n;
	for (size_t i = 0; i < blocks.n; i++)
		read_block(hides, &hides->v[i], blocks.p[i].settings, default_domain);
	return hides;
}

void
imap_hides_free(struct imap_hides **hides)
{
	if (*hides == NULL)
		return;
	arena_free(&(*hides)->arena);
	mem_free(*hides);
	*hides = NULL;
}

/* ---- who */

static bool
is_client(const struct hide *hide, struct str name)
{
	for (size_t i = 0; i < hide->settings->clients.n; i++)
		if (auth_glob(hide->clients[i], name))
			return true;
	return hide->settings->clients.n == 0;
}

static bool
is_user(struct auth *auth, const struct hide *hide, const struct imap_login *login)
{
	for (size_t i = 0; login != NULL && i < hide->user_count; i++)
		if (auth_names_include(auth, &hide->users[i], login->user))
			return true;
	return hide->settings->users.n == 0;
}

static void
look(const struct imap_conn *conn, struct imap_turn *turn)
{
	const struct imap_hides *hides = turn->rules->hides;
	struct arena *a;
	struct str name;

	if (hides == NULL)
		return;
	a = arena_new(&conn->il->pool, ARENA_CMD, 128);
	name = small(a, conn->id_client);
	turn->hide_key = 0;
	for (size_t i = 0; i < hides->n; i++) {
		const struct hide *hide = &hides->v[i];

		/* A client without a name is not meant. */
		turn->hides[i] = (name.n > 0 || hide->settings->clients.n == 0) &&
		                 is_client(hide, name) &&
		                 is_user(conn->server->auth, hide, turn->login);
		turn->hide_key = turn->hide_key * 0x9e3779b97f4a7c15 + turn->hides[i] + 1;
	}
	arena_free(&a);
}

void
imap_hides_begin(const struct imap_conn *conn, struct imap_turn *turn)
{
	if (turn->rules->hides == NULL)
		return;
	turn->hides = arena_array(turn->arena, turn->rules->hides->n, sizeof(*turn->hides));
	look(conn, turn);
}

void
imap_hides_look(struct imap_conn *conn)
{
	look(conn, conn->turn);
}

bool
imap_hides_clients(const struct imap_conn *conn)
{
	return conn->turn->rules->hides != NULL && conn->turn->rules->hides->clients;
}

/* ---- what */

/* "APPENDLIMIT" and "APPENDLIMIT=1" both name "APPENDLIMIT=…". */
static bool
names_word(struct str item, struct str word)
{
	if (str_ieq(item, word))
		return true;
	if (word.n == 0 || word.p[word.n - 1] != '=')
		return false;
	return str_has_iprefix(item, word) || str_ieq(item, (struct str){word.p, word.n - 1});
}

static bool
names_any(const struct conf_list *list, struct str word)
{
	for (size_t i = 0; i < list->n; i++)
		if (names_word(list->items[i], word))
			return true;
	return false;
}

bool
imap_is_hidden(const struct imap_conn *conn, struct str word)
{
	const struct imap_turn *turn = conn->turn;
	const struct imap_hides *hides = turn->rules->hides;

	if (!imap_hides_any(conn))
		return false;
	if (names_any(&turn->rules->settings->hide_capabilities, word))
		return true;
	for (size_t i = 0; hides != NULL && i < hides->n; i++)
		if (turn->hides[i] && names_any(&hides->v[i].settings->capabilities, word))
			return true;
	return false;
}

bool
imap_word_hidden(const struct imap_conn *conn, struct str word)
{
	if (str_has_prefix(word, STR("AUTH=")) &&
	    !imap_mechanism_on(imap_settings(conn), (struct str){word.p + 5, word.n - 5}))
		return true;
	return imap_is_hidden(conn, word);
}

const void *
imap_shown(const struct imap_conn *conn, const void *row)
{
	const char *cap;

	if (row == NULL || !imap_hides_any(conn))
		return row;
	cap = imap_registry_cap_of(&conn->server->reg, row);
	return cap != NULL && imap_is_hidden(conn, str_of(cap)) ? NULL : row;
}

/* ---- options */

#define AT(field) .offset = offsetof(struct imap_hide_settings, field)
static const struct conf_opt opts[] = {
    {.name = "capabilities",
        .type = CONF_LIST,
        .min = 1,
        .max = 100,
        .flags = CONF_REQUIRED,
        AT(capabilities),
        .prose = "Words of CAPABILITY, as in `hide_capabilities`."},
    {.name = "for",
        .type = CONF_LIST,
        .max = 1000,
        AT(users),
        .prose = "From whom: users, patterns in which `*` stands for any characters, or "
                 "`group:NAME`; the user acted for counts. From their login on. Without it: from "
                 "all."},
    {.name = "clients",
        .type = CONF_LIST,
        .max = 100,
        AT(clients),
        .prose = "From which programs: names as they give them by ID, in any case, in which `*` "
                 "stands for any characters. From their ID on; what they have ENABLEd stays. "
                 "RFC 2971 says that a server must not do this (section 3); it is for clients that "
                 "fail at what they asked for. Without it: from all."},
};
#undef AT

static void
check_whom(const void *settings, const struct conf_report *r)
{
	const struct imap_hide_settings *s = settings;
	struct arena *a = arena_new(NULL, ARENA_OTHER, 256);
	struct auth_names names;

	if (s->users.n == 0 && s->clients.n == 0)
		conf_report(r, "capabilities for clients",
		    "from whom? Give `for`, `clients` or both; hide_capabilities hides from all");
	for (size_t i = 0; i < s->users.n; i++)
		if (!auth_names_parse(s->users.items[i], STR_NONE, a, &names))
			conf_report_item(
			    r, "for", i, "is neither a user name, a pattern nor group:NAME");
	for (size_t i = 0; i < s->clients.n; i++)
		if (s->clients.items[i].n == 0)
			conf_report_item(r, "clients", i, "is no name");
	arena_free(&a);
}

const struct conf_table imap_hide_conf = {
    .name = "hide",
    .prose =
        "Capabilities that some users or programs are not shown: `hide NAME { ... }`. What they "
        "stand for is BAD. All blocks that fit count.",
    .opts = opts,
    .n = sizeof(opts) / sizeof(*opts),
    .struct_size = sizeof(struct imap_hide_settings),
    .check = check_whom,
    .block = true,
};
