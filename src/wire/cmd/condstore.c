/* SPDX-License-Identifier: Apache-2.0 */
/* Parses and prints CONDSTORE and QRESYNC: see condstore.h. */
#include "wire/cmd/condstore.h"

/* ---- MODSEQ */

bool
wire_in_modseq(struct wire_in *in, uint64_t *modseq_r)
{
	return wire_in_number64(in, modseq_r);
}

bool
wire_in_modseq_told(struct wire_in *in, uint64_t *modseq_r)
{
	return wire_in_open(in) && wire_in_number64(in, modseq_r) && wire_in_close(in);
}

void
wire_out_modseq(struct buf *b, uint64_t modseq)
{
	buf_putc(b, '(');
	buf_u64(b, modseq);
	buf_putc(b, ')');
}

static const struct wire_name entry_types[] = {
    {"all", WIRE_ENTRY_ALL},
    {"priv", WIRE_ENTRY_PRIV},
    {"shared", WIRE_ENTRY_SHARED},
    {NULL, 0},
};

static bool
read_entry(struct wire_in *in, struct wire_modseq_key *key)
{
	if (!wire_in_quoted(in, &key->entry) || !wire_in_sp(in))
		return false;
	for (const struct wire_name *t = entry_types; t->name != NULL; t++)
		if (wire_in_try_word(in, t->name)) {
			key->type = (enum wire_entry_type)t->id;
			return wire_in_sp(in);
		}
	return wire_in_fail(in, "Expected all, priv or shared");
}

bool
wire_in_modseq_key(struct wire_in *in, struct wire_modseq_key *key_r)
{
	*key_r = (struct wire_modseq_key){.modseq = 0};
	if (!wire_in_sp(in))
		return false;
	if (wire_in_peek(in) == '"' && !read_entry(in, key_r))
		return false;
	return wire_in_modseq(in, &key_r->modseq);
}

void
wire_out_modseq_key(struct buf *b, const struct wire_dialect *d, const struct wire_modseq_key *key)
{
	(void)d;
	buf_putc(b, ' ');
	if (key->entry.p != NULL) {
		wire_out_quoted(b, key->entry);
		buf_putc(b, ' ');
		buf_puts(b, wire_name_of(entry_types, key->type));
		buf_putc(b, ' ');
	}
	buf_u64(b, key->modseq);
}

/* ---- QRESYNC */

/* Accepts neither "*" nor "$". */
static bool
read_known(struct wire_in *in, struct wire_set *set)
{
	if (!wire_in_set(in, set))
		return false;
	if (set->saved)
		return wire_in_fail(in, "Expected numbers");
	for (size_t i = 0; i < set->n; i++)
		if (set->v[i].lo_star || set->v[i].hi_star)
			return wire_in_fail(in, "\"*\" is not allowed here");
	return true;
}

/* Checks for ascending order; *count_r: how many numbers the set holds. */
static bool
ascends(const struct wire_set *set, uint64_t *count_r)
{
	uint32_t last = 0;

	*count_r = 0;
	for (size_t i = 0; i < set->n; i++) {
		if (set->v[i].lo <= last)
			return false;
		last = set->v[i].hi;
		*count_r += (uint64_t)last - set->v[i].lo + 1;
	}
	return true;
}

/* Section 3.2.5.2: as many numbers as UIDs, both ascending. */
static bool
read_match(struct wire_in *in, struct wire_qresync *q)
{
	uint64_t numbers, uids;

	if (!wire_in_open(in) || !read_known(in, &q->numbers) || !wire_in_sp(in) ||
	    !read_known(in, &q->uids) || !wire_in_close(in))
		return false;
	if (!ascends(&q->numbers, &numbers) || !ascends(&q->uids, &uids))
		return wire_in_fail(in, "Match data must ascend");
	return numbers == uids || wire_in_fail(in, "Match data must come in pairs");
}

bool
wire_in_qresync(struct wire_in *in, struct wire_qresync *q_r)
{
	*q_r = (struct wire_qresync){.uidvalidity = 0};
	if (!wire_in_open(in) || !wire_in_nz_number(in, &q_r->uidvalidity) || !wire_in_sp(in) ||
	    !wire_in_modseq(in, &q_r->modseq))
		return false;
	if (wire_in_more(in) && wire_in_peek(in) != '(') {
		if (!read_known(in, &q_r->known))
			return false;
		(void)wire_in_more(in);
	}
	if (wire_in_peek(in) == '(' && !read_match(in, q_r))
		return false;
	return wire_in_close(in);
}

void
wire_out_qresync(struct buf *b, const struct wire_qresync *q)
{
	buf_putc(b, '(');
	buf_u64(b, q->uidvalidity);
	buf_putc(b, ' ');
	buf_u64(b, q->modseq);
	if (q->known.n > 0) {
		buf_putc(b, ' ');
		wire_set_print(b, &q->known);
	}
	if (q->numbers.n > 0) {
		buf_puts(b, " (");
		wire_set_print(b, &q->numbers);
		buf_putc(b, ' ');
		wire_set_print(b, &q->uids);
		buf_putc(b, ')');
	}
	buf_putc(b, ')');
}

/* ---- VANISHED */

void
wire_out_vanished_begin(struct buf *b, bool earlier, struct wire_set_out *set_r)
{
	buf_puts(b, earlier ? "* VANISHED (EARLIER) " : "* VANISHED ");
	*set_r = (struct wire_set_out){.b = b};
}

void
wire_out_vanished_end(struct wire_set_out *set)
{
	wire_set_out_end(set);
	buf_put(set->b, "\r\n", 2);
}

bool
wire_in_vanished(struct wire_in *in, struct wire_vanished *vanished_r)
{
	*vanished_r = (struct wire_vanished){.earlier = false};
	if (!wire_in_sp(in))
		return false;
	if (wire_in_try_open(in)) {
		if (!wire_in_try_word(in, "EARLIER"))
			return wire_in_fail(in, "Expected EARLIER");
		vanished_r->earlier = true;
		if (!wire_in_close(in) || !wire_in_sp(in))
			return false;
	}
	return read_known(in, &vanished_r->uids) && wire_in_end(in);
}
