/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of properties next to a Maildir's mail: a line "turnstone-properties
 * 1", then a line for each with its name, a blank and its value, both escaped
 * as %XX.
 */
#include "port/port.h"
#include "store/store.h"

#define HEAD "turnstone-properties 1"

void
port_property_put(struct str name, struct str value, struct buf *list)
{
	if (list->n == 0)
		buf_puts(list, HEAD "\n");
	port_escape(name, list);
	buf_putc(list, ' ');
	port_escape(value, list);
	buf_putc(list, '\n');
}

bool
port_properties_head(struct str line)
{
	return str_eq(line, STR(HEAD));
}

bool
port_property_take(struct str line, struct buf *name, struct buf *value)
{
	const char *blank = str_chr(line, ' ');

	return blank != NULL && port_unescape(str_range(line.p, blank), name) &&
	       port_unescape(str_range(blank + 1, line.p + line.n), value) &&
	       store_property_name_ok(buf_as_str(name)) &&
	       name->n + value->n <= MAILSTREAM_PROPERTY_MAX;
}
