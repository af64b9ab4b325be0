/* SPDX-License-Identifier: Apache-2.0 */
/* See separator.h. */
#include "auth/user/separator.h"

static bool
is_common(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       memchr("@.-_", c, 4) != NULL;
}

const char *
auth_separator_fault(struct str separator)
{
	if (separator.n == 0)
		return NULL;
	if (separator.n > 1 || separator.p[0] <= ' ' || separator.p[0] > '~')
		return "must be one ASCII character, not a space: * or / for example";
	if (is_common(separator.p[0]) || separator.p[0] == '"' || separator.p[0] == '\\')
		return "must not be a letter, a digit or one of @ . - _ \" \\; "
		       "use * or / for example";
	return NULL;
}

bool
auth_separator_in(struct str separator, struct str name)
{
	return separator.n == 1 && str_chr(name, separator.p[0]) != NULL;
}
