/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An exchange through libsasl2, and the security layer that results from it.
 *
 * Each exchange has a connection object of the library.  A layer takes it over, because it has the
 * keys and counters; otherwise it ends with the exchange.
 */
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "sasl/cyrus_int.h"
#include "sasl/exchange.h"

enum {
	CHUNK = 16 * 1024, /* the largest buffer we send: the library keeps it */
	STARTED = 1,
};

struct cyrus_conn { /* owned by the exchange (x->own) or the layer */
	sasl_conn_t *conn;
	const struct sasl_cyrus *cyrus;
	struct sasl_exchange *x; /* NULL: the exchange is over */
	sasl_callback_t callbacks[2];
	bool unavailable;
	bool moved; /* a message of the client was understood */
};

bool
cyrus_mech_props(const struct cyrus_mech *m, bool tls, sasl_security_properties_t *props_r)
{
	*props_r = m->cyrus->props;
	/* Under TLS a further layer is allowed but not needed. */
	if (tls)
		props_r->min_ssf = 0;
	if (!m->cyrus->digest_md5_encrypts && strcmp(m->name, "DIGEST-MD5") == 0 &&
	    props_r->max_ssf > 1)
		props_r->max_ssf = 1;
	return props_r->min_ssf <= props_r->max_ssf;
}

/* Lets everybody act for everybody: that is decided elsewhere. */
static int
permit(sasl_conn_t *conn, void *context, const char *user, unsigned user_n, const char *auth,
    unsigned auth_n, const char *realm, unsigned realm_n, struct propctx *props)
{
	(void)conn;
	(void)context;
	(void)user;
	(void)user_n;
	(void)auth;
	(void)auth_n;
	(void)realm;
	(void)realm_n;
	(void)props;
	return SASL_OK;
}

/* ---- secrets */

/* Finds the exchange that a plugin asks for: the context of our callback. */
static struct cyrus_conn *
conn_of(const sasl_utils_t *utils)
{
	sasl_callback_ft proc = NULL;
	void *context = NULL;

	if (utils->getcallback(utils->conn, SASL_CB_PROXY_POLICY, &proc, &context) != SASL_OK)
		return NULL;
	return context;
}

static int
lookup(void *context, sasl_server_params_t *params, unsigned flags, const char *user, unsigned n)
{
	struct cyrus_conn *c = conn_of(params->utils);
	const struct sasl_cyrus_users *users;
	unsigned char secret[16];
	enum sasl_cyrus_found found;

	(void)context;
	/* Nothing need be known about the authorization identity. */
	if ((flags & SASL_AUXPROP_AUTHZID) != 0)
		return SASL_OK;
	if (c == NULL || c->x == NULL || (c->x->mech->flags & SASL_VOUCHES) != 0)
		return SASL_NOUSER;
	users = &c->cyrus->users;
	if (users->digest_md5 == NULL)
		return SASL_NOUSER;
	found = users->digest_md5(users->arg, (struct str){user, n}, secret, &c->x->stamp);
	if (found == SASL_CYRUS_FOUND)
		(void)params->utils->prop_set(params->propctx, "*cmusaslsecretDIGEST-MD5",
		    (const char *)secret, sizeof(secret));
	mem_wipe(secret, sizeof(secret));
	c->unavailable = found == SASL_CYRUS_UNAVAILABLE;
	return found == SASL_CYRUS_FOUND     ? SASL_OK
	       : found == SASL_CYRUS_UNKNOWN ? SASL_NOUSER
	                                     : SASL_UNAVAIL;
}

int
cyrus_auxprop_init(const sasl_utils_t *utils, int max_version, int *version_r,
    sasl_auxprop_plug_t **plug_r, const char *name)
{
	static char plug_name[] = CYRUS_AUXPROP;
	static sasl_auxprop_plug_t plug = {.auxprop_lookup = lookup, .name = plug_name};

	(void)utils;
	(void)name;
	if (max_version < SASL_AUXPROP_PLUG_VERSION)
		return SASL_BADVERS;
	*version_r = SASL_AUXPROP_PLUG_VERSION;
	*plug_r = &plug;
	return SASL_OK;
}

/* ---- names */

static struct str
prop(const struct cyrus_conn *c, int which)
{
	const void *p = NULL;

	if (sasl_getprop(c->conn, which, &p) != SASL_OK || p == NULL)
		return STR_NONE;
	return str_of(p);
}

static bool
realm_known(const struct sasl_cyrus *cyrus, struct str realm)
{
	for (size_t i = 0; i < cyrus->realm_n; i++)
		if (str_eq(cyrus->realms[i], realm))
			return true;
	return false;
}

/*
 * Turns a principal into a user's name.  Principals of the default realm come without it.  Another
 * realm is accepted only if it is configured, because whoever runs it decides who is in it.
 */
static const char *
keep_principal(struct sasl_exchange *x, const struct sasl_cyrus *cyrus, struct str principal)
{
	struct str local, realm;
	const char *why = sasl_text_fault(principal, SASL_NAME_MAX);
	struct buf name = {0};

	if (why != NULL)
		return why;
	/* gss_display_name() puts a backslash before special characters. */
	if (str_chr(principal, '\\') != NULL)
		return "the principal is not a user";
	realm = principal;
	if (!str_split(&realm, '@', &local) || realm.p == NULL) {
		x->result.authcid = sasl_keep(x, principal);
		return NULL;
	}
	buf_str(&name, local);
	if (!str_ieq(realm, buf_as_str(&cyrus->default_domain))) {
		if (!realm_known(cyrus, realm))
			return buf_fini(&name), "a realm that auth.kerberos_realms does not list";
		buf_putc(&name, '@');
		buf_str(&name, realm);
	}
	x->result.authcid = sasl_keep(x, buf_as_str(&name));
	buf_fini(&name);
	return NULL;
}

static const char *
keep_names(struct sasl_exchange *x, const struct cyrus_conn *c)
{
	struct str authcid = prop(c, SASL_AUTHUSER), authzid = prop(c, SASL_USERNAME);
	const char *why;

	if (authcid.n == 0)
		return "an empty name";
	if ((x->mech->flags & SASL_VOUCHES) != 0)
		why = keep_principal(x, c->cyrus, authcid);
	else if ((why = sasl_text_fault(authcid, SASL_NAME_MAX)) == NULL)
		x->result.authcid = sasl_keep(x, authcid);
	if (why == NULL && authzid.n > 0 && !str_eq(authzid, authcid) &&
	    (why = sasl_text_fault(authzid, SASL_NAME_MAX)) == NULL)
		x->result.authzid = sasl_keep(x, authzid);
	return why;
}

/* ---- the exchange */

static unsigned
number(const struct cyrus_conn *c, int which)
{
	const void *p = NULL;

	return sasl_getprop(c->conn, which, &p) == SASL_OK && p != NULL ? *(const unsigned *)p : 0;
}

static enum sasl_step
refused(struct sasl_exchange *x, const char *why)
{
	x->why = why;
	return SASL_STEP_REFUSED;
}

static enum sasl_step
proven(struct sasl_exchange *x, const struct cyrus_conn *c)
{
	const char *why = keep_names(x, c);
	unsigned most = number(c, SASL_MAXOUTBUF);

	if (why != NULL)
		return refused(x, why);
	/* A size below a buffer's overhead would underflow in the library. */
	if (number(c, SASL_SSF) > 0 && (most == 0 || most > 0xffffff))
		return refused(x, "the client's buffers are too small");
	return SASL_STEP_PROVEN;
}

static enum sasl_step
step_of(struct sasl_exchange *x, int rc, const char *out, unsigned n)
{
	struct cyrus_conn *c = x->own;

	switch (rc) {
	case SASL_OK:
		return proven(x, c);
	case SASL_CONTINUE:
		x->challenge = (struct str){out, n};
		return SASL_STEP_CHALLENGE;
	default:
		x->why = sasl_errstring(rc, NULL, NULL);
		/* For example, an unreadable keytab: it would fail for everybody. */
		if (c->unavailable || rc == SASL_NOMEM || rc == SASL_UNAVAIL ||
		    (rc == SASL_FAIL && !c->moved && (x->mech->flags & SASL_VOUCHES) != 0))
			return SASL_STEP_UNAVAILABLE;
		return SASL_STEP_REFUSED;
	}
}

static int
connect_library(struct sasl_exchange *x)
{
	const struct cyrus_mech *m = (const struct cyrus_mech *)(const void *)x->mech;
	struct cyrus_conn *c = mem_zalloc(sizeof(*c));
	sasl_security_properties_t props;
	int rc;

	x->own = c;
	x->stage = STARTED;
	c->cyrus = m->cyrus;
	c->x = x;
	c->callbacks[0] = (sasl_callback_t){SASL_CB_PROXY_POLICY, (int (*)(void))(void *)permit, c};
	c->callbacks[1] = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
	/* DIGEST-MD5 takes the host name as its realm unless told to append a realm to all names.
	 */
	rc = sasl_server_new(CYRUS_SERVICE,
	    (x->mech->flags & SASL_VOUCHES) != 0 ? m->cyrus->host : m->cyrus->realm, NULL, NULL,
	    NULL, c->callbacks, 0, &c->conn);
	if (rc == SASL_OK && !cyrus_mech_props(m, x->tls, &props))
		rc = SASL_TOOWEAK;
	return rc == SASL_OK ? sasl_setprop(c->conn, SASL_SEC_PROPS, &props) : rc;
}

static enum sasl_step
cyrus_start(struct sasl_exchange *x)
{
	const char *out = NULL;
	unsigned n = 0;
	int rc = connect_library(x);

	if (rc == SASL_OK)
		rc = sasl_server_start(
		    ((struct cyrus_conn *)x->own)->conn, x->mech->name, NULL, 0, &out, &n);
	return step_of(x, rc, out, n);
}

static enum sasl_step
cyrus_step(struct sasl_exchange *x, struct str response)
{
	const char *out = NULL, *in = response.p != NULL ? response.p : "";
	unsigned n = 0;
	int rc = SASL_OK;

	if (x->stage == 0) { /* an initial response */
		rc = connect_library(x);
		if (rc == SASL_OK)
			rc = sasl_server_start(((struct cyrus_conn *)x->own)->conn, x->mech->name,
			    in, (unsigned)response.n, &out, &n);
	} else {
		rc = sasl_server_step(
		    ((struct cyrus_conn *)x->own)->conn, in, (unsigned)response.n, &out, &n);
	}
	if (rc == SASL_CONTINUE)
		((struct cyrus_conn *)x->own)->moved = true;
	return step_of(x, rc, out, n);
}

static void
conn_free(void *own)
{
	struct cyrus_conn *c = own;

	if (c->conn != NULL)
		sasl_dispose(&c->conn);
	mem_free(c);
}

/* ---- the layer */

struct cyrus_layer {
	struct sasl_layer layer;
	struct cyrus_conn *conn;
	unsigned max_out;
};

static bool
layer_decode(struct sasl_layer *layer, struct str packet, struct buf *out)
{
	struct cyrus_layer *l = (struct cyrus_layer *)(void *)layer;
	const char *p = NULL;
	unsigned n = 0;
	int rc = sasl_decode(l->conn->conn, packet.p, (unsigned)packet.n, &p, &n);

	if (rc != SASL_OK) {
		layer->why = sasl_errstring(rc, NULL, NULL);
		return false;
	}
	if (n > 0)
		buf_put(out, p, n);
	return true;
}

static bool
layer_encode(struct sasl_layer *layer, struct str in, struct buf *out)
{
	struct cyrus_layer *l = (struct cyrus_layer *)(void *)layer;
	const char *p;
	unsigned n, some;
	int rc;

	for (size_t at = 0; at < in.n; at += some) {
		some = in.n - at < l->max_out ? (unsigned)(in.n - at) : l->max_out;
		rc = sasl_encode(l->conn->conn, in.p + at, some, &p, &n);
		if (rc != SASL_OK) {
			layer->why = sasl_errstring(rc, NULL, NULL);
			return false;
		}
		buf_put(out, p, n);
	}
	return true;
}

static void
layer_free(struct sasl_layer *layer)
{
	conn_free(((struct cyrus_layer *)(void *)layer)->conn);
	mem_free(layer);
}

static const struct sasl_layer_class layer_class = {
    .decode = layer_decode, .encode = layer_encode, .free = layer_free};

static struct sasl_layer *
cyrus_layer(struct sasl_exchange *x)
{
	struct cyrus_conn *c = x->own;
	struct cyrus_layer *l;
	unsigned strength = c != NULL ? number(c, SASL_SSF) : 0;

	if (strength == 0)
		return NULL;
	l = mem_zalloc(sizeof(*l));
	l->layer.class = &layer_class;
	l->layer.strength = strength;
	l->layer.max_in = c->cyrus->props.maxbufsize;
	l->max_out = number(c, SASL_MAXOUTBUF);
	if (l->max_out > CHUNK)
		l->max_out = CHUNK;
	l->conn = c;
	c->x = NULL;
	x->own = NULL;
	return &l->layer;
}

void
cyrus_mech_init(struct sasl_mech *mech)
{
	mech->server_start = cyrus_start;
	mech->server_step = cyrus_step;
	mech->server_layer = cyrus_layer;
	mech->free_own = conn_free;
}
