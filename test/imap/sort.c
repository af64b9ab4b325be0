/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SORT compared with a naive one: random messages with few different values, random criteria, whole
 * and in slices; by numbers and by UIDs, while messages are expunged; and a long response to a slow
 * client.
 */
#include <stdio.h>
#include <stdlib.h>

#include "script.h"

#define MESSAGES 200u
#define ROUNDS 150u
#define MANY 12000u
#define BOUND ((size_t)64 * 1024)

enum { SUBJECT, FROM, DATE, TO, DISPLAYFROM, DISPLAYTO, CC, KEYS };
static const char *const names[KEYS] = {
    "SUBJECT", "FROM", "DATE", "TO", "DISPLAYFROM", "DISPLAYTO", "CC"};

/* In the order of the collation. */
static const char *const words[] = {"alpha", "Beta", "gamma", "Omega"};

struct message {
	unsigned uid;
	unsigned value[KEYS];
};

static struct script *script;
static struct site *site;
static struct message messages[MESSAGES];
static unsigned count;
static uint64_t seed = 1;

static unsigned
below(unsigned n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % n;
}

static void
lines(const char *text)
{
	if (!script_lines(script, str_of(text)))
		exit(1);
}

static void
put_message(void)
{
	struct message *m = &messages[count];
	struct buf b = {0};

	for (unsigned k = 0; k < KEYS; k++)
		m->value[k] = below(4);
	m->value[DISPLAYTO] = m->value[TO]; /* it has no display name */
	buf_printf(&b, "Subject: %s%s\r\n", below(2) == 0 ? "Re: " : "", words[m->value[SUBJECT]]);
	buf_printf(&b, "From: %s <%s@example.org>\r\n", words[m->value[DISPLAYFROM]],
	    words[m->value[FROM]]);
	buf_printf(&b, "To: %s@example.org\r\n", words[m->value[TO]]);
	if (m->value[CC] > 0)
		buf_printf(&b, "Cc: %s@example.org\r\n", words[m->value[CC]]);
	buf_printf(&b, "Date: %u Mar 2001 10:00:00 +0000\r\n\r\nx\r\n", m->value[DATE] + 1);
	m->uid = ++count;
	site_message(site, "alice", "INBOX", "", buf_as_str(&b));
	buf_fini(&b);
}

/* ---- the naive one */

static struct {
	unsigned key[3];
	bool reverse[3];
	unsigned n;
} by;

static int
compare(const void *a, const void *b)
{
	const struct message *x = &messages[*(const unsigned *)a],
	                     *y = &messages[*(const unsigned *)b];

	for (unsigned i = 0; i < by.n; i++) {
		int d = (int)x->value[by.key[i]] - (int)y->value[by.key[i]];

		if (d != 0)
			return by.reverse[i] ? -d : d;
	}
	return x->uid < y->uid ? -1 : 1;
}

/* Sorts those from a UID on; returns their count. */
static unsigned
sort_naively(unsigned from, unsigned *order)
{
	unsigned n = 0;

	for (unsigned i = 0; i < count; i++)
		if (messages[i].uid >= from)
			order[n++] = i;
	qsort(order, n, sizeof *order, compare);
	return n;
}

static void
choose_criteria(struct buf *b)
{
	by.n = 1 + below(3);
	for (unsigned i = 0; i < by.n; i++) {
		by.key[i] = below(KEYS);
		by.reverse[i] = below(2) == 0;
		buf_printf(b, "%s%s%s", i > 0 ? " " : "(", by.reverse[i] ? "REVERSE " : "",
		    names[by.key[i]]);
	}
	buf_puts(b, ")");
}

static void
one_round(void)
{
	struct buf b = {0};
	unsigned order[MESSAGES], n, from = 1 + below(MESSAGES);
	bool uid = below(2) == 0, returns = below(3) == 0;

	buf_printf(&b, "slice %u\nC: r %sSORT %s", below(4), uid ? "UID " : "",
	    returns ? "RETURN (MIN MAX COUNT) " : "");
	choose_criteria(&b);
	buf_printf(&b, " UTF-8 UID %u:%u\n", from, MESSAGES + 1);
	n = sort_naively(from, order);
	buf_puts(&b, returns ? "S: * ESEARCH (TAG \"r\")" : "S: * SORT");
	if (returns && uid)
		buf_puts(&b, " UID");
#define NUMBER(i) (uid ? messages[order[i]].uid : order[i] + 1)
	if (returns && n > 0)
		buf_printf(&b, " MIN %u MAX %u", NUMBER(0), NUMBER(n - 1));
	if (returns)
		buf_printf(&b, " COUNT %u", n);
	for (unsigned i = 0; i < n && !returns; i++)
		buf_printf(&b, " %u", NUMBER(i));
	buf_puts(&b, "\nS: r OK Sorted\n");
	lines(buf_cstr(&b));
	buf_fini(&b);
}

static void
expunge_one(void)
{
	struct buf b = {0};
	unsigned i = below(count);

	buf_printf(
	    &b, "C: s STORE %u +FLAGS.SILENT (\\Deleted)\nC: e EXPUNGE\nS~ e OK %%*\n", i + 1);
	lines(buf_cstr(&b));
	memmove(&messages[i], &messages[i + 1], (count - i - 1) * sizeof *messages);
	count--;
	buf_fini(&b);
}

/* ---- a long one */

static void
read_slowly(const char *command, const char *response, const char *between)
{
	struct buf b = {0};

	buf_printf(&b, "window 0\nC: l %s\n", command);
	lines(buf_cstr(&b));
	if (stream_out_pending(site->clients[1].conn->session.stream) > BOUND) {
		fprintf(stderr, "%s: more than %zu bytes wait\n", command, BOUND);
		exit(1);
	}
	b.n = 0;
	buf_printf(&b, "window all\nS: %s", response);
	for (unsigned i = MANY; i > 0; i--)
		buf_printf(&b, "%s%u", i == MANY ? "" : between, i);
	buf_puts(&b, "\nS: l OK Sorted\n");
	lines(buf_cstr(&b));
	buf_fini(&b);
}

int
main(void)
{
	site = site_new(&(struct site_options){
	    .conf = STR("plaintext_login = always\nlimits.out_high = 16K\nlimits.out_low = 8K\n")});
	site_user(site, "alice", "secret", NULL, false);
	while (count < MESSAGES)
		put_message();
	script = script_new("sort", site);
	lines("S~ * OK %*\nC: a1 LOGIN alice secret\nC: a2 SELECT INBOX\nS~ a2 OK %*\n");
	for (unsigned i = 0; i < ROUNDS; i++) {
		one_round();
		if (i % 3 == 0)
			expunge_one();
	}
	lines("slice 0\n");
	for (unsigned i = 0; i < MANY; i++) {
		char text[64];

		(void)snprintf(text, sizeof text, "Subject: %06u\r\n\r\nx\r\n", i);
		site_message(site, "alice", "Many", "", str_of(text));
	}
	lines("C: b1 SELECT Many\nS~ b1 OK %*\n");
	read_slowly("SORT (REVERSE SUBJECT) UTF-8 ALL", "* SORT ", " ");
	read_slowly("UID SORT RETURN (ALL) (REVERSE SUBJECT) UTF-8 ALL",
	    "* ESEARCH (TAG \"l\") UID ALL ", ",");
	script_free(&script);
	site_free(&site);
	return 0;
}
