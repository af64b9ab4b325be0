/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints user records, and matches names against patterns. */
#include "auth/user/user.h"

enum { FORMAT = 1 };

static void
print_texts(const struct str *list, size_t n, struct buf *out)
{
	buf_varint(out, n);
	for (size_t i = 0; i < n; i++)
		buf_vstr(out, list[i]);
}

void
auth_user_print(const struct auth_user *user, struct buf *out)
{
	buf_putc(out, FORMAT);
	buf_putc(out, (char)user->flags);
	buf_le64(out, user->stamp);
	buf_le64(out, (uint64_t)user->created);
	buf_le64(out, (uint64_t)user->changed);
	print_texts(user->verifiers, user->verifier_count, out);
	print_texts(user->acts_for, user->acts_for_count, out);
}

static const struct str *
parse_list(struct rd *r, size_t max, struct arena *arena, size_t *n_r)
{
	uint64_t n = rd_varint(r);
	struct str *list;

	if (n > max)
		r->bad = true;
	if (r->bad)
		return NULL;
	list = arena_array(arena, n, sizeof(*list));
	for (size_t i = 0; i < n && !r->bad; i++)
		list[i] = arena_str(arena, rd_vstr(r));
	*n_r = n;
	return list;
}

bool
auth_user_parse(struct str name, struct str value, struct arena *arena, struct auth_user *user_r)
{
	struct rd r = rd_of(value);

	*user_r = (struct auth_user){.name = arena_str(arena, name)};
	if (rd_u8(&r) != FORMAT)
		return false;
	user_r->flags = rd_u8(&r);
	user_r->stamp = rd_le64(&r);
	user_r->created = (int64_t)rd_le64(&r);
	user_r->changed = (int64_t)rd_le64(&r);
	user_r->verifiers = parse_list(&r, AUTH_VERIFIERS_MAX, arena, &user_r->verifier_count);
	user_r->acts_for = parse_list(&r, AUTH_PATTERNS_MAX, arena, &user_r->acts_for_count);
	return !r.bad && rd_left(&r) == 0;
}

bool
auth_glob(struct str pattern, struct str name)
{
	size_t p = 0, n = 0, star = SIZE_MAX, again = 0;

	while (n < name.n) {
		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			again = n;
		} else if (p < pattern.n && pattern.p[p] == name.p[n]) {
			p++;
			n++;
		} else if (star != SIZE_MAX) {
			/* Only the last star need match more: everything before it matched as
			   early as possible. */
			p = star + 1;
			n = ++again;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

bool
auth_user_acts_for(const struct auth_user *user, struct str name)
{
	for (size_t i = 0; i < user->acts_for_count; i++)
		if (auth_glob(user->acts_for[i], name))
			return true;
	return false;
}
