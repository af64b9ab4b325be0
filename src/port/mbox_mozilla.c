/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Thunderbird does.  Next to the file NAME, the folder NAME.sbd has the mailboxes below it,
 * and NAME.msf is an index.  Each message begins with lines that it adds:
 *   X-Mozilla-Status: four hexadecimal digits, X-Mozilla-Status2: eight, X-Mozilla-Keys: keywords
 * A deleted message stays in the file until that is compacted.  It is left out, but only if its
 * line precedes everything that came with the message, so that no sender can cause that.  Otherwise
 * it is \Deleted.
 */
#include <stdlib.h>
#include <string.h>

#include "port/mbox_int.h"
#include "store/store.h"

static const struct str names[] = {STR("X-Mozilla-Status"), STR("X-Mozilla-Status2"),
    STR("X-Mozilla-Keys"), STR("X-Account-Key"), STR("X-UIDL")}; /* the last two are not taken */
enum { STATUS, STATUS2, KEYS, NAMES = sizeof(names) / sizeof(*names) };

enum { /* bits of STATUS and STATUS2, which has the high ones */
	READ = 0x1,
	REPLIED = 0x2,
	MARKED = 0x4,
	EXPUNGED = 0x8,
	FORWARDED = 0x1000,
	IMAP_DELETED = 0x200000,
	MDN_SENT = 0x800000
};

static int
field_number(struct str name)
{
	for (int i = 0; i < NAMES; i++)
		if (str_ieq(name, names[i]))
			return i;
	return -1;
}

bool
mbox_is_mozilla(struct str name)
{
	return field_number(name) >= 0;
}

static bool
take_hex(struct str text, unsigned long *bits_r)
{
	char copy[9];

	if (text.n == 0 || text.n >= sizeof copy)
		return false;
	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	*bits_r = strtoul(copy, NULL, 16);
	return strspn(copy, "0123456789abcdefABCDEF") == text.n;
}

static void
take_bits(struct mbox *m, unsigned long bits)
{
	static const struct {
		unsigned long bit;
		unsigned flag;
	} map[] = {{READ, STORE_SEEN}, {REPLIED, STORE_ANSWERED}, {MARKED, STORE_FLAGGED},
	    {IMAP_DELETED, STORE_DELETED}};

	for (size_t i = 0; i < sizeof(map) / sizeof(*map); i++)
		if ((bits & map[i].bit) != 0)
			m->msg.flags |= 1u << map[i].flag;
	if ((bits & FORWARDED) != 0)
		mbox_take_words(m, STR("$Forwarded"));
	if ((bits & MDN_SENT) != 0)
		mbox_take_words(m, STR("$MDNSent"));
	if ((bits & EXPUNGED) != 0 && m->at_top)
		m->expunged = true;
	else if ((bits & EXPUNGED) != 0)
		m->msg.flags |= 1u << STORE_DELETED;
}

bool
mbox_take_mozilla(struct mbox *m, struct str name, struct str value)
{
	int number = field_number(name);
	unsigned long bits;

	if (number < 0 || number > KEYS || (m->mozilla >> number & 1) != 0)
		return false;
	if (number == KEYS) {
		mbox_take_words(m, value);
	} else {
		if (!take_hex(value, &bits))
			return false;
		take_bits(m, number == STATUS ? bits & 0xffff : bits & ~0xfffful);
	}
	m->mozilla |= 1u << number;
	return true;
}

bool
mbox_is_index(const char *path)
{
	static const char *const files[] = {
	    "msgFilterRules.dat", "popstate.dat", "filterlog.html", "junklog.html"};
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		if (strcmp(slash != NULL ? slash + 1 : path, files[i]) == 0)
			return true;
	return str_has_suffix(str_of(path), STR(".msf"));
}

void
mbox_said(const char *path, struct buf *out)
{
	struct str rest = str_of(path), part;

	while (str_split(&rest, '/', &part)) {
		struct str end = rest.n > 0 ? STR(".sbd") : STR(".mbox");

		if (part.n > end.n && str_has_suffix(part, end))
			part.n -= end.n;
		if (out->n > 0)
			buf_putc(out, '/');
		buf_str(out, part);
	}
}
