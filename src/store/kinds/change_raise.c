/* SPDX-License-Identifier: Apache-2.0 */
/* RAISE: a higher UIDNEXT or MODSEQ. */
#include "store/kinds/steps_int.h"

enum ts_err
raise_prepare(struct batch *b, struct store_change *c)
{
	enum ts_err err = prepare_usable(c->mailbox);
	struct change_delta cd;

	if (err != TS_OK)
		return err;
	if (c->wish_modseq > STORE_MODSEQ_WISH_MAX)
		return TS_INVALID;
	c->uidvalidity = c->mailbox->head.uidvalidity;
	c->modseq = c->mailbox->head.c.modseq;
	if (c->wish_uidnext <= c->mailbox->head.c.uidnext && c->wish_modseq <= c->modseq)
		return TS_OK;
	delta_begin(&cd, b, c->mailbox);
	if (c->wish_uidnext > cd.c.uidnext)
		cd.c.uidnext = c->wish_uidnext;
	/* A record without contents: the records must reach the counters' MODSEQ. */
	if (c->wish_modseq > cd.delta->modseq)
		cd.delta->modseq = c->wish_modseq;
	delta_commit(&cd);
	c->modseq = c->mailbox->head.c.modseq;
	return TS_OK;
}
