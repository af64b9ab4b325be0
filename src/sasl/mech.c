/* SPDX-License-Identifier: Apache-2.0 */
/* The registry of mechanisms, and the lifetime of an exchange: see mech.h. */
#include "sasl/mech.h"

#include "base/err.h"
#include "base/mem.h"
#include "sasl/exchange.h"

const struct sasl_mech *const sasl_mechs[] = {&sasl_mech_external, &sasl_mech_scram_sha256_plus,
    &sasl_mech_scram_sha1_plus, &sasl_mech_scram_sha256, &sasl_mech_scram_sha1,
    &sasl_mech_oauthbearer, &sasl_mech_xoauth2, &sasl_mech_plain, &sasl_mech_login};
const size_t sasl_mechs_n = sizeof(sasl_mechs) / sizeof(*sasl_mechs);

const struct sasl_mech *
sasl_mech_find(struct str name)
{
	for (size_t i = 0; i < sasl_mechs_n; i++)
		if (str_ieq(name, str_of(sasl_mechs[i]->name)))
			return sasl_mechs[i];
	return NULL;
}

size_t
sasl_mech_response_max(const struct sasl_mech *mech)
{
	return mech->response_max > 0 ? mech->response_max : SASL_RESPONSE_MAX;
}

static size_t
keep_max(const struct sasl_mech *mech)
{
	return mech->keep_max > 0 ? mech->keep_max : SASL_RESPONSE_MAX;
}

struct sasl_exchange *
sasl_exchange_new(const struct sasl_mech *mech)
{
	return sasl_exchange_try_new(mech, NULL);
}

struct sasl_exchange *
sasl_exchange_try_new(const struct sasl_mech *mech, bool *oom)
{
	struct sasl_exchange *x = mem_try_realloc(NULL, sizeof(*x) + keep_max(mech), oom);

	if (x == NULL)
		return NULL;
	/* Not the room for secrets: it is large, and written before it is read. */
	memset(x, 0, sizeof(*x));
	x->mech = mech;
	x->oom = oom;
	return x;
}

void
sasl_exchange_free(struct sasl_exchange **x)
{
	if (*x == NULL)
		return;
	if ((*x)->own != NULL)
		(*x)->mech->free_own((*x)->own);
	mem_wipe((*x)->secret, (*x)->kept);
	mem_wipe(&(*x)->binding, sizeof((*x)->binding));
	mem_free(*x);
	*x = NULL;
}

void
sasl_exchange_bind(struct sasl_exchange *x, const struct sasl_binding *binding)
{
	TS_ASSERT(x->stage == 0 && binding->n <= sizeof(binding->data));
	x->binding = *binding;
}

void
sasl_exchange_tls(struct sasl_exchange *x)
{
	TS_ASSERT(x->stage == 0);
	x->tls = true;
}

struct sasl_layer *
sasl_exchange_layer(struct sasl_exchange *x)
{
	return x->mech->server_layer != NULL ? x->mech->server_layer(x) : NULL;
}

void
sasl_layer_free(struct sasl_layer **layer)
{
	struct sasl_layer *l = *layer;

	*layer = NULL;
	if (l != NULL)
		l->class->free(l);
}

void
sasl_exchange_identify(struct sasl_exchange *x, struct str authcid)
{
	TS_ASSERT(x->stage == 0 && authcid.n > 0 && authcid.n <= SASL_NAME_MAX);
	x->result.authcid = sasl_keep(x, authcid);
}

/* The result of a step.  If memory ran out, the result is void. */
static enum sasl_step
unless_oom(struct sasl_exchange *x, enum sasl_step step)
{
	if (x->oom == NULL || !*x->oom)
		return step;
	x->why = "out of memory";
	return SASL_STEP_UNAVAILABLE;
}

enum sasl_step
sasl_exchange_start(struct sasl_exchange *x, const struct str *initial)
{
	TS_ASSERT(x->stage == 0);
	if (initial == NULL)
		return unless_oom(x, x->mech->server_start(x));
	if ((x->mech->flags & SASL_NO_INITIAL) != 0)
		return sasl_malformed(x, "an initial response, which this mechanism does not have");
	/*
	 * RFC 4422 section 3: a mechanism in which the server speaks first has no initial
	 * response.  Clients of LOGIN send the user name there anyway: accept it, and skip the
	 * first prompt.
	 */
	if ((x->mech->flags & SASL_CLIENT_FIRST) == 0)
		(void)x->mech->server_start(x);
	return unless_oom(x, x->mech->server_step(x, *initial));
}

enum sasl_step
sasl_exchange_step(struct sasl_exchange *x, struct str response)
{
	return unless_oom(x, x->mech->server_step(x, response));
}

enum sasl_step
sasl_exchange_keys(struct sasl_exchange *x, const struct sasl_scram_keys *keys, bool known)
{
	return unless_oom(x, x->mech->server_keys(x, keys, known));
}

enum sasl_step
sasl_exchange_deny(struct sasl_exchange *x, const struct sasl_denial *denial)
{
	return unless_oom(x, x->mech->server_deny(x, denial));
}

enum sasl_step
sasl_malformed(struct sasl_exchange *x, const char *why)
{
	x->why = why;
	return SASL_STEP_MALFORMED;
}

const char *
sasl_text_fault(struct str s, size_t max)
{
	if (s.n > max)
		return "a name or password is too long";
	if (str_chr(s, '\0') != NULL)
		return "a NUL where none may be";
	return str_is_utf8(s) ? NULL : "a name or password is not UTF-8";
}

struct str
sasl_keep(struct sasl_exchange *x, struct str s)
{
	char *to = x->secret + x->kept;

	TS_ASSERT(s.n <= keep_max(x->mech) - x->kept);
	if (s.n > 0)
		memcpy(to, s.p, s.n);
	x->kept += s.n;
	return (struct str){to, s.n};
}
