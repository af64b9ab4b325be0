/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WIRE_CMD_CONDSTORE_H
#define WIRE_CMD_CONDSTORE_H
/*
 * Parses and prints what CONDSTORE and QRESYNC (RFC 7162 section 7) add to commands and responses.
 * The response codes HIGHESTMODSEQ and MODIFIED are in wire/code.h, "(MODSEQ n)" of SEARCH in
 * wire/cmd/search.h.
 */
#include "wire/out.h"
#include "wire/set.h"

/* mod-sequence-valzer: the value of CHANGEDSINCE and UNCHANGEDSINCE, 63 bits. */
bool wire_in_modseq(struct wire_in *in, uint64_t *modseq_r);
/* "(12)": the value of MODSEQ in a FETCH response. */
bool wire_in_modseq_told(struct wire_in *in, uint64_t *modseq_r);
void wire_out_modseq(struct buf *b, uint64_t modseq);

/* The search key MODSEQ: " 12", or " "/flags/\\seen" all 12", including the leading space. */
enum wire_entry_type { WIRE_ENTRY_ALL, WIRE_ENTRY_PRIV, WIRE_ENTRY_SHARED };
struct wire_modseq_key {
	struct str entry; /* "/flags/\seen"; p == NULL: not given, and type is meaningless */
	enum wire_entry_type type;
	uint64_t modseq;
};
bool wire_in_modseq_key(struct wire_in *in, struct wire_modseq_key *key_r);
void wire_out_modseq_key(
    struct buf *b, const struct wire_dialect *d, const struct wire_modseq_key *key);

/* The parameter QRESYNC of SELECT and EXAMINE: "(uidvalidity modseq [uids] [(numbers uids)])". */
struct wire_qresync {
	uint32_t uidvalidity;
	uint64_t modseq;
	struct wire_set known; /* UIDs; n == 0: not given */
	struct wire_set numbers,
	    uids; /* match data: ascending, of equal count; n == 0: not given */
};
bool wire_in_qresync(struct wire_in *in, struct wire_qresync *q_r);
void wire_out_qresync(struct buf *b, const struct wire_qresync *q);

/* "* VANISHED (EARLIER) 4,7:9": add at least one UID to the set between begin and end. */
struct wire_vanished {
	bool earlier;
	struct wire_set uids;
};
void wire_out_vanished_begin(struct buf *b, bool earlier, struct wire_set_out *set_r);
void wire_out_vanished_end(struct wire_set_out *set);
/* Parses what follows the name of the response. */
bool wire_in_vanished(struct wire_in *in, struct wire_vanished *vanished_r);
#endif
