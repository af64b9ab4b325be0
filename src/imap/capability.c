/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CAPABILITY: the current capabilities of a connection, from the tables of extensions (imap/ext.h),
 * with the mechanisms that it is offered, without what is hidden from it.
 */
#include "wire/capability.h"
#include "imap/cmd.h"
#include "imap/hide.h"
#include "imap/mechs.h"

static void
print_capability(const struct imap_conn *conn, const struct imap_cap *cap, struct buf *out)
{
	size_t before = out->n;

	if (cap->words != NULL) {
		cap->words(conn, out);
		return;
	}
	wire_out_capability(out, "", cap->word);
	if (cap->value != NULL)
		cap->value(conn, out);
	if (imap_word_hidden(conn, str_of(cap->word)))
		out->n = before;
}

void
imap_auth_words_print(const struct imap_conn *conn, struct buf *out)
{
	const struct imap_registry *reg = &conn->server->reg;

	for (size_t i = 0; i < reg->count; i++)
		for (const struct imap_cap *c = reg->ext[i]->caps; c != NULL && c->word != NULL;
		     c++)
			if ((c->states & IMAP_NOAUTH) != 0 &&
			    str_has_prefix(str_of(c->word), STR("AUTH=")) &&
			    (c->when == NULL || c->when(conn)))
				print_capability(conn, c, out);
}

/* Returns a bit for each capability of the state whose condition holds. */
static uint64_t
conditions(const struct imap_conn *conn, unsigned state)
{
	const struct imap_cap_list *list = &conn->server->reg.conditional[state / 2];
	uint64_t held = 0;

	for (unsigned i = 0; i < list->n; i++)
		held |= (uint64_t)list->cap[i]->when(conn) << i;
	return held;
}

static void
print_capabilities(const struct imap_conn *conn, unsigned state, uint64_t held, struct buf *out)
{
	const struct imap_registry *reg = &conn->server->reg;

	wire_out_capability_begin(out);
	for (size_t i = 0; i < reg->count; i++)
		for (const struct imap_cap *c = reg->ext[i]->caps; c != NULL && c->word != NULL;
		     c++) {
			if ((c->states & state) == 0)
				continue;
			if (c->when == NULL || (held & 1) != 0)
				print_capability(conn, c, out);
			if (c->when != NULL)
				held >>= 1;
		}
}

uint64_t
imap_auth_words_key(const struct imap_conn *conn)
{
	return conditions(conn, IMAP_NOAUTH) << 32 | imap_more_mechs_key(conn);
}

/* Combines what the words printed in the state depend on; see struct imap_cap. */
static uint64_t
keys(const struct imap_conn *conn, unsigned state)
{
	const struct imap_cap_list *list = &conn->server->reg.wordy[state / 2];
	uint64_t key = conn->turn->hide_key;

	for (unsigned i = 0; i < list->n; i++) {
		const struct imap_cap *c = list->cap[i];

		if (c->when == NULL || c->when(conn))
			key = key * 0x9e3779b97f4a7c15 + c->key(conn);
	}
	return key;
}

#ifdef TS_DEBUG
/* A cached text must equal what would be printed now, or one connection would see another's. */
static void
compare(const struct imap_conn *conn, unsigned state, const struct imap_caps *caps)
{
	struct buf fresh = {0};

	print_capabilities(conn, state, caps->when, &fresh);
	TS_ASSERT(str_eq(buf_as_str(&fresh), buf_as_str(&caps->text)));
	buf_fini(&fresh);
}
#else
#define compare(conn, state, caps) ((void)0)
#endif

/*
 * A switch of user sends them twice.  The text depends on the state, the rules (which store it),
 * the conditions, what is hidden, and the keys of capabilities that print words of their own; it is
 * printed again if one of these has changed since.
 */
struct str
imap_capabilities(const struct imap_conn *conn)
{
	unsigned state = imap_state(conn);
	struct imap_caps *caps =
	    &conn->turn->rules->caps[state / 2][stream_is_tls(conn->session.stream)];
	uint64_t held = conditions(conn, state), key = keys(conn, state);

	if (caps->text.n == 0 || caps->when != held || caps->key != key) {
		caps->text.n = 0;
		print_capabilities(conn, state, held, &caps->text);
		caps->when = held;
		caps->key = key;
	}
	compare(conn, state, caps);
	return buf_as_str(&caps->text);
}

void
imap_forget_capabilities(struct imap_rules *rules)
{
	for (size_t i = 0; i < sizeof(rules->caps) / sizeof(rules->caps[0]); i++)
		for (size_t j = 0; j < 2; j++)
			buf_fini(&rules->caps[i][j].text);
}
