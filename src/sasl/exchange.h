/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_EXCHANGE_H
#define SASL_EXCHANGE_H
/* Shared by the mechanisms in this folder; not for others. */
#include "sasl/mech.h"

extern const struct sasl_mech sasl_mech_external;
extern const struct sasl_mech sasl_mech_plain;
extern const struct sasl_mech sasl_mech_login;
extern const struct sasl_mech sasl_mech_oauthbearer, sasl_mech_xoauth2;
extern const struct sasl_mech sasl_mech_scram_sha1, sasl_mech_scram_sha1_plus;
extern const struct sasl_mech sasl_mech_scram_sha256, sasl_mech_scram_sha256_plus;

/* Ends the exchange as malformed; why is a literal. */
enum sasl_step sasl_malformed(struct sasl_exchange *x, const char *why);
/* NULL if s can be a name or password of at most max bytes; otherwise what is wrong with it. */
const char *sasl_text_fault(struct str s, size_t max);
/* Whether there was memory for everything put into out.  If not, restores out. */
static inline bool
sasl_all_put(struct buf *out, size_t was)
{
	if (!buf_failed(out))
		return true;
	out->n = was;
	return false;
}

/* Copies s into the exchange's room for secrets. */
struct str sasl_keep(struct sasl_exchange *x, struct str s);
#endif
