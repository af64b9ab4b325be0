/* SPDX-License-Identifier: Apache-2.0 */
/* Grants: lifetime, mailboxes, and the letters of rights. */
#include "auth/grant/grant.h"

#include "store/match.h"

struct auth_grant *
auth_grant_new_full(void)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, sizeof(struct auth_grant));
	struct auth_grant *grant = arena_new_object(arena, struct auth_grant);

	grant->refs = 1;
	grant->source = AUTH_GRANT_USER;
	grant->name = STR("acts-for");
	grant->rights = AUTH_RIGHTS_ALL;
	grant->until = AUTH_GRANT_FOR_GOOD;
	grant->arena = arena;
	return grant;
}

struct auth_grant *
auth_grant_ref(struct auth_grant *grant)
{
	atomic_fetch_add_explicit(&grant->refs, 1, memory_order_relaxed);
	return grant;
}

void
auth_grant_unref(struct auth_grant **gp)
{
	struct auth_grant *grant = *gp;
	struct arena *arena;

	*gp = NULL;
	if (grant == NULL || atomic_fetch_sub_explicit(&grant->refs, 1, memory_order_acq_rel) > 1)
		return;
	arena = grant->arena;
	arena_free(&arena);
}

/* ---- mailboxes */

enum { INBOX_LEN = 5 };

static bool
is_inbox(struct str name)
{
	return str_has_iprefix(name, STR("INBOX")) &&
	       (name.n == INBOX_LEN || name.p[INBOX_LEN] == '/');
}

/* RFC 9051 section 5.1: INBOX is case-insensitive; match it in capitals. */
static bool
any_matches(const struct auth_grant *grant, struct str name)
{
	for (size_t i = 0; i < grant->mailbox_count; i++)
		if (store_match(grant->mailboxes[i], name))
			return true;
	return false;
}

const char auth_grant_withdrawn[] = N_("The permission to act for this user was withdrawn");

const char *
auth_grant_ended(const struct auth_grant *grant, int64_t now)
{
	if (atomic_load(&grant->gone))
		return auth_grant_withdrawn;
	return now >= grant->until ? N_("The permission to act for this user has expired") : NULL;
}

bool
auth_grant_mailbox(const struct auth_grant *grant, struct str name)
{
	struct buf inbox = {0};
	bool is;

	if (grant == NULL || grant->mailbox_count == 0)
		return true;
	if (!is_inbox(name) || str_has_prefix(name, STR("INBOX")))
		return any_matches(grant, name);
	buf_puts(&inbox, "INBOX");
	buf_str(&inbox, (struct str){name.p + INBOX_LEN, name.n - INBOX_LEN});
	is = any_matches(grant, buf_as_str(&inbox));
	buf_fini(&inbox);
	return is;
}

/* ---- rights */

static const char letters[] = "lrswipkxtea"; /* by the bit */

bool
auth_rights_parse(struct str text, unsigned *rights_r, char *bad_r)
{
	*rights_r = 0;
	*bad_r = '\0';
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		const char *at = c != '\0' ? strchr(letters, c) : NULL;

		if (at != NULL)
			*rights_r |= 1u << (at - letters);
		else if (c == 'c')
			*rights_r |= AUTH_RIGHT_CREATE | AUTH_RIGHT_DELETE;
		else if (c == 'd')
			*rights_r |= AUTH_RIGHT_DELETED | AUTH_RIGHT_EXPUNGE;
		else
			*bad_r = c;
		if (at == NULL && c != 'c' && c != 'd')
			return false;
	}
	return *rights_r != 0;
}

void
auth_rights_print(unsigned rights, struct buf *out)
{
	for (unsigned i = 0; letters[i] != '\0'; i++)
		if ((rights & 1u << i) != 0)
			buf_putc(out, letters[i]);
}
