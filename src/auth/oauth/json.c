/* SPDX-License-Identifier: Apache-2.0 */
/* See json.h. */
#include "auth/oauth/json.h"

#include <stdlib.h>

#include "base/mem.h"

/* Before main(), because jansson wants both set before a second thread uses it. */
__attribute__((constructor)) static void
prepare(void)
{
	json_set_alloc_funcs(malloc, mem_wipe_free);
	json_object_seed(0);
}

/* jansson's parser recurses; this check does not. */
static bool
is_shallow(struct str text)
{
	unsigned depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '{' || c == '[') && ++depth > AUTH_JSON_DEPTH)
			return false;
		else if (!quoted && (c == '}' || c == ']') && depth > 0)
			depth--;
	}
	return true;
}

json_t *
auth_json_object(struct str text, size_t max)
{
	json_t *json;
	json_error_t error;

	if (text.n == 0 || text.n > max || !is_shallow(text))
		return NULL;
	json = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
	mem_wipe(&error, sizeof(error)); /* it quotes the text */
	if (json != NULL && !json_is_object(json)) {
		json_decref(json);
		json = NULL;
	}
	return json;
}

static struct str
str_of_json(const json_t *value)
{
	if (!json_is_string(value))
		return STR_NONE;
	return (struct str){json_string_value(value), json_string_length(value)};
}

struct str
auth_json_str(const json_t *object, const char *key)
{
	return str_of_json(json_object_get(object, key));
}

bool
auth_json_has(const json_t *value, struct str s)
{
	struct str one = str_of_json(value);

	if (one.p != NULL)
		return str_eq(one, s);
	for (size_t i = 0; i < json_array_size(value); i++) {
		one = str_of_json(json_array_get(value, i));
		if (one.p != NULL && str_eq(one, s))
			return true;
	}
	return false;
}

static int
sextet(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '-' ? 62 : c == '_' ? 63 : -1;
}

bool
auth_base64url_decode(struct str in, struct buf *out)
{
	size_t had = out->n;
	unsigned bits = 0, have = 0;

	if (in.n % 4 == 1)
		return false;
	/* Reserve it all at once, so that no copy stays in memory. */
	(void)buf_room(out, in.n / 4 * 3 + 3);
	for (size_t i = 0; i < in.n; i++) {
		int six = sextet(in.p[i]);

		if (six < 0) {
			out->n = had;
			return false;
		}
		bits = (bits << 6 | (unsigned)six) & 0xffff;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_putc(out, (char)(bits >> have & 0xff));
		}
	}
	if ((bits & ((1u << have) - 1)) != 0) {
		out->n = had;
		return false;
	}
	return true;
}
