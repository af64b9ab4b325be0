/* SPDX-License-Identifier: Apache-2.0 */
/* What the clients do, made from a seed without looking at any reply. */
#include <string.h>

#include "base/base64.h"
#include "base/mem.h"
#include "lockstep.h"
#include "sites.h"

struct who { /* a login */
	const char *authcid, *user;
	bool acts; /* may act for others by PROXYAUTH */
};

static const struct who logins[] = {
    {"alice", "alice", false},
    {"bob", "bob", false},
    {"carol", "carol", false},
    {"gateway", "alice", true},
    {"gateway", "bob", true},
    {"gateway", "carol", true},
    {"gateway", "gateway", true},
    {"clerk", "bob", true},
    {"clerk", "carol", true},
    {"clerk", "clerk", true},
    {"narrow", "alice", true},
    {"narrow", "narrow", true},
};
/* The users for whom each authcid may use PROXYAUTH. */
static const struct {
	const char *authcid, *user;
} reach[] = {
    {"gateway", "alice"},
    {"gateway", "bob"},
    {"gateway", "carol"},
    {"clerk", "bob"},
    {"clerk", "carol"},
    {"narrow", "alice"},
};
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum method { LOGIN_COMMAND, PLAIN, PLAIN_LATER, MECH_LOGIN, TOY, TOY_LAYER, EXTERNAL, METHODS };

#define SAID 4

struct talker {         /* what is known of a connection without reading replies */
	struct who who; /* user NULL: nobody is logged in */
	bool layered, zipped, selected;
	enum transport transport;
	struct buf rest; /* of a command, to be sent next time */
	struct said {    /* the latest commands, without tags */
		struct buf text;
		struct words_used used;
	} said[SAID];
	unsigned said_n;
};

struct maker {
	struct plan *plan;
	uint64_t rng;
	unsigned tag;
	struct talker talkers[SLOTS];
};

static unsigned
below(struct maker *m, unsigned n)
{
	return random_below(&m->rng, n);
}

static bool
one_in(struct maker *m, unsigned n)
{
	return below(m, n) == 0;
}

static struct op *
add(struct maker *m, enum op_kind kind, enum slot slot)
{
	struct plan *plan = m->plan;

	if (plan->n == plan->room) {
		plan->room = plan->room * 2 + 64;
		plan->ops = mem_realloc(plan->ops, plan->room * sizeof(*plan->ops));
	}
	plan->ops[plan->n] = (struct op){.kind = kind, .slot = slot};
	return &plan->ops[plan->n++];
}

static void
begin_command(struct maker *m, struct op *op)
{
	op->tag = ++m->tag;
	buf_printf(&op->text, "a%u ", op->tag);
	m->plan->commands++;
}

static void
not_joined(struct maker *m)
{
	m->plan->ops[m->plan->n - 1].joined = false;
}

/* ---- logins */

static void
put_base64(struct buf *out, const char *a, const char *b, const char *c)
{
	struct buf raw = {0};

	buf_printf(&raw, "%s%c%s%c%s", a, 0, b, 0, c);
	base64_encode(buf_as_str(&raw), out);
	buf_fini(&raw);
}

static void
put_word64(struct buf *out, const char *word)
{
	base64_encode(str_of(word), out);
}

static void
put_login(struct buf *out, const struct who *who, enum method method)
{
	bool self = strcmp(who->authcid, who->user) == 0;
	const char *authzid = self ? "" : who->user, *secret = site_secret(who->authcid);

	if (method == LOGIN_COMMAND) {
		buf_printf(out, self ? "LOGIN %s%s%s %s" : "LOGIN \"%s%s%s\" %s", who->user,
		    self ? "" : "*", self ? "" : who->authcid, secret);
	} else if (method == MECH_LOGIN) {
		buf_puts(out, "AUTHENTICATE LOGIN\r\n");
		put_word64(out, who->authcid);
		buf_puts(out, "\r\n");
		put_word64(out, secret);
	} else if (method == EXTERNAL) {
		buf_puts(out, "AUTHENTICATE EXTERNAL ");
		if (self)
			buf_puts(out, "=");
		else
			put_word64(out, who->user);
	} else {
		buf_puts(out, method == PLAIN         ? "AUTHENTICATE PLAIN "
		              : method == PLAIN_LATER ? "AUTHENTICATE PLAIN\r\n"
		                                      : "AUTHENTICATE X-TOY ");
		put_base64(out, authzid, who->authcid,
		    method == TOY         ? "auth"
		    : method == TOY_LAYER ? "layer"
		                          : secret);
	}
	buf_puts(out, "\r\n");
}

static bool
method_fits(const struct talker *t, const struct who *who, enum method method)
{
	if (method == MECH_LOGIN)
		return strcmp(who->authcid, who->user) == 0;
	return method != EXTERNAL ||
	       (t->transport != TRANSPORT_CLEAR && strcmp(who->authcid, "gateway") == 0);
}

static void
log_in(struct maker *m, enum slot slot, const struct who *who, bool joined)
{
	struct talker *t = &m->talkers[slot];
	enum method method;
	struct op *op;

	do
		method = (enum method)below(m, METHODS);
	while (!method_fits(t, who, method));
	op = add(m, OP_LOGIN, slot);
	begin_command(m, op);
	put_login(&op->text, who, method);
	op->layered = method == TOY_LAYER;
	op->joined = joined && !op->layered;
	t->who = *who;
	t->layered = op->layered;
	t->zipped = t->selected = false;
}

/* ---- commands */

static void
cut(struct buf *text, struct buf *rest)
{
	char *at = memchr(text->p, WORDS_SPLIT, text->n);

	rest->n = 0;
	if (at == NULL)
		return;
	buf_str(rest, str_range(at + 1, text->p + text->n));
	text->n = (size_t)(at - text->p);
}

static void
note(struct talker *t, struct op *op)
{
	struct str verb, rest = buf_as_str(&op->text);

	(void)str_split(&rest, ' ', &verb);
	if (!str_split(&rest, ' ', &verb))
		return;
	if (str_has_iprefix(verb, STR("SELECT")) || str_has_iprefix(verb, STR("EXAMINE")))
		t->selected = true;
	else if (str_has_iprefix(verb, STR("UNSELECT")) || str_has_iprefix(verb, STR("CLOSE")))
		t->selected = false;
	op->names_client = str_ieq(verb, STR("ID"));
}

static bool
say_rest(struct maker *m, enum slot slot, bool joined)
{
	struct talker *t = &m->talkers[slot];
	struct op *op;

	if (t->rest.n == 0)
		return false;
	op = add(m, OP_SAY, slot);
	op->text = t->rest;
	t->rest = (struct buf){0};
	op->joined = joined;
	return true;
}

static void
remember(struct talker *t, const struct buf *text, const struct words_used *used)
{
	struct said *said = &t->said[t->said_n++ % SAID];

	said->text.n = 0;
	buf_str(&said->text, buf_as_str(text));
	said->used = *used;
}

/* again: NULL, or a command to repeat. */
static void
say_kind(struct maker *m, enum slot slot, const char *kind, const struct said *again, bool joined)
{
	struct talker *t = &m->talkers[slot];
	struct buf text = {0};
	struct op *op;

	(void)say_rest(m, slot, true);
	op = add(m, OP_SAY, slot);
	begin_command(m, op);
	if (again != NULL) {
		buf_str(&text, buf_as_str(&again->text));
		op->used = again->used;
	} else {
		words_make(kind, &m->rng, &text, &op->used);
		if (t->who.user != NULL)
			remember(t, &text, &op->used);
	}
	buf_str(&op->text, buf_as_str(&text));
	buf_puts(&op->text, "\r\n");
	buf_fini(&text);
	op->joined = joined;
	note(t, op);
	cut(&op->text, &t->rest);
	if (t->rest.n > 0)
		op->joined = false;
}

static const char *
some_kind(struct maker *m, enum slot slot)
{
	struct talker *t = &m->talkers[slot];

	if (t->who.user == NULL)
		return "early";
	if (!t->selected && !one_in(m, 3))
		return "select";
	if (slot == SLOT_DISTANT)
		return one_in(m, 4) ? "stain" : "say";
	return one_in(m, 4) ? "make" : one_in(m, 12) ? "select" : "say";
}

static void
burst(struct maker *m, enum slot slot)
{
	unsigned n = 1 + below(m, one_in(m, 4) ? 8 : 3);
	bool joined = one_in(m, 2);

	(void)say_rest(m, slot, n > 0 && joined);
	for (unsigned i = 0; i < n; i++)
		say_kind(m, slot, some_kind(m, slot), NULL, joined && i + 1 < n);
	not_joined(m);
}

/* Compression begins at the next step. */
static void
compress(struct maker *m, enum slot slot)
{
	struct talker *t = &m->talkers[slot];
	struct op *op;

	(void)say_rest(m, slot, false);
	op = add(m, OP_ZIP, slot);
	begin_command(m, op);
	words_make("zip", &m->rng, &op->text, &op->used);
	buf_puts(&op->text, "\r\n");
	t->zipped = true;
}

/* ---- switches */

/* The next user repeats the commands of the previous one, so anything kept from that one would
 * apply. */
static void
echo(struct maker *m, enum slot slot, bool joined)
{
	struct talker *t = &m->talkers[slot];

	say_kind(m, slot, "select", NULL, joined);
	for (unsigned i = t->said_n > SAID ? t->said_n - SAID : 0, end = t->said_n; i < end; i++)
		say_kind(m, slot, NULL, &t->said[i % SAID], joined);
	not_joined(m);
}

/* Returns NULL if there is nobody. */
static const char *
whom_to_become(struct maker *m, const struct talker *t)
{
	unsigned from = below(m, COUNT(reach));

	for (unsigned i = 0; i < COUNT(reach); i++) {
		unsigned k = (from + i) % COUNT(reach);

		if (strcmp(reach[k].authcid, t->who.authcid) == 0 &&
		    strcmp(reach[k].user, t->who.user) != 0)
			return reach[k].user;
	}
	return NULL;
}

static void
proxy(struct maker *m, enum slot slot, const char *user, bool joined)
{
	struct talker *t = &m->talkers[slot];
	struct op *op = add(m, OP_SAY, slot);

	joined = joined && !t->layered;
	begin_command(m, op);
	buf_printf(&op->text, "%s\r\n", one_in(m, 3) ? "CLOSE" : "UNSELECT");
	op->needed = true;
	op->joined = joined;
	op = add(m, OP_PROXY, slot);
	begin_command(m, op);
	buf_str(&op->other, buf_as_str(&op->text));
	if (one_in(m, 4))
		buf_printf(&op->text, "PROXYAUTH {%zu+}\r\n%s\r\n", strlen(user), user);
	else
		buf_printf(
		    &op->text, one_in(m, 2) ? "PROXYAUTH %s\r\n" : "PROXYAUTH \"%s\"\r\n", user);
	t->who.user = user;
	put_login(&op->other, &t->who, t->layered ? TOY_LAYER : PLAIN);
	op->layered = t->layered;
	op->zipped = t->zipped;
	op->joined = joined;
	t->selected = false;
}

static void
leave(struct maker *m, enum slot slot, bool joined)
{
	struct talker *t = &m->talkers[slot];
	struct op *op = add(m, OP_LEAVE, slot);

	begin_command(m, op);
	if (t->zipped) /* zip.h expects it in capitals */
		buf_puts(&op->text, "UNAUTHENTICATE");
	else
		words_make("leave", &m->rng, &op->text, &op->used);
	buf_puts(&op->text, "\r\n");
	op->joined = joined && !t->layered;
	t->layered = t->zipped = t->selected = false;
	t->who.user = NULL;
	for (unsigned n = one_in(m, 3) ? 1 + below(m, 3) : 0; n > 0; n--)
		say_kind(m, slot, "early", NULL, joined);
}

static void
switch_user(struct maker *m, enum slot slot)
{
	struct talker *t = &m->talkers[slot];
	bool joined = !one_in(m, 3);
	const char *user = t->who.acts && one_in(m, 2) ? whom_to_become(m, t) : NULL;

	(void)say_rest(m, slot, joined);
	for (unsigned n = one_in(m, 2) ? below(m, 3) : 0; n > 0; n--)
		say_kind(m, slot, some_kind(m, slot), NULL, joined);
	(void)say_rest(m, slot, joined);
	if (user != NULL) {
		proxy(m, slot, user, joined);
	} else {
		leave(m, slot, joined);
		log_in(m, slot, &logins[below(m, COUNT(logins))], joined);
	}
	joined = m->plan->ops[m->plan->n - 1].joined;
	if (one_in(m, 2))
		echo(m, slot, joined);
	else if (joined)
		burst(m, slot);
}

static void
open_slot(struct maker *m, enum slot slot, enum transport transport)
{
	add(m, OP_OPEN, slot)->number = transport;
	m->talkers[slot].transport = transport;
}

static void
begin_anew(struct maker *m, enum slot slot)
{
	struct talker *t = &m->talkers[slot];
	struct op *op;

	(void)say_rest(m, slot, false);
	op = add(m, OP_SHUT, slot);
	if (one_in(m, 2)) {
		begin_command(m, op);
		buf_puts(&op->text, "LOGOUT\r\n");
	}
	t->who.user = NULL;
	t->layered = t->zipped = t->selected = false;
	open_slot(m, slot, (enum transport)below(m, TRANSPORTS));
	if (one_in(m, 2))
		say_kind(m, slot, "early", NULL, false);
	log_in(m, slot, &logins[below(m, COUNT(logins))], one_in(m, 2));
	burst(m, slot);
}

/* ---- everybody else */

static void
say_text(struct maker *m, enum slot slot, const char *text, const char *rest)
{
	struct op *op;

	(void)say_rest(m, slot, false);
	op = add(m, OP_SAY, slot);
	begin_command(m, op);
	buf_puts(&op->text, text);
	note(&m->talkers[slot], op);
	if (rest != NULL)
		buf_puts(&m->talkers[slot].rest, rest);
}

static void
aside(struct maker *m)
{
	if (one_in(m, 2))
		burst(m, SLOT_ASIDE);
	say_text(m, SLOT_ASIDE, one_in(m, 2) ? "SELECT INBOX\r\n" : "SELECT Work\r\n", NULL);
	say_text(m, SLOT_ASIDE, "IDLE\r\n", "DONE\r\n");
}

static void
deliver(struct maker *m)
{
	struct op *op = add(m, OP_SAY, SLOT_LMTP);
	struct words_used used = {0};

	words_make("delivery", &m->rng, &op->text, &used);
	buf_puts(&op->text, "\r\n");
}

static void
one_turn(struct maker *m)
{
	unsigned what = below(m, 100);
	enum slot slot = (enum slot)below(m, SLOT_ASIDE);

	if (what < 55) {
		if (m->talkers[slot].who.user != NULL && !m->talkers[slot].zipped && one_in(m, 5))
			compress(m, slot);
		burst(m, slot);
	} else if (what < 75)
		switch_user(m, slot);
	else if (what < 78)
		begin_anew(m, slot);
	else if (what < 83)
		aside(m);
	else if (what < 91)
		burst(m, SLOT_DISTANT);
	else if (what < 95)
		deliver(m);
	else if (what < 97)
		add(m, OP_ADVANCE, SLOTS)->number = 1 + below(m, 100000);
	else if (what < 99)
		add(m, OP_RELOAD, SLOTS)->number = below(m, SITE_CONFS);
	else
		add(m, OP_BACKGROUND, SLOTS);
}

/* ---- the end: what all users have */

static void
look_at(struct maker *m, const char *user)
{
	const struct who who = {user, user, false};

	(void)say_rest(m, SLOT_SWITCHING, false);
	add(m, OP_SHUT, SLOT_SWITCHING);
	m->talkers[SLOT_SWITCHING].layered = m->talkers[SLOT_SWITCHING].zipped = false;
	open_slot(m, SLOT_SWITCHING, TRANSPORT_CLEAR);
	log_in(m, SLOT_SWITCHING, &who, false);
	for (size_t i = 0; i < words_count(); i++) {
		struct op *op;

		if (!str_eq(words_line(i)->kind, STR("end")))
			continue;
		op = add(m, OP_SAY, SLOT_SWITCHING);
		begin_command(m, op);
		words_make_line(i, &m->rng, &op->text, &op->used);
		buf_puts(&op->text, "\r\n");
	}
}

struct plan *
plan_new(unsigned seed, size_t commands)
{
	struct maker m = {.plan = mem_zalloc(sizeof(*m.plan)), .rng = seed};
	static const struct who carol = {"carol", "carol", false},
	                        distant = {"distant", "distant", false};

	for (unsigned i = 0; i < 8; i++)
		(void)below(&m, 2);
	m.plan->seed = seed;
	for (enum slot slot = SLOT_SWITCHING; slot < SLOT_LMTP; slot++) {
		open_slot(&m, slot, (enum transport)below(&m, TRANSPORTS));
		log_in(&m, slot,
		    slot == SLOT_ASIDE     ? &carol
		    : slot == SLOT_DISTANT ? &distant
		                           : &logins[below(&m, COUNT(logins))],
		    false);
	}
	open_slot(&m, SLOT_LMTP, TRANSPORT_CLEAR);
	aside(&m);
	while (m.plan->commands < commands)
		one_turn(&m);
	for (size_t i = 0; i < SITE_USERS; i++)
		look_at(&m, site_users[i].name);
	for (enum slot slot = 0; slot < SLOTS; slot++) {
		buf_fini(&m.talkers[slot].rest);
		for (unsigned i = 0; i < SAID; i++)
			buf_fini(&m.talkers[slot].said[i].text);
	}
	return m.plan;
}

void
plan_free(struct plan **pp)
{
	struct plan *plan = *pp;

	*pp = NULL;
	for (size_t i = 0; i < plan->n; i++) {
		buf_fini(&plan->ops[i].text);
		buf_fini(&plan->ops[i].other);
	}
	mem_free(plan->ops);
	mem_free(plan);
}

bool
op_can_go(const struct op *op)
{
	return (op->kind == OP_SAY && !op->needed) || op->kind == OP_ADVANCE ||
	       op->kind == OP_RELOAD || op->kind == OP_BACKGROUND;
}
