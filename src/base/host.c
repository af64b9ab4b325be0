/* SPDX-License-Identifier: Apache-2.0 */
#include "base/host.h"

enum { LABEL_MAX = 63, HOST_MAX = 253 };

static bool
is_label(struct str label, bool unicode)
{
	for (size_t i = 0; i < label.n; i++) {
		unsigned char c = (unsigned char)label.p[i];

		if (!(c >= '0' && c <= '9') && !(ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') &&
		    c != '-' && c != '_' && !(unicode && c >= 0x80))
			return false;
	}
	return label.n > 0 && label.n <= LABEL_MAX && label.p[0] != '-' &&
	       label.p[label.n - 1] != '-';
}

static bool
is_number(struct str label)
{
	for (size_t i = 0; i < label.n; i++)
		if (label.p[i] < '0' || label.p[i] > '9')
			return false;
	return true;
}

bool
host_name_ok(struct str name, bool unicode)
{
	struct str rest = name, label = STR_NONE;
	bool ok = name.n > 0 && name.n <= HOST_MAX && name.p[name.n - 1] != '.';

	while (ok && rest.n > 0 && str_split(&rest, '.', &label))
		ok = is_label(label, unicode);
	/* Four numbers are an address; no top-level domain is a number. */
	return ok && !is_number(label) && (!unicode || str_is_utf8(name));
}
