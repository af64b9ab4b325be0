/* SPDX-License-Identifier: Apache-2.0 */
/* See shared.h. */
#include "imap/place/shared.h"

#include "auth/grants.h"
#include "base/mem.h"
#include "imap/place/place.h"
#include "store/shares.h"

/* ---- rules */

/* The namespaces of the server, and those of its users. */
void
imap_sharing_init(struct imap_rules *rules, const struct imap_server *server)
{
	const struct auth_sharing *options = conf_get(rules->conf, &auth_sharing_conf);
	const size_t n = server->spaces.n;
	struct imap_space *v;

	rules->sharing = (struct imap_sharing){.options = options, .auth = server->auth};
	if (n == 0 && options->others_prefix.n == 0 && options->shared_prefix.n == 0)
		return;
	v = mem_zalloc((n + 2) * sizeof(*v));
	for (size_t i = 0; i < n; i++)
		v[i] = server->spaces.v[i];
	rules->spaces = (struct imap_spaces){v, n};
	if (options->others_prefix.n > 0)
		v[rules->spaces.n++] = (struct imap_space){
		    .kind = IMAP_SPACE_OTHERS, .prefix = options->others_prefix};
	if (options->shared_prefix.n > 0)
		v[rules->spaces.n++] = (struct imap_space){
		    .kind = IMAP_SPACE_SHARED, .prefix = options->shared_prefix};
}

void
imap_sharing_fini(struct imap_rules *rules)
{
	mem_free((void *)(uintptr_t)rules->spaces.v);
}

/* ---- who the login is in a list of rights */

unsigned
imap_acl_rights(const struct imap_login *login, const struct store_properties *properties)
{
	struct auth_groups *groups;
	unsigned rights;

	if (store_properties_count(properties) == 0)
		return 0;
	groups = auth_groups_get(login->sharing->auth);
	rights = auth_acl_rights(properties, &(struct auth_acl_who){.user = login->user,
	                                         .groups = groups,
	                                         .no_anyone = !login->sharing->options->anyone});
	auth_groups_unref(&groups);
	return rights;
}

/* What a job needs to know about the login, by references and copies of its own. */
struct asker {
	struct store *store;
	struct auth_groups *groups;
	struct auth_grant *grant; /* NULL: none */
	const struct auth_sharing *options;
	struct conf *conf; /* has the options */
	uint64_t own;      /* the login's account */
	struct str user;
};

static void
free_asker(void *arg)
{
	struct asker *a = arg;

	auth_groups_unref(&a->groups);
	auth_grant_unref(&a->grant);
	conf_unref(&a->conf);
}

static struct asker *
asker_new(struct imap_cmd *cmd)
{
	const struct imap_login *login = imap_login(cmd->conn);
	struct asker *a = arena_new_object(cmd->arena, struct asker);

	*a = (struct asker){.store = cmd->conn->server->store,
	    .groups = auth_groups_get(login->sharing->auth),
	    .grant = login->grant != NULL ? auth_grant_ref(login->grant) : NULL,
	    .options = login->sharing->options,
	    .conf = conf_ref(cmd->conn->turn->rules->conf),
	    .own = imap_place_own_id(login),
	    .user = arena_str(cmd->arena, login->user)};
	arena_on_free(cmd->arena, free_asker, a);
	return a;
}

/* Calls fn for each identifier that fits the user, until it fails. */
static enum ts_err
each_identifier(
    const struct asker *a, enum ts_err (*fn)(struct str identifier, void *arg), void *arg)
{
	const struct str *groups;
	size_t n = auth_groups_of(a->groups, a->user, &groups);
	struct buf b = {0};
	enum ts_err err = fn(a->user, arg);

	if (err == TS_OK && a->options->anyone)
		err = fn(STR(AUTH_ACL_ANYONE), arg);
	if (err == TS_OK && a->options->anyone)
		err = fn(STR(AUTH_ACL_AUTHENTICATED), arg);
	for (size_t i = 0; i < n && err == TS_OK; i++) {
		b.n = 0;
		buf_puts(&b, AUTH_GROUP_WORD);
		buf_str(&b, groups[i]);
		err = fn(buf_as_str(&b), arg);
	}
	buf_fini(&b);
	return err;
}

/* ---- reaching an account */

struct imap_reached { /* of a login */
	struct {
		struct store_account *account; /* referenced */
		enum auth_space space;
	} v[IMAP_REACHED];
	unsigned next;
};

static void
free_reached(void *arg)
{
	struct imap_reached *r = arg;

	for (size_t i = 0; i < IMAP_REACHED; i++)
		store_account_unref(&r->v[i].account);
}

struct store_account *
imap_reached(const struct imap_login *login, enum auth_space space, struct str account)
{
	const struct imap_reached *r = login->reached;

	for (size_t i = 0; r != NULL && i < IMAP_REACHED; i++)
		if (r->v[i].account != NULL && r->v[i].space == space &&
		    !store_account_gone(r->v[i].account) &&
		    str_eq(store_account_name(r->v[i].account), account))
			return r->v[i].account;
	return NULL;
}

struct reach {
	struct asker *asker;
	struct str name; /* of the account */
	enum auth_space space;
	const struct imap_step *next;
	struct store_account *account; /* referenced; NULL: it shares nothing with this user */
	/* while it is looked for */
	uint64_t id; /* 0: there is no such account */
	bool shares;
};

static void
free_reach(void *arg)
{
	store_account_unref(&((struct reach *)arg)->account);
}

static enum ts_err
look_for(struct str identifier, void *arg)
{
	struct reach *r = arg;

	/* All are looked at, so that it takes the same time. */
	return store_shares_has(r->asker->store, identifier, r->id, &r->shares);
}

static enum work_end
reach_run(struct imap_job *job)
{
	struct reach *r = job->state;
	struct store *store = r->asker->store;
	struct store_properties *properties;

	if (store_account_id_of(store, r->name, &r->id) != TS_OK)
		r->id = 0;
	if (each_identifier(r->asker, look_for, r) != TS_OK || !r->shares ||
	    r->id == r->asker->own ||
	    store_account_load(store, r->name, false, &r->account) != TS_OK)
		return WORK_DONE;
	properties = store_account_properties(r->account);
	if (auth_space_of_account(properties) != r->space)
		store_account_unref(&r->account);
	store_properties_unref(&properties);
	return WORK_DONE;
}

/* The login keeps it, in the place of the one reached longest ago. */
static enum imap_next
reach_done(struct imap_cmd *cmd)
{
	struct imap_login *login = imap_login(cmd->conn);
	struct reach *r = cmd->reach;

	cmd->reach = NULL;
	if (r->account == NULL)
		return cmd_goto(cmd, r->next);
	if (login->reached == NULL) {
		login->reached = arena_new_object(login->arena, struct imap_reached);
		arena_on_free(login->arena, free_reached, login->reached);
	}
	login->reached->next = (login->reached->next + 1) % IMAP_REACHED;
	store_account_unref(&login->reached->v[login->reached->next].account);
	login->reached->v[login->reached->next].account = r->account;
	login->reached->v[login->reached->next].space = r->space;
	r->account = NULL;
	return cmd_goto(cmd, r->next);
}

enum imap_next
cmd_reach(struct imap_cmd *cmd, struct str name, const struct imap_step *next)
{
	static const struct imap_step done = {"reach-done", reach_done};
	const struct imap_login *login = imap_login(cmd->conn);
	struct str account, mailbox;
	enum auth_space space;
	struct reach *r;

	if (imap_place_at_hand(login, name) || !store_shares_any(cmd->conn->server->store))
		return cmd_goto(cmd, next);
	space = auth_space_split(login->sharing->options, name, false, &account, &mailbox);
	if (account.n == 0 || account.n > STORE_NAME_MAX ||
	    imap_reached(login, space, account) != NULL)
		return cmd_goto(cmd, next);
	r = arena_new_object(cmd->arena, struct reach);
	*r = (struct reach){.asker = asker_new(cmd),
	    .name = arena_str(cmd->arena, account),
	    .space = space,
	    .next = next};
	arena_on_free(cmd->arena, free_reach, r);
	cmd->reach = r;
	return cmd_job(cmd, WORK_SHORT, reach_run, r, &done);
}

/* ---- the list */

struct listing {
	struct asker *asker;
	struct imap_shared *list;
	struct imap_cmd *cmd; /* only the loop may use it */
	const struct imap_step *next;
	uint64_t room, bytes;

	struct found { /* an account, and an identifier with which it shares something */
		uint64_t account;
		struct str identifier;
	} * found; /* sorted, once all are there */
	size_t found_count, found_room, at;
	struct str identifier;           /* whose accounts are looked for */
	struct store_account **accounts; /* referenced */
	size_t account_count;
	size_t row_room;
	struct arena *names;
	/* of the account that is read */
	struct store_account *account;
	struct buf prefix;
};

static void
free_listing(void *arg)
{
	struct listing *l = arg;

	for (size_t i = 0; i < l->account_count; i++)
		store_account_unref(&l->accounts[i]);
	mem_free(l->accounts);
	mem_free(l->found);
	mem_free(l->list->rows);
	buf_fini(&l->prefix);
	arena_free(&l->names);
}

/* Returns false if there is no room. */
static bool
grow(struct listing *l, void **array, size_t count, size_t *room, size_t size)
{
	size_t more = *room > 0 ? *room : 64;

	if (count < *room)
		return true;
	if (l->bytes + more * size > l->room)
		return false;
	*array = mem_realloc(*array, (*room + more) * size);
	*room += more;
	l->bytes += more * size;
	return true;
}

static bool
add_account(uint64_t account, uint32_t mailbox, void *arg)
{
	struct listing *l = arg;

	(void)mailbox;
	if (account == l->asker->own ||
	    (l->found_count > 0 && l->found[l->found_count - 1].account == account))
		return true;
	if (!grow(l, (void **)&l->found, l->found_count, &l->found_room, sizeof(*l->found))) {
		l->list->err = TS_LIMIT;
		return false;
	}
	l->found[l->found_count++] = (struct found){account, l->identifier};
	return true;
}

static enum ts_err
add_accounts(struct str identifier, void *arg)
{
	struct listing *l = arg;
	enum ts_err err;

	l->identifier = arena_str(l->names, identifier);
	err = store_shares_list(l->asker->store, l->identifier, add_account, l);
	return err != TS_OK ? err : l->list->err;
}

static int
by_account(const void *a, const void *b)
{
	const struct found *x = a, *y = b;

	return (x->account > y->account) - (x->account < y->account);
}

static int
by_name(const void *a, const void *b)
{
	const struct imap_shared_row *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

static unsigned
asker_rights(const struct asker *a, const struct store_properties *properties, struct str name)
{
	unsigned rights = auth_acl_rights(properties,
	    &(struct auth_acl_who){
	        .user = a->user, .groups = a->groups, .no_anyone = !a->options->anyone});

	if (a->grant != NULL && rights != 0)
		rights &= auth_grant_mailbox(a->grant, name) ? a->grant->rights : 0;
	return rights;
}

static struct str
full_name(struct listing *l, struct str mailbox)
{
	struct str prefix = buf_as_str(&l->prefix);
	char *p = arena_zalloc(l->names, prefix.n + mailbox.n + 1);

	memcpy(p, prefix.p, prefix.n);
	memcpy(p + prefix.n, mailbox.p, mailbox.n);
	return (struct str){p, prefix.n + mailbox.n};
}

/* Under the lock of the account's list. */
static bool
add_row(const struct store_mailbox_info *info, void *arg)
{
	struct listing *l = arg;
	struct imap_shared *list = l->list;
	struct imap_shared_row row = {.account = l->account, .info = *info};

	if (info->id == 0 || store_properties_count(info->properties) == 0)
		return true;
	row.name = full_name(l, info->name);
	row.rights = asker_rights(l->asker, info->properties, row.name);
	if ((row.rights & AUTH_RIGHT_LOOKUP) == 0)
		return true;
	if (l->bytes + arena_bytes(l->names) > l->room ||
	    !grow(l, (void **)&list->rows, list->n, &l->row_room, sizeof(*list->rows))) {
		list->err = TS_LIMIT;
		return false;
	}
	row.info.name = STR_NONE;
	row.info.properties = NULL;
	row.info.use = 0; /* what its owner uses it for */
	row.info.subscribed = false;
	list->rows[list->n++] = row;
	return true;
}

/* One that is gone, or cannot be read now, shows nothing, as its owner sees, too. */
static void
read_account(struct listing *l, const struct found *found)
{
	struct store_properties *properties;
	bool named;

	if (store_shares_load(l->asker->store, found->identifier, found->account, &l->account) !=
	    TS_OK)
		return;
	l->accounts[l->account_count++] = l->account;
	properties = store_account_properties(l->account);
	l->prefix.n = 0;
	named = auth_space_name(l->asker->options, auth_space_of_account(properties),
	    store_account_name(l->account), STR(""), &l->prefix);
	store_properties_unref(&properties);
	if (named)
		store_account_list(l->account, add_row, l);
}

static enum ts_err
find_accounts(struct listing *l)
{
	enum ts_err err = each_identifier(l->asker, add_accounts, l);
	size_t n = 0;

	if (err != TS_OK)
		return err;
	if (l->found_count > 0)
		qsort(l->found, l->found_count, sizeof(*l->found), by_account);
	for (size_t i = 0; i < l->found_count; i++)
		if (i == 0 || l->found[i].account != l->found[i - 1].account)
			l->found[n++] = l->found[i];
	l->found_count = n;
	l->bytes += (n + 1) * sizeof(struct store_account *);
	l->accounts = mem_zalloc((n + 1) * sizeof(struct store_account *));
	return l->bytes > l->room ? TS_LIMIT : TS_OK;
}

static enum work_end
list_run(struct imap_job *job)
{
	struct listing *l = job->state;
	struct imap_shared *list = l->list;

	if (l->accounts == NULL)
		list->err = find_accounts(l);
	while (list->err == TS_OK && l->at < l->found_count) {
		read_account(l, &l->found[l->at++]);
		if (imap_job_should_stop(job))
			return WORK_AGAIN;
	}
	if (list->n > 0)
		qsort(list->rows, list->n, sizeof(*list->rows), by_name);
	return WORK_DONE;
}

static enum imap_next
listed(struct imap_cmd *cmd)
{
	struct listing *l = cmd->reach;

	cmd->reach = NULL;
	if (l->list->err == TS_OK && !cmd_reserve(cmd, l->bytes + arena_bytes(l->names)))
		l->list->err = TS_LIMIT;
	return cmd_goto(cmd, l->next);
}

enum imap_next
cmd_list_shared(struct imap_cmd *cmd, struct imap_shared *list, const struct imap_step *next)
{
	static const struct imap_step done = {"shared-listed", listed};
	struct listing *l;

	if (!store_shares_any(cmd->conn->server->store))
		return cmd_goto(cmd, next);
	l = arena_new_object(cmd->arena, struct listing);
	*l = (struct listing){.asker = asker_new(cmd),
	    .list = list,
	    .next = next,
	    .room = cmd_room(cmd),
	    .names = arena_new(NULL, ARENA_OTHER, 4096)};
	arena_on_free(cmd->arena, free_listing, l);
	cmd->reach = l;
	return cmd_job(cmd, WORK_LONG, list_run, l, &done);
}
