/* SPDX-License-Identifier: Apache-2.0 */
/* ACL both ways: see acl.h. */
#include "wire/ext/acl.h"

#include "wire/capability.h"
#include "wire/vec.h"

/* ---- letters */

/* RFC 4314 section 2.1.1: each stands for several rights. */
struct obsolete {
	char letter;
	const char *members;
};
static const struct obsolete obsoletes[] = {{'c', "kx"}, {'d', "te"}};
#define OBSOLETES (sizeof(obsoletes) / sizeof(*obsoletes))

static bool
is_right(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
has(struct str rights, char letter)
{
	return str_chr(rights, letter) != NULL;
}

static bool
has_any(struct str rights, const char *letters)
{
	for (; *letters != '\0'; letters++)
		if (has(rights, *letters))
			return true;
	return false;
}

/* Returns whether the rights include members of v, and others. */
static bool
is_tied(struct str rights, const struct obsolete *v)
{
	size_t others = 0;

	for (size_t i = 0; i < rights.n; i++)
		others += strchr(v->members, rights.p[i]) == NULL;
	return others > 0 && others < rights.n;
}

static bool
check_rights(struct wire_in *in, struct str rights)
{
	for (size_t i = 0; i < rights.n; i++)
		if (!is_right(rights.p[i]))
			return wire_in_fail(in, "Rights are lower-case letters and digits");
	return true;
}

/* Reads rights of a response, without the obsolete ones. */
static bool
read_rights(struct wire_in *in, struct str *rights_r)
{
	struct str all;
	char *copy;
	size_t n = 0;

	if (!wire_in_astring(in, &all) || !check_rights(in, all))
		return false;
	*rights_r = all;
	if (!has_any(all, "cd"))
		return true;
	copy = arena_try_zalloc(in->arena, all.n + 1);
	if (copy == NULL)
		return wire_in_no_memory(in);
	for (size_t i = 0; i < all.n; i++)
		if (all.p[i] != 'c' && all.p[i] != 'd')
			copy[n++] = all.p[i];
	*rights_r = (struct str){copy, n};
	return true;
}

static void
put_rights(struct buf *b, struct str rights, const bool with[OBSOLETES])
{
	bool quoted = rights.n == 0;

	for (size_t i = 0; i < OBSOLETES; i++)
		quoted &= !with[i];
	buf_puts(b, quoted ? " \"" : " ");
	buf_str(b, rights);
	for (size_t i = 0; i < OBSOLETES; i++)
		if (with[i])
			buf_putc(b, obsoletes[i].letter);
	if (quoted)
		buf_putc(b, '"');
}

/* With the obsolete rights of which there are members. */
static void
put_held(struct buf *b, struct str rights)
{
	bool with[OBSOLETES];

	for (size_t i = 0; i < OBSOLETES; i++)
		with[i] = has_any(rights, obsoletes[i].members);
	put_rights(b, rights, with);
}

/* ---- commands */

static bool
read_one(struct wire_in *in, struct str *mailbox_r, struct str *identifier_r)
{
	*mailbox_r = *identifier_r = STR_NONE;
	return wire_in_sp(in) && wire_in_mailbox(in, mailbox_r) && wire_in_sp(in) &&
	       wire_in_astring(in, identifier_r);
}

static void
put_one(struct buf *b, const struct wire_dialect *d, struct str mailbox, struct str identifier)
{
	buf_putc(b, ' ');
	wire_out_mailbox(b, d, mailbox);
	buf_putc(b, ' ');
	wire_out_astring(b, d, identifier);
}

bool
wire_setacl_parse(struct wire_in *in, struct wire_setacl *cmd_r)
{
	struct str text;

	*cmd_r = (struct wire_setacl){.mode = WIRE_ACL_REPLACE};
	if (!read_one(in, &cmd_r->mailbox, &cmd_r->identifier) || !wire_in_sp(in) ||
	    !wire_in_astring(in, &text))
		return false;
	if (text.n > 0 && (text.p[0] == '+' || text.p[0] == '-')) {
		cmd_r->mode = text.p[0] == '+' ? WIRE_ACL_ADD : WIRE_ACL_REMOVE;
		text = str_range(text.p + 1, text.p + text.n);
	}
	cmd_r->rights = text;
	return check_rights(in, text) && wire_in_end(in);
}

void
wire_setacl_print(struct buf *b, const struct wire_dialect *d, const struct wire_setacl *cmd)
{
	static const char *const signs[] = {"", "+", "-"};
	bool quoted = cmd->mode == WIRE_ACL_REPLACE && cmd->rights.n == 0;

	put_one(b, d, cmd->mailbox, cmd->identifier);
	buf_puts(b, quoted ? " \"\"" : " ");
	buf_puts(b, signs[cmd->mode]);
	buf_str(b, cmd->rights);
}

bool
wire_acl_one_parse(struct wire_in *in, struct wire_acl_one *cmd_r)
{
	return read_one(in, &cmd_r->mailbox, &cmd_r->identifier) && wire_in_end(in);
}

void
wire_acl_one_print(struct buf *b, const struct wire_dialect *d, const struct wire_acl_one *cmd)
{
	put_one(b, d, cmd->mailbox, cmd->identifier);
}

/* ---- ACL, MYRIGHTS */

bool
wire_in_acl(struct wire_in *in, struct wire_acl *acl_r)
{
	struct wire_vec vec = {0};

	*acl_r = (struct wire_acl){.n = 0};
	if (!wire_in_sp(in) || !wire_in_mailbox_told(in, &acl_r->mailbox))
		return false;
	while (wire_in_more(in)) {
		struct wire_acl_entry *entry =
		    WIRE_VEC_PUSH(in, &vec, struct wire_acl_entry, "Too many identifiers");

		if (entry == NULL || !wire_in_astring(in, &entry->identifier) || !wire_in_sp(in) ||
		    !read_rights(in, &entry->rights))
			return false;
	}
	acl_r->v = vec.v;
	acl_r->n = vec.n;
	return wire_in_end(in);
}

void
wire_out_acl(struct buf *b, const struct wire_dialect *d, const struct wire_acl *acl)
{
	buf_puts(b, "* ACL ");
	wire_out_mailbox(b, d, acl->mailbox);
	for (size_t i = 0; i < acl->n; i++) {
		buf_putc(b, ' ');
		wire_out_astring(b, d, acl->v[i].identifier);
		put_held(b, acl->v[i].rights);
	}
	buf_put(b, "\r\n", 2);
}

bool
wire_in_myrights(struct wire_in *in, struct wire_myrights *rights_r)
{
	*rights_r = (struct wire_myrights){.mailbox = STR_NONE};
	return wire_in_sp(in) && wire_in_mailbox_told(in, &rights_r->mailbox) && wire_in_sp(in) &&
	       read_rights(in, &rights_r->rights) && wire_in_end(in);
}

void
wire_out_myrights(struct buf *b, const struct wire_dialect *d, const struct wire_myrights *rights)
{
	buf_puts(b, "* MYRIGHTS ");
	wire_out_mailbox(b, d, rights->mailbox);
	put_held(b, rights->rights);
	buf_put(b, "\r\n", 2);
}

/* ---- LISTRIGHTS */

static bool
read_options(struct wire_in *in, struct wire_names *options_r)
{
	struct wire_vec vec = {0};

	while (wire_in_more(in)) {
		struct str rights, *option;

		if (!read_rights(in, &rights))
			return false;
		if (rights.n == 0)
			continue;
		option = WIRE_VEC_PUSH(in, &vec, struct str, "Too many rights");
		if (option == NULL)
			return false;
		*option = rights;
	}
	*options_r = (struct wire_names){vec.v, vec.n};
	return in->error == NULL;
}

bool
wire_in_listrights(struct wire_in *in, struct wire_listrights *rights_r)
{
	*rights_r = (struct wire_listrights){.mailbox = STR_NONE};
	return wire_in_sp(in) && wire_in_mailbox_told(in, &rights_r->mailbox) && wire_in_sp(in) &&
	       wire_in_astring(in, &rights_r->identifier) && wire_in_sp(in) &&
	       read_rights(in, &rights_r->always) && read_options(in, &rights_r->options) &&
	       wire_in_end(in);
}

/* Returns which string of the response has the obsolete right (section 2.1.1): 0 is that of the
 * rights that are always given, k option k - 1; one above the last, a string of its own; one more,
 * none. */
static size_t
place_of(const struct wire_listrights *rights, const struct obsolete *v)
{
	bool some = false;

	if (has_any(rights->always, v->members))
		return 0;
	for (size_t i = 0; i < rights->options.n; i++) {
		some |= has_any(rights->options.v[i], v->members);
		if (is_tied(rights->options.v[i], v))
			return i + 1;
	}
	return rights->options.n + (some ? 1 : 2);
}

void
wire_out_listrights(
    struct buf *b, const struct wire_dialect *d, const struct wire_listrights *rights)
{
	size_t places[OBSOLETES];
	bool with[OBSOLETES];

	for (size_t v = 0; v < OBSOLETES; v++)
		places[v] = place_of(rights, &obsoletes[v]);
	buf_puts(b, "* LISTRIGHTS");
	put_one(b, d, rights->mailbox, rights->identifier);
	for (size_t i = 0; i <= rights->options.n; i++) {
		for (size_t v = 0; v < OBSOLETES; v++)
			with[v] = places[v] == i;
		put_rights(b, i == 0 ? rights->always : rights->options.v[i - 1], with);
	}
	for (size_t v = 0; v < OBSOLETES; v++)
		if (places[v] == rights->options.n + 1)
			buf_printf(b, " %c", obsoletes[v].letter);
	buf_put(b, "\r\n", 2);
}

/* ---- RIGHTS= */

#define RIGHTS_WORD "RIGHTS="
#define OLD_RIGHTS "lrswipacd0123456789" /* RFC 2086 */

bool
wire_rights_word_parse(struct str word, struct str *rights_r)
{
	const size_t n = sizeof(RIGHTS_WORD) - 1;
	struct str rights;

	if (word.n < n || !str_ieq((struct str){word.p, n}, STR(RIGHTS_WORD)))
		return false;
	rights = str_range(word.p + n, word.p + word.n);
	for (size_t i = 0; i < rights.n; i++)
		if (!is_right(rights.p[i]) || has(STR(OLD_RIGHTS), rights.p[i]))
			return false;
	*rights_r = rights;
	return has(rights, 'k') && has(rights, 'x') && has(rights, 't') && has(rights, 'e');
}

void
wire_out_rights_word(struct buf *b, struct str rights)
{
	wire_out_capability(b, RIGHTS_WORD, "");
	for (size_t i = 0; i < rights.n; i++)
		if (!has(STR(OLD_RIGHTS), rights.p[i]))
			buf_putc(b, rights.p[i]);
}
