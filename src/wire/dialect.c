/* SPDX-License-Identifier: Apache-2.0 */
/* The dialect of a new connection, and limits that suit ordinary clients. */
#include "wire/dialect.h"

const struct wire_dialect wire_dialect_rev1 = {.rev2 = false};

const struct wire_limits wire_limits_default = {
    .set_ranges = 100000,
    .search_keys = 1000,
    .search_depth = 50,
    .list_depth = 20,
    .items = 1000,
};

char
wire_separator(const struct wire_dialect *dialect)
{
	return dialect->separator != 0 ? dialect->separator : '/';
}
